"""How are the operators of `axdse.gpu.ops` computed on the CPU? By C kernels.

Tensors are rounded once to codes, in the order and with the border that the kernel wants;
`gemm.h` then packs its panels straight from them, by the lists of `axdse.gpu.cpu.addresses`. All
kernels give products of the same bits; they are compiled on first use. `seed` is of sums that are
rounded by chance, None of others.
"""

import ctypes
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from axdse.gpu.cpu import addresses
from axdse.gpu.cpu.addresses import Offsets
from axdse.gpu.cpu.codes import codes_of, phases_of, threads
from axdse.gpu.cpu.kernels import DEEP, KERNELS, Engine, Kernel, engine_for
from axdse.gpu.operands.convolution import Convolution
from axdse.gpu.operands.shapes import Operation

LANES = 64
TRANSPOSED = 16  # look-ups in the time of writing one code or sum across memory; measured
DEEP_COLUMNS = 12  # MAX_COLUMNS of kernel_deep.c; with more, other kernels are faster


class _Task(ctypes.Structure):
    """`struct task` of operands.h."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("a", "a_outer", "a_inner")),
        *((name, ctypes.c_void_p) for name in ("b", "b_outer", "b_inner")),
        *((name, ctypes.c_void_p) for name in ("c", "c_row", "c_column")),
        *((name, ctypes.c_void_p) for name in ("a_base", "b_base", "c_base")),
        *((name, ctypes.c_void_p) for name in ("table", "entries")),
        *((name, ctypes.c_int64) for name in ("problems", "rows", "depth", "columns")),
        ("seed", ctypes.c_uint64),
        *((name, ctypes.c_int32) for name in ("fraction_bits", "entry_bytes", "threads")),
    )


def gemm_cpu(
    kernel: Kernel,
    a: Tensor,
    b: Tensor,
    multiplication: str,
    swap: bool,
    seed: int | None = None,
) -> Tensor:
    """Compute `axdse::gemm`, a [G, M, K] times b [G, K, N].

    Raises:
        AxdseError: there is no C compiler, or the kernel does not compile.
    """
    # Generators begin by the place of an output, which in a transposed result is another.
    if seed is None and _cost(b.mT, a.mT) < _cost(a, b):
        return gemm_cpu(kernel, b.mT, a.mT, multiplication, not swap).mT.contiguous()
    (count, rows, depth), columns = a.shape, b.shape[2]
    engine = engine_for(kernel, multiplication, swap)
    result = _zeros((count, rows, columns), engine)
    where = addresses.matrices(count, rows, depth, columns)
    _multiply(engine, codes_of(a[None], engine), codes_of(b[None], engine), result, where, seed)
    return result


def _cost(a: Tensor, b: Tensor) -> int:
    """Look-ups of a kernel, which works on LANES columns at a time, and what else takes time."""
    (count, rows, depth), columns = a.shape, b.shape[2]
    lookups = rows * ((columns + LANES - 1) // LANES * LANES) * depth
    across = (a.stride(2) != 1) * rows * depth + (b.stride(2) != 1) * depth * columns
    return count * (lookups + TRANSPOSED * across)


def conv2d_cpu(
    kernel: Kernel,
    image: Tensor,
    weight: Tensor,
    multiplication: str,
    swap: bool,
    shape: Convolution,
    seed: int | None = None,
) -> Tensor:
    """Compute `axdse::conv2d`."""
    engine = engine_for(kernel, multiplication, not swap)
    result = _zeros(shape.output_size, engine)
    codes = phases_of(image, engine, shape)
    _multiply(engine, codes_of(weight, engine), codes, result, addresses.forward(shape), seed)
    return result


def conv2d_input_gradient_cpu(
    kernel: Kernel,
    grad: Tensor,
    weight: Tensor,
    multiplication: str,
    swap: bool,
    shape: Convolution,
    seed: int | None = None,
) -> Tensor:
    """Compute `axdse::conv2d_input_gradient`."""
    engine = engine_for(kernel, multiplication, not swap)
    result = _zeros(shape.image_size, engine)
    parts = addresses.input_gradient(shape)
    codes = codes_of(grad, engine, before=parts.before, size=parts.padded, border=engine.border)
    weights = codes_of(weight, engine)
    for phase in parts.phases:
        _multiply(engine, weights, codes, result, phase, seed)
    return result


def conv2d_weight_gradient_cpu(
    kernel: Kernel,
    grad: Tensor,
    image: Tensor,
    multiplication: str,
    swap: bool,
    shape: Convolution,
    seed: int | None = None,
) -> Tensor:
    """Compute `axdse::conv2d_weight_gradient`."""
    engine = engine_for(kernel, multiplication, swap)
    is_table = engine.is_float and kernel in KERNELS
    if is_table and shape.inputs * shape.kernel[0] * shape.kernel[1] <= DEEP_COLUMNS:
        engine, where = (
            engine_for(DEEP, multiplication, swap),
            addresses.deep_weight_gradient(shape),
        )
        codes = phases_of(image, engine, shape)
    else:
        where = addresses.weight_gradient(shape)
        padded = shape.window.padded(shape.image)
        codes = codes_of(image, engine, shape.window.padding, padded, channels_last=True)
    result = _zeros(shape.weight_size, engine)
    _multiply(engine, codes_of(grad, engine), codes, result, where, seed)
    return result


def _zeros(size: Sequence[int], engine: Engine) -> Tensor:
    return torch.zeros(size, dtype=torch.float32 if engine.is_float else torch.int32)


def _multiply(
    engine: Engine, a: Tensor, b: Tensor, c: Tensor, where: Offsets, seed: int | None
) -> None:
    problems, rows, depth, columns = where.sizes
    if not (c.numel() and depth):
        return
    a_outer, a_inner, b_outer, b_inner, c_row, c_column, *bases = where.addresses
    task = _Task(
        *(a.data_ptr(), a_outer, a_inner),
        *(b.data_ptr(), b_outer, b_inner),
        *(c.data_ptr(), c_row, c_column),
        *bases,
        *engine.addresses,
        *(problems, rows, depth, columns, seed or 0),
        *(engine.fraction_bits, engine.entry_bytes, threads()),
    )
    if engine.library.multiply_task(ctypes.byref(task)):
        raise MemoryError("a kernel of axdse had no memory for its panels")


OPERATORS: dict[Operation, Callable[..., Tensor]] = {
    "gemm": gemm_cpu,
    "conv2d": conv2d_cpu,
    "conv2d_input_gradient": conv2d_input_gradient_cpu,
    "conv2d_weight_gradient": conv2d_weight_gradient_cpu,
}
