"""Which C kernels has this CPU, and which of them computes?"""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from axdse.gpu.cpu.compile import cpu_flags
from axdse.gpu.cpu.engine import Engine, inlined_engine, sum_engine, table_engine
from axdse.gpu.multiplication.handles import Multiplication, resolve
from axdse.gpu.multiplication.inlined import Inlined
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import FloatFormat
from axdse.multipliers.tables.lut import Lut

Build = Callable[["Kernel", Multiplication, bool], Engine]


def _looked_up(kernel: "Kernel", known: Multiplication, columns_first: bool) -> Engine:
    lut = known.table
    assert isinstance(lut, Lut)
    entries, number_format = lut.entries.T if columns_first else lut.entries, lut.format
    if isinstance(number_format, FloatFormat):
        return table_engine(kernel.float_source, entries, number_format)
    return table_engine(kernel.int8_source, entries, None)


def _summed(kernel: "Kernel", known: Multiplication, columns_first: bool) -> Engine:
    assert isinstance(known.table, Lut)
    assert known.sum is not None
    is_float = isinstance(known.format, FloatFormat)
    source = kernel.float_source if is_float else kernel.int8_source
    return sum_engine(source, known.table, known.sum, columns_first)


def _compiled_in(kernel: "Kernel", known: Multiplication, columns_first: bool) -> Engine:
    assert isinstance(known.inlined, Inlined)
    return inlined_engine(known.inlined, columns_first)


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
    """

    name: str
    float_source: str
    int8_source: str
    needs: frozenset[str]
    build: Build = _looked_up


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
# Those that add by a recipe; the second is the model of the sum alone, to compare with.
SUMS = Kernel("sums", "kernel_sums.c", "kernel_sums_int8.c", frozenset(), _summed)
CAREFUL_SUMS = Kernel(
    "careful sums", "kernel_sums_careful.c", "kernel_sums_int8.c", frozenset(), _summed
)
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
