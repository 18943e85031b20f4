"""Convolutions of the device kernels, run on the host, against sums over all pairs of operands."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from cuda_on_host import HostDevice
from torch import Tensor

from axdse.gpu.cuda import gemms
from axdse.gpu.operands.convolution import Convolution, Window
from axdse.gpu.testing.gemm import FLOATS, assert_sums, candidate, codes, operands, table, values
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.model.unit_oracle import unit_products

FORMATS = (FLOATS[0], "int8")
SHAPES = {
    "plain": Convolution(2, 3, 5, (7, 6), (3, 3), Window((1, 1), (0, 0), (1, 1))),
    "padded": Convolution(2, 2, 4, (5, 7), (3, 3), Window((1, 1), (1, 1), (1, 1))),
    "one tap in four": Convolution(1, 4, 3, (6, 5), (1, 1), Window((2, 2), (0, 0), (1, 1))),
    "stride": Convolution(2, 3, 4, (9, 8), (3, 3), Window((2, 2), (1, 1), (1, 1))),
    "stride beyond kernel": Convolution(1, 2, 3, (11, 9), (2, 1), Window((3, 4), (1, 0), (1, 1))),
    "dilation": Convolution(1, 2, 3, (11, 9), (3, 2), Window((1, 1), (2, 1), (2, 3))),
    "all at once": Convolution(2, 2, 3, (13, 10), (3, 2), Window((2, 3), (2, 3), (3, 2), 2)),
    "stride shares dilation": Convolution(
        1, 2, 2, (12, 9), (3, 3), Window((4, 2), (1, 2), (2, 2))
    ),
    "unequal": Convolution(1, 3, 2, (4, 12), (1, 5), Window((1, 2), (0, 3), (1, 1))),
    "groups": Convolution(2, 2, 4, (6, 6), (3, 3), Window((1, 1), (1, 1), (1, 1), 3)),
    "depthwise": Convolution(2, 1, 1, (9, 8), (3, 3), Window((2, 1), (1, 1), (1, 1), 7)),
    "depthwise, two each": Convolution(1, 1, 2, (6, 7), (3, 3), Window((1, 1), (1, 1), (1, 1), 5)),
    "long sums of a gradient": Convolution(
        3, 1, 1, (23, 19), (3, 5), Window((1, 1), (1, 2), (1, 1), 2)
    ),
    "many channels": Convolution(1, 37, 41, (3, 3), (3, 3), Window((1, 1), (1, 1), (1, 1))),
    "window is the image": Convolution(2, 3, 4, (5, 5), (5, 5), Window((1, 1), (0, 0), (1, 1))),
    "no image": Convolution(0, 3, 4, (5, 5), (3, 3), Window((1, 1), (0, 0), (1, 1))),
}


@dataclass(frozen=True)
class Pairs:
    """Indices, one an operand pair, into output, image (padding is False in `inside`), weight."""

    output: tuple[np.ndarray, ...]
    image: tuple[np.ndarray, ...]
    weight: tuple[np.ndarray, ...]
    inside: np.ndarray


def pairs(shape: Convolution) -> Pairs:
    sizes = (shape.batch, shape.groups, shape.outputs, *shape.output, shape.inputs, *shape.kernel)
    b, g, o, y, x, c, u, v = (axis.ravel() for axis in np.indices(sizes))
    window = shape.window
    row = y * window.stride[0] - window.padding[0] + u * window.dilation[0]
    column = x * window.stride[1] - window.padding[1] + v * window.dilation[1]
    inside = (row >= 0) & (row < shape.image[0]) & (column >= 0) & (column < shape.image[1])
    output = g * shape.outputs + o
    return Pairs(
        (b, output, y, x),
        (b, g * shape.inputs + c, np.where(inside, row, 0), np.where(inside, column, 0)),
        (output, c, u, v),
        inside,
    )


def sizes_of(shape: Convolution) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Of output, image and weight."""
    channels = shape.groups * shape.outputs
    return (
        (shape.batch, channels, *shape.output),
        (shape.batch, shape.groups * shape.inputs, *shape.image),
        (channels, shape.inputs, *shape.kernel),
    )


def products(unit: Candidate, first: np.ndarray, second: np.ndarray, swap: bool) -> Tensor:
    if swap:
        first, second = second, first
    return values(unit_products(unit, first, second), unit.format)


def assert_convolution(
    actual: Tensor, where: tuple[np.ndarray, ...], size: tuple[int, ...], p: Tensor
) -> None:
    """Each element is the sum of the products whose place it is, within gamma_K * sum|p|."""
    assert actual.shape == size
    assert actual.is_contiguous()
    count = int(np.prod(size))
    place = torch.from_numpy(np.ravel_multi_index(where, size)) if p.numel() else torch.zeros(0)
    place, order = torch.sort(place.long(), stable=True)
    length = torch.bincount(place, minlength=count)
    rank = torch.arange(p.numel()) - (length.cumsum(0) - length)[place]
    products = torch.zeros(int(rank.max()) + 1 if len(rank) else 0, count, dtype=p.dtype)
    products[rank, place] = p[order]
    assert_sums(actual.reshape(1, count), products[None])


def tensors(shape: Convolution, unit: Candidate) -> tuple[Tensor, Tensor, Tensor]:
    return tuple(
        operands(int(np.prod(size)), unit.format, seed).reshape(size)
        for seed, size in enumerate(sizes_of(shape))
    )


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("case", SHAPES)
def test_forward(host_device: HostDevice, case: str, name: str, swap: bool) -> None:
    shape, unit = SHAPES[case], candidate("scramble", name)
    _, image, weight = tensors(shape, unit)
    every = pairs(shape)
    first = np.where(every.inside, codes(image, unit.format)[every.image], 0)
    p = products(unit, first, codes(weight, unit.format)[every.weight], swap)
    lut = table("scramble", name)
    actual = gemms.conv2d(host_device, image, weight, lut, swap, shape)
    assert_convolution(actual, every.output, sizes_of(shape)[0], p)


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("case", SHAPES)
def test_input_gradient(host_device: HostDevice, case: str, name: str, swap: bool) -> None:
    shape, unit = SHAPES[case], candidate("scramble", name)
    grad, _, weight = tensors(shape, unit)
    every = pairs(shape)
    there = every.inside
    output, image, tap = (
        tuple(axis[there] for axis in axes) for axes in (every.output, every.image, every.weight)
    )
    grad_codes, weight_codes = codes(grad, unit.format), codes(weight, unit.format)
    p = products(unit, grad_codes[output], weight_codes[tap], swap)
    lut = table("scramble", name)
    actual = gemms.conv2d_input_gradient(host_device, grad, weight, lut, swap, shape)
    assert_convolution(actual, image, sizes_of(shape)[1], p)


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("case", SHAPES)
def test_weight_gradient(host_device: HostDevice, case: str, name: str, swap: bool) -> None:
    shape, unit = SHAPES[case], candidate("scramble", name)
    grad, image, _ = tensors(shape, unit)
    every = pairs(shape)
    second = np.where(every.inside, codes(image, unit.format)[every.image], 0)
    p = products(unit, codes(grad, unit.format)[every.output], second, swap)
    lut = table("scramble", name)
    actual = gemms.conv2d_weight_gradient(host_device, grad, image, lut, swap, shape)
    assert_convolution(actual, every.weight, sizes_of(shape)[2], p)


def test_channels_last_gives_the_same_bits(host_device: HostDevice) -> None:
    shape, unit, lut = SHAPES["stride"], candidate("scramble", "int8"), table("scramble", "int8")
    grad, image, weight = tensors(shape, unit)
    last = torch.channels_last
    for function, first, second in (
        (gemms.conv2d, image, weight),
        (gemms.conv2d_input_gradient, grad, weight),
        (gemms.conv2d_weight_gradient, grad, image),
    ):
        expected = function(host_device, first, second, lut, False, shape)
        strided = (first.to(memory_format=last), second.to(memory_format=last))
        assert torch.equal(function(host_device, *strided, lut, False, shape), expected)


def test_beyond_the_gradient_infinite_weights_meet_nothing(host_device: HostDevice) -> None:
    """Corner pixels are not reached by all taps; a zero there would give NaN."""
    shape = Convolution(1, 1, 1, (3, 3), (3, 3), Window((1, 1), (0, 0), (1, 1)))
    weight = torch.full((1, 1, 3, 3), torch.inf)
    lut = table("exact", FLOATS[0])
    result = gemms.conv2d_input_gradient(
        host_device, torch.ones(1, 1, 1, 1), weight, lut, False, shape
    )
    assert torch.equal(result, torch.full((1, 1, 3, 3), torch.inf))
