"""How much of what a float unit can meet does a stimulus hold?

The carry of a class is that of the exact product: what a design makes of it is under test.
"""

from dataclasses import dataclass

import numpy as np

from axdse.flows.evidence.report import Covered
from axdse.flows.evidence.stimulus import Stimulus, corner_exponents, corner_fractions
from axdse.multipliers.formats import FloatFormat

SIGN_PAIRS = 4


@dataclass(frozen=True, eq=False)
class _Fields:
    """The fields of operand codes, int64 of one shape."""

    sign: np.ndarray
    exponent: np.ndarray
    fraction: np.ndarray

    @classmethod
    def of(cls, codes: np.ndarray, number_format: FloatFormat) -> "_Fields":
        e, m = number_format.exponent_bits, number_format.fraction_bits
        code = codes.astype(np.int64)
        return cls(code >> (e + m), code >> m & ((1 << e) - 1), code & ((1 << m) - 1))


def unit_coverage(number_format: FloatFormat, stimulus: Stimulus) -> tuple[Covered, ...]:
    """Count what a stimulus has of each class of operand pairs, and how many there are.

    The classes: operand pairs; pairs of signs, of exponents, of fractions; every pair of
    exponents with each of `corner_fractions`, every pair of fractions at each of
    `corner_exponents`; the codes of zero, subnormal, infinity and NaN (as first and as second
    operand); the pairs of exponents of normal operands that underflow, overflow, and that meet a
    carry. What cannot be is left out: a format with e = 2 has no underflow.
    """
    e, m = number_format.exponent_bits, number_format.fraction_bits
    a, b = (_Fields.of(codes, number_format) for codes in (stimulus.a, stimulus.b))
    classes = (
        Covered("operand pairs", stimulus.vectors, 1 << 2 * number_format.bits),
        Covered("pairs of signs", _distinct(a.sign << 1 | b.sign), SIGN_PAIRS),
        Covered("pairs of exponents", _distinct(a.exponent << e | b.exponent), 1 << 2 * e),
        Covered("pairs of fractions", _distinct(a.fraction << m | b.fraction), 1 << 2 * m),
        *_corners(number_format, a, b),
        *_special_operands(number_format, a, b),
        *_special_products(number_format, a, b),
    )
    return tuple(each for each in classes if each.total)


def _corners(number_format: FloatFormat, a: _Fields, b: _Fields) -> tuple[Covered, ...]:
    e, m = number_format.exponent_bits, number_format.fraction_bits
    exponents, fractions = a.exponent << e | b.exponent, a.fraction << m | b.fraction
    few_exponents = {x << e | y for x, y in corner_exponents(number_format)}
    few_fractions = {x << m | y for x, y in corner_fractions(number_format)}
    at_exponents = [_distinct(fractions[exponents == each]) for each in few_exponents]
    with_fractions = [_distinct(exponents[fractions == each]) for each in few_fractions]
    return (
        Covered("exponents, corner fractions", sum(with_fractions), len(few_fractions) << 2 * e),
        Covered("fractions, corner exponents", sum(at_exponents), len(few_exponents) << 2 * m),
    )


def _special_operands(number_format: FloatFormat, a: _Fields, b: _Fields) -> tuple[Covered, ...]:
    """Codes of both signs, as either operand."""
    top, nonzero = (1 << number_format.exponent_bits) - 1, (1 << number_format.fraction_bits) - 1

    def met(exponent: int, zero: bool) -> int:
        return sum(
            _distinct((side.fraction << 1 | side.sign)[where])
            for side in (a, b)
            for where in [(side.exponent == exponent) & ((side.fraction == 0) == zero)]
        )

    return (
        Covered("zeros", met(0, True), 4),
        Covered("subnormals", met(0, False), 4 * nonzero),
        Covered("infinities", met(top, True), 4),
        Covered("NaNs", met(top, False), 4 * nonzero),
    )


def _special_products(number_format: FloatFormat, a: _Fields, b: _Fields) -> tuple[Covered, ...]:
    """Pairs of the exponents of normal operands."""
    e, m, bias = number_format.exponent_bits, number_format.fraction_bits, number_format.bias
    top = (1 << e) - 1
    one = 1 << m
    carry = ((a.fraction | one) * (b.fraction | one)) >> (2 * m + 1)
    normal = (np.minimum(a.exponent, b.exponent) > 0) & (np.maximum(a.exponent, b.exponent) < top)
    pair, total = a.exponent << e | b.exponent, a.exponent + b.exponent
    every = np.add.outer(np.arange(1, top), np.arange(1, top))

    def covered(name: str, where: np.ndarray, possible: np.ndarray) -> Covered:
        return Covered(name, _distinct(pair[normal & where]), int(np.count_nonzero(possible)))

    return (
        covered("underflowing exponents", total + carry <= bias, every <= bias),
        covered("overflowing exponents", total + carry >= bias + top, every + 1 >= bias + top),
        covered("exponents with a carry", carry == 1, every > 0),
    )


def _distinct(values: np.ndarray) -> int:
    return int(np.unique(values).size)
