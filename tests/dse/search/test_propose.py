"""What a belief is built of: products as operators make them, gains, assignments."""

import itertools

import numpy as np
import pytest
import torch

from axdse.dse.search.acquire import expected_gain
from axdse.dse.search.assign import Places, neighbours, sweep
from axdse.dse.search.belief import Belief, Learner
from axdse.dse.search.predict import harms, products
from axdse.gpu.layers.convert import convert
from axdse.multipliers.designs.design_point import DesignPoint, parse_mac
from axdse.multipliers.operands.recording import OperandTrace
from axdse.multipliers.tables.lut import build_lut


@pytest.mark.parametrize(
    "text",
    [
        "exact(n=8) in bf16",
        "drum(n=4,k=3) in float(8,3)",
        "mitchell(m=3) in float(8,3)",
        "exact(n=4) in float(3,3)",
        "drum(n=4,k=3) in fp8_e4m3",
        "drum(n=8,k=4) in int8",
        "drum(n=8,k=4) in uint8",
        "truncated(n=8,t=6,c=1) in int8xuint8",
    ],
)
def test_products_are_those_of_operators(text: str) -> None:
    mac = parse_mac(text)
    draw = np.random.default_rng(0)
    a, b = (draw.normal(size=(64, 1)).astype(np.float32) for _ in "ab")
    for side in (a, b):  # as far below zero as above it: a recording keeps the largest magnitude
        side[0] = -side[np.abs(side).argmax()]
    peaks = [np.abs(side).max(keepdims=True) for side in (a, b)]
    ours = products(build_lut(mac.candidate), a, b.T, *peaks)
    layer = torch.nn.Linear(1, len(b), bias=False)
    layer.weight.data = torch.from_numpy(b)
    converted = convert(torch.nn.Sequential(layer), DesignPoint.uniform(mac)).model
    with torch.no_grad():
        theirs = converted(torch.from_numpy(a)).numpy().astype(float)
    assert ours == pytest.approx(theirs, rel=1e-6)


def trace(a: np.ndarray, b: np.ndarray) -> OperandTrace:
    peaks = (np.full(len(a), np.abs(side).max(), np.float32) for side in (a, b))
    lengths = np.full(len(a), a.shape[1])
    return OperandTrace(
        "fc1", "forward", "output-stationary", a, b, np.zeros_like(a), *peaks, lengths, a.size
    )


def test_range_that_a_format_lacks_is_lost() -> None:
    draw = np.random.default_rng(0)
    a, b = (np.exp(draw.normal(0, 3, (64, 32))).astype(np.float32) for _ in "ab")
    found = {
        text: harms(build_lut(parse_mac(text).candidate), [trace(a, b)])[0]
        for text in ("exact(n=4) in float(8,3)", "exact(n=4) in float(3,3)")
    }
    wide, narrow = found.values()
    assert wide.lost == 0
    assert 0.1 < narrow.lost < 1
    assert 0.001 < wide.error < 0.1
    assert -0.05 < wide.bias < 0  # narrow products are cut


def test_a_common_gain_is_no_harm() -> None:
    draw = np.random.default_rng(0)
    a, b = (draw.normal(size=(128, 32)).astype(np.float32) for _ in "ab")
    error = [
        harms(build_lut(parse_mac(f"{core} in float(8,3)").candidate), [trace(a, b)])[0]
        for core in ("mitchell(m=3)", "drum(n=4,k=2)", "exact(n=4)")
    ]
    assert error[0].bias < -0.02  # Mitchell's products are always too small
    assert error[0].bias < error[2].bias
    assert error[0].error == pytest.approx(error[2].error, rel=0.2)
    assert 2 * error[0].error < error[1].error < 0.3


def test_a_plane_is_learned_and_far_points_are_unsure() -> None:
    draw = np.random.default_rng(0)
    x, asked = (10 ** draw.uniform(-3, -0.5, size=(n, 2)) for n in (14, 40))

    def reached(errors: np.ndarray) -> np.ndarray:
        # Twice the digits below a loss of the network's own, gradients for next to nothing.
        hidden = np.log10(errors[:, 0] ** 2 + 0.01**2)
        return np.asarray(-hidden - 0.05 * np.log10(errors[:, 1]))

    belief = Learner((1.0, 0.3)).believe(x, reached(x), np.vstack([asked, [[1e4, 1.0]]]))
    assert belief.mean[:-1] == pytest.approx(reached(asked), abs=0.2)
    assert belief.deviation[-1] > 2 * belief.deviation[:-1].max()


def test_who_learns_late_believes_the_same() -> None:
    """A search that goes on has the scores of before at once."""
    draw = np.random.default_rng(0)
    x, asked = 10 ** draw.uniform(-3, -0.5, size=(30, 2)), 10 ** draw.uniform(-3, -0.5, (5, 2))
    scores, early = draw.normal(size=30), Learner((1.0, 0.3))
    for count in range(2, 30):
        early.believe(x[:count], scores[:count], asked)
    beliefs = [each.believe(x, scores, asked) for each in (early, Learner((1.0, 0.3)))]
    assert np.array_equal(beliefs[0].mean, beliefs[1].mean)
    assert np.array_equal(beliefs[0].deviation, beliefs[1].deviation)


def test_what_is_pending_will_tell_something_but_not_what() -> None:
    draw = np.random.default_rng(0)
    x = 10 ** draw.uniform(-3, -0.5, size=(12, 2))
    scores, asked = -np.log10(x[:, 0]), np.array([[1e-6, 1e-3], [0.1, 0.1]])
    learner = Learner((1.0, 0.3))
    before, after = (learner.believe(x, scores, asked, more) for more in (None, asked[:1]))
    assert after.mean == pytest.approx(before.mean, abs=1e-9)
    assert after.deviation[0] < 0.8 * before.deviation[0]
    assert (after.deviation <= before.deviation).all()
    assert learner.believe(x, scores, asked, asked[:0]).mean == pytest.approx(before.mean)


def test_the_expected_gain_is_over_those_that_cost_no_more() -> None:
    belief = Belief(np.array([1.0, 1.0, 0.2]), np.array([0.5, 0.5, 0.1]))
    costs, known = np.array([[5.0, 2], [5, 0.5], [9, 9]]), np.array([[4.0, 1], [3, 0.2]])
    gains = expected_gain(belief, costs, known, np.array([1.2, 0.4]), floor=0.5)
    draw = np.random.default_rng(0).normal(size=(200_000, 3)) * belief.deviation + belief.mean
    rivals = np.array([1.2, 0.5, 1.2])  # the second is dearer than the last of the known only
    assert gains == pytest.approx(np.maximum(draw - rivals, 0).mean(0), abs=5e-3)
    capped = expected_gain(belief, costs, known, np.array([1.2, 0.4]), 0.5, ceiling=1.1)
    assert capped.tolist() == [0, gains[1], 0]  # not trained: the rival is as good as any


@pytest.mark.parametrize("whole", [False, True])
def test_a_sweep_finds_what_is_best_at_a_price(*, whole: bool) -> None:
    draw = np.random.default_rng(1)
    macs, width, distinct = 6, 3, 2
    forward, prices = draw.uniform(size=(macs, width)), draw.uniform(size=(macs, width))
    places = Places(forward, np.zeros_like(forward), prices, whole)
    found = sweep(places, distinct)
    assert all(len({*choice}) <= distinct for choice in found)
    at = np.arange(width)

    def paid(choice: tuple[int, ...]) -> float:
        chip = sorted({*choice})
        silicon = prices[chip].sum() if whole else prices[list(choice), at].sum()
        return float(forward[list(choice), at].sum() / forward.sum(1).max() + 0.5 * silicon)

    every = [c for c in itertools.product(range(macs), repeat=width) if len({*c}) <= distinct]
    best = min(map(paid, every))
    assert min(map(paid, found)) < best * 1.1
    around = set(neighbours(found[0], np.arange(macs), distinct))
    assert all(sum(x != y for x, y in zip(found[0], c, strict=True)) == 1 for c in around)
