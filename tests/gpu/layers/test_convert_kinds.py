"""`convert` of a model that has every kind of layer."""

import copy
import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize, prune

from axdse.gpu.layers.assignment import Assignment, LayerProducts, Product
from axdse.gpu.layers.attention import ApproxMultiheadAttention
from axdse.gpu.layers.conv import (
    ApproxConv1d,
    ApproxConv2d,
    ApproxConv3d,
    ApproxConvTranspose1d,
    ApproxConvTranspose2d,
    ApproxConvTranspose3d,
)
from axdse.gpu.layers.convert import Conversion, convert
from axdse.gpu.layers.linear import ApproxLinear
from axdse.gpu.layers.recurrent import (
    ApproxGRU,
    ApproxGRUCell,
    ApproxLSTM,
    ApproxLSTMCell,
    ApproxRNN,
    ApproxRNNCell,
)
from axdse.gpu.testing.gemm import table

pytestmark = pytest.mark.filterwarnings(
    "ignore:LSTM with projections is not supported",
    "ignore:The PyTorch API of nested tensors is in prototype stage",
)
COARSE = table("scramble", "float(8,2,round=nearest,product=narrow)")
FINE = table("exact", "float(8,7,round=nearest,product=wide)")
UNIFORM = Assignment.uniform(COARSE)
SIZE = 8
KINDS: dict[str, tuple[Callable[[], nn.Module], type[nn.Module], tuple[int, ...], int]] = {
    # what makes it, what it becomes, the shape of an input, how many inputs it takes
    "linear": (lambda: nn.Linear(SIZE, 6), ApproxLinear, (3, SIZE), 1),
    "conv1d": (lambda: nn.Conv1d(SIZE, 6, 3), ApproxConv1d, (2, SIZE, 9), 1),
    "conv2d": (lambda: nn.Conv2d(SIZE, 6, 3), ApproxConv2d, (2, SIZE, 5, 6), 1),
    "conv3d": (lambda: nn.Conv3d(SIZE, 6, 3), ApproxConv3d, (2, SIZE, 4, 5, 6), 1),
    "up1d": (lambda: nn.ConvTranspose1d(SIZE, 6, 3), ApproxConvTranspose1d, (2, SIZE, 5), 1),
    "up2d": (lambda: nn.ConvTranspose2d(SIZE, 6, 3), ApproxConvTranspose2d, (2, SIZE, 4, 5), 1),
    "up3d": (
        lambda: nn.ConvTranspose3d(SIZE, 6, 3, 2),
        ApproxConvTranspose3d,
        (2, SIZE, 3, 4, 5),
        1,
    ),
    "attention": (
        lambda: nn.MultiheadAttention(SIZE, 2, add_bias_kv=True),
        ApproxMultiheadAttention,
        (5, 3, SIZE),
        3,
    ),
    "lstm": (
        lambda: nn.LSTM(SIZE, 6, 2, bidirectional=True, proj_size=4),
        ApproxLSTM,
        (5, 3, SIZE),
        1,
    ),
    "lstm_cell": (lambda: nn.LSTMCell(SIZE, 6), ApproxLSTMCell, (3, SIZE), 1),
    "gru": (lambda: nn.GRU(SIZE, 6, 2), ApproxGRU, (5, 3, SIZE), 1),
    "gru_cell": (lambda: nn.GRUCell(SIZE, 6), ApproxGRUCell, (3, SIZE), 1),
    "rnn": (lambda: nn.RNN(SIZE, 6, 2), ApproxRNN, (5, 3, SIZE), 1),
    "rnn_cell": (lambda: nn.RNNCell(SIZE, 6), ApproxRNNCell, (3, SIZE), 1),
}


def every_kind() -> nn.ModuleDict:
    torch.manual_seed(0)
    layers = {name: kind[0]() for name, kind in KINDS.items()}
    return nn.ModuleDict({**layers, "again": layers["linear"], "norm": nn.BatchNorm2d(SIZE)})


def run(layer: nn.Module, name: str) -> Tensor:
    _, _, shape, inputs = KINDS[name]
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    output = layer(*(x,) * inputs)
    return output if isinstance(output, Tensor) else output[0]


@pytest.fixture(scope="module")
def conversion() -> Conversion:
    return convert(every_kind(), UNIFORM)


def test_lists_each_layer_once(conversion: Conversion) -> None:
    assert conversion.approximate == tuple(KINDS)
    assert conversion.exact == (("norm", "BatchNorm2d has no approximate form"),)


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_becomes_its_own(name: str, conversion: Conversion) -> None:
    layer = conversion.model[name]
    assert type(layer) is KINDS[name][1]
    assert layer.products == LayerProducts.uniform(COARSE)


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_multiplies_by_its_table(name: str, conversion: Conversion) -> None:
    native = every_kind()[name]
    near = convert(native, Assignment.uniform(FINE)).model
    exact, fine, coarse = run(native, name), run(near, name), run(conversion.model[name], name)
    assert (fine - exact).norm() < 0.02 * exact.norm()
    assert (coarse - exact).norm() > 0.1 * exact.norm()


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_learns_where_torch_does(name: str, conversion: Conversion) -> None:
    """Cells that begin at zero have no gradient of their recurrent weights."""
    layer, native = copy.deepcopy(conversion.model[name]), every_kind()[name]
    for module in (layer, native):
        run(module, name).square().sum().backward()
    for ours, theirs in zip(layer.parameters(), native.parameters(), strict=True):
        assert bool(ours.grad.any()) == bool(theirs.grad.any())


def test_checkpoints_travel_both_ways(conversion: Conversion) -> None:
    native, model = every_kind(), copy.deepcopy(conversion.model)
    assert list(model.state_dict()) == list(native.state_dict())
    with torch.no_grad():
        for parameter in native.parameters():
            parameter.mul_(2)
    model.load_state_dict(native.state_dict())
    for ours, theirs in zip(model.parameters(), native.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    native.load_state_dict(conversion.model.state_dict())
    for ours, theirs in zip(native.parameters(), conversion.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("name", KINDS)
def test_hooks_stay(name: str) -> None:
    model, calls = every_kind(), []
    model[name].register_forward_pre_hook(lambda *_: calls.append("before"))
    model[name].register_forward_hook(lambda *_: calls.append("after"))
    converted = convert(model, UNIFORM).model
    run(converted[name], name)
    assert calls == ["before", "after"]


@pytest.mark.parametrize("training", [True, False])
def test_mode_and_sharing_stay(training: bool) -> None:
    model = every_kind().train(training)
    model["gru"].weight_hh_l0.requires_grad_(False)
    model["conv2d"].eval()
    converted = convert(model, UNIFORM).model
    assert converted["again"] is converted["linear"]
    for ours, theirs in zip(converted.modules(), model.modules(), strict=True):
        assert ours.training == theirs.training
    for ours, theirs in zip(converted.parameters(), model.parameters(), strict=True):
        assert ours.requires_grad == theirs.requires_grad


def test_tied_weights_stay_tied() -> None:
    model = nn.ModuleDict({"in": nn.Embedding(9, 4), "out": nn.Linear(4, 9, bias=False)})
    model["out"].weight = model["in"].weight
    converted = convert(model, UNIFORM).model
    assert converted["out"].weight is converted["in"].weight
    assert isinstance(converted["out"], ApproxLinear)


@pytest.mark.parametrize("name", [name for name in KINDS if name != "attention"])
def test_the_gradients_of_weights_may_be_approximate_alone(name: str) -> None:
    """Attention has them within, of the activations in the place of weights."""
    native = every_kind()[name]
    assignment = Assignment(LayerProducts(weight_gradient=Product(COARSE)))
    layer = convert(native, assignment).model
    torch.testing.assert_close(run(layer, name), run(native, name))
    for module in (layer, native):
        run(module, name).square().sum().backward()
    for (part, ours), theirs in zip(layer.named_parameters(), native.parameters(), strict=True):
        if theirs.grad.any():
            is_near = (ours.grad - theirs.grad).norm() < 1e-4 * theirs.grad.norm()
            assert bool(is_near) == part.startswith("bias")


def test_back_to_native_is_the_model_it_was(conversion: Conversion) -> None:
    native = convert(conversion.model, Assignment.uniform(None))
    assert native.approximate == ()
    assert dict(native.exact)["lstm"] == "native FP32 by assignment"
    for ours, theirs in zip(native.model.modules(), every_kind().modules(), strict=True):
        assert type(ours) is type(theirs)
        assert not hasattr(ours, "products")


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (nn.BatchNorm1d(3), "BatchNorm1d"),
        (nn.LayerNorm(3), "LayerNorm"),
        (nn.Embedding(3, 2), "Embedding"),
        (nn.EmbeddingBag(3, 2), "EmbeddingBag"),
        (nn.Bilinear(3, 2, 4), "Bilinear"),
        (nn.PReLU(), "PReLU"),
    ],
)
def test_kinds_without_an_approximate_form_are_listed(module: nn.Module, name: str) -> None:
    conversion = convert(nn.Sequential(nn.Linear(3, 3), module), UNIFORM)
    assert conversion.approximate == ("0",)
    assert conversion.exact == (("1", f"{name} has no approximate form"),)
    assert type(conversion.model[1]) is type(module)


@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("training", [True, False])
def test_a_transformer_encoder_is_approximate(training: bool, activation: str) -> None:
    """In evaluation, torch's layer takes weights from its children and does not call them."""
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(SIZE, 2, 16, 0.0, activation, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 2).train(training)
    conversion = convert(encoder, Assignment.uniform(FINE))
    inner = ("self_attn", "linear1", "linear2")
    assert conversion.approximate == tuple(f"layers.{i}.{name}" for i in (0, 1) for name in inner)
    x, padding = torch.randn(3, 5, SIZE), torch.zeros(3, 5, dtype=torch.bool)
    padding[1, 3:] = True
    with torch.no_grad():
        expected = encoder(x, src_key_padding_mask=padding)
        actual = conversion.model(x, src_key_padding_mask=padding)
    seen = ~padding
    assert not torch.equal(actual[seen], expected[seen])
    assert (actual - expected)[seen].norm() < 0.02 * expected[seen].norm()


@pytest.mark.parametrize("training", [True, False])
def test_a_transformer_decoder_is_approximate(training: bool) -> None:
    torch.manual_seed(0)
    decoder = nn.TransformerDecoderLayer(SIZE, 2, 16, dropout=0.0).train(training)
    conversion = convert(decoder, Assignment.uniform(FINE))
    assert conversion.approximate == ("self_attn", "multihead_attn", "linear1", "linear2")
    x, memory = torch.randn(5, 3, SIZE), torch.randn(7, 3, SIZE)
    mask = nn.Transformer.generate_square_subsequent_mask(5)
    arguments = {"tgt_mask": mask, "tgt_is_causal": True}
    with torch.no_grad():
        actual = conversion.model(x, memory, **arguments)
        expected = decoder(x, memory, **arguments)
    assert not torch.equal(actual, expected)
    assert (actual - expected).norm() < 0.02 * expected.norm()


def pruned(layer: nn.Module, name: str) -> None:
    prune.l1_unstructured(layer, name, amount=0.5)


def old_weight_norm(layer: nn.Module, name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        torch.nn.utils.weight_norm(layer, name)


COMPUTED: dict[str, Callable[[nn.Module, str], object]] = {
    "weight_norm": parametrizations.weight_norm,
    "orthogonal": parametrizations.orthogonal,
    "old weight_norm": old_weight_norm,
    "pruned": pruned,
}


@pytest.mark.parametrize("how", COMPUTED)
@pytest.mark.parametrize("name", ["linear", "conv2d", "conv3d", "up2d", "gru_cell", "attention"])
def test_weights_that_are_computed_stay_so(name: str, how: str) -> None:
    torch.manual_seed(0)
    native, weight = KINDS[name][0](), "weight"
    if name == "gru_cell":
        weight = "weight_hh"
    if name == "attention":
        weight = "in_proj_weight"
    COMPUTED[how](native, weight)
    run(native, name)
    conversion = convert(nn.ModuleDict({"it": native}), Assignment.uniform(FINE))
    assert (conversion.approximate, conversion.exact) == (("it",), ())
    layer = conversion.model["it"]
    assert isinstance(layer, KINDS[name][1])
    assert list(layer.state_dict()) == list(native.state_dict())
    exact, near = run(native, name), run(layer, name)
    assert (near - exact).norm() < 0.02 * exact.norm()
    near.square().sum().backward()
    exact.square().sum().backward()
    with torch.no_grad():  # the weights are computed anew after each step
        for ours, theirs in zip(layer.parameters(), native.parameters(), strict=True):
            assert bool(ours.grad.any()) == bool(theirs.grad.any())
            ours.mul_(1.5)
            theirs.mul_(1.5)
    assert (run(layer, name) - run(native, name)).norm() < 0.02 * run(native, name).norm()
    back = convert(layer, Assignment.uniform(None)).model
    assert not isinstance(back, KINDS[name][1])
    torch.testing.assert_close(run(back, name), run(native, name))


def test_parametrisations_of_a_converted_layer_can_be_removed() -> None:
    layer = parametrizations.weight_norm(nn.Linear(SIZE, 6))
    converted = convert(layer, UNIFORM).model
    parametrize.remove_parametrizations(converted, "weight")
    assert type(converted) is ApproxLinear
    assert converted.products == LayerProducts.uniform(COARSE)


def test_lazy_layers_are_listed_until_they_have_weights() -> None:
    model = nn.Sequential(nn.LazyLinear(3))
    assert dict(convert(model, UNIFORM).exact)["0"].startswith("LazyLinear has no weights yet")
    model(torch.zeros(2, 5))
    assert convert(model, UNIFORM).approximate == ("0",)
