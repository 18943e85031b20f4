"""How does a C model become a table?

The only place that knows index order, sign, entry layout, digest and file formats.

Layout. `entries[a, b]`: the row is the first operand. For float(e, m), whatever e, an operand
index is its m-bit fraction, an entry is (carry << F) | fraction, meaning
2^carry * (1 + fraction / 2^F), with F = m (narrow) or 2m + 1 (wide): uint8 where it fits, else
uint16. For integers an operand index is its code, an entry the product, int16, or uint16 where
both operands are unsigned.
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
        entries = _int_entries(multiplier, number_format, table_of(multiplier))
    else:
        check_size(number_format)
        entries = _float_entries(multiplier, number_format)
    return Lut(multiplier.spec, number_format, entries)


def by_bytes(lut: Lut) -> Lut:
    """The table of an integer format as int8 operators index it.

    Operands of fewer bits are bytes, too; those that are none of the format give 0. An unsigned
    code q is c = q - 2^(bits-1), and an entry the product of such c with the error of that of q:
    T(q, r) - q r + c d. So zero points enter as if codes were signed, and exact tables are alike.

    Raises:
        AxdseError: such an entry does not fit 16 bits: T is off by more than 2^14.
    """
    number_format = lut.format
    if not isinstance(number_format, IntFormat):
        return lut
    whole = IntFormat(8, number_format.scale)
    if number_format == whole:
        return lut
    far = [_values(each) for each in number_format.operands]
    near = [_values(each) - each.middle for each in number_format.operands]
    products = lut.entries.astype(np.int64) - np.outer(*far) + np.outer(*near)
    beyond = np.argwhere(products != products.astype(np.int16))
    if beyond.size:
        a, b = beyond[0]
        rule = f"in {number_format.name} a product is not further off than 16 bits have room for"
        value = f"{lut.multiplier} gives {lut.entries[a, b]} for {a} x {b}"
        raise AxdseError(rule, value, "choose a design with less error")
    entries = np.zeros(_layout(whole)[0], dtype=np.int16)
    entries[np.ix_(*(c & 0xFF for c in near))] = products
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
        first, second = (1 << each.bits for each in number_format.operands)
        return (first, second), np.int16 if number_format.signed_product else np.uint16
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


def _int_entries(
    multiplier: Multiplier, number_format: IntFormat, table: np.ndarray
) -> np.ndarray:
    """Core products -> codes in, products out."""
    if not number_format.signed_product:
        return table.astype(np.uint16)
    if multiplier.family.signed:
        return twos_complement(table, number_format.product_bits).astype(np.int16)
    return _signed_products(multiplier, number_format, table)


def _signed_products(
    multiplier: Multiplier, number_format: IntFormat, table: np.ndarray
) -> np.ndarray:
    a, b = (_values(each) for each in number_format.operands)
    magnitudes = table.astype(np.int64)[np.ix_(np.abs(a), np.abs(b))]
    bits = number_format.product_bits
    if magnitudes.max() >> (bits - 1):
        raise AxdseError(
            f"{number_format.unit.name} products must fit {bits} signed bits",
            f"{multiplier.spec} reaches {magnitudes.max()}",
            "choose a design with less overshoot",
        )
    # Not np.sign: an approximate 0 x -1 need not be 0, and the hardware's sign is an xor.
    signs = np.where((a[:, None] < 0) != (b < 0), -1, 1)
    return np.asarray(magnitudes * signs, dtype=np.int16)


def _values(operand: IntFormat) -> np.ndarray:
    """The integer that each code is: of an unsigned one itself."""
    codes = np.arange(1 << operand.bits)
    return codes - (codes >> (operand.bits - 1) << operand.bits) * operand.signed


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
