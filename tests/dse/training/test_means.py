"""Means: batches may wait for their metric, few and small ones, and nothing changes by it."""

import math

import pytest
import torch
from torch import Tensor

from axdse.dse.training import means
from axdse.dse.training.means import Means
from axdse.dse.training.task import squared_error

BATCHES = [
    (torch.randn(size, 3, generator=torch.Generator().manual_seed(size)), torch.zeros(size, 3))
    for size in (4, 4, 4, 4, 4, 4, 4, 3)
]


def filled(found: Means) -> tuple[Means, list[int]]:
    """With all batches; and how many metrics each of them led to."""
    counts = [
        len(found.add(outputs, targets, float(number)))
        for number, (outputs, targets) in enumerate(BATCHES)
    ]
    return found, [*counts, len(found.settle())]


def test_those_that_waited_come_to_the_same() -> None:
    at_once, each = filled(Means(squared_error))
    later, together = filled(Means(squared_error, held=4))
    assert each == [1] * len(BATCHES) + [0]
    assert together == [1, 0, 0, 0, 4, 0, 0, 0, 3]
    assert (later.mean, later.loss) == (at_once.mean, at_once.loss)
    assert at_once.mean == pytest.approx(float(torch.cat([x for x, _ in BATCHES]).square().mean()))
    assert at_once.loss == sum(i * len(x) for i, (x, _) in enumerate(BATCHES)) / 31


def test_large_outputs_wait_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(means, "HELD_NUMBERS", 25)
    assert filled(Means(squared_error, held=4))[1] == [1, 0, 2, 0, 2, 0, 2, 0, 1]
    monkeypatch.setattr(means, "HELD_NUMBERS", 12)
    assert filled(Means(squared_error, held=4))[1] == [1] * len(BATCHES) + [0]


def test_a_loss_that_is_the_metric_is_enough() -> None:
    found, counts = filled(Means(None, held=4))
    assert not any(counts)
    assert (found.examples, math.isnan(found.mean)) == (31, True)
    assert found.loss == filled(Means(squared_error))[0].loss


@pytest.mark.parametrize(("outputs", "sound"), [(1.0, False), (math.nan, True)])
def test_a_nan_of_the_metric_is_its_own_or_of_the_outputs(outputs: float, sound: bool) -> None:
    def nothing(outputs: Tensor, targets: Tensor) -> Tensor:
        return torch.full((2,), math.nan)

    found = Means(nothing)
    found.add(torch.full((2, 1), outputs), torch.zeros(2), 0.0)
    assert found.sound is sound
