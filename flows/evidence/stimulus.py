"""Which operand pairs is a design tried with, and in which order?

A float unit is its core, which sees two fractions, and the logic of sign, exponent and special
values, which sees of the fractions only the carry and whether they are zero. So it meets every
pair of exponents with a few pairs of fractions, every pair of fractions (m <= 7) with a few pairs
of exponents, the pairs of all corners, and random pairs for what these two views might miss.
"""

from dataclasses import dataclass

import numpy as np

from axdse.flows.evidence.report import Covered
from axdse.multipliers.formats import FloatFormat
from axdse.multipliers.model.unit_oracle import corner_operands

EXHAUSTIVE_BITS = 16
MAX_OPERAND_BITS = 32
# 20,000 and more remain of these when repeated pairs are dropped, from 9 bits on.
RANDOM_PAIRS = 24_000
EXHAUSTIVE_UNIT_BITS = 18
EVERY_FRACTION_BITS = 7
Pairs = tuple[np.ndarray, np.ndarray]
RETURN_VECTORS = 4096
SEED = 0


@dataclass(frozen=True, eq=False)
class Stimulus:
    """Distinct operand pairs in counting order, of whole operands or of one field after another.

    Simulators are slow on a random one.

    Attributes:
        a: first operands, uint64 of shape [vectors].
        b: second operands, likewise.
        exhaustive: these are all pairs that exist.
    """

    a: np.ndarray
    b: np.ndarray
    exhaustive: bool

    @property
    def vectors(self) -> int:
        """Number of pairs."""
        return int(self.a.size)

    def some(self, count: int) -> "Stimulus":
        """That many of the pairs, or all if there are fewer, drawn at random."""
        if self.vectors <= count:
            return self
        drawn = np.sort(np.random.default_rng(0).choice(self.vectors, count, replace=False))
        return Stimulus(self.a[drawn], self.b[drawn], exhaustive=False)


def core_stimulus(a_bits: int, b_bits: int, seed: int) -> Stimulus:
    """All pairs up to 8 x 8 bits; beyond, pairs of corners and 20,000 or more random ones."""
    if a_bits + b_bits <= EXHAUSTIVE_BITS:
        return every_pair(a_bits, b_bits)
    return _sampled(corners(a_bits), corners(b_bits), (a_bits, b_bits), seed)


def core_coverage(a_bits: int, b_bits: int, stimulus: Stimulus) -> tuple[Covered, ...]:
    """How many of all pairs, and of the pairs of corners, a stimulus has."""
    a_corner, b_corner = corners(a_bits), corners(b_bits)
    met = np.count_nonzero(np.isin(stimulus.a, a_corner) & np.isin(stimulus.b, b_corner))
    return (
        Covered("operand pairs", stimulus.vectors, 1 << (a_bits + b_bits)),
        Covered("pairs of corners", int(met), a_corner.size * b_corner.size),
    )


def corners(bits: int) -> np.ndarray:
    """The two smallest and largest, powers of two, their neighbours, alternating bits: uint64."""
    top = (1 << bits) - 1
    powers = [1 << k for k in range(bits + 1)]
    # As two's complement the latter are the negative ones.
    near = {power + step for power in powers for step in (-1, 0, 1)}
    near |= {top + 1 - power + step for power in powers for step in (-1, 0, 1)}
    near |= {top - 1, 0x5555_5555_5555_5555 & top, 0xAAAA_AAAA_AAAA_AAAA & top}
    return np.array(sorted(value for value in near if 0 <= value <= top), dtype=np.uint64)


def every_pair(a_bits: int, b_bits: int) -> Stimulus:
    """All pairs that exist."""
    pairs = np.arange(1 << (a_bits + b_bits), dtype=np.uint64)
    return Stimulus(pairs >> np.uint64(b_bits), pairs & np.uint64((1 << b_bits) - 1), True)


def _sampled(
    special_a: np.ndarray, special_b: np.ndarray, bits: tuple[int, int], seed: int
) -> Stimulus:
    a, b = np.meshgrid(special_a, special_b, indexing="ij")
    generator = np.random.default_rng(seed)
    random = [generator.integers(0, 1 << n, RANDOM_PAIRS, dtype=np.uint64) for n in bits]
    return _distinct([(a.ravel(), b.ravel()), (random[0], random[1])])


def _distinct(parts: list[tuple[np.ndarray, np.ndarray]]) -> Stimulus:
    a, b = (np.concatenate(operands) for operands in zip(*parts, strict=True))
    pairs = np.unique((a << np.uint64(MAX_OPERAND_BITS)) | b)
    low = np.uint64((1 << MAX_OPERAND_BITS) - 1)
    return Stimulus(pairs >> np.uint64(MAX_OPERAND_BITS), pairs & low, False)


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
    width = number_format.bits
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
    sign = np.uint64(number_format.bits - 1)
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


def walk(stimulus: Stimulus, leaps: int) -> np.ndarray:
    """Return indices into the stimulus, int64: each of them first, then some of them again.

    All pairs are tried in Gray order: one bit changes at a time, and simulators are event-driven.
    The way back meets a sample of the pairs from elsewhere, with a moving while b rests. So a
    device with memory, such as a latch or an incomplete sensitivity list, betrays itself: it
    answers to where it comes from. Last come some pairs at random, so that all bits change at
    once; simulators are slow on these.

    Args:
        stimulus: the pairs.
        leaps: how many are met at random, some perhaps more than once.
    """
    there = np.arange(stimulus.vectors)
    if stimulus.exhaustive:
        there ^= there >> 1
    # Odd, so that the sample meets every value of both operands.
    step = max(1, stimulus.vectors // RETURN_VECTORS) | 1
    sample = np.arange(0, stimulus.vectors, step)
    back = sample[np.lexsort((stimulus.a[sample], stimulus.b[sample]))][::-1]
    drawn = np.random.default_rng(SEED).integers(0, stimulus.vectors, leaps)
    return np.concatenate([there, back, drawn])


def fold(answers: np.ndarray, order: np.ndarray, vectors: int) -> np.ndarray:
    """Undo a walk: the first answer to each pair, uint64 [vectors]."""
    folded = np.empty(vectors, dtype=np.uint64)
    folded[order[:vectors]] = answers[:vectors]
    return folded


def disputed(answers: np.ndarray, order: np.ndarray, vectors: int) -> np.ndarray:
    """The bits of each pair on which a later answer differs, uint64 [vectors]."""
    bits = np.zeros(vectors, dtype=np.uint64)
    again = order[vectors:]
    np.bitwise_or.at(bits, again, answers[vectors:] ^ fold(answers, order, vectors)[again])
    return bits
