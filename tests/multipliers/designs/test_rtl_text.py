"""The Verilog of the generic unit against its oracle, in Icarus and (elaboration) Yosys."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.designs.rtl_text import Rtl, core_rtl, unit_rtl
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import FloatFormat, Format, IntFormat, parse_format
from axdse.multipliers.model.unit_oracle import corner_operands, unit_digest, unit_products

FORMATS = [
    IntFormat(),
    *(FloatFormat(8, m, product=p) for m in (2, 3, 5, 7) for p in ("narrow", "wide")),
    FloatFormat(5, 10),
    FloatFormat(5, 2, product="wide"),
    FloatFormat(4, 3),
    FloatFormat(8, 10, product="wide"),
]
BENCH = """
module bench;
  reg [{w}:0] operands [0:{last}];
  reg [{o}:0] a, b;
  wire [{q}:0] p;
  integer i, file;
  {top} dut (.{pa}(a), .{pb}(b), .{pp}(p));
  initial begin
    $readmemh("operands.hex", operands);
    file = $fopen("products.hex", "w");
    for (i = 0; i <= {last}; i = i + 1) begin
      {{a, b}} = operands[i];
      #1 $fwrite(file, "%h\\n", p);
    end
    $finish;
  end
endmodule
"""


def simulate(rtl: Rtl, a: np.ndarray, b: np.ndarray, folder: Path) -> np.ndarray:
    bits = rtl.a_bits
    lines = (f"{int(x) << bits | int(y):x}" for x, y in zip(a, b, strict=True))
    (folder / "operands.hex").write_text("\n".join(lines))
    pa, pb, pp = rtl.ports
    bench = BENCH.format(
        w=2 * bits - 1, o=bits - 1, q=rtl.product_bits - 1, last=a.size - 1, top=rtl.top,
        pa=pa, pb=pb, pp=pp,
    )  # fmt: skip
    (folder / "design.v").write_text(rtl.text + bench)
    subprocess.run(
        ["iverilog", "-g2005", "-Wall", "-s", "bench", "-o", "bench", "design.v"],
        cwd=folder,
        check=True,
    )
    subprocess.run(["vvp", "-n", "bench"], cwd=folder, check=True)
    products = (folder / "products.hex").read_text().split()
    return np.array([int(product, 16) for product in products], dtype=np.uint64)


def operands(number_format: Format, bits: int, random: int) -> tuple[np.ndarray, np.ndarray]:
    corners = corner_operands(number_format)
    more = np.random.default_rng(1).integers(0, 1 << bits, (2, random), dtype=np.uint64)
    a = np.concatenate([np.repeat(corners, corners.size), more[0]])
    b = np.concatenate([np.tile(corners, corners.size), more[1]])
    return a, b


@pytest.mark.parametrize("number_format", FORMATS, ids=lambda f: f.name)
def test_the_unit_in_verilog_computes_what_the_oracle_says(number_format, tmp_path):
    multiplier = builtin_catalog().multiplier(f"exact(n={number_format.operand_bits})")
    candidate = Candidate(multiplier, number_format)
    rtl = unit_rtl(candidate)
    a, b = operands(number_format, rtl.a_bits, random=10_000)

    np.testing.assert_array_equal(simulate(rtl, a, b, tmp_path), unit_products(candidate, a, b))


def test_a_core_is_wrapped_with_its_parameters_bound(tmp_path):
    multiplier = builtin_catalog().multiplier("exact(n=5)")
    rtl = core_rtl(multiplier)
    a = np.arange(1024, dtype=np.uint64) >> np.uint64(5)
    b = np.arange(1024, dtype=np.uint64) & np.uint64(31)

    assert (rtl.top, rtl.ports, rtl.a_bits, rtl.product_bits) == (
        "exact_n5",
        ("a", "b", "p"),
        5,
        10,
    )
    np.testing.assert_array_equal(simulate(rtl, a, b, tmp_path), a * b)


def test_a_significand_core_of_one_bit_fits_the_unit(make_multiplier, tmp_path):
    source = "uint64_t core(uint64_t x, uint64_t y) { return x + y; }"
    multiplier = make_multiplier(source, n=1, kind="significand")
    multiplier.family.rtl.write_text(
        "`default_nettype none\n"
        "module core #(parameter N = 7) (input wire [N-1:0] x, y, output wire [N:0] p);\n"
        "  assign p = x + y;\nendmodule // without a final newline"
    )
    candidate = Candidate(multiplier, FloatFormat(8, 1))
    rtl = unit_rtl(candidate)
    a, b = operands(candidate.format, rtl.a_bits, random=1000)

    np.testing.assert_array_equal(simulate(rtl, a, b, tmp_path), unit_products(candidate, a, b))


@pytest.mark.parametrize("number_format", [IntFormat(), FloatFormat(8, 7, product="wide")])
def test_a_unit_elaborates_on_its_own_in_yosys(number_format, tmp_path):
    rtl = unit_rtl(Candidate(builtin_catalog().multiplier("exact(n=8)"), number_format))
    (tmp_path / "unit.v").write_text(rtl.text)
    script = f"read_verilog unit.v; hierarchy -check -top {rtl.top}; proc; check -assert"

    subprocess.run(["yosys", "-q", "-p", script], cwd=tmp_path, check=True)


@pytest.mark.parametrize(
    ("plain", "optioned"),
    [
        ("float(8,7)", "float(8,7,round=truncate)"),
        ("float(8,7)", "float(8,7,round=stochastic)"),
        ("bf16", "bf16(sum=bf16)"),
        ("float(5,7)", "float(5,7,scale=none)"),
        ("int8", "int8(scale=channel)"),
    ],
)
def test_what_happens_before_and_after_leaves_the_unit_alone(plain, optioned):
    multiplier = builtin_catalog().multiplier("exact(n=8)")
    candidates = [Candidate(multiplier, parse_format(text)) for text in (plain, optioned)]

    assert unit_rtl(candidates[0]).digest == unit_rtl(candidates[1]).digest
    assert unit_digest(candidates[0]) == unit_digest(candidates[1])


@pytest.mark.parametrize("content", [None, b"\xff\xfe"], ids=["missing", "binary"])
def test_an_unreadable_verilog_file_is_one_line(make_multiplier, content):
    multiplier = make_multiplier("")
    if content is not None:
        multiplier.family.rtl.write_bytes(content)

    with pytest.raises(AxdseError, match=r"RTL is a readable Verilog file: .*core.v"):
        core_rtl(multiplier)


@pytest.mark.parametrize("outside", ['`include "/other.v"', 'initial $readmemh("/t.hex", t);'])
def test_rtl_that_reads_other_files_is_refused(outside):
    with pytest.raises(AxdseError, match=r"RTL top is complete in itself: (`include|\$readmemh)"):
        Rtl("top", f"module top; {outside} endmodule", ("a", "b", "p"), 4, 4, 8, "top")


def test_a_comment_may_name_what_reads_other_files():
    Rtl(
        "top",
        "// no `include\n/* $readmemh */ module top; endmodule",
        ("a", "b", "p"),
        4,
        4,
        8,
        "top",
    )
