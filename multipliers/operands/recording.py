"""Which operands did a core meet in a network? Joint histograms, and in order."""

import functools
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np

from axdse.multipliers.cache import digest
from axdse.multipliers.designs.design_point import Candidate, ProductName
from axdse.multipliers.designs.family import Multiplier
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import FloatFormat, Format, IntFormat

Dataflow = Literal["output-stationary", "weight-stationary"]
LONGEST_ROW = 512  # pairs that are kept of a whole sum
DATAFLOWS: tuple[Dataflow, ...] = get_args(Dataflow)


def code_bits(number_format: Format) -> tuple[int, int]:
    """Width of the code of each operand: a float's fraction, an integer as it is."""
    first, second = (
        each.fraction_bits if isinstance(each, FloatFormat) else each.bits
        for each in number_format.operands
    )
    return first, second


@dataclass(frozen=True, eq=False)
class OperandHistogram:
    """How often each pair of operands met in one product of one layer.

    Attributes:
        layer: name of the layer in its model.
        product: which of the layer's three matrix products.
        format: of the operands; float(8, m) here has m <= 7.
        counts: read-only int64 [2^w, 2^v], the row is the first operand as the core sees it: by
            its fraction, w = v = m, in a float format; by its code in integers.
        zero: products with a zero operand, which a float unit makes without its core.
        non_finite: products with an infinite or NaN operand, likewise.

    Raises:
        AxdseError: counts of another shape or dtype, or something negative.
    """

    layer: str
    product: ProductName
    format: Format
    counts: np.ndarray = field(repr=False)
    zero: int = 0
    non_finite: int = 0

    def __post_init__(self) -> None:
        rows, columns = (1 << bits for bits in code_bits(self.format))
        if self.counts.shape != (rows, columns) or self.counts.dtype != np.int64:
            raise AxdseError(
                f"operands in {self.format.name} are counted in {rows} x {columns} int64",
                f"{self.counts.shape} {self.counts.dtype} for {self.name}",
                "record them with axdse.gpu.recording",
            )
        if min(self.counts.min(), self.zero, self.non_finite) < 0:
            raise AxdseError("counts are never negative", self.name, "record them again")
        self.counts.flags.writeable = False

    @property
    def name(self) -> str:
        """Text such as `fc1 forward`."""
        return f"{self.layer} {self.product}"

    @property
    def total(self) -> int:
        """Products that the core made."""
        return int(self.counts.sum())


@dataclass(frozen=True, eq=False)
class OperandTrace:
    """Operands of one product of one layer, in the order in which a multiplier meets them.

    The multiplier is one of a systolic array. Each row is one uninterrupted run of it, and where
    a row starts was drawn uniformly among all multiplications. Values of float(8, m) are those
    before rounding, so that one trace serves every format; a network that ran in integers has
    its codes here, one that ran with e < 8 its scaled and rounded operands.

    Attributes:
        layer: name of the layer in its model.
        product: which of the layer's three matrix products.
        dataflow: "output-stationary": a multiplier walks along the sum of one output, then takes
            another; "weight-stationary": it keeps the weight, or what takes its place, while the
            other operand streams.
        a: float32 [segments, length], first operands.
        b: likewise second ones.
        sums: likewise, what the accumulator held before the product was added, in FP32.
        a_peak: float32 [segments], largest magnitude in the tensor that the row comes from.
        b_peak: likewise.
        lengths: int64 [segments], how many pairs of a row are valid, at least 1.
        multiplications: that the layer made in this product while it was recorded.

    Raises:
        AxdseError: arrays that do not fit each other.
    """

    layer: str
    product: ProductName
    dataflow: Dataflow
    a: np.ndarray = field(repr=False)
    b: np.ndarray = field(repr=False)
    sums: np.ndarray = field(repr=False)
    a_peak: np.ndarray = field(repr=False)
    b_peak: np.ndarray = field(repr=False)
    lengths: np.ndarray = field(repr=False)
    multiplications: int

    def __post_init__(self) -> None:
        rows = self.lengths.shape
        paired = self.a.shape == self.b.shape == self.sums.shape and self.a.ndim == 2
        if not paired or not self.a.shape[:1] == self.a_peak.shape == self.b_peak.shape == rows:
            raise AxdseError(
                "a trace has as many first operands, second operands and sums, [segments, length]",
                f"{self.a.shape}, {self.b.shape}, {self.sums.shape} for {self.name}",
                "record it with axdse.gpu.recording",
            )
        others = (self.a, self.b, self.sums, self.a_peak, self.b_peak)
        if self.lengths.dtype != np.int64 or any(array.dtype != np.float32 for array in others):
            rule = "a trace holds operands and sums in float32, lengths in int64"
            raise AxdseError(rule, self.name, "record it with axdse.gpu.recording")
        if rows[0] and not 1 <= self.lengths.min() <= self.lengths.max() <= self.a.shape[1]:
            rule = f"rows of a trace have 1..{self.a.shape[1]} pairs"
            raise AxdseError(rule, self.name, "record it again")

    @property
    def name(self) -> str:
        """Text such as `fc1 forward`."""
        return f"{self.layer} {self.product}"

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """All numbers in it, in the order of the attributes."""
        return self.a, self.b, self.sums, self.a_peak, self.b_peak, self.lengths


@dataclass(frozen=True, eq=False)
class OperandRows:
    """The operands of whole sums of one product of one layer, along k from the first.

    Which sums was drawn uniformly among all outputs. Values are as in `OperandTrace`.

    Attributes:
        layer: name of the layer in its model.
        product: which of the layer's three matrix products.
        a: float32 [rows, length], first operands.
        b: likewise second ones.
        a_peak: float32 [rows], largest magnitude in the tensor that the row comes from.
        b_peak: likewise.
        depths: int64 [rows], K: how many products the sum has.
        multiplications: that the layer made in this product while it was recorded.

    Raises:
        AxdseError: arrays that do not fit each other.
    """

    layer: str
    product: ProductName
    a: np.ndarray = field(repr=False)
    b: np.ndarray = field(repr=False)
    a_peak: np.ndarray = field(repr=False)
    b_peak: np.ndarray = field(repr=False)
    depths: np.ndarray = field(repr=False)
    multiplications: int

    def __post_init__(self) -> None:
        rows = self.depths.shape
        paired = self.a.shape == self.b.shape and self.a.ndim == 2 and self.a.shape[:1] == rows
        if not paired or not self.a_peak.shape == self.b_peak.shape == rows or len(rows) != 1:
            raise AxdseError(
                "rows have as many first operands as second ones, [rows, length]",
                f"{self.a.shape}, {self.b.shape} for {self.name}",
                "record them with axdse.gpu.recording",
            )
        others = (self.a, self.b, self.a_peak, self.b_peak)
        if self.depths.dtype != np.int64 or any(array.dtype != np.float32 for array in others):
            rule = "rows hold operands in float32, depths in int64"
            raise AxdseError(rule, self.name, "record them with axdse.gpu.recording")
        if not rows[0] or self.depths.min() < 1 or not self.a.shape[1]:
            raise AxdseError("a sum has a product", self.name, "record it again")

    @property
    def name(self) -> str:
        """Text such as `fc1 forward`."""
        return f"{self.layer} {self.product}"

    def first(self, products: int) -> "OperandRows":
        """As many rows as have so many products, at least one, or all if there are fewer."""
        kept = np.s_[: int(np.searchsorted(np.cumsum(self.lengths), products)) + 1]
        a, b, a_peak, b_peak, depths = (array[kept] for array in self.arrays)
        return replace(self, a=a, b=b, a_peak=a_peak, b_peak=b_peak, depths=depths)

    @property
    def lengths(self) -> np.ndarray:
        """Int64 [rows], how many pairs of a row are there: the first `LONGEST_ROW` of its sum."""
        return np.asarray(np.minimum(self.depths, self.a.shape[1]))

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """All numbers in it, in the order of the attributes."""
        return self.a, self.b, self.a_peak, self.b_peak, self.depths


@dataclass(frozen=True, eq=False)
class Recording:
    """The operands of a network while it was trained or evaluated.

    Attributes:
        histograms: one for each layer and product, of formats with codes of at most 8 bits.
        workload: network and images.
        multiplier: spec of the design that multiplied.
        seed: of the training.
        every: one call of a layer in so many was recorded.
        traces: one for each layer, product and dataflow.
        steps: of the optimiser that were recorded.
        images: in those steps.
        rows: one for each layer and product; empty: of a recording before there were any.
    """

    histograms: tuple[OperandHistogram, ...]
    workload: str
    multiplier: str
    seed: int
    every: int = 1
    traces: tuple[OperandTrace, ...] = ()
    steps: int = 0
    images: int = 0
    rows: tuple[OperandRows, ...] = ()

    @property
    def of_integers(self) -> bool:
        """Whether the network ran in integers."""
        return any(isinstance(h.format, IntFormat) for h in self.histograms)

    @property
    def signs(self) -> tuple[bool, bool]:
        """Whether first and second operands may be negative: unsigned codes are not.

        Raises:
            AxdseError: they may be in some layers only.
        """
        found = {operand_signs(h.format) for h in self.histograms} or {(True, True)}
        if len(found) > 1:
            rule = "the layers of a recording have zero points alike, or have none"
            raise AxdseError(rule, self.multiplier, "record a run in one format")
        return found.pop()

    def check_serves(self, number_format: Format) -> None:
        """Refuse a format whose operands cannot be made of these.

        Raises:
            AxdseError: operands have a zero point, which no recording keeps, in one of both.
        """
        if operand_signs(number_format) != self.signs:
            rule = "recordings keep no zero points: unsigned operands serve their own format alone"
            remedy = f"record a run in {number_format.name}"
            raise AxdseError(rule, f"{number_format.name} with one of {self.multiplier}", remedy)

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of everything in it; equal digests weigh errors alike."""
        texts = [
            *(self.workload, self.multiplier, str(self.seed), str(self.every)),
            *(str(self.steps), str(self.images)),
            *(
                f"{h.layer} {h.product} {h.format.plain} {h.zero} {h.non_finite}"
                for h in self.histograms
            ),
            *(f"{t.layer} {t.product} {t.dataflow} {t.multiplications}" for t in self.traces),
            *(f"{r.layer} {r.product} rows {r.multiplications}" for r in self.rows),
        ]
        arrays = [h.counts for h in self.histograms]
        arrays += [array for t in self.traces for array in t.arrays]
        arrays += [array for r in self.rows for array in r.arrays]
        return digest(*texts, *(str(a.shape) for a in arrays), *(a.tobytes() for a in arrays))


def operand_signs(number_format: Format) -> tuple[bool, bool]:
    """Whether first and second operands of a format may be negative."""
    first, second = (
        isinstance(each, FloatFormat) or each.signed for each in number_format.operands
    )
    return first, second


def core_weights(histogram: OperandHistogram, multiplier: Multiplier) -> np.ndarray:
    """Spread a histogram over the domain of a core, for `error_metrics`.

    An integer core in a float unit meets significands, hidden one included; an unsigned core in
    an integer unit meets magnitudes (so its bias is that of magnitudes) and unsigned codes, a
    signed one the codes. How wide the unit's product is does not matter here.

    Returns:
        int64 of the shape of the core's table; the row is the first operand.

    Raises:
        AxdseError: the core does not fit the format of the operands.
    """
    number_format = histogram.format
    if isinstance(number_format, FloatFormat):
        number_format = replace(number_format, product="narrow")  # lets significand cores in
    Candidate(multiplier, number_format)
    if multiplier.family.kind == "significand" or multiplier.family.signed:
        return histogram.counts
    rows, columns = 1 << multiplier.a_bits, 1 << multiplier.b_bits
    weights = np.zeros((rows, columns), dtype=np.int64)
    if isinstance(number_format, FloatFormat):
        weights[rows // 2 :, columns // 2 :] = histogram.counts
        return weights
    met = [magnitudes(np.arange(1 << each.bits), each) for each in number_format.operands]
    np.add.at(weights, np.ix_(*met), histogram.counts)
    return weights


def magnitudes(codes: np.ndarray, operand: IntFormat) -> np.ndarray:
    """What an unsigned core meets of codes: magnitudes of two's complement, or themselves."""
    if not operand.signed:
        return codes
    negated = codes.dtype.type(1 << operand.bits) - codes
    return np.asarray(np.minimum(codes, negated))
