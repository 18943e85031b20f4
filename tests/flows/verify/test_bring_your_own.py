import re
from collections.abc import Callable
from pathlib import Path

import pytest

from axdse.flows.evidence.report import Mismatch
from axdse.flows.verify.bring_your_own import Design, Pins, read_design
from axdse.flows.verify.check import check_design
from axdse.multipliers.errors import AxdseError

Write = Callable[[str, str], Path]
EXAMPLES = Path(__file__).parents[3] / "examples"
BODY = "{ return a * b; }"


def _c(text: str) -> str:
    return f"#include <stdint.h>\n{text}\n"


MODEL = _c(f"uint64_t mine(uint64_t a, uint64_t b) {BODY}")


def _v(ports: str, body: str = "", name: str = "mine") -> str:
    return f"module {name}({ports});\n{body}\nendmodule\n"


@pytest.fixture
def design(write: Write) -> Callable[..., Design]:
    def make(rtl: str, model: str = MODEL, pins: Pins | None = None) -> Design:
        return read_design(write("mine.c", model), write("mine.v", rtl), pins or Pins())

    return make


MakeDesign = Callable[..., Design]


def test_the_example_agrees() -> None:
    report = check_design(read_design(EXAMPLES / "mine.c", EXAMPLES / "mine.v"))
    assert (report.design, report.verdict, report.vectors) == ("mine", "exhaustive", 65_536)


def test_a_counter_example_and_its_waves(design: MakeDesign, tmp_path: Path) -> None:
    rtl = _v("input [3:0] a, b, output [7:0] p", "assign p = (&a & &b) ? 8'hff : a * b;")
    report = check_design(design(rtl), waves=tmp_path / "out.vcd")
    assert report.examples == (Mismatch(15, 15, 225, "ff"),)
    assert "b11111111 " in (tmp_path / "out.vcd").read_text()


def test_wider_operands_are_sampled(design: MakeDesign) -> None:
    model = _c("uint32_t mine(uint16_t a, uint16_t b) { return 1u * a * b; }")
    rtl = _v("input [15:0] a, b, output [31:0] p", "assign p = a * b;")
    report = check_design(design(rtl, model), seed=5)
    assert (report.verdict, report.seed) == ("sampled", 5)
    assert report.vectors >= 20_000


# Order of operands.

LOPSIDED = _v("input [3:0] A, B, output [7:0] O", "assign O = A * {B[3:1], 1'b0};")
STRAIGHT = _c("uint64_t mine(const uint64_t A,const uint64_t B) { return A * (B & ~1ull); }")
SWAPPED = _c("uint64_t mine(const uint64_t B,const uint64_t A) { return A * (B & ~1ull); }")


@pytest.mark.parametrize(
    ("model", "order", "call"),
    [(STRAIGHT, "straight", "O = mine(A, B)"), (SWAPPED, "swapped", "O = mine(B, A)")],
    ids=["(A, B)", "(B, A)"],
)
def test_the_order_that_agrees_is_found(
    model: str, order: str, call: str, design: MakeDesign
) -> None:
    """EvoApproxLib declares many of its functions (B, A) and its modules (A, B, O)."""
    report = check_design(design(LOPSIDED, model))
    assert (report.verdict, report.order, report.call) == ("exhaustive", order, call)
    assert report.other_order_mismatches == sum(
        a * (b & ~1) != b * (a & ~1) for a in range(16) for b in range(16)
    )


def test_a_pinned_order_is_kept(design: MakeDesign) -> None:
    found = design(LOPSIDED, SWAPPED)
    assert check_design(found, order="swapped").passed
    report = check_design(found, order="straight")
    assert report.verdict == "mismatch"
    assert report.only_order_is_wrong


def test_a_symmetric_design_agrees_in_both_orders(design: MakeDesign) -> None:
    report = check_design(design(_v("input [3:0] a, b, output [7:0] p", "assign p = a * b;")))
    assert (report.order, report.other_order_mismatches) == ("straight", 0)


@pytest.mark.parametrize("order", ["straight", "swapped"])
def test_unequal_widths_are_tried_in_both_orders(order: str, design: MakeDesign) -> None:
    names = "x, uint64_t y" if order == "straight" else "y, uint64_t x"
    model = _c(f"uint64_t mine(uint64_t {names}) {{ return (x >> 1) * (y | 1); }}")
    rtl = _v("input [7:0] x, input [3:0] y, output [11:0] p", "assign p = x[7:1] * (y | 1);")
    report = check_design(design(rtl, model))
    assert (report.verdict, report.vectors, report.order) == ("exhaustive", 4096, order)
    assert (report.a_bits, report.b_bits, report.product_bits) == (8, 4, 12)


# Signedness.

SIGNED_RTL = _v(
    "input signed [4:0] a, b, output signed [9:0] p", "assign p = (a >>> 1) * b;", name="mine"
)


@pytest.mark.parametrize(
    "model",
    [
        "int64_t mine(int64_t a, int64_t b) { return (a >> 1) * b; }",
        "int16_t mine(int8_t a, int8_t b) { return (int16_t)((a >> 1) * b); }",
        "uint64_t mine(uint64_t a, uint64_t b) { int64_t x = (int64_t)(a << 59) >> 60,"
        " y = (int64_t)(b << 59) >> 59; return (uint64_t)(x * y) & 1023; }",
    ],
    ids=["values", "narrow values", "bit patterns"],
)
def test_signed_designs_agree(model: str, design: MakeDesign) -> None:
    report = check_design(design(SIGNED_RTL, _c(model)))
    assert (report.verdict, report.signed, report.vectors) == ("exhaustive", True, 1024)


@pytest.mark.parametrize(
    ("function", "pins", "signed"),
    [
        ("mul5s_1KV8", Pins(), True),
        ("mul8x4s_12", Pins(), True),
        ("mul5u_1KV8", Pins(), False),
        ("muls", Pins(), False),
        ("muls", Pins(signed=True), True),
        ("mul5s_1KV8", Pins(signed=False), False),
    ],
)
def test_signedness_shows_in_the_name_or_is_pinned(
    function: str, pins: Pins, signed: bool, design: MakeDesign
) -> None:
    model = _c(f"uint64_t {function}(uint64_t a, uint64_t b) {BODY}")
    found = design(_v("input [4:0] a, b, output [9:0] p"), model, pins)
    assert found.multiplier.family.signed is signed


# Pipelines.

PIPELINE = """\
module mine (input clk, input rst_n, input en, input [3:0] a, b, output reg [7:0] p);
  reg [7:0] product;
  always @(posedge clk or negedge rst_n)
    if (!rst_n) {p, product} <= 0;
    else if (en) begin
      product <= a * b;
      p <= product;
    end
endmodule
"""


def test_a_pipeline_is_run_and_its_latency_found(design: MakeDesign) -> None:
    found = design(PIPELINE)
    pipeline = found.rtl.pipeline
    assert pipeline is not None
    assert pipeline.ports == ("clk", "rst_n", "en")
    assert pipeline.reset_level == 0
    report = check_design(found)
    # All pairs, but not all pasts.
    assert (report.verdict, report.latency, report.vectors) == ("sampled", 2, 256)


@pytest.mark.parametrize(("latency", "verdict"), [(2, "sampled"), (1, "mismatch")])
def test_a_pinned_latency_is_kept(latency: int, verdict: str, design: MakeDesign) -> None:
    report = check_design(design(PIPELINE, pins=Pins(latency=latency)))
    assert (report.verdict, report.latency) == (verdict, latency)


def test_a_clock_alone_is_enough(design: MakeDesign) -> None:
    rtl = _v("input ck, input [3:0] a, b, output reg [7:0] p", "always @(posedge ck) p <= a * b;")
    assert check_design(design(rtl)).latency == 1


def test_a_clock_of_another_name_is_pinned(design: MakeDesign) -> None:
    rtl = _v(
        "input tick, input [3:0] a, b, output reg [7:0] p", "always @(posedge tick) p <= a*b;"
    )
    report = check_design(design(rtl, pins=Pins(clock="tick")))
    assert (report.verdict, report.latency) == ("sampled", 1)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("else if (en) begin", "else begin"),
        ("else if (en) begin", "else if (en | b[0]) begin"),
        ("p <= product;", "p <= product + (a == 3 && b == 5);"),
        ("product <= a * b;", "product <= a * b - (p == 225);"),
    ],
    ids=["ignores enable", "forgets enable", "mixes stages", "feeds back"],
)
def test_a_faulty_pipeline_is_a_mismatch(before: str, after: str, design: MakeDesign) -> None:
    assert before in PIPELINE
    assert check_design(design(PIPELINE.replace(before, after))).verdict == "mismatch"


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("reg [7:0] q; always @* if (a[0]) q = a * b; assign p = q;", "dlatch"),
        ("reg [7:0] q; always @(posedge a[0]) q = a * b; assign p = q;", "dff"),
    ],
)
def test_what_remembers_without_a_clock_is_refused(
    body: str, what: str, design: MakeDesign
) -> None:
    with pytest.raises(AxdseError, match=rf"combinational, or a pipeline.*{what}"):
        design(_v("input [3:0] a, b, output [7:0] p", body))


def test_a_pipeline_needs_no_wrong_pin(design: MakeDesign) -> None:
    with pytest.raises(AxdseError, match="no such 1-bit input: clok; did you mean 'clk'"):
        design(PIPELINE, pins=Pins(clock="clok"))


@pytest.mark.parametrize(
    ("pins", "message"),
    [
        (Pins(latency=2), r"with --latency has a clock: mine has none .* with --clock"),
        (Pins(reset="r"), "with --reset has a clock"),
        (Pins(enable="e"), "with --enable has a clock"),
        (Pins(reset_level=0), "with --reset-level has a clock"),
    ],
)
def test_what_is_said_of_a_pipeline_that_is_none_is_refused(
    pins: Pins, message: str, design: MakeDesign
) -> None:
    rtl = _v("input [3:0] a, b, output [7:0] p", "assign p = a * b;")
    with pytest.raises(AxdseError, match=message):
        design(rtl, pins=pins)


def test_a_level_that_resets_needs_a_reset(design: MakeDesign) -> None:
    rtl = _v("input ck, input [3:0] a, b, output reg [7:0] p", "always @(posedge ck) p <= a * b;")
    with pytest.raises(AxdseError, match=r"--reset-level has a reset: .* with --reset"):
        design(rtl, pins=Pins(reset_level=0))


def test_what_a_pipeline_is_driven_by_is_a_guess(design: MakeDesign) -> None:
    (guess,) = design(PIPELINE).guesses(Pins())
    assert "clock clk, reset rst_n, which resets at 0, enable en;" in guess


@pytest.mark.parametrize(
    ("reset", "level", "pins"),
    [
        ("nreset", 0, Pins()),
        ("rst", 1, Pins()),
        ("clear_it", 0, Pins(reset="clear_it", reset_level=0)),
    ],
)
def test_the_level_that_resets_shows_in_the_name_or_is_pinned(
    reset: str, level: int, pins: Pins, design: MakeDesign
) -> None:
    text = PIPELINE.replace("rst_n", reset)
    if level:
        text = text.replace(f"!{reset}", reset).replace(f"negedge {reset}", f"posedge {reset}")
    found = design(text, pins=pins)
    assert found.rtl.pipeline is not None
    assert found.rtl.pipeline.reset_level == level
    assert check_design(found).passed


def test_a_clock_that_nothing_uses_does_no_harm(design: MakeDesign) -> None:
    ports = "input clk, input [3:0] a, b, output [7:0] p"
    report = check_design(design(_v(ports, "assign p = a * b;")))
    assert (report.passed, report.latency) == (True, 0)


# What simulates may not be what is synthesised.


@pytest.mark.parametrize(
    "body",
    [
        "`ifdef SYNTHESIS\nassign p = a * b + 1;\n`else\nassign p = a * b;\n`endif",
        "wire on; reg [7:0] q; always @* if (on) q = {a, b}; else q = a * b; assign p = q;",
        "wire q; assign q = (a == 0 && b == 0) | q; assign p = q ? a * b : 8'hde;",
    ],
    ids=["macro of the tool", "undriven net", "loop"],
)
def test_what_only_simulates_well_does_not_pass(body: str, design: MakeDesign) -> None:
    found = design(_v("input [3:0] a, b, output [7:0] p", body))
    try:
        verdict = check_design(found).verdict
    except AxdseError as error:
        assert re.search("loop|no driver", str(error)), error  # noqa: PT017
    else:
        assert verdict == "mismatch"


def test_text_for_the_simulator_alone_is_refused(design: MakeDesign) -> None:
    body = "assign p = a * b; // synthesis translate_off\n// synthesis translate_on"
    with pytest.raises(AxdseError, match=r"same in simulation and synthesis: .* translate_off"):
        design(_v("input [3:0] a, b, output [7:0] p", body))


# Float models.


def test_a_float_model_is_compared_with_a_significand_core(design: MakeDesign) -> None:
    """ApproxTrain's convention; Mitchell's addition of fractions."""
    model = (
        "#include <stdint.h>\n#include <string.h>\n"
        "float mine(float x, float y) {\n  uint32_t a, b, c;\n"
        "  memcpy(&a, &x, 4); memcpy(&b, &y, 4);\n"
        "  c = (a & 0x7fffffff) + (b & 0x7fffffff) - 0x3f800000u;\n"
        "  c |= (a ^ b) & 0x80000000u;\n  memcpy(&x, &c, 4); return x;\n}\n"
    )
    rtl = _v("input [2:0] x, y, output [3:0] p", "assign p = {1'b0, x} + {1'b0, y};")
    report = check_design(design(rtl, model))
    assert (report.verdict, report.vectors) == ("exhaustive", 64)


# What the RTL says of itself.


@pytest.mark.parametrize(
    ("text", "top", "ports", "widths"),
    [
        (_v("input [7:0] A, input [7:0] B, output [15:0] O"), "mine", ("A", "B", "O"), (8, 8, 16)),
        (_v("output [7:0] q, input [3:0] y, x"), "mine", ("y", "x", "q"), (4, 4, 8)),
        (_v("input [6:0] x, y, output [7:0] p"), "mine", ("x", "y", "p"), (7, 7, 8)),
        (_v("input a, b, output [1:0] p"), "mine", ("a", "b", "p"), (1, 1, 2)),
        (_v("input [7:0] a, input b, output [8:0] p"), "mine", ("a", "b", "p"), (8, 1, 9)),
        (
            _v("input [3:0] a, b, output reg [7:0] p", "always @* p = a * b;"),
            "mine",
            ("a", "b", "p"),
            (4, 4, 8),
        ),
        (
            "module other #(parameter N=6)(input [N-1:0] a, b, output [2*N-1:0] p); endmodule",
            "other",
            ("a", "b", "p"),
            (6, 6, 12),
        ),
        (
            "module top(input [3:0] a, b, output [7:0] p); part u(a, b, p); endmodule\n"
            + _v("input [3:0] a, b, output [7:0] p", name="part"),
            "top",
            ("a", "b", "p"),
            (4, 4, 8),
        ),
        (
            _v("input c, d, output [1:0] p") + _v("input [3:0] a, b, output [7:0] p", name="q"),
            "mine",
            ("c", "d", "p"),
            (1, 1, 2),
        ),
    ],
    ids=[
        "plain",
        "output first",
        "significand",
        "1 bit",
        "unequal",
        "always block",
        "parameter",
        "hierarchy",
        "file name",
    ],
)
def test_ports_and_widths_are_inferred(
    text: str,
    top: str,
    ports: tuple[str, str, str],
    widths: tuple[int, int, int],
    design: MakeDesign,
) -> None:
    rtl = design(text).rtl
    assert (rtl.top, rtl.ports) == (top, ports)
    assert (rtl.a_bits, rtl.b_bits, rtl.product_bits) == widths
    assert rtl.text == text


def test_a_top_module_is_pinned(design: MakeDesign) -> None:
    text = _v("input [2:0] a, b, output [5:0] p") + _v("input a, b, output [1:0] p", name="tiny")
    assert design(text, pins=Pins(top="tiny")).rtl.a_bits == 1
    with pytest.raises(AxdseError, match="has no such module: tinny; did you mean 'tiny'"):
        design(text, pins=Pins(top="tinny"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (_v("input [7:0] a, b, c, output [15:0] p"), r"two inputs and one output: .*input c\[8\]"),
        (_v("input [7:0] a, b, output [15:0] p, output q"), "two inputs and one output"),
        (_v("inout [7:0] a, input [7:0] b, output [15:0] p"), "two inputs and one output"),
        (_v("input [7:0] a, b, output [12:0] p"), r"as many bits as both.*output p\[13\]"),
        (_v("input [7:0] a, input [6:0] b, output [7:0] p"), "as many bits as both"),
        (_v("input [39:0] a, b, output [79:0] p"), "up to 32 bits"),
        (_v("input [3:0] \\a+b , b, output [7:0] p"), "plain Verilog identifiers"),
        (_v("input [3:0] a$b, b, output [7:0] p"), "plain Verilog identifiers.*'a\\$b'"),
        (_v("input [3:0] a, b, output [7:0] p", name="\\m;exec "), r"identifiers.*'m;exec'"),
        (_v(f"input [3:0] {'a' * 65}, b, output [7:0] p"), "identifiers.*has 65 characters"),
        (_v("input a, output b", name="x") + _v("", name="y"), "or just one .*: x, y.*--top"),
        ("// nothing\n", "or just one .*: none found|must elaborate in Icarus"),
        (_v("input [3:0] a, b, output [7:0] p", "assign p = a *;"), "mine.v:2: syntax error"),
        (_v("input [3:0] a, b, output [7:0] p", "ghost g(a);"), "mine.v:2: error: Unknown module"),
    ],
    ids=[
        "third input",
        "second output",
        "inout",
        "odd product",
        "unequal significands",
        "too wide",
        "escaped name",
        "dollar",
        "escaped module",
        "long name",
        "two tops",
        "empty",
        "syntax",
        "unknown module",
    ],
)
def test_rtl_that_does_not_fit_is_one_line(text: str, message: str, design: MakeDesign) -> None:
    with pytest.raises(AxdseError, match=message) as caught:
        design(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [("m\u00fc", r"identifiers.*'m\u00fc' is no such name"), ("__f", "begins with __"),
     ("sizeof", "a keyword of C"), ("f" * 65, "has 65 characters")],
)  # fmt: skip
def test_a_function_that_is_no_plain_name_is_one_line(
    name: str, message: str, design: MakeDesign
) -> None:
    rtl = _v("input [3:0] a, b, output [7:0] p", "assign p = a * b;")
    with pytest.raises(AxdseError, match=message) as caught:
        design(rtl, MODEL.replace("mine", name))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("missing", ["mine.c", "mine.v"])
def test_a_missing_file_is_one_line(missing: str, write: Write, tmp_path: Path) -> None:
    write("mine.c", MODEL)
    write("mine.v", _v("input [3:0] a, b, output [7:0] p", "assign p = a * b;"))
    (tmp_path / missing).unlink()
    with pytest.raises(AxdseError, match=rf"{missing} \(No such file.*; check the path"):
        read_design(tmp_path / "mine.c", tmp_path / "mine.v")


def test_a_model_whose_products_are_too_wide_is_one_line(design: MakeDesign) -> None:
    model = _c("uint64_t mine(uint64_t a, uint64_t b) { return a << 8 | b; }")
    rtl = _v("input [3:0] a, b, output [7:0] p", "assign p = a * b;")
    with pytest.raises(AxdseError, match="products of mine must fit 8 bits"):
        check_design(design(rtl, model))


@pytest.mark.usefixtures("bare_path")
def test_a_missing_tool_is_one_line() -> None:
    with pytest.raises(AxdseError, match="a tool is missing: yosys; apt-get install yosys"):
        read_design(EXAMPLES / "mine.c", EXAMPLES / "mine.v")
