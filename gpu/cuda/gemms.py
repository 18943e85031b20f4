"""How do the four operators of `axdse.gpu.ops` become GEMMs of device kernels?

Every product is a GEMM whose rows share look-ups and whose columns are looked up side by side;
columns should be many and adjacent in memory. `encode` rounds both operands into codes in the
order that suits, with the border that the convolution needs, so the GEMM kernels know nothing of
borders, strides or dilation. `seed` is of sums that are rounded by chance, None of others.
"""

import torch
from torch import Tensor

from axdse.gpu.cuda.arithmetic import arithmetic_of
from axdse.gpu.cuda.phases import Phase, border, phases
from axdse.gpu.cuda.run import Border, Codes, Gemm, encode, run
from axdse.gpu.cuda.task import Device, digits
from axdse.gpu.cuda.tiles import Shape
from axdse.gpu.multiplication.handles import Form, Multiplication
from axdse.gpu.operands.convolution import Convolution, Pair


def gemm(
    device: Device,
    a: Tensor,
    b: Tensor,
    multiplication: Form | Multiplication,
    swap: bool,
    seed: int | None = None,
) -> Tensor:
    """`axdse::gemm`: a [G, M, K] times b [G, K, N], T(a, b); with swap T(b, a).

    A `Multiplication` brings its sum along, a form adds as its format does.
    """
    (groups, rows, depth), columns = a.shape, b.shape[2]
    turned = rows > columns
    arithmetic = arithmetic_of(multiplication, swap != turned, a.device)
    result = torch.empty(groups, rows, columns, dtype=arithmetic.sum_type, device=a.device)
    row_axis, column_axis = (rows, columns), (columns, 1)
    if turned:
        a, b, row_axis, column_axis = b.mT, a.mT, column_axis, row_axis
    first, second = encode(device, arithmetic, a), encode(device, arithmetic, b)
    product = Gemm(
        Shape(groups, row_axis[0], depth, column_axis[0]),
        first.side(digits((row_axis[0], depth)), digits((depth, 1)), row_axis[0] * depth),
        second.side(
            digits((column_axis[0], 1)),
            digits((depth, column_axis[0])),
            depth * column_axis[0],
        ),
        rows * columns,
        digits(row_axis),
        digits(column_axis),
    )
    return run(device, arithmetic, result, (product,), seed)


def conv2d(
    device: Device,
    image: Tensor,
    weight: Tensor,
    multiplication: Form | Multiplication,
    swap: bool,
    shape: Convolution,
    seed: int | None = None,
) -> Tensor:
    """`axdse::conv2d`: T(image, weight), the padding multiplying as zeros."""
    arithmetic = arithmetic_of(multiplication, not swap, image.device)
    (high, wide), (out_high, out_wide) = shape.window.padded(shape.image), shape.output
    (down, right), dilation = shape.window.stride, shape.window.dilation
    plane, out_plane, taps = high * wide, out_high * out_wide, shape.kernel[0] * shape.kernel[1]
    depth, inputs, outputs = shape.inputs * taps, *_channels(shape)
    padding = (0, 0, *shape.window.padding)
    weights = encode(device, arithmetic, weight)
    pixels = encode(device, arithmetic, image, Border(padding, padding))
    product = Gemm(
        Shape(shape.groups, shape.outputs, depth, shape.batch * out_plane),
        weights.side(digits((shape.outputs, depth)), digits((depth, 1)), shape.outputs * depth),
        pixels.side(
            digits((shape.batch, inputs * plane), (out_high, down * wide), (out_wide, right)),
            digits(
                (shape.inputs, plane),
                (shape.kernel[0], dilation[0] * wide),
                (shape.kernel[1], dilation[1]),
            ),
            shape.inputs * plane,
        ),
        shape.outputs * out_plane,
        digits((shape.outputs, out_plane)),
        digits((shape.batch, outputs * out_plane), (out_plane, 1)),
    )
    size = (shape.batch, outputs, out_high, out_wide)
    result = torch.empty(size, dtype=arithmetic.sum_type, device=image.device)
    return run(device, arithmetic, result, (product,), seed)


def conv2d_weight_gradient(
    device: Device,
    grad: Tensor,
    image: Tensor,
    multiplication: Form | Multiplication,
    swap: bool,
    shape: Convolution,
    seed: int | None = None,
) -> Tensor:
    """`axdse::conv2d_weight_gradient`: T(grad, image), the padding multiplying as zeros.

    Channels come last in the codes, so that those of a tap are adjacent; the wider of kernel and
    output channels are the columns.
    """
    (high, wide), (out_high, out_wide) = shape.window.padded(shape.image), shape.output
    (down, right), dilation = shape.window.stride, shape.window.dilation
    inputs, outputs = _channels(shape)
    taps, line = shape.kernel[0] * shape.kernel[1], wide * inputs
    places, depth = shape.inputs * taps, shape.batch * out_high * out_wide
    turned = shape.outputs > places
    arithmetic = arithmetic_of(multiplication, swap != turned, grad.device)
    padding = (0, *shape.window.padding, 0)
    pixels = encode(device, arithmetic, image.permute(0, 2, 3, 1), Border(padding, padding))
    grads = encode(device, arithmetic, grad.permute(0, 2, 3, 1))
    of_grad = grads.side(digits((shape.outputs, 1)), digits((depth, outputs)), shape.outputs)
    of_image = pixels.side(
        digits(
            (shape.kernel[0], dilation[0] * line),
            (shape.kernel[1], dilation[1] * inputs),
            (shape.inputs, 1),
        ),
        digits((shape.batch, high * line), (out_high, down * line), (out_wide, right * inputs)),
        shape.inputs,
    )
    at_output = digits((shape.outputs, places))
    at_place = digits(
        (shape.kernel[0], shape.kernel[1]), (shape.kernel[1], 1), (shape.inputs, taps)
    )
    group = shape.outputs * places
    if turned:
        sizes = Shape(shape.groups, places, depth, shape.outputs)
        product = Gemm(sizes, of_image, of_grad, group, at_place, at_output)
    else:
        sizes = Shape(shape.groups, shape.outputs, depth, places)
        product = Gemm(sizes, of_grad, of_image, group, at_output, at_place)
    size = (outputs, shape.inputs, *shape.kernel)
    result = torch.empty(size, dtype=arithmetic.sum_type, device=grad.device)
    return run(device, arithmetic, result, (product,), seed)


def conv2d_input_gradient(
    device: Device,
    grad: Tensor,
    weight: Tensor,
    multiplication: Form | Multiplication,
    swap: bool,
    shape: Convolution,
    seed: int | None = None,
) -> Tensor:
    """`axdse::conv2d_input_gradient`: T(grad, weight), nothing multiplied beyond the gradient."""
    arithmetic = arithmetic_of(multiplication, not swap, grad.device)
    rows, columns = (_phases(shape, axis) for axis in (0, 1))
    borders = border(rows, shape.output[0]), border(columns, shape.output[1])
    before, after = ((0, 0, *side) for side in zip(*borders, strict=True))
    weights = encode(device, arithmetic, weight)
    grads = encode(device, arithmetic, grad, Border(before, after, arithmetic.missing))
    size = (shape.batch, shape.groups * shape.inputs, *shape.image)
    result = torch.empty(size, dtype=arithmetic.sum_type, device=grad.device)
    products = tuple(
        _phase_product(shape, weights, grads, (row, column), (before[2], before[3]))
        for row in rows
        for column in columns
    )
    return run(device, arithmetic, result, products, seed)


def _channels(shape: Convolution) -> Pair:
    return shape.groups * shape.inputs, shape.groups * shape.outputs


def _phases(shape: Convolution, axis: int) -> tuple[Phase, ...]:
    window = shape.window
    return phases(
        shape.image[axis],
        shape.kernel[axis],
        window.stride[axis],
        window.padding[axis],
        window.dilation[axis],
    )


def _phase_product(
    shape: Convolution, weights: Codes, grads: Codes, phase: tuple[Phase, Phase], before: Pair
) -> Gemm:
    """The pixels of one residue of rows and one of columns."""
    row, column = phase
    inputs, outputs = _channels(shape)
    (high, wide), stride = shape.image, shape.window.stride
    taps, plane, line = shape.kernel[0] * shape.kernel[1], high * wide, grads.size[3]
    grad_plane = grads.size[2] * line
    return Gemm(
        Shape(
            shape.groups,
            shape.inputs,
            shape.outputs * row.taps * column.taps,
            shape.batch * row.pixels * column.pixels,
        ),
        weights.side(
            digits((shape.inputs, taps)),
            digits(
                (shape.outputs, shape.inputs * taps),
                (row.taps, row.tap_step * shape.kernel[1]),
                (column.taps, column.tap_step),
            ),
            shape.outputs * shape.inputs * taps,
            row.tap * shape.kernel[1] + column.tap,
        ),
        grads.side(
            digits((shape.batch, outputs * grad_plane), (row.pixels, line), (column.pixels, 1)),
            digits(
                (shape.outputs, grad_plane),
                (row.taps, -row.back * line),
                (column.taps, -column.back),
            ),
            shape.outputs * grad_plane,
            (before[0] + row.step) * line + before[1] + column.step,
        ),
        shape.inputs * plane,
        digits((shape.inputs, plane)),
        digits(
            (shape.batch, inputs * plane),
            (row.pixels, stride[0] * wide),
            (column.pixels, stride[1]),
        ),
        row.pixel * wide + column.pixel,
    )
