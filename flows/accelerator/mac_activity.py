"""What does a multiply-accumulate unit meet? Operands, and what its register holds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from axdse.flows.accelerator.mac_unit import MacUnit
from axdse.flows.power.activity import Transitions
from axdse.flows.power.activity_source import SEED, Uniform
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import BLOCK, SCALE_BITS, FloatFormat, Format
from axdse.multipliers.model.unit_oracle import unit_products
from axdse.multipliers.operands.encoding import operand_codes, operand_scales, row_codes
from axdse.multipliers.operands.recording import OperandRows, OperandTrace
from axdse.multipliers.sums.recipe import FloatRegister

RUN = 64  # uniform products in one sum, or STEPS steps if these are more
STEPS = 16
LENGTH = 17  # pairs of a recorded row of a trace: rows tell more than what follows in one


@dataclass(frozen=True, eq=False)
class Stream:
    """What one unit meets, in order; each row is an uninterrupted run, and rows do not follow.

    Attributes:
        unit: that meets it.
        a: uint64 [rows, steps x N], codes of first operands.
        b: likewise of second ones.
        before: uint64 [rows, steps], the register before each step.
        after: likewise after it.
        steps: int64 [rows], how many of each row are valid.
        ends: uint64, the register where each sum, or chunk of it, ends, one after another.
    """

    unit: MacUnit
    a: np.ndarray
    b: np.ndarray
    before: np.ndarray
    after: np.ndarray
    steps: np.ndarray
    ends: np.ndarray

    @property
    def transitions(self) -> Transitions:
        """From step to step."""
        n, (rows, steps) = self.unit.terms, self.before.shape
        ab = self.unit.packed(self.a.reshape(-1, n), self.b.reshape(-1, n))
        ab = ab.reshape(rows, steps, *ab.shape[1:])
        here = self._followed
        sides = ((ab[:, :-1], self.before[:, :-1]), (ab[:, 1:], self.before[:, 1:]))
        (a, b), (next_a, next_b) = ((one[here], other[here]) for one, other in sides)
        return Transitions(a, b, next_a, next_b)

    def operand_toggles(self, codes: np.ndarray) -> float:
        """Mean number of bits of an operand that change from one step to the next."""
        lanes = self.unit.held(codes.reshape(*self.before.shape, self.unit.terms))
        flips = np.bitwise_count((lanes[:, :-1] ^ lanes[:, 1:])[self._followed])
        return float(flips.mean())

    @property
    def register_toggles(self) -> float:
        """Mean number of bits of the accumulator that change in a step."""
        flips = np.bitwise_count((self.after[:, :-1] ^ self.after[:, 1:])[self._followed])
        return float(flips.mean())

    @property
    def overflow(self) -> float:
        """Share of products, of a recipe of sums, that are infinite or NaN."""
        form, recipe = self.unit.mac.format, self.unit.mac.recipe
        if recipe and isinstance(recipe.register, FloatRegister):
            codes, held = self.after, recipe.register
            bits, kept = held.exponent_bits, held.fraction_bits
        elif recipe or not isinstance(form, FloatFormat):
            return 0.0
        else:
            codes = unit_products(self.unit.mac.candidate, self.a, self.b)
            bits, kept = form.exponent_bits, form.product_fraction_bits
        top = np.uint64((1 << bits) - 1)
        full = codes >> np.uint64(kept) & top == top
        return float(full[np.arange(full.shape[1]) < self.steps[:, None]].mean())

    @property
    def _followed(self) -> np.ndarray:
        return np.arange(1, self.before.shape[1]) < self.steps[:, None]


def uniform_stream(unit: MacUnit) -> Stream:
    """Independent operands as in `Uniform`, summed `run_of` at a time from zero.

    Blocks of MX operands have uniform scales, as floats have exponents.

    Raises:
        AxdseError: the unit or its accumulator cannot be built.
    """
    pairs, random = Uniform().transitions(unit.mac.candidate), np.random.default_rng(SEED)
    a, b = (codes.reshape(-1, run_of(unit)) for codes in (pairs.a, pairs.b))
    if unit.mac.format.is_mx:
        a, b = (_in_blocks(codes, unit.mac.format, random) for codes in (a, b))
    return _summed(unit, a, b, np.full(len(a), a.shape[1]))


def _in_blocks(
    elements: np.ndarray, number_format: Format, random: np.random.Generator
) -> np.ndarray:
    """Codes {scale, element}, of each block along the rows one of the scales in the middle."""
    middle = 1 << (SCALE_BITS - 2)
    size = (len(elements), -(-elements.shape[1] // BLOCK))
    scales = random.integers(middle, 3 * middle, size, dtype=np.uint64)
    along = np.repeat(scales, BLOCK, 1)[:, : elements.shape[1]]
    return np.asarray(elements | along << np.uint64(number_format.bits))


def run_of(unit: MacUnit) -> int:
    """Uniform products in one sum."""
    return max(RUN, STEPS * unit.terms)


def whole_rows(unit: MacUnit, rows: OperandRows) -> Stream:
    """Recorded sums from their first products on, rounded to the format of the unit.

    One sum follows another, as an element goes from output to output; those here were drawn at
    random, while neighbours have an operand in common.

    Raises:
        AxdseError: the unit cannot be built.
    """
    n, lengths = unit.terms, rows.lengths
    width = -(-int(lengths.max()) // n) * n
    there = np.arange(width) < lengths[:, None]
    sides = []
    first, second = unit.mac.format.operands
    for values, peaks, form in ((rows.a, rows.a_peak, first), (rows.b, rows.b_peak, second)):
        codes = row_codes(values, peaks[:, None], form)[:, :width]
        codes = np.pad(codes, ((0, 0), (0, width - codes.shape[1])))
        sides.append(np.where(there, codes, np.uint64(0)))
    apart = _summed(unit, sides[0], sides[1], lengths)
    here = np.arange(width // n) < apart.steps[:, None]
    a, b = (side.reshape(len(side), -1, n)[here].reshape(1, -1) for side in sides)
    before, after = apart.before[here][None], apart.after[here][None]
    return Stream(unit, a, b, before, after, np.array([here.sum()]), apart.ends)


def joined(streams: Sequence[Stream]) -> Stream:
    """Streams of one unit, of which none follows another."""
    first, most = streams[0], max(stream.before.shape[1] for stream in streams)

    def rows(name: str, scale: int = 1) -> np.ndarray:
        sides = [getattr(stream, name) for stream in streams]
        wide = [np.pad(side, ((0, 0), (0, scale * most - side.shape[1]))) for side in sides]
        return np.concatenate(wide)

    n = first.unit.terms
    steps, ends = (np.concatenate([getattr(x, y) for x in streams]) for y in ("steps", "ends"))
    return Stream(
        first.unit, rows("a", n), rows("b", n), rows("before"), rows("after"), steps, ends
    )


def traced_stream(unit: MacUnit, trace: OperandTrace) -> Stream:
    """The recorded operands, rounded to the format of the unit, and sums as they then are.

    Recorded sums are of exact products of unrounded operands, so their low bits are noise that an
    accumulator of short products never holds: they are rounded to the last place of the row's
    products. Where one multiplier sums up, only the first of a row is taken, and what follows adds
    what the unit makes. Of each row the first `LENGTH` pairs; rows of one pair are left out.

    Raises:
        AxdseError: the sum is a recipe, or the unit or its accumulator cannot be built.
    """
    mac, accumulator = unit.mac, unit.accumulator
    if accumulator is None:
        rule = "a sum that is a recipe is costed under whole rows, in output-stationary order"
        remedy = "record a run with 'axdse train --record' of this version"
        raise AxdseError(rule, f"{trace.dataflow} traces of {trace.name}", remedy)
    (first, second), rows = mac.format.operands, trace.lengths > 1
    a_values, b_values, totals = (
        side[rows, :LENGTH] for side in (trace.a, trace.b, trace.sums.astype(np.float64))
    )
    a_peaks, b_peaks = trace.a_peak[rows, None], trace.b_peak[rows, None]
    a, b = operand_codes(a_values, a_peaks, first), operand_codes(b_values, b_peaks, second)
    totals = totals / operand_scales(a_peaks, first) / operand_scales(b_peaks, second)
    products = unit_products(mac.candidate, a, b)
    sums = accumulator.encoded(accumulator.on_grid(totals, products))
    if trace.dataflow == "output-stationary":
        for column in range(1, sums.shape[1]):
            total = accumulator.added(sums[:, column - 1], products[:, column - 1])
            sums[:, column] = np.where(totals[:, column] == 0, sums[:, column], total)
    after = accumulator.added(sums, products)
    steps = np.minimum(trace.lengths[rows], LENGTH)
    return Stream(unit, a, b, sums, after, steps, after[:, :0].ravel())


def _summed(unit: MacUnit, a: np.ndarray, b: np.ndarray, lengths: np.ndarray) -> Stream:
    before, after = unit.steps(a, b)
    steps, recipe = -(-lengths // unit.terms), unit.mac.recipe
    number = np.arange(1, after.shape[1] + 1)
    last = number == steps[:, None]
    if recipe and recipe.chunk:
        last |= (number % (recipe.chunk // recipe.terms) == 0) & (number <= steps[:, None])
    return Stream(unit, a, b, before, after, steps, after[last])
