import numpy as np
import pytest

from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import FloatFormat, IntFormat, parse_format
from axdse.multipliers.model.unit_oracle import corner_operands, unit_products
from axdse.multipliers.tables.lut import build_lut

ZERO, MINUS_ZERO, SUBNORMAL = 0x0000, 0x8000, 0x007F
ONE, TWO, SMALLEST, LARGEST = 0x3F80, 0x4000, 0x0080, 0x7F7F
INFINITY, MINUS_INFINITY, NAN, MINUS_NAN = 0x7F80, 0xFF80, 0x7FC1, 0xFF81


def exact_in(number_format):
    spec = f"exact(n={number_format.operand_bits})"
    return Candidate(builtin_catalog().multiplier(spec), number_format)


def sample(number_format, bits, count=20_000):
    corners = corner_operands(number_format)
    random = np.random.default_rng(7).integers(0, 1 << bits, (2, count), dtype=np.uint64)
    a = np.concatenate([np.repeat(corners, corners.size), random[0]])
    b = np.concatenate([np.tile(corners, corners.size), random[1]])
    return a, b


def as_float64(codes, m):
    return (codes << np.uint64(23 - m)).astype(np.uint32).view(np.float32).astype(np.float64)


def encode(values, kept):
    """float64 -> float(8, kept) codes, cut off; zero below and infinity above the exponents."""
    bits = values.view(np.uint64)
    sign = bits >> np.uint64(63)
    exponent = ((bits >> np.uint64(52)) & np.uint64(0x7FF)).astype(np.int64) - 1023 + 127
    fraction = (bits >> np.uint64(52 - kept)) & np.uint64((1 << kept) - 1)
    magnitude = (np.clip(exponent, 0, 255).astype(np.uint64) << np.uint64(kept)) | fraction
    magnitude = np.where(exponent <= 0, np.uint64(0), magnitude)
    magnitude = np.where(exponent >= 255, np.uint64(255 << kept), magnitude)
    return (sign << np.uint64(8 + kept)) | magnitude


@pytest.mark.parametrize("product", ["narrow", "wide"])
@pytest.mark.parametrize("m", [2, 3, 5, 7, 10, 11])
def test_the_exact_core_multiplies_as_float64_does(m, product):
    number_format = FloatFormat(8, m, product=product)
    a, b = sample(number_format, 9 + m)
    exponents = [(code >> np.uint64(m)) & np.uint64(255) for code in (a, b)]
    normal = np.logical_and.reduce([(e > 0) & (e < 255) for e in exponents])
    a, b = a[normal], b[normal]
    expected = encode(as_float64(a, m) * as_float64(b, m), number_format.product_fraction_bits)

    np.testing.assert_array_equal(unit_products(exact_in(number_format), a, b), expected)


@pytest.mark.parametrize(
    ("a", "b", "product"),
    [
        (ZERO, ONE, ZERO),
        (MINUS_ZERO, ONE, MINUS_ZERO),
        (MINUS_ZERO, MINUS_ZERO, ZERO),
        (SUBNORMAL, TWO, ZERO),
        (SUBNORMAL | 0x8000, TWO, MINUS_ZERO),
        (SMALLEST, SMALLEST, ZERO),
        (SMALLEST | 0x8000, SMALLEST, MINUS_ZERO),
        (SMALLEST, ONE, SMALLEST),
        (SMALLEST, ONE - 0x80, ZERO),
        (SMALLEST | 0x7F, (ONE - 0x80) | 0x7F, 0x00FE),
        (LARGEST, ONE, LARGEST),
        (LARGEST, TWO, INFINITY),
        (LARGEST, LARGEST | 0x8000, MINUS_INFINITY),
        (INFINITY, ONE, INFINITY),
        (INFINITY, ONE | 0x8000, MINUS_INFINITY),
        (MINUS_INFINITY, MINUS_INFINITY, INFINITY),
        (INFINITY, ZERO, 0x7FC0),
        (MINUS_ZERO, INFINITY, 0x7FC0),
        (INFINITY, SUBNORMAL, 0x7FC0),
        (NAN, ONE, 0x7FC0),
        (ZERO, MINUS_NAN, 0x7FC0),
        (MINUS_NAN, MINUS_INFINITY, 0x7FC0),
    ],
)
def test_special_values_follow_the_rules_of_the_unit(a, b, product):
    candidate = exact_in(parse_format("float(8,7)"))

    got = unit_products(candidate, np.array([a, b]), np.array([b, a]))

    assert [hex(code) for code in got] == [hex(product)] * 2


def test_int8_products_of_the_exact_core_are_exact():
    codes = np.arange(256)
    a, b = (side.ravel() for side in np.meshgrid(codes, codes, indexing="ij"))
    expected = (a.astype(np.int8).astype(np.int16) * b.astype(np.int8)).astype(np.int16)

    got = unit_products(exact_in(IntFormat()), a, b)

    np.testing.assert_array_equal(got.astype(np.uint16).view(np.int16), expected)


def test_the_sign_of_an_integer_product_is_the_xor_even_of_zero(make_multiplier):
    always_five = make_multiplier("uint64_t core(uint64_t a, uint64_t b) { return 5; }", n=8)

    got = unit_products(Candidate(always_five, IntFormat()), np.array([0, 0]), np.array([1, 255]))

    assert got.tolist() == [5, 0x10000 - 5]


@pytest.mark.parametrize("name", ["bf16", "approxtrain", "float(8,3,product=wide)"])
def test_the_table_and_the_unit_agree_on_every_fraction(name):
    number_format = parse_format(name)
    m, f = number_format.fraction_bits, number_format.product_fraction_bits
    fractions = np.arange(1 << m)
    x, y = np.meshgrid(fractions, fractions, indexing="ij")
    one = 127 << m

    got = unit_products(exact_in(number_format), x | one, y | one)

    np.testing.assert_array_equal(
        got - np.uint64(127 << f), build_lut(exact_in(number_format)).entries
    )


def test_a_significand_core_gives_carry_and_fraction(make_multiplier):
    source = "uint64_t core(uint64_t x, uint64_t y) { return x + y; }"
    candidate = Candidate(make_multiplier(source, n=1, kind="significand"), FloatFormat(8, 1))
    x, y = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    one = 127 << 1

    assert (unit_products(candidate, x | one, y | one) - np.uint64(one)).tolist() == [0, 1, 1, 2]


def test_significand_products_below_one_are_refused(make_multiplier):
    core = make_multiplier("uint64_t core(uint64_t a, uint64_t b) { return a * b >> 2; }", n=4)

    with pytest.raises(AxdseError, match=r"at least 1: .*gives 16 for 8 x 8; "):
        unit_products(
            Candidate(core, FloatFormat(8, 3)), np.array([127 << 3]), np.array([127 << 3])
        )


@pytest.mark.parametrize(
    "number_format", [FloatFormat(8, 1), FloatFormat(8, 7), FloatFormat(5, 2)]
)
def test_float_corners_hold_every_special_value(number_format):
    e, m = number_format.exponent_bits, number_format.fraction_bits
    corners = set(corner_operands(number_format).tolist())
    top = ((1 << e) - 1) << m
    one = number_format.bias << m

    for sign in (0, 1 << (e + m)):
        assert {sign | code for code in (0, 1, one, top - 1, top, top + 1)} <= corners
    assert max(corners) < 1 << (1 + e + m)


def test_integer_corners_hold_both_extremes():
    corners = corner_operands(IntFormat()).tolist()

    assert {0, 1, 127, 128, 129, 255} <= set(corners)
    assert corners == sorted(set(corners))
    assert max(corners) == 255
