"""Stage 6, ops: `axdse::lut_gemm` on the CPU, by C kernels compiled for it on first use.

Both kernels give the same bits: `kernel_vbmi.c` where the CPU has AVX-512 VBMI,
`kernel_portable.c` anywhere.
"""

import ctypes
import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from axdse.gpu.host_library import cpu_flags, load_kernel
from axdse.multipliers.formats import FloatFormat, IntFormat, parse_format

PORTABLE, VBMI = "kernel_portable.c", "kernel_vbmi.c"
VBMI_NEEDS = frozenset({"avx512f", "avx512bw", "avx512vbmi", "avx512_vnni"})
SERIAL_PRODUCTS = 1 << 18
LANES = 64


class _Task(ctypes.Structure):
    """`struct task` and, without its last two fields, `struct int_task` of kernel.h."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("a", "b", "entries", "c")),
        *((name, ctypes.c_int64) for name in ("depth", "columns", "m0", "m1", "n0", "n1")),
        *((name, ctypes.c_int32) for name in ("fraction_bits", "nearest")),
    )


def lut_gemm_cpu(a: Tensor, b: Tensor, table: Tensor, format: str, swap: bool) -> Tensor:  # noqa: A002
    """Compute `axdse::lut_gemm` with the best kernel and `torch.get_num_threads()` threads.

    Raises:
        AxdseError: there is no C compiler, or the kernel does not compile.
    """
    return run_kernel(best_kernel(), a, b, table, format, swap)


def best_kernel() -> str:
    """Return the source file of the fastest kernel that this CPU can run."""
    return VBMI if has_vbmi() else PORTABLE


def has_vbmi() -> bool:
    """Whether this CPU can run `kernel_vbmi.c`."""
    return cpu_flags() >= VBMI_NEEDS


def run_kernel(
    kernel: str,
    a: Tensor,
    b: Tensor,
    table: Tensor,
    format: str,  # noqa: A002
    swap: bool,
) -> Tensor:
    """Compute `axdse::lut_gemm` with the kernel of that source file.

    Raises:
        AxdseError: there is no C compiler, or the kernel does not compile.
    """
    if b.shape[1] < min(LANES, a.shape[0]):  # kernels vectorise over columns
        return run_kernel(kernel, b.t(), a.t(), table, format, not swap).t().contiguous()
    number_format = parse_format(format)
    a, b = a.contiguous(), b.contiguous()
    entries = (table.t() if swap else table).contiguous()
    library = load_kernel(kernel)
    if isinstance(number_format, IntFormat):
        result = torch.zeros(a.shape[0], b.shape[1], dtype=torch.int32)
        _spread(library.lut_gemm_int8, (a, b, entries, result), (0, 0))
    else:
        settings = (number_format.fraction_bits, int(number_format.rounding == "nearest"))
        result = torch.zeros(a.shape[0], b.shape[1])
        entries = _aligned(entries, number_format)
        _spread(library.lut_gemm_float, (a, b, entries, result), settings)
    return result


def _aligned(entries: Tensor, number_format: FloatFormat) -> Tensor:
    """Return entries as the kernels want them: carry in bit 15, the fraction right below it."""
    return (entries.int() << (15 - number_format.product_fraction_bits)).to(torch.uint16)


def _spread(
    function: Callable[[object], object], tensors: tuple[Tensor, ...], settings: tuple[int, int]
) -> None:
    """Run the kernel over the result in one part a thread."""
    (rows, depth), columns = tensors[0].shape, tensors[1].shape[1]
    addresses = [tensor.data_ptr() for tensor in tensors]
    tasks = [
        _Task(*addresses, depth, columns, *part, *settings)
        for part in _parts(rows, depth, columns)
    ]
    calls = [functools.partial(function, ctypes.byref(task)) for task in tasks]
    if len(calls) > 1:
        list(_pool(len(calls)).map(lambda call: call(), calls))
    elif calls:
        calls[0]()


def _parts(rows: int, depth: int, columns: int) -> list[tuple[int, int, int, int]]:
    """Split the result by its longer side into at most a part a thread: (m0, m1, n0, n1)."""
    threads = torch.get_num_threads() if rows * depth * columns > SERIAL_PRODUCTS else 1
    length = max(rows, columns)
    step = max(1, -(-length // threads))
    spans = [(start, min(start + step, length)) for start in range(0, length, step)]
    if columns >= rows:
        return [(0, rows, start, stop) for start, stop in spans]
    return [(start, stop, 0, columns) for start, stop in spans]


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "axdse-gemm")


# Threads do not survive a fork: the child starts its own.
os.register_at_fork(after_in_child=_pool.cache_clear)
