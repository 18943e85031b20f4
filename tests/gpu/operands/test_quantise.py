from fractions import Fraction

import numpy as np
import pytest
import torch

from axdse.gpu.operands.encode import add_rounded, float_codes, float_values, round_float
from axdse.gpu.testing.gemm import FLOATS, wild_operands
from axdse.multipliers.formats import FloatFormat, parse_format

MAX = torch.finfo(torch.float32).max
TINY = torch.finfo(torch.float32).tiny


def exactly_rounded(x: float, number_format: FloatFormat) -> Fraction:
    """The rounding rule on rationals; exponents are not limited."""
    size = abs(Fraction(x))
    exponent = int(np.frexp(x)[1]) - 1
    unit = Fraction(2) ** (exponent - number_format.fraction_bits)
    steps = size / unit
    whole = int(steps) if number_format.rounding == "truncate" else round(steps)
    return whole * unit * (1 if x > 0 else -1)


@pytest.mark.parametrize("name", [*FLOATS, "float(8,23)", "float(8,10)"])
def test_normal_numbers_round_exactly(name: str) -> None:
    number_format = parse_format(name)
    assert isinstance(number_format, FloatFormat)
    x = wild_operands(3000, number_format, 3)
    x = torch.cat([x, torch.randn(500), 1 + torch.arange(512) / 512, -1 - torch.arange(512) / 512])
    x = x[x.isfinite() & (x.abs() >= TINY) & (x.abs() < 2.0**127)]
    expected = [exactly_rounded(value, number_format) for value in x.tolist()]
    assert [Fraction(value) for value in round_float(x, number_format).tolist()] == expected


@pytest.mark.parametrize("rounding", ["truncate", "nearest"])
def test_specials(rounding: str) -> None:
    number_format = parse_format(f"float(8,7,round={rounding})")
    assert isinstance(number_format, FloatFormat)
    subnormal = TINY * (1 - 2.0**-23)
    x = torch.tensor([0.0, -0.0, subnormal, -subnormal, TINY, torch.inf, -torch.inf, MAX, -MAX])
    top = torch.inf if rounding == "nearest" else 255 * 2.0**120
    expected = torch.tensor([0.0, -0.0, 0.0, -0.0, TINY, torch.inf, -torch.inf, top, -top])
    actual = round_float(x, number_format)
    assert torch.equal(actual.view(torch.int32), expected.view(torch.int32))


@pytest.mark.parametrize("payload", [0x7F80_0001, 0x7FFF_FFFF, -1, -0x7F_FFFF])
def test_every_nan_stays_nan(payload: int) -> None:
    number_format = FloatFormat(8, 7, "nearest")
    x = torch.tensor([payload], dtype=torch.int32).view(torch.float32)
    assert x.isnan().all()
    assert round_float(x, number_format).isnan().all()


@pytest.mark.parametrize("name", ["fp16", "fp8_e4m3", "fp16(scale=none)"])
def test_operators_leave_the_range_alone(name: str) -> None:
    number_format = parse_format(name)
    assert isinstance(number_format, FloatFormat)
    x = wild_operands(2000, number_format, 5)
    expected = round_float(x, FloatFormat(8, number_format.fraction_bits))
    torch.testing.assert_close(
        round_float(x, number_format), expected, rtol=0, atol=0, equal_nan=True
    )


def test_bf16_operands_round_as_torch_rounds() -> None:
    x = torch.randn(10_000) * torch.logspace(-30, 30, 10_000)
    number_format = parse_format("bf16")
    assert isinstance(number_format, FloatFormat)
    assert torch.equal(round_float(x, number_format), x.bfloat16().float())


@pytest.mark.parametrize("name", FLOATS)
def test_codes_and_values_are_inverse(name: str) -> None:
    number_format = parse_format(name)
    assert isinstance(number_format, FloatFormat)
    m = number_format.fraction_bits
    codes = torch.arange(1 << (9 + m))
    exponent, fraction = codes >> m & 0xFF, codes & ((1 << m) - 1)
    kept = (exponent != 0) & ((exponent != 255) | (fraction == 0))
    assert torch.equal(float_codes(float_values(codes, m), number_format)[kept], codes[kept])


def test_rounding_takes_any_strides() -> None:
    x = torch.randn(6, 8)
    number_format = FloatFormat()
    expected = round_float(x, number_format).t()
    assert torch.equal(round_float(x.t(), number_format), expected)


@pytest.mark.parametrize(
    ("total", "sum_", "product", "expected"),
    [
        ("fp32", 256.0, 1.0, 257.0),
        ("bf16", 256.0, 1.0, 256.0),  # a tie, to even
        ("bf16", 258.0, 1.0, 260.0),
        ("bf16", 256.0, 1.0001, 258.0),
        ("bf16", 1e-39, 0.0, float(torch.tensor(1e-39).bfloat16())),  # subnormals stay
        ("bf16", 3.38e38, 2e36, torch.inf),
        ("fp16", 2048.0, 1.0, 2048.0),
        ("fp16", 2050.0, 1.0, 2052.0),
        ("fp16", 2.0**-24, 0.0, 2.0**-24),
        ("fp16", 65504.0, 15.0, 65504.0),
        ("fp16", 65504.0, 16.0, torch.inf),
        ("fp16", -65504.0, -16.0, -torch.inf),
    ],
)
def test_an_accumulator_rounds_each_sum(
    total: str, sum_: float, product: float, expected: float
) -> None:
    number_format = parse_format(f"float(8,7,sum={total})")
    assert isinstance(number_format, FloatFormat)
    actual = add_rounded(torch.tensor([sum_]), torch.tensor([product]), number_format)
    assert actual.dtype == torch.float32
    assert actual.tolist() == [expected]
