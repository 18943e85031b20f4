"""The tables of MACs: which rows a run keeps, and whether documents show what the records say."""

import csv
import json
from pathlib import Path
from typing import Any

import mac_grid
import mac_scores
import pytest
from pydantic import TypeAdapter
from tasks import Training

FRONT = Path(__file__).parents[2] / "docs" / "front.md"
ORIGIN = {"tools": ["Yosys 1"], "library_digest": "a", "recording_digest": "b"}
FIRST, SECOND = mac_grid.TRAINED[:2]
Rows = dict[mac_grid.Pair, mac_grid.Row]


def row(pair: mac_grid.Pair, code: str, um2: str = "7") -> mac_grid.Row:
    return dict.fromkeys(mac_grid.COLUMNS, "0") | {
        "core": pair[0],
        "sum": pair[1],
        "um2": um2,
        "code": code,
    }


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rows:
    """Of one row of today's code and one of older code; what is costed again has 7 um2."""
    monkeypatch.setattr(mac_grid, "TABLE", tmp_path / "grid.csv")
    monkeypatch.setattr(mac_grid, "PROVENANCE", tmp_path / "grid.json")
    monkeypatch.setattr(mac_grid, "_code", lambda: "today")
    monkeypatch.setattr(mac_grid, "_costed", lambda pair, met: row(pair, "today"))
    rows = {FIRST: row(FIRST, "today"), SECOND: row(SECOND, "older")}
    mac_grid._write(rows, mac_grid._pairs(), ORIGIN, {})
    return rows


def test_rows_of_older_code_stay_if_they_come_out_the_same(table: Rows) -> None:
    kept, replayed = mac_grid._kept(ORIGIN, ())
    assert kept == table
    assert replayed == {"older by today": [" sum ".join(SECOND)]}


def test_rows_of_older_code_that_are_others_today_go(table: Rows) -> None:
    rows = {**table, SECOND: row(SECOND, "older", um2="8")}
    mac_grid._write(rows, mac_grid._pairs(), ORIGIN, {})
    kept, replayed = mac_grid._kept(ORIGIN, ())
    assert kept == {FIRST: table[FIRST]}
    assert replayed == {}


def test_what_was_replayed_is_not_replayed_again(
    table: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    mac_grid._write(table, mac_grid._pairs(), ORIGIN, {"older by today": ["one"]})
    monkeypatch.delattr(mac_grid, "_costed")
    assert mac_grid._kept(ORIGIN, ())[0] == table


@pytest.mark.parametrize("name", ORIGIN)
def test_rows_of_another_origin_all_go(name: str, table: Rows) -> None:
    assert table
    assert mac_grid._kept({**ORIGIN, name: "another"}, ()) == ({}, {})


def test_the_record_of_costs_is_complete() -> None:
    record: dict[str, Any] = json.loads(mac_grid.PROVENANCE.read_text())
    with mac_grid.TABLE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    pairs = [(each["core"], each["sum"]) for each in rows]
    assert len(set(pairs)) == len(pairs) == record["macs"] == sum(record["rows_by_code"].values())
    assert set(mac_grid.TRAINED) <= set(pairs)
    assert all(each["netlist"] == "cec" for each in rows)


def test_the_record_of_scores_is_that_of_the_trainings() -> None:
    record = json.loads(mac_scores.TRAININGS.read_text())
    trainings = TypeAdapter(list[Training]).validate_python(record["trainings"])
    with mac_scores.TABLE.open(newline="") as file:
        shown = [{k: v for k, v in each.items() if v} for each in csv.DictReader(file)]
    rows = [each for task in mac_scores.TASKS for each in mac_scores.rows_of(task, trainings)]
    assert shown == [{key: str(value) for key, value in each.items()} for each in rows]


@pytest.mark.parametrize(
    "table",
    [mac_scores.shares_table(mac_scores.SHOWN), mac_scores.shares_table(mac_scores.INTEGERS)],
    ids=["floats", "integers"],
)
def test_the_front_shows_the_shares(table: str) -> None:
    assert table in FRONT.read_text()


def test_the_front_shows_the_scores() -> None:
    assert mac_scores.scores_table() in FRONT.read_text()
