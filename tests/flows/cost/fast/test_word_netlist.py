"""Word-level cells of Yosys in gates: against the gates that Yosys makes of the same Verilog."""

from pathlib import Path

import numpy as np
import pytest

from axdse.flows.cost.fast.elaborate import WORDS
from axdse.flows.cost.fast.word_netlist import read_words
from axdse.flows.formal.aig import Aig
from axdse.flows.formal.gates import read_gates
from axdse.flows.yosys import run_yosys
from axdse.multipliers.designs.rtl_text import Rtl

A, B = (codes.ravel().astype(np.uint64) for codes in np.meshgrid(*[np.arange(16)] * 2))
SIGNED = "wire signed [3:0] x = a, y = b; "


def rtl_of(body: str) -> Rtl:
    text = f"module d (input [3:0] a, b, output [7:0] p);\n{body}\nendmodule\n"
    return Rtl("d", text, ("a", "b", "p"), 4, 4, 8, "d")


def graph_of(rtl: Rtl, folder: Path) -> Aig | None:
    (folder / "rtl.v").write_text(rtl.text)
    run_yosys(WORDS.format(folder="", top=rtl.top), folder, rtl.top)
    return read_words((folder / "words.json").read_bytes(), rtl)


BINARY = ["+", "-", "*", "&", "|", "^", "~^", "<<", ">>", "<<<", ">>>"]
BINARY += ["==", "!=", "===", "<", "<=", ">", ">=", "&&", "||"]
EXPRESSIONS = [
    *(f"assign p = a {operator} b;" for operator in BINARY),
    *(f"{SIGNED}assign p = x {operator} y;" for operator in BINARY),
    *(f"assign p = {operator}a;" for operator in ("~", "-", "+", "!", "&", "|", "^", "~^")),
    "assign p = a[0] ? b : a[3:1];",
    "assign p = {b, 1'b1} >> a[2:0];",
    "assign p = {a, b} >> a[1:0] << b;",
    "assign p = b[a[1:0]];",
    "assign p = a[b[1:0] +: 1];",
    "assign p = a + b + 8'd3 - a * b;",
    "wire [4:0] s = a + b; assign p = s + a;",
    "wire [3:0] s = a + b; assign p = s + a;",
    "wire [3:0] s = a + b; assign p = s * 3 - s;",
    f"{SIGNED}wire signed [4:0] s = x - y; assign p = s + x;",
    f"{SIGNED}wire signed [3:0] s = x + y; assign p = -s + y * x;",
    "wire [8:0] s = a * b; wire [3:0] t = s; assign p = t + a;",
    "reg [7:0] r; always @* begin r = a; if (b[0]) r = r + b; if (b[1]) r = r << 1; end\n"
    "assign p = r;",
    "reg [7:0] r; always @* case (b)\n0: r = a; 1: r = ~a; 2: r = 7; 5, 9: r = {a, b}; default: "
    "r = a * 3; endcase\nassign p = r;",
    "genvar i; for (i = 0; i < 8; i = i + 1) assign p[i] = a[i % 4] & b[i / 2];",
    "function [7:0] f; input [3:0] x; f = x * x + 1; endfunction assign p = f(a) ^ f(b);",
]


@pytest.mark.parametrize("body", EXPRESSIONS)
def test_words_are_what_yosys_makes_of_them(body: str, tmp_path: Path) -> None:
    rtl = rtl_of(body)
    graph = graph_of(rtl, tmp_path)
    assert graph is not None
    np.testing.assert_array_equal(graph.simulate(A, B), read_gates(rtl).simulate(A, B))


@pytest.mark.parametrize(
    "body",
    [
        "assign p = a / (b + 1);",
        "wire w; assign p = a & {4{w}};",
        "wire [7:0] w; assign w = p & a; assign p = w | b;",
        "reg [7:0] r; always @* if (a[0]) r = b; assign p = r;",
        "assign p = a; assign p = b;",
        "reg [3:0] m [0:3]; always @* m[a[1:0]] = b; assign p = m[b[1:0]];",
    ],
    ids=["divider", "undriven", "loop", "latch", "two drivers", "memory"],
)
def test_what_is_more_than_words_is_left_to_yosys(body: str, tmp_path: Path) -> None:
    assert graph_of(rtl_of(body), tmp_path) is None


@pytest.mark.parametrize("data", [b"", b"{", b'{"modules": {}}', b'{"modules": {"d": {}}}'])
def test_a_broken_file_is_left_to_yosys(data: bytes) -> None:
    assert read_words(data, rtl_of("")) is None


def test_names_and_their_order_do_not_matter(tmp_path: Path) -> None:
    lines = [f"wire [7:0] w{i} = a * {i + 2} + b;" for i in range(6)]
    used = "assign p = w0 ^ w1 ^ w2 ^ w3 ^ w4 ^ w5;"
    first = graph_of(rtl_of("\n".join([*lines, used])), tmp_path)
    renamed = [line.replace("w", "other").replace("otherire", "wire") for line in lines[::-1]]
    second = graph_of(rtl_of("\n".join([*renamed, used.replace("w", "other")])), tmp_path)
    assert first is not None
    assert first == second
