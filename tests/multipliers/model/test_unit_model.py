import dataclasses
import subprocess

import numpy as np
import pytest

from axdse.flows.evidence.stimulus import unit_stimulus
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import FloatFormat, parse_format
from axdse.multipliers.model import unit_model
from axdse.multipliers.model.unit_model import UNIT_MODEL, unit_macros, unit_model_products
from axdse.multipliers.model.unit_oracle import unit_products


def in_format(spec, format_name):
    return Candidate(builtin_catalog().multiplier(spec), parse_format(format_name))


def differences(candidate):
    stimulus = unit_stimulus(candidate.format, seed=0)
    got = unit_model_products(candidate, stimulus.a, stimulus.b)
    return np.count_nonzero(got != unit_products(candidate, stimulus.a, stimulus.b))


@pytest.mark.parametrize(
    ("spec", "format_name"),
    [
        ("exact(n=8)", "bf16"),
        ("drum(n=8,k=4)", "approxtrain"),
        ("mitchell(m=7)", "approxtrain"),
        ("exact(n=11)", "fp16"),
        ("exact(n=11)", "float(5,10,product=wide)"),
        ("exact(n=12)", "float(8,11,product=wide)"),
        ("mitchell(m=10)", "float(8,10)"),
        ("exact(n=3)", "fp8_e5m2"),
        ("mitchell(m=3)", "fp8_e4m3"),
        ("exact(n=4)", "float(5,3,product=wide)"),
        ("udm(n=4)", "float(2,3)"),
    ],
)
def test_the_c_unit_is_the_oracle_on_the_whole_stimulus(spec, format_name):
    assert differences(in_format(spec, format_name)) == 0


@pytest.mark.parametrize(("m", "product"), [(1, "narrow"), (1, "wide"), (23, "narrow")])
def test_the_narrowest_and_the_widest_formats_agree_too(make_multiplier, m, product):
    source = "uint64_t core(uint64_t a, uint64_t b) { return a * b; }"
    core = make_multiplier(source, n=m + 1)

    assert differences(Candidate(core, FloatFormat(8, m, product=product))) == 0


def test_a_model_with_exchanged_operands_is_called_so(make_multiplier):
    core = make_multiplier("uint64_t core(uint64_t a, uint64_t b) { return a * b + (a & 1); }")
    family = dataclasses.replace(core.family, swapped=True)
    straight, swapped = (
        Candidate(multiplier, parse_format("float(8,3,product=wide)"))
        for multiplier in (core, dataclasses.replace(core, family=family))
    )
    a, b = np.array([127 << 3 | 1]), np.array([127 << 3 | 2])

    assert differences(swapped) == 0
    assert unit_model_products(swapped, a, b) == unit_model_products(straight, b, a)
    assert unit_model_products(swapped, a, b) != unit_model_products(straight, a, b)


@pytest.mark.parametrize(
    ("original", "mutant"),
    [
        ("(a ^ b)", "(a | b)"),
        ("exponent_a == 0 ||", "exponent_a == 1 ||"),
        ("|| exponent_b == 0", "|| exponent_a == 0"),
        ("exponent_b == top", "exponent_b == top - 1"),
        ("(full_a && x)", "(full_a && x > 1)"),
        ("(full_a && x)", "(full_a && x && y)"),
        ("(full_b && y)", "(full_b && y && !full_a)"),
        ("(full_b && y)", "full_b"),
        ("zero && (full_a || full_b)", "zero && full_a"),
        ("return infinity | ", "return sign | infinity | "),
        ("(uint64_t)1 << (FP_F - 1)", "1"),
        ("if (full_a || full_b) return", "if (full_a) return"),
        ("if (zero) return sign;", ""),
        ("if (zero) return sign;", "if (zero) return 0;"),
        ("biased <= bias", "biased < bias"),
        ("biased <= bias", "biased <= bias + 1"),
        ("biased <= bias", "exponent_a + exponent_b <= bias"),
        ("biased >= bias + top", "biased > bias + top"),
        ("biased >= bias + top", "biased >= bias + top - 1"),
        ("biased >= bias + top", "exponent_a + exponent_b >= bias + top"),
        ("if (biased >= bias + top) return sign | infinity", "if (0) return 0"),
        ("+ (core >> FP_F)", ""),
        ("<< (1 - carry)", "<< 1"),
        ("bias = top >> 1", "bias = (top >> 1) + 1"),
    ],
)
def test_the_sampled_stimulus_catches_each_mutant_of_the_unit(
    tmp_path, monkeypatch, original, mutant
):
    source = UNIT_MODEL.read_text()
    assert source.count(original) == 1
    path = tmp_path / "fp_multiply.c"
    path.write_text(source.replace(original, mutant))
    monkeypatch.setattr(unit_model, "UNIT_MODEL", path)

    assert differences(in_format("exact(n=6)", "float(6,5)")) > 0


@pytest.mark.parametrize("language", [("c", "c99"), ("c++", "c++14")])
@pytest.mark.parametrize("spec", ["drum(n=8,k=4)", "mitchell(m=7)"])
def test_the_c_unit_is_freestanding_c99_and_valid_cuda(spec, language):
    """CUDA is C++ to the host's compiler."""
    macros = [f"-D{macro}" for macro in unit_macros(in_format(spec, "approxtrain"))]
    name, standard = language
    warnings = ["-Wall", "-Wextra", "-pedantic-errors", "-Werror"]
    command = ["gcc", "-x", name, f"-std={standard}", "-ffreestanding", *warnings, *macros]
    subprocess.run([*command, "-fsyntax-only", UNIT_MODEL], check=True)


def test_an_int8_unit_has_no_float_model():
    with pytest.raises(AxdseError, match=r"in a float format: exact\(n=8\) in int8; "):
        unit_model_products(in_format("exact(n=8)", "int8"), np.array([1]), np.array([1]))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "static int n; uint64_t core(uint64_t a, uint64_t b) { return 64 << (n++ & 1); }",
            "pure",
        ),
        ("void exit(int); uint64_t core(uint64_t a, uint64_t b) { exit(0); }", "must return"),
        ("uint64_t core(uint64_t a, uint64_t b) { return a * }", "must compile"),
    ],
)
def test_a_core_that_misbehaves_in_the_unit_is_an_error(make_multiplier, source, message):
    candidate = Candidate(make_multiplier(source), FloatFormat(8, 3))

    with pytest.raises(AxdseError, match=message):
        unit_model_products(candidate, np.array([127 << 3]), np.array([127 << 3]))
