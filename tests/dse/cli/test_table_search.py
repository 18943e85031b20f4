"""From tables of products, and nothing else, to the one that trains best, and its report."""

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from axdse.dse.cli import run
from axdse.dse.run.config import load_config
from axdse.dse.run.run_dir import RunDir
from axdse.dse.search.space import space_of
from axdse.multipliers.designs.catalog import full_catalog

from .test_own_search import LINE

# In this process: there is one worker, and it need not import torch again.
THREAD = """
from concurrent.futures import ThreadPoolExecutor


def thread():
    return ThreadPoolExecutor(1)
"""

EXACT = np.multiply.outer(np.arange(8), np.arange(8))
TABLES = {
    "near": EXACT - (EXACT > 40),
    "rough": EXACT & ~3,
    "alike": EXACT & ~3,
    "wild": np.where(EXACT > 20, 5, EXACT),
}
FORMATS = "formats: [int4, uint4, int4xint5]"
CONFIG = f"""\
workload: table_line:task
{FORMATS}
families: [near, rough, alike, wild, oblong]
objectives: [score]
trainings: 20
workers: 1
lag: 1
largest_loss: 5
"""


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tables, imported; beside them a workload and a search."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    Path("tables").mkdir()
    for name, table in TABLES.items():
        whole = np.multiply.outer(np.arange(16), np.arange(16))
        whole[:8, :8] = table
        np.savetxt(f"tables/{name}.txt", whole, fmt="%d")
    oblong = np.multiply.outer(np.arange(16), np.arange(32))
    np.savetxt("tables/oblong.txt", oblong - oblong // 8, fmt="%d")
    Path("table_line.py").write_text(LINE + THREAD)
    Path("search.yaml").write_text(CONFIG)
    assert run(["import", "tables", "-o", "mine"]) == 0
    return Path("mine")


def test_tables_alone_are_searched_raced_reported_and_exported(
    catalog: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    search = ["--catalog", str(catalog), "search", "search.yaml", "--run", "run"]
    search += ["--engine", "table_line:thread"]
    assert run([*search, "--trials", "3"]) == 0, capsys.readouterr().err
    assert run([*search, "--resume"]) == 0, capsys.readouterr().err
    results = RunDir(Path("run")).results()
    statuses = {trial.design: trial.status for trial in results.evaluations}
    square = {
        f"{name} in {form}" for form in ("int4", "uint4") for name in ("exact(n=4)", *TABLES)
    }
    assert statuses.keys() == square | {"oblong in int4xint5"}
    assert {"complete", "useless"} >= set(statuses.values())  # nobody is ruled out by another
    assert not any(trial.cost or trial.certificates for trial in results.evaluations)
    equal = [trial for trial in results.evaluations if trial.equal is not None]
    assert {trial.point.macs[0].format.name for trial in equal} == {"int4", "uint4"}
    assert {trial.point.macs[0].multiplier.family.name for trial in equal} <= {"rough", "alike"}

    assert run(["export", "run", "-o", "out"]) == 0, capsys.readouterr().err
    rows = list(csv.DictReader(Path("out/front.csv").read_text().splitlines()))
    scores = [float(row["validation_mean"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    front = [row for row in rows if row["on_front"] == "True"]
    assert front
    assert all(row["exact"] == "False" for row in front)
    named = front[0]["multiplier"]
    report = Path("out/report.html").read_text()
    assert "Not costed: no hardware." in report
    assert f'<span class="design">{named}</span>' in report.partition("trains best")[0]
    assert "µm²" not in report
    assert "fJ" not in report
    folder = Path("out") / front[0]["folder"]
    assert (folder / "assignment.yaml").read_text() == Path("out/assignment.yaml").read_text()
    tables = [np.load(path)["entries"] for path in Path("out/macs").glob(f"{named}_*/*.npz")]
    assert [table[3, 5] for table in tables] == [TABLES[named][3, 5]]
    assert json.loads(Path("out/trials.json").read_text())[0]["cost"] is None

    capsys.readouterr()
    assert run(["export", "--check", "out"]) == 0
    assert "MACs: 0, nothing differs" in capsys.readouterr().out
    assert run(["compare", "run", "run"]) == 2
    assert "run has no cost among its objectives" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("was", "now", "message"),
    [
        (
            "[score]",
            "[score, mac.area]",
            "tables alone: near, rough, alike, wild, oblong; write object",
        ),
        (
            "families: [near, rough, alike, wild, oblong]\nobjectives: [score]",
            "families: [near, drum, wild]\nobjectives: [score, area]",
            "the objective area needs Verilog: tables alone: near, wild",
        ),
        (
            "[int4]\nfamilies: [near, rough, alike, wild, oblong]\nobjectives: [score]",
            "[int4, uint4]\nfamilies: [drum]\nobjectives: [score, area]",
            "one kind of operand: uint4; write objectives: [score]",
        ),
        ("[int4]", "[int4, int8xint4]", "served by one of the families: int8xint4; add a family"),
        (
            "[near, rough, alike, wild, oblong]",
            "[exact]",
            "exact cores are what others are compared",
        ),
    ],
)
def test_what_tables_cannot_give_is_one_line_before_anything(
    was: str, now: str, message: str, catalog: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = CONFIG.replace(FORMATS, "formats: [int4]").replace(was, now)
    Path("search.yaml").write_text(text)
    capsys.readouterr()
    assert run(["--catalog", str(catalog), "search", "search.yaml", "--run", "run"]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not Path("run").exists()


def test_all_families_have_tables_among_them_if_nothing_is_costed(catalog: Path) -> None:
    Path("search.yaml").write_text(CONFIG.replace("[near, rough, alike, wild, oblong]", "all"))
    mine = full_catalog([catalog])
    config = load_config(Path("search.yaml"), mine)
    names = {family.name for family in space_of(config, mine).families}
    assert {*TABLES, "drum"} <= names
