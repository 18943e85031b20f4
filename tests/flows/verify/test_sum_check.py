"""Is the Verilog of sums their C model, and is one that is not told apart?"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from recorded_dots import CASES, recorded_dots

from axdse.dse.cli import run
from axdse.flows.evidence.report import RtlReport
from axdse.flows.formal.aig import codes_of, lanes_of
from axdse.flows.formal.gates import read_gates
from axdse.flows.simulation.sum_bench import simulate_sum
from axdse.flows.verify import sum_check
from axdse.flows.verify.sum_check import check_sum, compare_sum
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.design_point import Mac, parse_mac
from axdse.multipliers.designs.sum_rtl import sum_datapath, sum_rtl
from axdse.multipliers.designs.sum_shape import SumShape
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import FloatFormat, IntFormat, parse_format
from axdse.multipliers.model.mx_codes import mx_codes, mx_numbers
from axdse.multipliers.model.sum_unit import core_terms, sum_unit
from axdse.multipliers.sums.recipe import FloatRegister
from axdse.multipliers.sums.reference import add_up, register_codes, register_values
from axdse.multipliers.sums.text import parse_sum

FP4 = "mitchell(m=1) in float(2,1) sum"
# Every branch of every parameter, on every step that exists.
SMALL = (
    f"{FP4} dot(terms=2,align=3,acc=float(2,1))",
    f"{FP4} dot(terms=2,align=2,acc=float(2,2),round=rne)",
    f"{FP4} dot(terms=2,align=3,acc=float(2,1),cut=down)",
    f"{FP4} dot(terms=2,align=3,acc=float(2,1),carry=late)",
    f"{FP4} dot(terms=2,align=exact,acc=float(2,1),round=rne)",
    f"{FP4} dot(terms=1,align=2,acc=float(4,2),cut=down,round=rne)",
    f"{FP4} float(3,3)",
    f"{FP4} float(2,1,round=rz)",
    f"{FP4} lazy(2,6)",
    f"{FP4} lazy(1,5,cut=down)",
    f"{FP4} dot(terms=1,align=3,acc=float(2,1),stages=1)",
    f"{FP4} fixed(5,-2)",
    f"{FP4} fixed(6,-1,cut=down)",
    f"{FP4} fixed(5,-2,overflow=saturate)",
    f"{FP4} fixed(4,-1,overflow=saturate,cut=down)",
    "exact(n=3) in float(2,2) sum dot(terms=1,align=3,acc=float(3,2))",
    "exact(n=3) in float(2,2,product=wide) sum dot(terms=1,align=2,acc=float(3,2))",
    "exact(n=3) in float(3,2,product=wide) sum float(2,2)",  # whole sums below the register's
    "drum(n=4,k=3) in float(2,3) sum dot(terms=1,align=4,acc=float(3,2),round=rne)",
    # Products below the smallest normal number of the register.
    "exact(n=3) in float(3,2,product=wide) sum dot(terms=1,align=3,acc=float(2,2))",
    "exact(n=3) in float(3,2) sum dot(terms=1,align=3,acc=float(2,2),cut=down,round=rne)",
)
REAL = (
    "exact(n=4) in float(8,3) sum dot(terms=4,align=13)",
    pytest.param(
        "exact(n=8) in bf16 sum dot(terms=2,align=25,acc=float(8,23),carry=late,round=rne)",
        marks=pytest.mark.slow,
    ),
    "exact(n=8) in bf16 sum float(8,7)",
    "drum(n=4,k=3) in fp8_e4m3 sum dot(terms=4,acc=lazy(10,24))",
    pytest.param(
        "exact(n=4) in float(8,3) sum dot(terms=2,align=13,acc=float(8,13),carry=late,stages=1)",
        marks=pytest.mark.slow,
    ),
    pytest.param(
        "exact(n=4) in fp8_e4m3 sum dot(terms=4,acc=fixed(40,-20))", marks=pytest.mark.slow
    ),
    "exact(n=4) in fp8_e4m3 sum ibm",  # of a chunk its steps
    pytest.param("exact(n=4) in mxfp8_e4m3 sum dot(terms=4,align=13)", marks=pytest.mark.slow),
    "exact(n=3) in mxfp8_e5m2 sum dot(terms=2,align=9,acc=float(5,7),cut=down,round=rne)",
    pytest.param("exact(n=3) in mxfp6_e3m2 sum lazy(10,24)", marks=pytest.mark.slow),
    pytest.param("drum(n=4,k=3) in mxfp6_e2m3 sum float(8,7)", marks=pytest.mark.slow),
    pytest.param(
        "mitchell(m=1) in mxfp4_e2m1(product=narrow) sum dot(terms=8,align=10)",
        marks=pytest.mark.slow,
    ),
    "drum(n=8,k=4) in mxint8 sum dot(terms=4,align=13)",
    pytest.param(
        "booth(n=8) in mxint8 sum dot(terms=2,align=9,acc=float(5,7),cut=down,round=rne)",
        marks=pytest.mark.slow,
    ),
    pytest.param("exact(n=8) in mxint8 sum fp32(order=k)", marks=pytest.mark.slow),
    pytest.param(
        "exact(n=8) in mxint8 sum dot(terms=32,align=exact,acc=float(8,23),carry=late,stages=1)",
        marks=pytest.mark.slow,
    ),
    f"{FP4} float(2,2,round=stochastic,random=2)",
    pytest.param(
        "exact(n=3) in float(3,2,product=wide) sum float(2,2,round=stochastic,random=9)",
        marks=pytest.mark.slow,
    ),
    "exact(n=4) in fp8_e4m3 sum dot(terms=4,align=13,acc=float(6,5),round=stochastic,stages=1)",
    pytest.param(
        f"{FP4} dot(terms=2,align=exact,acc=float(5,5),round=stochastic,random=5)",
        marks=pytest.mark.slow,
    ),
    pytest.param("exact(n=8) in bf16 sum float(8,23,round=stochastic)", marks=pytest.mark.slow),
    "exact(n=8) in int8 sum int(17,overflow=saturate)",
    pytest.param("exact(n=8) in int8 sum dot(terms=4,acc=int(24))", marks=pytest.mark.slow),
)
# Its results are subnormal where nothing is in the register but c = 0.
BORDER = "exact(n=8) in mxint8 sum dot(terms=2,align=9,acc=float(5,7),round=rne)"
# Rounded by chance.
RANDOM = f"{FP4} float(3,4,round=stochastic,random=6)"


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of the steps for Icarus, which takes a second for all; for what is not cached."""
    monkeypatch.setattr(sum_check, "SIMULATED_BITS", sum_check.SIMULATED_BITS // 10)


MX = ("mxfp8_e4m3", "mxfp8_e5m2", "mxfp6_e3m2", "mxfp6_e2m3", "mxfp4_e2m1")


@pytest.mark.parametrize("name", MX)
def test_decoder_of_mx_operands_is_right_for_every_code(name: str) -> None:
    """Elements and scales, which the model reads from a list of values."""
    form = parse_format(name)
    assert isinstance(form, FloatFormat)
    core = f"mitchell(m={form.fraction_bits}) in {name}(product=narrow)"
    mac = parse_mac(f"{core} sum dot(terms=1,align=13)")
    assert mac.recipe
    blocks = sum_datapath(mac.candidate, mac.recipe).blocks
    decoder = next(block.module for block in blocks if "decode" in block.module.name)
    element, scale = (width for _, width in decoder.inputs)
    codes = np.arange(1 << (element + scale), dtype=np.uint64)
    graphs = dict.fromkeys(read_gates(decoder.rtl).bounds())
    for graph in graphs:
        planes = graph.planes(list(lanes_of(codes, element + scale)))
        np.testing.assert_array_equal(codes_of(planes, codes.size), mx_numbers(codes, form))


@pytest.mark.parametrize("name", MX)
def test_codes_of_mx_operands_are_what_they_were_made_of(name: str) -> None:
    form = parse_format(name)
    assert isinstance(form, FloatFormat)
    numbers = np.arange(1 << (9 + form.fraction_bits), dtype=np.uint64)
    found = mx_numbers(mx_codes(numbers, form, np.random.default_rng(0)), form)
    m = np.uint64(form.fraction_bits)
    exponent, fraction = numbers >> m & np.uint64(255), numbers & np.uint64((1 << int(m)) - 1)
    quiet = np.uint64((0xFF << int(m)) | 1 << (int(m) - 1))
    expected = np.where(
        exponent == 0, numbers >> (m + np.uint64(8)) << (m + np.uint64(8)), numbers
    )
    expected = np.where((exponent == 255) & (fraction != 0), quiet, expected)
    np.testing.assert_array_equal(found, expected)


def compared(mac: Mac) -> RtlReport:
    assert mac.recipe
    return compare_sum(mac, mac.recipe, sum_rtl(mac.candidate, mac.recipe))


@pytest.mark.usefixtures("few_steps")
@pytest.mark.parametrize("text", SMALL)
def test_small_sum_is_proved(text: str) -> None:
    report = compared(parse_mac(text))
    assert report.verdict == "proved", report.examples
    assert report.proof
    assert report.proof.pairs == 1 << (report.a_bits + report.b_bits)


# Integers in blocks whose scales have three bits, so that they have few steps.
SMALL_BLOCKS = {
    "aligned": (2, "dot(terms=2,align=3,acc=float(3,2))"),
    "unsigned magnitudes of three bits": (3, "dot(terms=1,align=2,acc=float(3,2),round=rne)"),
    "exact": (2, "dot(terms=2,align=exact,acc=float(3,2),round=rne)"),
    "one product": (3, "float(3,2)"),
    "down": (2, "dot(terms=2,align=4,acc=float(3,2),cut=down)"),
    "late": (2, "dot(terms=2,align=3,acc=float(2,2),carry=late)"),
}


def small_blocks(name: str, monkeypatch: pytest.MonkeyPatch) -> Mac:
    monkeypatch.setattr(IntFormat, "scale_bits", 3)
    bits, total = SMALL_BLOCKS[name]
    core = builtin_catalog().multiplier(f"exact(n={bits})")
    return Mac(core, IntFormat(bits, "block32"), parse_sum(total))


@pytest.mark.usefixtures("few_steps")
@pytest.mark.parametrize("name", SMALL_BLOCKS)
def test_small_sum_of_blocks_is_proved(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    report = compared(small_blocks(name, monkeypatch))
    assert report.verdict == "proved", report.examples
    assert report.proof
    assert report.proof.pairs == 1 << (report.a_bits + report.b_bits)


@pytest.mark.usefixtures("few_steps")
@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("aligned", "present = (|total) & ~nan", "present = ~nan"),
        ("aligned", "(&scale_a) | (&scale_b)", "(&scale_a)"),
        ("aligned", ".OFFSET(1)", ".OFFSET(0)"),
        ("aligned", "(total ^ {TOTAL{negative}}) + ", "(total ^ {TOTAL{negative}}) | "),
        ("exact", "(JAM != 0) & (|(shifted", "1'b0 & (|(shifted"),
    ],
)
def test_wrong_verilog_of_blocks_is_told(
    name: str, before: str, after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mac = small_blocks(name, monkeypatch)
    assert mac.recipe
    rtl = sum_rtl(mac.candidate, mac.recipe)
    assert before in rtl.text
    wrong = replace(rtl, text=rtl.text.replace(before, after))
    assert compare_sum(mac, mac.recipe, wrong).verdict == "mismatch"


@pytest.mark.slow
def test_sum_of_the_issue_is_proved() -> None:
    report = check_sum(parse_mac(f"{FP4} dot(terms=2,align=4,acc=float(3,3))"))
    assert report.verdict == "proved"
    assert report.proof
    assert report.proof.pairs == 1 << 23


@pytest.mark.parametrize("text", REAL)
def test_sum_of_real_size_agrees(text: str) -> None:
    report = check_sum(parse_mac(text))
    assert report.verdict == "sampled", (report.examples, report.reading)
    assert report.reading
    assert report.reading.vectors > 24_000
    classes = {"exponent gaps", "sign patterns", "cancellations"}
    if " int8 " in text:
        classes = {"extremes"}
    if "stochastic" in text:
        classes |= {"states of the generator"}
    if "mxfp" in text:
        classes |= {"random elements and scales"}
    if not any(kind in text for kind in (" int8 ", "lazy", "fixed")):
        classes |= {"ends of the register"}
    assert classes <= {c.name for c in report.coverage}
    assert report.latency == ("stages=1" in text)


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["hopper", "ampere", "volta", "hopper_fp8", "blackwell_fp8"])
def test_preset_agrees(preset: str) -> None:
    form = "exact(n=4) in fp8_e4m3(product=wide)" if "fp8" in preset else "exact(n=8) in bf16"
    assert check_sum(parse_mac(f"{form} sum {preset}")).passed


@pytest.mark.usefixtures("few_steps")
@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        (SMALL[0], "larger0 > exponent_c ?", "larger0 < exponent_c ?"),
        (SMALL[18], "half & (kept[0] | more)", "half & kept[0]"),
        (SMALL[1], ".NEAREST(1)", ".NEAREST(0)"),
        (SMALL[2], "{OUT{invert}} & ~", "{OUT{1'b0}} & ~"),
        (SMALL[4], "biased = stop ?", "biased = 1'b0 ?"),
        (SMALL[6], "(JAM != 0) & (|(shifted", "1'b0 & (|(shifted"),
        (SMALL[8], "lost & c[5]", "1'b0"),
        (SMALL[17], "(DEEP != 0)", "1'b0"),
        (SMALL[0], "assign present = ~zero &", "assign present ="),
        (SMALL[0], "zero & (full_a | full_b)", "1'b0"),
        (SMALL[0], "nan | (plus & minus)", "nan"),
        (SMALL[11], ".largest(3'd4)", ".largest(3'd5)"),
        (SMALL[13], "added[4:0]", "added[5:1]"),
        (SMALL[0], "sign = plus | minus ? minus", "sign = plus | minus ? 1'b0"),
        (RANDOM, "right ^ (right << 8)", "right ^ (right << 7)"),
        (RANDOM, "state[5:0]", "{state[4:0], 1'b0}"),
        (RANDOM, "RANDOM != 0 ? risen[C]", "RANDOM != 0 ? |risen[C:0]"),
        (RANDOM, "fine[2*S+C-R-2-:C]", "fine[2*S+C-R-3-:C]"),
        pytest.param(BORDER, "back = 1'b1 - first", "back = 1'b0 - first", marks=pytest.mark.slow),
        pytest.param(BORDER, "|down[S-2:0]", "^down[S-2:0]", marks=pytest.mark.slow),
    ],
)
def test_wrong_verilog_is_told(text: str, before: str, after: str) -> None:
    mac = parse_mac(text)
    assert mac.recipe
    rtl = sum_rtl(mac.candidate, mac.recipe)
    if before not in rtl.text:
        pytest.fail(f"no {before!r} in the text")
    wrong = replace(rtl, text=rtl.text.replace(before, after))
    report = compare_sum(mac, mac.recipe, wrong)
    assert report.verdict == "mismatch"
    assert report.examples or (report.reading and report.reading.examples)


@pytest.mark.parametrize("form", ["exact(n=4) in fp8_e4m3", "drum(n=8,k=4) in mxint8"])
def test_unit_is_the_reference(form: str) -> None:
    """The oracle of the Verilog against numpy, from codes to codes."""
    mac = parse_mac(f"{form} sum dot(terms=4,align=9,acc=float(5,8),round=rne)")
    assert mac.recipe
    rng = np.random.default_rng(0)
    bits = SumShape(mac.candidate, mac.recipe).operand_bits
    a, b = (rng.integers(0, 1 << bits, (4000, 4), np.uint64) for _ in "ab")
    c = rng.integers(0, 1 << 14, 4000, np.uint64)
    held = mac.recipe.register
    start = register_values(c, held)  # type: ignore[arg-type]
    total = mac.recipe.of_steps if "mxint8" in form else mac.recipe
    expected = add_up(total, core_terms(mac.candidate, a, b, mac.recipe.terms), start)
    found = sum_unit(mac.candidate, mac.recipe, a, b, c)
    np.testing.assert_array_equal(found, register_codes(expected, held))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("@(posedge clk)", "@(negedge clk)"),
        ("@(posedge clk)", "@*"),
        (".total(total_then", ".total(total"),
    ],
)
def test_a_stage_that_does_not_wait_for_its_clock_is_told(before: str, after: str) -> None:
    mac = parse_mac(SMALL[10])
    assert mac.recipe
    rtl = sum_rtl(mac.candidate, mac.recipe)
    assert before in rtl.text
    wrong = replace(rtl, text=rtl.text.replace(before, after))
    with pytest.raises(AxdseError, match="waits for its clock"):
        compare_sum(mac, mac.recipe, wrong)


REFUSED = {
    "exact(n=8) in bf16 sum fixed(63,-20)": "up to 64 bits",
    "exact(n=4) in fp8_e4m3 sum fixed(20,100)": "fall into the window",
    "exact(n=8) in bf16 sum dot(terms=4,align=exact)": "up to 240 bits",
    "exact(n=8) in bf16 sum lazy(10,24,stages=1)": "leave stages out",
    "exact(n=8) in int8 sum int(24,stages=1)": "leave stages out",
    "exact(n=8) in bf16 sum lazy(40,62)": "up to 64 bits",
}


@pytest.mark.parametrize("text", REFUSED)
def test_sum_without_verilog_is_one_line(text: str) -> None:
    with pytest.raises(AxdseError) as caught:
        check_sum(parse_mac(text))
    assert REFUSED[text] in str(caught.value)


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["mitchell(m=1)", "--format", "float(2,1)", "--sum", "float(2,1,round=rz)"]
    path = str(tmp_path / "sum.json")
    assert run(["verify", *words, "--certificate", path]) == 0
    assert "proved" in capsys.readouterr().out
    assert run(["verify", "--check", path]) == 0
    assert "holds" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["exact(n=8)", "--format", "bf16", "--sum", "hoper"], "did you mean 'hopper'"),
        (["exact(n=8)", "--format", "bf16", "--sum", "bf16"], "is a recipe"),
        (["exact(n=8)", "--format", "int8", "--sum", "hopper"], "summed in int(W)"),
        (["exact(n=8)", "--sum", "hopper", "--unit"], "--unit goes without --sum"),
        (["--model", "a.c", "--rtl", "a.v", "--sum", "hopper"], "goes without --sum"),
    ],
)
def test_bad_words_are_one_line(
    words: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["verify", *words]) == 2
    said = capsys.readouterr().err
    assert reason in said
    assert said.count("\n") == 1


# Icarus answers some hundred steps of 32 products a second.
@pytest.mark.parametrize("rows", [40, pytest.param(None, marks=pytest.mark.slow)])
@pytest.mark.parametrize("case", CASES)
def test_verilog_gives_recorded_dot_products_of_tensor_cores(case: str, rows: int | None) -> None:
    dots = recorded_dots(case).first(rows)
    e, m = dots.exponent_bits, dots.fraction_bits
    scale = ",scale=none" if e < 8 else ""
    mac = parse_mac(f"exact(n={m + 1}) in float({e},{m},product=wide{scale}) sum {dots.sum.name}")
    shape = SumShape(mac.candidate, dots.sum)
    format_register = FloatRegister(e, m)
    a, b = (register_codes(x.view(np.float32), format_register) for x in (dots.a, dots.b))
    c = register_codes(dots.held_c.view(np.float32), dots.register)
    rtl = sum_rtl(mac.candidate, dots.sum)
    for k in range(0, a.shape[1], dots.sum.terms):
        step = np.hstack([x[:, k : k + dots.sum.terms] for x in (a, b)]).tolist()
        packed = [sum(x << at * shape.operand_bits for at, x in enumerate(row)) for row in step]
        c = np.array([int(answer, 16) for answer in simulate_sum(rtl, packed, c)], np.uint64)
    found = register_values(c, dots.register).view(np.uint32)
    np.testing.assert_array_equal(found, dots.d)
