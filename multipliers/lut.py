"""Stage 4, LUT: from C model to table.

The only place that knows index order, sign, entry layout, digest and file formats.

Layout. `entries[a, b]`: the row is the first operand. For float(8, m) an operand index is its
m-bit fraction, an entry is (carry << F) | fraction, meaning 2^carry * (1 + fraction / 2^F),
with F = m (narrow) or 2m + 1 (wide): uint8 where it fits, else uint16. For int8 an operand
index is its two's complement byte, an entry the signed product as int16.
"""

import io
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from axdse.multipliers.cache import digest, write_atomically
from axdse.multipliers.candidate import Candidate
from axdse.multipliers.catalog import Multiplier
from axdse.multipliers.cmodel import tabulate
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import FloatFormat, Format, IntFormat, parse_format

MAX_FRACTION_BITS = 7
LAYOUT_VERSION = "1"


@dataclass(frozen=True, eq=False)
class Lut:
    """A proven table of one candidate.

    Attributes:
        multiplier: spec of the core, or the name of the file it was read from.
        format: operands and product.
        entries: read-only array, see the module's docstring.
        digest: SHA-256 of layout, format and entries; equal digests multiply alike.
    """

    multiplier: str
    format: Format
    entries: np.ndarray = field(repr=False)

    def __post_init__(self) -> None:
        self.entries.flags.writeable = False

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of layout version, format and entries."""
        return digest(LAYOUT_VERSION, self.format.name, self.entries.tobytes())


def build_lut(candidate: Candidate) -> Lut:
    """Tabulate a candidate over all operand pairs.

    The core sees nothing but fractions (or magnitudes), and the C harness has shown it to be a
    pure function of them, so the table is separable from sign and exponents by construction.

    Raises:
        AxdseError: m > 7, a product of normalised significands falls below 1, or an integer
            product does not fit 16 bits.
    """
    multiplier, number_format = candidate.multiplier, candidate.format
    if isinstance(number_format, IntFormat):
        entries = _signed_products(multiplier, tabulate(multiplier))
    else:
        _check_size(number_format)
        entries = _float_entries(multiplier, number_format)
    return Lut(multiplier.spec, number_format, entries)


def entry_type(number_format: FloatFormat) -> type[np.uint8] | type[np.uint16]:
    """The dtype that holds carry and fraction."""
    return np.uint8 if number_format.product_fraction_bits < 8 else np.uint16


def _check_size(number_format: FloatFormat) -> None:
    if number_format.fraction_bits > MAX_FRACTION_BITS:
        raise AxdseError(
            f"tables go up to m = {MAX_FRACTION_BITS}",
            number_format.name,
            "choose fewer fraction bits",
        )


def _float_entries(multiplier: Multiplier, number_format: FloatFormat) -> np.ndarray:
    table = tabulate(multiplier)
    if multiplier.family.kind == "integer":
        hidden = 1 << number_format.fraction_bits
        table = _normalised(multiplier, number_format, table[hidden:, hidden:])
    return np.ascontiguousarray(table, dtype=entry_type(number_format))


def _normalised(
    multiplier: Multiplier, number_format: FloatFormat, significands: np.ndarray
) -> np.ndarray:
    """Integer products of significands (hidden ones restored) -> carry and fraction."""
    m, kept = number_format.fraction_bits, number_format.product_fraction_bits
    one = np.uint64(1 << (2 * m))
    below = np.argwhere(significands < one)
    if below.size:
        x, y = (int(value) + (1 << m) for value in below[0])
        raise AxdseError(
            "the product of two normalised significands must be at least 1",
            f"{multiplier.spec} gives {int(significands[tuple(below[0])])} for {x} x {y}",
            "remove less of the top partial products, or use it in int8",
        )
    carry = significands >> np.uint64(2 * m + 1)
    wide = (significands << (np.uint64(1) - carry)) & np.uint64((1 << (2 * m + 1)) - 1)
    return (carry << np.uint64(kept)) | (wide >> np.uint64(2 * m + 1 - kept))


def _signed_products(multiplier: Multiplier, table: np.ndarray) -> np.ndarray:
    """Magnitude products -> two's complement bytes in, signed products out."""
    codes = np.arange(256, dtype=np.uint8).view(np.int8).astype(np.int64)
    signs = np.where((codes[:, None] < 0) != (codes[None, :] < 0), -1, 1)
    signed = table.astype(np.int64)[np.abs(codes)[:, None], np.abs(codes)[None, :]] * signs
    if np.abs(signed).max() > 32767:
        raise AxdseError(
            "int8 products must fit 16 signed bits",
            f"{multiplier.spec} reaches {int(np.abs(signed).max())}",
            "choose a design with less overshoot",
        )
    return signed.astype(np.int16)


def save_npz(lut: Lut, path: Path) -> None:
    """Write entries, format, multiplier and digest as a compressed .npz."""
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        entries=lut.entries,
        format=lut.format.name,
        multiplier=lut.multiplier,
        digest=lut.digest,
    )
    write_atomically(path, buffer.getvalue())


def load_npz(path: Path) -> Lut:
    """Read what `save_npz` wrote, and check its digest.

    Raises:
        AxdseError: not such a file, or damaged.
    """
    remedy = "write it again with 'axdse lut'"
    try:
        with np.load(path, allow_pickle=False) as file:
            number_format = parse_format(str(file["format"]))
            lut = Lut(str(file["multiplier"]), number_format, file["entries"])
            stored = str(file["digest"])
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise AxdseError(
            "a table is a readable .npz of axdse", f"{path} ({error})", remedy
        ) from error
    if lut.digest != stored:
        raise AxdseError("a table must match its digest", path, remedy)
    return lut


def save_approxtrain(lut: Lut, path: Path) -> None:
    """Write ApproxTrain's .bin: a byte an entry, carry in bit 7, row = first operand.

    Raises:
        AxdseError: the table is not narrow float(8, m), or the file name does not end in _m.
    """
    m = _approxtrain_bits(path)
    number_format = lut.format
    if not isinstance(number_format, FloatFormat) or number_format.product == "wide":
        raise AxdseError(
            "ApproxTrain tables hold narrow float products",
            number_format.name,
            "use --format 'float(8,7,product=narrow)' or write .npz",
        )
    if m != number_format.fraction_bits:
        raise AxdseError(
            "an ApproxTrain file name ends in _m.bin with the table's m",
            f"{path.name} for m={number_format.fraction_bits}",
            f"name it NAME_{number_format.fraction_bits}.bin",
        )
    carry, fraction = lut.entries >> m, lut.entries & ((1 << m) - 1)
    write_atomically(path, ((carry << 7) | fraction).astype(np.uint8).tobytes())


def load_approxtrain(path: Path, rounding: str = "truncate") -> Lut:
    """Read ApproxTrain's .bin; m comes from the file name, such as `MBM_7.bin`.

    Raises:
        AxdseError: the name has no m, or the size is not 2^(2m) bytes.
    """
    m = _approxtrain_bits(path)
    try:
        data = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise AxdseError("a table is a readable file", path, "check the path") from error
    if data.size != 1 << (2 * m):
        raise AxdseError(
            f"{path.name} must have {1 << (2 * m)} bytes", data.size, "it is truncated or misnamed"
        )
    stray = data & 0x7F & ~np.uint8((1 << m) - 1)
    if stray.any():
        raise AxdseError(
            f"fractions in {path.name} must fit {m} bits",
            f"entry {int(np.argmax(stray != 0))} is {int(data[np.argmax(stray != 0)]):#x}",
            "check the m in the file name",
        )
    entries = ((data >> 7) << m) | (data & ((1 << m) - 1))
    number_format = parse_format(f"float(8,{m},round={rounding},product=narrow)")
    return Lut(path.name, number_format, entries.reshape(1 << m, 1 << m))


def _approxtrain_bits(path: Path) -> int:
    digits = path.stem.rpartition("_")[2]
    if not digits.isdigit() or not 1 <= int(digits) <= MAX_FRACTION_BITS:
        raise AxdseError(
            "an ApproxTrain file name ends in _m.bin, m in 1..7", path.name, "rename it"
        )
    return int(digits)
