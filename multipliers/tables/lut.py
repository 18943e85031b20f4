"""How does a C model become a table?

The only place that knows index order, sign, entry layout, digest and file formats.

Layout. `entries[a, b]`: the row is the first operand. For float(e, m), whatever e, an operand
index is its m-bit fraction, an entry is (carry << F) | fraction, meaning
2^carry * (1 + fraction / 2^F), with F = m (narrow) or 2m + 1 (wide): uint8 where it fits, else
uint16. For intN an operand index is its two's complement code, an entry the signed product as
int16.
"""

import functools
import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from axdse.multipliers.cache import digest, write_output
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.designs.family import Multiplier
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.files import MIB, InputFile
from axdse.multipliers.formats import FloatFormat, Format, IntFormat, Rounding, parse_format
from axdse.multipliers.model.cmodel import table_of, twos_complement
from axdse.multipliers.model.float_model import float_table
from axdse.multipliers.model.unit_oracle import normalised
from axdse.multipliers.npz import open_npz

MAX_FRACTION_BITS = 7
LAYOUT_VERSION = "1"
LARGEST_FILE = MIB  # a table has up to 2^17 bytes


@dataclass(frozen=True, eq=False)
class Lut:
    """The table of one candidate.

    Attributes:
        multiplier: spec of the core, or the name of the file it was read from.
        format: operands and product.
        entries: read-only array, see the module's docstring.
        digest: SHA-256 of layout, format and entries; equal digests multiply alike.

    Raises:
        AxdseError: the entries have another shape or dtype than the format.
    """

    multiplier: str
    format: Format
    entries: np.ndarray = field(repr=False)

    def __post_init__(self) -> None:
        shape, dtype = _layout(self.format)
        if self.entries.shape != shape or self.entries.dtype != dtype:
            raise AxdseError(
                f"a table in {self.format.name} is {shape[0]} x {shape[1]} {dtype.__name__}",
                f"{self.entries.shape} {self.entries.dtype} of {self.multiplier}",
                "make it with build_lut",
            )
        self.entries.flags.writeable = False

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of layout version, format and entries."""
        return digest(LAYOUT_VERSION, self.format.spelled_out, self.entries.tobytes())


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
        entries = _int_entries(multiplier, number_format.bits, table_of(multiplier))
    else:
        check_size(number_format)
        entries = _float_entries(multiplier, number_format)
    return Lut(multiplier.spec, number_format, entries)


def by_bytes(lut: Lut) -> Lut:
    """The table of an integer format as int8 operators index it.

    Operands of fewer bits are bytes, too; those that are none of the format give 0.
    """
    number_format = lut.format
    if not isinstance(number_format, IntFormat) or number_format.bits == 8:
        return lut
    whole = IntFormat(8, number_format.scale)
    entries = np.zeros(_layout(whole)[0], dtype=np.int16)
    half = 1 << (number_format.bits - 1)
    codes = np.arange(-half, half)
    mask = 2 * half - 1
    entries[np.ix_(codes & 0xFF, codes & 0xFF)] = lut.entries[np.ix_(codes & mask, codes & mask)]
    return Lut(lut.multiplier, whole, entries)


def lut_from_float_model(path: Path, function: str | None, m: int) -> Lut:
    """Tabulate a C file's `float f(float, float)` as narrow float(8, m), operands truncated.

    Args:
        path: C source, such as ApproxTrain's .inl files.
        function: its name; None: the file's stem.
        m: fraction bits.

    Raises:
        AxdseError: m > 7, or as `axdse.multipliers.model.float_model.float_table`.
    """
    number_format = FloatFormat(8, m, "truncate", "narrow")
    check_size(number_format)
    table = float_table(path, function or path.stem, m)
    return Lut(path.name, number_format, table.astype(entry_type(number_format)))


def entry_type(number_format: FloatFormat) -> type[np.uint8] | type[np.uint16]:
    """The dtype that holds carry and fraction."""
    return np.uint8 if number_format.product_fraction_bits < 8 else np.uint16


def _layout(number_format: Format) -> tuple[tuple[int, int], type[np.generic]]:
    if isinstance(number_format, IntFormat):
        return (1 << number_format.bits, 1 << number_format.bits), np.int16
    row = 1 << number_format.fraction_bits
    return (row, row), entry_type(number_format)


def check_size(number_format: FloatFormat) -> None:
    """Refuse formats whose table would be too large.

    Raises:
        AxdseError: m > 7.
    """
    if number_format.fraction_bits > MAX_FRACTION_BITS:
        raise AxdseError(
            f"tables go up to m = {MAX_FRACTION_BITS}",
            number_format.name,
            "choose fewer fraction bits",
        )


def _float_entries(multiplier: Multiplier, number_format: FloatFormat) -> np.ndarray:
    table = table_of(multiplier)
    if multiplier.family.kind == "integer":
        hidden = 1 << number_format.fraction_bits
        a = np.arange(hidden, 2 * hidden)
        table = normalised(multiplier, number_format, a[:, None], a, table[hidden:, hidden:])
    return np.ascontiguousarray(table, dtype=entry_type(number_format))


def _int_entries(multiplier: Multiplier, bits: int, table: np.ndarray) -> np.ndarray:
    """Core products -> two's complement codes in, signed products out."""
    if multiplier.family.signed:
        return twos_complement(table, 2 * bits).astype(np.int16)
    return _signed_products(multiplier, bits, table)


def _signed_products(multiplier: Multiplier, bits: int, table: np.ndarray) -> np.ndarray:
    codes = np.arange(1 << bits)
    values = codes - ((codes >> (bits - 1)) << bits)
    magnitudes = table.astype(np.int64)[np.ix_(np.abs(values), np.abs(values))]
    if magnitudes.max() >> (2 * bits - 1):
        raise AxdseError(
            f"int{bits} products must fit {2 * bits} signed bits",
            f"{multiplier.spec} reaches {magnitudes.max()}",
            "choose a design with less overshoot",
        )
    # Not np.sign: an approximate 0 x -1 need not be 0, and the hardware's sign is an xor.
    signs = np.where((values[:, None] < 0) != (values < 0), -1, 1)
    return np.asarray(magnitudes * signs, dtype=np.int16)


def save_npz(lut: Lut, path: Path) -> None:
    """Write entries, format, multiplier and digest as a compressed .npz."""
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        entries=lut.entries,
        format=lut.format.name,
        multiplier=lut.multiplier,
        digest=lut.digest,
        seal=_seal(lut),
    )
    write_output(path, buffer.getvalue())


def load_npz(path: Path) -> Lut:
    """Read what `save_npz` wrote, and check its digest.

    Raises:
        AxdseError: not such a file, or damaged.
    """
    remedy = "write it again with 'axdse lut'"
    file = InputFile(path, "a table is a readable .npz of axdse", LARGEST_FILE, remedy)
    npz = open_npz(file, LARGEST_FILE)
    number_format = parse_format(npz.text("format"))
    lut = Lut(npz.text("multiplier"), number_format, npz.array("entries"))
    if npz.text("digest") != lut.digest or npz.text("seal") != _seal(lut):
        raise AxdseError("a table must match its digest", path, remedy)
    return lut


def _seal(lut: Lut) -> str:
    """SHA-256 (hex) of all that a file says."""
    return digest(LAYOUT_VERSION, lut.multiplier, lut.digest)


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
    write_output(path, ((carry << 7) | fraction).astype(np.uint8).tobytes())


def load_approxtrain(path: Path, rounding: Rounding = "truncate") -> Lut:
    """Read ApproxTrain's .bin; m comes from the file name, such as `MBM_7.bin`.

    Raises:
        AxdseError: the name has no m, or the size is not 2^(2m) bytes.
    """
    m = _approxtrain_bits(path)
    file = InputFile(path, "a table is a readable file", LARGEST_FILE)
    data = np.frombuffer(file.read(), dtype=np.uint8)
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
    number_format = FloatFormat(8, m, rounding, "narrow")
    return Lut(path.name, number_format, entries.reshape(1 << m, 1 << m))


def _approxtrain_bits(path: Path) -> int:
    digits = path.stem.rpartition("_")[2]
    if not digits.isdecimal() or not 1 <= int(digits) <= MAX_FRACTION_BITS:
        raise AxdseError(
            "an ApproxTrain file name ends in _m.bin, m in 1..7", path.name, "rename it"
        )
    return int(digits)
