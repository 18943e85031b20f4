"""How large do activations get? Scales that a sample fixes, so that no example sees its batch.

Integers, and floats with fewer than eight exponent bits, scale each tensor by its own numbers:
the answer for an image then depends on what else is in its batch. Hardware, and whoever compares
inference, has scales that are fixed before (as in Jacob et al., CVPR 2018).
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from axdse.gpu.layers.assignment import LayerProducts, Product
from axdse.gpu.layers.conv import (
    ApproxConv1d,
    ApproxConv2d,
    ApproxConv3d,
)
from axdse.gpu.layers.linear import ApproxLinear
from axdse.multipliers.formats import Format, IntFormat, Span

# Those of one activation, which is the first operand of the forward product.
_LAYERS = (ApproxLinear, ApproxConv1d, ApproxConv2d, ApproxConv3d)


def calibrate(model: nn.Module, run: Callable[[], object]) -> tuple[str, ...]:
    """Fix the scales of activations in the forward products of a converted model, in place.

    Args:
        model: converted; linear layers and convolutions are calibrated.
        run: runs the model over a sample, as it will be evaluated.

    Returns:
        Names of approximate layers whose scales still depend on the batch: attention, recurrent
        layers and transposed convolutions of such a format.
    """
    layers = {
        name: module
        for name, module in model.named_modules()
        if isinstance(getattr(module, "products", None), LayerProducts)
        and _is_scaled(module.products.forward)
    }
    mine = {name: layer for name, layer in layers.items() if isinstance(layer, _LAYERS)}
    spans: dict[str, Tensor] = {}

    def watch(name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def look(layer: nn.Module, inputs: tuple[Any, ...]) -> None:
            low, high = inputs[0].detach().aminmax()
            ends = torch.stack([-low, high])
            spans[name] = torch.maximum(spans.get(name, ends), ends)

        return look

    hooks = [layer.register_forward_pre_hook(watch(name)) for name, layer in mine.items()]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    for name, layer in mine.items():
        if name in spans:
            below, above = spans[name].tolist()
            forward = dataclasses.replace(layer.products.forward, span=Span(-below, above))
            layer.products = dataclasses.replace(layer.products, forward=forward)
    return tuple(name for name in layers if name not in mine or name not in spans)


def _is_scaled(product: Product) -> bool:
    form: Format | None = product.call.format
    if form is None or form.is_mx:
        return False  # blocks lie within an example
    if isinstance(form, IntFormat):
        return True
    return form.exponent_bits < 8 and form.scale == "tensor"
