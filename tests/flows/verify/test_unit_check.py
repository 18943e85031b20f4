"""Whole float units of other exponents than that of FP32, and damage to them."""

import shutil
from pathlib import Path

import pytest

from axdse.flows.verify.check import check_unit
from axdse.multipliers.designs import rtl_text as verilog
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.formats import parse_format


def _candidate(spec: str, format_name: str) -> Candidate:
    return Candidate(builtin_catalog().multiplier(spec), parse_format(format_name))


@pytest.mark.parametrize(
    ("spec", "format_name", "vectors"),
    [
        ("exact(n=3)", "fp8_e5m2", 1 << 16),
        ("drum(n=4,k=2)", "fp8_e4m3", 1 << 16),
        ("mitchell(m=3)", "fp8_e4m3", 1 << 16),
        ("exact(n=4)", "float(5,3,product=wide)", 1 << 18),
        ("exact(n=3)", "float(2,2)", 1 << 10),
    ],
)
def test_narrow_units_are_proved(spec: str, format_name: str, vectors: int) -> None:
    report = check_unit(_candidate(spec, format_name))
    assert (report.verdict, report.vectors) == ("exhaustive", vectors), report.examples


@pytest.mark.parametrize(
    ("spec", "format_name"),
    [
        ("exact(n=11)", "float(5,10,product=wide)"),
        ("exact(n=8)", "float(2,7)"),
        pytest.param("dadda42(n=8)", "bf16", marks=pytest.mark.slow),
        pytest.param("mitchell(m=11)", "float(8,11)", marks=pytest.mark.slow),
        pytest.param("exact(n=12)", "float(8,11,product=wide)", marks=pytest.mark.slow),
    ],
)
def test_wide_units_agree_on_the_sample(spec: str, format_name: str) -> None:
    report = check_unit(_candidate(spec, format_name))
    assert report.verdict == "sampled", report.examples


@pytest.mark.parametrize(
    ("original", "mutant"),
    [
        ("sum <= BIAS", "sum < BIAS"),
        ("sum >= BIAS + TOP", "sum > BIAS + TOP"),
        ("(full_b & (|y))", "full_b"),
        ("(exponent_b == 0)", "(b[E+M-1:0] == 0)"),
    ],
)
def test_a_mutant_of_the_unit_is_caught(
    original: str, mutant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "rtl"
    shutil.copytree(verilog.UNIT_FOLDER, folder)
    unit = folder / "fp_multiply.v"
    assert unit.read_text().count(original) == 1
    unit.write_text(unit.read_text().replace(original, mutant))
    monkeypatch.setattr(verilog, "UNIT_FOLDER", folder)
    assert check_unit(_candidate("exact(n=7)", "float(5,6)")).verdict == "mismatch"
