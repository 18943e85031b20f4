"""Replays: what a front is worth, and that documentation shows what the record says."""

import json
from pathlib import Path

import numpy as np
import pytest
import race
import replay

DOCS = Path(__file__).parents[2] / "docs" / "search.md"


def test_worth_is_the_area_above_the_floor() -> None:
    scores, areas = np.array([1.0, 3.0, 2.0, 0.5, 9.0]), np.array([1.0, 4.0, 2.0, 0.5, 9.0])
    # At 1 um2 a score of 1, at 2 of 2, at 4 of 3; what reaches the floor alone counts nothing.
    expected = (2 - 1) * 0.5 + (4 - 2) * 1.5 + (8 - 4) * 2.5
    assert replay.worth(scores, areas, 0.5, 8.0) == pytest.approx(expected)
    assert replay.front(scores, areas, 0.5).tolist() == [0, 2, 1, 4]
    assert replay.front(scores, areas, 9.0).tolist() == []


def test_documentation_shows_the_record() -> None:
    record = json.loads(replay.REPLAY.read_text())
    text = DOCS.read_text()
    assert f"{record['points']} points" in text
    for name, found in record["searches"].items():
        means = " | ".join(
            f"{100 * found['hypervolume'][part]:.1f} %" for part in ("5%", "10%", "20%")
        )
        assert f"| {name} | {means} |" in text, name


def test_documentation_shows_the_record_of_races() -> None:
    rows = {
        (row["margin"], row["races"]): row for row in json.loads(race.RESULTS.read_text())["rows"]
    }
    text = DOCS.read_text()
    for margin in race.MARGINS:
        whole, raced = rows[margin, False], rows[margin, True]
        told = (
            f"{whole['finalists']:.1f} | {whole['trainings']:.0f} | {raced['trainings']:.0f}"
            f" | {100 * whole['missed']:.0f} % | {100 * raced['missed']:.0f} %"
        )
        assert f"| {told} | {100 * raced['hypervolume']:.1f} % |" in text
