"""Mapping: bad RTL is refused in one line, good RTL computes what it did before."""

from pathlib import Path

import numpy as np
import pytest

from axdse.flows.liberty.library import OSU018, Library, read_library
from axdse.flows.netlist.netlist import Netlist
from axdse.flows.netlist.synthesis import synthesise
from axdse.flows.yosys import run_yosys
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.rtl_text import Rtl, core_rtl
from axdse.multipliers.errors import AxdseError

HEADER = "module top (input [1:0] a, input [1:0] b, output [3:0] p);\n"
PAIRS = np.array([(a, b) for a in range(4) for b in range(4)], dtype=np.uint64).T


def two_bit(body: str, header: str = HEADER) -> Rtl:
    return Rtl("top", f"{header}{body}\nendmodule\n", ("a", "b", "p"), 2, 2, 4, "top")


@pytest.fixture(scope="module")
def library() -> Library:
    return read_library()


@pytest.fixture(scope="module")
def exact_4(library: Library) -> Netlist:
    return synthesise(core_rtl(builtin_catalog().multiplier("exact(n=4)")), library)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("reg [3:0] q; always @* if (a[0]) q = b; assign p = q;", "DLATCH.*latch"),
        ("reg [3:0] q; always @(posedge a[0]) q = b; assign p = q;", r"\$_DFF_P_"),
        ("wire q = ~(a[0] & r); wire r = ~(b[0] & q); assign p = {q, r, a};", "loop"),
        ("wire q; assign p = {q, 1'b0, a & b};", r"p\[3\] has none"),
        ("assign p = a; assign p[0] = b[0];", "multiple conflicting drivers"),
        ("assign p = a *** b;", "rtl.v:2: syntax error"),
        ("missing core (.a(a)); assign p = a;", "`.missing' .* is not part of the design"),
        ("NAND2X1 u (.A(a[0]), .B(b[0]), .Y(p[0])); assign p[3:1] = 0;", "not part of the"),
    ],
)
def test_rtl_that_is_no_combinational_design_is_refused(
    body: str, message: str, library: Library
) -> None:
    with pytest.raises(AxdseError, match=message) as caught:
        synthesise(two_bit(body), library)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "header",
    [
        "module top (input [1:0] a, input [1:0] b, output [4:0] p);",
        "module top (input [2:0] a, input [1:0] b, output [3:0] p);",
        "module top (input [1:0] a, input [1:0] c, output [3:0] p); wire [1:0] b = c;",
        "module top (input clk, input [1:0] a, input [1:0] b, output [3:0] p);",
    ],
)
def test_other_ports_are_refused(header: str, library: Library) -> None:
    with pytest.raises(AxdseError, match="ports a, b, p"):
        synthesise(two_bit("assign p = a * b;", header), library)


@pytest.mark.parametrize(
    ("body", "function"),
    [
        ("assign p = a * b;", lambda a, b: a * b),
        ("assign p = {b, a};", lambda a, b: 4 * b + a),
        ("assign p = 4'd9;", lambda a, b: 9 + 0 * a),
        ("assign p = a == b ? 4'd5 : a - b;", lambda a, b: np.where(a == b, 5, (a - b) % 16)),
    ],
)
def test_simulation_computes_the_function(body: str, function, library: Library) -> None:
    a, b = PAIRS
    got = synthesise(two_bit(body), library).simulate(a, b)
    np.testing.assert_array_equal(got, function(a, b).astype(np.uint64))


@pytest.mark.parametrize("count", [1, 63, 64, 65, 1000])
def test_any_number_of_vectors(count: int, exact_4: Netlist) -> None:
    a, b = np.random.default_rng(count).integers(0, 16, (2, count), dtype=np.uint64)
    np.testing.assert_array_equal(exact_4.simulate(a, b), a * b)


def test_area_and_verilog_agree_with_yosys(exact_4: Netlist, tmp_path: Path) -> None:
    (tmp_path / "mapped.v").write_text(exact_4.verilog())
    rtl = core_rtl(builtin_catalog().multiplier("exact(n=4)"))
    (tmp_path / "rtl.v").write_text(rtl.text)
    script = f"""\
read_verilog mapped.v
rename exact_n4 mapped
stat -liberty {OSU018}
read_liberty {OSU018}
read_verilog rtl.v
proc
flatten
miter -equiv -flatten mapped exact_n4 both
hierarchy -top both
sat -verify -prove trigger 0 both
"""
    log = run_yosys(script, tmp_path, "mapped.v")
    assert f"'\\mapped': {exact_4.area_um2:.6f}" in log
    assert "SAT proof finished - no model found: SUCCESS!" in log


def test_cells_have_the_functions_of_their_names(library: Library) -> None:
    cells = {cell.name: cell for cell in library.cells}
    a, b, c, d = (np.array([word], dtype=np.uint64) for word in (0xAAAA, 0xCCCC, 0xF0F0, 0xFF00))
    (y,) = cells["AOI22X1"].evaluate({"A": a, "B": b, "C": c, "D": d}).values()
    assert y == ~((a & b) | (c & d))
    sums = cells["FAX1"].evaluate({"A": a, "B": b, "C": c})
    assert (sums["YS"], sums["YC"]) == (a ^ b ^ c, (a & b) | (a & c) | (b & c))
    (y,) = cells["BUFX2"].evaluate({"A": a}).values()
    assert y == a


def test_only_combinational_cells_are_read(library: Library) -> None:
    names = {cell.name for cell in library.cells}
    assert {"INVX1", "NAND2X1", "MUX2X1"} <= names
    assert names.isdisjoint({"DFFPOSX1", "DFFSR", "LATCH", "TBUFX1"})


def test_gate_equivalent_is_the_smallest_nand2(library: Library) -> None:
    assert [cell.name for cell in library.cells if cell.is_nand2] == ["NAND2X1"]
    assert library.nand2_area_um2 == 24.0


INVERTER = """library(tiny) { cell(INV) { area : 3;
  pin(A) { direction : input; } pin(Y) { direction : output; function : "!A"; } } }"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('library(x) { cell(A) { pin(Y) { function: "!A" } }', "line 1: unexpected 'end of"),
        ("", "line 1: unexpected 'end of file'"),
        ("hello\n(", "line 2: unexpected 'end of file'"),
        ("library(x) { }", "has combinational cells"),
    ],
)
def test_broken_liberty_is_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.lib"
    path.write_text(text)
    with pytest.raises(AxdseError, match=message) as caught:
        read_library(path)
    assert "broken.lib" in str(caught.value)


def test_missing_liberty_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(AxdseError, match="apt-get install qflow-tech-osu018"):
        read_library(tmp_path / "absent.lib")


def test_library_without_nand_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tiny.lib"
    path.write_text(INVERTER)
    library = read_library(path)
    assert [cell.name for cell in library.cells] == ["INV"]
    with pytest.raises(AxdseError, match="2-input NAND"):
        library.nand2_area_um2  # noqa: B018
    with pytest.raises(AxdseError, match="Yosys must accept"):
        synthesise(two_bit("assign p = a * b;"), library)
