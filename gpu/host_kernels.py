"""Stage 6, ops: the C kernels of the CPU, and a multiplication as each of them wants it."""

import ctypes
import functools
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import numpy as np

from axdse.gpu.host_library import cpu_flags, load_kernel
from axdse.gpu.inlined import Inlined
from axdse.gpu.inlined_library import load_inlined
from axdse.gpu.multiplication import resolve
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import FloatFormat

VOID = 256  # gemm_int8.h
MISSING = 1  # float_codes.h
_ALIGNMENT = 64


@dataclass(frozen=True)
class Kernel:
    """A pair of C sources that look products up.

    Attributes:
        name: as benchmarks and plans print it.
        float_source: its kernel for float formats.
        int8_source: its kernel for int8.
        needs: CPU flags without which it cannot run.
    """

    name: str
    float_source: str
    int8_source: str
    needs: frozenset[str]


VBMI = Kernel(
    "vbmi",
    "kernel_vbmi.c",
    "kernel_vbmi_int8.c",
    frozenset({"avx512f", "avx512bw", "avx512vl", "avx512vbmi"}),
)
AVX2 = Kernel("avx2", "kernel_avx2.c", "kernel_avx2_int8.c", frozenset({"avx2", "fma"}))
NEON = Kernel("neon", "kernel_neon.c", "kernel_neon_int8.c", frozenset({"asimd"}))
PORTABLE = Kernel("portable", "kernel_portable.c", "kernel_portable_int8.c", frozenset())
KERNELS = (VBMI, AVX2, NEON, PORTABLE)
# For float products of few columns and much depth, on any CPU.
DEEP = Kernel("deep", "kernel_deep.c", "", frozenset())

_CHOSEN: ContextVar[Kernel | None] = ContextVar("axdse_kernel", default=None)


def available_kernels() -> tuple[Kernel, ...]:
    """The kernels that this CPU can run, fastest first."""
    return tuple(kernel for kernel in KERNELS if cpu_flags() >= kernel.needs)


def current_kernel() -> Kernel:
    """The kernel of `use_kernel`, else the fastest that this CPU can run."""
    return _CHOSEN.get() or _fastest()


def kernel_is_forced() -> bool:
    """Whether `use_kernel` is in force."""
    return _CHOSEN.get() is not None


@functools.cache
def _fastest() -> Kernel:
    return available_kernels()[0]


@contextmanager
def use_kernel(kernel: Kernel) -> Iterator[None]:
    """Run the operators of this thread with one kernel, for comparisons.

    Backward passes of autograd run in this thread on the CPU, so it holds for them too.

    Raises:
        AxdseError: this CPU cannot run it.
    """
    missing = sorted(kernel.needs - cpu_flags())
    if missing:
        raise AxdseError(f"the {kernel.name} kernel needs its CPU", missing, "use another kernel")
    token = _CHOSEN.set(kernel)
    try:
        yield
    finally:
        _CHOSEN.reset(token)


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


@functools.lru_cache(maxsize=64)
def engine_for(kernel: Kernel, handle: str, columns_first: bool) -> Engine:
    """Lay a table out for a kernel, or compile one with the C model inlined.

    Args:
        kernel: that looks up, if there is a table.
        handle: of the multiplication.
        columns_first: the columns of the GEMM are the first operand of the multiplier.

    Raises:
        AxdseError: the handle is unknown, or the kernel does not compile.
    """
    lut = resolve(handle)
    if isinstance(lut, Inlined):
        return _inlined(lut, columns_first)
    if kernel.name == "factors":
        from axdse.gpu.factor_engine import factor_engine  # which needs Engine

        return factor_engine(handle, columns_first)
    entries = lut.entries.T if columns_first else lut.entries
    number_format = lut.format
    if not isinstance(number_format, FloatFormat):
        return _table(kernel.int8_source, entries, None)
    return _table(kernel.float_source, entries, number_format)


def _inlined(inlined: Inlined, columns_first: bool) -> Engine:
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


def _table(source: str, entries: np.ndarray, number_format: FloatFormat | None) -> Engine:
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


def _aligned(size: int) -> np.ndarray:
    """Zeros at the start of a cache line."""
    memory = np.zeros(size + _ALIGNMENT, np.uint8)
    return memory[-memory.ctypes.data % _ALIGNMENT :][:size]
