from collections.abc import Callable
from pathlib import Path

import pytest

from axdse.flows.bring_your_own import find_function, read_design, read_rtl
from axdse.flows.rtl_check import Mismatch, check_files
from axdse.multipliers.errors import AxdseError

Write = Callable[[str, str], Path]
EXAMPLES = Path(__file__).parents[2] / "examples"
BODY = "{ return a * b; }"
pytestmark = pytest.mark.usefixtures("fresh_cache")


def _c(text: str) -> str:
    return f"#include <stdint.h>\n{text}\n"


def _v(ports: str, body: str = "", name: str = "mine") -> str:
    return f"module {name}({ports});\n{body}\nendmodule\n"


# Whole checks.


def test_the_example_agrees() -> None:
    report = check_files(EXAMPLES / "mine.c", EXAMPLES / "mine.v")
    assert (report.design, report.verdict, report.vectors) == ("mine", "exhaustive", 65_536)


def test_evoapproxlib_files_work_unchanged(write: Write) -> None:
    """Their style: gates on a wire vector, (A, B, O), header comments, a narrow signature."""
    model = write(
        "mul8u_X.c",
        "/* This file is from EvoApproxLib; uint64_t old(uint64_t a, uint64_t b) { } */\n"
        + _c("/// MAE% = 0.0\nuint16_t mul8u_X(uint8_t A, uint8_t B)\n{ return A * (B & 0xf0); }"),
    )
    rtl = write(
        "mul8u_X.v",
        "module mul8u_X ( A, B, O );\n  input [7:0] A;\n  input [7:0] B;\n  output [15:0] O;\n"
        "  wire [7:0] N = B & 8'hf0;\n  assign O = A * N;\nendmodule\n"
        "module PDKGENHAX1 (input A, B, output YS, YC);\n"
        "  assign YS = A ^ B, YC = A & B;\nendmodule\n",
    )
    report = check_files(model, rtl)
    assert (report.design, report.verdict, report.vectors) == ("mul8u_X", "exhaustive", 65_536)


def test_swapped_operands_are_said(write: Write) -> None:
    """EvoApproxLib declares many of its functions (B, A) and its modules (A, B, O)."""
    model = write(
        "mine.c", _c("uint64_t mine(const uint64_t B, const uint64_t A) { return A * (B & ~1); }")
    )
    rtl = write(
        "mine.v",
        _v("input [3:0] A, B, output [7:0] O", "assign O = A * {B[3:1], 1'b0};"),
    )
    report = check_files(model, rtl)
    assert report.verdict == "mismatch"
    assert report.swapped


def test_a_counter_example_and_its_waves(write: Write, tmp_path: Path) -> None:
    model = write("mine.c", _c(f"uint64_t mine(uint64_t a, uint64_t b) {BODY}"))
    rtl = write(
        "mine.v",
        _v("input [3:0] a, b, output [7:0] p", "assign p = (&a & &b) ? 8'hff : a * b;"),
    )
    report = check_files(model, rtl, waves=tmp_path / "out.vcd")
    assert report.examples == (Mismatch(15, 15, 225, "ff"),)
    assert "b11111111 " in (tmp_path / "out.vcd").read_text()


def test_wider_operands_are_sampled(write: Write) -> None:
    model = write(
        "mine.c", _c(f"uint32_t mine(uint16_t a, uint16_t b) {'{ return 1u * a * b; }'}")
    )
    rtl = write("mine.v", _v("input [15:0] a, b, output [31:0] p", "assign p = a * b;"))
    report = check_files(model, rtl, seed=5)
    assert (report.verdict, report.seed) == ("sampled", 5)
    assert report.vectors >= 20_000


# What the RTL says of itself.


@pytest.mark.parametrize(
    ("text", "top", "ports", "widths"),
    [
        (_v("input [7:0] A, input [7:0] B, output [15:0] O"), "mine", ("A", "B", "O"), (8, 16)),
        (_v("output [7:0] q, input [3:0] y, x"), "mine", ("y", "x", "q"), (4, 8)),
        (_v("input [6:0] x, y, output [7:0] p"), "mine", ("x", "y", "p"), (7, 8)),
        (_v("input a, b, output [1:0] p"), "mine", ("a", "b", "p"), (1, 2)),
        (
            _v("input [3:0] a, b, output reg [7:0] p", "always @* p = a * b;"),
            "mine",
            ("a", "b", "p"),
            (4, 8),
        ),
        (
            "module other #(parameter N=6)(input [N-1:0] a, b, output [2*N-1:0] p); endmodule",
            "other",
            ("a", "b", "p"),
            (6, 12),
        ),
        (
            "module top(input [3:0] a, b, output [7:0] p); part u(a, b, p); endmodule\n"
            + _v("input [3:0] a, b, output [7:0] p", name="part"),
            "top",
            ("a", "b", "p"),
            (4, 8),
        ),
        (
            _v("input c, d, output [1:0] p") + _v("input [3:0] a, b, output [7:0] p", name="q"),
            "mine",
            ("c", "d", "p"),
            (1, 2),
        ),
    ],
    ids=[
        "plain",
        "output first",
        "significand",
        "1 bit",
        "always block",
        "parameter",
        "hierarchy",
        "file name",
    ],
)
def test_ports_and_widths_are_inferred(
    text: str, top: str, ports: tuple[str, str, str], widths: tuple[int, int], write: Write
) -> None:
    rtl = read_rtl(write("mine.v", text))
    assert (rtl.top, rtl.ports) == (top, ports)
    assert (rtl.operand_bits, rtl.product_bits) == widths
    assert rtl.text == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (_v("input [7:0] a, b, c, output [15:0] p"), r"two inputs and one output: .*input c\[8\]"),
        (_v("input [7:0] a, b, output [15:0] p, output q"), "two inputs and one output"),
        (_v("inout [7:0] a, input [7:0] b, output [15:0] p"), "two inputs and one output"),
        (_v("input [7:0] a, input [6:0] b, output [15:0] p"), "the same width.*pads the narrower"),
        (_v("input [7:0] a, b, output [12:0] p"), r"product has 2w bits.*output p\[13\]"),
        (_v("input [39:0] a, b, output [79:0] p"), "the same width, up to 32 bits"),
        (_v("input [3:0] \\a+b , b, output [7:0] p"), "plain Verilog identifiers"),
        (_v("input a, output b", name="x") + _v("", name="y"), "or just one .*: x, y"),
        ("// nothing\n", "or just one .*: none found|must elaborate in Icarus"),
        (_v("input [3:0] a, b, output [7:0] p", "assign p = a *;"), "mine.v:2: syntax error"),
        (_v("input [3:0] a, b, output [7:0] p", "ghost g(a);"), "mine.v:2: error: Unknown module"),
    ],
    ids=[
        "third input",
        "second output",
        "inout",
        "unequal",
        "odd product",
        "too wide",
        "escaped name",
        "two tops",
        "empty",
        "syntax",
        "unknown module",
    ],
)
def test_rtl_that_does_not_fit_is_one_line(text: str, message: str, write: Write) -> None:
    with pytest.raises(AxdseError, match=message) as caught:
        read_rtl(write("mine.v", text))
    assert "\n" not in str(caught.value)


# What the C file says of itself.


@pytest.mark.parametrize(
    ("text", "function"),
    [
        (f"uint64_t mine(uint64_t a, uint64_t b) {BODY}", "mine"),
        (f"uint16_t mine(const uint8_t a, const uint8_t b)\n{BODY}", "mine"),
        (f"uint16_t other(uint8_t a, uint8_t b) {BODY}", "other"),
        (
            f"uint64_t help(uint64_t a, uint64_t b) {BODY}\n"
            f"uint64_t mine(uint64_t a, uint64_t b) {BODY}",
            "mine",
        ),
        (
            f"static uint64_t help(uint64_t a, uint64_t b) {BODY}\n"
            f"static inline uint64_t aid(uint64_t a, uint64_t b) {BODY}\n"
            f"uint64_t other(uint64_t a, uint64_t b) {BODY}",
            "other",
        ),
        (
            f"// uint64_t old(uint64_t a, uint64_t b) {BODY}\n"
            f"uint64_t other(uint64_t a, uint64_t b) {BODY}",
            "other",
        ),
    ],
    ids=["plain", "const", "another name", "file name", "static helpers", "comment"],
)
def test_the_function_is_inferred(text: str, function: str, write: Write) -> None:
    assert find_function(write("mine.c", _c(text))) == function


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("int mine(int a, int b) { return a * b; }", "none found"),
        ("uint64_t mine(uint64_t a) { return a; }", "none found"),
        (
            f"uint64_t x(uint64_t a, uint64_t b) {BODY} uint64_t y(uint64_t a, uint64_t b) {BODY}",
            "x, y",
        ),
    ],
    ids=["signature", "one operand", "two functions"],
)
def test_a_function_that_cannot_be_told_is_one_line(text: str, found: str, write: Write) -> None:
    with pytest.raises(AxdseError, match=f"or just one such: {found}"):
        find_function(write("mine.c", _c(text)))


@pytest.mark.parametrize("missing", ["mine.c", "mine.v"])
def test_a_missing_file_is_one_line(missing: str, write: Write, tmp_path: Path) -> None:
    write("mine.c", _c(f"uint64_t mine(uint64_t a, uint64_t b) {BODY}"))
    write("mine.v", _v("input [3:0] a, b, output [7:0] p", "assign p = a * b;"))
    (tmp_path / missing).unlink()
    with pytest.raises(AxdseError, match=rf"{missing} \(No such file.*; check the path"):
        read_design(tmp_path / "mine.c", tmp_path / "mine.v")


def test_a_model_whose_products_are_too_wide_is_one_line(write: Write) -> None:
    model = write("mine.c", _c("uint64_t mine(uint64_t a, uint64_t b) { return a << 8 | b; }"))
    rtl = write("mine.v", _v("input [3:0] a, b, output [7:0] p", "assign p = a * b;"))
    with pytest.raises(AxdseError, match="products of mine must fit 8 bits"):
        check_files(model, rtl)


@pytest.mark.usefixtures("bare_path")
def test_a_missing_simulator_is_one_line() -> None:
    with pytest.raises(AxdseError, match="a tool is missing: iverilog; apt-get install iverilog"):
        check_files(EXAMPLES / "mine.c", EXAMPLES / "mine.v")


def test_text_that_is_no_utf8_names_the_line(tmp_path: Path) -> None:
    model = tmp_path / "mine.c"
    model.write_bytes(b"#include <stdint.h>\n// na\xefve\n")
    with pytest.raises(AxdseError, match=r"mine.c \(line 2 is not UTF-8\); save it as UTF-8"):
        find_function(model)
