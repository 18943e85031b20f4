"""Operands of OCP MX: are they the nearest numbers of their block, along k, in each product?"""

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import axdse
from axdse.dse.cli import run
from axdse.gpu import reference
from axdse.gpu.multiplication.handles import handle
from axdse.gpu.operands.encode import Encoded
from axdse.gpu.operands.encode import encode as encode_by_torch
from axdse.gpu.ops.encoding import encode
from axdse.multipliers.designs.design_point import parse_mac
from axdse.multipliers.designs.rtl_text import unit_of
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import FloatFormat, parse_format

# What OCP MX 1.0 says of an element: its largest exponent and its largest number.
ELEMENTS = {
    "mxfp8_e4m3": (8, 448.0),
    "mxfp8_e5m2": (15, 57344.0),
    "mxfp6_e3m2": (4, 28.0),
    "mxfp6_e2m3": (2, 7.5),
    "mxfp4_e2m1": (2, 6.0),
}
MAC = "exact(n=4) in mxfp8_e4m3 sum dot(terms=16,align=13)"
INTEGERS = "drum(n=8,k=4) in mxint8 sum dot(terms=16,align=13)"


def mx(name: str) -> FloatFormat:
    number_format = parse_format(name)
    assert isinstance(number_format, FloatFormat)
    return number_format


def numbers(name: str) -> list[float]:
    """Every number of an element that is not negative, ascending; odd places have odd codes."""
    form, most = mx(name), ELEMENTS[name][1]
    found, smallest = [], 2.0 ** (1 - form.bias - form.fraction_bits)
    for code in range(1 << (form.exponent_bits + form.fraction_bits)):
        field, fraction = divmod(code, 1 << form.fraction_bits)
        hidden = (1 << form.fraction_bits) if field else 0
        found.append((hidden + fraction) * smallest * 2.0 ** (max(field, 1) - 1))
    return [number for number in found if number <= most]


def rounded(x: float, grid: list[float]) -> float:
    """The nearest number, of two the one with an even code; the largest for what is beyond."""
    size = abs(x)
    best = min(range(len(grid)), key=lambda code: (abs(grid[code] - size), code % 2))
    return math.copysign(grid[best], x)


BY = {"torch": encode_by_torch, "C": encode}
Encode = Callable[..., Encoded]


@pytest.mark.parametrize("encode", BY.values(), ids=BY)
@pytest.mark.parametrize("name", ELEMENTS)
def test_each_operand_is_the_nearest_of_its_block(name: str, encode: Encode) -> None:
    grid, (exponent, most) = numbers(name), ELEMENTS[name]
    assert grid[-1] == most
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 96, generator=generator)
    x *= torch.exp2(torch.randint(-9, 9, x.shape, generator=generator).float())
    x[0, 0, :32] *= 2.0**-100
    x[0, 1, :32] = 0.0
    x[1, 2, :32] = torch.linspace(-1.999, 1.999, 32)  # beyond the largest number
    midpoints = [(low + high) / 2 for low, high in itertools.pairwise(grid[:17])]
    x[1, 1, 32:64] = most
    x[1, 1, 32 : 32 + len(midpoints)] = torch.tensor(midpoints)
    found = encode(x, mx(name), along=2)
    assert found.scale is None
    expected = torch.empty_like(x)
    for place, block in zip(
        expected.reshape(-1, 32), x.reshape(-1, 32).double().tolist(), strict=True
    ):
        largest = max(map(abs, block))
        scale = 2.0 ** (math.frexp(largest)[1] - 1 - exponent) if largest else 1.0
        place[:] = torch.tensor([rounded(v / scale, grid) * scale for v in block])
    assert torch.equal(found.codes, expected)
    # Of a matrix whose k is another dimension the same.
    turned = encode(x.mT.contiguous(), mx(name), along=1).codes.mT
    assert torch.equal(turned, expected)
    assert torch.equal(encode(x.mT, mx(name), along=1).codes.mT, expected)


@pytest.mark.parametrize("name", ELEMENTS)
def test_both_ways_give_the_same_bits(name: str) -> None:
    """Any words, and any shapes and strides."""
    generator = torch.Generator().manual_seed(0)
    words = torch.randint(-(2**31), 2**31 - 1, (3, 64, 130), generator=generator)
    wild = words.int().view(torch.float32)
    near = torch.randn(3, 64, 130, generator=generator) * 2.0**-118
    for x in (wild, near, near.flip(2), near[:, :, ::2], near.permute(2, 1, 0)):
        found, expected = (by(x, mx(name), along=1).codes for by in (encode, encode_by_torch))
        assert torch.equal(found.view(torch.int32), expected.contiguous().view(torch.int32))


@pytest.mark.parametrize("encode", BY.values(), ids=BY)
@pytest.mark.parametrize("odd", [math.inf, -math.inf, math.nan])
def test_an_odd_number_makes_its_block_nan(odd: float, encode: Encode) -> None:
    x = torch.ones(1, 2, 64)
    x[0, 1, 40] = odd
    found = encode(x, mx("mxfp8_e5m2"), along=2).codes.isnan()
    assert found[0, 1, 32:].all()
    assert found.sum() == 32


@pytest.mark.parametrize("encode", BY.values(), ids=BY)
def test_the_ends_of_scales(encode: Encode) -> None:
    """Below 2^-126 operands are zero, whatever the scale; the largest numbers stay finite."""
    x = torch.full((1, 1, 32), 2.0**-126)
    x[0, 0, 1] = 3.4e38
    found = encode(x, mx("mxfp8_e4m3"), along=2).codes[0, 0]
    assert found[1] == 1.75 * 2.0**127
    assert found[0] == 0
    tiny = encode(torch.full((1, 1, 32), 2.0**-126), mx("mxfp8_e4m3"), along=2).codes
    assert torch.equal(tiny, torch.full((1, 1, 32), 2.0**-126))


def layer_products(
    text: str, x: Tensor, weight: Tensor, grad: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Outputs and both gradients of a linear layer, each from operands in blocks along its k."""
    mac = parse_mac(text)
    known, form = handle(mac.candidate, mac.recipe), mac.format

    def product(a: Tensor, b: Tensor) -> Tensor:
        left, right = (encode(y[None], form, along=k).codes for y, k in ((a, 2), (b, 1)))
        return reference.gemm_reference(left, right, known, False)[0]

    return product(x, weight.T), product(grad, weight), product(grad.T, x)


@pytest.mark.parametrize("text", [MAC, INTEGERS])
def test_blocks_lie_along_k_of_each_product(text: str) -> None:
    generator = torch.Generator().manual_seed(0)
    layer = torch.nn.Linear(64, 32, bias=False)
    x = torch.randn(96, 64, generator=generator).requires_grad_()
    grad = torch.randn(96, 32, generator=generator)
    converted = axdse.convert(torch.nn.Sequential(layer), text).model
    output = converted(x)
    output.backward(grad)
    expected = layer_products(text, x.detach(), layer.weight.detach(), grad)
    weight_gradient = next(converted.parameters()).grad
    for found, right in zip((output, x.grad, weight_gradient), expected, strict=True):
        assert found is not None
        assert torch.equal(found, right)


@pytest.mark.parametrize(
    ("inputs", "outputs", "rows", "depth"),
    [(25, 32, 32, 25), (32, 10, 32, 10), (32, 32, 40, 40)],
    ids=["forward", "input gradient", "weight gradient"],
)
def test_blocks_that_k_does_not_fill_are_one_line(
    inputs: int, outputs: int, rows: int, depth: int
) -> None:
    model = axdse.convert(torch.nn.Sequential(torch.nn.Linear(inputs, outputs)), MAC).model
    x = torch.ones(rows, inputs).requires_grad_()
    with pytest.raises(AxdseError, match=f"multiple of 32: K = {depth} in .*by its place"):
        model(x).sum().backward()


REFUSED = {
    "exact(n=4) in float(8,3,scale=block32)": "of the elements of OCP MX: float(4,3), ",
    "exact(n=4) in mxfp8_e4m3(round=truncate)": "rounded to nearest",
    "exact(n=4) in mxfp8_e4m3 sum dot(terms=12,align=13)": "choose 1, 2, 4, 8, 16 or 32",
    "exact(n=4) in mxfp8_e4m3 sum int(24)": "summed in float(E,R), lazy or fixed",
    "exact(n=8) in mxint8 sum dot(terms=12,align=13)": "choose 1, 2, 4, 8, 16 or 32",
    "exact(n=8) in mxint8 sum lazy(10,24)": "mxint8 is summed in dot(...) or float(E,R)",
    "exact(n=8) in mxint8 sum int(24)": "mxint8 is summed in dot(...) or float(E,R)",
    "exact(n=8) in mxint8 sum int32": "mxint8 is summed in dot(...) or float(E,R)",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_mx_is_one_line(text: str) -> None:
    with pytest.raises(AxdseError) as caught:
        parse_mac(text)
    assert REFUSED[text] in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["exact(n=4) in mxfp8_e4m3", "exact(n=8) in mxint8"])
def test_there_is_no_unit_without_a_sum(text: str) -> None:
    with pytest.raises(AxdseError, match="so there is no unit without one"):
        unit_of(parse_mac(text).candidate)


def test_command_ends_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """The first layer of `teacher` has 16 inputs."""
    assert run(["train", "teacher", MAC, "--epochs", "1"]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert "is a multiple of 32: K = 16" in said[-1]
