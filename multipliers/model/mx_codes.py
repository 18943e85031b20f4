"""What numbers are the codes of OCP MX? An element with the scale of its block, {scale, element}.

A scale is E8M0: 2^(code - 127), 255 being NaN. Elements have subnormals; E5M2 has infinities and
NaN, of E4M3 the last code is NaN, the others have numbers alone (OCP Microscaling Formats 1.0,
2023). Numbers are codes of float(8, m), as FP32 has them: below the normal ones they are zero,
beyond them infinite. In the Verilog it is `rtl/unit/mx_decode.v`.
"""

import numpy as np

from axdse.multipliers.formats import FloatFormat

SCALE_BITS, SCALE_BIAS, SCALE_NAN = 8, 127, 255
_TINY, _HUGE = 2.0**-126, 2.0**128


def mx_numbers(codes: np.ndarray, number_format: FloatFormat) -> np.ndarray:
    """Codes of float(8, m), uint64, of codes {scale, element}, uint64 of the same shape."""
    e, m = number_format.exponent_bits, number_format.fraction_bits
    wide = codes.astype(np.int64)
    element, scale = wide & ((1 << number_format.bits) - 1), wide >> number_format.bits
    size = np.ldexp(_elements(number_format)[element & ((1 << (e + m)) - 1)], scale - SCALE_BIAS)
    size = np.where(size < _TINY, 0.0, np.where(size >= _HUGE, np.inf, size))
    size = np.where(scale == SCALE_NAN, np.nan, size)
    words = size.astype(np.float32).view(np.uint32).astype(np.int64) >> (23 - m)
    sign = (element >> (e + m)) << (8 + m)
    nan = (0xFF << m) | (1 << (m - 1))
    return np.where(np.isnan(size), nan, sign | words).astype(np.uint64)


def mx_codes(
    numbers: np.ndarray, number_format: FloatFormat, rng: np.random.Generator
) -> np.ndarray:
    """Codes {scale, element} that are these numbers, one of those that there are, by chance.

    Args:
        numbers: codes of float(8, m), uint64 of any shape; an infinity that the element has not
            is a number beyond the range, and each NaN any NaN.
        number_format: of the elements.
        rng: chooses.
    """
    e, m, bias = number_format.exponent_bits, number_format.fraction_bits, number_format.bias
    wide = numbers.astype(np.int64)
    exponent, fraction = wide >> m & 0xFF, wide & ((1 << m) - 1)
    sign = wide >> (8 + m) << (e + m)
    top = (1 << e) - 1 - (e == 5) - ((e == 4) & (fraction == (1 << m) - 1))
    # Their exponents differ by at most what scales have.
    field = np.clip(rng.integers(1, top + 1), exponent + bias - 254, exponent + bias)
    field = np.clip(field, 1, top)
    element, scale = field << m | fraction, exponent + bias - field
    # Or subnormal, where no bit is lost.
    right = rng.integers(1, m + 1, wide.shape)
    whole, moved = 1 << m | fraction, exponent + bias - 1 + right
    fits = (whole >> right << right == whole) & (moved <= 254) & (rng.random(wide.shape) < 0.5)
    element, scale = np.where(fits, whole >> right, element), np.where(fits, moved, scale)
    zero, any_scale = exponent == 0, rng.integers(0, 255, wide.shape)
    odd, infinite = exponent == 255, (exponent == 255) & (fraction == 0)
    element = np.where(zero | odd, 0, element)
    largest = ((1 << e) - 1) << m  # E5M2: infinity; the others: a number
    element = np.where(infinite, largest, element)
    scale = np.where(zero, any_scale, np.where(odd, np.where(infinite, 254, SCALE_NAN), scale))
    scale = np.clip(scale, 0, 255) << number_format.bits
    return np.asarray(scale | sign | element).astype(np.uint64)


def _elements(number_format: FloatFormat) -> np.ndarray:
    """The values of positive elements by code, float64."""
    e, m = number_format.exponent_bits, number_format.fraction_bits
    code = np.arange(1 << (e + m))
    field, fraction = code >> m, code & ((1 << m) - 1)
    significand = np.where(field > 0, fraction | 1 << m, fraction).astype(np.float64)
    values = np.ldexp(significand, np.maximum(field, 1) - number_format.bias - m)
    if e == 5:
        values[field == 31] = np.where(fraction[field == 31] == 0, np.inf, np.nan)
    if e == 4:
        values[-1] = np.nan
    return np.asarray(values)
