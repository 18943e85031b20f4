"""Scales: what an operand stands for, times its scale, is the number that it was made of."""

import numpy as np
import pytest

from axdse.multipliers.formats import FloatFormat, Format, parse_format
from axdse.multipliers.operands.encoding import operand_codes, operand_scales


def numbers(codes: np.ndarray, known: Format) -> np.ndarray:
    """Of codes that are no subnormals, infinities or NaN."""
    if not isinstance(known, FloatFormat):
        return codes.astype(np.uint8).view(np.int8).astype(float)
    e, m = known.exponent_bits, known.fraction_bits
    whole = codes.astype(np.int64)
    exponent, fraction = whole >> m & ((1 << e) - 1), whole & ((1 << m) - 1)
    size = np.where(exponent, np.ldexp(1 + fraction / (1 << m), exponent - known.bias), 0)
    return np.where(whole >> (e + m), -size, size)


@pytest.mark.parametrize("text", ["bf16", "fp16", "fp8_e4m3", "fp16(scale=none)", "int8"])
def test_operands_times_their_scale_are_the_numbers(text: str) -> None:
    known = parse_format(text)
    random = np.random.default_rng(0)
    values = random.uniform(1, 3, 1000).astype(np.float32) * random.choice([-1, 1], 1000)
    values = values.astype(np.float32)
    peaks = np.full(1, 3.0, dtype=np.float32)
    scales = operand_scales(peaks, known)
    assert scales.dtype == np.float32
    again = numbers(operand_codes(values, peaks, known), known) * scales
    steps = 3 / 127 if text == "int8" else np.abs(values) * 2.0**-known.fraction_bits
    assert (np.abs(again - values) <= steps / 2 + 1e-9).all()


def test_a_tensor_of_zeros_has_a_scale() -> None:
    zeros = np.zeros(3, dtype=np.float32)
    for text in ("int8", "fp16"):
        assert (operand_scales(zeros, parse_format(text)) > 0).all()
