"""How is a network trained, from scratch, with one design in its three products?"""

import io
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from axdse.dse.training.datasets import Split, load
from axdse.dse.training.networks import build
from axdse.dse.training.records import Epoch, History, TrainSettings
from axdse.dse.training.workloads import Workload
from axdse.gpu.layers.assignment import Assignment
from axdse.gpu.layers.convert import convert
from axdse.gpu.recording.recorder import Recorder
from axdse.multipliers.cache import DamagedError, seal, unseal, write_output
from axdse.multipliers.designs.design_point import DesignPoint
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.files import MIB, InputFile
from axdse.multipliers.operands.recording import Recording

EVALUATION_BATCH = 1_000
CHECKPOINT = "checkpoint"  # what its seal says it is
LARGEST_CHECKPOINT = 1024 * MIB
_OF_ANOTHER_VERSION = (EOFError, LookupError, TypeError, ValueError, RuntimeError, UnpicklingError)


@dataclass(frozen=True, eq=False)
class Trained:
    """A model and how it came about.

    Attributes:
        history: its course.
        model: where it ended.
        recording: operands of the last epoch planned; None: not asked for, not reached, or it
            diverged.
    """

    history: History
    model: nn.Module
    recording: Recording | None = None


def train(
    workload: Workload,
    assignment: DesignPoint | Assignment | None,
    settings: TrainSettings,
    seed: int,
    on_epoch: Callable[[Epoch], bool] | None = None,
    checkpoint: Path | None = None,
    record_every: int | None = None,
) -> Trained:
    """Train a network; the same seed and number of threads give the same bits.

    Args:
        workload: the network and its images.
        assignment: what multiplies in its layers; None for native FP32.
        settings: optimiser and length.
        seed: of initial weights and data order.
        on_epoch: is told of every epoch; returning False stops the training.
        checkpoint: written after every epoch; a training that finds its own goes on from there.
        record_every: record the operands of the last epoch, one step in so many; None: do not.

    Raises:
        AxdseError: no images; or a checkpoint that is damaged, unwritable or another training's.
    """
    splits = load(workload.dataset)
    model: nn.Module = build(workload, splits.train, seed)
    if assignment:
        model = convert(model, assignment).model
    run = _Run(model, splits.train, settings, seed)
    recorder = Recorder(model, record_every) if record_every else None
    text = assignment.name if isinstance(assignment, DesignPoint) else str(assignment)
    identity = f"{workload.name} on {workload.dataset}, {text}, {settings}, seed {seed}"
    epochs = run.restore(checkpoint, identity) if checkpoint else []
    status: Literal["finished", "nan", "stopped"] = "finished"
    while len(epochs) < settings.epochs:
        number = len(epochs) + 1
        watching = recorder if number == settings.epochs else None
        epochs.append(_epoch(run, splits.validation, number, watching))
        if not (math.isfinite(epochs[-1].train_loss) and _is_finite(model)):
            status = "nan"
            break
        if checkpoint:
            run.save(checkpoint, identity, epochs)
        if on_epoch and not on_epoch(epochs[-1]) and len(epochs) < settings.epochs:
            status = "stopped"
            break
    history = History(tuple(epochs), status, seed)
    # A step that broke off made some of its products only: nothing per step could be told.
    if status == "nan" or not (recorder and recorder.traces and assignment):
        return Trained(history, model)
    recorded = run.batch_sizes[:: recorder.every]
    recording = Recording(
        histograms=recorder.histograms,
        workload=f"{workload.name} on {workload.dataset}",
        multiplier=", ".join(_cores(assignment)),
        seed=seed,
        every=recorder.every,
        traces=recorder.traces,
        steps=len(recorded),
        images=sum(recorded),
    )
    return Trained(history, model, recording)


def _cores(assignment: DesignPoint | Assignment) -> tuple[str, ...]:
    if isinstance(assignment, Assignment):
        return assignment.designs
    return tuple(dict.fromkeys(mac.multiplier.spec for mac in assignment.macs))


@torch.no_grad()
def accuracy(model: nn.Module, split: Split) -> float:
    """Fraction 0..1 of images whose largest logit is their label's; a NaN is always wrong."""
    was_training = model.training
    model.eval()
    images, labels = torch.from_numpy(split.images), torch.from_numpy(split.labels)
    batches = zip(
        torch.split(images, EVALUATION_BATCH), torch.split(labels, EVALUATION_BATCH), strict=True
    )
    with _chance(0, 0):
        correct = sum(_correct(model(x), y) for x, y in batches)
    model.train(was_training)
    return correct / len(labels)


def _correct(logits: Tensor, labels: Tensor) -> int:
    # To argmax a NaN is the largest, so a diverged network would look like a constant guess.
    right = (logits.argmax(1) == labels) & ~logits.isnan().any(1)
    return int(right.sum())


@contextmanager
def _chance(seed: int, epoch: int) -> Iterator[None]:
    """Within, stochastic rounding depends on seed and epoch alone; the global generator stays."""
    with torch.random.fork_rng(devices=()):
        state = np.random.SeedSequence((seed, epoch)).generate_state(1, np.uint64)
        torch.manual_seed(int(state[0]))
        yield


def _is_finite(model: nn.Module) -> bool:
    return all(bool(parameter.isfinite().all()) for parameter in model.parameters())


class _Run:
    """The state of a training between two epochs."""

    def __init__(self, model: nn.Module, split: Split, settings: TrainSettings, seed: int) -> None:
        self.model = model
        self.images = torch.from_numpy(split.images[: settings.train_images])
        self.labels = torch.from_numpy(split.labels[: settings.train_images]).long()
        self.settings = settings
        self.seed = seed
        self.optimizer = torch.optim.SGD(
            model.parameters(),
            lr=settings.learning_rate,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
            nesterov=settings.momentum > 0,
        )
        steps = math.ceil(len(self.labels) / settings.batch_size) * settings.epochs
        constant = steps - steps // 3
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda step: min(1.0, (steps - step) / (steps - constant + 1))
        )

    @property
    def batch_sizes(self) -> list[int]:
        """Images of each step of an epoch."""
        images, size = len(self.labels), self.settings.batch_size
        return [min(size, images - start) for start in range(0, images, size)]

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The images of one epoch; their order depends on seed and epoch alone."""
        order = np.random.default_rng((self.seed, epoch)).permutation(len(self.labels))
        for indices in torch.split(torch.from_numpy(order), self.settings.batch_size):
            yield self.images[indices], self.labels[indices]

    def save(self, path: Path, identity: str, epochs: list[Epoch]) -> None:
        """Write all of the state, in one piece."""
        state = {
            "training": identity,
            "epochs": epochs,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
        }
        buffer = io.BytesIO()
        torch.save(state, buffer)
        write_output(path, seal(buffer.getvalue(), CHECKPOINT))

    def restore(self, path: Path, identity: str) -> list[Epoch]:
        """Take up the state of a checkpoint if there is one; return its epochs."""
        if not path.exists():
            return []
        rule = "a checkpoint is a file that a training wrote"
        file = InputFile(path, rule, LARGEST_CHECKPOINT, "delete it to start anew")
        try:
            content = unseal(file.read(), CHECKPOINT)
            with torch.serialization.safe_globals([Epoch]):
                state = torch.load(io.BytesIO(content), weights_only=True)
            if state["training"] != identity:
                raise AxdseError(
                    "a checkpoint continues the training that wrote it",
                    f"{path} is of {state['training']}",
                    "choose another file",
                )
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.schedule.load_state_dict(state["schedule"])
            return list(state["epochs"])
        except DamagedError as error:
            raise file.refusal("it is damaged") from error
        except _OF_ANOTHER_VERSION as error:
            raise file.refusal("of another version") from error


def _epoch(run: _Run, validation: Split, number: int, recorder: Recorder | None) -> Epoch:
    start = time.monotonic()
    with recorder or nullcontext(), _chance(run.seed, number):
        loss, correct = _pass(run, number)
    score = accuracy(run.model, validation)
    return Epoch(number, loss, correct, score, time.monotonic() - start)


def _pass(run: _Run, number: int) -> tuple[float, float]:
    """Train on all images once; return mean loss and accuracy on the way."""
    run.model.train()
    total, correct = 0.0, 0
    for images, labels in run.batches(number):
        logits = run.model(images)
        loss = nn.functional.cross_entropy(logits, labels)
        total += float(loss.detach()) * len(labels)
        if not math.isfinite(total):
            break
        run.optimizer.zero_grad()
        torch.autograd.backward(loss)
        run.optimizer.step()
        run.schedule.step()
        correct += _correct(logits, labels)
    count = len(run.labels)
    return total / count, correct / count
