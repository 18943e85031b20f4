import numpy as np
import pytest
import torch
from torch import Tensor

from axdse.gpu.multiplication.handles import handle
from axdse.gpu.multiplication.inlined import Inlined
from axdse.gpu.operands.encode import float_codes, round_float
from axdse.gpu.reference import (
    conv2d_input_gradient_reference,
    conv2d_reference,
    conv2d_weight_gradient_reference,
    float_products,
    gemm_reference,
)
from axdse.gpu.testing.conv import ConvContract
from axdse.gpu.testing.gemm import (
    FLOATS,
    GemmContract,
    all_products,
    assert_same_bits,
    candidate,
    operands,
    table,
    values,
    wild_operands,
)
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.formats import FloatFormat, parse_format
from axdse.multipliers.model.unit_oracle import unit_products


class TestReference(GemmContract):
    def gemm(self, a: Tensor, b: Tensor, multiplication: str, swap: bool = False) -> Tensor:
        return gemm_reference(a[None], b[None], multiplication, swap)[0]


class TestConvolution(ConvContract):
    conv2d = staticmethod(conv2d_reference)
    conv2d_input_gradient = staticmethod(conv2d_input_gradient_reference)
    conv2d_weight_gradient = staticmethod(conv2d_weight_gradient_reference)


@pytest.mark.parametrize("name", FLOATS)
def test_products_have_the_bits_of_the_unit_even_zeros_and_nan(name: str) -> None:
    number_format = parse_format(name)
    assert isinstance(number_format, FloatFormat)
    a, b = (round_float(wild_operands(20_000, number_format, s), number_format) for s in (1, 2))
    a[:1000] *= 0
    entries = torch.from_numpy(table("scramble", name).entries.astype(np.int32))
    unit_codes = unit_products(
        candidate("scramble", name),
        float_codes(a, number_format).numpy(),
        float_codes(b, number_format).numpy(),
    )
    actual = float_products(a, b, entries, number_format)
    assert torch.equal(
        actual.view(torch.int32), values(unit_codes, number_format).view(torch.int32)
    )


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize(
    ("family", "name"),
    [
        ("mitchell", "float(8,23,round=nearest,product=narrow)"),
        ("exact", "float(8,11,round=nearest,product=wide)"),
    ],
)
def test_inlined_models_multiply_as_the_unit(family: str, name: str, swap: bool) -> None:
    number_format = parse_format(name)
    assert isinstance(number_format, FloatFormat)
    bound = builtin_catalog().family(family)
    width = {"m": number_format.fraction_bits, "n": number_format.operand_bits}
    multiplier = bound.bind({bound.width: width[bound.width]})
    unit = Candidate(multiplier, number_format)
    a = wild_operands(90, number_format, 1).reshape(90, 1)
    b = wild_operands(70, number_format, 2).reshape(1, 70)
    actual = gemm_reference(a[None], b[None], handle(Inlined(unit)), swap)[0]
    assert_same_bits(actual, all_products(a, b, unit, swap)[:, 0] + 0)


@pytest.mark.parametrize(("total", "dtype"), [("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_narrow_accumulators_round_after_each_addition(total: str, dtype: torch.dtype) -> None:
    name = f"float(8,7,round=nearest,product=wide,sum={total})"
    a = operands(5 * 60, parse_format(name), 1).reshape(5, 60)
    b = operands(60 * 7, parse_format(name), 2).reshape(60, 7)
    expected = torch.zeros(5, 7, dtype=dtype)
    for k in range(60):
        products = a[:, k, None].bfloat16().float() * b[k].bfloat16().float()
        expected = (expected.float() + products).to(dtype)
    actual = gemm_reference(a[None], b[None], handle(table("exact", name)), False)[0]
    assert_same_bits(actual, expected.float())
