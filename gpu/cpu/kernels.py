"""Which C kernels has this CPU, which of them computes, and with a table or a C model?"""

import ctypes
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import numpy as np
import torch

from axdse.gpu.cpu.compile import cpu_flags, load_inlined, load_kernel
from axdse.gpu.multiplication.handles import Multiplication, resolve
from axdse.gpu.multiplication.inlined import Inlined
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import FloatFormat, IntFormat
from axdse.multipliers.model.sum_model import sum_task
from axdse.multipliers.sums.recipe import FloatRegister, LazyRegister, Sum
from axdse.multipliers.tables.lut import Lut

VOID = 256  # gemm_int8.h
MISSING = 1  # float_codes.h
_ALIGNMENT = 64
_FRACTION_BITS = 14  # kernel_sums.c


@dataclass(frozen=True, eq=False)
class Engine:
    """A compiled kernel with its multiplication; rows of a table belong to the rows of the GEMM.

    Attributes:
        library: the kernel, loaded.
        rows: the table as its `prepare_table` wrote it; of an inlined C model its sum, or empty.
        entries: uint16, see float_codes.h and gemm_int8.h; empty likewise.
        is_float: of products that are added as floats.
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


Build = Callable[["Kernel", Multiplication, bool], Engine]


def _looked_up(kernel: "Kernel", known: Multiplication, columns_first: bool) -> Engine:
    """The table of a kernel that adds by a recipe begins with its `struct sum`."""
    assert isinstance(known.table, Lut)
    entries = known.table.entries.T if columns_first else known.table.entries
    stored = known.table.format
    number_format = stored if isinstance(stored, FloatFormat) else None
    library = load_kernel(kernel.source(known))
    fraction_bits, entry_bytes = 0, 2
    if number_format:
        kept = number_format.product_fraction_bits
        fraction_bits, entry_bytes = number_format.fraction_bits, 1 if kept <= 7 else 2
        entries = entries.astype(np.uint16) << (15 - kept)
    entries = np.ascontiguousarray(entries).view(np.uint16)
    rows = _aligned(library.table_size(fraction_bits, entry_bytes))
    if known.sum is not None:
        recipe = sum_task(known.sum, _FRACTION_BITS if number_format else 0)
        rows[: ctypes.sizeof(recipe)] = np.frombuffer(bytes(recipe), np.uint8)
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


def _compiled_in(kernel: "Kernel", known: Multiplication, columns_first: bool) -> Engine:
    """The table of one that adds by a recipe is its `struct sum` alone."""
    assert isinstance(known.inlined, Inlined)
    number_format, nothing = known.inlined.format, np.empty(0, np.uint16)
    rows = nothing
    if known.sum is not None:
        recipe = sum_task(known.sum, number_format.product_fraction_bits)
        rows = np.frombuffer(bytes(recipe), np.uint8)
    return Engine(
        load_inlined(kernel.float_source, known.inlined, columns_first),
        rows,
        nothing,
        is_float=True,
        is_inlined=True,
        fraction_bits=number_format.fraction_bits,
        entry_bytes=0,
        nearest=number_format.rounding == "nearest",
    )


def _in_blocks(kernel: "Kernel", known: Multiplication, columns_first: bool) -> Engine:
    """The table of a kernel is its `struct sum` alone; codes are operands as they are."""
    assert isinstance(known.table, Lut)
    assert isinstance(known.format, IntFormat)
    assert known.sum
    entries = known.table.entries.T if columns_first else known.table.entries
    recipe = sum_task(known.sum, 2 * known.format.fraction_bits)
    return Engine(
        load_kernel(kernel.int8_source),
        np.frombuffer(bytes(recipe), np.uint8),
        np.ascontiguousarray(entries).view(np.uint16),
        is_float=True,
        is_inlined=False,
        fraction_bits=0,
        entry_bytes=2,
        nearest=False,
    )


def _aligned(size: int) -> np.ndarray:
    """Zeros at the start of a cache line."""
    memory = np.zeros(size + _ALIGNMENT, np.uint8)
    return memory[-memory.ctypes.data % _ALIGNMENT :][:size]


@dataclass(frozen=True)
class Kernel:
    """C sources that make products of a multiplication, by its table if not said otherwise.

    Attributes:
        name: as benchmarks and plans print it.
        float_source: its kernel for float formats.
        int8_source: its kernel for int8.
        needs: CPU flags without which it cannot run.
        build: makes an engine of it, a multiplication that has the form it wants, and whether
            the columns of the GEMM are the first operand.
        recipe_source: of a kernel that adds by recipes, the source for one of a float format;
            its tables begin with the recipe.
    """

    name: str
    float_source: str
    int8_source: str
    needs: frozenset[str]
    build: Build = _looked_up
    recipe_source: Callable[[Sum], str] | None = None

    def source(self, known: Multiplication) -> str:
        """Which of its sources computes a multiplication."""
        if known.sum is not None and self.recipe_source and not known.sum.is_integer:
            return self.recipe_source(known.sum)
        return self.float_source if isinstance(known.format, FloatFormat) else self.int8_source


def _source_of_sum(total: Sum) -> str:
    """What the heads of these files say that they take; three are of AVX-512."""
    held = total.register
    if total.is_random or not cpu_flags() >= VBMI.needs:
        return "kernel_sums.c"
    if isinstance(held, LazyRegister):
        return "kernel_sums_lazy.c" if held.width <= 32 else "kernel_sums.c"
    if not isinstance(held, FloatRegister):
        return "kernel_sums.c"
    if (held.fraction_bits, total.rounding) == (22, "rne"):
        return "kernel_sums.c"
    is_wide, is_late = held.exponent_bits == 8, total.carry == "late"
    if total.align is None:
        is_single = total.terms == 1 and not is_late and (is_wide or held.fraction_bits <= 21)
        return "kernel_sums_single.c" if is_single else "kernel_sums.c"
    is_aligned = is_wide and total.align <= 28 and (not is_late or held.fraction_bits == 23)
    return "kernel_sums_aligned.c" if is_aligned else "kernel_sums.c"


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
INLINED = Kernel("inlined", "kernel_inlined.c", "", frozenset(), _compiled_in)
# Those that add by a recipe; the last is the model of the sum alone, to compare with.
SUMS = Kernel(
    "sums", "kernel_sums.c", "kernel_sums_int8.c", frozenset(), recipe_source=_source_of_sum
)
INLINED_SUMS = Kernel("inlined sums", "kernel_sums_inlined.c", "", frozenset(), _compiled_in)
CAREFUL_SUMS = Kernel("careful sums", "kernel_sums_careful.c", "kernel_sums_int8.c", frozenset())
# Steps of integers in blocks, on any CPU.
BLOCK_SUMS = Kernel("block sums", "", "kernel_sums_blocks.c", frozenset(), _in_blocks)
# For float products of few columns and much depth, on any CPU.
DEEP = Kernel("deep", "kernel_deep.c", "", frozenset())

_CHOSEN: ContextVar[Kernel | None] = ContextVar("axdse_kernel", default=None)


def available_kernels() -> tuple[Kernel, ...]:
    """The kernels that this CPU can run, fastest first."""
    return tuple(kernel for kernel in KERNELS if cpu_flags() >= kernel.needs)


def forced_kernel() -> Kernel | None:
    """The kernel of `use_kernel`, if that is in force."""
    return _CHOSEN.get()


@contextmanager
def use_kernel(kernel: Kernel) -> Iterator[None]:
    """Run what this kernel can compute of this thread's operators with it, for comparisons.

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


@functools.lru_cache(maxsize=64)
def engine_for(kernel: Kernel, handle: str, columns_first: bool) -> Engine:
    """Make a kernel ready for a multiplication.

    Args:
        kernel: that can compute it.
        handle: of the multiplication.
        columns_first: the columns of the GEMM are the first operand of the multiplier.

    Raises:
        AxdseError: the handle is unknown, or the kernel does not compile.
    """
    return kernel.build(kernel, resolve(handle), columns_first)


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch and our kernels use so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
