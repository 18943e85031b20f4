"""Stage 3, error: which operands a core met in a network, as joint histograms, and their file."""

import functools
import io
import zipfile
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from pydantic import TypeAdapter, ValidationError

from axdse.multipliers.cache import digest, write_atomically
from axdse.multipliers.candidate import Candidate
from axdse.multipliers.catalog import Multiplier
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import FloatFormat, Format, parse_format

ProductName = Literal["forward", "input_gradient", "weight_gradient"]
PRODUCTS: tuple[ProductName, ...] = get_args(ProductName)
LAYOUT_VERSION = 1
_REMEDY = "write it again with 'axdse train --record'"


def code_bits(number_format: Format) -> int:
    """Width of an operand's code: a float's fraction, an integer's two's complement."""
    if isinstance(number_format, FloatFormat):
        return number_format.fraction_bits
    return number_format.bits


@dataclass(frozen=True, eq=False)
class OperandHistogram:
    """How often each pair of operands met in one product of one layer.

    Attributes:
        layer: name of the layer in its model.
        product: which of the layer's three matrix products.
        format: of the operands; float(8, m) here has m <= 7.
        counts: read-only int64 [2^w, 2^w], the row is the first operand as the core sees it: by
            its fraction, w = m, in a float format; by its two's complement code in int8.
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
        size = 1 << code_bits(self.format)
        if self.counts.shape != (size, size) or self.counts.dtype != np.int64:
            raise AxdseError(
                f"operands in {self.format.name} are counted in {size} x {size} int64",
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
class Recording:
    """The operands of a network while it was trained or evaluated.

    Attributes:
        histograms: one for each layer and product.
        workload: network and images.
        multiplier: spec of the design that multiplied.
        seed: of the training.
        every: one call of a layer in so many was recorded.
    """

    histograms: tuple[OperandHistogram, ...]
    workload: str
    multiplier: str
    seed: int
    every: int = 1

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of everything in it; equal digests weigh errors alike."""
        header = TypeAdapter(_Header).dump_json(_header(self, ""))
        return digest(header, *(histogram.counts.tobytes() for histogram in self.histograms))


def core_weights(histogram: OperandHistogram, multiplier: Multiplier) -> np.ndarray:
    """Spread a histogram over the domain of a core, for `error_metrics`.

    An integer core in a float unit meets significands, hidden one included; an unsigned core in
    an integer unit meets magnitudes (so its bias is that of magnitudes), a signed one the codes.
    How wide the unit's product is does not matter here.

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
    size = 1 << multiplier.operand_bits
    weights = np.zeros((size, size), dtype=np.int64)
    if isinstance(number_format, FloatFormat):
        weights[size // 2 :, size // 2 :] = histogram.counts
        return weights
    codes = np.arange(size)
    magnitudes = np.minimum(codes, size - codes)  # of two's complement
    np.add.at(weights, np.ix_(magnitudes, magnitudes), histogram.counts)
    return weights


@dataclass(frozen=True)
class _Entry:
    layer: str
    product: ProductName
    format: str
    zero: int
    non_finite: int


@dataclass(frozen=True)
class _Header:
    """What a file says beside the counts."""

    version: int
    workload: str
    multiplier: str
    seed: int
    every: int
    entries: tuple[_Entry, ...]
    digest: str


def _header(recording: Recording, content: str) -> _Header:
    entries = tuple(
        _Entry(h.layer, h.product, h.format.name, h.zero, h.non_finite)
        for h in recording.histograms
    )
    workload, multiplier = recording.workload, recording.multiplier
    return _Header(
        LAYOUT_VERSION, workload, multiplier, recording.seed, recording.every, entries, content
    )


def save_recording(recording: Recording, path: Path) -> None:
    """Write one compressed .npz: a JSON header, and the counts of each histogram.

    Raises:
        AxdseError: the place is not writable.
    """
    header = TypeAdapter(_Header).dump_json(_header(recording, recording.digest))
    counts = {f"counts_{i}": h.counts for i, h in enumerate(recording.histograms)}
    buffer = io.BytesIO()
    # savez's own first argument is typed as if the arrays could be its flag.
    np.savez_compressed(buffer, header=np.array(header.decode()), **counts)  # type: ignore[arg-type]
    write_atomically(path, buffer.getvalue())


def load_recording(path: Path) -> Recording:
    """Read what `save_recording` wrote, and check its digest.

    Raises:
        AxdseError: not such a file, of another version, or damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            header = TypeAdapter(_Header).validate_json(str(_array(archive, "header")))
            if header.version != LAYOUT_VERSION:
                raise AxdseError(
                    f"recordings are of version {LAYOUT_VERSION}",
                    f"{path} is of {header.version}",
                    _REMEDY,
                )
            counts = [_array(archive, f"counts_{i}") for i in range(len(header.entries))]
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise AxdseError(
            "a recording is a readable .npz of axdse", f"{path} ({_reason(error)})", _REMEDY
        ) from error
    recording = _assembled(header, counts)
    if recording.digest != header.digest:
        raise AxdseError("a recording must match its digest", path, _REMEDY)
    return recording


def _array(archive: zipfile.ZipFile, key: str) -> np.ndarray:
    return np.asarray(np.load(io.BytesIO(archive.read(f"{key}.npy")), allow_pickle=False))


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return str(error.errors()[0]["msg"])
    return str(error)


def _assembled(header: _Header, counts: list[np.ndarray]) -> Recording:
    histograms = tuple(
        OperandHistogram(e.layer, e.product, parse_format(e.format), c, e.zero, e.non_finite)
        for e, c in zip(header.entries, counts, strict=True)
    )
    return Recording(histograms, header.workload, header.multiplier, header.seed, header.every)
