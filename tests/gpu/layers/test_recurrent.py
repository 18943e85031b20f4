"""Recurrent layers with the exact core of bf16 against torch's, whose operands are rounded."""

import copy
from typing import Any

import pytest
import torch
from bf16_operands import Bf16Operands, assert_rounded_alike
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_sequence

from axdse.gpu.layers.assignment import LayerProducts, Product
from axdse.gpu.layers.recurrent import (
    ApproxGRU,
    ApproxGRUCell,
    ApproxLSTM,
    ApproxLSTMCell,
    ApproxRNN,
    ApproxRNNCell,
)
from axdse.gpu.testing.gemm import table
from axdse.multipliers.errors import AxdseError

EXACT = LayerProducts.uniform(table("exact", "float(8,7,round=nearest,product=wide)"))
SCRAMBLE = Product(table("scramble", "float(8,4,round=nearest,product=narrow)"))
INPUTS, HIDDEN, STEPS, BATCH = 6, 8, 5, 3
LAYERS = [
    pytest.param(nn.LSTM, ApproxLSTM, id="LSTM"),
    pytest.param(nn.GRU, ApproxGRU, id="GRU"),
    pytest.param(nn.RNN, ApproxRNN, id="RNN"),
]
CELLS = [
    pytest.param(nn.LSTMCell, ApproxLSTMCell, id="LSTM"),
    pytest.param(nn.GRUCell, ApproxGRUCell, id="GRU"),
    pytest.param(nn.RNNCell, ApproxRNNCell, id="RNN"),
]
SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "no bias": {"bias": False},
    "two layers": {"num_layers": 2},
    "both directions": {"bidirectional": True},
    "batch first": {"batch_first": True},
    "all": {
        "num_layers": 3,
        "bidirectional": True,
        "batch_first": True,
        "bias": False,
        "dropout": 0.25,
    },
    "dropout between layers": {"num_layers": 3, "dropout": 0.25},
    "dropout after the last layer is none": {"num_layers": 1, "dropout": 0.25},
}
PROJECTED: dict[str, dict[str, Any]] = {
    "projected": {"proj_size": 4},
    "projected, all": {"proj_size": 4, "num_layers": 2, "bidirectional": True, "bias": False},
}
State = Tensor | tuple[Tensor, Tensor] | None


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed + sum(shape)))


def pair(
    exact: type[nn.Module], approx: type[nn.Module], settings: dict[str, Any]
) -> tuple[nn.Module, nn.Module]:
    """Both with the same weights, by a state_dict each way."""
    native, layer = exact(INPUTS, HIDDEN, **settings), approx(INPUTS, HIDDEN, **settings)
    layer.products = EXACT
    state = {name: normal(*value.shape) / 2 for name, value in native.state_dict().items()}
    assert list(layer.state_dict()) == list(state)
    layer.load_state_dict(state)
    native.load_state_dict(layer.state_dict())
    return native, layer


def flat(results: Any) -> list[Tensor]:
    return [results] if isinstance(results, Tensor) else [x for y in results for x in flat(y)]


def run(layer: nn.Module, x: Tensor, start: State) -> list[Tensor]:
    """All outputs, last states, and all gradients."""
    torch.manual_seed(0)
    layer = copy.deepcopy(layer)
    leaves = [y.clone().requires_grad_() for y in flat(x if start is None else (x, start))]
    if start is None:
        results = layer(leaves[0])
    else:
        state = leaves[1] if isinstance(start, Tensor) else (leaves[1], leaves[2])
        results = layer(leaves[0], state)
    sum((y * normal(*y.shape)).sum() for y in flat(results)).backward()
    gradients = [y.grad for y in (*leaves, *layer.parameters())]
    return [y.detach() for y in (*flat(results), *gradients)]


def assert_runs_alike(native: nn.Module, layer: nn.Module, x: Tensor, start: State = None) -> None:
    with Bf16Operands() as oracle:
        rounded = run(native, x, start)
    assert oracle.products > 0
    assert_rounded_alike(run(layer, x, start), rounded, run(native, x, start))


def first_state(settings: dict[str, Any], is_lstm: bool, *batch: int) -> State:
    count = settings.get("num_layers", 1) * (1 + settings.get("bidirectional", False))
    hidden = normal(count, *batch, settings.get("proj_size", HIDDEN))
    return (hidden, normal(count, *batch, HIDDEN, seed=1)) if is_lstm else hidden


@pytest.mark.parametrize("has_start", [False, True])
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.filterwarnings("ignore:dropout option adds dropout")
@pytest.mark.parametrize(("exact", "approx"), LAYERS)
def test_every_setting(
    exact: type[nn.Module],
    approx: type[nn.Module],
    settings: dict[str, Any],
    has_start: bool,
) -> None:
    native, layer = pair(exact, approx, settings)
    x = normal(BATCH, STEPS, INPUTS) if layer.batch_first else normal(STEPS, BATCH, INPUTS)
    start = first_state(settings, exact is nn.LSTM, BATCH) if has_start else None
    assert_runs_alike(native, layer, x, start)


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported")
@pytest.mark.parametrize("has_start", [False, True])
@pytest.mark.parametrize("settings", PROJECTED.values(), ids=PROJECTED)
def test_projected_states(settings: dict[str, Any], has_start: bool) -> None:
    native, layer = pair(nn.LSTM, ApproxLSTM, settings)
    start = first_state(settings, True, BATCH) if has_start else None
    assert_runs_alike(native, layer, normal(STEPS, BATCH, INPUTS), start)


@pytest.mark.parametrize("has_start", [False, True])
@pytest.mark.parametrize("name", ["plain", "all"])
@pytest.mark.parametrize(("exact", "approx"), LAYERS)
def test_one_sequence_without_a_batch(
    exact: type[nn.Module], approx: type[nn.Module], name: str, has_start: bool
) -> None:
    native, layer = pair(exact, approx, SETTINGS[name])
    start = first_state(SETTINGS[name], exact is nn.LSTM) if has_start else None
    assert_runs_alike(native, layer, normal(STEPS, INPUTS), start)


@pytest.mark.parametrize("batch", [(BATCH,), ()], ids=["a batch", "no batch"])
@pytest.mark.parametrize("has_start", [False, True])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("exact", "approx"), CELLS)
def test_cells(
    exact: type[nn.Module],
    approx: type[nn.Module],
    bias: bool,
    has_start: bool,
    batch: tuple[int, ...],
) -> None:
    native, layer = pair(exact, approx, {"bias": bias})
    hidden = normal(*batch, HIDDEN)
    start = (hidden, normal(*batch, HIDDEN, seed=1)) if exact is nn.LSTMCell else hidden
    assert_runs_alike(native, layer, normal(*batch, INPUTS), start if has_start else None)


def test_evaluation_drops_nothing() -> None:
    _, layer = pair(nn.GRU, ApproxGRU, SETTINGS["dropout between layers"])
    x = normal(STEPS, BATCH, INPUTS)
    layer.eval()
    assert torch.equal(layer(x)[0], layer(x)[0])
    layer.train()
    assert not torch.equal(layer(x)[0], layer(x)[0])


@pytest.mark.parametrize("role", ["forward", "input_gradient", "weight_gradient"])
@pytest.mark.parametrize(("exact", "approx"), LAYERS)
def test_each_product_takes_its_role(
    exact: type[nn.Module], approx: type[nn.Module], role: str
) -> None:
    """A change of one product leaves alone what that product is no part of."""
    native, layer = pair(exact, approx, {})
    layer.products = LayerProducts(**{role: SCRAMBLE})
    x = normal(1, BATCH, INPUTS)
    results, plain = run(layer, x, None), run(native, x, None)
    count = len(flat(layer(x)))
    outputs, x_grad, weight_grad = slice(0, count), slice(count, count + 1), slice(count + 1, -3)
    changed = {"forward": outputs, "input_gradient": x_grad, "weight_gradient": weight_grad}
    for name, part in changed.items():
        alike = [
            torch.allclose(ours, theirs, atol=1e-5)
            for ours, theirs in zip(results[part], plain[part], strict=True)
        ]
        # Gradients depend on what went forward, too.
        assert not any(alike) if role in (name, "forward") else all(alike)


@pytest.mark.parametrize(("exact", "approx"), LAYERS)
def test_packed_sequences_are_refused(exact: type[nn.Module], approx: type[nn.Module]) -> None:
    _, layer = pair(exact, approx, {})
    packed = pack_sequence([normal(4, INPUTS), normal(2, INPUTS)])
    with pytest.raises(AxdseError, match="take tensors: a packed sequence; pad and mask it"):
        layer(packed)


@pytest.mark.parametrize(
    ("x", "start", "message"),
    [
        (normal(5, 3, 7), None, r"\[\.\.\., 6\]"),
        (normal(2, 5, 3, 6), None, "sequence is .* 3-dimensional"),
        (normal(5, 3, 6), normal(1, 2, 8), r"first state is of shape \[\(1, 3, 8\)\]"),
        (normal(5, 6), normal(1, 1, 8), r"first state is of shape \[\(1, 1, 8\)\]"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(x: Tensor, start: State, message: str) -> None:
    _, layer = pair(nn.GRU, ApproxGRU, {})
    with pytest.raises(AxdseError, match=message):
        layer(x, start)


def test_states_of_cells_that_do_not_fit_are_refused() -> None:
    _, layer = pair(nn.LSTMCell, ApproxLSTMCell, {})
    with pytest.raises(AxdseError, match=r"first state is of shape \[\(3, 8\), \(3, 8\)\]"):
        layer(normal(BATCH, INPUTS), (normal(BATCH, HIDDEN), normal(1, HIDDEN)))


def test_weights_that_a_hook_computes_are_used() -> None:
    """As of the old weight normalisation, which makes a weight no parameter any more."""
    native, layer = pair(nn.LSTM, ApproxLSTM, {})
    for module in (native, layer):
        raw = nn.Parameter(module.weight_hh_l0.detach().clone())
        del module._parameters["weight_hh_l0"]
        module.register_parameter("raw", raw)
        module.register_forward_pre_hook(lambda m, _: setattr(m, "weight_hh_l0", m.raw / 2))
    x = normal(STEPS, BATCH, INPUTS)
    expected, actual = native(x)[0], layer(x)[0]
    torch.testing.assert_close(actual, expected, atol=0.02, rtol=0)
