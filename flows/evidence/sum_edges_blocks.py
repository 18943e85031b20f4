"""Where are the edges of a sum of integers in blocks? Steps that meet them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from axdse.flows.evidence.sum_edges import EACH, SIGNS, StepMaker, Steps, ends_of
from axdse.multipliers.formats import IntFormat
from axdse.multipliers.sums.recipe import FloatRegister
from axdse.multipliers.sums.reference import register_codes


@dataclass(frozen=True, eq=False)
class BlockMaker(StepMaker):
    """Integers in blocks, whose products are one term with the exponent of both scales."""

    def gaps(self) -> Iterator[Steps]:
        """The term above or below c, up to where nothing of the other is left."""
        for gap in range(self.shape.keep + self.shape.whole_bits + 3):
            fields = self._base(EACH)
            c = self._c_near(fields, self.rng.choice([-gap, gap], EACH))
            yield self._rows(fields, c)

    def signs(self) -> Iterator[Steps]:
        """Elements of all signs, and c."""
        lanes = min(self.shape.sum.terms, SIGNS)
        patterns = 1 << (lanes + 1)
        fields = self._base(patterns)
        a, b, c = self._rows(fields, self._c_near(fields, np.zeros(patterns, np.int64)))
        pattern = np.arange(patterns, dtype=np.uint64)
        bits = self._elements.bits
        top, ones = np.uint64(1 << (bits - 1)), np.uint64((1 << bits) - 1)
        for x, signs in ((a, pattern), (b, np.zeros_like(pattern))):
            for lane in range(lanes):
                negative = (x[:, lane] & top > 0) != (signs >> np.uint64(lane) & np.uint64(1) > 0)
                x[negative, lane] ^= ones
        yield a, b, self._signed_c(c, pattern >> np.uint64(lanes) & np.uint64(1))

    def cancellations(self) -> Iterator[Steps]:
        """The exact products against c, to its last place, and against each other."""
        held, form = self.shape.sum.register, self._elements
        assert isinstance(held, FloatRegister)
        r, bias = held.fraction_bits, (1 << (held.exponent_bits - 1)) - 1
        for apart in range(-2, 3):
            fields = self._base(4 * EACH)
            a, b, c = self._rows(fields, self._c_near(fields, np.zeros(4 * EACH, np.int64)))
            sums = (self._values(a) * self._values(b)).sum(1).astype(np.float64)
            exponent = fields - 2 * form.scale_bias - self.shape.fraction_bits
            mantissa, place = np.frexp(np.ldexp(sums, exponent))
            whole = np.trunc(np.ldexp(mantissa, r + 1)) + apart
            there = (place > 1 - bias) & (place <= bias) & (np.abs(whole) < 2 << r)
            values = np.where(there, np.ldexp(-whole, np.clip(place - r - 1, -1000, 900)), 0)
            c = np.where(there, register_codes(values.astype(np.float32), held), c)
            yield a, b, c.astype(np.uint64)
        fields = self._base(EACH)
        a, b, c = self._rows(fields, self._c_near(fields, np.zeros(EACH, np.int64)))
        half = self.shape.sum.terms // 2
        ones = np.uint64((1 << form.bits) - 1)
        a[:, half : 2 * half] = (~a[:, :half] + np.uint64(1)) & ones | a[:, :half] & ~ones
        b[:, half : 2 * half] = b[:, :half]
        yield a, b, c

    def specials(self) -> Iterator[Steps]:
        """Ends of elements and scales, NaN among these, and of c."""
        bits, top = self._elements.bits, 2 * self._elements.scale_bias + 1
        ends = np.array([0, 1, top // 2, top - 1, top], np.uint64)
        for odd in self._special_c():
            a, b, c = self.near(EACH)
            yield a, b, np.where(self.rng.random(EACH) < 0.7, odd, c).astype(np.uint64)
        for chance in (0.2, 1.0):
            a, b, c = self.near(8 * EACH)
            for x in (a, b):
                hit = self.rng.random(x.shape) < chance
                x[hit] = x[hit] >> np.uint64(bits) << np.uint64(bits)
                x[hit] |= self.rng.choice(ends_of(bits), int(hit.sum()))
                scaled = self.rng.random(len(x)) < chance
                scale = self.rng.choice(ends, int(scaled.sum())) << np.uint64(bits)
                x[scaled] = x[scaled] & np.uint64((1 << bits) - 1) | scale[:, None]
            yield a, b, np.where(self.rng.random(8 * EACH) < 0.3, 0, c).astype(np.uint64)

    def near(self, rows: int) -> Steps:
        """Exponents that meet, a fifth of the elements zero."""
        fields = self._base(rows)
        reach = self.shape.keep + self.shape.whole_bits + 2
        a, b, c = self._rows(fields, self._c_near(fields, self.rng.integers(-reach, reach, rows)))
        zero = self.rng.random(a.shape) < 0.2
        a[zero] &= ~np.uint64((1 << self._elements.bits) - 1)
        return a, b, c

    def _low(self, rows: int) -> tuple[np.ndarray, np.ndarray]:
        """Scales with which a bit of the products is worth that half, and little lies below it."""
        place = self.rng.integers(self._cut_bits, 2 * self._elements.bits, 16 * rows)
        a, b = self._placed(place)
        half = 1 << place
        apart = np.abs((self._values(a) * self._values(b)).sum(1)) % (2 * half) - half
        near = np.argsort(np.maximum(np.abs(apart) / half, 1 / 32), kind="stable")[: rows // 2]
        tied = self._tied(rows - len(near))
        return np.concatenate([a[near], tied[0]]), np.concatenate([b[near], tied[1]])

    def _tied(self, rows: int) -> tuple[np.ndarray, np.ndarray]:
        """Products that add up to that half, and one that is the least that a step keeps."""
        n, bits = self.shape.sum.terms, self._elements.bits
        place = self.rng.integers(self._cut_bits, 2 * bits - 2 + (n - 1).bit_length(), rows)
        a, b = self._placed(place)
        spread = np.maximum(place - (2 * bits - 2), 0)  # in so many lanes, as a power of two
        alike = np.arange(n) < (1 << spread)[:, None]
        each = place - spread
        part = self.rng.integers(np.maximum(each - (bits - 1), 0), np.minimum(each, bits - 1) + 1)
        little = self.rng.integers(0, 1 << (bits - 1), rows)
        little >>= self.rng.integers(0, bits - 1, rows)
        least = np.full(rows, 1 << min(self._cut_bits, bits - 2))
        for x, first, second in (
            (a, -1 << part, little),
            (b, -1 << (each - part), least),
        ):
            elements = np.where(alike, first[:, None], 0)
            last = elements[:, -1] == 0
            elements[last, -1] = second[last]
            x[:] = x >> np.uint64(bits) << np.uint64(bits)
            x |= (elements & ((1 << bits) - 1)).astype(np.uint64)
        return a, b

    def _placed(self, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Any elements, with scales for which a bit of the products is worth that half."""
        return self._scaled(self._half_field + self.shape.fraction_bits - place)

    @property
    def _cut_bits(self) -> int:
        """Of the products, those that no step keeps."""
        return max(0, self.shape.fraction_bits - self.shape.keep)

    def _high(self, rows: int) -> tuple[np.ndarray, np.ndarray]:
        """Scales about the register's largest exponent."""
        most = self._reach + self.shape.fraction_bits
        below = self.rng.integers(0, most, rows)
        return self._scaled(self._top_field + self.shape.fraction_bits - below)

    def _scaled(self, fields: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Any elements, with scales whose codes add up to `fields`, as far as there are any."""
        a, b, _ = self._rows(np.clip(fields, 0, 4 * self._elements.scale_bias), fields)
        return a, b

    @property
    def _elements(self) -> IntFormat:
        assert self.shape.blocks
        return self.shape.blocks

    def _base(self, rows: int) -> np.ndarray:
        """Sums of two scales' codes, about where the register's exponents are."""
        shape, held = self.shape, self.shape.sum.register
        assert isinstance(held, FloatRegister)
        own = shape.register_offset - shape.term_offset
        low, high = own - shape.whole_bits, own + (1 << held.exponent_bits) + shape.fraction_bits
        most = 4 * self._elements.scale_bias
        return np.clip(self.rng.integers(low, high + 1, rows), 0, most)

    def _rows(self, fields: np.ndarray, c: np.ndarray) -> Steps:
        """Operands whose scales, one a side, add up to `fields`."""
        form, size = self._elements, (len(fields), self.shape.sum.terms)
        top = 2 * form.scale_bias
        first = np.clip(fields // 2 + self.rng.integers(-2, 3, len(fields)), 0, top)
        first = np.clip(first, fields - top, fields)
        parts = []
        for scale in (first, fields - first):
            element = self.rng.integers(-(1 << (form.bits - 1)), 1 << (form.bits - 1), size)
            element >>= self.rng.integers(0, form.bits, size)
            code = element & ((1 << form.bits) - 1) | scale[:, None] << form.bits
            parts.append(code.astype(np.uint64))
        return parts[0], parts[1], c

    def _values(self, codes: np.ndarray) -> np.ndarray:
        half = 1 << (self._elements.bits - 1)
        return ((codes.astype(np.int64) & (2 * half - 1)) ^ half) - half
