"""Recorded histograms against enumeration of every product."""

import copy
import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from axdse.gpu.layers.assignment import Assignment, LayerProducts, Product
from axdse.gpu.layers.convert import convert
from axdse.gpu.operands.encode import encode
from axdse.gpu.recording import recorder as recording
from axdse.gpu.recording.recorder import Recorder, joint_counts
from axdse.gpu.testing.gemm import FORMATS, codes, operands, table, wild_operands
from axdse.multipliers.designs.design_point import PRODUCTS
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import FloatFormat, Format, parse_format
from axdse.multipliers.operands.recording import OperandHistogram, code_bits

Pairs = tuple[tuple[Tensor, Tensor], ...]  # operands a and b of each product of a layer
LINEAR = nn.Linear(5, 4, bias=False)
CONVOLUTION = nn.Conv2d(4, 6, 3, stride=2, padding=1, dilation=(1, 2), groups=2, bias=False)
TRANSPOSED = nn.ConvTranspose2d(6, 4, 3, 2, 1, (0, 1), 2, False, (1, 2))


def leaf(*shape: int, seed: int = 0) -> Tensor:
    """Normal numbers, a third of them zeros as after a ReLU."""
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(seed + sum(shape)))
    return torch.where(x < -0.5, 0.0, x)


def linear_pairs(x: Tensor, w: Tensor, g: Tensor) -> Pairs:
    grid = [(n, o, i) for n in range(len(x)) for o in range(len(w)) for i in range(w.shape[1])]
    n, o, i = torch.tensor(grid).t()
    return (x[n, i], w[o, i]), (g[n, o], w[o, i]), (g[n, o], x[n, i])


def convolution_pairs(x: Tensor, w: Tensor, g: Tensor) -> Pairs:
    """Zeros around the image are operands; its gradient needs no products there."""
    image, inside = (nn.functional.pad(t, (1, 1, 1, 1)) for t in (x, torch.ones_like(x)))
    grids = [torch.arange(size) for size in (2, 2, 3, 2, 3, 3, *g.shape[2:])]
    axes = (axis.flatten() for axis in torch.meshgrid(*grids, indexing="ij"))
    group, n, o, c, i, j, row, column = axes
    pixel = n, 2 * group + c, 2 * row + i, 2 * column + 2 * j
    pixels, taps, grads = image[pixel], w[3 * group + o, c, i, j], g[n, 3 * group + o, row, column]
    real = inside[pixel] != 0
    return (pixels, taps), (grads[real], taps[real]), (grads, pixels)


def transposed_pairs(x: Tensor, w: Tensor, g: Tensor) -> Pairs:
    """The convolution of the output gradient, with the image in the place of its gradient."""
    (grads, taps), forward, (images, also_grads) = convolution_pairs(g, w, x)
    return forward, (grads, taps), (also_grads, images)


CASES: dict[str, tuple[nn.Module, tuple[int, ...], Callable[..., Pairs]]] = {
    "linear": (LINEAR, (3, 5), linear_pairs),
    "convolution": (CONVOLUTION, (2, 4, 7, 8), convolution_pairs),
    "transposed convolution": (TRANSPOSED, (2, 6, 4, 3), transposed_pairs),
}


def operand_codes(x: Tensor, number_format: Format) -> Tensor:
    return x if isinstance(number_format, FloatFormat) else encode(x, number_format).codes


def enumerated(first: np.ndarray, second: np.ndarray, number_format: Format) -> np.ndarray:
    """[2^w + 2, 2^w + 2] as `joint_counts`, pair by pair from codes."""
    size = 1 << code_bits(number_format)[0]
    joint = np.zeros((size + 2, size + 2), dtype=np.int64)
    np.add.at(joint, (classes(first, number_format), classes(second, number_format)), 1)
    return joint


def classes(unit_codes: np.ndarray, number_format: Format) -> np.ndarray:
    if not isinstance(number_format, FloatFormat):
        return unit_codes
    size = 1 << number_format.fraction_bits
    exponent = unit_codes // size % 256
    return np.select([exponent == 0, exponent == 255], [size, size + 1], unit_codes % size)


def assert_histogram(actual: OperandHistogram, joint: np.ndarray) -> None:
    size = len(joint) - 2
    assert np.array_equal(actual.counts, joint[:size, :size])
    assert actual.non_finite == joint[-1].sum() + joint[:, -1].sum() - joint[-1, -1]
    assert actual.zero + actual.non_finite + actual.total == joint.sum()


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_a_layer_is_recorded_as_its_products_enumerate(case: str, swap: bool, form: str) -> None:
    exact, shape, pairs = CASES[case]
    product = Product(table("exact", form), swap)
    layer = convert(exact, Assignment(LayerProducts(product, product, product))).model
    x = leaf(*shape).requires_grad_()
    with Recorder(layer) as recorder:
        y = layer(x)
        gradient = leaf(*y.shape)
        y.backward(gradient)

    number_format = parse_format(form)
    parts = (
        operand_codes(t, number_format) for t in (x.detach(), exact.weight.detach(), gradient)
    )
    for histogram, pair in zip(recorder.histograms, pairs(*parts), strict=True):
        joint = enumerated(*(codes(part, number_format) for part in pair), number_format)
        assert_histogram(histogram, joint.T if swap else joint)
    assert tuple(histogram.product for histogram in recorder.histograms) == PRODUCTS


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("block", [1, 3000, 1 << 20])
@pytest.mark.parametrize("pair_cost", [0, 1 << 40], ids=["enumerated", "multiplied"])
def test_joint_counts_of_any_operands(
    form: str, block: int, pair_cost: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "BLOCK_ELEMENTS", block)
    monkeypatch.setattr(recording, "PAIR_COST", pair_cost)
    number_format = parse_format(form)
    draw = wild_operands if isinstance(number_format, FloatFormat) else operands
    a, b = draw(7 * 40, number_format, 1).view(7, 40), draw(40 * 9, number_format, 2).view(40, 9)
    first, second = np.broadcast_arrays(
        codes(a, number_format)[:, :, None], codes(b, number_format)[None]
    )
    expected = enumerated(first, second, number_format)
    assert np.array_equal(joint_counts(a, b, number_format), expected)


@pytest.mark.parametrize("shape", [(0, 3, 5), (3, 0, 5), (3, 5, 0)])
def test_joint_counts_of_no_product(shape: tuple[int, int, int]) -> None:
    m, k, n = shape
    assert not joint_counts(torch.ones(m, k), torch.ones(k, n), parse_format("bf16")).any()


@pytest.fixture
def network() -> nn.Module:
    layers = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3))
    return convert(layers, Assignment.uniform(table("exact", FORMATS[0]))).model


def step(network: nn.Module, seed: int = 0) -> Tensor:
    loss: Tensor = network(leaf(2, 1, 4, 4, seed=seed)).square().sum()
    return loss


def totals(recorder: Recorder) -> dict[str, int]:
    return {h.name: h.total + h.zero + h.non_finite for h in recorder.histograms}


MACS = {
    "0 forward": 2 * 4 * 4 * 9,
    "0 weight_gradient": 2 * 4 * 4 * 9,
    "3 forward": 2 * 16 * 3,
    "3 input_gradient": 2 * 16 * 3,
    "3 weight_gradient": 2 * 16 * 3,
}


def test_layers_go_by_their_names_in_order(network: nn.Module) -> None:
    with Recorder(network) as recorder:
        step(network).backward()
    assert list(totals(recorder).items()) == list(MACS.items())


def test_backward_in_another_thread_is_recorded(network: nn.Module) -> None:
    with Recorder(network) as recorder:
        loss = step(network)
        thread = threading.Thread(target=loss.backward)
        thread.start()
        thread.join()
    assert totals(recorder) == MACS


def test_evaluation_is_recorded(network: nn.Module) -> None:
    with Recorder(network) as recorder, torch.no_grad():
        step(network.eval())
    assert totals(recorder) == {name: n for name, n in MACS.items() if "forward" in name}


def test_nothing_is_recorded_outside(network: nn.Module) -> None:
    recorder = Recorder(network)
    step(network).backward()
    with recorder:
        pass
    step(network).backward()
    assert recorder.histograms == ()


def test_entering_again_adds(network: nn.Module) -> None:
    recorder = Recorder(network)
    for _ in range(2):
        with recorder:
            step(network).backward()
    assert totals(recorder) == {name: 2 * count for name, count in MACS.items()}


def test_an_error_inside_ends_the_recording(network: nn.Module) -> None:
    recorder = Recorder(network)
    with pytest.raises(AxdseError), recorder:
        network(torch.ones(1, 1, 9, 9))
    recorded = totals(recorder)
    step(network)
    assert totals(recorder) == recorded


def test_recorders_of_two_threads_are_apart(network: nn.Module) -> None:
    recorders = []

    def work(steps: int) -> None:
        own = copy.deepcopy(network)
        with Recorder(own) as recorder:
            for seed in range(steps):
                step(own, seed).backward()
        recorders.append((steps, recorder))

    threads = [threading.Thread(target=work, args=(steps,)) for steps in (3, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(steps for steps, _ in recorders) == [3, 5]
    for steps, recorder in recorders:
        assert totals(recorder) == {name: steps * count for name, count in MACS.items()}


def test_sampling_takes_whole_steps(network: nn.Module) -> None:
    with Recorder(network, every=3) as sampled:
        for seed in range(7):
            step(network, seed).backward()
    with Recorder(network) as chosen:
        for seed in (0, 3, 6):
            step(network, seed).backward()
    for actual, expected in zip(sampled.histograms, chosen.histograms, strict=True):
        assert actual.name == expected.name
        assert np.array_equal(actual.counts, expected.counts)


def test_sampling_takes_all_groups_of_a_step() -> None:
    layer = convert(CONVOLUTION, Assignment.uniform(table("exact", FORMATS[0]))).model
    with Recorder(layer, every=2) as recorder, torch.no_grad():
        layer(leaf(2, 4, 7, 8))
    (histogram,) = recorder.histograms
    assert histogram.total + histogram.zero == 2 * 6 * 2 * 9 * 4 * 3


def test_native_products_and_other_models_are_not_recorded(network: nn.Module) -> None:
    gradients = LayerProducts(weight_gradient=Product(table("exact", FORMATS[0])))
    mixed = convert(nn.Sequential(nn.Linear(5, 4)), Assignment(gradients)).model
    with Recorder(mixed) as recorder:
        step(network)
        mixed(leaf(3, 5)).sum().backward()
    assert totals(recorder) == {"0 weight_gradient": 3 * 4 * 5}


def test_recording_changes_no_bit(network: nn.Module) -> None:
    gradients = []
    for every in (1, 1000):
        network.zero_grad()
        with Recorder(network, every):
            step(network)
            step(network).backward()
        gradients.append([parameter.grad.clone() for parameter in network.parameters()])
    assert all(map(torch.equal, *gradients))


def test_int8_of_a_non_finite_tensor_is_recorded_as_the_core_sees_it() -> None:
    layer = convert(LINEAR, Assignment.uniform(table("exact", "int8"))).model
    x = leaf(3, 5)
    x[1, 1] = torch.inf
    with Recorder(layer) as recorder, torch.no_grad():
        layer(x)
    (histogram,) = recorder.histograms
    assert histogram.counts[0].sum() == histogram.total == 3 * 4 * 5


def test_one_call_in_none_is_refused(network: nn.Module) -> None:
    with pytest.raises(AxdseError, match="one call in N"):
        Recorder(network, every=0)
