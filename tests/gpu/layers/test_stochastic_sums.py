"""Do layers whose sums are rounded by chance draw seeds from torch, and keep the mean?"""

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import axdse
from axdse.gpu.cpu.kernels import CAREFUL_SUMS, use_kernel

MAC = "exact(n=8) in bf16(product=wide) sum float(6,4,round=stochastic,random=13)"


def network(mac: str = MAC) -> nn.Module:
    """A linear layer, a convolution and one that goes back."""
    torch.manual_seed(0)
    layers = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(4, 2, 2, stride=2),
        nn.Flatten(),
        nn.Linear(2 * 12 * 12, 5),
    )
    return axdse.convert(layers, mac).model


def outputs_and_gradients(model: nn.Module, x: Tensor, seed: int, *, again: bool) -> list[Tensor]:
    """Of one step; `again`: recomputed for the backward pass."""
    torch.manual_seed(seed)
    model.zero_grad()
    y = checkpoint(model, x, use_reentrant=False) if again else model(x)
    y.square().sum().backward()
    return [y.detach(), *(p.grad.clone() for p in model.parameters() if p.grad is not None)]


@pytest.fixture(scope="module")
def image() -> Tensor:
    return torch.randn(3, 2, 6, 6, generator=torch.Generator().manual_seed(1))


def test_seed_of_torch_decides_outputs_and_gradients(image: Tensor) -> None:
    model = network()
    first, same, other = (
        outputs_and_gradients(model, image, seed, again=False) for seed in (3, 3, 4)
    )
    with use_kernel(CAREFUL_SUMS):
        careful = outputs_and_gradients(model, image, 3, again=False)
    assert len(first) == 7
    for a, b, c, d in zip(first, same, other, careful, strict=True):
        assert torch.equal(a, b)
        assert torch.equal(a, d)
        assert not torch.equal(a, c)


def test_what_is_computed_again_for_the_backward_pass_is_rounded_alike(image: Tensor) -> None:
    model = network()
    plain, again = (outputs_and_gradients(model, image, 3, again=x) for x in (False, True))
    for a, b in zip(plain, again, strict=True):
        assert torch.equal(a, b)


def test_convolutions_in_blocks_draw_for_each_step() -> None:
    mac = "exact(n=4) in mxfp8_e4m3 sum float(6,4,round=stochastic)"
    layer = axdse.convert(nn.Sequential(nn.Conv2d(32, 32, 3, padding=1)), mac).model
    x = torch.randn(2, 32, 8, 8, generator=torch.Generator().manual_seed(2)).requires_grad_()
    first, same, other = (outputs_and_gradients(layer, x, seed, again=False) for seed in (3, 3, 4))
    for a, b, c in zip(first[:2], same[:2], other[:2], strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)


def test_a_graph_of_torch_draws_too(image: Tensor) -> None:
    model = network()
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    draws = [compiled(image) for _ in range(2)]
    assert not torch.equal(*draws)


def test_mean_of_sums_is_that_of_their_terms() -> None:
    """In float(8,2) 1 + 1/16 is 1 to nearest; by chance it is 5/4 a quarter of the time."""
    rows, depth = 4000, 33
    x = torch.cat([torch.ones(rows, 1), torch.full((rows, depth - 1), 0.0625)], 1)
    layer = nn.Linear(depth, 1, bias=False)
    nn.init.ones_(layer.weight)

    def mean(total: str) -> float:
        torch.manual_seed(0)
        mac = f"exact(n=8) in bf16(product=wide) sum {total}"
        with torch.no_grad():
            return float(axdse.convert(nn.Sequential(layer), mac).model(x).mean())

    assert mean("float(8,2)") == 1.0
    assert mean("float(8,2,round=stochastic)") == pytest.approx(3.0, abs=0.05)
    assert mean("dot(terms=4,align=20,acc=float(8,2),round=stochastic)") == pytest.approx(
        3, abs=0.05
    )


def test_other_sums_draw_nothing(image: Tensor) -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    model = network("exact(n=8) in bf16 sum float(6,4)")
    torch.set_rng_state(before)
    model(image)
    assert torch.equal(torch.get_rng_state(), before)
