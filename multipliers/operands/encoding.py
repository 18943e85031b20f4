"""What are the operand codes of numbers in a format? In numpy.

What `axdse.gpu.operands.encode` does to tensors, for operands that were recorded before rounding.
"""

import math

import numpy as np

from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import (
    BLOCK,
    MX_LARGEST,
    SCALE_BITS,
    FloatFormat,
    Format,
    IntFormat,
)

FRACTION, BIAS = 23, 127  # of FP32
SIGN, SIZE = np.uint32(1 << 31), np.uint32((1 << 31) - 1)
INFINITY, QUIET_NAN = np.uint32(0x7F80_0000), np.uint32(0x7FC0_0000)


def operand_codes(values: np.ndarray, peaks: np.ndarray, number_format: Format) -> np.ndarray:
    """Round numbers to a format, with the scale of the tensor that they were part of.

    Stochastic rounding is to nearest here, and scales of channels are those of whole tensors.

    Args:
        values: float32, any shape.
        peaks: float32 that broadcasts to `values`: the largest magnitudes in the tensors.
        number_format: of the operands; of integers, that of one operand.

    Returns:
        uint64 codes of the shape of `values`, as `axdse.multipliers.model.unit_oracle` takes them.

    Raises:
        AxdseError: the format has scales of blocks; or the numbers are below zero and the format
            is unsigned.
    """
    if number_format.is_mx:
        rule = "blocks of MX operands are those of whole sums, and not of any pairs in order"
        raise AxdseError(rule, number_format.name, "cost its MAC with the sum that it has")
    if isinstance(number_format, IntFormat):
        return _integers(values, peaks, number_format)
    bits = values.astype(np.float32).view(np.uint32)
    if number_format.exponent_bits == 8:
        return (_rounded(bits, number_format) >> _dropped(number_format)).astype(np.uint64)
    if number_format.scale != "none":
        bits = (values / _powers_of_two(peaks, number_format)).astype(np.float32).view(np.uint32)
    return _narrow(_rounded(bits, number_format), number_format)


def row_codes(values: np.ndarray, peaks: np.ndarray, number_format: Format) -> np.ndarray:
    """As `operand_codes`, of the operands of sums from their first products on, float32 [rows, k].

    Those of MX formats are {scale, element}, each 32 of a row a block; the last may be shorter.
    """
    if not number_format.is_mx:
        return operand_codes(values, peaks, number_format)
    rows, length = values.shape
    blocks = np.pad(values, ((0, 0), (0, -length % BLOCK))).reshape(rows, -1, BLOCK)
    size = np.abs(blocks).max(-1, keepdims=True)
    odd = ~np.isfinite(size)
    field = np.where(odd, 0, size).astype(np.float32).view(np.uint32).astype(np.int64) >> FRACTION
    numbers = np.where(odd | (np.abs(blocks) < np.finfo(np.float32).tiny), 0.0, blocks)
    if isinstance(number_format, IntFormat):
        scale, bits = np.maximum(field, 1), number_format.bits
        near = np.ldexp(numbers.astype(np.float64), BIAS + number_format.fraction_bits - scale)
        elements = np.clip(np.rint(near), -number_format.largest, number_format.largest)
        elements = elements.astype(np.int64) & ((1 << bits) - 1)
    else:
        e, m = number_format.exponent_bits, number_format.fraction_bits
        bits, top = number_format.bits, math.frexp(MX_LARGEST[e, m])[1] - 1
        scale = np.maximum(field - top, 1)
        elements = _elements(np.ldexp(numbers.astype(np.float64), BIAS - scale), number_format)
    scale = np.where(odd, (1 << SCALE_BITS) - 1, scale)
    codes = (scale << bits | elements).astype(np.uint64)
    return np.asarray(codes.reshape(rows, -1)[:, :length])


def _elements(near: np.ndarray, number_format: FloatFormat) -> np.ndarray:
    """Codes of elements of OCP MX, int64, rounded to nearest even; they saturate."""
    e, m, bias = number_format.exponent_bits, number_format.fraction_bits, number_format.bias

    def code(size: np.ndarray) -> np.ndarray:
        exponent = np.maximum(np.frexp(size)[1] - 1, 1 - bias)
        # A hidden one adds 1 to the exponent, and so does a carry.
        whole = np.rint(np.ldexp(size, m - exponent)).astype(np.int64)
        codes = whole + ((exponent.astype(np.int64) + bias - 1) << m)
        return np.asarray(np.where(whole == 0, 0, codes))

    size = np.minimum(code(np.abs(near)), code(np.array(MX_LARGEST[e, m])))
    sign = np.signbit(near).astype(np.int64) << (e + m)
    return np.asarray(np.where(size == 0, 0, sign | size))


def operand_scales(peaks: np.ndarray, number_format: Format) -> np.ndarray:
    """What a unit of the operands of tensors with these peaks stands for: float32, as `peaks`."""
    if isinstance(number_format, IntFormat):
        return np.maximum(peaks / np.float32(number_format.largest), np.finfo(np.float32).tiny)
    if number_format.exponent_bits == 8 or number_format.scale != "tensor":
        return np.ones_like(peaks)
    return _powers_of_two(peaks, number_format)


def _integers(values: np.ndarray, peaks: np.ndarray, number_format: IntFormat) -> np.ndarray:
    scale = np.maximum(peaks / np.float32(number_format.largest), np.finfo(np.float32).tiny)
    codes = np.rint(np.nan_to_num(values / scale, nan=0.0, posinf=0.0, neginf=0.0))
    if not number_format.signed and codes.min(initial=0) < 0:
        rule = "recordings keep no zero points, so numbers below zero have no unsigned codes"
        raise AxdseError(rule, number_format.name, "record a run in that format")
    codes = np.clip(codes, -number_format.largest, number_format.largest).astype(np.int64)
    return (codes & ((1 << number_format.bits) - 1)).astype(np.uint64)


def _dropped(number_format: FloatFormat) -> np.uint32:
    return np.uint32(FRACTION - number_format.fraction_bits)


def _rounded(bits: np.ndarray, number_format: FloatFormat) -> np.ndarray:
    """FP32 words rounded to m bits; subnormals become zero, NaN the quiet one."""
    sign, size, drop = bits & SIGN, bits & SIZE, _dropped(number_format)
    rounded = size
    if number_format.rounding != "truncate" and drop:
        half = np.uint32((1 << (int(drop) - 1)) - 1)
        rounded = size + half + ((size >> drop) & np.uint32(1))
    rounded = rounded >> drop << drop
    rounded = np.where(size < np.uint32(1 << FRACTION), np.uint32(0), rounded)
    return np.asarray(sign | np.where(size > INFINITY, QUIET_NAN, rounded))


def _powers_of_two(peaks: np.ndarray, number_format: FloatFormat) -> np.ndarray:
    """Scales that bring the largest exponent of a tensor to the largest of the format."""
    words = peaks.astype(np.float32).view(np.uint32).astype(np.int64)
    words += (1 << int(_dropped(number_format))) - 1
    exponent = (words & int(INFINITY)) - (number_format.bias << FRACTION)
    return np.asarray(np.maximum(exponent, 1 << FRACTION).astype(np.uint32).view(np.float32))


def _narrow(bits: np.ndarray, number_format: FloatFormat) -> np.ndarray:
    """Codes of e < 8 exponent bits: what is below the smallest normal number is zero."""
    e, m = number_format.exponent_bits, number_format.fraction_bits
    top = (1 << e) - 1
    sign = (bits >> np.uint32(31)).astype(np.int64) << (e + m)
    exponent = (bits & SIZE).astype(np.int64) >> FRACTION
    fraction = (bits.astype(np.int64) & ((1 << FRACTION) - 1)) >> (FRACTION - m)
    moved = exponent - BIAS + number_format.bias
    largest = (top << m) - 1 if number_format.rounding == "truncate" else top << m
    size = np.where(moved < top, (moved << m) | fraction, largest)
    size = np.where(exponent == 255, (top << m) | fraction, size)
    # Tensors lose the sign of what becomes zero here.
    return np.where(moved < 1, 0, sign | size).astype(np.uint64)
