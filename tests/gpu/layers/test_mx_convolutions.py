"""Convolutions of MX operands: are blocks channels of a pixel, and steps parts of blocks?"""

import copy
import itertools

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import axdse
from axdse.gpu import reference
from axdse.gpu.multiplication.handles import handle
from axdse.gpu.operands.encode import block_values
from axdse.gpu.ops.encoding import encode
from axdse.multipliers.designs.design_point import Mac, parse_mac
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import IntFormat

FLOATS = "exact(n=4) in mxfp8_e4m3 sum dot(terms=16,align=13)"
INTEGERS = "drum(n=8,k=4) in mxint8 sum dot(terms=16,align=13)"
# Layer of 64 channels in two groups or one, and the height and width of its image.
CONVOLUTIONS = {
    "plain": (nn.Conv2d(64, 32, 3, bias=False), (6, 6)),
    "strides": (nn.Conv2d(64, 64, (3, 2), (2, 3), (2, 1), (1, 2), 2, bias=False), (8, 9)),
    "more padding than taps": (nn.Conv2d(64, 32, (1, 2), 2, (0, 3), bias=False), (8, 8)),
    "transposed": (nn.ConvTranspose2d(64, 64, 3, 2, 1, 1, 2, False), (4, 4)),
}


def drawn(*size: int) -> Tensor:
    """Numbers of a few binades."""
    generator = torch.Generator().manual_seed(sum(size))
    scale = torch.exp2(torch.randint(-4, 4, size, generator=generator).float())
    return torch.randn(size, generator=generator) * scale


def rounded(x: Tensor, mac: Mac, along: int) -> Tensor:
    """The numbers that blocks along a dimension make of a tensor."""
    codes = encode(x, mac.format, along=along).codes
    return block_values(codes, mac.format) if isinstance(mac.format, IntFormat) else codes


def passes(layer: nn.Module, x: Tensor, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Output, and the gradients of image and weights."""
    x = x.clone().requires_grad_()
    output = layer(x)
    output.backward(grad)
    (weight,) = layer.parameters()
    assert x.grad is not None
    assert weight.grad is not None
    return output.detach(), x.grad, weight.grad


@pytest.mark.parametrize("form", ["exact(n=4) in mxfp8_e4m3", "exact(n=8) in mxint8"])
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_products_are_those_of_operands_in_blocks(name: str, form: str) -> None:
    """With exact products and sums in FP32 native convolutions of rounded operands agree."""
    layer, size = CONVOLUTIONS[name]
    mac = parse_mac(f"{form} sum fp32(order=k)")
    weight = drawn(*layer.weight.shape)
    x, grad = drawn(2, 64, *size), drawn(*layer(torch.ones(2, 64, *size)).shape)
    layer.weight.data = weight
    places = {"*:weight_gradient": "fp32", "*": mac.name}
    found = passes(axdse.convert(nn.Sequential(layer), places).model, x, grad)
    # Of each group along inputs and along outputs; a transposed convolution exchanges them.
    by_group = weight.unflatten(0, (layer.groups, -1))
    along = [rounded(weight, mac, 1), rounded(by_group, mac, 1).flatten(0, 1)]
    if isinstance(layer, nn.ConvTranspose2d):
        along.reverse()
    exact = copy.deepcopy(layer)
    for number, own in enumerate(along):
        exact.weight.data = own
        expected = passes(exact, rounded(x, mac, 1), rounded(grad, mac, 1))
        torch.testing.assert_close(found[number], expected[number], rtol=1e-4, atol=1e-3)


def test_gradient_of_weights_has_blocks_of_pixels() -> None:
    layer, mac = nn.Conv2d(3, 5, 3, 1, 1, bias=False), parse_mac(INTEGERS)
    x, grad = drawn(2, 3, 8, 8), drawn(2, 5, 8, 8)
    columns = F.unfold(x, 3, padding=1).transpose(0, 1).flatten(1)  # [C taps, pixels]
    rows = grad.transpose(0, 1).flatten(1)
    a, b = (encode(y[None], mac.format, along=2).codes for y in (rows, columns))
    known = handle(mac.candidate, mac.recipe)
    expected = reference.gemm_reference(a, b.mT, known, False)[0].reshape(5, 3, 3, 3)
    places = {"0:weight_gradient": INTEGERS, "*": "fp32"}
    converted = axdse.convert(nn.Sequential(layer), places).model
    _, _, found = passes(converted, x, grad)
    assert torch.equal(found, expected)


@pytest.mark.parametrize("text", [FLOATS, INTEGERS])
def test_steps_take_the_channels_of_one_tap_after_another(text: str) -> None:
    """Each output by itself, its k written out: row and column of the kernel, then channels."""
    mac, layer = parse_mac(text), nn.Conv2d(64, 2, 2, 2, 1, bias=False)
    layer.weight.data = drawn(2, 64, 2, 2)
    x = drawn(1, 64, 4, 5)
    found = axdse.convert(nn.Sequential(layer), text).model(x).detach()
    image = F.pad(encode(x, mac.format, along=1).codes, (1, 1, 1, 1))[0]
    weight = encode(layer.weight.detach(), mac.format, along=1).codes
    known = handle(mac.candidate, mac.recipe)
    for output, row, column in itertools.product(range(2), range(3), range(3)):
        taps = list(itertools.product(range(2), range(2)))
        a = torch.cat([image[:, 2 * row + i, 2 * column + j] for i, j in taps])
        b = torch.cat([weight[output, :, i, j] for i, j in taps])
        expected = reference.gemm_reference(a[None, None], b[None, :, None], known, False)
        assert torch.equal(found[0, output, row, column], expected[0, 0, 0])


@pytest.mark.parametrize(
    ("channels", "outputs", "groups", "size", "depth"),
    [(3, 32, 1, 8, 3), (64, 64, 4, 8, 16), (32, 10, 1, 8, 10), (32, 32, 1, 3, 9)],
    ids=["forward", "of a group", "input gradient", "weight gradient"],
)
def test_blocks_that_a_convolution_does_not_fill_are_one_line(
    channels: int, outputs: int, groups: int, size: int, depth: int
) -> None:
    layer = nn.Conv2d(channels, outputs, 1, groups=groups, bias=False)
    model = axdse.convert(nn.Sequential(layer), INTEGERS).model
    x = torch.ones(1, channels, size, size).requires_grad_()
    with pytest.raises(AxdseError, match=f"channels or pixels, is a multiple of 32: K = {depth} "):
        model(x).sum().backward()
