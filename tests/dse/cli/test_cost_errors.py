"""The command cost on bad input: one line, exit code 2, nothing stored, nobody else harmed."""

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from axdse.dse.cli import run
from axdse.flows import yosys
from axdse.flows.liberty.library import OSU018

Refused = Callable[..., str]
TEXT = OSU018.read_text(encoding="latin-1")
TINY = ("exact(n=3)", "--core")


@pytest.fixture
def empty_cache(tmp_path: Path) -> Path:
    return tmp_path / "empty"


@pytest.fixture
def refused(fresh_cache: Path, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Run `axdse cost`, which must refuse; return the line."""

    def line(*arguments: str) -> str:
        assert run(["cost", *arguments]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith("axdse: ")
        assert captured.err.count("\n") == 1
        assert captured.err.count("; ") >= 1
        assert not list(fresh_cache.glob("*cost/*"))
        return captured.err

    return line


# Libraries.


def without_cells(names: str) -> str:
    """The default library without the cells whose names match."""
    starts = [found.start() for found in re.finditer(r"(?m)^cell \(", TEXT)]
    ends = [*starts[1:], TEXT.rindex("}")]
    cells = [TEXT[start:end] for start, end in zip(starts, ends, strict=True)]
    kept = [cell for cell in cells if not re.match(rf"cell \(({names})\)", cell)]
    return TEXT[: starts[0]] + "".join(kept) + "}\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"bad.lib, line 1: unexpected 'end of file'"),
        (gzip.compress(TEXT.encode("latin-1")), r"gunzip"),
        (bytes(range(256)) * 8, r"bad.lib, line \d+: unexpected"),
        (TEXT.encode("utf-16"), r"bad.lib, line \d+: unexpected"),
        (b"<!DOCTYPE html><html></html>", r"bad.lib, line 1: unexpected"),
        (TEXT[: len(TEXT) // 2].encode("latin-1"), r"bad.lib, line \d{4}: unexpected"),
        ((TEXT + "}").encode("latin-1"), r"bad.lib, line \d{4}: unexpected '}'"),
        (b"library (x) { include_file (bad.lib); }", r"include"),
        (b"library (x) { include_file (absent.lib); }", r"absent.lib \(No such file"),
    ],
    ids=["empty", "gzip", "binary", "utf-16", "html", "half", "two ends", "loop", "include"],
)
def test_a_library_that_does_not_parse(
    content: bytes, message: str, refused: Refused, tmp_path: Path
) -> None:
    path = tmp_path / "bad.lib"
    path.write_bytes(content)
    assert re.search(message, refused(*TINY, "--library", str(path)))


@pytest.mark.parametrize("place", [".", "/dev/null", "absent.lib"])
def test_a_library_that_is_no_file(place: str, refused: Refused) -> None:
    assert place in refused(*TINY, "--library", place)


@pytest.mark.parametrize("options", [(), ("--fast",)], ids=["full", "fast"])
@pytest.mark.parametrize(
    ("names", "message"),
    [
        (r"INV\w+", "lacks an inverter"),
        ("NAND2X1", "lacks a 2-input NAND"),
        (r"(?!DFF)\w+", "combinational cells"),
    ],
)
def test_a_library_without_needed_cells(
    names: str, message: str, options: tuple[str, ...], refused: Refused, tmp_path: Path
) -> None:
    path = tmp_path / "bad.lib"
    path.write_text(without_cells(names), encoding="latin-1")
    line = refused(*TINY, *options, "--library", str(path))
    assert message in line
    assert "bad.lib" in line


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('time_unit : "1ns"', 'time_unit : "0ns"', "time_unit"),
        ('time_unit : "1ns"', 'time_unit : "-1ns"', "time_unit"),
        ('time_unit : "1ns"', 'time_unit : "1e-ns"', "time_unit"),
        ("_load_unit (1,pf)", "_load_unit (0,pf)", "capacitive_load_unit"),
        ("_load_unit (1,pf)", "_load_unit (pf,1)", "capacitive_load_unit"),
        ('voltage_unit : "1V"', 'voltage_unit : "1A"', "voltage_unit"),
        ("area : 32;", "area : nan;", "area"),
        ("area : 32;", "area : -32;", "area"),
        ("area : 32;", "area : inf;", "area"),
        (" voltage : 1.8", " voltage : nan", "must be a number: nan"),
    ],
)
def test_a_library_with_impossible_numbers(
    old: str, new: str, message: str, refused: Refused, tmp_path: Path
) -> None:
    assert old in TEXT
    path = tmp_path / "bad.lib"
    path.write_text(TEXT.replace(old, new, 1), encoding="latin-1")
    assert message in refused(*TINY, "--library", str(path))


def test_a_table_with_a_hole_is_refused(refused: Refused, tmp_path: Path) -> None:
    path = tmp_path / "bad.lib"
    start = TEXT.index("values (", TEXT.index("cell ("))
    hole = re.sub(r'"\s*[\d.]+', '"nan', TEXT[start : start + 200], count=1)
    path.write_text(TEXT[:start] + hole + TEXT[start + 200 :], encoding="latin-1")
    assert "holds numbers" in refused(*TINY, "--library", str(path))


# RTL.

FAMILY = """\
wrong:
  title: a family that is wrong on purpose
  kind: integer
  width: n
  parameters:
    n: {min: 3, max: 12, default: 3, meaning: operand width in bits}
  error_sign: exact
"""


@pytest.fixture
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A catalogue with one family: the exact model beside other Verilog."""

    def make(body: str) -> None:
        folder = tmp_path / "catalogue"
        for name in ("models", "rtl"):
            (folder / name).mkdir(parents=True)
        (folder / "catalog.yaml").write_text(FAMILY)
        (folder / "models" / "wrong.c").write_text(
            "#include <stdint.h>\nuint64_t wrong(uint64_t a, uint64_t b) { return a * b; }\n"
        )
        (folder / "rtl" / "wrong.v").write_text(
            "module wrong #(parameter N = 8) (input [N-1:0] a, b, output [2*N-1:0] p);\n"
            f"{body}\nendmodule\n"
        )
        monkeypatch.setenv("AXDSE_CATALOG", str(folder))

    return make


@pytest.mark.parametrize("options", [(), ("--fast",)], ids=["full", "fast"])
@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("reg [2*N-1:0] q; always @* if (a[0]) q = b; assign p = q;", "LATCH"),
        ("reg [2*N-1:0] q; always @(posedge a[0]) q <= b; assign p = q;", r"DFF|latch"),
        ("wire q = ~(a[0] & r); wire r = ~(b[0] & q); assign p = {q, r, a};", "loop"),
        ("assign p = a; assign p[0] = b[0];", "multiple conflicting drivers"),
        ("wire q; assign p = {q, 5'b0};", "driver"),
        ("assign p = {2*N{1'bx}};", r"driver|must compute what the C model does"),
        ("assign p = a *** b;", r"rtl.v:\d+: syntax error"),
        ("absent u (.a(a)); assign p = a;", "`.absent'"),
        ("assign p = a * b - (a == 5 && b == 6);", "a=0x5, b=0x6 gives 0x1d, not 0x1e"),
    ],
    ids=["latch", "state", "loop", "drivers", "undriven", "x", "syntax", "module", "wrong"],
)
def test_rtl_that_has_no_cost(
    body: str,
    message: str,
    options: tuple[str, ...],
    catalogue: Callable[[str], None],
    refused: Refused,
) -> None:
    catalogue(body)
    assert re.search(message, refused("wrong(n=3)", "--core", *options))


def test_a_wide_core_with_one_wrong_product_has_no_cost(
    catalogue: Callable[[str], None], refused: Refused
) -> None:
    catalogue("assign p = a * b ^ (a == 12'h5a3 && b == 12'h6c9);")
    line = refused("wrong(n=12)", "--core")
    assert "a=0x5a3, b=0x6c9 gives 0x263efa, not 0x263efb" in line


# Activity and clock.


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": np.array([1, 8]), "b": np.array([1, 2])}, "have 3 bits: a=0x8"),
        ({"a": np.array([1, 2]), "b": np.array([1, 99])}, "have 3 bits: b=0x63"),
        ({"a": np.zeros(0, int), "b": np.zeros(0, int)}, "at least 2: 0 and 0"),
        ({"a": np.full(4, np.nan), "b": np.arange(4)}, "give bit patterns, not values"),
        ({"a": np.zeros((2, 2), int), "b": np.arange(4)}, "one-dimensional"),
    ],
    ids=["wide a", "wide b", "empty", "NaN", "two axes"],
)
def test_a_trace_of_other_operands(
    arrays: dict[str, np.ndarray], message: str, refused: Refused, tmp_path: Path
) -> None:
    np.savez(tmp_path / "t.npz", **arrays)
    assert message in refused(*TINY, "--activity", str(tmp_path / "t.npz"))


def test_a_trace_of_another_format(refused: Refused, tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", a=np.arange(4), b=np.arange(4), format="int8")
    line = refused("exact(n=4)", "--activity", str(tmp_path / "t.npz"))
    assert "int8 in t.npz; record a run in that format" in line


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\3\4half"])
def test_a_trace_that_is_no_archive(content: bytes, refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "t.npz").write_bytes(content)
    assert "t.npz" in refused(*TINY, "--activity", str(tmp_path / "t.npz"))


@pytest.mark.parametrize("clock", ["0", "-1", "nan", "inf", "-inf", "1e-9", "1e300"])
def test_a_clock_that_is_none(clock: str, refused: Refused) -> None:
    assert "clock" in refused(*TINY, f"--clock={clock}")


@pytest.mark.parametrize("clock", ["0", "1"])
def test_the_fast_cost_has_no_clock(clock: str, refused: Refused) -> None:
    assert "--fast knows neither clock" in refused(*TINY, "--fast", "--clock", clock)


def test_a_clock_that_nothing_meets_is_no_failure(
    fresh_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["cost", *TINY, "--clock", "0.01", "--json"]) == 0
    (cost,) = json.loads(capsys.readouterr().out)
    assert cost["delay_ns"] > cost["clock_ns"] == 0.01
    assert run(["cost", *TINY, "--clock", "0.01"]) == 0
    assert " infeasible" in capsys.readouterr().out


# Tools that fail for one design, and a cache that many use or nobody can.


def sick_yosys(folder: Path, body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Yosys that fails for one design alone."""
    real = shutil.which("yosys")
    path = folder / "yosys"
    path.write_text(
        f"#!/bin/sh\nif grep -qs 'module mitchell_m2' rtl.v; then {body}; fi\nexec {real} \"$@\"\n"
    )
    path.chmod(0o755)
    monkeypatch.setenv("AXDSE_YOSYS", str(path))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("exit 3", "Yosys must accept mitchell_m2: exit code 3"),
        ("kill -SEGV $$", "Yosys must accept mitchell_m2: exit code -11"),
        ("sleep 60", "yosys must end within 2 s: killed"),
    ],
    ids=["refuses", "crashes", "hangs"],
)
def test_a_tool_that_fails_for_one_design_takes_no_other_down(
    body: str,
    message: str,
    fresh_cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sick_yosys(tmp_path, body, monkeypatch)
    monkeypatch.setattr(yosys, "TIME_LIMIT_S", 2)
    assert run(["cost", "--all", "--bits", "2", "--json"]) == 2
    captured = capsys.readouterr()
    designs = {cost["design"] for cost in json.loads(captured.out)}
    assert len(designs) > 4
    assert "mitchell(m=2)" not in designs
    assert captured.err.count("no cost: ") == 1
    assert f"no cost: {message}" in captured.err
    assert "Traceback" not in captured.err


def test_a_cache_that_cannot_be_written(
    refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("AXDSE_CACHE", str(tmp_path / "file"))
    assert "set AXDSE_CACHE to another folder" in refused(*TINY)


COST = """\
import resource, sys
from axdse.dse.cli import run
if sys.argv[1] != "0":
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
sys.exit(run(["cost", "exact(n=4)", "--core", "--json"]))
"""


def start(limit: int, cache: Path) -> subprocess.Popen[str]:
    """`axdse cost` in a process of its own, which can write files of `limit` bytes alone."""
    return subprocess.Popen(
        [sys.executable, "-c", COST, str(limit)],
        env={**os.environ, "AXDSE_CACHE": str(cache)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_full_disk_leaves_nothing_half_written(empty_cache: Path) -> None:
    process = start(1000, empty_cache)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert out == ""
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert [
        path for path in empty_cache.rglob("*") if path.is_file() and path.stat().st_size
    ] == []


def test_processes_share_a_cache(empty_cache: Path) -> None:
    processes = [start(0, empty_cache) for _ in range(3)]
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], outputs
    costs = [json.loads(out)[0] for out, _ in outputs]
    assert len({cost["area_um2"] for cost in costs}) == 1
    assert len(list(empty_cache.glob("cost/*"))) == 1
    kept = json.loads(next(empty_cache.glob("cost/*.json")).read_text())
    assert kept["area_um2"] == costs[0]["area_um2"]


def test_every_kind_of_entry_is_made_again(empty_cache: Path) -> None:
    outputs = []
    for _ in range(2):
        process = start(0, empty_cache)
        outputs.append((*process.communicate(timeout=60), process.returncode))
        entries = [path for path in empty_cache.rglob("*") if path.is_file()]
        for path in entries:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    (first, calm, _), (second, warnings, code) = outputs
    assert code == 0, warnings
    assert json.loads(first)[0] | {"date": ""} == json.loads(second)[0] | {"date": ""}
    assert calm == ""
    assert warnings.count("\n") == warnings.count("is corrupt; computing it again") > 0
    kinds = {path.parent.name for path in entries}
    assert kinds >= {"cmodel", "confine", "cost", "liberty", "library", "native"}
    assert all(f"/{kind}/" in warnings for kind in kinds)
