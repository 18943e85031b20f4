"""The record of benchmarks/slopes.py fits its rows, and docs/tasks.md says what is in it."""

import json
from pathlib import Path

import slopes

RECORD = json.loads(slopes.RESULTS.read_text())
DOCUMENT = (Path(__file__).parents[2] / "docs" / "tasks.md").read_text()


def test_the_summary_is_that_of_the_rows() -> None:
    rows = [slopes.Retrained(**row) for row in RECORD["rows"]]
    assert len(rows) == len(slopes.CORES) * len(slopes.KINDS) * len(slopes.SEEDS)
    assert list(slopes.summary(rows)) == RECORD["summary"]


def test_the_document_has_its_figures() -> None:
    for core in slopes.CORES:
        cells = []
        for row in (row for row in RECORD["summary"] if row["core"] == core):
            loss = "diverges" if row["loss"] is None else f"{row['loss']:.2f}"
            cells.append(f"{row['accuracy_percent']:.1f} % / {loss}")
        assert f"| `{core}` | {' | '.join(cells)} |" in DOCUMENT
