"""The catalogue of a run is part of it: what comes later needs no folder and no option."""

import dataclasses
import json
import os
import shlex
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from axdse.dse.cli import run as axdse
from axdse.dse.run.run_dir import RunDir
from axdse.dse.search.opening import open_run
from axdse.multipliers.designs.catalog import builtin_catalog, full_catalog
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.files import InputFile

Out = pytest.CaptureFixture[str]
CONFIG = """\
workload: lenet-300-100
dataset: fashion-mnist-14k
formats: ["float(8,2)"]
families: [mine]
objectives: [score, area]
training: {epochs: 1, train_images: 500}
largest_loss: 1.0
trials: 2
workers: 1
"""
ENTRY = """\
mine:
  title: one without its last bit
  kind: integer
  width: n
  parameters:
    n: {min: 3, max: 3, default: 3, meaning: operand width}
"""
MODEL = "#include <stdint.h>\nuint64_t mine(uint64_t a, uint64_t b) { return a * b & ~1u; }\n"
RTL = """\
module mine #(parameter N = 3) (input [N-1:0] a, b, output [2*N-1:0] p);
wire [2*N-1:0] q = a * b;
assign p = {q[2*N-1:1], 1'b0};
endmodule
"""


def catalogue(folder: Path, title: str = "one without its last bit") -> Path:
    for name, text in (
        ("catalog.yaml", ENTRY.replace("one without its last bit", title)),
        ("models/mine.c", MODEL),
        ("rtl/mine.v", RTL),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@dataclass(frozen=True)
class Searched:
    """A search over a catalogue that is gone by now."""

    config: Path
    run: Path


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Searched:
    folder = tmp_path_factory.mktemp("searched")
    config, run = folder / "search.yaml", folder / "run"
    config.write_text(CONFIG)
    given = catalogue(folder / "mine")
    assert axdse(["--catalog", str(given), "search", str(config), "--run", str(run)]) == 0
    shutil.rmtree(given)
    return Searched(config, run)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("AXDSE_CATALOG", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def outline(run: Path) -> list[tuple[str, str]]:
    return [(e.design, e.status) for e in RunDir(run).results().evaluations]


def test_the_search_found_designs_of_it(searched: Searched) -> None:
    assert [design for design, _ in outline(searched.run)] == [
        "exact(n=3) in float(8,2)",
        "mine(n=3) in float(8,2)",
    ]
    assert "AXDSE_CATALOG" not in os.environ
    run = RunDir(searched.run)
    assert run.info.catalog == run.catalog.digest != ""
    assert run.catalog.family("mine").model.is_relative_to(searched.run)


@pytest.mark.usefixtures("elsewhere")
def test_it_is_resumed_and_costed_again_without_it(searched: Searched) -> None:
    run = RunDir(searched.run)
    before = run.results().evaluations
    assert before[1].cost is not None
    units = tuple(
        dataclasses.replace(unit, basis="another", area_um2=1.0) for unit in before[1].cost.units
    )
    stale = dataclasses.replace(before[1].cost, units=units)
    run.save_evaluation(dataclasses.replace(before[1], cost=stale))
    command = ["search", str(searched.config), "--run", str(searched.run), "--resume"]
    assert axdse(command) == 0
    assert run.results().evaluations == before


def test_it_is_exported_without_it_and_carries_it(
    searched: Searched, elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    assert axdse(["export", str(searched.run), "-o", "out"]) == 0
    (folder,) = (elsewhere / "out").glob("macs/*mine*n*3*")
    copied = full_catalog([elsewhere / "out" / "catalog" / "1"])
    assert copied.digest == RunDir(searched.run).info.catalog
    monkeypatch.chdir(folder)
    lines = (folder / "README.md").read_text().splitlines()
    commands = [shlex.split(line)[1:] for line in lines if line.startswith("axdse ")]
    verify = next(c for c in commands if "verify" in c and "mine(n=3)" in c)
    assert verify[:2] == ["--catalog", "../../catalog/1"]
    assert axdse([*verify, "--json"]) == 0
    assert (
        json.loads(capsys.readouterr().out.partition("see report.html\n")[2])[0]["mismatches"] == 0
    )


def test_results_are_read_once(
    searched: Searched, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: Counter[Path] = Counter()
    real = InputFile.read

    def counted(self: InputFile) -> bytes:
        read[self.path] += 1
        return real(self)

    monkeypatch.setattr(InputFile, "read", counted)
    assert axdse(["export", str(searched.run), "-o", str(elsewhere / "out")]) == 0
    trials = list(searched.run.glob("trials/*.json"))
    assert len(trials) == 2
    files = (*trials, searched.run / "baselines.json", searched.run / "front.json")
    assert [read[path] for path in files] == [1, 1, 1, 1]


@pytest.fixture
def damaged(searched: Searched, tmp_path: Path) -> Path:
    folder = tmp_path / "damaged"
    shutil.copytree(searched.run, folder)
    return folder


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("1/models/mine.c", MODEL + "\n", "the catalogue of a run is the one that its search had"),
        ("1/catalog.yaml", "other: 1\n", "a catalogue maps names to families"),
        ("2/catalog.yaml", ENTRY.replace("mine", "his"), "the one that its search had"),
    ],
)
def test_another_catalogue_in_its_place_is_refused(
    name: str, text: str, message: str, damaged: Path, tmp_path: Path, capsys: Out
) -> None:
    if name.startswith("2"):
        catalogue(damaged / "catalog" / "2")
        for path in (damaged / "catalog" / "2").glob("*/mine.*"):
            path.rename(path.with_stem("his"))
    (damaged / "catalog" / name).write_text(text)
    assert axdse(["export", str(damaged), "-o", str(tmp_path / "out")]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_link_in_its_place_is_refused(damaged: Path, tmp_path: Path) -> None:
    model = damaged / "catalog" / "1" / "models" / "mine.c"
    model.rename(tmp_path / "outside.c")
    model.symlink_to(tmp_path / "outside.c")
    with pytest.raises(AxdseError, match="no links and no devices"):
        RunDir(damaged)


def test_a_run_whose_catalogue_is_gone_is_refused(damaged: Path) -> None:
    shutil.rmtree(damaged / "catalog")
    with pytest.raises(AxdseError, match="is the one that its search had"):
        RunDir(damaged)


def test_resuming_with_another_catalogue_is_refused(
    searched: Searched, elsewhere: Path, capsys: Out
) -> None:
    other = str(catalogue(elsewhere / "other", title="another one"))
    command = ["search", str(searched.config), "--run", str(searched.run), "--resume"]
    assert axdse(["--catalog", other, *command]) == 2
    err = capsys.readouterr().err
    assert "a resumed search keeps its catalogue" in err
    assert "leave --catalog out" in err


def test_the_same_catalogue_may_be_given_again(searched: Searched, tmp_path: Path) -> None:
    same = full_catalog([catalogue(tmp_path / "same")])
    config = RunDir(searched.run).config
    run = open_run(searched.run, config, same, resume=True)
    assert run.catalog.family("mine").model.is_relative_to(searched.run)


@pytest.fixture
def variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AXDSE_CATALOG", str(catalogue(tmp_path / "mine")))


@pytest.mark.usefixtures("variable")
def test_the_variable_is_the_default_of_the_option(capsys: Out) -> None:
    assert axdse(["list"]) == 0
    assert "mine(n=3)" in capsys.readouterr().out
    assert "mine" not in builtin_catalog().families


def test_copies_have_the_digest_of_what_they_copy(tmp_path: Path) -> None:
    given = full_catalog([catalogue(tmp_path / "mine")])
    given.copy_added(tmp_path / "copy")
    assert full_catalog([tmp_path / "copy" / "1"]).digest == given.digest
    assert builtin_catalog().digest == ""
