"""How does any `nn.Module` become the same model with approximate layers?"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from axdse.gpu.layers.assignment import Assignment, LayerProducts
from axdse.gpu.layers.attention import ApproxMultiheadAttention
from axdse.gpu.layers.conv import (
    ApproxConv1d,
    ApproxConv2d,
    ApproxConvTranspose1d,
    ApproxConvTranspose2d,
)
from axdse.gpu.layers.linear import ApproxLinear
from axdse.gpu.layers.recurrent import ApproxGRU, ApproxGRUCell, ApproxLSTM, ApproxLSTMCell
from axdse.multipliers.designs.catalog import Catalog
from axdse.multipliers.designs.design_point import (
    DesignPoint,
    PointText,
    check_patterns,
    load_design_point,
    parse_design_point,
)

_PAIRS: tuple[tuple[type[nn.Module], type[nn.Module]], ...] = (
    (nn.Linear, ApproxLinear),
    (nn.Conv1d, ApproxConv1d),
    (nn.Conv2d, ApproxConv2d),
    (nn.ConvTranspose1d, ApproxConvTranspose1d),
    (nn.ConvTranspose2d, ApproxConvTranspose2d),
    (nn.MultiheadAttention, ApproxMultiheadAttention),
    (nn.LSTM, ApproxLSTM),
    (nn.LSTMCell, ApproxLSTMCell),
    (nn.GRU, ApproxGRU),
    (nn.GRUCell, ApproxGRUCell),
)


@dataclass(frozen=True)
class Conversion:
    """A converted model and what was done to it.

    Attributes:
        model: the converted copy.
        approximate: names of the layers that are approximate now.
        exact: (name, reason) of every other module that has parameters of its own.
    """

    model: nn.Module
    approximate: tuple[str, ...]
    exact: tuple[tuple[str, str], ...]


def convert(
    model: nn.Module,
    point: PointText | DesignPoint | Assignment | Path,
    catalog: Catalog | None = None,
) -> Conversion:
    """Copy a model and make its layers approximate: linear, convolutional, recurrent, attention.

    The model itself is left alone. The copy keeps weights, buffers, hooks, `state_dict` keys,
    device and training mode; a module that is used twice stays shared, under its first name.
    Products that a forward method computes itself, with `@` or a function, are not modules: they
    stay exact and unlisted. `axdse.gpu.layers.autograd.approx_matmul` and
    `axdse.gpu.layers.attention.scaled_dot_product_attention` are there for those.

    Args:
        model: any module.
        point: which MAC makes which product: a design point, its text such as
            `drum(n=8,k=4) in bf16` or `fc1=fp32; *=exact(n=8) in bf16`, or a mapping as
            `parse_design_point` reads it, or the path of its YAML, such as the assignment.yaml of
            an export; or an `Assignment`, for tables of one's own.
        catalog: where the text's families are; default: the one that ships with axdse.

    Raises:
        AxdseError: a text is no design point, or a pattern matches no layer that can be
            approximate.
    """
    converted = copy.deepcopy(model)
    reasons = {name: _reason(module) for name, module in _parametrised(converted)}
    layers = tuple(name for name, reason in reasons.items() if not reason)
    if isinstance(point, Assignment):
        assignment = point
        patterns = (pattern for pattern, _ in assignment.layers)
        check_patterns("a pattern of the assignment must match a layer", patterns, layers)
    else:
        parsed = _parsed(point, catalog)
        parsed.check_layers(layers)
        assignment = Assignment.of(parsed, layers)
    approximate = tuple(name for name in layers if assignment.products(name) != LayerProducts())
    for name in layers:
        _assign(converted.get_submodule(name), assignment.products(name))
    if approximate:
        _call_all_layers(converted)
    exact = tuple(
        (name, reason or "native FP32 by assignment")
        for name, reason in reasons.items()
        if name not in approximate
    )
    return Conversion(converted, approximate, exact)


def _parsed(point: PointText | DesignPoint | Path, catalog: Catalog | None) -> DesignPoint:
    if isinstance(point, DesignPoint):
        return point
    if isinstance(point, Path):
        return load_design_point(point, catalog)
    return parse_design_point(point, catalog)


def _parametrised(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Modules with parameters of their own; the output projection is part of its attention."""
    inner = {
        module.out_proj for module in model.modules() if isinstance(module, nn.MultiheadAttention)
    }
    for name, module in model.named_modules():
        if module not in inner and any(True for _ in module.parameters(recurse=False)):
            yield name, module


def _reason(module: nn.Module) -> str:
    """Say why the module cannot be approximate; empty if it can."""
    kind = type(module)
    if not any(kind in pair for pair in _PAIRS):
        if isinstance(module, tuple(exact for exact, _ in _PAIRS)):
            return f"{kind.__name__} may compute something else than the layer it derives from"
        return f"{kind.__name__} has no approximate form"
    dtypes = {parameter.dtype for parameter in module.parameters()} - {torch.float32}
    return f"its weights are {dtypes.pop()}, not FP32" if dtypes else ""


def _assign(layer: nn.Module, products: LayerProducts) -> None:
    exact, approximate = next(pair for pair in _PAIRS if type(layer) in pair)
    layer.__dict__.pop("products", None)
    # Changing the class in place keeps hooks, tied weights and references from elsewhere.
    layer.__class__ = exact
    if products != LayerProducts():
        layer.__class__ = approximate
        layer.__dict__["products"] = products


def _call_all_layers(model: nn.Module) -> None:
    """Keep transformer encoders from computing with their layers' weights in evaluation."""
    for module in model.modules():
        if isinstance(module, nn.TransformerEncoderLayer):
            module.activation_relu_or_gelu = 0  # the kind of activation: none that is fused
        if isinstance(module, nn.TransformerEncoder):
            module.use_nested_tensor = False
