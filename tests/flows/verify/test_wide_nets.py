from collections.abc import Callable
from pathlib import Path

import pytest

from axdse.flows.verify.bring_your_own import read_design
from axdse.flows.verify.check import check_design
from axdse.flows.verify.wide_nets import split_wide_nets

Write = Callable[[str, str], Path]
pytestmark = pytest.mark.usefixtures("fresh_cache")

# A full-adder row per bit of b, everything in one wire: the older style of EvoApproxLib.
WIDE = """\
module mine (A, B, O);
  input [3:0] A, B;
  output [7:0] O;
  wire [1023:0] N;
  assign N[7:0] = {4'b0, A & {4{B[0]}}};
  assign N[15:8] = N[7:0] + {3'b0, A & {4{B[1]}}, 1'b0};
  assign N[23:16] = N[15:8] + {2'b0, A & {4{B[2]}}, 2'b0};
  assign N[31:24] = N[23:16] + {1'b0, A & {4{B[3]}}, 3'b0};
  assign O = N[31:24];
endmodule
"""
MODEL = "#include <stdint.h>\nuint64_t mine(uint64_t A, uint64_t B) { return A * B; }\n"


def test_a_design_in_one_wide_wire_is_split(write: Write) -> None:
    design = read_design(write("mine.c", MODEL), write("mine.v", WIDE))
    assert design.widest_net == 1024
    assert "[1023:0]" not in split_wide_nets(design.rtl).text
    report = check_design(design)
    assert (report.verdict, report.vectors) == ("exhaustive", 256)
    assert report.rtl_digest == design.rtl.digest


def test_a_fault_in_a_wide_wire_is_found(write: Write) -> None:
    text = WIDE.replace("B[2]", "(B[2] & A[1])")
    design = read_design(write("mine.c", MODEL), write("mine.v", text))
    assert check_design(design).verdict == "mismatch"
