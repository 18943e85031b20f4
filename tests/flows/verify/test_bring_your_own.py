import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from axdse.flows.cost.cost import core_cost
from axdse.flows.evidence.report import Mismatch
from axdse.flows.verify.bring_your_own import Design, read_design
from axdse.flows.verify.check import check_design
from axdse.flows.verify.pins import Pins
from axdse.flows.yosys import run_yosys
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
        ("muls", Pins(signed=(True, True)), True),
        ("mul5s_1KV8", Pins(signed=(False, False)), False),
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


def test_what_has_no_gates_is_refused_before_it_is_simulated(design: MakeDesign) -> None:
    with pytest.raises(AxdseError, match=r"gates for powers of .*: mine computes a \*\* b; write"):
        design(_v("input [3:0] a, b, output [7:0] p", "assign p = a ** b;"))
    with pytest.raises(AxdseError, match=r"assertions are left out of \.sv .*: mine has assert; "):
        design(_v("input [3:0] a, b, output [7:0] p", "assign p = a * b; always @* assert (p);"))


def test_a_pipeline_needs_no_wrong_pin(design: MakeDesign) -> None:
    with pytest.raises(AxdseError, match="no such 1-bit port: clok; did you mean 'clk'"):
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
    assert "clock clk, reset rst_n (resets at 0), enable en (enables at 1);" in guess


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


@pytest.mark.parametrize(
    ("clock", "reset"), [("clk_ni", "rst_ni"), ("aclk", "aresetn"), ("core_clk", "srst_n")]
)
def test_clocks_and_resets_of_usual_buses_are_known(
    clock: str, reset: str, design: MakeDesign
) -> None:
    pipeline = design(PIPELINE.replace("clk", clock).replace("rst_n", reset)).rtl.pipeline
    assert pipeline is not None
    assert (pipeline.clock, pipeline.reset, pipeline.reset_level) == (clock, reset, 0)


def test_the_handshake_of_axi_is_known(design: MakeDesign) -> None:
    ports = "input aclk, aresetn, s_axis_tvalid, m_ready, input [3:0] a, b, "
    ports += "output s_axis_tready, output reg m_axis_tvalid, output reg [7:0] p"
    body = "assign s_axis_tready = !m_axis_tvalid | m_ready; always @(posedge aclk) "
    body += "if (!aresetn) m_axis_tvalid <= 0; else if (s_axis_tready) begin "
    body += "m_axis_tvalid <= s_axis_tvalid; p <= a * b; end"
    found = design(_v(ports, body), pins=Pins(ties=(("m_ready", 1),)))
    pipeline = found.rtl.pipeline
    assert pipeline is not None
    handed = (pipeline.start, pipeline.done, pipeline.ready)
    assert handed == ("s_axis_tvalid", "m_axis_tvalid", "s_axis_tready")


def test_what_yosys_refuses_is_in_the_file_that_was_given(design: MakeDesign) -> None:
    with pytest.raises(AxdseError, match=r"Yosys must accept (.*): \1:\d+: syntax error"):
        design(_v("input [3:0] a, b, output [7:0] p", "logic [3:0][7:0] r; assign p = a * b;"))


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
    # What the design does not name is left out.
    assert rtl.text.strip() == text.partition("module q")[0].strip()


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
        (_v("input [7:0] a, b, output [64:0] p"), r"up to 64 bits: .*output p\[65\]"),
        (_v("input [39:0] a, b, output [79:0] p"), "up to 32 bits"),
        (_v("input [3:0] a$b, b, output [7:0] p"), "plain Verilog identifiers.*'a\\$b'"),
        (_v(f"input [3:0] {'a' * 65}, b, output [7:0] p"), "identifiers.*has 65 characters"),
        (_v("input a", name="x") + _v("input a", name="y"), "or just one .*: x, y.*--top"),
        ("// nothing\n", "or just one .*: none found|must elaborate in Icarus"),
        (_v("input [3:0] a, b, output [7:0] p", "assign p = a *;"), "mine.v:2: syntax error"),
        (
            _v("input [3:0] a, b, output [7:0] p", "ghost g(a);"),
            "mine.v holds all .*: ghost is not",
        ),
    ],
    ids=[
        "third input",
        "second output",
        "inout",
        "wide product",
        "too wide",
        "dollar",
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


def test_a_table_that_has_not_a_product_a_pair_is_refused(write: Write, tmp_path: Path) -> None:
    """Its missing products would be zeros, which are wrong by no fault of the design."""
    rtl = write("mine.v", _v("input [3:0] a, input [1:0] b, output [5:0] p", "assign p = a * b;"))
    for rows, columns in ((16, 4), (4, 16)):
        table = write("mine.csv", _products(rows, columns))
        report = check_design(read_design(table, rtl, folder=tmp_path))
        assert (report.verdict, report.order) == ("exhaustive", _order(rows < columns))
    table = write("mine.csv", _products(16, 2))
    with pytest.raises(AxdseError, match=r"its design, 16 x 4: mine\.csv is 16 x 2"):
        read_design(table, rtl, folder=tmp_path)


def _products(rows: int, columns: int) -> str:
    return "".join(",".join(str(a * b) for b in range(columns)) + "\n" for a in range(rows))


def _order(swapped: bool) -> str:
    return "swapped" if swapped else "straight"


def test_a_folder_is_no_model(write: Write, tmp_path: Path) -> None:
    rtl = write("mine.v", _v("input [1:0] a, b, output [3:0] p", "assign p = a * b;"))
    with pytest.raises(AxdseError, match="one file"):
        read_design(tmp_path, rtl, folder=tmp_path)


@pytest.mark.parametrize(
    ("ports", "remedy"),
    [
        ("input clk, s_valid, output s_ready, m_valid, input m_ready, DATA", "--tie m_ready=1,"),
        ("input clk, start, output done, busy, DATA", "--ignore busy,"),
        ("input mode, DATA, output overflow", "--tie mode=VALUE --ignore overflow,"),
        ("input clk, valid_in, DATA", "--tie valid_in=1,"),
        ("input clk, DATA, input c", "--tie c=VALUE,"),
        ("input clk_a, clk_b, DATA", "one clock, not by clk_b and clk_a"),
        ("input [7:0] a, b, inout [15:0] p", "declare p an input or an output"),
        ("input [7:0] c, DATA", "name its --clock"),
    ],
)
def test_ports_that_are_too_many_are_named_with_what_would_do(
    ports: str, remedy: str, design: MakeDesign
) -> None:
    text = _v(ports.replace("DATA", "input [7:0] a, b, output [15:0] p"), "assign p = a * b;")
    with pytest.raises(AxdseError) as caught:
        design(text)
    assert remedy in caught.value.remedy + ","


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


# What C leaves open.

UNSIGNED_RTL = _v("input [4:0] a, b, output [9:0] p", "assign p = {a[4:1], 1'b0} * b;")


def test_an_int_model_of_an_unsigned_design_agrees_and_says_how(design: MakeDesign) -> None:
    """As most people write one; what differs as two's complement is told."""
    report = check_design(design(UNSIGNED_RTL, "int mine(int a, int b) { return (a & 30) * b; }"))
    assert (report.verdict, report.signed, report.mismatches) == ("exhaustive", False, 0)
    (unsigned, signed) = report.tried
    assert (unsigned.reading, unsigned.mismatches) == ("unsigned", 0)
    assert signed.reading == "two's complement"
    assert signed.mismatches


@pytest.mark.parametrize(
    ("types", "ports"),
    [
        ("int8_t mine(int8_t a, int8_t b)", "input [7:0] a, b, output [15:0] p"),
        ("int mine(int a, int b)", "input signed [7:0] a, b, output [15:0] p"),
        ("int mine(int a, int b)", "input [7:0] a, b, output signed [15:0] p"),
    ],
    ids=["types as wide as the ports", "signed ports", "a signed product"],
)
def test_rtl_that_multiplies_without_the_signs_it_has_is_found(
    types: str, ports: str, design: MakeDesign
) -> None:
    rtl = _v(ports, "wire [7:0] x = a, y = b; assign p = x * y;")
    report = check_design(design(rtl, _c(f"{types} {{ return a * b; }}")))
    assert (report.verdict, report.tried) == ("mismatch", ())


def test_a_pinned_reading_is_the_only_one(design: MakeDesign) -> None:
    model = "int mine(int a, int b) { return ((a & 30) * b) & 1023; }"
    report = check_design(design(UNSIGNED_RTL, model, Pins(signed=(True, True))))
    assert (report.verdict, report.signed, report.tried) == ("mismatch", True, ())


@pytest.mark.parametrize(
    ("rtl", "model", "call", "unsigned"),
    [
        (
            "input signed [4:0] w, input [4:0] x, output signed [9:0] p",
            "int16_t mine(int8_t w, uint8_t x)",
            "p = mine(w, x)",
            "b",
        ),
        (
            "input signed [4:0] w, input [4:0] x, output signed [9:0] p",
            "int16_t mine(uint8_t x, int8_t w)",
            "p = mine(x, w)",
            "b",
        ),
        (
            "input [4:0] x, input signed [3:0] w, output signed [8:0] p",
            "int mine(int x, int w)",
            "p = mine(x, w)",
            "a",
        ),
    ],
    ids=["straight", "swapped", "other widths"],
)
def test_signed_times_unsigned(
    rtl: str, model: str, call: str, unsigned: str, design: MakeDesign
) -> None:
    body = "assign p = w * $signed({1'b0, x});"
    report = check_design(design(_v(rtl, body), _c(f"{model} {{ return w * x; }}")))
    assert (report.verdict, report.call) == ("exhaustive", call)
    assert (report.signed, report.unsigned_operand) == (True, unsigned)


def test_operands_of_two_types(design: MakeDesign) -> None:
    model = _c("uint32_t mine(uint8_t a, uint16_t b) { return (uint32_t)a * b; }")
    rtl = _v("input [2:0] a, input [9:0] b, output [12:0] p", "assign p = a * b;")
    assert check_design(design(rtl, model)).verdict == "exhaustive"


def test_a_char_is_read_with_and_without_a_sign(design: MakeDesign) -> None:
    rtl = _v("input [7:0] a, b, output [15:0] p", "assign p = a * b;")
    report = check_design(design(rtl, "unsigned mine(char a, char b) { return a * b; }"))
    assert (report.verdict, report.unsigned_char, report.signed) == ("exhaustive", True, False)
    report = check_design(
        design(rtl, "unsigned mine(signed char a, signed char b) { return a * b; }")
    )
    assert report.verdict == "mismatch"


@pytest.mark.parametrize(
    ("model", "pins", "call"),
    [
        (
            "int mine(int a, int tune, int b) { return (a * b) >> tune << tune; }",
            Pins(arguments=(("tune", 2),)),
            "p = mine(a, 2, b)",
        ),
        (
            "int counted;\nint mine(int a, int b) { return a * b & ~3; }\n"
            '#include <time.h>\nint main(void) { counted += mine(3, 4); printf("%d", counted);'
            " return (int)time(NULL); }",
            Pins(),
            "p = mine(a, b)",
        ),
    ],
    ids=["a constant", "a program"],
)
def test_what_a_file_holds_beside_the_model(
    model: str, pins: Pins, call: str, design: MakeDesign
) -> None:
    rtl = _v(
        "input [3:0] a, b, output [7:0] p", "wire [7:0] q = a * b; assign p = {q[7:2], 2'b0};"
    )
    report = check_design(design(rtl, model, pins))
    assert (report.verdict, report.call) == ("exhaustive", call)


CPP = """#include <cstdint>
template <class T> static constexpr T twice(T x) { return x + x; }
struct Pair { std::uint8_t a, b; constexpr int product() const { return a * b; } };
using u8 = std::uint8_t;
unsigned mine(u8 a, u8 b) { return twice(Pair{a, b}.product()) / 2; }
"""


@pytest.mark.skipif(not shutil.which("g++"), reason="no C++ compiler")
def test_a_model_in_cpp(write: Write) -> None:
    rtl = write("mine.v", _v("input [3:0] a, b, output [7:0] p", "assign p = a * b;"))
    report = check_design(read_design(write("mine.cpp", CPP), rtl))
    assert (report.verdict, report.call) == ("exhaustive", "p = mine(a, b)")


# Kinds, and Verilog alone.


@pytest.mark.parametrize(
    ("ports", "model", "pinned", "kind"),
    [
        ("input [3:0] a, b, output [4:0] p", "a + b", "", "bits"),
        ("input [3:0] a, b, output [4:0] p", "a + b", "significand", "significand"),
        ("input [3:0] a, b, output [3:0] p", "(a * b) & 15", "", "bits"),
        ("input [3:0] a, b, output [11:0] p", "a * b", "", "bits"),
        ("input [3:0] a, b, output [7:0] p", "a * b", "", "integer"),
        ("input [3:0] a, b, output [7:0] p", "a * b", "bits", "bits"),
    ],
)
def test_a_kind_is_chosen(
    ports: str, model: str, pinned: str, kind: str, design: MakeDesign
) -> None:
    rtl = _v(ports, f"assign p = {'a + b' if '+' in model else 'a * b'};")
    text = f"unsigned mine(unsigned a, unsigned b) {{ return {model}; }}"
    found = design(rtl, text, Pins(kind=pinned))
    assert found.multiplier.family.kind == kind
    assert bool(found.assumed) == (kind == "bits" and not pinned)
    assert check_design(found).verdict == "exhaustive"


@pytest.mark.parametrize(
    ("ports", "model", "pinned", "message"),
    [
        ("input [3:0] a, b, output [5:0] p", "a + b", "integer", "--kind integer, 4 x 4 -> 6"),
        ("input [3:0] a, b, output [7:0] p", "a + b", "significand", "--kind significand, 4 x"),
        ("input [3:0] a, b, output [4:0] p", "(a | b) + 1", "significand", r"1\.0 x 1\.0 is 1\.0"),
    ],
)
def test_a_kind_that_does_not_fit_is_one_line(
    ports: str, model: str, pinned: str, message: str, design: MakeDesign
) -> None:
    text = f"unsigned mine(unsigned a, unsigned b) {{ return {model}; }}"
    with pytest.raises(AxdseError, match=message):
        design(_v(ports), text, Pins(kind=pinned))


ALONE = {
    "": ("input signed [3:0] a, input signed [3:0] b, output signed [7:0] p", "assign p = a * b;"),
    "a table": (
        "input [3:0] a, b, output reg [7:0] p",
        "always @* case (a[2:0]) "
        + " ".join(f"3'd{i}: p = {i * 5 % 8} * b;" for i in range(8))
        + " endcase",
    ),
    "a pipeline": (
        "input clk, rst_n, en, input [3:0] a, b, output reg [7:0] p",
        "reg [3:0] x, y; always @(posedge clk or negedge rst_n) if (!rst_n) begin x <= 0; y <= 0;"
        " p <= 0; end else if (en) begin x <= a; y <= b; p <= x * y; end",
    ),
    "other widths": ("input [4:0] a, input [2:0] b, output [5:0] p", "assign p = a + (b ^ 3);"),
    "a constant": ("input [3:0] a, b, output [7:0] p", "assign p = {8'd129};"),
}


@pytest.mark.parametrize("name", ALONE)
def test_verilog_alone_makes_a_model_that_is_equal_to_it(name: str, write: Write) -> None:
    ports, body = ALONE[name]
    rtl = write("mine.v", _v(ports, body))
    alone = read_design(None, rtl, folder=rtl.parent)
    report = check_design(alone)
    assert (report.passed, report.rtl_only, alone.prototype) == (True, True, None)
    assert report.signed == ("signed" in ports)
    made = alone.multiplier.family.model
    assert made.name == "mine.c"
    again = check_design(read_design(made, rtl))
    assert (again.passed, again.rtl_only, again.verdict) == (True, False, report.verdict)


def test_verilog_alone_that_two_tools_read_differently_is_no_model(write: Write) -> None:
    body = "`ifdef SYNTHESIS\nassign p = a * b + 1;\n`else\nassign p = a * b;\n`endif"
    rtl = write("mine.v", _v("input [3:0] a, b, output [7:0] p", body))
    assert check_design(read_design(None, rtl, folder=rtl.parent)).verdict == "mismatch"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("p <= p + a * b;", "loop of|feeds itself"),
        ("if (a[0]) p <= a * b;", "loop of|feeds itself"),
    ],
)
def test_verilog_alone_that_keeps_a_state_is_one_line(
    body: str, message: str, write: Write
) -> None:
    rtl = _v("input clk, input [3:0] a, b, output reg [7:0] p", f"always @(posedge clk) {body}")
    path = write("mine.v", rtl)
    with pytest.raises(AxdseError, match=message):
        read_design(None, path, folder=path.parent)


def test_pins_of_ports_and_parameters(design: MakeDesign) -> None:
    rtl = (
        "module mine #(parameter N = 8, K = 0)(input signed [N-1:0] a, b, input [1:0] mode,"
        " output signed [2*N-1:0] p, output over);\n"
        "  assign p = mode[1] ? (a >>> K) * b : 0; assign over = &mode;\nendmodule\n"
    )
    model = "int mine(int a, int b) { return (a >> 2) * b; }"
    pins = Pins(parameters=(("N", 4), ("K", 2)), ties=(("mode", 2),), ignored=("over",))
    found = design(rtl, model, pins)
    assert (found.rtl.top, found.rtl.a_bits) == ("mine_pinned", 4)
    assert check_design(found).verdict == "exhaustive"
    for wrong, message in (
        (Pins(ties=(("mode", 4),)), "mode has 2 bits: 4"),
        (Pins(ties=(("over", 0),)), "--tie names an input of mine: over"),
        (Pins(ignored=("a",)), "--ignore names an output of mine: a"),
        (Pins(parameters=(("M", 4),)), "--parameter names one of mine: M; choose from K, N"),
    ):
        with pytest.raises(AxdseError, match=message):
            design(rtl, model, wrong)


def test_a_parameter_may_be_negative(design: MakeDesign) -> None:
    rtl = (
        "module mine #(parameter K = 0)(input [3:0] a, b, output [7+K:0] p);"
        " assign p = a * b + K + 1; endmodule\n"
    )
    found = design(
        rtl, "int mine(int a, int b) { return a * b & 127; }", Pins(parameters=(("K", -1),))
    )
    assert found.rtl.product_bits == 7
    assert check_design(found).verdict == "exhaustive"


def test_a_table_with_words_is_no_c_file(tmp_path: Path) -> None:
    table, rtl = tmp_path / "mine.csv", tmp_path / "mine.v"
    table.write_text("0.0,0.0\n0.0,1.5\n")
    rtl.write_text("module mine(input a, b, output [1:0] p); assign p = a * b; endmodule\n")
    with pytest.raises(AxdseError, match="a table is lines of integers"):
        read_design(table, rtl, folder=tmp_path)


@pytest.mark.parametrize(
    ("ports", "when", "levels"),
    [
        ("input clk, cen_n,", "if (!cen_n)", ""),
        ("input clk, en,", "if (!en)", "enable en (enables at 0)"),
        ("input clk, rst,", "if (!rst) p <= 0; else", "reset rst (resets at 0)"),
        ("input clk, rst_n, ce,", "if (rst_n) p <= 0; else if (!ce)", "reset rst_n (resets at 1)"),
    ],
)
def test_levels_against_their_names_are_found_and_told(
    ports: str, when: str, levels: str, design: MakeDesign
) -> None:
    rtl = _v(
        f"{ports} input [3:0] a, b, output reg [7:0] p",
        f"always @(posedge clk) {when} p <= a * b;",
    )
    report = check_design(design(rtl))
    assert (report.passed, report.latency) == (True, 1)
    assert levels in report.levels
    assert bool(levels) == bool(report.levels)


@pytest.mark.parametrize("clock", ["aclk", "sys_clk", "i_clk", "CLK"])
def test_a_clock_has_many_names(clock: str, design: MakeDesign) -> None:
    body = f"always @(posedge {clock}) p <= a * b;"
    pipeline = design(
        _v(f"input {clock}, input [3:0] a, b, output reg [7:0] p", body)
    ).rtl.pipeline
    assert pipeline is not None
    assert pipeline.clock == clock


def test_a_pinned_level_is_kept(design: MakeDesign) -> None:
    body = "always @(posedge clk) if (!en) p <= a * b;"
    rtl = _v("input clk, en, input [3:0] a, b, output reg [7:0] p", body)
    assert not check_design(design(rtl, pins=Pins(enable_level=1))).passed


@pytest.mark.parametrize("suffix", [".blif", ".json"])
def test_netlists_of_other_formats(suffix: str, write: Write) -> None:
    tables = {
        "p[0]": "a[0] b[0] p[0]\n11 1",
        "p[1]": "a[0] b[1] a[1] b[0] p[1]\n110- 1\n11-0 1\n0-11 1\n-011 1",
        "p[2]": "a[0] a[1] b[0] b[1] p[2]\n01-1 1\n-101 1",
        "p[3]": "a[0] a[1] b[0] b[1] p[3]\n1111 1",
    }
    blif = ".model mine\n.inputs a[0] a[1] b[0] b[1]\n.outputs p[0] p[1] p[2] p[3]\n"
    blif += "".join(f".names {table}\n" for table in tables.values()) + ".end\n"
    path = write("mine.blif", blif)
    if suffix == ".json":
        run_yosys("read_blif -wideports mine.blif\nwrite_json mine.json\n", path.parent, "it")
    model = write("mine.c", MODEL)
    found = read_design(model, path.with_suffix(suffix), folder=path.parent)
    assert check_design(found).verdict == "exhaustive"


def test_a_mapped_netlist_with_the_models_of_its_cells(write: Write) -> None:
    rtl = write(
        "mine.v",
        _v("input a, b, output [1:0] p", "AND2X1 u(.A(a), .B(b), .Y(p[0])); TIE t(p[1]);"),
    )
    cells = write(
        "cells.v",
        _v("input A, B, output Y", "and (Y, A, B);", name="AND2X1")
        + _v("output Y", "assign Y = 1'b0;", name="TIE")
        + _v("input A, output Y", "assign Y = $random;", name="UNUSED"),
    )
    assert check_design(read_design(write("mine.c", MODEL), rtl, cells=[cells])).passed


SEQUENTIAL = """module mine(input clk, input rst, input START, input [3:0] a, b,
    output reg [7:0] p, output reg DONE);
  reg [3:0] left; reg [7:0] shifted; reg busy;
  always @(posedge clk)
    if (rst) begin DONE <= 0; busy <= 0; p <= 0; end
    else if (START && !busy) begin
      p <= 0; left <= b; shifted <= {4'b0, a}; busy <= 1; DONE <= 0;
    end else if (busy) begin
      if (left == 0) begin busy <= 0; DONE <= 1; end
      if (left[0]) p <= p + shifted;
      left <= left >> 1; shifted <= shifted << 1;
    end else DONE <= 0;
endmodule
"""


@pytest.mark.parametrize(("start", "done"), [("start", "done"), ("in_valid", "out_valid")])
def test_a_design_that_says_when_it_is_done(start: str, done: str, design: MakeDesign) -> None:
    rtl = SEQUENTIAL.replace("START", start).replace("DONE", done)
    report = check_design(design(rtl))
    assert (report.verdict, report.vectors, report.latency) == ("sampled", 256, 0)
    wrong = rtl.replace("left == 0", "left == 8")  # an answer too soon, or never
    assert not check_design(design(wrong)).passed


def test_a_design_that_takes_operands_when_it_is_ready(design: MakeDesign) -> None:
    rtl = SEQUENTIAL.replace("START", "in_valid").replace("DONE", "out_valid")
    rtl = rtl.replace("input clk", "output in_ready, input clk").replace(
        "  reg busy;" if "  reg busy;" in rtl else "reg busy;",
        "reg busy; assign in_ready = !busy;",
    )
    found = design(rtl)
    assert found.rtl.pipeline is not None
    assert found.rtl.pipeline.ready == "in_ready"
    assert check_design(found).passed


def test_a_design_that_is_never_done_is_no_match(design: MakeDesign) -> None:
    rtl = SEQUENTIAL.replace("START", "go").replace("DONE <= 1", "DONE <= 0")
    report = check_design(design(rtl.replace("DONE", "done")))
    assert (report.verdict, report.examples[0].got) == ("mismatch", "xx")


@pytest.mark.parametrize("form", ["\\{word}[{bit}] ", "{word}{bit}", "{word}_{bit}"])
def test_a_port_for_each_bit(form: str, design: MakeDesign) -> None:
    names = {
        word: [form.format(word=word, bit=bit) for bit in range(bits)]
        for word, bits in (("a", 2), ("b", 2), ("p", 4))
    }
    every = [name for word in names.values() for name in word]
    a, b, p = ("{" + ", ".join(word[::-1]) + "}" for word in names.values())
    inputs, outputs = ", ".join(every[:4]), ", ".join(every[4:])
    ports = f"input {inputs}, output {outputs}"
    report = check_design(design(_v(ports, f"wire [1:0] x = {a}, y = {b}; assign {p} = x * y;")))
    assert (report.verdict, report.a_bits, report.call) == ("exhaustive", 2, "p = mine(a, b)")


@pytest.mark.parametrize(
    "ports",
    [
        "input a0, a2, input [1:0] b, output [3:0] p",  # a1 is missing
        "input a0, output a1, input [1:0] b, output [3:0] p",
        "input [1:0] a0, input [1:0] b, input c0, output [3:0] p",
    ],
)
def test_ports_that_are_no_words_stay(ports: str, design: MakeDesign) -> None:
    with pytest.raises(AxdseError, match="two inputs and one output: mine"):
        design(_v(ports))


def test_a_design_with_a_handshake_has_no_cost_and_no_model_without_c(write: Write) -> None:
    text = SEQUENTIAL.replace("START", "start").replace("DONE", "done")
    rtl, model = write("mine.v", text), write("mine.c", MODEL)
    with pytest.raises(AxdseError, match="operands at every edge: mine waits for start; give a C"):
        read_design(None, rtl, folder=rtl.parent)
    found = read_design(model, rtl).multiplier
    with pytest.raises(AxdseError, match=r"a cost is of .* every edge: mine waits for start"):
        core_cost(found)


LIBERTY = """library (tiny) { cell (AND2) { area : 1;
  pin (A) { direction : input; } pin (B) { direction : input; }
  pin (Y) { direction : output; function : "(A&B)"; } } }
"""


def test_a_mapped_netlist_with_the_liberty_file_of_its_cells(write: Write) -> None:
    body = "AND2 u(.A(a), .B(b), .Y(p[0])); assign p[1] = 1'b0;"
    rtl = write("mine.v", _v("input a, b, output [1:0] p", body))
    cells = [write("tiny.lib", LIBERTY)]
    design = read_design(write("mine.c", MODEL), rtl, cells=cells, folder=rtl.parent)
    assert check_design(design).verdict == "exhaustive"
