"""Which files hold a table of products, and how are they read and written?

ApproxTorch, AdaPT and TransAxx, AppMult, tf-approximate and ApproxTrain each have their own.
"""

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from axdse.multipliers.cache import write_output
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.designs.family import Multiplier
from axdse.multipliers.errors import AxdseError, printable
from axdse.multipliers.files import MIB, InputFile, without_comments
from axdse.multipliers.formats import IntFormat
from axdse.multipliers.model.cmodel import table_of, twos_complement
from axdse.multipliers.model.object_check import is_pure
from axdse.multipliers.names import C_KEYWORDS
from axdse.multipliers.npz import open_npy
from axdse.multipliers.tables.lut import build_lut, load_approxtrain
from axdse.multipliers.tables.product_tables import (
    MOST_BITS,
    Index,
    ProductTable,
    product_table,
    significand_table,
)

TABLES = (".npy", ".bin", ".h", ".txt", ".csv", ".tsv")
Target = Literal["approxtorch", "adapt", "appmult", "tf-approximate", "npy", "csv"]
TARGETS: tuple[Target, ...] = get_args(Target)
LARGEST_TEXT = 8 * MIB
# What AppMult's simulator writes before its table, whatever it reports before that.
APPMULT_HEAD = "LUT for approximate multiplier:"
# Possessive: with words behind its numbers a row would be split in 2^n ways.
_ONE = (
    r"[-+]?(?:0[xX][0-9a-fA-F]{1,10}+|\d{1,12}+(?:\.\d{0,24}+)?+(?:[eE][-+]?\d{1,2}+)?+)(?![\w.])"
)
_ROW = re.compile(rf"\s*+{_ONE}(?:(?:\s*+[,;]\s*+|\s++){_ONE})*+\s*+[,;]?\s*+", re.ASCII)
_NUMBER = re.compile(_ONE, re.ASCII)
_ARRAY = re.compile(
    r"\[\s*(\d{1,6})\s*\]\s*\[\s*(\d{1,6})\s*\]\s*=\s*\{([-+\s\da-fA-FxX,{}]*)\}\s*;"
)
_REMEDY = "check the file"


def is_table(path: Path) -> bool:
    """Whether a file's name and what is in it promise a table of products, sound or not.

    Raises:
        AxdseError: it cannot be read.
    """
    if path.suffix not in TABLES:
        return False
    if path.suffix in (".npy", ".bin"):
        return True
    text = _text(path)
    if path.suffix == ".h":
        return _ARRAY.search(text) is not None
    lines = [line for line in text.split("\n") if line.strip()]
    rows = sum(1 for line in lines if len(_integers(line) or ()) > 1)
    return APPMULT_HEAD in text or (rows >= 2 and 2 * rows > len(lines))


def read_table(
    path: Path, *, index: Index | None = None, signed: bool | None = None
) -> ProductTable:
    """Read a file of products: text (a matrix, or lines `a b p`), .npy, uint16 .bin, C header.

    Args:
        path: the file.
        index: the order of its operands; None: found, see `product_table`.
        signed: whether they are two's complement; None: found.

    Raises:
        AxdseError: it has another size, gaps, a header, entries that do not fit, or no order.
    """
    if path.suffix == ".bin":
        found = _bin(path)
        if isinstance(found, ProductTable):
            return found
    elif path.suffix == ".npy":
        found = _npy(path)
    elif path.suffix == ".h":
        found = _header(path)
    else:
        rows = _rows(path)
        if len(rows[0]) == 3:
            return _of_lines(rows, path, index, signed)
        found = _matrix(rows, path)
    return product_table(found, path.name, index=index, signed=signed)


def write_c_model(
    path: Path, folder: Path, *, index: Index | None = None, signed: bool | None = None
) -> tuple[Path, ProductTable]:
    """Write a table as C, called as the file is, and return both.

    Raises:
        AxdseError: as `read_table`.
    """
    table = read_table(path, index=index, signed=signed)
    name = plain_name(path.stem)
    function = f"{name}_table" if name in C_KEYWORDS or is_pure(name) else name
    model = folder / f"{function}.c"
    model.write_text(table.c_source(function, printable(path.name).replace("*/", "")))
    return model, table


def plain_name(stem: str) -> str:
    """The stem of a file as a name: of `6_6_wt+bp`, `mul_6_6_wt_bp`."""
    name = re.sub(r"\W", "_", stem, flags=re.ASCII)
    return name if re.match(r"[A-Za-z]", name) else f"mul_{name.lstrip('_')}"


def _text(path: Path) -> str:
    return InputFile(path, "a table is a readable file", LARGEST_TEXT, _REMEDY).text()


def _bin(path: Path) -> np.ndarray | ProductTable:
    """uint16, row by row; or a byte an entry, of fractions, whose name tells their bits."""
    file = InputFile(path, "a table is a readable file", LARGEST_TEXT, _REMEDY)
    data = file.read()
    bits = len(data).bit_length() - 1
    if len(data) == 1 << bits and bits % 2 and bits > 2:
        side = 1 << (bits // 2)
        return np.frombuffer(data, dtype="<u2").astype(np.int64).reshape(side, side)
    if len(data) == 1 << bits and bits and re.search(r"_[1-7]$", path.stem):
        return significand_table(load_approxtrain(path).entries, path.name)
    raise AxdseError(
        "a .bin table is 2^n x 2^n of uint16, or bytes of ApproxTrain in NAME_m.bin",
        f"{path.name} has {len(data)} bytes",
        "it is cut off, or of another type: write .npy",
    )


def _npy(path: Path) -> np.ndarray:
    file = InputFile(path, "a table is a readable .npy of numbers", LARGEST_TEXT, _REMEDY)
    array = np.asarray(open_npy(file))
    side = 1 << (array.size.bit_length() // 2)
    if array.ndim == 1 and side * side == array.size:
        array = array.reshape(side, side)
    whole = array.dtype.kind in "iu" or (
        array.dtype.kind == "f" and bool(np.all(np.mod(array, 1) == 0))
    )
    if not whole or not np.all(np.abs(array.astype(np.float64)) < 1 << 40):
        rule = "products are integers below 2^40"
        raise AxdseError(rule, f"{path.name} holds {array.dtype}", "write integers")
    return array.astype(np.int64)


def _header(path: Path) -> np.ndarray:
    """The first two-dimensional array of a C header."""
    match = _ARRAY.search(without_comments(_text(path)))
    if match is None:
        rule = "a header has a table such as 'const int16_t lut[256][256] = {...};'"
        raise AxdseError(rule, path.name, "write it so, of numbers alone")
    shape = int(match[1]), int(match[2])
    numbers = [*map(_integer, _NUMBER.findall(match[3]))]
    if len(numbers) != shape[0] * shape[1]:
        rule = f"{path.name} declares {shape[0]} x {shape[1]} entries"
        raise AxdseError(rule, f"it has {len(numbers)}", "write all of them")
    return np.array(numbers, dtype=np.int64).reshape(shape)


def _rows(path: Path) -> list[list[int]]:
    """The numbers of each line; of AppMult's, those of its first table.

    Raises:
        AxdseError: a line is none of numbers.
    """
    text = _text(path).removeprefix("\ufeff")
    head, told, table = text.partition(APPMULT_HEAD)
    lines = (table if told else text).split("\n")
    start = head.count("\n") + 1 if told else 1
    rows: list[list[int]] = []
    for number, line in enumerate(lines, start):
        if not line.strip():
            continue
        row = _integers(line)
        if row is None:
            if told and rows:  # what follows is of gradients
                break
            raise AxdseError(
                "a table is lines of integers, without a header",
                f"{path.name}, line {number}: {line.strip()[:40]!r}",
                "remove that line, or write .npy",
            )
        rows.append(row)
    if not rows:
        raise AxdseError("a table is lines of integers", f"{path.name} has none", _REMEDY)
    return rows


def _integers(line: str) -> list[int] | None:
    """The numbers of a row, which `numpy.savetxt` writes as 1.05e+02; None: it is none of them."""
    if not _ROW.fullmatch(line):
        return None
    found = [*map(_integer, _NUMBER.findall(line))]
    whole = [each for each in found if each is not None]
    return whole if len(whole) == len(found) else None


def _integer(text: str) -> int | None:
    """The value of a number; None: it is no integer."""
    digits = text.lstrip("-+")
    if digits.isdigit():
        return int(text)
    if digits[:2] in ("0x", "0X"):
        return int(text, 16)
    value = float(text)
    return int(value) if value.is_integer() else None


def _matrix(rows: list[list[int]], path: Path) -> np.ndarray:
    width = len(rows[0])
    for number, row in enumerate(rows, 1):
        if len(row) != width:
            rule = f"each row of {path.name} has {width} products, as the first"
            raise AxdseError(rule, f"row {number} has {len(row)}", "write all of them")
    return np.array(rows, dtype=np.int64)


def _of_lines(
    rows: list[list[int]], path: Path, index: Index | None, signed: bool | None
) -> ProductTable:
    """Lines `a b p`, in any order, each pair once."""
    lines = _matrix(rows, path)
    lowest = lines[:, :2].min(axis=0)
    sizes = lines[:, :2].max(axis=0) - lowest + 1
    negative = bool((lowest < 0).any())
    if (negative and (lowest != -sizes // 2).any()) or (not negative and lowest.any()):
        low, high = lowest.tolist(), lines[:, :2].max(axis=0).tolist()
        raise AxdseError(
            "operands are 0..2^n-1, or -2^(n-1)..2^(n-1)-1",
            f"{path.name} has {low[0]}..{high[0]} and {low[1]}..{high[1]}",
            "write all pairs",
        )
    if int(sizes.max()) > 1 << MOST_BITS or len(lines) != int(sizes.prod()):
        raise AxdseError(
            f"{path.name} has {' x '.join(map(str, sizes.tolist()))} pairs, each once",
            f"{len(lines)} lines",
            "write all of them",
        )
    table = np.zeros(tuple(sizes), dtype=np.int64)
    met = np.zeros(tuple(sizes), dtype=bool)
    a, b = (lines[:, :2] - lowest).T
    met[a, b] = True
    if not met.all():
        gap = np.argwhere(~met)[0] + lowest
        rule = f"{path.name} has each pair once"
        raise AxdseError(rule, f"{gap[0]} x {gap[1]} is missing", "write all of them")
    table[a, b] = lines[:, 2]
    return product_table(table, path.name, index=index, signed=signed, given=negative)


def write_table(multiplier: Multiplier, target: Target, path: Path) -> str:
    """Write the products of a core as another tool reads them, and say how.

    Args:
        multiplier: the core; an unsigned one is put into int8, its sign an xor, for tools whose
            operands are signed.
        target: whose.
        path: the file.

    Raises:
        AxdseError: it is no integer core, the tool has no such operands, or a product does not
            fit; the file cannot be written.
    """
    if multiplier.family.kind != "integer":
        rule, remedy = "these files hold integer products", "write .npz without --to"
        raise AxdseError(rule, f"{multiplier.spec} is a {multiplier.family.kind} core", remedy)
    if multiplier.a_bits + multiplier.b_bits > MOST_BITS:
        rule = f"a table of products has up to 2^{MOST_BITS} entries"
        raise AxdseError(rule, multiplier.spec, "choose a narrower design")
    content, told = _WRITERS[target](multiplier)
    write_output(path, content)
    return told


def _signed(multiplier: Multiplier) -> np.ndarray:
    """Products of two's complement codes, int16."""
    bits = multiplier.operand_bits
    if bits > 8:
        rule = "a tool of signed operands has up to 8 bits"
        raise AxdseError(rule, multiplier.spec, "choose --to npy")
    return build_lut(Candidate(multiplier, IntFormat(bits))).entries


def _values(multiplier: Multiplier) -> np.ndarray:
    """Products of the core by the operands' patterns, int64."""
    table = table_of(multiplier)
    if multiplier.family.signed:
        return twos_complement(table, multiplier.product_bits)
    return table.astype(np.int64)


def _approxtorch(multiplier: Multiplier) -> tuple[bytes, str]:
    table = _signed(multiplier)
    half = len(table) // 2
    return _lines(np.roll(table, (half, half), (0, 1)), "\t"), f"rows and columns from {-half}"


def _adapt(multiplier: Multiplier) -> tuple[bytes, str]:
    table = _signed(multiplier)
    rows = ",\n".join("{" + ", ".join(map(str, row)) + "}" for row in table.tolist())
    size = len(table)
    text = f"#include <stdint.h>\n\nconst int16_t lut [{size}][{size}] = {{\n{rows}\n}};\n"
    return text.encode(), "rows and columns are bit patterns of two's complement"


def _appmult(multiplier: Multiplier) -> tuple[bytes, str]:
    if multiplier.family.signed:
        raise AxdseError("AppMult has unsigned operands", multiplier.spec, "choose --to npy")
    table = _values(multiplier)
    pairs = np.indices(table.shape).reshape(2, -1)
    lines = np.stack([*pairs, table.ravel()], axis=1)
    return f"{APPMULT_HEAD}\n".encode() + _lines(lines, " "), "lines 'a b p'"


def _tf_approximate(multiplier: Multiplier) -> tuple[bytes, str]:
    table = table_of(multiplier)
    if multiplier.operand_bits > 8:
        rule = "a .bin table has up to 8 x 8 bits"
        raise AxdseError(rule, multiplier.spec, "choose --to npy")
    return table.astype("<u2").tobytes(), "uint16, rows and columns are bit patterns"


def _npy_content(multiplier: Multiplier) -> tuple[bytes, str]:
    buffer = io.BytesIO()
    np.save(buffer, _values(multiplier).astype(np.int32))
    return buffer.getvalue(), "int32, rows and columns are bit patterns"


def _csv(multiplier: Multiplier) -> tuple[bytes, str]:
    return _lines(_values(multiplier), ","), "rows and columns are bit patterns"


def _lines(table: np.ndarray, between: str) -> bytes:
    rows: Iterator[str] = (between.join(map(str, row)) for row in table.tolist())
    return ("\n".join(rows) + "\n").encode()


_WRITERS: dict[Target, Callable[[Multiplier], tuple[bytes, str]]] = {
    "approxtorch": _approxtorch,
    "adapt": _adapt,
    "appmult": _appmult,
    "tf-approximate": _tf_approximate,
    "npy": _npy_content,
    "csv": _csv,
}
