"""Stage 6, ops: FP32 tensors to the operands of a format and back.

Float codes are sign, exponent and fraction as one integer, as in `axdse.multipliers.unit`. With
e = 8 they are the upper bits of the FP32 word.
"""

import torch
from torch import Tensor

from axdse.multipliers.formats import FloatFormat, check_exponent_of_fp32

_SIGN, _SIZE = -(1 << 31), (1 << 31) - 1
_INFINITY, _QUIET_NAN, _SMALLEST_NORMAL = 0x7F80_0000, 0x7FC0_0000, 0x0080_0000
INT8_MAX = 127


def round_float(x: Tensor, number_format: FloatFormat) -> Tensor:
    """Round to float(8, m), kept as FP32.

    Rounding is truncation or nearest-even as the format says; nearest may reach infinity, as in
    IEEE 754. Subnormals become zero of their sign, NaN the quiet NaN.

    Args:
        x: FP32, any shape.
        number_format: float(8, m).

    Returns:
        FP32 of the same shape.

    Raises:
        AxdseError: e is not 8.
    """
    check_exponent_of_fp32(number_format)
    bits = x.contiguous().view(torch.int32)
    sign, size = bits & _SIGN, bits & _SIZE
    drop = 23 - number_format.fraction_bits
    rounded = size
    if number_format.rounding == "nearest" and drop:
        rounded = size + ((1 << (drop - 1)) - 1 + ((size >> drop) & 1))
    rounded = rounded & -(1 << drop)
    rounded = torch.where(size < _SMALLEST_NORMAL, 0, rounded)
    rounded = torch.where(size > _INFINITY, _QUIET_NAN, rounded)
    return (sign | rounded).view(torch.float32)


def float_codes(x: Tensor, number_format: FloatFormat) -> Tensor:
    """Round FP32 to float(8, m) and return its codes, int64 of 9 + m bits."""
    bits = round_float(x, number_format).view(torch.int32).long() & 0xFFFF_FFFF
    return bits >> (23 - number_format.fraction_bits)


def float_values(codes: Tensor, fraction_bits: int) -> Tensor:
    """Return the FP32 values of float(8, fraction_bits) codes (int64), fraction_bits <= 23."""
    bits = codes << (23 - fraction_bits)
    return torch.where(bits > _SIZE, bits - (1 << 32), bits).int().view(torch.float32)


def quantise_int8(x: Tensor) -> tuple[Tensor, Tensor]:
    """Symmetric int8 with one scale for the tensor: x is about codes * scale.

    The scale is max|x| / 127, at least the smallest normal FP32, so a tensor of zeros works. A
    non-finite element makes the scale NaN: the loss turns NaN, as in FP32, and the training
    loop sees it without a synchronisation here.

    Returns:
        Codes, int8 within -127..127, of the same shape; the scale, FP32 of no dimensions.
    """
    if x.numel() == 0:
        return x.to(torch.int8), x.new_ones(())
    low, high = torch.aminmax(x)  # one pass, where abs().amax() takes two
    largest = torch.maximum(-low, high)
    tiny = torch.finfo(torch.float32).tiny
    scale = (largest / INT8_MAX).clamp_min(tiny)
    # In place, for speed. No clamp: x / scale is 127 (1 + 2^-23) at most.
    codes = (x / scale).nan_to_num_(nan=0.0).round_().to(torch.int8)
    return codes, torch.where(largest.isfinite(), scale, torch.nan)
