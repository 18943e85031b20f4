"""Fixed scales: no example depends on its batch, and what is beyond a scale saturates."""

import pickle

import pytest
import torch
from torch import nn

from axdse.gpu.layers.calibrate import calibrate
from axdse.gpu.layers.convert import convert
from axdse.gpu.operands.encode import encode
from axdse.multipliers.formats import Span, parse_format

INT8 = "drum(n=8,k=4) in int8"
FP8 = "exact(n=4) in float(3,3)"


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(4 * 36, 32),
        nn.ReLU(),
        nn.Linear(32, 10),
    ).eval()


def images() -> torch.Tensor:
    draw = torch.Generator().manual_seed(1)
    sizes = 1 + 3 * torch.rand(64, 1, 1, 1, generator=draw)
    return torch.randn(64, 1, 8, 8, generator=draw) * sizes


@torch.no_grad()
def apart(model: nn.Module) -> float:
    x = images()
    alone = torch.cat([model(x[i : i + 1]) for i in range(len(x))])
    return float((model(x) - alone).abs().max())


@pytest.mark.parametrize("design", [INT8, FP8])
def test_no_example_depends_on_its_batch(design: str) -> None:
    model = convert(network(), design).model
    assert apart(model) > 0.01
    with torch.no_grad():
        assert calibrate(model, lambda: model(images())) == ()
    assert apart(model) < 1e-5  # FP32 sums of another order
    again = pickle.loads(pickle.dumps(model))
    assert again[0].products.forward.span.largest == pytest.approx(float(images().abs().max()))


def test_scales_of_the_whole_sample_change_nothing_on_it() -> None:
    model = convert(network(), INT8).model
    with torch.no_grad():
        before = model(images())
        calibrate(model, lambda: model(images()))
        assert torch.equal(before, model(images()))


@pytest.mark.parametrize("name", ["int8", "float(4,3)"])
def test_what_is_beyond_a_scale_saturates(name: str) -> None:
    x = torch.tensor([0.5, -1.0, 2.0, -300.0])
    encoded = encode(x, parse_format(name), span=Span(-1.0, 1.0))
    assert encoded.scale is not None
    values = encoded.codes.float() * encoded.scale
    assert values.tolist() == pytest.approx([0.5, -1.0, 1.0, -1.0], rel=0.01)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_what_is_not_finite_is_not_hidden(bad: float) -> None:
    encoded = encode(torch.tensor([1.0, bad]), parse_format("int8"), span=Span(-1.0, 1.0))
    assert encoded.scale is not None
    assert encoded.scale.isnan()


def test_layers_that_cannot_be_calibrated_are_named() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru = nn.GRU(4, 4)
            self.fc = nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y: torch.Tensor = self.fc(self.gru(x)[0])
            return y

    model = convert(Model(), INT8).model
    assert calibrate(model, lambda: model(torch.ones(2, 3, 4))) == ("gru",)


@pytest.mark.parametrize("design", ["exact(n=8) in bf16", "exact(n=8) in mxint8"])
def test_formats_without_scales_of_tensors_need_none(design: str) -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru = nn.GRU(32, 32)
            self.fc = nn.Linear(32, 32)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y: torch.Tensor = self.fc(self.gru(x)[0])
            return y

    model = convert(Model(), design).model
    before = [module.products for module in model.modules() if hasattr(module, "products")]
    assert len(before) == 2
    assert calibrate(model, lambda: model(torch.ones(2, 3, 32))) == ()
    assert before == [module.products for module in model.modules() if hasattr(module, "products")]
