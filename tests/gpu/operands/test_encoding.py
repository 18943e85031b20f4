"""Recorded numbers become the codes that tensors become, format by format."""

import numpy as np
import pytest
import torch

from axdse.gpu.operands.encode import encode, float_codes
from axdse.multipliers.formats import FloatFormat, parse_format
from axdse.multipliers.operands.encoding import operand_codes

FORMATS = ("bf16", "approxtrain", "float(8,3)", "float(8,23)", "int8", "fp16", "fp8_e5m2")
UNSCALED = ("fp16(scale=none)", "fp8_e5m2(scale=none)", "fp16(scale=none,round=truncate)")


def wild() -> torch.Tensor:
    random = torch.Generator().manual_seed(0)
    spread = (
        torch.randn(5000, generator=random) * torch.randn(5000, generator=random).mul(12).exp()
    )
    special = torch.tensor(
        [0.0, -0.0, 1e-40, 65504.0, 65519.0, 65520.0, 6.1e-5, 5.9e-5, 2.0**-126]
    )
    return torch.cat([spread.clamp(-1e37, 1e37), special])


def expected(x: torch.Tensor, text: str) -> np.ndarray:
    known = parse_format(text)
    codes = encode(x, known).codes
    if not isinstance(known, FloatFormat):
        return codes.numpy().astype(np.int64) & 0xFF
    words = float_codes(codes, known).numpy()
    if known.exponent_bits == 8:
        return np.asarray(words)
    m, e = known.fraction_bits, known.exponent_bits
    exponent = words >> m & 0xFF
    moved = np.where(exponent == 0, 0, np.minimum(exponent - 127 + known.bias, (1 << e) - 1))
    return np.asarray((words >> (8 + m) << (e + m)) | moved << m | (words & ((1 << m) - 1)))


@pytest.mark.parametrize("text", FORMATS + UNSCALED)
def test_codes_are_those_of_the_tensor(text: str) -> None:
    x = wild()
    peak = x.abs().amax().numpy()
    np.testing.assert_array_equal(
        operand_codes(x.numpy(), peak, parse_format(text)).astype(np.int64), expected(x, text)
    )


@pytest.mark.parametrize("text", ["bf16", "fp16(scale=none)"])
def test_infinities_and_nan_stay(text: str) -> None:
    known = parse_format(text)
    x = np.array([np.inf, -np.inf, np.nan], dtype=np.float32)
    m, e = known.fraction_bits, known.exponent_bits  # type: ignore[union-attr]
    infinity, sign = ((1 << e) - 1) << m, 1 << (e + m)
    codes = operand_codes(x, np.float32(1), known).tolist()
    assert codes == [infinity, sign | infinity, infinity | 1 << (m - 1)]
