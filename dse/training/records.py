"""How was a network trained, and what came of it? Settings and course; no torch."""

import math
import struct
from dataclasses import dataclass
from pickle import UnpicklingError
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as strict_dataclass

from axdse.dse.limits import LARGEST_BATCH, MOST_EPOCHS, MOST_IMAGES

# What torch raises of a file that holds something else, or was damaged.
UNLOADABLE = (
    *(EOFError, LookupError, TypeError, ValueError, RuntimeError, UnpicklingError),
    *(AttributeError, AssertionError, struct.error),
)


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
class Goal:
    """What networks are scored by. A score is the metric, negated where lower is better.

    So a higher score is always better; people see the metric.

    Attributes:
        name: of the metric.
        unit: of a difference, such as "nats"; "" for a fraction, shown in percent.
        direction: whether a higher or a lower metric is better.
        resolution: difference that one training with one seed cannot tell from noise.
    """

    name: str = "accuracy"
    unit: str = ""
    direction: Literal["higher", "lower"] = "higher"
    resolution: float = 0.01

    @property
    def symbol(self) -> str:
        """Unit of what is shown."""
        return self.unit or "%"

    @property
    def points(self) -> str:
        """Unit of a difference that is shown."""
        return self.unit or "points"

    @property
    def digits(self) -> int:
        """Decimals to show."""
        return 3 if self.unit else 1

    def score(self, metric: float) -> float:
        """What is compared: higher is better."""
        return metric if self.direction == "higher" else -metric

    def shown(self, score: float) -> float:
        """The metric of a score, or the difference of two, in the unit that people see."""
        return self.score(score) * (1 if self.unit else 100)

    def text(self, score: float) -> str:
        """A score as people see it: `84.3 %`, `-2.561 decades`."""
        return f"{self.shown(score):.{self.digits}f} {self.symbol}"


ACCURACY = Goal()


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training examples gave.

    Attributes:
        epoch: 1, 2, ...
        train_loss: mean over the examples, in the unit of the task's loss.
        train_score: of the task's `Goal`, while training; of a classifier accuracy, 0..1.
        validation_score: the same after the epoch, on the validation split.
        seconds: wall time, validation included.
        validation_loss: mean over the validation split; None: not known.
    """

    epoch: int
    train_loss: float
    train_score: float
    validation_score: float
    seconds: float
    validation_loss: float | None = None


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
    def validation_score(self) -> float:
        """The score after the last epoch, on the validation split."""
        return self.epochs[-1].validation_score
