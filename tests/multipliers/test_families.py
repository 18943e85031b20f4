"""What the catalogue says of each family holds for its C model and its Verilog."""

import re
import subprocess

import numpy as np
import pytest

from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.family import Multiplier
from axdse.multipliers.model.cmodel import products, tabulate, twos_complement
from axdse.multipliers.sandbox.compiler import compiler
from axdse.multipliers.tables.error_metrics import error_metrics

FAMILIES = tuple(builtin_catalog().families.values())
INTEGER = tuple(family for family in FAMILIES if family.kind == "integer")
UNSIGNED = tuple(family for family in INTEGER if not family.signed)
APPROXIMATE = tuple(family for family in FAMILIES if family.error_sign != "exact")
FACTS = tuple((family, fact) for family in FAMILIES for fact in family.facts)
STRICT_C = ("-std=c99", "-ffreestanding", "-pedantic-errors", "-Wall", "-Wextra", "-Werror")

each_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


def small_grid(family):
    """Every design of a few narrow widths: all values of all other parameters."""
    name, widths = ("n", (3, 4, 5)) if family.kind == "integer" else ("m", (2, 4, 5))
    return [design for width in widths for design in family.grid(**{name: width})]


def errors(design):
    """Approximate minus exact, for integer and (scaled) significand cores."""
    bits = design.operand_bits
    table = tabulate(design).astype(np.int64)
    operands = np.arange(1 << bits)
    if design.family.signed:
        operands = twos_complement(operands, bits)
        table = twos_complement(table, 2 * bits)
    if design.family.kind == "significand":
        operands = operands + (1 << bits)
        table = ((1 << bits) + table % (1 << bits)) << (bits + (table >> bits))
    return table - np.outer(operands, operands)


@pytest.mark.parametrize(
    ("family", "fact"), FACTS, ids=[f"{fact.at}-{fact.metric}" for _, fact in FACTS]
)
def test_the_table_agrees_with_what_is_known(family, fact):
    design = builtin_catalog().multiplier(fact.at)

    assert design.family is family
    assert getattr(error_metrics(design), fact.metric) == pytest.approx(
        fact.value, rel=0, abs=fact.tolerance
    )


@pytest.mark.parametrize("family", APPROXIMATE, ids=lambda family: family.name)
def test_every_approximate_family_has_facts_and_a_source(family):
    assert len(family.facts) >= 2
    assert re.fullmatch(r"10\.\d{4,5}/\S+", family.paper.doi)
    assert 1960 <= family.paper.year <= 2030


@each_family
def test_errors_have_the_sign_that_the_catalogue_claims(family):
    found = [errors(design) for design in (*small_grid(family), family.bind())]
    lowest, highest = min(e.min() for e in found), max(e.max() for e in found)
    claims = {"exact": (0, 0), "never_positive": (-1, 0), "never_negative": (0, 1), "any": (-1, 1)}

    assert (np.sign(lowest), np.sign(highest)) == claims[family.error_sign]


@each_family
def test_operands_commute_as_the_catalogue_claims(family):
    tables = [tabulate(design) for design in (*small_grid(family), family.bind())]

    assert all((table == table.T).all() for table in tables) == family.commutative


@pytest.mark.parametrize("family", UNSIGNED, ids=lambda family: family.name)
def test_products_of_normalised_significands_are_at_least_one(family):
    for design in (*small_grid(family), family.bind()):
        hidden = 1 << (design.operand_bits - 1)
        assert tabulate(design)[hidden:, hidden:].min() >= hidden**2, design.spec


@pytest.mark.parametrize("family", INTEGER, ids=lambda family: family.name)
def test_a_zero_operand_gives_zero_as_the_catalogue_claims(family):
    tables = [tabulate(design) for design in (*small_grid(family), family.bind())]

    assert any(t[0].any() or t[:, 0].any() for t in tables) != family.keeps_zero


@pytest.mark.parametrize(
    ("family", "parameter", "fixed", "direction"),
    [
        ("truncated", "t", {"n": 5, "c": 0}, 1),
        ("truncated", "t", {"n": 5, "c": 1}, 1),
        ("broken_array", "h", {"n": 5, "v": 5}, 1),
        ("broken_array", "v", {"n": 5, "h": 2}, 1),
        ("perforated", "s", {"n": 5, "k": 1}, 1),
        ("perforated", "k", {"n": 5, "s": 1}, 1),
        ("drum", "k", {"n": 8}, -1),
        ("ssm", "s", {"n": 8}, -1),
        ("dadda42", "c", {"n": 5}, 1),
        ("lower_or", "v", {"n": 5}, 1),
        ("etm", "k", {"n": 8}, 1),
        ("booth_approx", "v", {"n": 5, "d": 1}, 1),
        ("booth_approx", "v", {"n": 5, "d": 2}, 1),
        ("broken_array_signed", "v", {"n": 6, "h": 1}, 1),
        ("broken_booth", "v", {"n": 6, "t": 0}, 1),
        ("drum_signed", "k", {"n": 8, "s": 0}, -1),
    ],
)
def test_the_error_grows_with_what_is_left_out(family, parameter, fixed, direction):
    designs = sorted(
        builtin_catalog().family(family).grid(**fixed), key=lambda d: dict(d.values)[parameter]
    )
    distances = [error_metrics(design).med for design in designs][::direction]

    assert len(distances) > 2
    assert distances == sorted(distances)
    assert distances[0] < distances[-1]


@each_family
def test_macros_and_verilog_parameters_are_the_parameters(family):
    defaults = family.bind().bindings
    header = re.search(
        rf"\bmodule {family.name} #\((.*?)\n\) \((.*?)\n\);", family.rtl.read_text(), re.S
    )
    names = re.findall(r"parameter (?:integer )?(\w+) = (\d+)", header[1])
    ports = re.findall(r"(input|output)\s+\[.*?\]\s+(\w+)", header[2])
    operands = ("a", "b") if family.kind == "integer" else ("x", "y")

    assert {name: int(value) for name, value in names} == defaults
    assert [name for name, _ in names] == list(defaults)
    assert ports == [("input", operands[0]), ("input", operands[1]), ("output", "p")]


@each_family
def test_the_c_model_is_freestanding(family):
    macros = [f"-D{name}={value}" for name, value in family.bind().bindings.items()]
    call = [compiler()[0], *STRICT_C, *macros, "-fsyntax-only", str(family.model)]
    result = subprocess.run(call, capture_output=True, text=True, check=False)

    assert result.stderr == ""
    assert re.findall(r"#include\s*(\S+)", family.model.read_text()) == ["<stdint.h>"]


# Approximate designs leave bits out, and helper modules share the file of their family.
LINT = ("-Wall", "-Wno-UNUSEDSIGNAL", "-Wno-DECLFILENAME")


@each_family
def test_the_verilog_is_free_of_warnings(family):
    for design in (small_grid(family)[0], family.bind()):
        path = str(family.rtl)
        values = [f"-P{family.name}.{key}={value}" for key, value in design.bindings.items()]
        icarus = ["iverilog", "-g2005-sv", "-Wall", "-tnull", "-s", family.name, *values, path]
        values = [f"-G{key}={value}" for key, value in design.bindings.items()]
        verilator = ["verilator", "--lint-only", *LINT, "--top-module", family.name, *values, path]
        for call in (icarus, verilator):
            result = subprocess.run(call, capture_output=True, text=True, check=False)
            said = [line for line in result.stderr.splitlines() if "timescale" not in line]
            assert (result.returncode, said) == (0, []), design.spec


@pytest.mark.parametrize(
    ("k", "mred"), [(3, 11.90), (4, 5.89), (5, 2.94), (6, 1.47), (7, 0.73), (8, 0.37)]
)
def test_drum_at_16_bits_errs_as_published(k, mred):
    """Hashemi, Bahar and Reda 2015, table of mean absolute relative errors in percent."""
    design = Multiplier(builtin_catalog().family("drum"), (("n", 16), ("k", k)))
    a, b = np.random.default_rng(0).integers(1, 1 << 16, (2, 1 << 18))

    relative = products(design, a, b) / (a * b) - 1

    assert 100 * np.abs(relative).mean() == pytest.approx(mred, rel=0.005, abs=0.005)


@pytest.mark.parametrize(
    ("spec", "bias", "mred"), [("mbm(m=7)", -0.10, 2.60), ("mitchell(m=7)", -4.37, 4.37)]
)
def test_log_multipliers_err_as_known_for_fp32_operands_cut_to_7_bits(spec, bias, mred):
    """In percent, cutting of the operands included, for MBM_7 and MIT_7 of ApproxTrain."""
    u, v = np.random.default_rng(0).random((2, 1 << 19))
    table = tabulate(builtin_catalog().multiplier(spec))

    carry, fraction = np.divmod(table[(128 * u).astype(int), (128 * v).astype(int)], 128)
    relative = 2.0**carry * (1 + fraction / 128) / ((1 + u) * (1 + v)) - 1

    assert 100 * relative.mean() == pytest.approx(bias, abs=0.02)
    assert 100 * np.abs(relative).mean() == pytest.approx(mred, abs=0.02)
