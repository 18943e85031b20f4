"""What are the factors of a tensor of operands, on any device?

A float operand +-2^e (1 + f) becomes +-2^e u(f), exact in FP32, where u is a factor of
`axdse.multipliers.tables.factors` in units that put it below 2. Zeros become zeros.
"""

import ctypes
import functools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from axdse.gpu.cpu.compile import load_kernel
from axdse.gpu.multiplication.handles import resolve
from axdse.gpu.operands.encode import round_float
from axdse.multipliers.formats import FloatFormat, Format, IntFormat
from axdse.multipliers.tables.factors import Factors, factorise
from axdse.multipliers.tables.lut import Lut

SOURCE = "factors.c"
_BIAS, _SMALLEST, _INFINITE = 127, 1, 255


@dataclass(frozen=True, eq=False)
class Side:
    """The factors of one operand.

    Attributes:
        values: [rank, size], FP32, or int8 where asked for.
        unit: float formats: the factors are integers times 2^-unit.
        bits: they are below 2^(bits - unit).
        pads: int8: some factor of zero is not zero.
    """

    values: Tensor
    unit: int
    bits: int
    pads: bool


@dataclass(frozen=True, eq=False)
class Sides:
    """Factors of the first and the second argument of an operator."""

    factors: Factors
    number_format: FloatFormat | None
    first: Side
    second: Side


@dataclass(frozen=True, eq=False)
class Mapped:
    """The factors of a tensor.

    Attributes:
        parts: [rank, *shape] of the tensor.
        lowest: biased exponent of the smallest operand other than zero; 255 if there is none.
        highest: of the largest, 0 if all are zero; 255 with an infinity or a NaN.
    """

    parts: Tensor
    lowest: int = _INFINITE
    highest: int = 0


class _Operand(ctypes.Structure):
    """`struct operand` of factors.c."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("x", "factors", "out")),
        *((name, ctypes.c_int64) for name in ("outer", "inner")),
        *((name, ctypes.c_int32) for name in ("rank", "fraction_bits", "nearest", "threads")),
        *((name, ctypes.c_int32) for name in ("lowest", "highest")),
    )


def factors_of(handle: str) -> Factors | None:
    """The factors of a multiplication.

    None if it has no table or none of small rank, or if its format rounds after each addition.
    """
    lut = resolve(handle).table
    if not isinstance(lut, Lut) or rounds_sums(lut.format):
        return None
    factors = factorise(lut)
    return factors if factors and factors.rank else None  # a table of zeros has no products


def rounds_sums(number_format: Format) -> bool:
    """Whether sums are rounded after each addition, in the order of k."""
    return isinstance(number_format, FloatFormat) and number_format.sum != "fp32"


@functools.lru_cache(maxsize=64)
def sides_of(handle: str, swap: bool, device: torch.device) -> Sides | None:
    """The factors as FP32 tensors of a device; with `swap`, T(b, a), right ones come first."""
    factors = factors_of(handle)
    if factors is None:
        return None
    first, second = factors.left.T, factors.right
    if swap:
        first, second = second, first
    number_format = resolve(handle).format
    if isinstance(number_format, IntFormat):
        return Sides(factors, None, _side(first, 0, device), _side(second, 0, device))
    unit = int(abs(first).max()).bit_length() - 1
    rest = number_format.product_fraction_bits - factors.shift - unit
    return Sides(factors, number_format, _side(first, unit, device), _side(second, rest, device))


def _side(values: np.ndarray, unit: int, device: torch.device) -> Side:
    scaled = torch.from_numpy(np.ldexp(values.astype(np.float32), -unit)).contiguous()
    bits = int(abs(values).max()).bit_length()
    return Side(scaled.to(device), unit, bits, bool(values[:, 0].any()))


def map_float(x: Tensor, side: Side, number_format: FloatFormat) -> Mapped:
    """Round FP32 [...] to the format and return its factors, FP32 [rank, ...]."""
    if x.device.type != "cpu":
        return _map_float(x, side, number_format)
    order = _memory_order(x)
    dense = x.permute(order).contiguous()
    parts = torch.empty(side.values.shape[0], *dense.shape)
    operand = _operand(dense, side.values, parts, 1)
    operand.fraction_bits = number_format.fraction_bits
    operand.nearest = number_format.rounding == "nearest"
    load_kernel(SOURCE).map_float(ctypes.byref(operand))
    return Mapped(_reordered(parts, order), operand.lowest, operand.highest)


def _map_float(x: Tensor, side: Side, number_format: FloatFormat) -> Mapped:
    bits = round_float(x, number_format).view(torch.int32)
    m = number_format.fraction_bits
    fraction = (bits >> (23 - m)) & ((1 << m) - 1)
    power = (bits & -(1 << 23)).view(torch.float32)
    parts = side.values[:, fraction.long()] * power
    if not x.numel():
        return Mapped(parts)
    exponent = (bits >> 23) & 0xFF
    lowest = torch.where(exponent < _SMALLEST, _INFINITE, exponent).amin()
    lowest, highest = torch.stack((lowest, exponent.amax())).tolist()
    return Mapped(parts, lowest, highest)


def map_codes(x: Tensor, side: Side) -> Tensor:
    """The factors of int8 codes [...]: FP32 [rank, ...]."""
    if x.device.type != "cpu":
        return side.values[:, x.long() & 0xFF]
    order = _memory_order(x)
    dense = x.permute(order).contiguous()
    parts = torch.empty(side.values.shape[0], *dense.shape)
    load_kernel(SOURCE).map_codes(ctypes.byref(_operand(dense, side.values, parts, 1)))
    return _reordered(parts, order)


def stack_int8(x: Tensor, values: Tensor, outer: int) -> Tensor:
    """The int8 factors of contiguous codes [outer, inner]: int8 [outer, rank, inner]."""
    inner = x.numel() // max(1, outer)
    if x.device.type != "cpu":
        parts = values[:, x.reshape(outer, inner).long() & 0xFF]
        return parts.movedim(0, 1).contiguous()
    stacked = torch.empty(outer, values.shape[0], inner, dtype=torch.int8)
    load_kernel(SOURCE).map_int8(ctypes.byref(_operand(x, values, stacked, outer)))
    return stacked


def _operand(x: Tensor, values: Tensor, out: Tensor, outer: int) -> _Operand:
    inner = x.numel() // max(1, outer)
    pointers = (x.data_ptr(), values.data_ptr(), out.data_ptr())
    threads = torch.get_num_threads()
    return _Operand(*pointers, outer, inner, values.shape[0], 0, 0, threads, 0, 0)


def _memory_order(x: Tensor) -> list[int]:
    """Dimensions by falling stride: permuted so, transposes and channels_last are contiguous."""
    return sorted(range(x.ndim), key=lambda dimension: -x.stride()[dimension])


def _reordered(parts: Tensor, order: list[int]) -> Tensor:
    """Undo the order behind the dimension of the ranks."""
    back = sorted(range(len(order)), key=order.__getitem__)
    return parts.permute(0, *(1 + dimension for dimension in back))
