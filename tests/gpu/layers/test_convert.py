import copy

import pytest
import torch
import torch.ao.nn.quantized
from torch import Tensor, nn

from axdse.gpu.layers.assignment import Assignment, LayerProducts, Product
from axdse.gpu.layers.conv import ApproxConv2d
from axdse.gpu.layers.convert import convert
from axdse.gpu.layers.linear import ApproxLinear
from axdse.gpu.testing.gemm import table
from axdse.multipliers.designs.design_point import PointText
from axdse.multipliers.errors import AxdseError

LUT = table("exact", "float(8,4,round=nearest,product=narrow)")
UNIFORM = Assignment.uniform(LUT)


class Doubled(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        return 2 * super().forward(input)


def network() -> nn.Sequential:
    body = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
    return nn.Sequential(body, nn.Linear(144, 10), Doubled(10, 3), nn.Linear(3, 2).double())


def test_lists_every_module_with_parameters() -> None:
    conversion = convert(network(), UNIFORM)
    assert conversion.approximate == ("0.0", "1")
    assert conversion.exact == (
        ("0.1", "BatchNorm2d has no approximate form"),
        (
            "2",
            "Doubled may compute something else than the layer it derives from; if it does not, "
            "name it in subclasses",
        ),
        ("3", "its weights are torch.float64, not FP32"),
    )


@pytest.mark.parametrize(
    ("point", "shown"),
    [
        ("exact(n=4) in float(8,3)", "exact(n=4) in float(8,3)"),
        ("exact(n=4) in float(8,3) sum float(8,3)", "exact(n=4) in float(8,3) sum float(8,3)"),
        (
            {"1": {"forward": "drum(n=4,k=3) in float(8,3)"}, "*": "exact(n=4) in float(8,3)"},
            "forward=drum(n=4,k=3) in float(8,3); input_gradient=exact(n=4) in float(8,3); "
            "weight_gradient=exact(n=4) in float(8,3)",
        ),
    ],
)
def test_a_printed_layer_says_what_multiplies(point: PointText, shown: str) -> None:
    layer = convert(network(), point).model[1]
    assert repr(layer) == f"ApproxLinear(in_features=144, out_features=10, bias=True, {shown})"


def test_the_model_itself_is_left_alone() -> None:
    model = network()
    before = copy.deepcopy(model.state_dict())
    converted = convert(model, UNIFORM).model
    with torch.no_grad():
        for parameter in converted.parameters():
            parameter.add_(1)
    assert type(model[0][0]) is nn.Conv2d
    assert type(model[1]) is nn.Linear
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_weights_travel_both_ways() -> None:
    model = network()
    converted = convert(model, UNIFORM).model
    assert list(converted.state_dict()) == list(model.state_dict())
    assert converted.load_state_dict(model.state_dict()).missing_keys == []
    assert network().load_state_dict(converted.state_dict()).unexpected_keys == []


def test_keeps_mode_hooks_requires_grad_and_sharing() -> None:
    calls: list[str] = []
    shared = nn.Linear(4, 4)
    shared.weight.requires_grad_(False)
    shared.register_forward_hook(lambda *_: calls.append("hook"))
    model = nn.ModuleDict({"a": shared, "b": shared}).eval()
    converted = convert(model, UNIFORM).model
    assert isinstance(converted["a"], ApproxLinear)
    assert converted["a"] is converted["b"]
    assert not converted["a"].training
    assert not converted["a"].weight.requires_grad
    converted["a"](torch.ones(1, 4))
    assert calls == ["hook"]


def test_each_layer_gets_its_products() -> None:
    forward_only = LayerProducts(forward=Product(LUT))
    assignment = Assignment(LayerProducts.uniform(LUT), (("0.*", forward_only),))
    model = convert(network(), assignment).model
    assert isinstance(model[0][0], ApproxConv2d)
    assert model[0][0].products == forward_only
    assert model[1].products == LayerProducts.uniform(LUT)


def test_native_layers_stay_what_they_are() -> None:
    assignment = Assignment(LayerProducts.uniform(LUT), (("1", LayerProducts()),))
    conversion = convert(convert(network(), UNIFORM).model, assignment)
    assert type(conversion.model[1]) is nn.Linear
    assert conversion.approximate == ("0.0",)
    assert ("1", "native FP32 by assignment") in conversion.exact


def test_a_layer_can_be_the_whole_model() -> None:
    conversion = convert(nn.Linear(3, 2), UNIFORM)
    assert isinstance(conversion.model, ApproxLinear)
    assert conversion.approximate == ("",)


@pytest.mark.parametrize(
    ("pattern", "remedy"),
    [("0.O", "did you mean '0.0'"), ("classifier", "choose from 0.0, 1"), ("0.1", "did you mean")],
)
def test_a_pattern_without_a_layer_is_refused(pattern: str, remedy: str) -> None:
    assignment = Assignment(LayerProducts.uniform(LUT), ((pattern, LayerProducts()),))
    with pytest.raises(AxdseError, match=f"must match a layer: '{pattern}'; {remedy}"):
        convert(network(), assignment)


def test_a_converted_network_learns() -> None:
    torch.manual_seed(0)
    x = torch.randn(64, 1, 8, 8)
    labels = (x.mean(dim=(1, 2, 3)) > 0).long()
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
    model = convert(model, UNIFORM).model
    optimiser = torch.optim.SGD(model.parameters(), 0.1)
    losses = []
    for _ in range(60):
        loss = nn.functional.cross_entropy(model(x), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


EXACT = "exact(n=8) in bf16"
COARSE = "drum(n=4,k=3) in float(8,3)"


def test_a_model_is_converted_from_text() -> None:
    model, x = network(), torch.randn(2, 1, 8, 8)
    from_text = convert(model, EXACT)
    from_table = convert(model, Assignment.uniform(table("exact", "bf16")))
    assert from_text.approximate == from_table.approximate == ("0.0", "1")
    assert torch.equal(from_text.model[:2](x), from_table.model[:2](x))


def test_a_mapping_gives_each_product_its_own_mac() -> None:
    point = {"0.*": {"forward": COARSE, "input_gradient": EXACT}, "1": "fp32"}
    conversion = convert(network(), point)
    products = conversion.model.get_submodule("0.0").products
    assert conversion.approximate == ("0.0",)
    assert ("1", "native FP32 by assignment") in conversion.exact
    assert [products.forward.multiplier, products.input_gradient.multiplier] == [
        "drum(n=4,k=3)",
        "exact(n=8)",
    ]
    assert products.weight_gradient == Product()


@pytest.mark.parametrize(
    ("point", "message"),
    [
        ("drum(n=8,k=4)", "a MAC is a core in a format"),
        (f"fc*={EXACT}; *={EXACT}", r"fits a layer: 'fc\*'"),
        ({"1": {"backward": EXACT}}, "a product of a training step"),
    ],
)
def test_what_is_no_design_point_is_one_line(point: object, message: str) -> None:
    with pytest.raises(AxdseError, match=message):
        convert(network(), point)  # type: ignore[arg-type]


class Scaled(Doubled):
    pass


class Standardised(nn.Conv2d):
    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:  # noqa: A002
        return super()._conv_forward(input, weight - weight.mean(), bias)


class Itself(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        return nn.functional.linear(input, self.weight, self.bias)


class Strided(nn.Conv2d):
    """A constructor of its own, and what it does before it convolves."""

    def __init__(self) -> None:
        super().__init__(1, 4, 3)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        return super().forward(input[..., ::2])


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (Doubled(6, 3), (2, 6)),
        (Scaled(6, 3), (2, 6)),
        (Strided(), (2, 1, 6, 12)),
        (Strided(), (1, 6, 12)),
    ],
)
def test_a_subclass_keeps_what_it_does_around_the_product(
    layer: nn.Module, shape: tuple[int, ...]
) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    conversion = convert(layer, EXACT, subclasses=(type(layer),))
    assert conversion.approximate == ("",)
    made = conversion.model
    assert isinstance(made, type(layer))
    assert "exact(n=8) in bf16" in repr(made)
    exact, near = layer(x), made(x)
    assert not torch.equal(near, exact)
    assert (near - exact).norm() < 0.02 * exact.norm()
    again = convert(copy.deepcopy(made), COARSE)
    assert again.approximate == ("",)
    assert not torch.equal(again.model(x), near)
    assert type(convert(again.model, Assignment.uniform(None)).model) is type(layer)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Itself, "Itself.forward does so by itself"),
        (Standardised, "Standardised._conv_forward does so by itself"),
        (nn.BatchNorm2d, "a subclass derives from a layer: BatchNorm2d"),
    ],
)
def test_a_subclass_that_multiplies_by_itself_is_refused(
    kind: type[nn.Module], message: str
) -> None:
    with pytest.raises(AxdseError, match=message):
        convert(nn.Linear(2, 2), UNIFORM, subclasses=(kind,))


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_quantised_modules_are_listed() -> None:
    inner = torch.ao.nn.quantized.Linear(4, 2)
    exact = dict(convert(nn.Sequential(nn.Linear(4, 4), inner), UNIFORM).exact)
    assert exact == {
        "1": "Linear is quantised already: convert the model that it was made of",
    }
