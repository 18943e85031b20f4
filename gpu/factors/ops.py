"""How are the operators of `axdse.gpu.ops` computed by ordinary products of factors?

A table of rank r is r native products of factors (`multipliers.tables.factors`), so BLAS, oneDNN
and tensor cores do the work. Each function takes what the operator of its name takes, and returns
None where the result might not be exact as is defined below, so that the caller
takes a table kernel: that depends on the exponents of the operands, so on a GPU these functions
wait for the stream, and return None while it is captured. A CPU with bfloat16 products has a
kernel of its own for factors that fit them, which takes every operand.

When are sums of products of factors by native operators exact?

With u = 2^-24, gamma_n = n u / (1 - n u), p the products of a table and K of them in a sum:

- K = 1: bit-equal to the table. All partial sums of one product are integers below 2^24 in one
  unit, so nothing rounds. `stays_normal` looks at the operands' exponents first: no term,
  product or sum may leave the normal numbers of FP32, and none is infinite or NaN.
- K > 1: within gamma_K sum |p| of the exact sum. A native FP32 sum of L exact terms t, in any
  order, is within gamma_(L-1) sum |t| (Higham, Accuracy and Stability of Numerical Algorithms,
  2002, section 4.2). With c the cancellation of the factors, the terms of all ranks sum to at
  most c sum |p|. Each rank is summed by itself in slices of L <= K / c products, the slices are
  added in FP64 and rounded once: c gamma_(K/c - 1) + u and terms of 2^-53, below gamma_K. Where
  slices would be many the native sums themselves are FP64.
- int8: exact. FP32 slices have sums below 2^24, else FP64 sums are below 2^53.

It holds where native sums are sums: not of TF32 or bfloat16 in place of FP32, which
`sums_are_plain` refuses, nor of transforms (Winograd, Fourier), which cuDNN might take.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from axdse.gpu.cpu import ops as cpu_ops
from axdse.gpu.factors.bf16 import FACTORS, has_bf16
from axdse.gpu.factors.maps import (
    Mapped,
    Side,
    Sides,
    factors_of,
    map_codes,
    map_float,
    sides_of,
    stack_int8,
)
from axdse.gpu.multiplication.handles import resolve
from axdse.gpu.operands.convolution import Convolution, native_gradient
from axdse.gpu.operands.shapes import Operation
from axdse.multipliers.formats import IntFormat
from axdse.multipliers.tables.factors import Factors

FP32_BITS, FP64_BITS, INFINITE = 24, 53, 255
MAX_SLICES = 4  # more take the time of one FP64 product
_BIAS, _LOWEST_NORMAL, _LARGEST = 127, -126, 127
_PLAIN, _OPERATORS = ("none", "ieee"), ("matmul", "conv")
Native = Callable[[Tensor, Tensor], Tensor]
_TILE, _ROWS = 8, 32  # what torch._int_mm wants of sizes on a GPU
_NATIVE = ContextVar("axdse_native_products", default=False)


@dataclass(frozen=True)
class Depth:
    """How long the sums of an operator are, and where they can be cut.

    Attributes:
        products: K, of the longest sum.
        units: the length of the dimension that can be sliced, 1 if none can.
        first: that dimension of the first argument.
        second: of the second argument.
    """

    products: int
    units: int
    first: int
    second: int


def sums_are_plain(device: torch.device) -> bool:
    """Whether torch is set to add FP32 products as such, its default."""
    backend, operators = (
        ("mkldnn", _OPERATORS) if device.type == "cpu" else ("cuda", _OPERATORS[:1])
    )
    settings = (torch._C._get_fp32_precision_getter(backend, name) for name in operators)
    return all(setting in _PLAIN for setting in settings)


def plain_convolutions(device: torch.device) -> contextlib.AbstractContextManager[None]:
    """A context in which convolutions on the device are sums too."""
    if device.type == "cpu":
        return contextlib.nullcontext()
    return torch.backends.cudnn.flags(enabled=False)


def stays_normal(x: Mapped, y: Mapped, sides: Sides, products: int) -> bool:
    """Whether terms, products and sums of so many are zero or normal FP32 numbers."""
    if INFINITE in (x.highest, y.highest):
        return False
    if 0 in (x.highest, y.highest):
        return True
    unit = sides.first.unit + sides.second.unit
    lowest, highest = x.lowest + y.lowest - 2 * _BIAS, x.highest + y.highest - 2 * _BIAS
    bits = (sides.factors.largest_sum * max(1, products)).bit_length()
    return (
        lowest - max(0, unit) >= _LOWEST_NORMAL
        and highest + bits - unit <= _LARGEST
        and _factors_are_normal(x, sides.first)
        and _factors_are_normal(y, sides.second)
    )


def _factors_are_normal(x: Mapped, side: Side) -> bool:
    lowest, highest = x.lowest - _BIAS - side.unit, x.highest - _BIAS - side.unit
    return lowest >= _LOWEST_NORMAL and highest + side.bits <= _LARGEST + 1


def float_sums(x: Tensor, y: Tensor, factors: Factors, native: Native, depth: Depth) -> Tensor:
    """Sum the products of [rank, ...] factors of floats: FP32."""
    if factors.rank == 1 and factors.cancellation == 1:
        return native(x[0], y[0]).add_(0.0)  # sums start at +0, so none is -0
    step = depth.units if depth.products <= 1 else int(depth.units / factors.cancellation)
    terms = _terms(x, y, depth, step)
    return _added(native, terms, torch.float64).add_(0.0).float()


def int_sums(x: Tensor, y: Tensor, factors: Factors, native: Native, depth: Depth) -> Tensor:
    """Sum the products of FP32 [rank, ...] factors of int8: int32, modulo 2^32."""
    products_of_unit = max(1, depth.products // max(1, depth.units))
    step = factors.longest_exact_sum(FP32_BITS) // products_of_unit
    terms = _terms(x, y, depth, step)
    return _added(native, terms, torch.int64).to(torch.int32) << factors.shift


def _terms(x: Tensor, y: Tensor, depth: Depth, step: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The factors of each rank, in slices of at most `step` units; whole in FP64 if too many."""
    if step * MAX_SLICES < depth.units:
        x, y, step = x.double(), y.double(), depth.units
    for u, v in zip(x, y, strict=True):
        if step >= depth.units:
            yield u, v
        else:
            yield from zip(u.split(step, depth.first), v.split(step, depth.second), strict=True)


def _added(native: Native, terms: Iterator[tuple[Tensor, Tensor]], dtype: torch.dtype) -> Tensor:
    total = native(*next(terms)).to(dtype)
    for u, v in terms:
        total += native(u, v).to(dtype) if dtype == torch.int64 else native(u, v)
    return total


def gemm(a: Tensor, b: Tensor, multiplication: str, swap: bool) -> Tensor | None:
    """`axdse::gemm`: a [G, M, K] times b [G, K, N] is [G, M, N]; or None."""
    if by_bf16(multiplication, a.device):
        return cpu_ops.gemm_cpu(FACTORS, a, b, multiplication, swap)
    values = int8_factors(multiplication, swap, a.device)
    if values is not None:
        return _int8_gemm(a, b, multiplication, *values)
    depth = Depth(a.shape[2], a.shape[2], 2, 1)
    return _sums(a, b, sides_of(multiplication, swap, a.device), torch.bmm, depth)


def conv2d(
    image: Tensor,
    weight: Tensor,
    multiplication: str,
    swap: bool,
    shape: Convolution,
) -> Tensor | None:
    """`axdse::conv2d`: image [B, C, H, W], weight [O, C/groups, Kh, Kw]; or None."""
    if by_bf16(multiplication, image.device):
        return cpu_ops.conv2d_cpu(FACTORS, image, weight, multiplication, swap, shape)
    sides = sides_of(multiplication, swap, image.device)
    if sides is not None and sides.first.pads:
        image, shape = _bordered(image, shape)

    def native(x: Tensor, w: Tensor) -> Tensor:
        return F.conv2d(x, w, None, *shape.window)

    depth = Depth(weight[:1].numel(), weight.shape[1] if shape.groups == 1 else 1, 1, 1)
    return _sums(image, weight, sides, native, depth)


def conv2d_input_gradient(
    grad: Tensor,
    weight: Tensor,
    multiplication: str,
    swap: bool,
    shape: Convolution,
) -> Tensor | None:
    """`axdse::conv2d_input_gradient`: grad [B, O, H', W'] to [B, C, *image_size]; or None."""
    if by_bf16(multiplication, grad.device):
        return cpu_ops.conv2d_input_gradient_cpu(
            FACTORS, grad, weight, multiplication, swap, shape
        )

    def native(g: Tensor, w: Tensor) -> Tensor:
        image = g.new_empty(()).expand(shape.image_size)
        return native_gradient(g, image, w, shape.window, of_image=True)

    products = weight[:, :1].numel() // shape.groups
    depth = Depth(products, weight.shape[0] if shape.groups == 1 else 1, 1, 0)
    sides = sides_of(multiplication, swap, grad.device)
    return _sums(grad, weight, sides, native, depth)


def conv2d_weight_gradient(
    grad: Tensor,
    image: Tensor,
    multiplication: str,
    swap: bool,
    shape: Convolution,
) -> Tensor | None:
    """`axdse::conv2d_weight_gradient`: to [O, C/groups, *kernel_size]; or None."""
    if by_bf16(multiplication, grad.device):
        return cpu_ops.conv2d_weight_gradient_cpu(
            FACTORS, grad, image, multiplication, swap, shape
        )
    sides = sides_of(multiplication, swap, grad.device)
    if sides is not None and sides.second.pads:
        image, shape = _bordered(image, shape)

    def native(g: Tensor, x: Tensor) -> Tensor:
        weight = g.new_empty(()).expand(shape.weight_size)
        return native_gradient(g, x, weight, shape.window, of_image=False)

    depth = Depth(grad[:, :1].numel(), grad.shape[0], 0, 0)
    return _sums(grad, image, sides, native, depth)


def by_bf16(multiplication: str, device: torch.device) -> bool:
    """Whether `kernel_factors.c` computes a multiplication on the device."""
    return device.type == "cpu" and not _NATIVE.get() and has_bf16(multiplication)


@contextlib.contextmanager
def native_products() -> Iterator[None]:
    """Leave `kernel_factors.c` out in this thread, for comparisons."""
    token = _NATIVE.set(True)
    try:
        yield
    finally:
        _NATIVE.reset(token)


def _bordered(image: Tensor, shape: Convolution) -> tuple[Tensor, Convolution]:
    """Zero codes that multiply to other than zero must be there."""
    window = shape.window
    down, right = window.padding
    padded = replace(
        shape, image=window.padded(shape.image), window=window._replace(padding=(0, 0))
    )
    return F.pad(image, (right, right, down, down)), padded


def _sums(
    a: Tensor, b: Tensor, sides: Sides | None, native: Native, depth: Depth
) -> Tensor | None:
    if sides is None or not sums_are_plain(a.device) or _is_captured(a):
        return None
    # Autocast reaches into operators written in Python, and would make bf16 of the factors.
    with torch.autocast(a.device.type, enabled=False), plain_convolutions(a.device):
        if sides.number_format is None:
            if depth.products > sides.factors.longest_exact_sum(FP64_BITS):
                return None
            x, y = map_codes(a, sides.first), map_codes(b, sides.second)
            return int_sums(x, y, sides.factors, native, depth).contiguous()
        left = map_float(a, sides.first, sides.number_format)
        right = map_float(b, sides.second, sides.number_format)
        if not stays_normal(left, right, sides, depth.products):
            return None
        sums = float_sums(left.parts, right.parts, sides.factors, native, depth)
        return sums.contiguous()


def _is_captured(x: Tensor) -> bool:
    return x.is_cuda and torch.cuda.is_current_stream_capturing()


@functools.lru_cache(maxsize=64)
def int8_factors(
    multiplication: str, swap: bool, device: torch.device
) -> tuple[Tensor, Tensor] | None:
    """int8 [rank, 256] factors of both operands, if they fit and the device adds exactly."""
    factors = factors_of(multiplication)
    if factors is None or not isinstance(resolve(multiplication).format, IntFormat):
        return None
    if device.type == "cpu" and not adds_int8_exactly():
        return None
    left, right = factors.left.T, factors.right
    # -128 fits and 128 does not; two signs that change together change nothing.
    signs = np.where((left.max(1) > 127) | (right.max(1) > 127), -1, 1)[:, None]
    both = [(side * signs).astype(np.int64) for side in (left, right)]
    if any(side.min() < -128 or side.max() > 127 for side in both):
        return None
    first, second = both[::-1] if swap else both
    return _int8_tensor(first, device), _int8_tensor(second, device)


@functools.cache
def adds_int8_exactly() -> bool:
    """Whether torch's int8 product on this CPU is exact, by trying the largest operands.

    Without VNNI, or where ONEDNN_MAX_CPU_ISA forbids it, x86 saturates sums of two products.
    """
    signs = torch.tensor([[127], [-128], [-127]], dtype=torch.int8)
    left, right = signs.expand(3, 256).contiguous(), signs.T.expand(256, 3).contiguous()
    return torch.equal(torch._int_mm(left, right).long(), left.long() @ right.long())


def _int8_tensor(values: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.int8)).to(device)


def _int8_gemm(a: Tensor, b: Tensor, multiplication: str, first: Tensor, second: Tensor) -> Tensor:
    """All ranks along k of one int8 product a group, exact modulo 2^32."""
    groups, rows, depth = a.shape
    columns, rank = b.shape[2], first.shape[0]
    x = stack_int8(a.contiguous(), first, groups * rows).view(groups, rows, rank * depth)
    y = stack_int8(b.contiguous(), second, groups).view(groups, rank * depth, columns)
    result = torch.empty(groups, rows, columns, dtype=torch.int32, device=a.device)
    for g in range(groups):
        result[g] = _int8_product(x[g], y[g])
    factors = factors_of(multiplication)
    return result << (factors.shift if factors else 0)


def _int8_product(x: Tensor, y: Tensor) -> Tensor:
    if not x.is_cuda or not x.numel() or not y.numel():
        return torch._int_mm(x, y)
    (rows, depth), columns = x.shape, y.shape[1]
    x = F.pad(x, (0, -depth % _TILE, 0, max(0, _ROWS - rows)))
    y = F.pad(y, (0, -columns % _TILE, 0, -depth % _TILE))
    return torch._int_mm(x, y)[:rows, :columns]


OPERATORS: dict[Operation, Callable[..., Tensor | None]] = {
    "gemm": gemm,
    "conv2d": conv2d,
    "conv2d_input_gradient": conv2d_input_gradient,
    "conv2d_weight_gradient": conv2d_weight_gradient,
}
