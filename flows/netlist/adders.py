"""Which cells of a library are adders, and how does a netlist come to have them?

ABC maps to no cell of two outputs. Yosys knows full adders as `$fa` before words become gates, or
finds them among gates; a rule for its techmap makes cells of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from axdse.flows.liberty.cells import Cell
from axdse.flows.liberty.library import Library

# Where adders come from: nowhere, ABC maps all; gates that add, as extract_fa finds them; words:
# carry-save trees, and additions as chains of full adders.
Adders = Literal["none", "found", "chains"]
# What the better way to map has less of.
Aim = Literal["energy", "area"]
EVERY: tuple[Adders, ...] = ("none", "found", "chains")
FILE = "adders.v"
# Cones of 8 levels hold the adders that Yosys's 20 hold, which behind signs take it minutes; its
# parser wants a word behind -d.
FIND = ("extract_fa -d 8 -fa -ha", f"techmap -map {FILE}", "opt")


@dataclass(frozen=True)
class _Pins:
    """A cell that adds, its pins for the operands, the carry and the sum."""

    cell: str
    operands: tuple[str, ...]
    carry: str
    sum: str

    def instance(self, *operands: str) -> str:
        """The line that adds these bits to X[i] and Y[i]."""
        pins = [f".{pin}({bit}[i])" for pin, bit in zip(self.operands, operands, strict=True)]
        return f"{self.cell} add ({', '.join(pins)}, .{self.carry}(X[i]), .{self.sum}(Y[i]));"


def adders_of(library: Library) -> tuple[Adders, ...]:
    """The ways that there are in a library: without a full adder only "none"."""
    return EVERY if _pins(library, 3) else EVERY[:1]


def rules(library: Library) -> str:
    """Verilog for techmap: `$fa` as cells of the library, and `$alu` as a chain of `$fa`."""
    full, half = _pins(library, 3), _pins(library, 2)
    assert full
    lines = [
        '(* techmap_celltype = "$fa" *)',
        "module _fa (A, B, C, X, Y);",
        "  parameter WIDTH = 1;",
        "  input [WIDTH-1:0] A, B, C;",
        "  output [WIDTH-1:0] X, Y;",
    ]
    for pin in "ABC":
        for what in ("MSK", "VAL"):
            lines.append(f"  parameter _TECHMAP_CONST{what}_{pin}_ = 0;")
        lines.append(f"  localparam [WIDTH-1:0] KNOWN_{pin} = _TECHMAP_CONSTMSK_{pin}_;")
        lines.append(
            f"  localparam [WIDTH-1:0] ZERO_{pin} = KNOWN_{pin} & ~_TECHMAP_CONSTVAL_{pin}_;"
        )
    lines += [
        "  genvar i;",
        "  generate for (i = 0; i < WIDTH; i = i + 1) begin : bits",
        f"    if (!KNOWN_A[i] && !KNOWN_B[i] && !KNOWN_C[i]) {full.instance(*'ABC')}",
    ]
    for zero, first, second in ("ABC", "BAC", "CAB") if half else ():
        assert half
        lines.append(f"    else if (ZERO_{zero}[i] && !KNOWN_{first}[i] && !KNOWN_{second}[i])")
        lines.append(f"      {half.instance(first, second)}")
    lines += [
        "    else begin",
        "      assign Y[i] = A[i] ^ B[i] ^ C[i];",
        "      assign X[i] = A[i] & B[i] | A[i] & C[i] | B[i] & C[i];",
        "    end",
        "  end endgenerate",
        "endmodule",
    ]
    return "\n".join([*lines, CHAIN, ""])


CHAIN = r"""(* techmap_celltype = "$alu" *)
module _alu (A, B, CI, BI, X, Y, CO);
  parameter A_SIGNED = 0, B_SIGNED = 0, A_WIDTH = 1, B_WIDTH = 1, Y_WIDTH = 1;
  input [A_WIDTH-1:0] A;
  input [B_WIDTH-1:0] B;
  input CI, BI;
  output [Y_WIDTH-1:0] X, Y, CO;
  wire [Y_WIDTH-1:0] first, second;
  // opt leaves no bit of an operand that is 0.
  generate
    if (A_WIDTH > 0)
      \$pos #(.A_SIGNED(A_SIGNED), .A_WIDTH(A_WIDTH), .Y_WIDTH(Y_WIDTH)) a (.A(A), .Y(first));
    else assign first = 0;
    if (B_WIDTH > 0)
      \$pos #(.A_SIGNED(B_SIGNED), .A_WIDTH(B_WIDTH), .Y_WIDTH(Y_WIDTH)) b (.A(B), .Y(second));
    else assign second = 0;
  endgenerate
  wire [Y_WIDTH-1:0] given = second ^ {Y_WIDTH{BI}};
  wire [Y_WIDTH:0] carry = {CO, CI};
  assign X = first ^ given;
  \$fa #(.WIDTH(Y_WIDTH)) add (
      .A(first), .B(given), .C(carry[Y_WIDTH-1:0]), .X(CO), .Y(Y));
endmodule"""


def steps(synth: str, adders: Adders) -> tuple[str, ...]:
    """The commands of Yosys in place of `synth`, up to the gates that ABC gets."""
    if adders == "none":
        return (synth,)
    cells = "read_liberty -lib library.lib"
    if adders == "found":
        return (cells, synth, *FIND)
    words = ("maccmap", "opt -full", f"techmap -map {FILE}", "opt", f"techmap -map {FILE}", "opt")
    return (cells, f"{synth} -run :fine", *words, f"{synth} -run fine:check", *FIND)


def _pins(library: Library, operands: int) -> _Pins | None:
    """The smallest cell that adds so many bits."""
    found = [pins for cell in library.cells for pins in _adds(cell, operands)]
    areas = {cell.name: cell.area_um2 for cell in library.cells}
    return min(found, key=lambda pins: areas[pins.cell], default=None)


def _adds(cell: Cell, operands: int) -> Iterator[_Pins]:
    if len(cell.inputs) != operands or len(cell.outputs) != 2:
        return
    ones = np.bitwise_count(np.arange(1 << operands))
    kinds = {"sum": ones % 2 == 1, "carry": ones >= 2}
    named = {
        kind: pin
        for kind, truth in kinds.items()
        for number, (pin, _) in enumerate(cell.outputs)
        if np.array_equal(cell.truth[number], truth)
    }
    if len(named) == 2:
        yield _Pins(cell.name, tuple(pin for pin, _ in cell.inputs), named["carry"], named["sum"])
