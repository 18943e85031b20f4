"""Export: usable without axdse, complete, reproducible, and whole or not at all."""

import csv
import errno
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from torch import nn

from axdse import convert
from axdse.dse.cli import run
from axdse.dse.cli.commands import cli
from axdse.dse.report.export.export import Export, export_run
from axdse.dse.report.export.folder import SUMS
from axdse.dse.report.export.mac import FILE_LIST, UNIT_LIST, standalone_model, verilog_of
from axdse.dse.run.run_dir import RunDir
from axdse.flows.accelerator.mac_unit import MacUnit
from axdse.flows.verify.certificate import read_certificate
from axdse.flows.verilog.devices import modules
from axdse.gpu.layers.linear import ApproxLinear
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.design_point import Candidate, load_design_point, parse_mac
from axdse.multipliers.designs.rtl_text import core_rtl, unit_rtl
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import parse_format
from axdse.multipliers.model.cmodel import tabulate
from axdse.multipliers.model.unit_oracle import unit_products
from axdse.multipliers.sandbox.compiler import compiler
from axdse.multipliers.tables.lut import build_lut, load_approxtrain, load_npz

# The front of `finished_run`, by area: a MAC each.
DESIGNS = (
    ("drum(n=4,k=3)", "float(8,3)", "drum_n4_k3"),
    ("mitchell(m=3)", "float(8,3)", "mitchell_m3"),
    ("exact(n=4)", "float(8,3)", "exact_n4"),
)
CORES = [pytest.param(i, stem, id=stem) for i, (_, _, stem) in enumerate(DESIGNS)]


@pytest.fixture(scope="module")
def exported(finished_run: RunDir, tmp_path_factory: pytest.TempPathFactory) -> Export:
    return export_run(finished_run, tmp_path_factory.mktemp("exported") / "out")


def contents(folder: Path) -> dict[Path, bytes]:
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_front_has_a_folder_a_point_and_a_folder_a_mac(exported: Export) -> None:
    names = [*(f"{stem}_in_float_8_3" for _, _, stem in DESIGNS), "exact_n8_in_int8"]  # the answer
    assert [folder.name for folder in exported.macs] == names
    assert [folder.name for folder in exported.points] == [
        f"{i}_{n}" for i, n in enumerate(names, 1)
    ]
    assert set(exported.files) == set(contents(exported.folder))


def test_the_answer_is_an_assignment_that_convert_reads(exported: Export) -> None:
    path = exported.folder / "assignment.yaml"
    assert load_design_point(path).name == "exact(n=8) in int8"
    assert path.read_bytes() == (exported.points[3] / "assignment.yaml").read_bytes()
    assert isinstance(convert(nn.Linear(3, 2), path).model, ApproxLinear)


@pytest.mark.parametrize("given", ["core", "unit", "mac", "all"])
@pytest.mark.parametrize(("index", "stem"), CORES)
def test_rtl_elaborates_on_its_own(
    index: int, stem: str, given: str, exported: Export, tmp_path: Path
) -> None:
    (unit,) = exported.macs[index].glob("unit_*.v")
    (mac,) = exported.macs[index].glob("mac_*.v")
    top = {"core": stem, "unit": unit.stem}.get(given, mac.stem)
    for source in exported.macs[index].glob(f"{stem}.v" if given == "core" else "*.[vf]"):
        (tmp_path / source.name).write_bytes(source.read_bytes())
    name = {"unit": UNIT_LIST, "mac": FILE_LIST}.get(given, "")
    every = sorted(path.name for path in tmp_path.glob("*.v"))
    files = (tmp_path / name).read_text().split() if name else every
    listed = ["-f", name] if name else files
    read = f"read_verilog {' '.join(files)}; hierarchy -check -top {top}; proc; check"
    for command in (
        ["iverilog", "-g2005", "-Wall", "-s", top, "-o", "out", *listed],
        ["yosys", "-q", "-p", read],
    ):
        subprocess.run(command, check=True, cwd=tmp_path, capture_output=True)


@pytest.mark.parametrize(("index", "stem"), CORES)
def test_the_file_list_has_each_verified_module_once(
    index: int, stem: str, exported: Export
) -> None:
    folder = exported.macs[index]
    names = (folder / UNIT_LIST).read_text().splitlines()
    assert names[-1] == f"{stem}.v"
    found: dict[str, str] = {}
    for name in names:
        held = modules((folder / name).read_text())
        assert held
        assert not held.keys() & found
        found |= held
    spec, form, _ = DESIGNS[index]
    multiplier = builtin_catalog().multiplier(spec)
    core = modules(core_rtl(multiplier).text)
    unit = modules(unit_rtl(Candidate(multiplier, parse_format(form))).text)
    assert core
    assert unit
    assert found == core | unit
    whole = (folder / FILE_LIST).read_text().splitlines()
    assert sorted(whole) == sorted(path.name for path in folder.glob("*.v"))
    held_there = [modules((folder / name).read_text()) for name in whole]
    assert sum(map(len, held_there)) == len({name for each in held_there for name in each})


def test_the_verilog_of_a_recipe_is_that_of_its_sum() -> None:
    mac = parse_mac("exact(n=4) in float(8,3) sum dot(terms=2,align=5)")
    verilog = verilog_of(mac)
    assert (verilog.unit, verilog.unit_files) == ("", ())
    assert verilog.top_files[0] == f"{verilog.top}.v"
    assert set(verilog.texts) == set(verilog.top_files)
    held = {name for text in verilog.texts.values() for name in modules(text)}
    assert set(modules(MacUnit(mac).path.rtl.text)) <= held


@pytest.mark.parametrize("spec", [f.bind().spec for f in builtin_catalog().families.values()])
def test_a_c_model_compiles_alone_without_a_warning(spec: str, tmp_path: Path) -> None:
    source = tmp_path / "model.c"
    source.write_text(standalone_model(builtin_catalog().multiplier(spec)))
    flags = ("-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-c")
    result = subprocess.run(
        [compiler()[0], *flags, str(source), "-o", os.devnull], capture_output=True, text=True
    )
    assert result.stderr == ""
    assert result.returncode == 0


@pytest.mark.parametrize(("index", "stem"), CORES)
def test_an_exported_c_model_multiplies_as_the_catalogue_does(
    index: int, stem: str, exported: Export, tmp_path: Path
) -> None:
    multiplier = builtin_catalog().multiplier(DESIGNS[index][0])
    model = exported.macs[index] / f"{multiplier.family.name}.c"
    size = 1 << multiplier.operand_bits
    (tmp_path / "main.c").write_text(
        f'#include <stdio.h>\n#include "{model}"\nint main(void) {{\n'
        f"  for (int a = 0; a < {size}; a++) for (int b = 0; b < {size}; b++)\n"
        f'    printf("%d ", (int){model.stem}(a, b));\n}}\n'
    )
    subprocess.run([compiler()[0], "main.c", "-o", "main"], cwd=tmp_path, check=True)
    printed = subprocess.run([tmp_path / "main"], capture_output=True, check=True).stdout
    products = np.array(printed.split(), dtype=np.uint64).reshape(size, size)
    assert np.array_equal(products, tabulate(multiplier))


@pytest.mark.parametrize(("index", "stem"), CORES)
def test_an_exported_c_unit_multiplies_as_the_unit_does(
    index: int, stem: str, exported: Export, tmp_path: Path
) -> None:
    spec, form, _ = DESIGNS[index]
    candidate = Candidate(builtin_catalog().multiplier(spec), parse_format(form))
    (unit,) = exported.macs[index].glob("unit_*.c")
    codes = np.random.default_rng(0).integers(0, 1 << 12, (2, 1000))
    calls = ", ".join(f"fp_multiply({a}, {b})" for a, b in codes.T)
    (tmp_path / "main.c").write_text(
        f'#include <stdio.h>\n#include "{unit}"\nint main(void) {{\n'
        f"  unsigned long long p[] = {{{calls}}};\n"
        '  for (int i = 0; i < 1000; i++) printf("%llu ", p[i]);\n}\n'
    )
    subprocess.run([compiler()[0], "main.c", "-o", "main"], cwd=tmp_path, check=True)
    printed = subprocess.run([tmp_path / "main"], capture_output=True, check=True).stdout
    assert np.array_equal(
        np.array(printed.split(), dtype=np.uint64), unit_products(candidate, *codes)
    )


@pytest.mark.parametrize(("index", "stem"), CORES)
def test_an_exported_core_holds_against_its_certificate(
    index: int, stem: str, exported: Export
) -> None:
    folder = exported.macs[index]
    name = builtin_catalog().multiplier(DESIGNS[index][0]).family.name
    files = ["--model", str(folder / f"{name}.c"), "--rtl", str(folder / f"{stem}.v")]
    assert run(["verify", "--check", str(folder / "certificate_core.json"), *files]) == 0


@pytest.mark.parametrize(("spec", "form", "stem"), DESIGNS)
def test_tables_are_the_candidates(spec: str, form: str, stem: str, exported: Export) -> None:
    lut = build_lut(Candidate(builtin_catalog().multiplier(spec), parse_format(form)))
    (npz,) = exported.folder.glob(f"macs/*/{stem}.npz")
    (raw,) = exported.folder.glob(f"macs/*/{stem}_3.bin")
    assert load_npz(npz).digest == lut.digest
    assert np.array_equal(load_approxtrain(raw, rounding="nearest").entries, lut.entries)


def test_every_trial_is_in_both_tables(exported: Export, finished_run: RunDir) -> None:
    numbers = [e.number for e in finished_run.results().evaluations]
    rows = list(csv.DictReader((exported.folder / "trials.csv").open(newline="")))
    entries = json.loads((exported.folder / "trials.json").read_text())
    assert [int(row["number"]) for row in rows] == numbers
    assert [entry["number"] for entry in entries] == numbers
    useless, failed = rows[8], rows[7]
    assert [useless["status"], failed["status"]] == ["useless", "failed"]
    for row in (useless, failed):
        assert row["reason"] == finished_run.results().evaluations[int(row["number"])].reason
    assert failed["area_um2"] == ""
    assert float(rows[0]["area_um2"]) == entries[0]["cost"]["units"][0]["area_um2"]


def test_the_front_is_in_both_tables(exported: Export) -> None:
    rows = list(csv.DictReader((exported.folder / "front.csv").open(newline="")))
    entries = json.loads((exported.folder / "front.json").read_text())
    assert [row["multiplier"] for row in rows] == [e["multiplier"] for e in entries]
    assert len(rows) == 4
    folders = [row["folder"] for row in rows]
    assert folders == [str(path.relative_to(exported.folder)) for path in exported.points]
    assert [row["on_front"] for row in rows] == ["True", "True", "True", "False"]


def test_certificates_cost_and_training_are_complete(exported: Export) -> None:
    folder, mac = exported.points[0], exported.macs[0]
    for part in ("core", "unit"):
        certificate = read_certificate(mac / f"certificate_{part}.json")
        assert certificate.verdict in ("exhaustive", "sampled")
        assert certificate.vectors > 0
    cost = json.loads((mac / "cost.json").read_text())
    assert cost["area_um2"] > 0
    assert len(cost["library_digest"]) == 64
    assert cost["recorded"] is None  # it is of a design point
    assert json.loads((folder / "cost.json").read_text())["units"][0]["recorded"]["energy_fj"] > 0
    rows = list(csv.DictReader((folder / "training.csv").open(newline="")))
    histories = json.loads((folder / "training.json").read_text())
    assert [row["seed"] for row in rows] == ["1", "1", "2", "2", "3", "3"]
    assert [history["seed"] for history in histories] == [1, 2, 3]


POINT = ["cost", "energy", "train", "train", "train"]


@pytest.mark.parametrize(
    ("place", "names"),
    [
        ("macs", ["verify", "verify", "verify", "cost", "lut"]),
        ("points", POINT),
        ("", ["export", *POINT]),
    ],
)
def test_the_readme_names_every_file_and_its_commands_parse(
    place: str, names: list[str], exported: Export
) -> None:
    folder = {"macs": exported.macs[0], "points": exported.points[0]}.get(place, exported.folder)
    readme = (folder / "README.md").read_text()
    told = {*readme.split("`"), "README.md"}
    assert [p.name for p in folder.iterdir() if not {p.name, f"{p.name}/"} & told] == []
    commands = [line for line in readme.splitlines() if line.startswith("axdse ")]
    assert [line.split()[1] for line in commands] == names
    for command in commands:
        name = command.split()[1]
        options = {word for word in command.split() if word.startswith("--")}
        help_text = CliRunner().invoke(cli, [name, "--help"]).output
        assert [option for option in options if option not in help_text] == []


def test_the_readmes_commands_without_axdse_run(exported: Export, tmp_path: Path) -> None:
    folder = tmp_path / "design"
    shutil.copytree(exported.macs[0], folder)
    lines = (folder / "README.md").read_text().splitlines()
    commands = [line for line in lines if line.startswith(("iverilog ", "yosys ", "cc "))]
    assert [line.split()[0] for line in commands] == ["iverilog", "yosys", "cc"]
    for command in commands:
        subprocess.run(command, shell=True, check=True, cwd=folder, capture_output=True)


def test_two_exports_hold_the_same_bytes(
    exported: Export, finished_run: RunDir, tmp_path: Path
) -> None:
    again = export_run(finished_run, tmp_path / "again")
    assert contents(again.folder) == contents(exported.folder)


# Bad input: one AxdseError, and nothing half-written.


def test_a_run_without_a_front_is_refused(unfinished_run: RunDir, tmp_path: Path) -> None:
    with pytest.raises(AxdseError, match=r"no front yet; .*axdse search .*--resume"):
        export_run(unfinished_run, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_of_somebody_else_is_refused(
    overwrite: bool, finished_run: RunDir, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")
    with pytest.raises(AxdseError, match=r"exists|holds something else"):
        export_run(finished_run, tmp_path / "out", overwrite=overwrite)
    assert contents(tmp_path) == {Path("out/thesis.tex"): b"years of work"}


def test_an_earlier_export_is_replaced_on_request(finished_run: RunDir, tmp_path: Path) -> None:
    out = export_run(finished_run, tmp_path / "out").folder
    (out / "notes.txt").write_text("mine")
    expected = contents(out)
    (out / "front.csv").unlink()
    export_run(finished_run, out, overwrite=True)
    assert contents(out) == expected
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_list_of_digests_holds(exported: Export) -> None:
    subprocess.run(["sha256sum", "--check", "--strict", SUMS], cwd=exported.folder, check=True)
    lines = (exported.folder / SUMS).read_text().splitlines()
    assert len(lines) == len(exported.files) - 1


def full_disk(after: int) -> Callable[..., Any]:
    """`Path.write_text` on a disk that is full after so many files."""
    left, real = iter(range(after)), Path.write_text

    def write_text(self: Path, *arguments: Any, **keywords: Any) -> int:
        if next(left, None) is None:
            real(self, "half")
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(self, *arguments, **keywords)

    return write_text


@pytest.mark.parametrize("earlier", [False, True], ids=["new", "overwrite"])
@pytest.mark.parametrize("after", [0, 5])
def test_a_full_disk_leaves_nothing_half_written(
    after: int, earlier: bool, exported: Export, finished_run: RunDir, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    if earlier:
        for name in ("report.html", "trials.csv", "front.csv"):
            (tmp_path / "out").mkdir(exist_ok=True)
            (tmp_path / "out" / name).write_text("earlier")
    before = contents(tmp_path)
    monkeypatch.setattr(Path, "write_text", full_disk(after))
    with pytest.raises(AxdseError, match=r"must be writable: .*No space left.*; free some space"):
        export_run(finished_run, tmp_path / "out", overwrite=earlier)
    assert contents(tmp_path) == before
    assert {path.name for path in tmp_path.iterdir()} <= {"out"}


def test_a_place_that_cannot_be_written_is_refused(finished_run: RunDir, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AxdseError, match="must be writable"):
        export_run(finished_run, tmp_path / "file" / "out")
