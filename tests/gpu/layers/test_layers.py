import pytest
import torch
from torch import Tensor, nn

from axdse.gpu.layers.assignment import LayerProducts
from axdse.gpu.layers.conv import (
    ApproxConv1d,
    ApproxConv2d,
    ApproxConv3d,
    ApproxConvTranspose1d,
    ApproxConvTranspose2d,
    ApproxConvTranspose3d,
)
from axdse.gpu.layers.linear import ApproxLinear
from axdse.gpu.testing.gemm import assert_same_bits, table
from axdse.multipliers.errors import AxdseError

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


@pytest.mark.parametrize("mode", ["zeros", "replicate", "circular"])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation"),
    [
        (3, 1, 0, 1),
        ((3, 2, 1), 2, (2, 1, 0), 1),
        ((2, 3, 3), (3, 1, 2), 1, (2, 1, 1)),
        (3, 1, "same", 1),
    ],
)
@pytest.mark.parametrize("batch", [(2,), ()])
def test_convolution_of_volumes(
    batch: tuple[int, ...], kernel: int, stride: int, padding: int, dilation: int, groups: int,
    mode: str,
) -> None:  # fmt: skip
    arguments = (4, 6, kernel, stride, padding, dilation, groups, groups == 1, mode)
    layer, exact = ApproxConv3d(*arguments), nn.Conv3d(*arguments)
    twin(layer, exact)
    assert_same_layer(layer, exact, eighths(*batch, 4, 6, 5, 7))


@pytest.mark.parametrize(
    ("shape", "message"),
    [((1, 2, 5, 5, 5), "volumes are"), ((4, 5, 5), "volumes are"), ((4, 2, 5, 5), "kernel fits")],
)
def test_volumes_that_do_not_fit_are_one_line(shape: tuple[int, ...], message: str) -> None:
    layer = ApproxConv3d(4, 6, 3)
    with pytest.raises(AxdseError, match=message):
        layer(torch.zeros(shape))


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "more", "dilation"),
    [
        (3, 1, 0, 0, 1),
        (3, 2, 1, 1, 1),
        ((2, 3, 1), (3, 1, 2), (0, 1, 0), (2, 0, 1), (2, 1, 1)),
        ((1, 2, 3), (2, 2, 1), 0, (1, 0, 0), 1),  # depths that no tap reaches
    ],
)
@pytest.mark.parametrize("batch", [(2,), ()])
def test_transposed_convolution_of_volumes(
    batch: tuple[int, ...], kernel: int, stride: int, padding: int, more: int, dilation: int,
    groups: int,
) -> None:  # fmt: skip
    arguments = (4, 6, kernel, stride, padding, more, groups, groups == 1, dilation)
    layer, exact = ApproxConvTranspose3d(*arguments), nn.ConvTranspose3d(*arguments)
    twin(layer, exact)
    assert_same_layer(layer, exact, eighths(*batch, 4, 3, 4, 5))
    with pytest.raises(AxdseError, match="volumes are"):
        layer(torch.zeros(2, 5, 3, 4, 5))


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


@pytest.mark.parametrize("groups", [1, 4])
def test_convolution_of_channels_last(groups: int) -> None:
    layer, exact = ApproxConv2d(4, 8, 3, 2, 1, 1, groups), nn.Conv2d(4, 8, 3, 2, 1, 1, groups)
    twin(layer, exact)
    images = eighths(3, 4, 9, 8).contiguous(memory_format=torch.channels_last)
    assert_same_layer(layer.to(memory_format=torch.channels_last), exact, images)


@pytest.mark.parametrize("shape", [(3, 4, 17), (4, 17)])
@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation", "groups"),
    [
        (3, 1, 0, 1, 1),
        (3, 2, 1, 2, 2),
        (5, 3, 2, 1, 4),
        (4, 1, "same", 1, 1),
        (1, 2, "valid", 1, 1),
    ],
)
def test_convolution_in_one_dimension(
    kernel: int,
    stride: int,
    padding: int | str,
    dilation: int,
    groups: int,
    mode: str,
    shape: tuple[int, ...],
) -> None:
    settings = (4, 8, kernel, stride, padding, dilation, groups, True, mode)
    layer, exact = ApproxConv1d(*settings), nn.Conv1d(*settings)
    twin(layer, exact)
    assert_same_layer(layer, exact, eighths(*shape))


TRANSPOSED = pytest.mark.parametrize(
    ("kernel", "stride", "padding", "extra", "groups", "dilation"),
    [
        (3, 1, 0, 0, 1, 1),
        (3, 2, 1, 1, 1, 1),
        (4, 3, 2, 2, 2, 2),
        (2, 3, 0, 0, 4, 1),
        (1, 2, 0, 1, 1, 1),
    ],
)


@pytest.mark.parametrize("shape", [(3, 4, 6, 5), (4, 6, 5), (0, 4, 6, 5)])
@TRANSPOSED
def test_transposed_convolution(
    kernel: int,
    stride: int,
    padding: int,
    extra: int,
    groups: int,
    dilation: int,
    shape: tuple[int, ...],
) -> None:
    settings = (4, 8, kernel, stride, padding, extra, groups, groups != 2, dilation)
    layer, exact = ApproxConvTranspose2d(*settings), nn.ConvTranspose2d(*settings)
    twin(layer, exact)
    assert_same_layer(layer, exact, eighths(*shape))


@pytest.mark.parametrize("shape", [(3, 4, 7), (4, 7)])
@TRANSPOSED
def test_transposed_convolution_in_one_dimension(
    kernel: int,
    stride: int,
    padding: int,
    extra: int,
    groups: int,
    dilation: int,
    shape: tuple[int, ...],
) -> None:
    settings = (4, 8, kernel, stride, padding, extra, groups, groups != 2, dilation)
    layer, exact = ApproxConvTranspose1d(*settings), nn.ConvTranspose1d(*settings)
    twin(layer, exact)
    assert_same_layer(layer, exact, eighths(*shape))


@pytest.mark.parametrize("size", [(12, 10), (13, 11)])
def test_transposed_convolution_to_a_size(size: tuple[int, int]) -> None:
    layer, exact = ApproxConvTranspose2d(4, 8, 4, 2, 1), nn.ConvTranspose2d(4, 8, 4, 2, 1)
    twin(layer, exact)
    x = eighths(2, 4, 6, 5)
    assert_same_bits(layer(x, size).detach() + 0, exact(x, size).detach() + 0)


@pytest.mark.parametrize(
    "layer", [ApproxLinear(5, 3), ApproxConv1d(5, 3, 2), ApproxConv2d(5, 3, 2)]
)
def test_inputs_that_do_not_fit_are_refused(layer: nn.Module) -> None:
    layer.products = EXACT
    with pytest.raises(AxdseError, match="reshape"):
        layer(torch.zeros(2, 4, 4, 4, 4))


@pytest.mark.parametrize(
    "layer",
    [
        ApproxLinear(4, 3),
        ApproxConv1d(4, 3, 2),
        ApproxConv2d(4, 3, 2),
        ApproxConvTranspose1d(4, 3, 2),
        ApproxConvTranspose2d(4, 3, 2),
    ],
)
def test_autocast_changes_no_bit(layer: nn.Module) -> None:
    layer.products = LayerProducts.uniform(table("exact", "float(8,7,product=wide)"))
    x = torch.randn(2, 4, 4, 4)[
        (..., 0) if isinstance(layer, nn.Conv1d | nn.ConvTranspose1d) else ...
    ]
    expected = layer(x)
    with torch.autocast("cpu", torch.bfloat16):
        assert_same_bits(layer(x).detach(), expected.detach())


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


def test_output_padding_beyond_the_stride_is_zero() -> None:
    """As torch has it: it may be as large as the dilation allows."""
    settings = (3, 2, 3, 1, 0, 1, 1, True, 2)  # stride 1, output padding 1, dilation 2
    layer, exact = ApproxConvTranspose2d(*settings), nn.ConvTranspose2d(*settings)
    twin(layer, exact)
    assert_same_layer(layer, exact, eighths(2, 3, 5, 6))
