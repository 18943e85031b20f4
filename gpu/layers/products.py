"""How are FP32 tensors multiplied approximately? Without gradients.

Operands come into their format at every call (`axdse.gpu.ops.encoding`). With scale=channel a
weight has a scale for each output channel, in the input gradient for each input channel, and the
operands of the weight gradient one for each of their channels; activations and gradients else
have one each. Zero points of unsigned integers are taken out of the sums here. Native products
stay FP32 within autocast, as approximate ones do.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

import axdse.gpu.ops.schema  # noqa: F401  defines the operators
from axdse.gpu.layers import unfolded
from axdse.gpu.layers.assignment import LayerProducts
from axdse.gpu.layers.zero_points import (
    conv2d_terms,
    gemm_terms,
    input_gradient_terms,
    weight_gradient_terms,
)
from axdse.gpu.multiplication.handles import Call
from axdse.gpu.operands.convolution import Window, native_gradient
from axdse.gpu.ops.encoding import encode
from axdse.gpu.recording.probes import (
    Probe,
    probe_gemm,
    probe_input_gradient,
    probe_unfolded,
    probe_weight_gradient,
)


class Calls(NamedTuple):
    """The three products of a layer as operators take them, and a window of slopes, if any."""

    forward: Call
    input_gradient: Call
    weight_gradient: Call
    half_window: int | None


def calls_of(products: LayerProducts) -> Calls:
    """The constants of a layer's products."""
    return Calls(
        products.forward.call,
        products.input_gradient.call,
        products.weight_gradient.call,
        products.half_window if products.forward.design else None,
    )


def seeds_of(calls: Calls) -> tuple[Tensor | None, ...]:
    """Of each product an int64 from torch's generator, if its sum is rounded by chance."""
    made = calls.forward, calls.input_gradient, calls.weight_gradient
    return tuple(
        torch.randint(1 << 62, (), device="cpu") if call.random else None for call in made
    )


def gemm(
    a: Tensor,
    b: Tensor,
    call: Call,
    probe: Probe | None = None,
    a_axis: int | None = None,
    seed: Tensor | None = None,
) -> Tensor:
    """Multiply FP32 matrices [G, M, K] and [G, K, N], products T(a, b); no gradient.

    Args:
        a: activations or gradients.
        b: weights, or what takes their place; a scale=channel is one for each of N.
        call: what multiplies.
        probe: is told of the operands, unless they are native.
        a_axis: dimension of `a` along which scale=channel varies; None for one scale.
        seed: int64, of a sum that is rounded by chance.
    """
    if call.format is None:
        with _without_autocast(a):
            return torch.bmm(a, b)
    a_format, b_format = call.formats
    left = encode(a, a_format, a_axis, call.span, along=2)
    right = encode(b, b_format, 2, along=1)
    probe_gemm(probe, left.codes, right.codes, call)
    result = torch.ops.axdse.gemm(left.codes, right.codes, call.handle, call.swap, seed=seed)
    if call.has_zero_points:
        result = _added(result, gemm_terms(left, right))
    return _scaled(result, left.scale, right.scale)


def conv2d(
    image: Tensor,
    weight: Tensor,
    call: Call,
    window: Window,
    probe: Probe | None = None,
    seed: Tensor | None = None,
) -> Tensor:
    """Convolve [B, C, H, W] with [O, C/G, Kh, Kw], products T(image, weight); no gradient."""
    if call.format is None:
        with _without_autocast(image):
            return torch.conv2d(image, weight, None, *window)
    if call.format.is_mx:
        return unfolded.conv2d(image, weight, call, window, probe, seed)
    image_format, weight_format = call.formats
    image, window = _bordered(image, window, call)
    x, w = encode(image, image_format, span=call.span), encode(weight, weight_format, 0)
    probe_unfolded(probe, x.codes, w.codes, call, window)
    result = torch.ops.axdse.conv2d(x.codes, w.codes, call.handle, call.swap, *window, seed=seed)
    if call.has_zero_points:
        result = _added(result, conv2d_terms(x, w, window))
    return _scaled(result, x.scale, w.scale if w.scale is None else w.scale.reshape(-1, 1, 1))


def conv2d_input_gradient(
    grad: Tensor,
    weight: Tensor,
    size: tuple[int, int],
    call: Call,
    window: Window,
    probe: Probe | None = None,
    seed: Tensor | None = None,
) -> Tensor:
    """The gradient [B, C, *size] of the image, products T(grad, weight); no gradient itself."""
    inputs = weight.shape[1]
    if call.format is None:
        image = grad.new_empty(()).expand(grad.shape[0], window.groups * inputs, *size)
        with _without_autocast(grad):
            return native_gradient(grad, image, weight, window, of_image=True)
    if call.format.is_mx:
        return unfolded.conv2d_input_gradient(grad, weight, size, call, window, probe, seed)
    grad_format, weight_format = call.formats
    g, w = encode(grad, grad_format), encode(weight, weight_format, 1)
    probe_input_gradient(probe, g.codes, w.codes, size, call, window)
    result = torch.ops.axdse.conv2d_input_gradient(
        g.codes, w.codes, call.handle, call.swap, size, *window, seed=seed
    )
    if call.has_zero_points:
        result = _added(result, input_gradient_terms(g, w, size, window))
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
    seed: Tensor | None = None,
) -> Tensor:
    """The gradient [O, C/G, *taps] of the weights, products T(grad, image); no gradient."""
    outputs, inputs = grad.shape[1], image.shape[1] // window.groups
    if call.format is None:
        weight = image.new_empty(()).expand(outputs, inputs, *taps)
        with _without_autocast(grad):
            return native_gradient(grad, image, weight, window, of_image=False)
    if call.format.is_mx:
        return unfolded.conv2d_weight_gradient(grad, image, taps, call, window, probe, seed)
    grad_format, image_format = call.formats
    image, window = _bordered(image, window, call)
    g, x = encode(grad, grad_format, 1), encode(image, image_format, 1)
    probe_weight_gradient(probe, g.codes, x.codes, taps, call, window)
    result = torch.ops.axdse.conv2d_weight_gradient(
        g.codes, x.codes, call.handle, call.swap, taps, *window, seed=seed
    )
    if call.has_zero_points:
        result = _added(result, weight_gradient_terms(g, x, taps, window))
    if g.scale is None or x.scale is None:
        return _scaled(result, g.scale, x.scale)
    by_group = (window.groups, outputs // window.groups, inputs)
    of_image = x.scale.reshape(1, -1).expand(1, image.shape[1]).reshape(window.groups, 1, inputs)
    of_image = of_image.expand(by_group).reshape(outputs, inputs, 1, 1)
    return _scaled(result, g.scale.reshape(-1, 1, 1, 1), of_image)


def _bordered(image: Tensor, window: Window, call: Call) -> tuple[Tensor, Window]:
    """Zeros around an image before it has codes: with a zero point that of 0 is not 0."""
    if not call.has_zero_points:
        return image, window
    (down, right), flat = window.padding, window._replace(padding=(0, 0))
    return F.pad(image, (right, right, down, down)), flat


def _added(result: Tensor, terms: Tensor) -> Tensor:
    """Modulo 2^32, as the products were added."""
    return (result + terms).to(torch.int32)


def _scaled(result: Tensor, first: Tensor | None, second: Tensor | None) -> Tensor:
    result = result.float()
    # One after the other: the product of two small scales may underflow.
    for scale in (first, second):
        if scale is not None:
            result.mul_(scale)
    return result


def _without_autocast(x: Tensor) -> torch.autocast:
    return torch.autocast(x.device.type, enabled=False)
