"""How was a network trained, and what came of it? Settings and course; no torch."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as strict_dataclass

from axdse.dse.limits import LARGEST_BATCH, MOST_EPOCHS, MOST_IMAGES


@strict_dataclass(frozen=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class TrainSettings:
    """How to train: SGD with Nesterov momentum, in FP32.

    The learning rate is constant and falls linearly to zero over the last third of the steps:
    accuracy in mid-training then tells something about the end, which a one-cycle schedule hides.

    Attributes:
        epochs: passes over the training images.
        batch_size: images a step.
        learning_rate: of the constant part.
        momentum: Nesterov's.
        weight_decay: L2 penalty on all parameters.
        train_images: use the first so many training images only; None for all.
    """

    epochs: Annotated[int, Field(ge=1, le=MOST_EPOCHS)] = 8
    batch_size: Annotated[int, Field(ge=1, le=LARGEST_BATCH)] = 64
    learning_rate: Annotated[float, Field(gt=0)] = 0.05
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: Annotated[float, Field(ge=0)] = 5e-4
    train_images: Annotated[int, Field(ge=1, le=MOST_IMAGES)] | None = None


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training images gave.

    Attributes:
        epoch: 1, 2, ...
        train_loss: mean cross entropy, nats.
        train_accuracy: 0..1, while training.
        validation_accuracy: 0..1, after the epoch.
        seconds: wall time, validation included.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_accuracy: float
    seconds: float


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
        """Accuracy after the last epoch, 0..1."""
        return self.epochs[-1].validation_accuracy
