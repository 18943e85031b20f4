"""Where are the edges of a sum? Steps that meet them: operand codes a, b and registers c."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from axdse.multipliers.designs.sum_shape import SPECIAL_BITS, SumShape
from axdse.multipliers.sums.recipe import FixedRegister, FloatRegister, LazyRegister

EACH = 24  # rows for each gap, cancellation and special value
SIGNS = 8  # terms, c among them, whose sign patterns are all tried
Steps = tuple[np.ndarray, np.ndarray, np.ndarray]  # a [rows, N], b [rows, N], c [rows]


@dataclass(frozen=True, eq=False)
class StepMaker:
    """Steps of float operands, or of integers without scales, around the edges of a sum.

    Attributes:
        shape: of its unit.
        rng: draws what is of no matter to an edge.
    """

    shape: SumShape
    rng: np.random.Generator

    def gaps(self) -> Iterator[Steps]:
        """The first term, or c, on top; the others a gap below."""
        for gap in range(self.shape.keep + 5):
            fields = self._base(EACH)[:, None] - gap * (np.arange(self.shape.sum.terms) > 0)
            yield self._rows(fields, self._c_near(fields[:, 0], self.rng.choice([0, gap], EACH)))
            low = fields[:, :1] - np.full(self.shape.sum.terms, gap)
            yield self._rows(low, self._c_near(fields[:, 0], np.zeros(EACH, np.int64)))

    def signs(self) -> Iterator[Steps]:
        """Equal exponents, all signs."""
        lanes = min(self.shape.sum.terms, SIGNS)
        patterns = 1 << (lanes + 1)
        fields = np.repeat(self._base(patterns)[:, None], self.shape.sum.terms, 1)
        a, b, c = self._rows(fields, self._c_near(fields[:, 0], np.zeros(patterns, np.int64)))
        pattern = np.arange(patterns, dtype=np.uint64)
        top = np.uint64(self.shape.operand_bits - 1)
        for lane in range(lanes):
            sign = pattern >> np.uint64(lane) & np.uint64(1)
            a[:, lane] = a[:, lane] & ~(np.uint64(1) << top) | sign << top
        b &= ~(np.uint64(1) << top)
        yield a, b, self._signed_c(c, pattern >> np.uint64(lanes) & np.uint64(1))

    def cancellations(self) -> Iterator[Steps]:
        """Two terms, or one and c, that differ in one bit or in none, and a third far below."""
        sign = np.uint64(1 << (self.shape.operand_bits - 1))
        for gap in range(self.shape.keep + 3):
            fields = self._base(EACH)[:, None] - gap * (np.arange(self.shape.sum.terms) > 1)
            a, b, c = self._rows(fields, self._c_near(fields[:, 0], np.full(EACH, gap)))
            if self.shape.sum.terms > 1:
                bit = self.rng.integers(-1, self.shape.format.fraction_bits, EACH)
                a[:, 1] = (
                    a[:, 0]
                    ^ sign
                    ^ np.where(bit < 0, 0, 1 << np.maximum(bit, 0)).astype(np.uint64)
                )
                b[:, 1] = b[:, 0]
            rest = self.rng.random(EACH) < 0.5
            a[rest, 2:] = 0
            c[self.rng.random(EACH) < 0.5] = 0
            yield a, b, c

    def specials(self) -> Iterator[Steps]:
        """Zeros, subnormals, ends of the range, infinities, NaN: in a lane, in several, in c."""
        e, m = self.shape.format.exponent_bits, self.shape.format.fraction_bits
        top = (1 << e) - 1
        half, ones = 1 << (m - 1), (1 << m) - 1
        values = [
            field << m | fraction
            for field in (0, 1, 2, top - 1, top)
            for fraction in (0, 1, half, ones)
        ]
        signed = np.array([v | s << (e + m) for v in values for s in (0, 1)], np.uint64)
        for odd in self._special_c():
            a, b, c = self.near(EACH)
            yield a, b, np.where(self.rng.random(EACH) < 0.7, odd, c).astype(np.uint64)
        for lane in range(self.shape.sum.terms):
            a, b, c = self.near(2 * EACH)
            a[:, lane] = self.rng.choice(signed, 2 * EACH)
            other = self.rng.integers(0, self.shape.sum.terms)
            b[EACH:, other] = self.rng.choice(signed, EACH)
            yield a, b, c
        for chance in (0.1, 0.5, 1.0):
            a, b, c = self.near(4 * EACH)
            for x in (a, b):
                hit = self.rng.random(x.shape) < chance
                x[hit] = self.rng.choice(signed, int(hit.sum()))
            yield a, b, np.where(self.rng.random(4 * EACH) < chance, 0, c).astype(np.uint64)

    def extremes(self) -> Iterator[Steps]:
        """Integers next to 0 and to both ends, in all lanes alike and drawn, running sums too."""
        n, w = self.shape.operand_bits, self.shape.register_bits
        values = ends_of(n)
        for a, b in itertools.product(values, values):
            c = ends_of(w)
            size = (c.size, self.shape.sum.terms)
            yield np.full(size, a), np.full(size, b), c
        size = (64 * EACH, self.shape.sum.terms)
        c = self.rng.choice(ends_of(w), 64 * EACH)
        yield self.rng.choice(values, size), self.rng.choice(values, size), c

    def borders(self) -> Iterator[Steps]:
        """Sums about the smallest normal number of a float register, and about its largest.

        Many of those below are ties, or just beside them.
        """
        held, rows = self.shape.sum.register, 64 * EACH
        assert isinstance(held, FloatRegister)
        r = held.fraction_bits
        c = np.where(self.rng.random(rows) < 0.3, self.rng.integers(0, 2 << r, rows), 0)
        sign = self.rng.integers(0, 2, rows) << (held.bits - 1)
        yield *self._low(rows), (c | sign).astype(np.uint64)
        top = ((1 << held.exponent_bits) - 1) << r
        c = top - 1 - (self.rng.integers(0, 2 << r, rows) >> self.rng.integers(0, r + 2, rows))
        yield *self._high(rows), (c | sign).astype(np.uint64)

    def near(self, rows: int) -> Steps:
        """Exponents that meet, a fifth of the operands zero."""
        reach = self.rng.integers(1, self.shape.keep + 4, rows)
        low = self.rng.random((rows, self.shape.sum.terms)) * reach[:, None]
        fields = self._base(rows)[:, None] - low.astype(np.int64)
        a, b, c = self._rows(fields, self._c_near(fields[:, 0], self.rng.integers(-3, 4, rows)))
        zero = self.rng.random(a.shape) < 0.2
        a[zero] &= np.uint64(1 << (self.shape.operand_bits - 1))
        return a, b, c

    def random(self, rows: int) -> Steps:
        """Any codes."""
        shape = self.shape
        size = (rows, shape.sum.terms)
        a, b = (self.rng.integers(0, 1 << shape.operand_bits, size, np.uint64) for _ in "ab")
        high = (1 << shape.register_bits) - 1
        return a, b, self.rng.integers(0, high, rows, np.uint64, endpoint=True)

    def _base(self, rows: int) -> np.ndarray:
        """Sums of two biased exponents that are not at the ends; of a window's those in it."""
        top = (1 << self.shape.format.exponent_bits) - 2
        held = self.shape.sum.register
        if isinstance(held, FixedRegister):
            first = held.lowest + self.shape.bias - self.shape.fraction_bits - 2
            low, high = np.clip([first, first + held.width + 8], 2, 2 * top)
            return self.rng.integers(low, high + 1, rows)
        return self.rng.integers(2, 2 * top + 1, rows)

    def _rows(self, fields: np.ndarray, c: np.ndarray) -> Steps:
        """Operands whose biased exponents add up to `fields`, where that can be."""
        e, m = self.shape.format.exponent_bits, self.shape.format.fraction_bits
        top = (1 << e) - 2
        fields = np.clip(fields, 2, 2 * top)
        first = np.clip(fields // 2 + self.rng.integers(-2, 3, fields.shape), 1, top)
        first = np.clip(first, fields - top, fields - 1)
        parts = []
        for exponent in (first, fields - first):
            low = self.rng.integers(0, 1 << m, fields.shape)
            sign = self.rng.integers(0, 2, fields.shape)
            parts.append((sign << (e + m) | exponent << m | low).astype(np.uint64))
        return parts[0], parts[1], c

    @property
    def _half_field(self) -> int:
        """Of what is worth half of the last place of a float register's subnormal numbers."""
        held = self.shape.sum.register
        assert isinstance(held, FloatRegister)
        return self.shape.register_offset - held.fraction_bits - self.shape.term_offset

    def _low(self, rows: int) -> tuple[np.ndarray, np.ndarray]:
        """Of some rows one term worth that half, and what the step just keeps; of others any."""
        held, size = self.shape.sum.register, (rows, self.shape.sum.terms)
        assert isinstance(held, FloatRegister)
        around = self.rng.integers(-self.shape.keep, held.fraction_bits + 3, size)
        below = -self.shape.keep + self.rng.integers(-1, 4, size)
        tied = self.rng.random(rows) < 0.5
        lane = self.rng.integers(0, self.shape.sum.terms, rows)
        first = np.arange(self.shape.sum.terms) == lane[:, None]
        apart = np.where(first, 0, below)
        a, b = self._few_ones(self._half_field + np.where(tied[:, None], apart, around))
        fractions = np.uint64((1 << self.shape.format.fraction_bits) - 1)
        for x in (a, b):
            x[tied[:, None] & first] &= ~fractions
        return a, b

    def _high(self, rows: int) -> tuple[np.ndarray, np.ndarray]:
        """Terms from the register's largest exponent to below its last place."""
        below = self.rng.integers(0, 1 << 16, (rows, self.shape.sum.terms))
        return self._few_ones(self._top_field - below % self._reach)

    @property
    def _top_field(self) -> int:
        """Of what has the largest exponent of a float register."""
        held = self.shape.sum.register
        assert isinstance(held, FloatRegister)
        return self._half_field + held.fraction_bits + (1 << held.exponent_bits) - 2

    @property
    def _reach(self) -> int:
        """How far below the largest exponent a term still moves the sum."""
        held = self.shape.sum.register
        assert isinstance(held, FloatRegister)
        return held.fraction_bits + 4

    def _few_ones(self, fields: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Operands with fractions of at most two ones, a third of the terms zero."""
        m, top = self.shape.format.fraction_bits, np.uint64(1 << (self.shape.operand_bits - 1))
        a, b, _ = self._rows(fields, fields[:, 0])
        for x in (a, b):
            ones = np.uint64(1) << self.rng.integers(0, m + 1, (2, *fields.shape), np.uint64)
            low = (ones[0] | ones[1]) & np.uint64((1 << m) - 1)
            x[:] = x >> np.uint64(m) << np.uint64(m) | low
        a[self.rng.random(fields.shape) < 1 / 3] &= top
        return a, b

    def _c_near(self, fields: np.ndarray, gap: np.ndarray) -> np.ndarray:
        """Running sums whose exponent is a gap below that of a term."""
        shape, held = self.shape, self.shape.sum.register
        exponent = fields + shape.term_offset - gap
        rows = len(fields)
        if isinstance(held, LazyRegister | FixedRegister):
            exponent = np.clip(exponent, 0, (1 << shape.exponent_bits) - 1)
            if isinstance(held, FixedRegister):
                exponent = np.zeros_like(exponent)
            bits = self.rng.integers(0, held.width, rows)
            low = self.rng.integers(0, 1 << held.width, rows, np.uint64) >> bits.astype(np.uint64)
            flip = np.where(self.rng.random(rows) < 0.5, (1 << held.width) - 1, 0)
            low = low ^ flip.astype(np.uint64)
            return np.asarray(exponent.astype(np.uint64) << np.uint64(held.width) | low)
        assert isinstance(held, FloatRegister)
        e, r = held.exponent_bits, held.fraction_bits
        exponent = np.clip(exponent - shape.register_offset, 0, (1 << e) - 2)
        fraction = self.rng.integers(0, 1 << r, rows)
        sign = self.rng.integers(0, 2, rows) << (e + r)
        return np.asarray((sign | exponent << r | fraction).astype(np.uint64))

    def _signed_c(self, c: np.ndarray, sign: np.ndarray) -> np.ndarray:
        if not isinstance(self.shape.sum.register, FloatRegister):
            return c
        top = np.uint64(self.shape.sum.register.bits - 1)
        return np.asarray(c & ~(np.uint64(1) << top) | sign << top)

    def _special_c(self) -> list[int]:
        held = self.shape.sum.register
        if isinstance(held, LazyRegister | FixedRegister):
            place = self.shape.register_bits - SPECIAL_BITS
            return [kind << place | 5 for kind in range(4)]
        assert isinstance(held, FloatRegister)
        e, r = held.exponent_bits, held.fraction_bits
        top, ones = (1 << e) - 1, (1 << r) - 1
        sizes = [
            0,
            1,
            ones,
            1 << r,
            (top - 1) << r | ones,
            top << r,
            top << r | 1,
            top << r | ones,
        ]
        return [size | sign << (e + r) for size in sizes for sign in (0, 1)]


def ends_of(bits: int) -> np.ndarray:
    """Codes of two's complement next to 0 and to both ends, uint64."""
    half = 1 << (bits - 1)
    values = np.array([0, 1, -1, half - 1, half - 2, -half, 1 - half, half // 2])
    return np.asarray(values.astype(np.int64).astype(np.uint64) & np.uint64(2 * half - 1))
