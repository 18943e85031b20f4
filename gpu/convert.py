"""Stage 7, layers: any `nn.Module` in, the same model with approximate layers out."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch
from torch import nn

from axdse.gpu.assignment import Assignment, LayerProducts
from axdse.gpu.layers import ApproxConv2d, ApproxLinear
from axdse.multipliers.errors import AxdseError, did_you_mean

_PAIRS: tuple[tuple[type[nn.Module], type[ApproxLinear | ApproxConv2d]], ...] = (
    (nn.Linear, ApproxLinear),
    (nn.Conv2d, ApproxConv2d),
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


def convert(model: nn.Module, assignment: Assignment) -> Conversion:
    """Copy a model and make its Linear and Conv2d layers approximate.

    The model itself is left alone. The copy keeps weights, buffers, hooks, `state_dict` keys,
    device and training mode; a module that is used twice stays shared, under its first name.

    Raises:
        AxdseError: a pattern of the assignment matches no layer that can be approximate.
    """
    converted = copy.deepcopy(model)
    reasons = {name: _reason(converted, name, module) for name, module in _parametrised(converted)}
    layers = tuple(name for name, reason in reasons.items() if not reason)
    _check_patterns(assignment, layers)
    approximate = tuple(name for name in layers if assignment.products(name) != LayerProducts())
    for name in layers:
        _assign(converted.get_submodule(name), assignment.products(name))
    exact = tuple(
        (name, reason or "native FP32 by assignment")
        for name, reason in reasons.items()
        if name not in approximate
    )
    return Conversion(converted, approximate, exact)


def _parametrised(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name, module in model.named_modules():
        if any(True for _ in module.parameters(recurse=False)):
            yield name, module


def _reason(model: nn.Module, name: str, module: nn.Module) -> str:
    """Say why the module cannot be approximate; empty if it can."""
    kind = type(module)
    if not any(kind in pair for pair in _PAIRS):
        if isinstance(module, nn.Linear | nn.Conv2d):
            return f"{kind.__name__} may compute something else than the layer it derives from"
        return f"{kind.__name__} has no approximate form"
    if isinstance(model.get_submodule(name.rpartition(".")[0]), nn.TransformerEncoderLayer):
        return "TransformerEncoderLayer bypasses its layers in evaluation"
    weight = module.get_parameter("weight")
    return "" if weight.dtype == torch.float32 else f"its weights are {weight.dtype}, not FP32"


def _assign(layer: nn.Module, products: LayerProducts) -> None:
    exact, approximate = next(pair for pair in _PAIRS if type(layer) in pair)
    layer.__dict__.pop("products", None)
    # Changing the class in place keeps hooks, tied weights and references from elsewhere.
    layer.__class__ = exact
    if products != LayerProducts():
        layer.__class__ = approximate
        layer.__dict__["products"] = products


def _check_patterns(assignment: Assignment, layers: tuple[str, ...]) -> None:
    for pattern, _ in assignment.layers:
        if not any(fnmatchcase(name, pattern) for name in layers):
            raise AxdseError(
                "a pattern of the assignment must match a layer",
                repr(pattern),
                did_you_mean(pattern, layers),
            )
