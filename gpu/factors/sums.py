"""When are sums of products of factors by native operators exact?

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
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from axdse.gpu.factors.maps import Mapped, Side, Sides
from axdse.multipliers.tables.factors import Factors

FP32_BITS, FP64_BITS, INFINITE = 24, 53, 255
MAX_SLICES = 4  # more take the time of one FP64 product
_BIAS, _LOWEST_NORMAL, _LARGEST = 127, -126, 127
_PLAIN, _OPERATORS = ("none", "ieee"), ("matmul", "conv")
Native = Callable[[Tensor, Tensor], Tensor]


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
