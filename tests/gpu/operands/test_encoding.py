"""Recorded numbers become the codes that tensors become, format by format."""

import numpy as np
import pytest
import torch

from axdse.gpu.operands.encode import block_values, encode, float_codes
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import FloatFormat, IntFormat, parse_format
from axdse.multipliers.model.mx_codes import mx_numbers
from axdse.multipliers.operands.encoding import operand_codes, row_codes

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


def rows_of_blocks() -> torch.Tensor:
    """[7, 96]: blocks of any exponents, of zeros, with subnormals, at both ends, and with NaN."""
    random = torch.Generator().manual_seed(0)
    x = torch.randn(7, 96, generator=random)
    x *= torch.exp2(torch.randint(-5, 5, x.shape, generator=random).float())
    x *= torch.exp2(torch.randint(-80, 80, (7, 3), generator=random).float()).repeat_interleave(
        32, 1
    )
    x[0, :32], x[1, 32:64], x[2, :32] = 0.0, x[1, 32:64] * 2.0**-130, 3e38
    x[3, 40], x[4, 70] = torch.nan, -torch.inf
    return x


@pytest.mark.parametrize(
    "text",
    [
        "mxfp8_e4m3",
        "mxfp8_e5m2",
        "mxfp6_e3m2",
        "mxfp6_e2m3",
        "mxfp4_e2m1",
        "mxint8",
        "int4(scale=block32)",
    ],
)
def test_codes_of_rows_are_those_of_their_blocks(text: str) -> None:
    """What an operator takes of them, and again of the numbers that a recording keeps of that."""
    known, x = parse_format(text), rows_of_blocks()
    ones = np.ones((7, 1), np.float32)
    encoded = encode(x, known, along=1).codes
    found = row_codes(x.numpy(), ones, known)
    if isinstance(known, IntFormat):
        low = (1 << known.bits) - 1
        codes = encoded.numpy().view(np.uint16).astype(np.uint64)
        expected = codes >> np.uint64(8) << np.uint64(known.bits) | codes & np.uint64(low)
        kept = block_values(encoded, known)
    else:
        assert isinstance(known, FloatFormat)
        found, kept = mx_numbers(found, known), encoded
        expected = float_codes(encoded, known).numpy().astype(np.uint64)
    np.testing.assert_array_equal(found, expected)
    again = row_codes(kept.numpy(), ones, known)
    if isinstance(known, FloatFormat):
        again = mx_numbers(again, known)
    there = ~np.isnan(kept.numpy())
    np.testing.assert_array_equal(again[there], expected[there])
    short = row_codes(x[:, :40].numpy(), ones, known)
    assert short.shape == (7, 40)


def test_pairs_in_order_have_no_blocks() -> None:
    with pytest.raises(AxdseError, match="blocks of MX operands are those of whole sums"):
        operand_codes(np.ones((2, 33), np.float32), np.float32(1), parse_format("mxint8"))
