"""Accumulators: RTL and oracle against numpy's own sums, and against exact ones."""

import functools
from fractions import Fraction

import numpy as np
import pytest

from axdse.flows.accelerator.accumulator import (
    Accumulator,
    FloatAccumulator,
    IntAccumulator,
    accumulator_of,
    addends,
)
from axdse.flows.evidence.stimulus import MAX_OPERAND_BITS, Stimulus
from axdse.flows.liberty.library import read_library
from axdse.flows.netlist.netlist import Netlist
from axdse.flows.netlist.synthesis import synthesise
from axdse.flows.simulation.icarus import simulate
from axdse.multipliers.designs.datapath import Module
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import parse_format

FP32 = FloatAccumulator(8, 23, 8, 23)
FP16 = FloatAccumulator(5, 10, 5, 10)
BF16 = FloatAccumulator(8, 7, 8, 7)
MIXED = (
    FloatAccumulator(8, 23, 8, 15),
    FloatAccumulator(8, 23, 4, 7),
    FloatAccumulator(8, 7, 8, 15),
    FloatAccumulator(5, 10, 5, 21),
    FloatAccumulator(5, 10, 4, 3),
    FloatAccumulator(8, 23, 5, 21),
    FloatAccumulator(8, 23, 8, 47),
)
EVERY: tuple[Accumulator, ...] = (FP32, FP16, BF16, *MIXED, IntAccumulator(32, 16))
UNSIGNED = IntAccumulator(32, 16, signed=False)
NARROW_ENOUGH = [each for each in EVERY if each.module.rtl.b_bits <= MAX_OPERAND_BITS]
MILLION = 1_000_000


@functools.cache
def netlist(accumulator: Accumulator) -> Netlist:
    return synthesise(accumulator.module.rtl, read_library())


def corners(accumulator: FloatAccumulator) -> tuple[np.ndarray, np.ndarray]:
    """Every pair of the codes next to zero, subnormal, one, the largest, infinity and NaN."""
    e, m = accumulator.sum_exponent, accumulator.sum_fraction
    bias, top = (1 << (e - 1)) - 1, (1 << e) - 1
    exponents = [0, 1, 2, m, m + 1, bias - 1, bias, bias + 1, top - 2, top - 1, top]
    fractions = [0, 1, 2, (1 << (m - 1)) - 1, 1 << (m - 1), (1 << m) - 2, (1 << m) - 1]
    sizes = [exponent << m | fraction for exponent in exponents for fraction in fractions]
    codes = np.array([*sizes, *(size | 1 << (e + m) for size in sizes)], dtype=np.uint64)
    return tuple(side.ravel() for side in np.meshgrid(codes, codes))  # type: ignore[return-value]


def pairs(accumulator: FloatAccumulator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Corners, random bits, close exponents, cancellations, and sums of subnormals."""
    drawn, corner = addends(accumulator, count, seed=1), corners(accumulator)
    random = np.random.default_rng(2)
    e, m = accumulator.sum_exponent, accumulator.sum_fraction
    sign = np.uint64(1 << (e + m))
    a = random.integers(0, 1 << accumulator.bits, count // 8, dtype=np.uint64)
    step = random.integers(-2, 3, a.size).astype(np.uint64)
    nearly = (a ^ sign) + step & np.uint64((1 << accumulator.bits) - 1)
    small = a & np.uint64((1 << (m + 1)) - 1) | a & sign
    return (
        np.concatenate([drawn[0], corner[0], a, small]),
        np.concatenate([drawn[1], corner[1], nearly, small[::-1]]),
    )


def numpy_sums(accumulator: FloatAccumulator, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IEEE 754 sums as numpy makes them; FP32 holds bf16 sums well enough to round them once."""
    m = accumulator.sum_fraction
    word, number = (np.uint16, np.float16) if m == 10 else (np.uint32, np.float32)
    drop = 16 if m == 7 else 0
    x, y = ((codes << np.uint64(drop)).astype(word).view(number) for codes in (a, b))
    with np.errstate(all="ignore"):
        total = x + y
    bits = total.view(word).astype(np.uint64)
    if drop:
        bits = (bits + np.uint64(0x7FFF) + (bits >> np.uint64(16) & np.uint64(1))) >> np.uint64(16)
    quiet = ((1 << accumulator.sum_exponent) - 1) << m | 1 << (m - 1)
    return np.where(np.isnan(total), np.uint64(quiet), bits)


@pytest.mark.parametrize("accumulator", [FP32, FP16, BF16], ids=["fp32", "fp16", "bf16"])
def test_a_million_sums_of_the_mapped_rtl_are_those_of_ieee_754(
    accumulator: FloatAccumulator,
) -> None:
    a, b = pairs(accumulator, MILLION)
    expected = numpy_sums(accumulator, a, b)
    # A unit gives no subnormal products, and the widening before the adder makes them zero.
    low = b & np.uint64((1 << (accumulator.bits - 1)) - 1)
    useful = (low >> np.uint64(accumulator.sum_fraction) > 0) | (low == 0)
    np.testing.assert_array_equal(accumulator.added(a, b), expected)
    np.testing.assert_array_equal(netlist(accumulator).simulate(a, b)[useful], expected[useful])


@pytest.mark.parametrize("accumulator", MIXED, ids=str)
def test_wide_and_narrow_products_are_added_and_rounded_once(
    accumulator: FloatAccumulator,
) -> None:
    a, b = addends(accumulator, 200_000, seed=3)
    got = netlist(accumulator).simulate(a, b)
    np.testing.assert_array_equal(got, accumulator.added(a, b))
    for at in range(0, 4000, 2):
        x, y = int(a[at]), int(b[at])
        wide = _exact(x, accumulator.sum_exponent, accumulator.sum_fraction)
        product = _exact(y, accumulator.product_exponent, accumulator.product_fraction)
        if wide is not None and product is not None and wide + product:
            assert int(got[at]) == _nearest(wide + product, accumulator), (hex(x), hex(y))


def _exact(code: int, e: int, m: int) -> Fraction | None:
    exponent, fraction = code >> m & ((1 << e) - 1), code & ((1 << m) - 1)
    if exponent == (1 << e) - 1:
        return None
    significand = fraction + (bool(exponent) << m)
    size = significand * Fraction(2) ** (max(exponent, 1) - (1 << (e - 1)) + 1 - m)
    return -size if code >> (e + m) else size


def _nearest(total: Fraction, accumulator: FloatAccumulator) -> int:
    """The code of a number that is no zero, rounded to nearest even."""
    e, m = accumulator.sum_exponent, accumulator.sum_fraction
    sign, infinity, bias = int(total < 0) << (e + m), ((1 << e) - 1) << m, (1 << (e - 1)) - 1
    exponent = abs(total.numerator).bit_length() - total.denominator.bit_length()
    exponent = max(exponent, 1 - bias)
    places = round(abs(total) / Fraction(2) ** (exponent - m))
    return sign | min(infinity, places + ((exponent + bias - 1) << m))


@pytest.mark.parametrize("accumulator", NARROW_ENOUGH, ids=str)
def test_icarus_reads_the_verilog_as_yosys_does(accumulator: Accumulator) -> None:
    a, b = addends(accumulator, 2000, seed=5)
    (trace,) = simulate([accumulator.module.rtl], Stimulus(a, b, exhaustive=False))
    response = trace.response()
    assert not response.unknown.any()
    np.testing.assert_array_equal(response.value, accumulator.added(a, b))


def fp32(*numbers: float) -> np.ndarray:
    return np.array(numbers, dtype=np.float32).view(np.uint32).astype(np.uint64)


TINY, MAX = 2.0**-149, float(np.finfo(np.float32).max)
NAMED = {
    "cancellation to one place": (1 + 2.0**-23, -1.0, 2.0**-23),
    "cancellation by one with alignment": (1.0, -(1 - 2.0**-24), 2.0**-24),
    "total cancellation is +0": (-1.5, 1.5, 0.0),
    "-0 and -0 stay -0": (-0.0, -0.0, -0.0),
    "-0 and +0 are +0": (-0.0, 0.0, 0.0),
    "a tie goes down to even": (1.0, 2.0**-24, 1.0),
    "a tie goes up to even": (1 + 2.0**-23, 2.0**-24, 1 + 2.0**-22),
    "just above a tie": (1.0, 2.0**-24 + 2.0**-47, 1 + 2.0**-23),
    "a tie below a power of two": (1.0, -(2.0**-25), 1.0),
    "sticky bits from far away": (1.0, -(2.0**-100), 1.0),
    "rounding carries into the exponent": (2 - 2.0**-23, 2.0**-24, 2.0),
    "a sum of subnormals": (3 * TINY, 5 * TINY, 8 * TINY),
    "subnormals become normal": (2.0**-127, 2.0**-127, 2.0**-126),
    "normal numbers become subnormal": (1.5 * 2.0**-126, -(2.0**-126), 2.0**-127),
    "a normal number less the smallest one": (2.0**-126, -TINY, 2.0**-126 - TINY),
    "overflow": (MAX, MAX, np.inf),
    "overflow by rounding": (MAX, 2.0**103, np.inf),
    "just no overflow": (MAX, 2.0**102, MAX),
    "infinity stays": (np.inf, -MAX, np.inf),
    "infinity less infinity": (np.inf, -np.inf, np.nan),
    "NaN stays": (-np.nan, 1.0, np.nan),
}


@pytest.fixture(scope="module")
def inner_adder() -> Netlist:
    """`fp_add` alone, whose second operand may be subnormal."""
    body = "  fp_add add (.a(a), .b(b), .p(p));\n"
    files = FP32.module.files
    bare = Module("bare", (("a", 32), ("b", 32)), (("p", 32),), body, files)
    return synthesise(bare.rtl, read_library())


@pytest.mark.parametrize("name", NAMED)
def test_named_sums(name: str, inner_adder: Netlist) -> None:
    a, b, total = NAMED[name]
    expected = fp32(total) if total == total else np.array([0x7FC00000], dtype=np.uint64)
    for first, second in ((a, b), (b, a)):
        x, y = fp32(first), fp32(second)
        np.testing.assert_array_equal(FP32.added(x, y), expected)
        np.testing.assert_array_equal(inner_adder.simulate(x, y), expected)


def test_subnormal_operands_on_both_sides(inner_adder: Netlist) -> None:
    a, b = pairs(FP32, 100_000)
    np.testing.assert_array_equal(inner_adder.simulate(a, b), numpy_sums(FP32, a, b))


def test_a_bf16_sum_is_not_rounded_twice() -> None:
    """The product 1 + 2^-8 is a tie in bf16, and a sum too small for FP32 decides it."""
    wide = FloatAccumulator(8, 7, 8, 15)
    product = np.array([127 << 15 | 1 << 7], dtype=np.uint64)
    for sums, expected in ((0, 0x3F80), (1, 0x3F81), (0x8001, 0x3F80)):
        code = np.array([sums], dtype=np.uint64)
        assert netlist(wide).simulate(code, product).tolist() == [expected]
        assert wide.added(code, product).tolist() == [expected]


def test_a_narrow_product_keeps_its_value() -> None:
    accumulator = FloatAccumulator(8, 23, 4, 3)
    codes = np.array([e << 3 | f for e in range(1, 15) for f in range(8)], dtype=np.uint64)
    exponents, fractions = (codes >> np.uint64(3)).astype(int), (codes & np.uint64(7)).astype(int)
    values = (1 + fractions / 8) * 2.0 ** (exponents - 7)
    zeros = np.zeros_like(codes)
    np.testing.assert_array_equal(accumulator.added(zeros, codes), fp32(*values))


@pytest.mark.parametrize(
    ("sums", "product", "expected"),
    [(5, 0xFFFF, 4), (0, 0x8000, 0xFFFF8000), (0x7FFFFFFF, 1, 0x80000000), (0xFFFFFFFF, 1, 0)],
)
def test_integers_are_extended_and_wrap(sums: int, product: int, expected: int) -> None:
    _adds(IntAccumulator(32, 16), sums, product, expected)


@pytest.mark.parametrize(
    ("sums", "product", "expected"), [(5, 0xFFFF, 0x10004), (0xFFFF8000, 0x8001, 1)]
)
def test_unsigned_products_are_added_as_they_are(sums: int, product: int, expected: int) -> None:
    _adds(UNSIGNED, sums, product, expected)


def _adds(accumulator: IntAccumulator, sums: int, product: int, expected: int) -> None:
    a, b = np.array([sums], dtype=np.uint64), np.array([product], dtype=np.uint64)
    assert accumulator.added(a, b).tolist() == [expected]
    assert netlist(accumulator).simulate(a, b).tolist() == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bf16", FloatAccumulator(8, 23, 8, 15)),
        ("bf16(sum=bf16)", FloatAccumulator(8, 7, 8, 15)),
        ("fp16(sum=fp16)", FloatAccumulator(5, 10, 5, 10)),
        ("fp8_e4m3(product=wide,sum=fp16)", FloatAccumulator(5, 10, 4, 7)),
        ("int8", IntAccumulator(32, 16)),
        ("uint8", UNSIGNED),
        ("uint8xint4", IntAccumulator(32, 12)),
    ],
)
def test_formats_have_their_accumulators(text: str, expected: Accumulator) -> None:
    assert accumulator_of(parse_format(text)) == expected


def test_a_sum_with_fewer_exponent_bits_than_its_products_is_refused() -> None:
    with pytest.raises(AxdseError, match="products of up to 5 exponent bits"):
        accumulator_of(parse_format("bf16(sum=fp16)"))


def test_numbers_are_encoded_as_numpy_casts_them() -> None:
    random = np.random.default_rng(7)
    words = random.integers(0, 1 << 32, 100_000, dtype=np.uint32)
    words[1::2] = words[1::2] % (80 << 23) + (90 << 23)  # within the range of fp16, and near it
    values = words.view(np.float32)
    values = values[~np.isnan(values)]
    with np.errstate(over="ignore"):
        half = values.astype(np.float16).view(np.uint16)
    np.testing.assert_array_equal(FP16.encoded(values), half)
    np.testing.assert_array_equal(FP32.encoded(values), values.view(np.uint32))
