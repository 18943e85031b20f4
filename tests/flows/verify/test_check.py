import dataclasses
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from axdse.flows.evidence.report import RtlReport
from axdse.flows.simulation import icarus as rtl_simulation
from axdse.flows.verify import core_task, verdict
from axdse.flows.verify.check import check, check_all, check_unit
from axdse.multipliers.designs import rtl_text as verilog
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.designs.family import Family, Multiplier
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import parse_format
from axdse.multipliers.model import cmodel
from axdse.multipliers.model.cmodel import table_of, tabulate

WithRtl = Callable[..., Multiplier]

FAMILIES = sorted(builtin_catalog().families)
UNIT_RTL = ("fp_multiply", "int_multiply", "normalise")
FLIPS = {"+": "|", "-": "+", "&": "|", "|": "&", "<<": ">>", ">>": "<<", "*": "+", "^": "|"}
OPERATOR = re.compile(r" (\+|-|&|\||<<|>>|\*|\^) ")
COMMENT_OR_DIRECTIVE = re.compile(r"/\*.*?\*/|//[^\n]*|^#[^\n]*", re.DOTALL | re.MULTILINE)


def _exact(bits: int = 4) -> Multiplier:
    return builtin_catalog().family("exact").bind({"n": bits})


def _no_simulation(*_: object) -> None:
    pytest.fail("simulated in spite of the cache")


# Agreement.


Reports = dict[str, RtlReport]


@pytest.fixture(scope="module")
def at_defaults() -> Reports:
    """Of every family; designs of the same width share a simulation."""
    return _reports([builtin_catalog().family(name).bind() for name in FAMILIES])


@pytest.fixture(scope="module")
def of_five_bits() -> Reports:
    """Of every family: a fiftieth of the pairs."""
    return _reports([_narrow(builtin_catalog().family(name)) for name in FAMILIES])


def _reports(multipliers: list[Multiplier]) -> Reports:
    return dict(zip(FAMILIES, check_all(multipliers, jobs=1), strict=True))


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_agrees_at_five_bits(name: str, of_five_bits: Reports) -> None:
    _assert_agrees(_narrow(builtin_catalog().family(name)), of_five_bits[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_agrees_at_its_defaults(name: str, at_defaults: Reports) -> None:
    _assert_agrees(builtin_catalog().family(name).bind(), at_defaults[name])


def _assert_agrees(multiplier: Multiplier, report: RtlReport) -> None:
    assert report.design == multiplier.spec
    assert report.passed, report.examples
    assert report.mismatches == 0
    assert report.examples == ()
    assert (report.verdict, report.vectors) == ("exhaustive", multiplier.pairs)


def test_wide_designs_are_sampled_and_proved() -> None:
    report = check(_exact(12), seed=3)
    assert (report.verdict, report.seed, report.passed) == ("proved", 3, True)
    assert report.vectors >= 20_000
    assert report.proof is not None
    assert report.proof.pairs == report.proof.total == 1 << 24


def test_what_a_sample_misses_a_proof_finds(with_rtl: WithRtl) -> None:
    a, b = 1234, 3210
    report = check(with_rtl(f"assign p = a * b + (a == {a} && b == {b});", 12))
    assert report.verdict == "mismatch"
    assert (report.examples[0].a, report.examples[0].b) == (a, b)
    assert report.proof is not None
    assert report.proof.verdict == "different"


def test_a_narrow_design_is_proved_on_request() -> None:
    report = check(_exact(4), prove_s=30)
    assert report.verdict == "exhaustive"
    assert report.proof is not None
    assert (report.proof.verdict, report.proof.pairs) == ("proved", 256)


def test_a_proof_that_takes_too_long_is_none(with_rtl: WithRtl) -> None:
    wide = dataclasses.replace(with_rtl("assign p = a * b;"), values=(("n", 16),))
    report = check(wide, prove_s=1)
    assert report.verdict == "sampled"
    assert report.proof is not None
    assert report.proof.verdict == "unknown"
    assert report.proof.pairs < report.proof.total


@pytest.mark.usefixtures("fresh_cache")
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
    with_rtl: WithRtl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rtl_simulation, "TIME_LIMIT_S", 30)
    monkeypatch.setattr(rtl_simulation, "CROWDED", 1)
    endless = with_rtl("reg ring = 0; always @(ring or a) ring <= ~ring; assign p = ring;")
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
        ("mitchell(m=1)", "float(2,1)"),
        ("broken_array(n=4,h=1,v=2)", "uint4"),
        ("exact(n=4)", "int4xuint4"),
        ("broken_array(n=4,h=1,v=2)", "uint4xint4"),
    ],
)
def test_units_agree(spec: str, format_text: str) -> None:
    candidate = Candidate(builtin_catalog().multiplier(spec), parse_format(format_text))
    report = check_unit(candidate)
    assert report.passed, report.examples
    assert report.design == candidate.name
    assert report.vectors >= min(20_000, 1 << report.a_bits + report.b_bits)


@pytest.mark.parametrize("name", UNIT_RTL)
def test_a_damaged_unit_fails(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "rtl"
    shutil.copytree(verilog.UNIT_FOLDER, folder)
    _delete_middle(folder / f"{name}.v")
    monkeypatch.setattr(verilog, "UNIT_FOLDER", folder)
    format_text = "int8" if name == "int_multiply" else "bf16"
    _assert_fails(lambda: check_unit(Candidate(_exact(8), parse_format(format_text))))


# Damage.


@pytest.mark.parametrize("name", FAMILIES)
def test_deleting_the_middle_of_the_rtl_fails(name: str, tmp_path: Path) -> None:
    family = builtin_catalog().family(name)
    copy = Path(shutil.copy(family.rtl, tmp_path))
    _delete_middle(copy)
    _assert_fails(lambda: check(dataclasses.replace(family, rtl=copy).bind()))


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if place % 4 else [])
        for place, name in enumerate(FAMILIES)
    ],
)
def test_flipping_an_operator_of_the_model_fails(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cmodel, "TIME_LIMIT_S", 2)
    original = _narrow(builtin_catalog().family(name))
    multiplier = _first_flip_that_matters(original, tmp_path)
    report = check(multiplier)
    right, wrong = tabulate(original), tabulate(multiplier)
    assert (report.verdict, report.mismatches) == ("mismatch", np.count_nonzero(right != wrong))
    example = report.examples[0]
    assert int(example.got, 16) == right[example.a, example.b]
    assert example.expected == wrong[example.a, example.b]


def _narrow(family: Family) -> Multiplier:
    """5-bit operands: the first parameter of a family is its width."""
    return family.bind({next(iter(family.parameters)): 5})


def _delete_middle(path: Path) -> None:
    lines = path.read_text().splitlines(keepends=True)
    third = max(1, len(lines) // 3)
    path.write_text("".join(lines[:third] + lines[-third:]))


def _assert_fails(run: Callable[[], RtlReport]) -> None:
    """A counter-example, or one line that shows where."""
    try:
        report = run()
    except AxdseError as error:
        assert re.search(r"\.v:\d+|line \d+", str(error)), error  # noqa: PT017
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


@pytest.mark.usefixtures("fresh_cache")
def test_the_model_is_tabulated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Multiplier] = []
    monkeypatch.setattr(
        core_task, "table_of", lambda model: calls.append(model) or table_of(model)
    )
    assert check(_exact()).passed
    assert calls == [_exact()]


# Cache and traces.


@pytest.mark.usefixtures("fresh_cache")
def test_a_verdict_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    first = check(_exact())
    monkeypatch.setattr(verdict, "simulate", _no_simulation)
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


@pytest.mark.usefixtures("fresh_cache")
def test_another_text_is_another_verdict(with_rtl: WithRtl) -> None:
    assert check(with_rtl("assign p = a * b;")).passed
    assert not check(with_rtl("assign p = a * b + (a == 1);")).passed
    assert check(with_rtl("assign p = b * a;")).passed


def test_another_seed_is_another_check() -> None:
    first, second = (check(_exact(9), seed=seed) for seed in (1, 2))
    assert (first.seed, second.seed) == (1, 2)
    assert first.vectors != second.vectors


def test_no_verdict_without_an_end(with_rtl: WithRtl, fresh_cache: Path) -> None:
    with pytest.raises(AxdseError):
        check(with_rtl("assign p = a * b; initial #5000 $finish;"))
    assert not (fresh_cache / "rtl_check").exists() or not any(
        (fresh_cache / "rtl_check").iterdir()
    )


@pytest.mark.usefixtures("fresh_cache")
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
