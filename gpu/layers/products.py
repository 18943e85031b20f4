"""How are FP32 tensors multiplied approximately? Without gradients.

Operands come into their format at every call (`axdse.gpu.ops.encoding`). With scale=channel a
weight has a scale for each output channel, in the input gradient for each input channel, and the
operands of the weight gradient one for each of their channels; activations and gradients else
have one each. Native products stay FP32 within autocast, as approximate ones do.
"""

from typing import NamedTuple

import torch
from torch import Tensor

import axdse.gpu.ops.schema  # noqa: F401  defines the operators
from axdse.gpu.layers.assignment import LayerProducts
from axdse.gpu.multiplication.handles import Call
from axdse.gpu.operands.convolution import Window
from axdse.gpu.ops.encoding import encode
from axdse.gpu.recording.probes import (
    Probe,
    probe_gemm,
    probe_input_gradient,
    probe_unfolded,
    probe_weight_gradient,
)


class Calls(NamedTuple):
    """The three products of a layer as operators take them."""

    forward: Call
    input_gradient: Call
    weight_gradient: Call


def calls_of(products: LayerProducts) -> Calls:
    """The constants of a layer's products."""
    return Calls(
        products.forward.call, products.input_gradient.call, products.weight_gradient.call
    )


def gemm(
    a: Tensor, b: Tensor, call: Call, probe: Probe | None = None, a_axis: int | None = None
) -> Tensor:
    """Multiply FP32 matrices [G, M, K] and [G, K, N], products T(a, b); no gradient.

    Args:
        a: activations or gradients.
        b: weights, or what takes their place; a scale=channel is one for each of N.
        call: what multiplies.
        probe: is told of the operands, unless they are native.
        a_axis: dimension of `a` along which scale=channel varies; None for one scale.
    """
    if call.format is None:
        with _without_autocast(a):
            return torch.bmm(a, b)
    left = encode(a, call.format, a_axis, call.largest, along=2)
    right = encode(b, call.format, 2, along=1)
    probe_gemm(probe, left.codes, right.codes, call)
    result = torch.ops.axdse.gemm(left.codes, right.codes, call.handle, call.swap)
    return _scaled(result, left.scale, right.scale)


def conv2d(
    image: Tensor, weight: Tensor, call: Call, window: Window, probe: Probe | None = None
) -> Tensor:
    """Convolve [B, C, H, W] with [O, C/G, Kh, Kw], products T(image, weight); no gradient."""
    if call.format is None:
        with _without_autocast(image):
            return torch.conv2d(image, weight, None, *window)
    x, w = encode(image, call.format, largest=call.largest), encode(weight, call.format, 0)
    probe_unfolded(probe, x.codes, w.codes, call, window)
    result = torch.ops.axdse.conv2d(x.codes, w.codes, call.handle, call.swap, *window)
    return _scaled(result, x.scale, w.scale if w.scale is None else w.scale.reshape(-1, 1, 1))


def conv2d_input_gradient(
    grad: Tensor,
    weight: Tensor,
    size: tuple[int, int],
    call: Call,
    window: Window,
    probe: Probe | None = None,
) -> Tensor:
    """The gradient [B, C, *size] of the image, products T(grad, weight); no gradient itself."""
    inputs = weight.shape[1]
    if call.format is None:
        shape = (grad.shape[0], window.groups * inputs, *size)
        return _native_gradients(grad, grad.new_empty(shape), weight, window, 0)
    g, w = encode(grad, call.format), encode(weight, call.format, 1)
    probe_input_gradient(probe, g.codes, w.codes, size, call, window)
    result = torch.ops.axdse.conv2d_input_gradient(
        g.codes, w.codes, call.handle, call.swap, size, *window
    )
    scale = w.scale
    if scale is not None:
        scale = scale.reshape(1, -1).expand(window.groups, inputs).reshape(-1, 1, 1)
    return _scaled(result, g.scale, scale)


def conv2d_weight_gradient(
    grad: Tensor,
    image: Tensor,
    taps: tuple[int, int],
    call: Call,
    window: Window,
    probe: Probe | None = None,
) -> Tensor:
    """The gradient [O, C/G, *taps] of the weights, products T(grad, image); no gradient."""
    outputs, inputs = grad.shape[1], image.shape[1] // window.groups
    if call.format is None:
        weight = image.new_empty((outputs, inputs, *taps))
        return _native_gradients(grad, image, weight, window, 1)
    g, x = encode(grad, call.format, 1), encode(image, call.format, 1)
    probe_weight_gradient(probe, g.codes, x.codes, taps, call, window)
    result = torch.ops.axdse.conv2d_weight_gradient(
        g.codes, x.codes, call.handle, call.swap, taps, *window
    )
    if g.scale is None or x.scale is None:
        return _scaled(result, g.scale, x.scale)
    by_group = (window.groups, outputs // window.groups, inputs)
    of_image = x.scale.reshape(1, -1).expand(1, image.shape[1]).reshape(window.groups, 1, inputs)
    of_image = of_image.expand(by_group).reshape(outputs, inputs, 1, 1)
    return _scaled(result, g.scale.reshape(-1, 1, 1, 1), of_image)


def _scaled(result: Tensor, first: Tensor | None, second: Tensor | None) -> Tensor:
    result = result.float()
    # One after the other: the product of two small scales may underflow.
    for scale in (first, second):
        if scale is not None:
            result.mul_(scale)
    return result


def _native_gradients(
    grad: Tensor, image: Tensor, weight: Tensor, window: Window, which: int
) -> Tensor:
    stride, padding, dilation, groups = window
    wanted = [which == 0, which == 1, False]
    with _without_autocast(grad):
        gradients = torch.ops.aten.convolution_backward(
            grad, image, weight, None, stride, padding, dilation, False, [0, 0], groups, wanted
        )
    result: Tensor = gradients[which]
    return result


def _without_autocast(x: Tensor) -> torch.autocast:
    return torch.autocast(x.device.type, enabled=False)
