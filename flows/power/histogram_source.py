"""How are operands drawn from the joint histograms of a network?"""

from dataclasses import dataclass

import numpy as np

from axdse.flows.power.activity import Transitions
from axdse.flows.power.activity_source import (
    COUNT,
    SEED,
    Design,
    Pair,
    check_format,
    core_codes,
    float_unit_codes,
    in_order,
    joined,
)
from axdse.multipliers.cache import digest
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import FloatFormat
from axdse.multipliers.operands.recording import OperandHistogram, Recording, code_bits


@dataclass(frozen=True, eq=False)
class Independent:
    """Pairs drawn independently from the joint histograms of a network's operands.

    Each histogram gets its share of the multiplications, and a pair is followed by one of the same
    layer and product. A histogram knows neither signs nor exponents: a float unit meets uniform
    ones, as in `Uniform`. Products with zero take their share; those of infinities do not.

    Attributes:
        recording: the histograms.
        name: for people.
        count: multiplications, about.
        seed: of the pairs.
    """

    recording: Recording
    name: str
    count: int = COUNT
    seed: int = SEED

    @property
    def text(self) -> str:
        """Provenance for people."""
        drawn = f"{self.count} pairs drawn independently, seed {self.seed}"
        return f"{self.name} ({self.recording.workload}): {drawn}"

    @property
    def digest(self) -> str:
        """What a cost depends on."""
        return digest("independent", self.recording.digest, str(self.count), str(self.seed))

    def transitions(self, design: Design) -> Transitions:
        """Draw the pairs.

        Raises:
            AxdseError: the design is of another format, or nothing was recorded.
        """
        random = np.random.default_rng(self.seed)
        histograms = [h for h in self.recording.histograms if h.total]
        total = sum(h.total for h in histograms)
        if not total:
            raise AxdseError("activity takes recorded operands", self.name, "record a longer run")
        parts = []
        for histogram in histograms:
            count = round(self.count * histogram.total / total)
            if count:
                parts.append(in_order(*_drawn(histogram, design, count + 1, random)))
        return joined(parts)


def _drawn(
    histogram: OperandHistogram, design: Design, count: int, random: np.random.Generator
) -> Pair:
    known = histogram.format
    codes = _sampled(histogram, count, random)
    if not isinstance(design, Candidate):
        return core_codes(design, known, *codes)
    check_format(design.format, known, histogram.name)
    if isinstance(design.format, FloatFormat):
        first, second = (float_unit_codes(design.format, count, random, side) for side in codes)
        return _with_zeros(histogram, (first, second), random)
    return codes


def _sampled(histogram: OperandHistogram, count: int, random: np.random.Generator) -> Pair:
    cumulated = np.cumsum(histogram.counts.ravel())
    drawn = random.integers(0, cumulated[-1], count)
    places = np.searchsorted(cumulated, drawn, side="right").astype(np.uint64)
    _, bits = code_bits(histogram.format)
    return places >> np.uint64(bits), places & np.uint64((1 << bits) - 1)


def _with_zeros(histogram: OperandHistogram, pairs: Pair, random: np.random.Generator) -> Pair:
    """One operand of each product with zero is zero; which one was not recorded."""
    share = histogram.zero / max(1, histogram.zero + histogram.total)
    zero = random.random(pairs[0].size) < share
    first = random.integers(0, 2, zero.size).astype(bool)
    return np.where(zero & first, 0, pairs[0]), np.where(zero & ~first, 0, pairs[1])
