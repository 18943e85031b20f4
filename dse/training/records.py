"""How was a network trained, and what came of it? Settings and course; no torch."""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as strict_dataclass

from axdse.dse.limits import LARGEST_BATCH, MOST_EPOCHS, MOST_IMAGES


@strict_dataclass(frozen=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class TrainSettings:
    """How to train, in FP32 but for the products.

    By default the learning rate is constant and falls linearly to zero over the last third of the
    steps: a score in mid-training then tells something about the end, which a one-cycle schedule
    hides.

    Attributes:
        epochs: passes over the training examples.
        batch_size: examples a step.
        learning_rate: the largest.
        momentum: Nesterov's, of SGD; Adam has its usual 0.9 and 0.999.
        weight_decay: L2 penalty on all parameters; of AdamW the decoupled one.
        train_images: use the first so many training examples only; None for all.
        optimiser: SGD (with momentum), Adam (Kingma and Ba, 2015) or AdamW (Loshchilov and
            Hutter, 2019).
        schedule: "linear" as above, "cosine" to zero over all steps, or "constant".
        warmup: fraction of the steps over which the rate rises linearly to its largest.
        clip: largest norm of all gradients together; None: any.
        evaluation_batch: examples at once where nothing is trained.
    """

    epochs: Annotated[int, Field(ge=1, le=MOST_EPOCHS)] = 8
    batch_size: Annotated[int, Field(ge=1, le=LARGEST_BATCH)] = 64
    learning_rate: Annotated[float, Field(gt=0)] = 0.05
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: Annotated[float, Field(ge=0)] = 5e-4
    train_images: Annotated[int, Field(ge=1, le=MOST_IMAGES)] | None = None
    optimiser: Literal["sgd", "adam", "adamw"] = "sgd"
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.0
    clip: Annotated[float, Field(gt=0)] | None = None
    evaluation_batch: Annotated[int, Field(ge=1, le=LARGEST_BATCH)] = 1_000

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of a step 0, 1, ..., as a part 0..1 of the largest."""
        rising = math.ceil(self.warmup * steps)
        if step < rising:
            return (step + 1) / (rising + 1)
        if self.schedule == "constant":
            return 1.0
        if self.schedule == "cosine":
            return (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising))) / 2
        falling = steps // 3 + 1
        return min(1.0, (steps - step) / falling)


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training examples gave.

    Attributes:
        epoch: 1, 2, ...
        train_loss: mean over the examples, in the unit of the task's loss.
        train_accuracy: the task's metric while training; of a classification accuracy, 0..1.
        validation_accuracy: the same after the epoch, on the validation split.
        seconds: wall time, validation included.
        validation_loss: mean over the validation split.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_accuracy: float
    seconds: float
    validation_loss: float = math.nan


@dataclass(frozen=True)
class History:
    """The course of one training.

    Attributes:
        epochs: what was trained; the last one is where it ended.
        status: "nan" if the loss or a weight was not finite (an approximate multiplier may
            diverge; that is a result), "stopped" if the watcher stopped it.
        seed: of weights and data order.
    """

    epochs: tuple[Epoch, ...]
    status: Literal["finished", "nan", "stopped"]
    seed: int

    @property
    def validation_accuracy(self) -> float:
        """The metric after the last epoch, on the validation split."""
        return self.epochs[-1].validation_accuracy
