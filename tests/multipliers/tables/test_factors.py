"""Exact integer factors of tables: entry by entry, for every family."""

import numpy as np
import pytest

from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import FloatFormat, IntFormat, parse_format
from axdse.multipliers.tables.factors import (
    Factors,
    coordinates,
    factorise,
    integer_table,
    rank_modulo_prime,
    row_basis,
    significant_bits,
)
from axdse.multipliers.tables.lut import Lut, build_lut

ARRAYS = ("truncated", "broken_array", "perforated")
WIDE = "float(8,7,round=nearest,product=wide)"


def lut_of(spec: str, format_name: str) -> Lut:
    return build_lut(Candidate(builtin_catalog().multiplier(spec), parse_format(format_name)))


def designs(format_name: str, one_in: int) -> list[str]:
    """Designs of every family that fits the format, with every so many parameter values."""
    number_format, found = parse_format(format_name), []
    m = number_format.fraction_bits if isinstance(number_format, FloatFormat) else 7
    for family in builtin_catalog().families.values():
        width = {"n": m + 1} if family.kind == "integer" else {"m": m}
        for multiplier in list(family.grid(**width))[::one_in]:
            try:
                Candidate(multiplier, number_format)
            except AxdseError:
                continue
            found.append(multiplier.spec)
    return found


def assert_exact(factors: Factors, lut: Lut) -> None:
    table = integer_table(lut).astype(object)
    product = factors.left.astype(object) @ factors.right.astype(object)
    assert (product * 2**factors.shift == table).all()


@pytest.mark.parametrize(
    ("format_name", "spec"),
    [
        (format_name, spec)
        for format_name, one_in in (("int8", 4), (WIDE, 4), ("float(8,7)", 9), ("float(8,3)", 5))
        for spec in designs(format_name, one_in)
    ],
)
def test_factors_multiply_to_the_table_or_its_rank_is_high(format_name: str, spec: str) -> None:
    try:
        lut = lut_of(spec, format_name)
    except AxdseError as error:
        pytest.skip(str(error))
    factors = factorise(lut)
    if factors is None:
        assert np.linalg.matrix_rank(integer_table(lut).astype(float)) > 16
    else:
        assert_exact(factors, lut)
        assert factors.rank >= rank_modulo_prime(integer_table(lut), 17)


@pytest.mark.parametrize("format_name", ["int8", WIDE])
@pytest.mark.parametrize(
    "spec",
    [m.spec for name in ARRAYS for m in list(builtin_catalog().family(name).grid(n=8))[::3]],
)
def test_arrays_have_at_most_a_rank_for_each_row(spec: str, format_name: str) -> None:
    lut = lut_of(spec, format_name)
    rank = rank_modulo_prime(integer_table(lut), 17)
    compensated = "c=1" in spec and format_name == "int8"  # a constant that has a sign
    assert rank <= 8 + compensated
    factors = factorise(lut)
    assert factors is not None
    assert factors.rank == rank


@pytest.mark.parametrize("format_name", ["int8", WIDE])
def test_the_exact_table_is_one_product_of_its_operands(format_name: str) -> None:
    factors = factorise(lut_of("exact(n=8)", format_name))
    assert factors is not None
    assert (factors.rank, factors.cancellation) == (1, 1)
    assert factors.bits == (7 if format_name == "int8" else 8)


def test_mitchell_has_none() -> None:
    lut = lut_of("mitchell(m=7)", "float(8,7)")
    assert factorise(lut) is None
    assert factorise(lut, limit=128) is not None


@pytest.mark.parametrize(
    ("spec", "format_name", "rank"),
    [
        ("drum(n=8,k=4)", "int8", 1),
        ("drum(n=8,k=6)", WIDE, 1),
        ("letam(n=8,t=4)", WIDE, 1),
        ("udm(n=8)", "int8", 2),
        ("udm(n=8)", WIDE, 2),
        ("roba(n=8)", "int8", 2),
        ("truncated(n=8,t=3,c=0)", WIDE, 4),
        ("or_rows(n=8,d=3)", "int8", 4),
        ("mitch_w(m=7,w=2)", "float(8,7)", 4),
        ("realm(m=7,s=2,t=4)", "float(8,7)", 4),
    ],
)
def test_ranks_of_designs(spec: str, format_name: str, rank: int) -> None:
    factors = factorise(lut_of(spec, format_name))
    assert factors is not None
    assert factors.rank == rank
    assert factors.bits <= 8


def test_a_limit_below_the_rank_gives_none() -> None:
    lut = lut_of("truncated(n=8,t=3,c=0)", WIDE)
    assert factorise(lut, limit=3) is None
    assert factorise(lut, limit=4) is not None


@pytest.mark.parametrize("seed", range(6))
def test_random_tables_of_small_rank(seed: int) -> None:
    generator = np.random.default_rng(seed)
    rank = seed + 1
    left = generator.integers(-9, 10, (256, rank))
    right = generator.integers(-9, 10, (rank, 256))
    lut = Lut("made", IntFormat(8), (left @ right).astype(np.int16))
    factors = factorise(lut)
    assert factors is not None
    assert_exact(factors, lut)
    assert factors.rank == rank_modulo_prime(integer_table(lut), 17) == rank


def test_one_wrong_entry_adds_a_rank() -> None:
    exact = lut_of("exact(n=8)", "int8")
    entries = exact.entries.copy()
    entries[3, 5] += 1
    lut = Lut("made", IntFormat(8), entries)
    factors = factorise(lut)
    assert factors is not None
    assert factors.rank == 2
    assert_exact(factors, lut)


def test_a_table_of_zeros() -> None:
    lut = Lut("made", IntFormat(8), np.zeros((256, 256), np.int16))
    factors = factorise(lut)
    assert factors is not None
    assert factors.rank == 0


def test_measures_of_factors() -> None:
    factors = Factors(np.array([[3, -2], [1, 0]]), np.array([[5, 1], [4, 0]]))
    assert (factors.left @ factors.right).tolist() == [[7, 3], [5, 1]]
    assert factors.largest_sum == 23
    assert factors.cancellation == pytest.approx(23 / 7)
    assert factors.largest == 5
    assert factors.bits == 3
    assert factors.longest_exact_sum(24) == (1 << 24) // 23


def test_terms_that_cancel_to_zero() -> None:
    factors = Factors(np.array([[1, -1]]), np.array([[2], [2]]))
    assert factors.cancellation == float("inf")


@pytest.mark.parametrize(
    ("values", "bits"), [([0], 0), ([64], 1), ([-96, 1], 2), ([255], 8), ([257, 512], 9)]
)
def test_significant_bits(values: list[int], bits: int) -> None:
    assert significant_bits(np.array(values)) == bits


@pytest.mark.parametrize("seed", range(4))
def test_a_row_basis_spans_the_rows(seed: int) -> None:
    generator = np.random.default_rng(seed)
    matrix = generator.integers(-20, 21, (40, 5)) @ generator.integers(-20, 21, (5, 30))
    basis = row_basis(matrix, 5)
    assert basis is not None
    assert (coordinates(matrix, basis) @ basis == matrix).all()
