"""What is a multiplication to a compiled kernel of this CPU: a table laid out, or a C model?"""

import ctypes
import functools
from dataclasses import dataclass

import numpy as np

from axdse.gpu.cpu.compile import load_inlined, load_kernel
from axdse.gpu.multiplication.inlined import Inlined
from axdse.multipliers.formats import FloatFormat
from axdse.multipliers.model.sum_model import sum_task
from axdse.multipliers.sums.recipe import Sum
from axdse.multipliers.tables.lut import Lut

VOID = 256  # gemm_int8.h
MISSING = 1  # float_codes.h
_ALIGNMENT = 64
_TABLE_AT, _ROW_ENTRIES, _FRACTION_BITS = 64, 32, 14  # kernel_sums.c


@dataclass(frozen=True, eq=False)
class Engine:
    """A compiled kernel with its multiplication; rows of a table belong to the rows of the GEMM.

    Attributes:
        library: the kernel, loaded.
        rows: the table as its `prepare_table` wrote it; empty if a C model is inlined.
        entries: uint16, see float_codes.h and gemm_int8.h; empty likewise.
        is_float: of float products, not int8.
        is_inlined: codes are 32 bits wide, not 16.
        fraction_bits: m; 0 for int8.
        entry_bytes: 1 or 2.
        nearest: operands are rounded to nearest even, not truncated.
    """

    library: ctypes.CDLL
    rows: np.ndarray
    entries: np.ndarray
    is_float: bool
    is_inlined: bool
    fraction_bits: int
    entry_bytes: int
    nearest: bool

    @functools.cached_property
    def addresses(self) -> tuple[int, int]:
        """Where `rows` and `entries` lie in memory; numpy takes its time to tell."""
        return self.rows.ctypes.data, self.entries.ctypes.data

    @functools.cached_property
    def border(self) -> int:
        """The code of what is not there; zero where that has no products of its own."""
        if self.is_float:
            return MISSING
        return VOID if self.entries[:, 0].any() else 0


def inlined_engine(inlined: Inlined, columns_first: bool) -> Engine:
    """A kernel compiled with the C model in it; arguments as `table_engine`.

    Raises:
        AxdseError: the kernel does not compile.
    """
    number_format, nothing = inlined.format, np.empty(0, np.uint16)
    return Engine(
        load_inlined(inlined, columns_first),
        nothing,
        nothing,
        is_float=True,
        is_inlined=True,
        fraction_bits=number_format.fraction_bits,
        entry_bytes=0,
        nearest=number_format.rounding == "nearest",
    )


def table_engine(source: str, entries: np.ndarray, number_format: FloatFormat | None) -> Engine:
    """Lay a table out for a kernel that looks up.

    Args:
        source: of the kernel.
        entries: as `axdse.multipliers.tables.lut` has them; rows are the rows of the GEMM.
        number_format: None for int8.

    Raises:
        AxdseError: the kernel does not compile.
    """
    library, fraction_bits, entry_bytes = load_kernel(source), 0, 2
    if number_format:
        kept = number_format.product_fraction_bits
        fraction_bits, entry_bytes = number_format.fraction_bits, 1 if kept <= 7 else 2
        entries = entries.astype(np.uint16) << (15 - kept)
    entries = np.ascontiguousarray(entries).view(np.uint16)
    rows = _aligned(library.table_size(fraction_bits, entry_bytes))
    addresses = (ctypes.c_void_p(array.ctypes.data) for array in (rows, entries))
    library.prepare_table(*addresses, fraction_bits, entry_bytes)
    return Engine(
        library,
        rows,
        entries,
        is_float=number_format is not None,
        is_inlined=False,
        fraction_bits=fraction_bits,
        entry_bytes=entry_bytes,
        nearest=number_format is not None and number_format.rounding == "nearest",
    )


def sum_engine(source: str, lut: Lut, total: Sum, columns_first: bool) -> Engine:
    """Lay a table out for a kernel that adds by a recipe: `struct sum`, then significands.

    Args:
        source: of the kernel.
        lut: the table.
        total: the recipe.
        columns_first: the columns of the GEMM are the first operand.

    Raises:
        AxdseError: the kernel does not compile.
    """
    entries, number_format = lut.entries.T if columns_first else lut.entries, lut.format
    is_float = isinstance(number_format, FloatFormat)
    fraction_bits, recipe = 0, sum_task(total, 0)
    rows = _aligned(_TABLE_AT)
    if isinstance(number_format, FloatFormat):
        fraction_bits, kept = number_format.fraction_bits, number_format.product_fraction_bits
        wide = entries.astype(np.int64)
        size = (1 << kept | (wide & ((1 << kept) - 1))) << (wide >> kept)
        # A wide one's last bit is 0: of 2m + 1 there are 2m, and 16 bits hold them all.
        size = size << (_FRACTION_BITS - kept) if kept <= _FRACTION_BITS else size >> 1
        recipe = sum_task(total, _FRACTION_BITS)
        stride = max(_ROW_ENTRIES, 1 << fraction_bits)
        rows = _aligned(_TABLE_AT + 2 * stride * len(size))
        table = rows[_TABLE_AT:].view(np.uint16).reshape(len(size), stride)
        table[:, : size.shape[1]] = size
    rows[: ctypes.sizeof(recipe)] = np.frombuffer(bytes(recipe), np.uint8)
    return Engine(
        load_kernel(source),
        rows,
        np.ascontiguousarray(entries).view(np.uint16),
        is_float=is_float,
        is_inlined=False,
        fraction_bits=fraction_bits,
        entry_bytes=2,
        nearest=isinstance(number_format, FloatFormat) and number_format.rounding == "nearest",
    )


def _aligned(size: int) -> np.ndarray:
    """Zeros at the start of a cache line."""
    memory = np.zeros(size + _ALIGNMENT, np.uint8)
    return memory[-memory.ctypes.data % _ALIGNMENT :][:size]
