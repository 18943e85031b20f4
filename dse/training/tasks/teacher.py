"""Can a small network follow another? Regression without data, with a floor as low as it gets.

What separates designs is a low loss floor, not size: arithmetic adds about the square of the
relative error of a matrix product to a normalised error. So the target is a network itself, and
each pass sees fresh points. It does not see range: formats of few exponent bits look better here
than on sequences, so a search wants `g2p` or `charlm` as well.
"""

import functools
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from axdse.dse.training.datasets import Splits
from axdse.dse.training.examples import Arrays, Batch, Examples
from axdse.dse.training.records import TrainSettings
from axdse.dse.training.task import Task, log10_mse

INPUTS, HIDDEN, OUTPUTS = 16, 32, 8
TARGET_SEED = 1
STEPS = 100  # of an epoch
SETTINGS = TrainSettings(
    epochs=8, batch_size=128, learning_rate=6e-3, weight_decay=0.0, optimiser="adam"
)
FIXED = 2_048  # points of the validation split, and of the test split


def teacher(width: int = 64, blocks: int = 2) -> Task:
    """A residual MLP learns a GELU MLP 16-32-8 of fixed weights.

    Args:
        width: of the residual stream; a block is as wide as twice that.
        blocks: of LayerNorm, Linear, GELU, Linear.
    """
    return Task(
        model=lambda seed: student(width, blocks),
        splits=_splits,
        loss=F.mse_loss,
        metric=log10_mse(resolution=0.04),
        settings=SETTINGS,
        threads=1,
        loss_is_metric=True,
    )


class Block(nn.Module):
    """[..., width] + MLP(LayerNorm([..., width]))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        y: Tensor = self.down(F.gelu(self.up(self.norm(x))))
        return x + y


def student(width: int, blocks: int) -> nn.Module:
    """[n, 16] -> [n, 8]."""
    inner = (Block(width) for _ in range(blocks))
    return nn.Sequential(
        nn.Linear(INPUTS, width), *inner, nn.LayerNorm(width), nn.Linear(width, OUTPUTS)
    )


class Target:
    """The network that is learned, its outputs of zero mean and unit variance."""

    def __init__(self) -> None:
        draw = torch.Generator().manual_seed(TARGET_SEED)
        self.up = torch.randn(INPUTS, HIDDEN, generator=draw) / INPUTS**0.5
        self.down = torch.randn(HIDDEN, OUTPUTS, generator=draw) / HIDDEN**0.5
        y = self._raw(torch.randn(1 << 14, INPUTS, generator=draw))
        self.mean, self.deviation = y.mean(0), y.std(0)

    def _raw(self, x: Tensor) -> Tensor:
        y: Tensor = F.gelu(x @ self.up) @ self.down
        return y

    def points(self, count: int, seed: int) -> Batch:
        """Inputs [count, 16], normal, and targets [count, 8]."""
        x = torch.randn(count, INPUTS, generator=torch.Generator().manual_seed(seed))
        return x, self._raw(x).sub_(self.mean).div_(self.deviation)


class Fresh:
    """Points that are drawn anew for each pass."""

    def __init__(self, target: Target, count: int) -> None:
        self.target, self.count = target, count

    def __len__(self) -> int:
        return self.count

    def batches(
        self, size: int, order: np.random.Generator | None = None, most: int | None = None
    ) -> Iterator[Batch]:
        """As `Examples.batches`; without an order those of seed 0."""
        seed = int(order.integers(1, 1 << 62)) if order else 0
        points = Arrays(*self.target.points(self.count, seed))
        return points.batches(size, None, most)


@functools.cache
def _splits() -> Splits[Examples]:
    target = Target()
    fixed = (Arrays(*target.points(FIXED, seed)) for seed in (1, 2))
    return Splits(Fresh(target, STEPS * SETTINGS.batch_size), *fixed)
