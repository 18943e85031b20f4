"""Every training format from `--format` through a layer and back, with an exact core."""

import pytest
import torch
from torch import Tensor, nn

from axdse.gpu.layers.assignment import Assignment
from axdse.gpu.layers.convert import convert
from axdse.gpu.multiplication.handles import Multiplication, handle
from axdse.gpu.multiplication.inlined import Inlined
from axdse.gpu.reference import gemm_reference
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.formats import FloatFormat, parse_format
from axdse.multipliers.tables.lut import MAX_FRACTION_BITS, build_lut

# Operands are off by half a unit of their last place, or by one where rounding is by chance.
ERRORS = {
    "bf16": 2**-8,
    "bf16(round=stochastic)": 2**-7,
    "fp16(product=wide)": 2**-11,
    "fp16(product=wide,scale=none)": 2**-11,
    "fp16(product=wide,round=stochastic)": 2**-10,
    "fp8_e4m3(product=wide)": 2**-4,
    "fp8_e5m2(product=wide)": 2**-3,
    "fp8_e5m2(product=wide,round=stochastic)": 2**-2,
    "int8": 0.02,
    "int8(scale=channel)": 0.02,
}


def exact(name: str) -> Multiplication:
    number_format = parse_format(name)
    core = builtin_catalog().multiplier(f"exact(n={number_format.operand_bits})")
    candidate = Candidate(core, number_format)
    if isinstance(number_format, FloatFormat) and number_format.fraction_bits > MAX_FRACTION_BITS:
        return Inlined(candidate)
    return build_lut(candidate)


def passed(model: nn.Module, x: Tensor) -> list[Tensor]:
    """Result, and the gradients of input, weights and bias."""
    x = x.clone().requires_grad_()
    y = model(x)
    torch.autograd.backward((y * torch.linspace(-1, 1, y.numel()).reshape(y.shape)).sum())
    gradients = [x.grad, *(p.grad for p in model.parameters())]
    return [y.detach(), *(g for g in gradients if g is not None)]


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize(
    ("layer", "shape"),
    [(nn.Linear(48, 20), (32, 48)), (nn.Conv2d(6, 8, 3, padding=1, groups=2), (4, 6, 7, 7))],
    ids=["linear", "convolution"],
)
def test_a_layer_follows_fp32(name: str, layer: nn.Module, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    x = torch.randn(shape)
    native = nn.Sequential(layer)
    native.zero_grad()
    expected = passed(native, x)
    model = convert(native, Assignment.uniform(exact(name))).model
    model.zero_grad()
    actual = passed(model, x)
    assert len(actual) == 4
    differences = [float((a - e).norm() / e.norm()) for a, e in zip(actual, expected, strict=True)]
    assert max(differences) < 2 * ERRORS[name]
    assert min(differences[:3]) > 0


@pytest.mark.parametrize("name", ["fp16", "fp8_e4m3", "bf16", "fp8_e5m2(product=wide)"])
def test_operators_see_numbers_of_a_format_as_they_are(name: str) -> None:
    """K = 1, numbers of the format: bit-equal to the reference, and exact if wide."""
    number_format = parse_format(name)
    assert isinstance(number_format, FloatFormat)
    m = number_format.fraction_bits
    significands = 1 + torch.randint(0, 1 << m, (40,)) / (1 << m)
    bias = min(number_format.bias, 60)
    x = significands * torch.exp2(torch.randint(1 - bias, bias + 1, (40,)).float())
    a, b = x[None, :, None], -x[None, None].flip(2)
    key = handle(exact(name))
    actual = torch.ops.axdse.gemm(a, b, key, False)
    expected = gemm_reference(a, b, key, False)
    assert torch.equal(actual.view(torch.int32), expected.view(torch.int32))
    if number_format.product == "wide":
        assert torch.equal(actual, a * b)


@pytest.mark.parametrize("name", ["bf16(sum=bf16)", "bf16(sum=fp16)", "fp16(sum=fp16)"])
@pytest.mark.parametrize("swap", [False, True])
def test_sums_are_rounded_after_each_addition(name: str, swap: bool) -> None:
    a, b = torch.randn(2, 9, 70), torch.randn(2, 70, 33)
    key = handle(exact(name))
    actual = torch.ops.axdse.gemm(a, b, key, swap)
    assert torch.equal(actual, gemm_reference(a, b, key, swap))
    assert (actual - a @ b).abs().max() > 1e-3
