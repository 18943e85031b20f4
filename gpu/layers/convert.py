"""How does any `nn.Module` become the same model with approximate layers?"""

import copy
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.utils.parametrize import is_parametrized

from axdse.gpu.layers.assignment import ApproxLayer, Assignment, LayerProducts
from axdse.gpu.layers.attention import ApproxMultiheadAttention
from axdse.gpu.layers.conv import (
    ApproxConv1d,
    ApproxConv2d,
    ApproxConv3d,
    ApproxConvTranspose1d,
    ApproxConvTranspose2d,
    ApproxConvTranspose3d,
)
from axdse.gpu.layers.linear import ApproxLinear
from axdse.gpu.layers.recurrent import (
    ApproxGRU,
    ApproxGRUCell,
    ApproxLSTM,
    ApproxLSTMCell,
    ApproxRNN,
    ApproxRNNCell,
)
from axdse.multipliers.designs.catalog import Catalog
from axdse.multipliers.designs.design_point import (
    DesignPoint,
    PointText,
    check_patterns,
    load_design_point,
    parse_design_point,
)
from axdse.multipliers.errors import AxdseError

_PAIRS: tuple[tuple[type[nn.Module], type[nn.Module]], ...] = (
    (nn.Linear, ApproxLinear),
    (nn.Conv1d, ApproxConv1d),
    (nn.Conv2d, ApproxConv2d),
    (nn.Conv3d, ApproxConv3d),
    (nn.ConvTranspose1d, ApproxConvTranspose1d),
    (nn.ConvTranspose2d, ApproxConvTranspose2d),
    (nn.ConvTranspose3d, ApproxConvTranspose3d),
    (nn.MultiheadAttention, ApproxMultiheadAttention),
    (nn.LSTM, ApproxLSTM),
    (nn.LSTMCell, ApproxLSTMCell),
    (nn.GRU, ApproxGRU),
    (nn.GRUCell, ApproxGRUCell),
    (nn.RNN, ApproxRNN),
    (nn.RNNCell, ApproxRNNCell),
)
# Modules of torch that hold integers.
_QUANTISED = re.compile(r"torch\.(ao\.)?nn\.(intrinsic\.)?quantized\.")
_DERIVED: dict[type[nn.Module], type[nn.Module]] = {}
# What a subclass of a layer may have anew without another product.
_HARMLESS = frozenset(
    ("__init__", "__repr__", "__setstate__", "extra_repr", "reset_parameters", "train")
)


@dataclass(frozen=True)
class Conversion:
    """A converted model and what was done to it.

    Attributes:
        model: the converted copy.
        approximate: names of the layers that are approximate now.
        exact: (name, reason) of every other module that has parameters of its own, or is
            quantised already.
    """

    model: nn.Module
    approximate: tuple[str, ...]
    exact: tuple[tuple[str, str], ...]


def convert(
    model: nn.Module,
    point: PointText | DesignPoint | Assignment | Path,
    catalog: Catalog | None = None,
    *,
    subclasses: Sequence[type[nn.Module]] = (),
) -> Conversion:
    """Copy a model and make its layers approximate: linear, convolutional, recurrent, attention.

    Weights that are computed, by `torch.nn.utils.parametrize`, `weight_norm` or `prune`, stay so.
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
        subclasses: classes that derive from a layer and multiply by `super().forward` alone: what
            else they do stays.

    Raises:
        AxdseError: a text is no design point; a pattern matches no layer that can be
            approximate; or a subclass derives from none, or multiplies by itself.
    """
    for subclass in subclasses:
        _check_subclass(subclass)
    taken = frozenset(subclasses)
    converted = copy.deepcopy(model, _computed(model))
    reasons = {name: _reason(module, taken) for name, module in _parametrised(converted)}
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


def _computed(model: nn.Module) -> dict[int, Tensor]:
    """Copies of the tensors that hooks such as those of `prune` left in place of parameters.

    torch copies none that was computed from others; the hooks compute it anew before it is used.
    """
    found = (value for module in model.modules() for value in vars(module).values())
    return {
        id(value): value.detach().clone()
        for value in found
        if isinstance(value, Tensor) and not value.is_leaf
    }


def _parametrised(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Modules with parameters of their own; the output projection is part of its attention."""
    inner: set[nn.Module] = set()
    for module in model.modules():
        if isinstance(module, nn.MultiheadAttention):
            inner.add(module.out_proj)
            inner |= set(_parametrisations(module.out_proj))
        inner |= set(_parametrisations(module))
        if _is_quantised(module):
            inner |= {*module.modules()} - {module}
    for name, module in model.named_modules():
        own = any(True for _ in module.parameters(recurse=False))
        if module not in inner and (own or is_parametrized(module) or _is_quantised(module)):
            yield name, module


def _parametrisations(module: nn.Module) -> Iterator[nn.Module]:
    """The modules that compute parameters of a module."""
    if is_parametrized(module):
        assert isinstance(module.parametrizations, nn.Module)
        yield from module.parametrizations.modules()


def _is_quantised(module: nn.Module) -> bool:
    return any(_QUANTISED.match(kind.__module__) for kind in type(module).__mro__)


def _kind(module: nn.Module) -> type[nn.Module]:
    """The class of a module without its parametrisations, for which torch makes one of its own.

    Of a subclass of a layer, that class.
    """
    kind = type(module)
    if is_parametrized(module):
        kind = kind.__bases__[0]
    origin: type[nn.Module] = vars(kind).get("derives_from", kind)
    return origin


def _pair(kind: type[nn.Module]) -> tuple[type[nn.Module], type[nn.Module]] | None:
    """A layer and its approximate form, by either, or by a class that derives from the layer."""
    for exact, approximate in _PAIRS:
        if kind in (exact, approximate):
            return exact, approximate
    for exact, approximate in _PAIRS:
        if issubclass(kind, exact):
            return kind, _derived(kind, approximate)
    return None


def _derived(kind: type[nn.Module], approximate: type[nn.Module]) -> type[nn.Module]:
    """A subclass of a layer whose `super().forward` is the approximate one; made once."""
    if kind not in _DERIVED:
        parts = {"derives_from": kind, "__module__": kind.__module__}
        _DERIVED[kind] = type(f"Approx{kind.__name__}", (kind, approximate), parts)
    return _DERIVED[kind]


def _check_subclass(kind: type[nn.Module]) -> None:
    """Refuse what would not multiply by the approximate layer.

    Raises:
        AxdseError: it derives from no layer, or its `forward` does not call `super().forward`, or
            it has another part of the layer anew.
    """
    layer = next((exact for exact, _ in _PAIRS if issubclass(kind, exact)), None)
    if layer is None:
        names = ", ".join(exact.__name__ for exact, _ in _PAIRS)
        raise AxdseError("a subclass derives from a layer", kind.__name__, f"of {names}")
    for each in kind.__mro__[: kind.__mro__.index(layer)]:
        for name, part in vars(each).items():
            if name in _HARMLESS or not hasattr(layer, name) or not callable(part):
                continue
            code = getattr(part, "__code__", None)
            calls = code is not None and {"super", "forward"} <= {*code.co_names}
            if name != "forward" or not calls:
                raise AxdseError(
                    f"a subclass of {layer.__name__} multiplies by super().forward",
                    f"{each.__name__}.{name} does so by itself, as far as can be seen",
                    "call that, or axdse.gpu.layers.autograd.approx_matmul",
                )


def _reason(module: nn.Module, taken: frozenset[type[nn.Module]]) -> str:
    """Say why the module cannot be approximate; empty if it can."""
    kind = _kind(module)
    if _is_quantised(module):
        return f"{kind.__name__} is quantised already: convert the model that it was made of"
    if isinstance(module, LazyModuleMixin):
        return f"{kind.__name__} has no weights yet: run the model once"
    if not any(kind in pair for pair in _PAIRS) and not (
        kind in taken or isinstance(module, ApproxLayer)
    ):
        if _pair(kind):
            return (
                f"{kind.__name__} may compute something else than the layer it derives from; "
                "if it does not, name it in subclasses"
            )
        return f"{kind.__name__} has no approximate form"
    dtypes = {parameter.dtype for parameter in module.parameters()} - {torch.float32}
    return f"its weights are {dtypes.pop()}, not FP32" if dtypes else ""


def _assign(layer: nn.Module, products: LayerProducts) -> None:
    pair = _pair(_kind(layer))
    assert pair
    layer.__dict__.pop("products", None)
    # Changing the class in place keeps hooks, tied weights and references from elsewhere.
    kind = pair[0] if products == LayerProducts() else pair[1]
    if is_parametrized(layer):
        own = vars(type(layer)).items()
        parts = {name: part for name, part in own if name not in ("__dict__", "__weakref__")}
        kind = type(f"Parametrized{kind.__name__}", (kind,), parts)
    layer.__class__ = kind
    if products != LayerProducts():
        layer.__dict__["products"] = products


def _call_all_layers(model: nn.Module) -> None:
    """Keep transformer encoders from computing with their layers' weights in evaluation."""
    for module in model.modules():
        if isinstance(module, nn.TransformerEncoderLayer):
            module.activation_relu_or_gelu = 0  # the kind of activation: none that is fused
        if isinstance(module, nn.TransformerEncoder):
            module.use_nested_tensor = False
