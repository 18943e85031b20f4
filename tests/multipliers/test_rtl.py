"""The Verilog of the generic unit against its oracle, in Icarus and (elaboration) Yosys."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from axdse.multipliers.candidate import Candidate
from axdse.multipliers.catalog import builtin_catalog
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import FloatFormat, Format, IntFormat
from axdse.multipliers.rtl import Rtl, core_rtl, unit_rtl
from axdse.multipliers.unit import corner_operands, unit_products

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
    bits = rtl.operand_bits
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
    a, b = operands(number_format, rtl.operand_bits, random=10_000)

    np.testing.assert_array_equal(simulate(rtl, a, b, tmp_path), unit_products(candidate, a, b))
