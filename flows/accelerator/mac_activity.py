"""What does a multiply-accumulate unit meet? Operands, products, running sums."""

from dataclasses import dataclass

import numpy as np

from axdse.flows.accelerator.accumulator import accumulator_of, running_sums
from axdse.flows.power.activity import Transitions
from axdse.flows.power.activity_source import Uniform
from axdse.multipliers.designs.candidate import Candidate
from axdse.multipliers.formats import FloatFormat
from axdse.multipliers.model.unit_oracle import unit_products
from axdse.multipliers.operands.encoding import operand_codes, operand_scales
from axdse.multipliers.operands.recording import OperandTrace

RUN = 64  # uniform products in one sum
LENGTH = 17  # pairs of a recorded row: rows tell more than what follows in one


@dataclass(frozen=True, eq=False)
class Stream:
    """What one MAC meets, in order; each row is an uninterrupted run, and rows do not follow.

    Attributes:
        candidate: the unit.
        a: uint64 [rows, length], codes of first operands.
        b: likewise of second ones.
        products: likewise, what the unit makes of them.
        sums: likewise, what it is added to.
        results: likewise, what the accumulator's register then holds.
        lengths: int64 [rows], how many of each row are valid.
    """

    candidate: Candidate
    a: np.ndarray
    b: np.ndarray
    products: np.ndarray
    sums: np.ndarray
    results: np.ndarray
    lengths: np.ndarray

    @property
    def unit(self) -> Transitions:
        """What the multiplier meets."""
        return self._transitions(self.a, self.b)

    @property
    def adder(self) -> Transitions:
        """What the adder meets: products come when the multiplier has settled."""
        return self._transitions(self.sums, self.products)

    def toggles(self, codes: np.ndarray) -> float:
        """Mean number of bits that change from one of these codes [rows, length] to the next."""
        flips = np.bitwise_count((codes[:, :-1] ^ codes[:, 1:])[self._followed])
        return float(flips.mean())

    @property
    def overflow(self) -> float:
        """Share of products that the unit makes infinite or NaN."""
        known = self.candidate.format
        if not isinstance(known, FloatFormat):
            return 0.0
        top = (1 << known.exponent_bits) - 1
        full = (self.products >> np.uint64(known.product_fraction_bits)) & np.uint64(top) == top
        return float(full[np.arange(full.shape[1]) < self.lengths[:, None]].mean())

    @property
    def _followed(self) -> np.ndarray:
        return np.arange(1, self.a.shape[1]) < self.lengths[:, None]

    def _transitions(self, a: np.ndarray, b: np.ndarray) -> Transitions:
        here = self._followed
        return Transitions(a[:, :-1][here], b[:, :-1][here], a[:, 1:][here], b[:, 1:][here])


def uniform_stream(candidate: Candidate) -> Stream:
    """Independent operands as in `Uniform`; every `RUN` products are summed from zero.

    Raises:
        AxdseError: the unit or its accumulator cannot be built.
    """
    pairs = Uniform().transitions(candidate)
    a, b = (codes.reshape(-1, RUN) for codes in (pairs.a, pairs.b))
    sums = running_sums(accumulator_of(candidate.format), unit_products(candidate, a, b))
    return _stream(candidate, a, b, sums, np.full(len(a), RUN))


def recorded_stream(candidate: Candidate, trace: OperandTrace) -> Stream:
    """The recorded operands, rounded to the format of the unit, and sums as they then are.

    Recorded sums are of exact products of unrounded operands, so their low bits are noise that an
    accumulator of short products never holds: they are rounded to the last place of the row's
    products. Where one multiplier sums up, only the first of a row is taken, and what follows adds
    what the unit makes. Of each row the first `LENGTH` pairs; rows of one pair are left out.

    Raises:
        AxdseError: the unit or its accumulator cannot be built.
    """
    known, rows = candidate.format, trace.lengths > 1
    a_values, b_values, totals = (
        side[rows, :LENGTH] for side in (trace.a, trace.b, trace.sums.astype(np.float64))
    )
    a_peaks, b_peaks = trace.a_peak[rows, None], trace.b_peak[rows, None]
    a, b = operand_codes(a_values, a_peaks, known), operand_codes(b_values, b_peaks, known)
    totals = totals / operand_scales(a_peaks, known) / operand_scales(b_peaks, known)
    products, accumulator = unit_products(candidate, a, b), accumulator_of(known)
    sums = accumulator.encoded(accumulator.on_grid(totals, products))
    if trace.dataflow == "output-stationary":
        for column in range(1, sums.shape[1]):
            total = accumulator.added(sums[:, column - 1], products[:, column - 1])
            sums[:, column] = np.where(totals[:, column] == 0, sums[:, column], total)
    return _stream(candidate, a, b, sums, np.minimum(trace.lengths[rows], LENGTH))


def _stream(
    candidate: Candidate, a: np.ndarray, b: np.ndarray, sums: np.ndarray, lengths: np.ndarray
) -> Stream:
    products = unit_products(candidate, a, b)
    results = accumulator_of(candidate.format).added(sums, products)
    return Stream(candidate, a, b, products, sums, results, lengths)
