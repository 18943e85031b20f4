"""What do the batches of a pass come to? The means of a metric and of a loss."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

HELD_NUMBERS = 1 << 21  # of the outputs of batches that wait, at most


class Means:
    """The mean of a metric, over what it counts, and of a loss, over examples.

    Args:
        metric: outputs and targets of a batch -> values; None: the loss is all that is asked for.
        held: so many batches, if they are small, wait for their metric: called for one after the
            other, its code is in the caches, where a training step left nothing.
    """

    def __init__(self, metric: Callable[[Any, Any], Tensor] | None, held: int = 1) -> None:
        self.metric, self.held = metric, held
        self.total, self.losses, self.counted, self.examples = 0.0, 0.0, 0, 0
        self.waiting: list[tuple[Any, Tensor]] = []
        self.room = 1  # for batches: what is wrong with a metric is known after the first one
        self.sound = True  # no value was lost although the outputs were there

    def add(self, outputs: Any, targets: Tensor, loss: float) -> list[Tensor]:
        """Count a batch; return the values of those whose metric was computed."""
        count = len(targets)
        self.examples += count
        self.losses += loss * count
        if self.metric is None:
            return []
        self.waiting.append((outputs, targets))
        return self.settle() if len(self.waiting) >= self.room else []

    def settle(self) -> list[Tensor]:
        """Compute the metric of the batches that wait; return its values."""
        values = []
        with torch.no_grad():
            for outputs, targets in self.waiting:
                assert self.metric is not None
                values.append(self.metric(outputs, targets))
                total = float(values[-1].sum(dtype=torch.float64))
                self.total += total
                self.counted += values[-1].numel()
                self.room = 1
                if isinstance(outputs, Tensor):
                    self.room = min(self.held, max(1, HELD_NUMBERS // max(1, outputs.numel())))
                    if not math.isfinite(total):
                        self.sound = self.sound and not bool(outputs.isfinite().all())
        self.waiting.clear()
        return values

    @property
    def mean(self) -> float:
        """Of the metric."""
        return self.total / self.counted if self.counted else math.nan

    @property
    def loss(self) -> float:
        """Of the losses."""
        return self.losses / self.examples if self.examples else math.nan
