"""With which operands and running sums is the unit of a sum tried?"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from axdse.flows.evidence.report import Covered
from axdse.multipliers.designs.sum_shape import SPECIAL_BITS, SumShape
from axdse.multipliers.formats import FloatFormat
from axdse.multipliers.model.mx_codes import mx_codes
from axdse.multipliers.sums.recipe import FixedRegister, FloatRegister, LazyRegister

RANDOM_ROWS = 24_000
SIGNS = 8  # terms, c among them, whose sign patterns are all tried
EACH = 24  # rows for each gap, cancellation and special value


@dataclass(frozen=True, eq=False)
class SumStimulus:
    """Steps of a sum.

    Attributes:
        a: codes of first operands, uint64 [rows, N].
        b: of second operands, likewise.
        c: running sums as the unit's port has them, uint64 [rows].
        exhaustive: these are all steps that exist.
        coverage: which classes they are of.
    """

    a: np.ndarray
    b: np.ndarray
    c: np.ndarray
    exhaustive: bool
    coverage: tuple[Covered, ...]

    @property
    def rows(self) -> int:
        """How many."""
        return int(self.c.size)

    def spread(self, rows: int) -> "SumStimulus":
        """About so many of them, of each class some."""
        if self.rows <= rows:
            return self
        step = -(-self.rows // rows)
        return SumStimulus(self.a[::step], self.b[::step], self.c[::step], False, ())


def every_step(shape: SumShape, first: int, count: int) -> SumStimulus:
    """Steps from number `first`: (b, a, c) as one integer, c lowest."""
    number = np.arange(first, first + count, dtype=np.uint64)
    n, pins = shape.sum.terms, shape.operand_bits
    c_bits = shape.register_bits
    ab = number >> np.uint64(c_bits)
    shifts = np.arange(2 * n, dtype=np.uint64) * np.uint64(pins)
    codes = (ab[:, None] >> shifts) & np.uint64((1 << pins) - 1)
    c = number & np.uint64((1 << c_bits) - 1)
    return SumStimulus(codes[:, :n], codes[:, n:], c, False, ())


def sum_stimulus(shape: SumShape, seed: int) -> SumStimulus:
    """Directed steps, then random ones.

    Every gap between exponents up to where nothing is left, every pattern of signs of the first
    terms, cancellation down to every leading zero, both ends of the range, special values in each
    lane and in c, and random codes of near and of any exponents.
    """
    make = _Maker(shape, np.random.default_rng(seed))
    if shape.is_mx:
        return _of_blocks(make, sum_stimulus(shape.decoded, seed))
    if shape.sum.is_integer:
        return _collected(
            {"extremes": make.extremes(), "random codes": [make.random(RANDOM_ROWS)]}
        )
    parts = {
        "exponent gaps": make.gaps(),
        "sign patterns": make.signs(),
        "cancellations": make.cancellations(),
        "special values": make.specials(),
        "near exponents": [make.near(RANDOM_ROWS // 2)],
        "random codes": [make.random(RANDOM_ROWS // 2)],
    }
    return _collected(parts)


def _of_blocks(make: "_Maker", steps: SumStimulus) -> SumStimulus:
    """The same numbers as elements and scales, and any codes of both."""
    form = make.shape.candidate.format
    assert isinstance(form, FloatFormat)
    own = *(mx_codes(side, form, make.rng) for side in (steps.a, steps.b)), steps.c
    drawn = make.random(RANDOM_ROWS // 2)
    a, b, c = (np.concatenate(both) for both in zip(own, drawn, strict=True))
    covered = Covered("random elements and scales", len(drawn[2]), len(drawn[2]))
    return SumStimulus(a, b, c, False, (*steps.coverage, covered))


def _collected(parts: Mapping[str, Iterable["_Rows"]]) -> SumStimulus:
    rows, coverage = [], []
    for name, given in parts.items():
        made = list(given)
        rows += made
        met = sum(len(part[2]) for part in made)
        coverage.append(Covered(name, met, met))
    a, b, c = (np.concatenate(arrays) for arrays in zip(*rows, strict=True))
    return SumStimulus(a, b, c, False, tuple(coverage))


_Rows = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class _Maker:
    shape: SumShape
    rng: np.random.Generator

    def gaps(self) -> Iterator[_Rows]:
        """The first term, or c, on top; the others a gap below."""
        for gap in range(self.shape.keep + 5):
            fields = self._base(EACH)[:, None] - gap * (np.arange(self.shape.sum.terms) > 0)
            yield self._rows(fields, self._c_near(fields[:, 0], self.rng.choice([0, gap], EACH)))
            low = fields[:, :1] - np.full(self.shape.sum.terms, gap)
            yield self._rows(low, self._c_near(fields[:, 0], np.zeros(EACH, np.int64)))

    def signs(self) -> Iterator[_Rows]:
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

    def cancellations(self) -> Iterator[_Rows]:
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

    def specials(self) -> Iterator[_Rows]:
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

    def extremes(self) -> Iterator[_Rows]:
        """Integers next to 0 and to both ends, in all lanes alike and drawn, running sums too."""
        n, w = self.shape.operand_bits, self.shape.register_bits
        values = _ends(n)
        for a, b in itertools.product(values, values):
            c = _ends(w)
            size = (c.size, self.shape.sum.terms)
            yield np.full(size, a), np.full(size, b), c
        size = (64 * EACH, self.shape.sum.terms)
        c = self.rng.choice(_ends(w), 64 * EACH)
        yield self.rng.choice(values, size), self.rng.choice(values, size), c

    def near(self, rows: int) -> _Rows:
        """Exponents that meet, a fifth of the operands zero."""
        reach = self.rng.integers(1, self.shape.keep + 4, rows)
        low = self.rng.random((rows, self.shape.sum.terms)) * reach[:, None]
        fields = self._base(rows)[:, None] - low.astype(np.int64)
        a, b, c = self._rows(fields, self._c_near(fields[:, 0], self.rng.integers(-3, 4, rows)))
        zero = self.rng.random(a.shape) < 0.2
        a[zero] &= np.uint64(1 << (self.shape.operand_bits - 1))
        return a, b, c

    def random(self, rows: int) -> _Rows:
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

    def _rows(self, fields: np.ndarray, c: np.ndarray) -> _Rows:
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
        top = np.uint64(self.shape.register_bits - 1)
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


def _ends(bits: int) -> np.ndarray:
    """Codes of two's complement next to 0 and to both ends, uint64."""
    half = 1 << (bits - 1)
    values = np.array([0, 1, -1, half - 1, half - 2, -half, 1 - half, half // 2])
    return np.asarray(values.astype(np.int64).astype(np.uint64) & np.uint64(2 * half - 1))
