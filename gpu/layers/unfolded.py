"""How is a convolution of MX operands computed? As products of matrices whose k its blocks fill.

k runs over (row, column, channel) of the kernel in the forward product, over (row, column, output)
of the kernel for the gradient of the image, and over (image, row, column) of the outputs for that
of the weights. So the 32 operands of a block are channels of one pixel, and so are those of a
step; in the gradient of the weights they are pixels side by side. A tap beyond the border has
zeros.
"""

import torch
from torch import Tensor

from axdse.gpu.multiplication.handles import Call
from axdse.gpu.operands.convolution import Window, unfold
from axdse.gpu.ops.encoding import encode
from axdse.gpu.recording.probes import Probe, probe_gemm
from axdse.multipliers.formats import Format

Size = tuple[int, int]


def conv2d(
    image: Tensor,
    weight: Tensor,
    call: Call,
    window: Window,
    probe: Probe | None,
    seed: Tensor | None,
) -> Tensor:
    """As `axdse.gpu.layers.products.conv2d`.

    Raises:
        AxdseError: the channels of a group are no multiple of 32.
    """
    (outputs, inputs), kernel = weight.shape[:2], (weight.shape[2], weight.shape[3])
    w = _codes(weight, call.format, 1).reshape(window.groups, -1, inputs, *kernel)
    columns = unfold(_codes(image, call.format, 1), kernel, window)
    rows = w.permute(0, 3, 4, 2, 1).flatten(1, 3)
    result = _multiplied(_by_tap(columns, inputs).mT, rows, call, probe, seed)
    high, wide = window.output((image.shape[2], image.shape[3]), kernel)
    return _as_images(result, image.shape[0], outputs, (high, wide))


def conv2d_input_gradient(
    grad: Tensor,
    weight: Tensor,
    size: Size,
    call: Call,
    window: Window,
    probe: Probe | None,
    seed: Tensor | None,
) -> Tensor:
    """As `axdse.gpu.layers.products.conv2d_input_gradient`.

    Raises:
        AxdseError: the outputs of a group are no multiple of 32.
    """
    groups, inputs, kernel = window.groups, weight.shape[1], (weight.shape[2], weight.shape[3])
    grouped = weight.reshape(groups, -1, inputs, *kernel)
    w = _codes(grouped, call.format, 1)
    # Each pixel sees, from the last tap to the first, what lies between steps of the stride.
    spread = _spread(_codes(grad, call.format, 1), size, kernel, window)
    columns = unfold(spread, kernel, Window((1, 1), (0, 0), window.dilation, groups))
    rows = w.flip(3, 4).permute(0, 3, 4, 1, 2).flatten(1, 3)
    result = _multiplied(_by_tap(columns, grouped.shape[1]).mT, rows, call, probe, seed)
    return _as_images(result, grad.shape[0], groups * inputs, size)


def conv2d_weight_gradient(
    grad: Tensor,
    image: Tensor,
    taps: Size,
    call: Call,
    window: Window,
    probe: Probe | None,
    seed: Tensor | None,
) -> Tensor:
    """As `axdse.gpu.layers.products.conv2d_weight_gradient`.

    Raises:
        AxdseError: the pixels of all outputs are no multiple of 32.
    """
    outputs, inputs = grad.shape[1], image.shape[1] // window.groups
    rows = grad.transpose(0, 1).reshape(window.groups, outputs // window.groups, -1)
    g = _codes(rows, call.format, 2)
    x = _codes(unfold(image, taps, window), call.format, 2)
    return _multiplied(g, x.mT, call, probe, seed).reshape(outputs, inputs, *taps)


def _codes(x: Tensor, number_format: Format | None, along: int) -> Tensor:
    assert number_format is not None
    return encode(x, number_format, along=along).codes


def _multiplied(
    a: Tensor, b: Tensor, call: Call, probe: Probe | None, seed: Tensor | None
) -> Tensor:
    """[G, M, K] times [G, K, N], FP32."""
    probe_gemm(probe, a, b, call)
    result: Tensor = torch.ops.axdse.gemm(a, b, call.handle, call.swap, seed=seed)
    return result


def _by_tap(columns: Tensor, channels: int) -> Tensor:
    """[G, channels * taps, P] with the channels of each tap side by side."""
    groups, _, pixels = columns.shape
    return columns.reshape(groups, channels, -1, pixels).transpose(1, 2).flatten(1, 2)


def _as_images(result: Tensor, batch: int, channels: int, size: Size) -> Tensor:
    """[G, B * H * W, C/G] to [B, C, H, W]."""
    groups, _, own = result.shape
    by_image = result.reshape(groups, batch, *size, own).permute(1, 0, 4, 2, 3)
    return by_image.reshape(batch, channels, *size)


def _spread(grad: Tensor, size: Size, kernel: Size, window: Window) -> Tensor:
    """The gradient at steps of the stride, zeros between, with a border of taps and no padding."""
    reach = [window.dilation[axis] * (kernel[axis] - 1) for axis in (0, 1)]
    spread = grad.new_zeros(*grad.shape[:2], size[0] + reach[0], size[1] + reach[1])
    source, target = [], []
    for axis in (0, 1):
        stride, offset = window.stride[axis], reach[axis] - window.padding[axis]
        first = max(0, -(offset // stride))
        last = min(grad.shape[2 + axis], -((offset - spread.shape[2 + axis]) // stride))
        source.append(slice(first, last))
        target.append(slice(first * stride + offset, (last - 1) * stride + offset + 1, stride))
    spread[:, :, target[0], target[1]] = grad[:, :, source[0], source[1]]
    return spread
