"""Attention with the exact core of bf16 against torch's own, whose operands are rounded to bf16.

Heads are 16 wide: scores are then scaled by a power of two, which commutes with rounding, so it
does not matter that torch scales the query and axdse the scores.
"""

import copy
from typing import Any

import pytest
import torch
from bf16_operands import Bf16Operands, assert_rounded_alike
from torch import Tensor, nn
from torch.nn import functional as F

from axdse.gpu.layers.assignment import LayerProducts, Product
from axdse.gpu.layers.attention import ApproxMultiheadAttention, scaled_dot_product_attention
from axdse.gpu.multiplication.handles import Call
from axdse.gpu.testing.gemm import table
from axdse.multipliers.errors import AxdseError

EXACT = LayerProducts.uniform(table("exact", "float(8,7,round=nearest,product=wide)"))
COARSE, FINE = "float(8,3,round=nearest,product=wide)", "float(8,7,round=nearest,product=wide)"
ROLES = LayerProducts(
    Product(table("scramble", COARSE)),
    Product(table("scramble", FINE)),
    Product(table("scramble", COARSE), swap=True),
)
EMBEDDING, HEADS = 32, 2
BATCH, QUERIES, KEYS = 3, 5, 7
NEEDS = [
    pytest.param({"need_weights": False}, id="no weights"),
    pytest.param({}, id="mean weights"),
    pytest.param({"average_attn_weights": False}, id="weights of each head"),
]


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed + sum(shape)))


def drops(*shape: int) -> Tensor:
    """A boolean mask that leaves at least the first key."""
    mask = normal(*shape) > 0.5
    mask[..., 0] = False
    return mask


def nothing_left(mask: Tensor, hides: bool | float) -> Tensor:
    """The mask, with no key for one of the queries."""
    return mask.index_fill(0, torch.tensor(2), hides)


CAUSAL = torch.ones(KEYS, KEYS, dtype=torch.bool).triu(1)
MASKS: dict[str, dict[str, Any]] = {
    "none": {},
    "padding": {"key_padding_mask": drops(BATCH, KEYS)},
    "padding added": {"key_padding_mask": normal(BATCH, KEYS)},
    "mask": {"attn_mask": drops(QUERIES, KEYS)},
    "mask added": {"attn_mask": normal(QUERIES, KEYS)},
    "mask a head": {"attn_mask": drops(BATCH * HEADS, QUERIES, KEYS)},
    "mask a head added": {"attn_mask": normal(BATCH * HEADS, QUERIES, KEYS)},
    "both": {
        "attn_mask": drops(QUERIES, KEYS),
        "key_padding_mask": drops(BATCH, KEYS),
    },
    "both, mask a head": {
        "attn_mask": drops(BATCH * HEADS, QUERIES, KEYS),
        "key_padding_mask": drops(BATCH, KEYS),
    },
    "no key left": {"attn_mask": nothing_left(drops(QUERIES, KEYS), True)},
}
SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "no bias": {"bias": False},
    "other keys and values": {"kdim": 24, "vdim": 40},
    "other keys without bias": {"kdim": 24, "bias": False},
    "learned position": {"add_bias_kv": True},
    "zero position": {"add_zero_attn": True},
    "both positions": {"add_bias_kv": True, "add_zero_attn": True},
    "dropout": {"dropout": 0.25},
}


def pair(settings: dict[str, Any]) -> tuple[nn.MultiheadAttention, ApproxMultiheadAttention]:
    """Both with the same weights, biases too, by a state_dict each way."""
    native = nn.MultiheadAttention(EMBEDDING, HEADS, **settings)
    layer = ApproxMultiheadAttention(EMBEDDING, HEADS, **settings)
    layer.products = EXACT
    state = {
        name: normal(*value.shape) / EMBEDDING**0.5 for name, value in native.state_dict().items()
    }
    assert list(layer.state_dict()) == list(state)
    layer.load_state_dict(state)
    native.load_state_dict(layer.state_dict())
    return native, layer


def attend(
    layer: nn.MultiheadAttention, inputs: tuple[Tensor, Tensor, Tensor], call: dict[str, Any]
) -> list[Tensor]:
    """Output, weights if asked for, and all gradients."""
    torch.manual_seed(0)
    layer = copy.deepcopy(layer)
    leaves = [x.clone().requires_grad_() for x in inputs]
    output, weights = layer(*leaves, **call)
    assert (weights is None) == (not call.get("need_weights", True))
    results = [output] if weights is None else [output, weights]
    sum((x * normal(*x.shape)).sum() for x in results).backward()
    parameters = [p.grad for p in layer.parameters()]
    return [x.detach() for x in (*results, *(x.grad for x in leaves), *parameters)]


def assert_attends_alike(
    settings: dict[str, Any], inputs: tuple[Tensor, Tensor, Tensor], call: dict[str, Any]
) -> None:
    native, layer = pair(settings)
    with Bf16Operands() as oracle:
        rounded = attend(native, inputs, call)
    assert oracle.products >= 18  # six in each direction
    actual = attend(layer, inputs, call)
    assert_rounded_alike(actual, rounded, attend(native, inputs, call))


def inputs_for(settings: dict[str, Any]) -> tuple[Tensor, Tensor, Tensor]:
    key, value = settings.get("kdim", EMBEDDING), settings.get("vdim", EMBEDDING)
    sizes = (QUERIES, EMBEDDING), (KEYS, key), (KEYS, value)
    q, k, v = (normal(n, BATCH, e, seed=i) for i, (n, e) in enumerate(sizes))
    return q, k, v


@pytest.mark.parametrize("needs", NEEDS)
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_every_setting(settings: dict[str, Any], needs: dict[str, Any]) -> None:
    assert_attends_alike(settings, inputs_for(settings), MASKS["both"] | needs)


@pytest.mark.parametrize("needs", NEEDS)
@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_every_mask(mask: dict[str, Any], needs: dict[str, Any]) -> None:
    assert_attends_alike({}, inputs_for({}), mask | needs)


@pytest.mark.parametrize("needs", NEEDS)
def test_batch_first(needs: dict[str, Any]) -> None:
    q, k, v = (x.transpose(0, 1) for x in inputs_for({}))
    assert_attends_alike({"batch_first": True}, (q, k, v), MASKS["both"] | needs)


@pytest.mark.parametrize("needs", NEEDS)
@pytest.mark.parametrize("settings", [{}, {"batch_first": True}, {"add_bias_kv": True}])
def test_one_sequence_without_a_batch(settings: dict[str, Any], needs: dict[str, Any]) -> None:
    q, k, v = (x[:, 0] for x in inputs_for({}))
    masks = {
        "attn_mask": drops(HEADS, QUERIES, KEYS),
        "key_padding_mask": drops(BATCH, KEYS)[0],
    }
    assert_attends_alike(settings, (q, k, v), masks | needs)


@pytest.mark.parametrize("needs", NEEDS)
def test_causal(needs: dict[str, Any]) -> None:
    x = normal(KEYS, BATCH, EMBEDDING)
    assert_attends_alike({}, (x, x, x), {"attn_mask": CAUSAL, "is_causal": True} | needs)


def test_evaluation_drops_nothing() -> None:
    _, layer = pair({"dropout": 0.5})
    q, k, v = inputs_for({})
    layer.eval()
    assert torch.equal(layer(q, k, v)[0], layer(q, k, v)[0])
    layer.train()
    assert not torch.equal(layer(q, k, v)[0], layer(q, k, v)[0])


def test_causal_without_a_mask_is_refused() -> None:
    _, layer = pair({})
    with pytest.raises(AxdseError, match="hint about attn_mask: no attn_mask"):
        layer(*inputs_for({}), is_causal=True)


@pytest.mark.parametrize(
    ("shapes", "masks", "message"),
    [
        (((5, 3, 32), (7, 3, 32), (6, 3, 32)), {}, "key and value of one length"),
        (((5, 3, 32), (7, 32), (7, 32)), {}, "sequences alike"),
        (((5, 3, 32), (7, 1, 32), (7, 1, 32)), {}, "keys come in a batch of 3: 1"),
        (((5, 3, 31), (7, 3, 32), (7, 3, 32)), {}, "32"),
        (((5, 3, 32),) * 3, {"attn_mask": torch.zeros(1, 5)}, r"attn_mask is \(5, 5\) or"),
        (((5, 3, 32),) * 3, {"attn_mask": torch.zeros(3, 5, 5)}, r"or \(6, 5, 5\)"),
        (((5, 3, 32),) * 3, {"key_padding_mask": torch.zeros(5, 3)}, r"is \(3, 5\): \(5, 3\)"),
        (((5, 32),) * 3, {"key_padding_mask": torch.zeros(4)}, r"is \(1, 5\): \(1, 4\)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(
    shapes: tuple[tuple[int, ...], ...], masks: dict[str, Tensor], message: str
) -> None:
    _, layer = pair({})
    with pytest.raises(AxdseError, match=message):
        layer(*(torch.zeros(shape) for shape in shapes), **masks)


FUNCTIONAL = {
    "plain": {},
    "causal": {"is_causal": True},
    "kept": {"attn_mask": ~drops(QUERIES, KEYS)},
    "added": {"attn_mask": normal(BATCH, 1, QUERIES, KEYS)},
    "scaled": {"scale": 1 / 16},
    "dropped": {"dropout_p": 0.25},
    "no key left": {"attn_mask": nothing_left(~drops(QUERIES, KEYS), False)},
    "no key left, added": {"attn_mask": nothing_left(normal(QUERIES, KEYS), -torch.inf)},
}


@pytest.mark.parametrize("call", FUNCTIONAL.values(), ids=FUNCTIONAL)
def test_scaled_dot_product_attention(call: dict[str, Any]) -> None:
    shapes = (QUERIES, 16), (KEYS, 16), (KEYS, 24)
    inputs = [normal(BATCH, HEADS, *shape, seed=i) for i, shape in enumerate(shapes)]

    def run(is_native: bool) -> list[Tensor]:
        torch.manual_seed(0)
        q, k, v = leaves = [x.clone().requires_grad_() for x in inputs]
        result = (
            F.scaled_dot_product_attention(q, k, v, **call)
            if is_native
            else scaled_dot_product_attention(q, k, v, EXACT, **call)
        )
        result.backward(normal(*result.shape))
        return [result.detach(), *(x.grad for x in leaves if x.grad is not None)]

    with Bf16Operands() as oracle:
        rounded = run(True)
    assert oracle.products == 6
    assert_rounded_alike(run(False), rounded, run(True))


def test_causal_and_masked_is_refused() -> None:
    x = normal(KEYS, 16)
    with pytest.raises(AxdseError, match="causal or takes a mask: both"):
        scaled_dot_product_attention(x, x, x, EXACT, CAUSAL, is_causal=True)


def product(a: Tensor, b: Tensor, call: Call, swap: bool = False) -> Tensor:
    result: Tensor = torch.ops.axdse.gemm(a, b, call.handle, call.swap != swap)
    return result


def test_each_product_of_attention_takes_its_role() -> None:
    """Query and attention weights are activations; key and value take the place of weights."""
    q, k, v = (normal(2, n, 16, seed=i) for i, n in enumerate((QUERIES, KEYS, KEYS)))
    g = normal(2, QUERIES, 16, seed=3)
    leaves = [x.clone().requires_grad_() for x in (q, k, v)]
    result = scaled_dot_product_attention(*leaves, ROLES)
    gradients = torch.autograd.grad(result, leaves, g)

    forward, by_input, by_weight = (
        ROLES.forward.call,
        ROLES.input_gradient.call,
        ROLES.weight_gradient.call,
    )
    weights = (product(q, k.mT, forward) / 4).softmax(-1)
    v_grad = product(g.mT, weights, by_weight).mT  # T(output gradient, activation)
    weights_grad = product(g, v.mT, by_input)  # T(output gradient, weight)
    scores_grad = torch._softmax_backward_data(weights_grad, weights, -1, torch.float32) / 4
    q_grad = product(scores_grad, k, by_input)
    k_grad = product(scores_grad.mT, q, by_weight)
    torch.testing.assert_close(result, product(weights, v, forward))
    for actual, expected in zip(gradients, (q_grad, k_grad, v_grad), strict=True):
        torch.testing.assert_close(actual, expected)


def test_each_projection_takes_its_role() -> None:
    _, layer = pair({})
    layer.products = ROLES
    weight, bias = layer.in_proj_weight.detach(), layer.in_proj_bias.detach()
    inputs = inputs_for({})
    q, k, v = (
        product(x.flatten(0, 1)[None], w.t()[None], ROLES.forward.call)[0] + b
        for x, w, b in zip(inputs, weight.chunk(3), bias.chunk(3), strict=True)
    )
    q, k, v = (x.reshape(-1, BATCH, HEADS, 16).permute(1, 2, 0, 3) for x in (q, k, v))
    heads = scaled_dot_product_attention(q, k, v, ROLES).permute(2, 0, 1, 3).reshape(1, -1, 32)
    expected = product(heads, layer.out_proj.weight.detach().t()[None], ROLES.forward.call)[0]
    expected = expected.reshape(QUERIES, BATCH, EMBEDDING) + layer.out_proj.bias.detach()
    torch.testing.assert_close(layer(*inputs)[0].detach(), expected)
