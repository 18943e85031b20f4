"""How is a network trained, from scratch, with one design in its three products?"""

import io
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
import torch
from torch import Tensor, nn

from axdse.dse.training.examples import (
    Arrays,
    Batch,
    Examples,
    Inputs,
    check_count,
    check_labels,
    check_numbers,
)
from axdse.dse.training.means import Means
from axdse.dse.training.records import UNLOADABLE, Epoch, History, TrainSettings
from axdse.dse.training.task import Made, Task, make, require
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
HELD = 16  # batches of a training whose metric is computed at a time
CHECKPOINT = "checkpoint"  # what its seal says it is
LARGEST_CHECKPOINT = 1024 * MIB
CPU = torch.device("cpu")
Design = Assignment | DesignPoint


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
    assignment: Design | None,
    settings: TrainSettings | None,
    seed: int,
    on_epoch: Callable[[Epoch], bool] | None = None,
    checkpoint: Path | None = None,
    record_every: int | None = None,
    device: torch.device = CPU,
) -> Trained:
    """Train a network; the same seed, device and number of threads give the same bits.

    A task that says its number of threads gives the same bits however many there are.

    Args:
        workload: the network, its examples, its loss and its metric.
        assignment: what multiplies in its layers; None for native FP32.
        settings: optimiser and length; None: the task's own.
        seed: of initial weights, order, augmentation and stochastic rounding.
        on_epoch: is told of every epoch; returning False stops the training.
        checkpoint: written after every epoch; a training that finds its own goes on from there.
        record_every: record the operands of the last epoch, one step in so many; None: do not.
        device: where it is trained.

    Raises:
        AxdseError: a task that fails; a checkpoint that is damaged, unwritable or another's.
    """
    made = make(workload)
    settings = settings or made.task.settings
    model = made.build(seed)
    if assignment:
        model = convert(model, assignment).model
    run = Run(made, model.to(device), settings, seed, device)
    recorder = Recorder(model, record_every) if record_every else None
    text = assignment.name if isinstance(assignment, DesignPoint) else str(assignment)
    identity = f"{made.identity}, {text}, {settings}, seed {seed}"
    epochs = run.restore(checkpoint, identity) if checkpoint else []
    status: Literal["finished", "nan", "stopped"] = "finished"
    while len(epochs) < settings.epochs:
        number = len(epochs) + 1
        watching = recorder if number == settings.epochs else None
        epochs.append(run.epoch(number, watching))
        if not _is_finite(epochs[-1], model):
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
        workload=workload.text,
        multiplier=", ".join(_names(assignment)),
        seed=seed,
        every=recorder.every,
        traces=recorder.traces,
        rows=recorder.rows,
        steps=len(recorded),
        images=sum(recorded),
    )
    return Trained(history, model, recording)


@dataclass(frozen=True, eq=False)
class Score:
    """What a network reaches on some examples.

    Attributes:
        metric: the task's.
        loss: the mean of the task's loss.
        values: FP64 [m], whose mean the metric is, in the order of the examples.
    """

    metric: float
    loss: float
    values: Tensor


def measure(
    made: Made,
    model: nn.Module,
    examples: Examples,
    batch: int = EVALUATION_BATCH,
    device: torch.device = CPU,
) -> Score:
    """Measure a network, in evaluation mode, on examples that it was not trained on.

    Raises:
        AxdseError: the metric is NaN where the outputs are not, or of nothing; user code fails.
    """
    task = made.task
    with made.guarded("metric"), made.threads():
        found, values = _scores(task, model, examples, batch, device)
    if not (found.sound and found.counted):
        rule = "a metric is finite where the outputs of the network are"
        raise made.refusal(rule, f"{task.metric.name} is {found.mean}")
    return Score(task.metric.value(found.mean), found.loss, torch.cat(values))


@torch.no_grad()
def _scores(
    task: Task, model: nn.Module, examples: Examples, batch: int, device: torch.device
) -> tuple[Means, list[Tensor]]:
    was_training = model.training
    model.eval()
    means, values = Means(task.metric.values), []
    with _chance(0, 0, device):
        for inputs, targets in examples.batches(batch):
            if task.classes and not isinstance(examples, Arrays):
                check_labels(targets, task.classes, "examples")
            there = _moved(targets, device)
            outputs = _called(model, _moved(inputs, device))
            lost = float(task.loss(outputs, there))
            if math.isnan(lost):
                check_numbers((inputs, targets))
            found = means.add(outputs, there, lost)
            values += [each.flatten().double().cpu() for each in found]
    check_count(means.examples, examples)
    model.train(was_training)
    return means, values


def _called(model: nn.Module, inputs: Inputs) -> Any:
    return model(inputs) if isinstance(inputs, Tensor) else model(*inputs)


@overload
def _moved(x: Tensor, device: torch.device) -> Tensor: ...
@overload
def _moved(x: Inputs, device: torch.device) -> Inputs: ...
def _moved(x: Inputs, device: torch.device) -> Inputs:
    return x.to(device) if isinstance(x, Tensor) else tuple(each.to(device) for each in x)


def _names(design: Design) -> tuple[str, ...]:
    if isinstance(design, DesignPoint):
        return tuple(dict.fromkeys(mac.multiplier.spec for mac in design.macs))
    return tuple(design.designs)


def _seeded(seed: int, epoch: int) -> int:
    return int(np.random.SeedSequence((seed, epoch)).generate_state(1, np.uint64)[0])


@contextmanager
def _chance(seed: int, epoch: int, device: torch.device) -> Iterator[None]:
    """Within, stochastic rounding depends on seed and epoch alone; the global generator stays."""
    with torch.random.fork_rng(devices=() if device.type == "cpu" else (device,)):
        # torch.manual_seed notes a traceback for each kind of GPU, which takes half a millisecond.
        seeds = torch.default_generator.manual_seed if device.type == "cpu" else torch.manual_seed
        seeds(_seeded(seed, epoch))
        yield


def _is_finite(epoch: Epoch, model: nn.Module) -> bool:
    figures = (epoch.train_loss, epoch.validation_score)
    return all(map(math.isfinite, figures)) and all(
        bool(parameter.isfinite().all()) for parameter in model.parameters()
    )


class Run:
    """The state of a training between two epochs.

    Args:
        made: the task.
        model: on `device`, converted.
        settings: optimiser and length.
        seed: of order and chance.
        device: of the model; batches are brought there.
    """

    def __init__(
        self,
        made: Made,
        model: nn.Module,
        settings: TrainSettings,
        seed: int,
        device: torch.device,
    ) -> None:
        self.made, self.model, self.settings = made, model, settings
        self.seed, self.device = seed, device
        self.splits = made.splits
        with made.guarded("optimiser"):
            self.optimizer = _optimiser(made, model, settings)
            found = self.optimizer
            require("optimiser returns one", isinstance(found, torch.optim.Optimizer), found)
        count = len(self.splits.train)
        self.images = min(count, settings.train_images or count)
        self.rates = [group["lr"] for group in self.optimizer.param_groups]

    @property
    def batch_sizes(self) -> list[int]:
        """Examples of each step of an epoch."""
        size = self.settings.batch_size
        return [min(size, self.images - start) for start in range(0, self.images, size)]

    def epoch(self, number: int, recorder: Recorder | None = None) -> Epoch:
        """Train on all examples once, then validate."""
        start = time.monotonic()
        batch, device = self.settings.evaluation_batch, self.device
        doing = self.made.guarded("training")
        chance, threads = _chance(self.seed, number, device), self.made.threads()
        with recorder or nullcontext(), chance, threads, doing:
            means = self._pass(number)
        reached = measure(self.made, self.model, self.splits.validation, batch, device)
        task, metric = self.made.task, self.made.task.metric
        trained = metric.value(means.loss if task.loss_is_metric else means.mean)
        trained, validated = map(metric.goal.score, (trained, reached.metric))
        seconds = time.monotonic() - start
        return Epoch(number, means.loss, trained, validated, seconds, reached.loss)

    def _batches(self, epoch: int) -> Iterator[Batch]:
        """The examples of one epoch; their order depends on seed and epoch alone."""
        task, order = self.made.task, np.random.default_rng((self.seed, epoch))
        chance = torch.Generator().manual_seed(_seeded(self.seed, epoch))
        size, most = self.settings.batch_size, self.settings.train_images
        for inputs, targets in self.splits.train.batches(size, order, most):
            if task.classes and not isinstance(self.splits.train, Arrays):
                check_labels(targets, task.classes, "train")
            augmented = task.augment(inputs, chance) if task.augment else inputs
            yield _moved(augmented, self.device), _moved(targets, self.device)

    def _pass(self, number: int) -> Means:
        """Train on all examples once; return the means on the way."""
        task = self.made.task
        means = Means(None if task.loss_is_metric else task.metric.values, HELD)
        self.model.train()
        steps = math.ceil(self.images / self.settings.batch_size)
        first, last = (number - 1) * steps, steps * self.settings.epochs
        for step, (inputs, targets) in enumerate(self._batches(number), first):
            # torch's schedulers take longer for it than small networks for a step.
            for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
                group["lr"] = rate * self.settings.rate(step, last)
            outputs, lost = self.step(inputs, targets)
            if not math.isfinite(lost):
                check_numbers((inputs, targets))
                means.losses = math.nan
                break
            means.add(outputs, targets, lost)
        else:
            check_count(means.examples, self.splits.train, self.images)
        means.settle()
        return means

    def step(self, inputs: Inputs, targets: Tensor) -> tuple[Any, float]:
        """Forward, backward, optimiser; a loss that is not finite ends it after the first.

        What autograd kept is freed on return: outputs come without it.
        """
        outputs = _called(self.model, inputs)
        loss = self.made.task.loss(outputs, targets)
        lost = float(loss.detach())
        if math.isfinite(lost):
            self.optimizer.zero_grad()
            torch.autograd.backward(loss)
            if self.settings.clip:
                nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip)
            self.optimizer.step()
        return outputs.detach() if isinstance(outputs, Tensor) else outputs, lost

    def save(self, path: Path, identity: str, epochs: list[Epoch]) -> None:
        """Write all of the state, in one piece."""
        state = {
            "training": identity,
            "workload": self.made.workload.text,
            "epochs": epochs,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
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
            return list(state["epochs"])
        except DamagedError as error:
            raise file.refusal("it is damaged") from error
        except UNLOADABLE as error:
            raise file.refusal("of another version") from error


def _optimiser(made: Made, model: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    if made.task.optimiser:
        return made.task.optimiser(model)
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.optimiser == "sgd":
        momentum = settings.momentum
        return torch.optim.SGD(
            model.parameters(),
            lr=rate,
            momentum=momentum,
            weight_decay=decay,
            nesterov=momentum > 0,
        )
    kind = torch.optim.Adam if settings.optimiser == "adam" else torch.optim.AdamW
    # Fused: one call for all parameters, where small networks wait for Python between them.
    return kind(model.parameters(), lr=rate, weight_decay=decay, fused=True)
