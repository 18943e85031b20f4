"""Replays: what a front is worth, and that documentation shows what the record says."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import per_pass
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


def test_documentation_shows_what_gradients_save() -> None:
    text, known = DOCS.read_text(), json.loads(per_pass.RESULTS.read_text())["tasks"]
    tasks = {task["task"]: [row for row in task["points"] if row["as_good"]] for task in known}
    for row in tasks["teacher"]:
        told = f"{row['step_uj']:,.0f} | {row['worse_by']:+.3f} ± {row['interval']:.3f}"
        assert f"| `{row['point']}` | {told} |" in text
    best, uniform = tasks["teacher"][0], _first(tasks["teacher"], uniform=True)
    assert f"takes\n{100 * (1 - best['step_uj'] / uniform['step_uj']):.0f} % less" in text
    floats = {
        name: [row for row in rows if "int8" not in row["point"]] for name, rows in tasks.items()
    }
    for name, rows in floats.items():
        if name != "teacher":
            for best in (_first(rows, uniform=False), _first(rows, uniform=True)):
                assert f"{best['step_uj']:,.0f}, `" in text, best
                assert f"{best['worse_by']:+.3f} ± {best['interval']:.3f}" in text, best


def _first(rows: list[dict[str, Any]], uniform: bool) -> dict[str, Any]:
    return next(row for row in rows if row["uniform"] == uniform)


def test_documentation_shows_what_rungs_take_and_lose() -> None:
    text = DOCS.read_text()
    for row in json.loads(race.RESULTS.read_text())["rungs"]:
        assert f"| {100 * row['epochs']:.1f} % | {100 * row['lost']:.0f} % |" in text
