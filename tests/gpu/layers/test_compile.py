"""torch.compile takes a converted network whole, forward and backward.

Graph breaks and recompilations do not depend on the backend, so the quick tests use aot_eager,
which traces as inductor does and then runs the operators one by one, to the same bits as without
it. Inductor needs a C++ compiler and half a minute a network: its tests are slow.
"""

import copy
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from networks import approximate, batch, lenet5, loss_of, resnet20, train
from torch import Tensor, nn

from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import parse_format

TABLE = "float(8,5,round=nearest,product=wide)"
NETWORKS = [
    pytest.param(lenet5, (1, 28), id="lenet-5"),
    pytest.param(lambda: resnet20(4), (3, 16), id="resnet-20", marks=pytest.mark.slow),
]


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    torch.compiler.reset()
    yield
    torch.compiler.reset()


def assert_trains_alike(
    make: Callable[[], nn.Module],
    image: tuple[int, int],
    design: str,
    backend: str,
    tolerance: float,
) -> None:
    """Three steps, of which the first compiles both graphs and the others take what there is."""
    eager = approximate(make(), design, TABLE)
    model = copy.deepcopy(eager)
    batches = [batch(4, *image, seed=seed) for seed in range(3)]
    expected = train(eager, batches, loss_of)
    compiled = torch.compile(loss_of, backend=backend, fullgraph=True)
    losses = train(model, batches[:1], compiled)
    assert losses == pytest.approx(expected[:1], rel=tolerance)

    model.load_state_dict(approximate(make(), design, TABLE).state_dict())
    with torch.compiler.set_stance("fail_on_recompile"):
        losses = train(model, batches, compiled)
    assert losses == pytest.approx(expected, rel=tolerance)


@pytest.mark.parametrize(("make", "image"), NETWORKS)
def test_a_network_compiles_whole_and_once(
    make: Callable[[], nn.Module], image: tuple[int, int]
) -> None:
    assert_trains_alike(make, image, "scramble", "aot_eager", 1e-6)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="inductor needs a C++ compiler")
@pytest.mark.parametrize(("make", "image"), NETWORKS)
def test_inductor_trains_alike(make: Callable[[], nn.Module], image: tuple[int, int]) -> None:
    # It adds in another order, and what is near a tie then rounds to another operand.
    assert_trains_alike(make, image, "truncated", "inductor", 1e-2)


def test_a_compiled_layer_follows_its_assignment() -> None:
    model = nn.Sequential(nn.Linear(16, 10))
    compiled = torch.compile(lambda m, x: m(x), backend="aot_eager", fullgraph=True)
    images = batch(5, 1, 4)[0].flatten(1)
    for design in ("scramble", "exact"):
        approx = approximate(model, design, TABLE)
        assert torch.equal(compiled(approx, images), approx(images))


@pytest.mark.parametrize(
    ("layer", "count"),
    [
        pytest.param(nn.MultiheadAttention(8, 2), 3, id="attention"),
        pytest.param(nn.GRU(8, 4), 1, id="GRU"),
        pytest.param(nn.LSTMCell(8, 4), 1, id="LSTM cell"),
    ],
)
@torch._dynamo.config.patch(allow_rnn=True)
def test_attention_and_recurrent_layers_compile_whole(layer: nn.Module, count: int) -> None:
    """Torch breaks graphs at all that derives from its LSTM or GRU, unless `allow_rnn` is set."""
    approx = approximate(layer, "scramble", TABLE)
    compiled = torch.compile(lambda *x: approx(*x)[0], backend="aot_eager", fullgraph=True)
    x = batch(2, 3, 8)[0][:, :, 0].contiguous()
    x = x[0] if isinstance(layer, nn.LSTMCell) else x
    output = compiled(*[x] * count)
    assert torch.equal(output, approx(*[x] * count)[0])
    output.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in approx.parameters())


class EveryKind(nn.Module):
    """Each kind of product; torch.compile takes no GRU or LSTM, native or not, but their cells."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(2, 4, 3, 2, 1, groups=2)
        self.up = nn.ConvTranspose2d(4, 4, 3, 2, 1, 1)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.cell = nn.GRUCell(4, 3)

    def forward(self, images: Tensor) -> Tensor:
        sequence = self.up(self.down(images)).flatten(2).mT
        attended = self.attention(sequence, sequence, sequence)[0]
        output: Tensor = self.cell(attended[:, 0])
        return output


@pytest.mark.parametrize(
    "name", ["int8(scale=channel)", pytest.param("fp8_e4m3", marks=pytest.mark.slow)]
)
def test_every_format_and_kind_of_layer_compiles_whole(name: str) -> None:
    torch.manual_seed(0)
    model = approximate(EveryKind(), "exact", parse_format(name).name)
    images = torch.randn(3, 2, 6, 6)
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    gradients = []
    for call in (model, compiled):
        model.zero_grad()
        call(images).square().sum().backward()
        gradients.append([p.grad for p in model.parameters()])
    for actual, expected in zip(*gradients, strict=True):
        assert torch.allclose(actual, expected, rtol=1e-4, atol=1e-5)


def test_a_network_is_exported_to_the_same_outputs() -> None:
    """Of inference; in this process, whose multiplication the operators are given."""
    model = approximate(
        nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 3)), "scramble", TABLE
    )
    images = torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    exported = torch.export.export(model.eval(), (images,), strict=False)
    assert torch.equal(exported.module()(images), model(images))


@pytest.mark.filterwarnings("ignore:You are using the legacy", "ignore:Converting a tensor")
def test_a_network_on_its_way_to_onnx_is_refused_in_one_line(tmp_path: Path) -> None:
    model = approximate(nn.Sequential(nn.Linear(8, 3)), "scramble", TABLE)
    with pytest.raises(AxdseError, match="metadata_props") as error:
        torch.onnx.export(model, (torch.ones(2, 8),), tmp_path / "x.onnx", dynamo=False)
    assert "ONNX has no operator for the products of a design" in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "x.onnx").exists()
    assert model(torch.ones(2, 8)).shape == (2, 3)  # as before
