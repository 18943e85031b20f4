"""The record of benchmarks/tasks.py says what its trainings say, and what the tasks are for."""

import json
from pathlib import Path
from typing import Any

import pytest
import tasks
from pydantic import TypeAdapter

from axdse.dse.training.records import Epoch, History
from axdse.dse.training.train import Trained

RECORD = json.loads(tasks.RESULTS.read_text())
TABLES = {table["task"]: table for table in RECORD["tables"]}


def test_tables_are_those_of_the_trainings() -> None:
    rows = TypeAdapter(list[tasks.Training]).validate_python(RECORD["trainings"])
    for name, expected in TABLES.items():
        own = [row for row in rows if row.key == tasks.key(name)]
        assert len(own) == expected["seeds"] * len(tasks.DESIGNS)
        assert tasks.table(name, own) == expected


def test_tiers_are_told_apart() -> None:
    """Four tiers at least, on tasks of seconds, and a design that fails."""
    assert TABLES["teacher"]["tiers"] >= 4
    assert TABLES["autoenc"]["tiers"] >= 4
    assert any(row["fails"] for table in TABLES.values() for row in table["designs"])


def test_spelling_refuses_what_teacher_does_not_see() -> None:
    def of(task: str) -> dict[str, Any]:
        rows = TABLES[task]["designs"]
        return next(row for row in rows if row["design"] == "exact(n=4) in float(3,3)")

    assert of("g2p")["fails"]
    assert not of("teacher")["fails"]


def training(design: str, seed: int, score: float, status: str = "finished") -> Any:
    return tasks.Training("teacher, TrainSettings()", design, seed, score, status, 1.0)


def test_overlapping_intervals_are_one_tier() -> None:
    rows = [training(tasks.REFERENCE, seed, -3.0) for seed in range(3)]
    rows += [training("near", seed, -3.0 + shift) for seed, shift in enumerate((-0.1, 0, 0.1))]
    rows += [training("far", seed, -2.5 + shift) for seed, shift in enumerate((-0.01, 0, 0.01))]
    rows += [training("lost", seed, -1.0) for seed in range(3)]
    found = tasks.table("teacher", rows)
    assert [(row["design"], row["tier"]) for row in found["designs"]] == [
        (tasks.REFERENCE, 1),
        ("near", 1),
        ("far", 2),
        ("lost", 3),
    ]
    assert [row["fails"] for row in found["designs"]] == [False, False, False, True]


def test_the_command_keeps_what_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = []

    def once(*arguments: object) -> Trained:
        calls.append(arguments)
        history = History((Epoch(1, 0.1, -1.0, -1.0, 1.0),), "finished", 0)
        return Trained(history, None)  # type: ignore[arg-type]

    monkeypatch.setattr(tasks, "train", once)
    monkeypatch.setattr(tasks, "RESULTS", tmp_path / "tasks.json")
    monkeypatch.setattr("sys.argv", ["tasks.py", "teacher", "--seeds", "2"])
    tasks.main()
    tasks.main()
    assert len(calls) == 2 * len(tasks.DESIGNS)
    assert "teacher: log10 MSE, 2 seeds" in capsys.readouterr().out
