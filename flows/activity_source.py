"""Stage 6, cost: which operands follow one another: uniform, a trace in order, or a recording."""

import io
import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from axdse.flows.activity import Transitions
from axdse.multipliers.cache import digest
from axdse.multipliers.candidate import Candidate
from axdse.multipliers.catalog import Multiplier
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import FloatFormat, Format, parse_format
from axdse.multipliers.operands import OperandHistogram, Recording, load_recording

COUNT = 4096
SEED = 0
Pair = tuple[np.ndarray, np.ndarray]
Design = Multiplier | Candidate


@dataclass(frozen=True)
class Uniform:
    """Independent pairs. A core meets all its codes alike, and so does an integer unit.

    Operands of a float unit have uniform signs and fractions, and uniform exponents among those
    in the middle whose products are all normal numbers, 64..190 for 8 bits.

    Attributes:
        count: multiplications.
        seed: of the pairs.
    """

    count: int = COUNT
    seed: int = SEED

    @property
    def text(self) -> str:
        """Provenance for people."""
        return f"uniform, {self.count} independent pairs, seed {self.seed}"

    @property
    def digest(self) -> str:
        """What a cost depends on."""
        return digest("uniform", str(self.count), str(self.seed))

    def transitions(self, design: Design) -> Transitions:
        """Draw the pairs."""
        random = np.random.default_rng(self.seed)
        if isinstance(design, Candidate) and isinstance(design.format, FloatFormat):
            a, b = (_float_codes(design.format, self.count + 1, random) for _ in range(2))
            return _in_order(a, b)
        core = design.multiplier if isinstance(design, Candidate) else design
        a, b = (
            random.integers(0, 1 << bits, self.count + 1, dtype=np.uint64)
            for bits in (core.a_bits, core.b_bits)
        )
        return _in_order(a, b)


@dataclass(frozen=True, eq=False)
class Trace:
    """Pairs in the order in which a multiplier meets them.

    Attributes:
        a: uint64 codes of first operands.
        b: likewise of second ones.
        format: that the codes are in, those of a unit; None: codes of the design itself.
        name: for people.
    """

    a: np.ndarray
    b: np.ndarray
    format: Format | None
    name: str

    @property
    def text(self) -> str:
        """Provenance for people."""
        return f"{self.name}: {self.a.size} pairs in order"

    @property
    def digest(self) -> str:
        """What a cost depends on."""
        known = self.format.name if self.format else "codes"
        return digest("trace", known, self.a.tobytes(), self.b.tobytes())

    def transitions(self, design: Design) -> Transitions:
        """As recorded.

        Raises:
            AxdseError: the design is of another format.
        """
        if self.format is None:
            return _in_order(self.a, self.b)
        if isinstance(design, Candidate):
            _check_format(design.format, self.format, self.name)
            return _in_order(self.a, self.b)
        mask = np.uint64((1 << (_code_bits(self.format))) - 1)
        return _in_order(
            *(_core_codes(design, self.format, codes & mask) for codes in (self.a, self.b))
        )


@dataclass(frozen=True, eq=False)
class Recorded:
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
        return digest("recorded", self.recording.digest, str(self.count), str(self.seed))

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
                parts.append(_in_order(*_drawn(histogram, design, count + 1, random)))
        return Transitions(
            *(
                np.concatenate([getattr(part, side) for part in parts])
                for side in ("a", "b", "next_a", "next_b")
            )
        )


Source = Uniform | Trace | Recorded


def read_source(text: str) -> Source:
    """Read what `--activity` names: `uniform`, or an .npz file.

    The file is a recording of `axdse train --record`, or a trace: arrays `a` and `b` of codes in
    order, and optionally `format`, the name of the number format that they are codes of.

    Raises:
        AxdseError: there is no such file, or it is something else.
    """
    if text == "uniform":
        return Uniform()
    path = Path(text)
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            if "header.npy" in names:
                return Recorded(load_recording(path), path.name)
            a, b = (_codes(archive, side, path) for side in ("a", "b"))
            known = parse_format(str(_array(archive, "format"))) if "format.npy" in names else None
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise AxdseError(
            "--activity is 'uniform', a recording, or an .npz with operand codes a and b",
            f"{path} ({error})",
            "record one with 'axdse train --record'",
        ) from error
    if a.shape != b.shape or a.size < 2:
        rule = "a trace has as many first operands as second ones, at least 2"
        raise AxdseError(rule, f"{a.size} and {b.size} in {path}", "record it again")
    return Trace(a, b, known, path.name)


def _array(archive: zipfile.ZipFile, key: str) -> np.ndarray:
    return np.asarray(np.load(io.BytesIO(archive.read(f"{key}.npy")), allow_pickle=False))


def _codes(archive: zipfile.ZipFile, key: str, path: Path) -> np.ndarray:
    codes = _array(archive, key)
    if codes.ndim != 1 or codes.dtype.kind not in "iu" or codes.min(initial=0) < 0:
        rule = "a trace holds operand codes: one-dimensional arrays of integers from 0"
        raise AxdseError(rule, f"{key} in {path}: {codes.dtype}", "give bit patterns, not values")
    return codes.astype(np.uint64)


def _in_order(a: np.ndarray, b: np.ndarray) -> Transitions:
    return Transitions(a[:-1], b[:-1], a[1:], b[1:])


def _code_bits(number_format: Format) -> int:
    if isinstance(number_format, FloatFormat):
        return number_format.fraction_bits
    return number_format.bits


def _float_codes(
    number_format: FloatFormat,
    count: int,
    random: np.random.Generator,
    fraction: np.ndarray | None = None,
) -> np.ndarray:
    """Codes of uniform sign and middle exponent."""
    e, m, bias = number_format.exponent_bits, number_format.fraction_bits, number_format.bias
    sign = random.integers(0, 2, count, dtype=np.uint64)
    exponent = random.integers((bias + 1) // 2, (3 * bias + 1) // 2, count, dtype=np.uint64)
    if fraction is None:
        fraction = random.integers(0, 1 << m, count, dtype=np.uint64)
    return np.asarray(sign << np.uint64(e + m) | exponent << np.uint64(m) | fraction)


def _check_format(wanted: Format, found: Format, name: str) -> None:
    def shape(number_format: Format) -> tuple[object, ...]:
        if isinstance(number_format, FloatFormat):
            return number_format.exponent_bits, number_format.fraction_bits
        return number_format.bits, "int"

    if shape(wanted) != shape(found):
        rule = f"activity of a unit in {wanted.name} is of that format"
        raise AxdseError(rule, f"{found.name} in {name}", "record a run in that format")


def _core_codes(core: Multiplier, number_format: Format, codes: np.ndarray) -> np.ndarray:
    """What the core sees of a fraction, or of an integer's code."""
    if isinstance(number_format, FloatFormat):
        Candidate(core, replace(number_format, product="narrow"))
        hidden = core.family.kind == "integer"
        return np.asarray(codes | np.uint64(hidden << number_format.fraction_bits))
    Candidate(core, number_format)
    if core.family.signed:
        return codes
    return np.asarray(np.minimum(codes, np.uint64(1 << number_format.bits) - codes))


def _drawn(
    histogram: OperandHistogram, design: Design, count: int, random: np.random.Generator
) -> Pair:
    known = histogram.format
    codes = _sampled(histogram, count, random)
    if not isinstance(design, Candidate):
        first, second = (_core_codes(design, known, side) for side in codes)
        return first, second
    _check_format(design.format, known, histogram.name)
    if isinstance(design.format, FloatFormat):
        first, second = (_float_codes(design.format, count, random, side) for side in codes)
        return _with_zeros(histogram, (first, second), random)
    return codes


def _sampled(histogram: OperandHistogram, count: int, random: np.random.Generator) -> Pair:
    cumulated = np.cumsum(histogram.counts.ravel())
    drawn = random.integers(0, cumulated[-1], count)
    places = np.searchsorted(cumulated, drawn, side="right").astype(np.uint64)
    bits = np.uint64(_code_bits(histogram.format))
    return places >> bits, places & np.uint64((1 << int(bits)) - 1)


def _with_zeros(histogram: OperandHistogram, pairs: Pair, random: np.random.Generator) -> Pair:
    """One operand of each product with zero is zero; which one was not recorded."""
    share = histogram.zero / max(1, histogram.zero + histogram.total)
    zero = random.random(pairs[0].size) < share
    first = random.integers(0, 2, zero.size).astype(bool)
    return np.where(zero & first, 0, pairs[0]), np.where(zero & ~first, 0, pairs[1])
