"""Which products of tensors are approximate forwards and in both gradients?

The rounding of operands is passed straight through in the gradients (Bengio et al.,
arXiv:1308.3432), and so is the error of a core, unless gradients are its slopes
(`axdse.gpu.layers.slopes`). Within autocast all of this stays FP32.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from axdse.gpu.layers.assignment import LayerProducts
from axdse.gpu.layers.products import (
    Calls,
    calls_of,
    conv2d,
    conv2d_input_gradient,
    conv2d_weight_gradient,
    gemm,
    seeds_of,
)
from axdse.gpu.layers.slopes import conv2d_gradients, gemm_gradients
from axdse.gpu.operands.convolution import Window
from axdse.gpu.recording.probes import SILENT, LayerProbes
from axdse.multipliers.errors import AxdseError


class _Once(torch.autograd.Function):
    """Gradients as they are, of which there is none."""

    @staticmethod
    def forward(_ctx: Any, _anchor: Tensor, *grads: Tensor) -> tuple[Tensor, ...]:
        return tuple(grad.view_as(grad) for grad in grads)

    @staticmethod
    def backward(_ctx: Any, *_grads: Tensor) -> tuple[None, ...]:
        raise AxdseError(
            "approximate products have a gradient, and that has none",
            "a gradient of a gradient, as of a penalty on gradients",
            "keep these layers exact, such as 'conv1=fp32'",
        )


Backward = Callable[..., tuple[Any, ...]]


def _once(backward: Backward) -> Backward:
    """A backward whose results cannot be differentiated.

    With torch's own decorator the weights in them would be constants, and nobody told.
    """

    def once(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        with torch.no_grad():
            results = backward(ctx, grad)
        if not torch.is_grad_enabled():
            return results
        given = [x for x in results if x is not None]
        anchor = grad.new_zeros((), requires_grad=True)
        marked = iter(_Once.apply(anchor, *given))  # type: ignore[no-untyped-call]
        return tuple(None if x is None else next(marked) for x in results)

    return once


class _RowsTimesRows(torch.autograd.Function):
    """c[G, M, N] = a[G, M, K] w[G, N, K]^T; a is the activation, w the weight."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, w: Tensor, calls: Calls, probes: LayerProbes) -> Tensor:
        seed, *seeds = seeds_of(calls)
        ctx.save_for_backward(a, w, *seeds)
        ctx.calls, ctx.probes = calls, probes
        return gemm(a, w.mT, calls.forward, probes.forward, seed=seed)

    @staticmethod
    @_once
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        a, w, a_seed, w_seed = ctx.saved_tensors
        calls, probes = ctx.calls, ctx.probes
        a_grad = w_grad = None
        if calls.half_window is not None:
            wanted, call = ctx.needs_input_grad[:2], calls.forward
            a_grad, w_grad = gemm_gradients(grad, a, w.mT, call, calls.half_window, wanted)
            return a_grad, None if w_grad is None else w_grad.mT, None, None
        if ctx.needs_input_grad[0]:
            a_grad = gemm(grad, w, calls.input_gradient, probes.input_gradient, seed=a_seed)
        if ctx.needs_input_grad[1]:
            call, probe = calls.weight_gradient, probes.weight_gradient
            w_grad = gemm(grad.mT, a, call, probe, a_axis=1, seed=w_seed)
        return a_grad, w_grad, None, None


class _Conv2d(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, image: Tensor, weight: Tensor, window: Window, calls: Calls, probes: LayerProbes
    ) -> Tensor:
        seed, *seeds = seeds_of(calls)
        ctx.save_for_backward(image, weight, *seeds)
        ctx.window, ctx.calls, ctx.probes = window, calls, probes
        return conv2d(image, weight, calls.forward, window, probes.forward, seed)

    @staticmethod
    @_once
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        image, weight, image_seed, weight_seed = ctx.saved_tensors
        window, calls, probes = ctx.window, ctx.calls, ctx.probes
        image_grad = weight_grad = None
        if calls.half_window is not None:
            wanted, call = ctx.needs_input_grad[:2], calls.forward
            gradients = conv2d_gradients(
                grad, image, weight, window, call, calls.half_window, wanted
            )
            return *gradients, None, None, None
        if ctx.needs_input_grad[0]:
            size, call = (image.shape[2], image.shape[3]), calls.input_gradient
            image_grad = conv2d_input_gradient(
                grad, weight, size, call, window, probes.input_gradient, image_seed
            )
        if ctx.needs_input_grad[1]:
            taps, call = (weight.shape[2], weight.shape[3]), calls.weight_gradient
            weight_grad = conv2d_weight_gradient(
                grad, image, taps, call, window, probes.weight_gradient, weight_seed
            )
        return image_grad, weight_grad, None, None, None


class _ConvTranspose2d(torch.autograd.Function):
    """The input gradient of a convolution, taken forwards; `size` is that of the output.

    The activation has the place of that convolution's output gradient, and the output gradient
    that of its image: so T(activation, weight) and T(output gradient, weight) follow, and the
    gradient of the weights is that of the convolution with operands exchanged.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        size: tuple[int, int],
        window: Window,
        calls: Calls,
        probes: LayerProbes,
    ) -> Tensor:
        seed, *seeds = seeds_of(calls)
        ctx.save_for_backward(x, weight, *seeds)
        ctx.window, ctx.calls, ctx.probes = window, calls, probes
        return conv2d_input_gradient(x, weight, size, calls.forward, window, probes.forward, seed)

    @staticmethod
    @_once
    def backward(
        ctx: Any, grad: Tensor
    ) -> tuple[Tensor | None, Tensor | None, None, None, None, None]:
        x, weight, x_seed, weight_seed = ctx.saved_tensors
        window, calls, probes = ctx.window, ctx.calls, ctx.probes
        x_grad = weight_grad = None
        if ctx.needs_input_grad[0]:
            call, probe = calls.input_gradient, probes.input_gradient
            x_grad = conv2d(grad, weight, call, window, probe, x_seed)
        if ctx.needs_input_grad[1]:
            taps, call = (weight.shape[2], weight.shape[3]), calls.weight_gradient
            call = call._replace(swap=not call.swap)
            weight_grad = conv2d_weight_gradient(
                x, grad, taps, call, window, probes.weight_gradient, weight_seed
            )
        return x_grad, weight_grad, None, None, None, None


def approx_matmul(
    a: Tensor, b: Tensor, products: LayerProducts, probes: LayerProbes = SILENT
) -> Tensor:
    """`torch.matmul` for FP32 of any dimensions, with broadcasting; differentiable in both.

    `a` is the activation, `b` has the place of the weight.

    Raises:
        AxdseError: another dtype than FP32 without autocast, or shapes that do not fit.
    """
    _check_matmul(a, b)
    if b.ndim == 1:
        return approx_linear(a, b[None], products, probes)[..., 0]
    if a.ndim == 1:
        return approx_matmul(a[None], b, products, probes)[..., 0, :]
    if b.ndim == 2:
        return approx_linear(a, b.mT, products, probes)
    leading = torch.broadcast_shapes(a.shape[:-2], b.shape[:-2])  # type: ignore[no-untyped-call]
    left, right = (
        x.expand(*leading, *x.shape[-2:]).reshape(leading.numel(), *x.shape[-2:])
        for x in (a, b.mT)
    )
    result = _rows_times_rows(left, right, products, probes)
    return result.reshape(*leading, a.shape[-2], b.shape[-1])


def _check_matmul(a: Tensor, b: Tensor) -> None:
    depth = b.shape[0] if b.ndim == 1 else b.shape[-2] if b.ndim else 0
    pairs = zip(a.shape[-3::-1], b.shape[-3::-1], strict=False)
    if not (a.ndim and depth == a.shape[-1] and all(m == n or 1 in (m, n) for m, n in pairs)):
        raise AxdseError(
            "operands are [..., M, K] and [..., K, N] that broadcast",
            f"{tuple(a.shape)} and {tuple(b.shape)}",
            "reshape or transpose them",
        )


def approx_linear(
    x: Tensor, weight: Tensor, products: LayerProducts, probes: LayerProbes = SILENT
) -> Tensor:
    """Inputs [..., I] times weight [O, I] transposed, [..., O], FP32, differentiable in both.

    Raises:
        AxdseError: another dtype than FP32 without autocast, or shapes that do not fit.
    """
    if not x.ndim or x.shape[-1] != weight.shape[1]:
        raise AxdseError(
            f"inputs of a linear layer are [..., {weight.shape[1]}]",
            tuple(x.shape),
            "reshape them",
        )
    rows = x.reshape(1, x.shape[:-1].numel(), x.shape[-1])
    result = _rows_times_rows(rows, weight[None], products, probes)
    return result.reshape(*x.shape[:-1], weight.shape[0])


def _rows_times_rows(a: Tensor, w: Tensor, products: LayerProducts, probes: LayerProbes) -> Tensor:
    result: Tensor = _RowsTimesRows.apply(  # type: ignore[no-untyped-call]
        _single(a), _single(w), calls_of(products), probes
    )
    return result


def approx_conv2d(
    image: Tensor,
    weight: Tensor,
    window: Window,
    products: LayerProducts,
    probes: LayerProbes = SILENT,
) -> Tensor:
    """Convolve [B, C, H, W] with [O, C/G, Kh, Kw], FP32, differentiable in both.

    Raises:
        AxdseError: another dtype than FP32 without autocast, or shapes that do not fit.
    """
    _check_channels(image, window.groups * weight.shape[1])
    spans = (window.dilation[i] * (weight.shape[2 + i] - 1) + 1 for i in (0, 1))
    if any(image.shape[2 + i] + 2 * window.padding[i] < span for i, span in enumerate(spans)):
        raise AxdseError(
            "a kernel fits into the padded image",
            f"{tuple(weight.shape[2:])} in {tuple(image.shape[2:])}",
            "pad more, or choose a smaller kernel",
        )
    result: Tensor = _Conv2d.apply(  # type: ignore[no-untyped-call]
        _single(image), _single(weight), window, calls_of(products), probes
    )
    return result


def approx_conv_transpose2d(
    x: Tensor,
    weight: Tensor,
    size: tuple[int, int],
    window: Window,
    products: LayerProducts,
    probes: LayerProbes = SILENT,
) -> Tensor:
    """Transposed convolution of [B, I, H, W] with [I, O/G, Kh, Kw] to [B, O, *size], FP32.

    Raises:
        AxdseError: another dtype than FP32 without autocast, or shapes that do not fit.
    """
    _check_channels(x, weight.shape[0])
    if products.half_window is not None and products.forward.design:
        rule = "gradients are slopes in linear layers, convolutions and what is made of these"
        raise AxdseError(
            rule, "a transposed convolution", "keep it exact, or train straight through"
        )
    result: Tensor = _ConvTranspose2d.apply(  # type: ignore[no-untyped-call]
        _single(x), _single(weight), size, window, calls_of(products), probes
    )
    return result


def _check_channels(image: Tensor, channels: int) -> None:
    if image.ndim != 4 or image.shape[1] != channels:
        rule = f"images are [B, {channels}, H, W], or without B or H as the layer has it"
        raise AxdseError(rule, tuple(image.shape), "reshape them")


def _single(x: Tensor) -> Tensor:
    """FP32: what autocast made of a tensor is taken back, else other dtypes are refused."""
    if x.dtype == torch.float32:
        return x
    if not torch.is_autocast_enabled(x.device.type):
        raise AxdseError("approximate products take FP32", x.dtype, "convert it with .float()")
    return x.float()
