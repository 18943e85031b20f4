from fractions import Fraction

import numpy as np
import pytest
import torch
from gemm_contract import FLOATS, wild_operands

from axdse.gpu.quantise import float_codes, float_values, quantise_int8, round_float
from axdse.multipliers.errors import AxdseError
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


def test_formats_with_another_exponent_are_refused() -> None:
    with pytest.raises(AxdseError, match=r"exponent of FP32, e=8: float\(e=5,m=10"):
        round_float(torch.ones(1), FloatFormat(5, 10))


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


@pytest.mark.parametrize("largest", [1.0, 3e38, 1e-30, TINY])
def test_int8_is_within_half_a_step(largest: float) -> None:
    x = torch.cat([torch.tensor([-largest]), (torch.rand(1000) - 0.5) * largest])
    codes, scale = quantise_int8(x)
    assert codes.dtype == torch.int8
    assert int(codes.abs().max()) <= 127
    error = (codes.double() * scale.double() - x.double()).abs().max()
    assert float(error) <= 0.5000001 * float(scale)
    if largest > TINY:
        assert int(codes[0]) == -127


@pytest.mark.parametrize("x", [torch.zeros(3, 4), torch.zeros(0, 4), torch.full((2,), 1e-45)])
def test_int8_of_nearly_nothing_is_zero(x: torch.Tensor) -> None:
    codes, scale = quantise_int8(x)
    assert torch.equal(codes, torch.zeros_like(x, dtype=torch.int8))
    assert scale.isfinite()
    assert scale > 0


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_int8_passes_non_finite_on_as_nan(bad: float) -> None:
    codes, scale = quantise_int8(torch.tensor([1.0, bad, -2.0]))
    assert scale.isnan()
    assert codes.dtype == torch.int8
