"""Does a kernel of the three products of a convolution compute what it must?

Inherit `ConvContract` and define them.

The oracle enumerates every multiplication of a convolution: which pixel, which tap, which output.
"""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from axdse.gpu.operands.convolution import Convolution, Window
from axdse.gpu.testing.gemm import (
    FLOATS,
    FORMATS,
    ROUNDOFF,
    all_products,
    assert_same_bits,
    candidate,
    codes,
    known,
    operands,
    values,
    wild_operands,
)
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.formats import FloatFormat, Format, parse_format
from axdse.multipliers.model.unit_oracle import unit_products

Pair = tuple[int, int]
Size = tuple[int, int, int, int]


@dataclass(frozen=True)
class Shape:
    """A convolution; channels are those of a group."""

    batch: int = 2
    groups: int = 1
    inputs: int = 3
    outputs: int = 4
    image: Pair = (7, 9)
    kernel: Pair = (3, 3)
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)

    @property
    def convolution(self) -> Convolution:
        window = Window(self.stride, self.padding, self.dilation, self.groups)
        return Convolution(self.batch, self.inputs, self.outputs, self.image, self.kernel, window)

    @property
    def sizes(self) -> tuple[Size, Size, Size]:
        """Of image, weights and output."""
        weight = self.groups * self.outputs, self.inputs, *self.kernel
        image = self.batch, self.groups * self.inputs, *self.image
        sides = (
            (size + 2 * border - reach * (taps - 1) - 1) // step + 1
            for size, taps, step, border, reach in zip(
                self.image, self.kernel, self.stride, self.padding, self.dilation, strict=True
            )
        )
        return image, weight, (self.batch, weight[0], next(sides), next(sides))


SHAPES = {
    "plain": Shape(),
    "padded": Shape(padding=(1, 2)),
    "strided": Shape(stride=(2, 3), padding=(1, 1)),
    "strided, rows left over": Shape(image=(8, 10), stride=(3, 2), kernel=(2, 3)),
    "stride beyond the kernel": Shape(kernel=(2, 1), stride=(3, 4), padding=(1, 0)),
    "rows strided": Shape(stride=(2, 1), padding=(1, 2)),
    "rows strided, one column": Shape(image=(9, 1), stride=(3, 1), padding=(1, 1)),
    "dilated": Shape(image=(11, 9), dilation=(3, 2), padding=(2, 1)),
    "dilated and strided": Shape(image=(11, 12), dilation=(2, 3), stride=(2, 2), padding=(3, 2)),
    "stride shares dilation": Shape(image=(12, 9), dilation=(2, 2), stride=(4, 2), padding=(1, 2)),
    "grouped": Shape(groups=3, padding=(1, 1)),
    "grouped, strided": Shape(groups=2, stride=(2, 2), padding=(1, 1), kernel=(3, 2)),
    "depthwise": Shape(groups=7, inputs=1, outputs=1, padding=(1, 1)),
    "depthwise, two outputs each": Shape(groups=5, inputs=1, outputs=2, stride=(2, 1)),
    "depthwise, rows strided": Shape(groups=3, inputs=1, stride=(2, 1), padding=(1, 1)),
    "one tap": Shape(inputs=13, outputs=17, kernel=(1, 1)),
    "one tap, strided": Shape(kernel=(1, 1), stride=(2, 2)),
    "one output": Shape(image=(3, 3), inputs=5),
    "one row": Shape(image=(1, 37), kernel=(1, 5), padding=(0, 2)),
    "kernel beyond the image": Shape(image=(3, 2), kernel=(5, 4), padding=(2, 1)),
    "border beyond the kernel": Shape(image=(2, 3), kernel=(2, 1), padding=(3, 2)),
    "many channels": Shape(batch=1, inputs=19, outputs=67, image=(6, 13), padding=(1, 1)),
    "many pixels": Shape(batch=3, inputs=2, outputs=5, image=(5, 83), kernel=(3, 5)),
    "many images": Shape(batch=67, inputs=1, outputs=3, image=(4, 4)),
    "no image": Shape(batch=0),
}
ONE_CHANNEL = Shape(batch=1, inputs=1, outputs=1, image=(13, 11), kernel=(1, 1))


@dataclass(frozen=True)
class Multiplications:
    """One element each: flat indices, and whether the pixel is one of the image."""

    pixel: np.ndarray
    tap: np.ndarray
    output: np.ndarray
    inside: np.ndarray


@functools.cache
def enumerated(shape: Shape) -> Multiplications:
    """Every multiplication of a convolution."""
    image, weight, output = shape.sizes
    axes = (shape.batch, shape.groups, shape.outputs, shape.inputs, *output[2:], *shape.kernel)
    b, g, o, c, y, x, i, j = (axis.ravel() for axis in np.indices(axes))
    row = y * shape.stride[0] + i * shape.dilation[0] - shape.padding[0]
    column = x * shape.stride[1] + j * shape.dilation[1] - shape.padding[1]
    inside = (row >= 0) & (row < shape.image[0]) & (column >= 0) & (column < shape.image[1])
    row, column = np.where(inside, row, 0), np.where(inside, column, 0)
    channel, outward = g * shape.inputs + c, g * shape.outputs + o
    return Multiplications(
        _flat((b, channel, row, column), image),
        _flat((outward, c, i, j), weight),
        _flat((b, outward, y, x), output),
        inside,
    )


def _flat(indices: tuple[np.ndarray, ...], size: Size) -> np.ndarray:
    return np.ravel_multi_index(indices, (max(size[0], 1), *size[1:]))


def multiplied(first: Tensor, second: Tensor, unit: Candidate, swap: bool) -> Tensor:
    """The oracle's product of each pair, of one dimension."""
    a, b = (codes(x, unit.format) for x in (first, second))
    return values(unit_products(unit, *((b, a) if swap else (a, b))), unit.format)


def assert_sums_at(actual: Tensor, products: Tensor, where: np.ndarray, size: Size) -> None:
    """Within gamma_K * sum|p| of the exact sums of products that meet; int32 sums are exact."""
    index = torch.from_numpy(where)
    zeros = torch.zeros(int(np.prod(size)), dtype=torch.float64)
    exact = zeros.index_add(0, index, products.double())
    sizes = zeros.index_add(0, index, products.double().abs())
    depth = torch.bincount(index, minlength=len(zeros)).double() * ROUNDOFF
    bound = zeros if actual.dtype == torch.int32 else depth / (1 - depth) * sizes
    assert actual.shape == size
    assert actual.is_contiguous()
    result, finite = actual.flatten(), exact.isfinite()
    assert_same_bits(*(torch.where(finite, 0.0, x.float()) for x in (result, exact)))
    assert bool(((result.double() - exact).abs() <= bound)[finite].all())


def tensors(shape: Shape, number_format: Format) -> list[Tensor]:
    """Image, weights and output gradient."""
    return [
        operands(int(np.prod(size)), number_format, seed).reshape(size)
        for seed, size in enumerate(shape.sizes)
    ]


class ConvContract:
    """Inherit as `class TestMyKernel(ConvContract)`.

    Each product takes two tensors, FP32 or int8 as the format has it and of any strides; the
    handle of a multiplication; `swap`, for T of the exchanged operands; and a `Convolution`.
    """

    def conv2d(self, *arguments: Any) -> Tensor:
        """T(image, weight) of [B, C, H, W] and [O, C/G, Kh, Kw], summed to [B, O, H', W']."""
        raise NotImplementedError

    def conv2d_input_gradient(self, *arguments: Any) -> Tensor:
        """T(grad, weight) of [B, O, H', W'] and [O, C/G, Kh, Kw], summed to [B, C, H, W]."""
        raise NotImplementedError

    def conv2d_weight_gradient(self, *arguments: Any) -> Tensor:
        """T(grad, image) of [B, O, H', W'] and [B, C, H, W], summed to [O, C/G, Kh, Kw]."""
        raise NotImplementedError

    def assert_products(
        self, shape: Shape, parts: list[Tensor], name: str, swap: bool = False
    ) -> None:
        """All three products of a convolution against the enumeration."""
        (image, weight, grad), every = parts, enumerated(shape)
        (image_size, weight_size, output_size), unit = shape.sizes, candidate("scramble", name)
        arguments = known("scramble", name), swap
        inside = torch.from_numpy(every.inside)
        flat = (x.flatten() if x.numel() else x.new_zeros(1) for x in parts)
        places = (every.pixel, every.tap, every.output)
        pixels, taps, grads = (x[where] for x, where in zip(flat, places, strict=True))
        pixels = torch.where(inside, pixels, torch.zeros_like(pixels))

        result = self.conv2d(image, weight, *arguments, shape.convolution)
        products = multiplied(pixels, taps, unit, swap)
        assert_sums_at(result, products, every.output, output_size)

        result = self.conv2d_input_gradient(grad, weight, *arguments, shape.convolution)
        products = multiplied(grads[inside], taps[inside], unit, swap)
        assert_sums_at(result, products, every.pixel[every.inside], image_size)

        result = self.conv2d_weight_gradient(grad, image, *arguments, shape.convolution)
        products = multiplied(grads, pixels, unit, swap)
        assert_sums_at(result, products, every.tap, weight_size)

    @pytest.mark.parametrize("case", SHAPES)
    @pytest.mark.parametrize("name", [FLOATS[0], FLOATS[1], "int8"])
    def test_shapes(self, name: str, case: str) -> None:
        shape = SHAPES[case]
        self.assert_products(shape, tensors(shape, parse_format(name)), name)

    @pytest.mark.parametrize("case", ["grouped, strided", "depthwise", "kernel beyond the image"])
    @pytest.mark.parametrize("swap", [False, True])
    @pytest.mark.parametrize("name", FORMATS)
    def test_formats_and_order_of_operands(self, name: str, swap: bool, case: str) -> None:
        shape = SHAPES[case]
        self.assert_products(shape, tensors(shape, parse_format(name)), name, swap)

    @pytest.mark.parametrize("case", ["padded", "grouped, strided", "depthwise"])
    @pytest.mark.parametrize("name", FLOATS)
    def test_specials_among_ordinary_operands(self, name: str, case: str) -> None:
        shape = SHAPES[case]
        image, weight, grad = parts = tensors(shape, parse_format(name))
        image[0, 0, 1, 1], image[0, 0, 5, 4], image[1, 0, 2, 3] = torch.inf, torch.nan, 1e-41
        image[1, 1, ::2], image[1, 2, 3, 3], image[0, 1, 0, 0] = 0.0, 2.0**100, -0.0
        weight[0, 0, 0, 0], weight[1, 0, 1, 0], weight[2, 0, 1, 1] = 0.0, 2.0**-100, -(2.0**100)
        grad[0, 0, 0], grad[1, 1, 2, 1], grad[0, 2, 1, 1] = -0.0, 2.0**-126, torch.nan
        self.assert_products(shape, parts, name)

    @pytest.mark.parametrize("case", ["padded", "grouped, strided"])
    @pytest.mark.parametrize("name", FLOATS[:2])
    def test_infinite_weights_do_not_meet_missing_gradients(self, name: str, case: str) -> None:
        shape = SHAPES[case]
        parts = tensors(shape, parse_format(name))
        parts[1][3, 0, 2, 0] = -torch.inf
        self.assert_products(shape, parts, name)

    @pytest.mark.parametrize("tap", [1.375, -(2.0**100), 2.0**-100, 0.0, -torch.inf, torch.nan])
    @pytest.mark.parametrize("name", FLOATS[:3])
    def test_single_products_of_any_bit_patterns(self, name: str, tap: float) -> None:
        """One tap, one channel, one image: no sum, so every bit counts."""
        number_format, unit = parse_format(name), candidate("scramble", name)
        assert isinstance(number_format, FloatFormat)
        size, _, _ = ONE_CHANNEL.sizes
        x = wild_operands(int(np.prod(size)), number_format, 1).reshape(size)
        weight = torch.full((1, 1, 1, 1), tap)
        expected = all_products(x.reshape(-1, 1), weight.reshape(1, 1), unit).flatten() + 0
        arguments = x, weight, known("scramble", name), False
        result = self.conv2d(*arguments, ONE_CHANNEL.convolution)
        assert_same_bits(result.flatten(), expected)
        result = self.conv2d_input_gradient(*arguments, ONE_CHANNEL.convolution)
        assert_same_bits(result.flatten(), expected)

    @pytest.mark.parametrize(
        "case",
        [
            "padded",
            "dilated and strided",
            "grouped",
            "depthwise",
            "rows strided",
            "rows strided, one column",
            "depthwise, rows strided",
        ],
    )
    @pytest.mark.parametrize("name", [FLOATS[0], FLOATS[1], "int8"])
    def test_channels_last(self, name: str, case: str) -> None:
        shape = SHAPES[case]
        parts = tensors(shape, parse_format(name))
        last = [x.contiguous(memory_format=torch.channels_last) for x in parts]
        self.assert_products(shape, last, name)

    @pytest.mark.parametrize("name", [FLOATS[0], "int8"])
    def test_strided_and_misaligned_operands_are_left_alone(self, name: str) -> None:
        shape = SHAPES["strided"]
        parts = tensors(shape, parse_format(name))
        views = [_view(x) for x in parts]
        self.assert_products(shape, views, name)
        for x, view in zip(parts, views, strict=True):
            assert_same_bits(view, x)

    @pytest.mark.parametrize("name", [FLOATS[0], "int8"])
    def test_same_bits_every_time(self, name: str) -> None:
        shape, arguments = SHAPES["many channels"], (known("scramble", name), False)
        image, weight, grad = tensors(shape, parse_format(name))
        first, second = (
            (
                self.conv2d(image, weight, *arguments, shape.convolution),
                self.conv2d_input_gradient(grad, weight, *arguments, shape.convolution),
                self.conv2d_weight_gradient(grad, image, *arguments, shape.convolution),
            )
            for _ in range(2)
        )
        for x, y in zip(first, second, strict=True):
            assert_same_bits(x, y)


def _view(x: Tensor) -> Tensor:
    """The same numbers in a transposed tensor that does not start at a word of memory."""
    memory = torch.zeros(2 * x.numel() + 1, dtype=x.dtype)[1:]
    view = memory.view(*x.shape[::-1], 2)[..., 1].permute(3, 2, 1, 0)
    return view.copy_(x)
