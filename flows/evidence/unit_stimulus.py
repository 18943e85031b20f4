"""Which operand pairs is a float unit tried with?

A unit is its core, which sees two fractions, and the logic of sign, exponent and special values,
which sees of the fractions only the carry and whether they are zero. So it meets every pair of
exponents with a few pairs of fractions, every pair of fractions (m <= 7) with a few pairs of
exponents, the pairs of all corners, and random pairs for what these two views might miss.
"""

import numpy as np

from axdse.flows.evidence.stimulus import RANDOM_PAIRS, Stimulus, corners, every_pair
from axdse.multipliers.formats import FloatFormat
from axdse.multipliers.model.unit_oracle import corner_operands

EXHAUSTIVE_UNIT_BITS = 18
EVERY_FRACTION_BITS = 7
Pairs = tuple[np.ndarray, np.ndarray]


def unit_stimulus(number_format: FloatFormat, seed: int) -> Stimulus:
    """All pairs of up to 9-bit operands (fp8 has 65,536); beyond, see the module's docstring.

    Sampled pairs come in counting order of the fractions, then of signs and exponents: while the
    fractions rest, so does the core, most of what a simulator has to evaluate.

    Args:
        number_format: of the operands.
        seed: of the random pairs.

    Returns:
        Codes of 1 + e + m bits.
    """
    width = 1 + number_format.exponent_bits + number_format.fraction_bits
    if 2 * width <= EXHAUSTIVE_UNIT_BITS:
        return every_pair(width, width)
    corner = corner_operands(number_format)
    random = np.random.default_rng(seed).integers(0, 1 << width, (2, RANDOM_PAIRS), np.uint64)
    parts = [
        _every_exponent_pair(number_format),
        _every_fraction_pair(number_format),
        _product(corner, corner),
        (random[0], random[1]),
    ]
    a, b = (np.concatenate(operands) for operands in zip(*parts, strict=True))
    return _ordered(number_format, a, b)


def corner_exponents(number_format: FloatFormat) -> tuple[tuple[int, int], ...]:
    """Pairs of exponents on either side of every decision of the unit.

    1.0 x 1.0; then the three sums at each border, zero below the smallest normal number and
    infinity above the largest: on either side once with and once without the carry; last zero or
    subnormal and infinity or NaN, as either operand.
    """
    bias, top = number_format.bias, (1 << number_format.exponent_bits) - 1
    borders = (bias, bias + top - 1)
    sums = (2 * bias, *(border + step for border in borders for step in (-1, 0, 1)))
    normal = [(total // 2, total - total // 2) for total in dict.fromkeys(sums)]
    # With e = 2 no product of normal numbers is below the smallest.
    normal = [pair for pair in normal if min(pair) > 0 and max(pair) < top]
    return (*normal, (0, bias), (bias, 0), (top, bias), (bias, top))


def corner_fractions(number_format: FloatFormat) -> tuple[tuple[int, int], ...]:
    """Pairs of fractions that show the exponent logic all it sees of them.

    Either is zero (an infinity's) or not (a NaN's); the significands are the least, the greatest
    and, with u = 2^-m, the pair (2 - 2u)(1 + u) = 2 - 2u^2, the last without a carry.
    """
    ones = (1 << number_format.fraction_bits) - 1
    return (0, 0), (0, ones), (ones, 0), (ones, ones), (ones - 1, 1)


def _every_exponent_pair(number_format: FloatFormat) -> Pairs:
    e, m = number_format.exponent_bits, np.uint64(number_format.fraction_bits)
    fractions = np.array(corner_fractions(number_format), dtype=np.uint64)
    every = np.arange(1 << e, dtype=np.uint64) << m
    a, b = _product(every, every)
    a, b = (a | fractions[:, :1]).ravel(), (b | fractions[:, 1:]).ravel()
    return _signed(number_format, a, b)


def _every_fraction_pair(number_format: FloatFormat) -> Pairs:
    """At the corner exponents; beyond m = 7 the pairs of corners stand for all fractions."""
    m = number_format.fraction_bits
    every = np.arange(1 << m, dtype=np.uint64) if m <= EVERY_FRACTION_BITS else corners(m)
    x, y = _product(every, every)
    exponents = np.array(corner_exponents(number_format), dtype=np.uint64) << np.uint64(m)
    a, b = (x | exponents[:, :1]).ravel(), (y | exponents[:, 1:]).ravel()
    return _signed(number_format, a, b)


def _product(first: np.ndarray, second: np.ndarray) -> Pairs:
    return np.repeat(first, second.size), np.tile(second, first.size)


def _signed(number_format: FloatFormat, a: np.ndarray, b: np.ndarray) -> Pairs:
    """Hash signs in, so that no exponent or fraction comes with one alone."""
    sign = np.uint64(number_format.exponent_bits + number_format.fraction_bits)
    # The top bits of a multiplication by 2^64 over the golden ratio (Knuth, volume 3, 6.4).
    mixed = ((a << np.uint64(32)) | b) * np.uint64(0x9E37_79B9_7F4A_7C15)
    one = np.uint64(1)
    return a | mixed >> np.uint64(63) << sign, b | (mixed >> np.uint64(62) & one) << sign


def _ordered(number_format: FloatFormat, a: np.ndarray, b: np.ndarray) -> Stimulus:
    """Distinct pairs, sorted by fractions first; the key has 2 (1 + e + m) <= 64 bits."""
    m, high = np.uint64(number_format.fraction_bits), np.uint64(1 + number_format.exponent_bits)
    ones, top = (np.uint64((1 << int(bits)) - 1) for bits in (m, high))
    key = (((a & ones) << m | b & ones) << high | a >> m) << high | b >> m
    key = np.unique(key)
    x, y = key >> (m + high + high), key >> (high + high) & ones
    return Stimulus(x | (key >> high & top) << m, y | (key & top) << m, False)
