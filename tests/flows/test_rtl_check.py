import dataclasses
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from axdse.flows import rtl_check, rtl_simulation
from axdse.flows.rtl_check import RtlReport, check, check_all, check_unit
from axdse.multipliers import cmodel, verilog
from axdse.multipliers.candidate import Candidate
from axdse.multipliers.catalog import Family, Multiplier, builtin_catalog
from axdse.multipliers.cmodel import tabulate
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import parse_format

Write = Callable[[str, str], Path]
MakeTool = Callable[[str, str], Path]

FAMILIES = sorted(builtin_catalog().families)
UNIT_RTL = ("fp_multiply", "int_multiply", "normalise")
FLIPS = {"+": "|", "-": "+", "&": "|", "|": "&", "<<": ">>", ">>": "<<", "*": "+", "^": "|"}
OPERATOR = re.compile(r" (\+|-|&|\||<<|>>|\*|\^) ")
COMMENT_OR_DIRECTIVE = re.compile(r"/\*.*?\*/|//[^\n]*|^#[^\n]*", re.DOTALL | re.MULTILINE)
pytestmark = pytest.mark.usefixtures("fresh_cache")


def _exact(bits: int = 4) -> Multiplier:
    return builtin_catalog().family("exact").bind({"n": bits})


def _with_rtl(body: str, write: Write, bits: int = 4) -> Multiplier:
    """The exact C model beside other Verilog."""
    text = (
        "module exact #(parameter N = 8) (input [N-1:0] a, b, output [2*N-1:0] p);\n"
        f"{body}\nendmodule\n"
    )
    family = dataclasses.replace(builtin_catalog().family("exact"), rtl=write("exact.v", text))
    return family.bind({"n": bits})


def _no_simulation(*_: object) -> None:
    pytest.fail("simulated in spite of the cache")


# Agreement.


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_agrees_at_its_defaults(name: str) -> None:
    multiplier = builtin_catalog().family(name).bind()
    report = check(multiplier)
    assert report.passed, report.examples
    assert report.mismatches == 0
    assert report.examples == ()
    if multiplier.operand_bits <= 8:
        assert (report.verdict, report.vectors) == ("exhaustive", multiplier.pairs)
    else:
        assert report.verdict == "sampled"
        assert report.vectors >= 20_000


def test_wide_designs_are_sampled() -> None:
    report = check(_exact(12), seed=3)
    assert (report.verdict, report.seed, report.passed) == ("sampled", 3, True)
    assert report.vectors >= 20_000


def test_a_report_names_what_it_is_about() -> None:
    report = check(_exact())
    assert report.design == "exact(n=4)"
    assert report.rtl_digest == verilog.core_rtl(_exact()).digest
    assert any("Icarus" in tool for tool in report.tools)
    assert any("cocotb 2" in tool for tool in report.tools)
    assert report.seconds > 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}\+00:00", report.date)


def test_many_designs_are_checked_at_once_and_reported_in_order() -> None:
    multipliers = [_exact(bits) for bits in (6, 3, 5, 3)]
    reports = list(check_all(multipliers, jobs=2))
    assert [report.design for report in reports] == [m.spec for m in multipliers]
    assert all(report.passed for report in reports)


def test_who_stops_listening_waits_for_nobody(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rtl_simulation, "TIME_LIMIT_S", 30)
    endless = _with_rtl("reg ring = 0; always @(ring or a) ring <= ~ring; assign p = ring;", write)
    reports = check_all([_exact(3), endless, endless], jobs=2)
    assert next(reports).passed
    start = time.monotonic()
    reports.close()
    assert time.monotonic() - start < 10


# Whole units.


@pytest.mark.parametrize(
    ("spec", "format_text"),
    [
        ("exact(n=8)", "int8"),
        ("exact(n=8)", "bf16"),
        ("exact(n=8)", "approxtrain"),
        ("exact(n=4)", "float(8,3,product=wide)"),
        ("exact(n=11)", "float(8,10,product=narrow)"),
    ],
)
def test_units_agree(spec: str, format_text: str) -> None:
    candidate = Candidate(builtin_catalog().multiplier(spec), parse_format(format_text))
    report = check_unit(candidate)
    assert report.passed, report.examples
    assert report.design == candidate.name
    assert report.vectors >= 20_000


@pytest.mark.parametrize("name", UNIT_RTL)
def test_a_damaged_unit_fails(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "rtl"
    shutil.copytree(verilog.RTL_FOLDER, folder)
    _delete_middle(folder / f"{name}.v")
    monkeypatch.setattr(verilog, "RTL_FOLDER", folder)
    format_text = "int8" if name == "int_multiply" else "bf16"
    _assert_fails(lambda: check_unit(Candidate(_exact(8), parse_format(format_text))))


# Damage.


@pytest.mark.parametrize("name", FAMILIES)
def test_deleting_the_middle_of_the_rtl_fails(name: str, tmp_path: Path) -> None:
    family = builtin_catalog().family(name)
    copy = Path(shutil.copy(family.rtl, tmp_path))
    _delete_middle(copy)
    _assert_fails(lambda: check(dataclasses.replace(family, rtl=copy).bind()))


@pytest.mark.parametrize("name", FAMILIES)
def test_flipping_an_operator_of_the_model_fails(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cmodel, "TIME_LIMIT_S", 2)
    original = _narrow(builtin_catalog().family(name))
    flipped = _first_flip_that_matters(original, tmp_path)
    right, wrong = tabulate(original), tabulate(flipped)
    report = check(flipped)
    assert (report.verdict, report.mismatches) == ("mismatch", np.count_nonzero(right != wrong))
    example = report.examples[0]
    assert int(example.got, 16) == right[example.a, example.b]
    assert example.expected == wrong[example.a, example.b]


def _narrow(family: Family) -> Multiplier:
    """6-bit operands: the first parameter of a family is its width."""
    return family.bind({next(iter(family.parameters)): 6})


def _delete_middle(path: Path) -> None:
    lines = path.read_text().splitlines(keepends=True)
    third = max(1, len(lines) // 3)
    path.write_text("".join(lines[:third] + lines[-third:]))


def _assert_fails(run: Callable[[], RtlReport]) -> None:
    """A counter-example, or one line that shows where."""
    try:
        report = run()
    except AxdseError as error:
        assert re.search(r"\.v:\d+", str(error)), error  # noqa: PT017
    else:
        assert report.verdict == "mismatch"
        assert report.examples


def _first_flip_that_matters(original: Multiplier, folder: Path) -> Multiplier:
    """Replace the first operator whose flip compiles and changes a product."""
    model = original.family.model
    text = model.read_text()
    code = COMMENT_OR_DIRECTIVE.sub(lambda match: " " * len(match[0]), text)
    for match in OPERATOR.finditer(code):
        start, end = match.span(1)
        copy = folder / model.name
        copy.write_text(text[:start] + FLIPS[match[1]] + text[end:])
        family = dataclasses.replace(original.family, model=copy)
        flipped = dataclasses.replace(original, family=family)
        try:
            changed = tabulate(flipped) != tabulate(original)
        except AxdseError:
            continue
        if changed.any():
            return flipped
    return pytest.fail(f"no operator of {original.spec} matters")


# Counter-examples.


def test_a_mismatch_shows_operands_expected_and_got(write: Write) -> None:
    report = check(_with_rtl("assign p = a == 3 && b == 5 ? 8'h2a : a * b;", write))
    assert (report.verdict, report.vectors, report.mismatches) == ("mismatch", 256, 1)
    assert not report.passed
    assert report.examples == (rtl_check.Mismatch(a=3, b=5, expected=15, got="2a"),)
    assert not report.swapped


@pytest.mark.parametrize(
    ("body", "got"),
    [
        ("wire [7:0] q = a * b; assign p[7:4] = q[7:4];", "0z"),
        ("wire [7:0] q = a * b; assign p[7:1] = q[7:1];", "0X"),
        ("assign p = a * b + 1'bx;", "xx"),
        ("reg [7:0] q; assign p = q;", "xx"),
    ],
    ids=["floating digit", "floating bit", "unknown sum", "never written"],
)
def test_x_and_z_on_the_product_are_mismatches(body: str, got: str, write: Write) -> None:
    report = check(_with_rtl(body, write))
    assert report.mismatches == report.vectors == 256
    assert report.examples[0].got == got


@pytest.mark.parametrize(
    ("body", "got"),
    [
        ("reg [2*N-1:0] q = 0; always @* if (a != 0) q = a * b; assign p = q;", "0x"),
        ("reg [2*N-1:0] q; always @(b) q = a * b; assign p = q;", "0x"),
        ("reg [2*N-1:0] q; always @(a) q = a * b; assign p = q;", None),
    ],
    ids=["latch", "only b is sensed", "only a is sensed"],
)
def test_a_device_with_memory_is_a_mismatch(body: str, got: str | None, write: Write) -> None:
    """Each of the first two is right on every pair when they come in counting order."""
    report = check(_with_rtl(body, write))
    assert report.verdict == "mismatch"
    assert got is None or report.examples[0].got == got


@pytest.mark.parametrize(
    "ports", ["input [4:0] a, b, output [7:0] p", "input [3:0] a, b, output [9:0] p"]
)
def test_ports_of_another_width_are_no_verdict(ports: str, write: Write) -> None:
    text = f"module bare({ports}); assign p = a * b; endmodule\n"
    model = "#include <stdint.h>\nuint64_t bare(uint64_t a, uint64_t b) { return a * b; }\n"
    family = dataclasses.replace(
        builtin_catalog().family("exact"),
        name="bare",
        model=write("bare.c", model),
        rtl=write("bare.v", text),
        width=4,
        parameters={},
    )
    with pytest.raises(AxdseError, match=r"the ports of bare have 4, 4 and 8 bits: .*expects"):
        check(family.bind())


@pytest.mark.parametrize("width", ["2*N+3:0", "2*N-2:0"])
def test_a_core_of_another_width_is_no_verdict(width: str, write: Write) -> None:
    family = builtin_catalog().family("drum")
    text = family.rtl.read_text().replace("output [2*N-1:0] p", f"output [{width}] p", 1)
    assert width in text
    design = dataclasses.replace(family, rtl=write("drum.v", text)).bind({"n": 4})
    with pytest.raises(AxdseError, match=r"of drum expects \d+ bits, got 8"):
        check(design)


def test_swapped_operands_are_said(write: Write) -> None:
    model = write("exact.c", "#include <stdint.h>\nuint64_t exact(uint64_t a, uint64_t b)"
                  " { return a * (b & ~UINT64_C(1)); }")  # fmt: skip
    multiplier = _with_rtl("assign p = {a[N-1:1], 1'b0} * b;", write)
    report = check(dataclasses.replace(multiplier.family, model=model).bind({"n": 4}))
    assert report.verdict == "mismatch"
    assert report.swapped


def test_waves_hold_the_counter_example_and_the_inside_of_the_design(
    write: Write, tmp_path: Path
) -> None:
    multiplier = _with_rtl(
        "wire strange = a == 3 && b == 5; assign p = strange ? 8'h2a : a * b;", write
    )
    waves = tmp_path / "new" / "counter_example.vcd"
    check(multiplier, waves=waves)
    text = waves.read_text()
    names = set(re.findall(r"\$var \w+ +\d+ \S+ (\w+)", text))
    assert {"a", "b", "p", "expected", "equal", "strange"} <= names
    assert re.search(r"^b101010 ", text, re.MULTILINE)
    assert re.search(r"^b1111 ", text, re.MULTILINE)
    # 3 x 4, 3 x 5, 3 x 6 and no more, 1000 ns each, there and (1001 ns) back.
    assert [int(t) for t in re.findall(r"^#(\d+)$", text, re.MULTILINE)][-1] <= 6_003_000


def test_no_waves_without_a_mismatch(tmp_path: Path) -> None:
    waves = tmp_path / "none.vcd"
    assert check(_exact(), waves=waves).passed
    assert not waves.exists()


def test_waves_come_from_a_cached_mismatch_too(write: Write, tmp_path: Path) -> None:
    multiplier = _with_rtl("assign p = a + b;", write)
    first = check(multiplier)
    assert check(multiplier, waves=tmp_path / "w.vcd") == first
    assert (tmp_path / "w.vcd").stat().st_size


def test_waves_that_cannot_be_written_are_one_line(write: Write, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AxdseError, match="the output must be writable"):
        check(_with_rtl("assign p = 0;", write), waves=tmp_path / "file" / "w.vcd")


# Simulations that do not end well.


def test_rtl_that_does_not_elaborate_shows_the_line_of_icarus(write: Write) -> None:
    with pytest.raises(AxdseError, match=r"Icarus: exact_n4\.v:\d+: syntax error"):
        check(_with_rtl("assign p = a * ;", write))


def test_a_missing_model_is_one_line(tmp_path: Path) -> None:
    family = dataclasses.replace(_exact(12).family, model=tmp_path / "none.c")
    with pytest.raises(AxdseError, match="C model is a readable file"):
        check(family.bind({"n": 12}))


def test_a_hanging_simulation_is_killed(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rtl_simulation, "TIME_LIMIT_S", 3)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    start = time.monotonic()
    body = "reg ring = 0; always @(ring or a) ring <= ~ring; assign p = a * b + ring;"
    with pytest.raises(AxdseError, match="simulation of exact_n4 must end within 3 s"):
        check(_with_rtl(body, write))
    assert time.monotonic() - start < 20
    assert not list(tmp_path.glob("axdse-*"))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("assign p = a * b; initial #5000 $finish;", "must run to its end"),
        ("assign p = a * b; initial #5000 $stop;", "must run to its end"),
        ("assign p = a * b; initial #5000 $fatal;", "must run to its end"),
    ],
)
def test_a_simulation_that_ends_early_is_no_verdict(body: str, reason: str, write: Write) -> None:
    with pytest.raises(AxdseError, match=reason):
        check(_with_rtl(body, write))


@pytest.mark.parametrize(
    "script",
    [
        "kill -SEGV $$",
        "exit 0",
        "echo '<testsuites/>' > $COCOTB_RESULTS_FILE",
        "echo '<testsuites><testcase><skipped/></testcase></testsuites>' > $COCOTB_RESULTS_FILE",
        "echo '<testsuites><testcase><failure/></testcase></testsuites>' > $COCOTB_RESULTS_FILE",
        "echo '<testsuites><testcase>' > $COCOTB_RESULTS_FILE",
    ],
    ids=["crash", "silence", "no test", "skipped test", "failed test", "broken results"],
)
def test_a_simulator_without_a_passed_test_is_no_verdict(
    script: str, fake_tool: MakeTool, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = 'if [ "$1" = -V ]; then echo vvp 0; exit; fi; head -c 4096 /dev/zero > results.bin'
    monkeypatch.setenv("AXDSE_VVP", str(fake_tool("vvp", f"{version}\n{script}")))
    with pytest.raises(AxdseError, match="must run to its end"):
        check(_exact())


@pytest.mark.parametrize("records", [0, 256, 511, 513])
def test_every_vector_must_be_answered(
    records: int, fake_tool: MakeTool, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = (
        'if [ "$1" = -V ]; then echo vvp 0; exit; fi\n'
        f"head -c {16 * records} /dev/zero > results.bin\n"
        "echo '<testsuites><testcase/></testsuites>' > $COCOTB_RESULTS_FILE"
    )
    monkeypatch.setenv("AXDSE_VVP", str(fake_tool("vvp", script)))
    with pytest.raises(AxdseError, match=rf"must answer every vector.*: {records} answers"):
        check(_exact())


@pytest.mark.usefixtures("bare_path")
def test_a_missing_simulator_is_one_line() -> None:
    with pytest.raises(AxdseError, match="a tool is missing: iverilog; apt-get install iverilog"):
        check(_exact())


# Cache and traces.


def test_a_verdict_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    first = check(_exact())
    monkeypatch.setattr(rtl_check, "simulate", _no_simulation)
    assert check(_exact()) == first


@pytest.mark.parametrize("damage", ["", "{", '{"design": "exact(n=4)"}'])
def test_a_corrupt_verdict_is_computed_again(
    damage: str, fresh_cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = check(_exact())
    (entry,) = (fresh_cache / "rtl_check").iterdir()
    entry.write_text(damage)
    again = check(_exact())
    assert (again.verdict, again.vectors) == (first.verdict, first.vectors)
    assert "is corrupt" in caplog.text


def test_another_text_is_another_verdict(write: Write) -> None:
    assert check(_with_rtl("assign p = a * b;", write)).passed
    assert not check(_with_rtl("assign p = a * b + (a == 1);", write)).passed
    assert check(_with_rtl("assign p = b * a;", write)).passed


def test_another_seed_is_another_check() -> None:
    first, second = (check(_exact(9), seed=seed) for seed in (1, 2))
    assert (first.seed, second.seed) == (1, 2)
    assert first.vectors != second.vectors


def test_no_verdict_without_an_end(write: Write, fresh_cache: Path) -> None:
    with pytest.raises(AxdseError):
        check(_with_rtl("assign p = a * b; initial #5000 $finish;", write))
    assert not (fresh_cache / "rtl_check").exists() or not any(
        (fresh_cache / "rtl_check").iterdir()
    )


def test_a_check_leaves_nothing_behind_and_prints_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    monkeypatch.chdir(scratch)
    assert check(_exact()).passed
    assert list(scratch.iterdir()) == []
    assert capfd.readouterr() == ("", "")
