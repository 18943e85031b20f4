import pytest
import torch
from gemm_contract import assert_same_bits, table
from torch import Tensor, nn

from axdse.gpu.assignment import LayerProducts
from axdse.gpu.layers import ApproxConv2d, ApproxLinear

BF16 = "float(8,7,round=nearest,product=wide)"
EXACT = LayerProducts.uniform(table("exact", BF16))


def eighths(*shape: int) -> Tensor:
    """Small multiples of 1/8: bf16 holds them, FP32 their products and sums, without rounding."""
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randint(-12, 13, shape, generator=generator) / 8


def twin(layer: nn.Module, exact: nn.Module) -> None:
    """Give both the same weights, with the state_dict of the exact one and back."""
    layer.products = EXACT
    state = {name: eighths(*value.shape) for name, value in exact.state_dict().items()}
    layer.load_state_dict(state)
    exact.load_state_dict(layer.state_dict())


def assert_same_layer(layer: nn.Module, exact: nn.Module, x: Tensor) -> None:
    """Output and all gradients are equal to the last bit."""
    results = []
    for module in (layer, exact):
        leaf = x.clone().requires_grad_()
        y = module(leaf)
        y.backward(eighths(*y.shape))
        results.append([y.detach(), leaf.grad, *(p.grad for p in module.parameters())])
    for actual, expected in zip(*results, strict=True):
        assert_same_bits(actual + 0, expected + 0)


@pytest.mark.parametrize("shape", [(5, 13), (13,), (2, 3, 13), (0, 13)])
@pytest.mark.parametrize("bias", [True, False])
def test_linear(shape: tuple[int, ...], bias: bool) -> None:
    layer, exact = ApproxLinear(13, 7, bias), nn.Linear(13, 7, bias)
    twin(layer, exact)
    assert_same_layer(layer, exact, eighths(*shape))


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation"),
    [
        (3, 1, 0, 1),
        (3, 2, 1, 1),
        (5, 3, 2, 2),
        (3, 1, "same", 2),
        (4, 1, "same", 1),
        (1, 2, "valid", 1),
        ((1, 3), (2, 1), (0, 2), (1, 2)),
    ],
)
def test_convolution(
    kernel: int, stride: int, padding: int | str, dilation: int, groups: int, mode: str
) -> None:
    settings = (4, 8, kernel, stride, padding, dilation, groups, groups != 2, mode)
    layer, exact = ApproxConv2d(*settings), nn.Conv2d(*settings)
    twin(layer, exact)
    assert_same_layer(layer, exact, eighths(3, 4, 11, 9))


@pytest.mark.parametrize("shape", [(4, 6, 5), (0, 4, 6, 5), (1, 4, 3, 3)])
def test_convolution_of_one_or_no_image(shape: tuple[int, ...]) -> None:
    layer, exact = ApproxConv2d(4, 8, 3), nn.Conv2d(4, 8, 3)
    twin(layer, exact)
    assert_same_layer(layer, exact, eighths(*shape))


def test_bias_is_exact() -> None:
    layer = ApproxLinear(3, 2)
    layer.products = EXACT
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.fill_(1 / 3)
    assert torch.equal(layer(torch.ones(1, 3)), torch.full((1, 2), 1 / 3))


def test_products_round_their_operands() -> None:
    layer = ApproxConv2d(1, 1, 1, bias=False)
    layer.products = EXACT
    x = torch.tensor([[[[1.001, 2.7, -1 / 3]]]])
    expected = x.bfloat16().float() * layer.weight.detach().bfloat16().float()
    assert torch.equal(layer(x), expected)
