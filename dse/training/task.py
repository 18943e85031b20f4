"""What is to be learned? A network, its examples, its loss, its metric, and how it is trained.

A workload is a factory that returns a `Task`; `axdse init workload FILE.py` writes one to start
from. Whatever of it fails is one line that names file, function and line of the user's.
"""

import copy
import functools
import importlib.util
import inspect
import math
import os
import sys
import sysconfig
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, redirect_stdout, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Literal

import torch
from torch import Tensor, nn

from axdse.dse.ending import asked_to_end
from axdse.dse.limits import MOST_THREADS
from axdse.dse.training.datasets import Splits
from axdse.dse.training.examples import (
    MOST_CLASSES,
    Arrays,
    Examples,
    as_examples,
    check_labels,
)
from axdse.dse.training.records import Goal, TrainSettings
from axdse.dse.training.workloads import Workload, check_arguments
from axdse.gpu.cpu.kernels import torch_threads
from axdse.multipliers.cache import digest
from axdse.multipliers.errors import AxdseError, MachineError, did_you_mean
from axdse.multipliers.machine import machine_failure

SMALLEST = 1e-30  # of a mean whose logarithm is the metric
LOOKED_AT = 256  # labels of a dataset or stream, before anything is trained
TEMPLATE = "see 'axdse init workload'"


@dataclass(frozen=True, eq=False)
class Metric:
    """What a network is scored by: a mean over the examples of a split.

    Attributes:
        name: such as "accuracy".
        unit: of a difference, such as "nats"; "" for a fraction 0..1, shown in percent.
        direction: whether higher or lower is better.
        resolution: difference that one training with one seed cannot tell from noise.
        of: outputs and targets of a batch -> one value for each of what is counted (images,
            tokens, numbers), any shape, bool or float.
        log10: the metric is the decimal logarithm of the mean.

    Raises:
        AxdseError: an attribute is something else.
    """

    name: str
    unit: str
    direction: Literal["higher", "lower"]
    resolution: float
    of: Callable[[Any, Any], Tensor]
    log10: bool = False

    def __post_init__(self) -> None:
        resolution: object = self.resolution
        number = isinstance(resolution, int | float) and math.isfinite(resolution)
        require("name of a metric is a text", isinstance(self.name, str), self.name)
        require("unit of a metric is a text", isinstance(self.unit, str), self.unit)
        known = self.direction in ("higher", "lower")
        require("direction of a metric is 'higher' or 'lower'", known, self.direction)
        positive = number and self.resolution > 0
        require("resolution of a metric is a number above 0", positive, resolution)
        require("of, of a metric, is a function", callable(self.of), self.of)

    @property
    def goal(self) -> Goal:
        """The same without its function."""
        return Goal(self.name, self.unit, self.direction, self.resolution)

    def values(self, outputs: Any, targets: Tensor) -> Tensor:
        """One value for each of what is counted in a batch.

        Raises:
            AxdseError: they are no tensor; or the mean of a batch, of which the last is smaller.
        """
        values: object = self.of(outputs, targets)
        rule = "a metric gives a tensor: one value for each of what is counted, not their mean"
        require(rule, isinstance(values, Tensor), values)
        assert isinstance(values, Tensor)
        require(rule, bool(values.ndim) or len(targets) < 2, f"one for {len(targets)} examples")
        return values

    def value(self, mean: float) -> float:
        """The metric where `of` has this mean."""
        return math.log10(max(mean, SMALLEST)) if self.log10 and math.isfinite(mean) else mean


@dataclass(frozen=True, eq=False)
class Task:
    """What a factory returns.

    Attributes:
        model: seed -> the network; what it draws from torch's global generator is seeded.
        splits: -> the examples; `axdse.dse.training.examples.as_examples` says in which forms.
        loss: outputs and targets of a batch -> a scalar, the mean over the batch.
        metric: what it is scored by.
        settings: how it is trained, where the user says nothing else.
        classes: labels are 0..classes-1, which is checked; None: targets are no labels.
        augment: inputs of a training batch and a seeded generator -> inputs; None: as they are.
        optimiser: network -> its optimiser; None: the one that the settings name.
        threads: of the CPU. A small network trains fastest with one, and gives the same bits on
            any machine; None: what torch, or the worker of a search, has.
        loss_is_metric: the loss of a batch is the mean of the metric's `of` over it, which is then
            not computed a second time while training.

    Raises:
        AxdseError: an attribute is something else.
    """

    model: Callable[[int], nn.Module]
    splits: Callable[[], Splits[Any]]
    loss: Callable[[Any, Any], Tensor]
    metric: Metric
    settings: TrainSettings = field(default_factory=TrainSettings)
    classes: int | None = None
    augment: Callable[[Any, torch.Generator], Any] | None = None
    optimiser: Callable[[nn.Module], torch.optim.Optimizer] | None = None
    threads: int | None = None
    loss_is_metric: bool = False

    def __post_init__(self) -> None:
        functions = ("model", "splits", "loss", "augment", "optimiser")
        for name in functions:
            given = getattr(self, name)
            left_out = given is None and name in functions[3:]
            require(f"{name} of a task is a function", left_out or callable(given), given)
        require("metric of a task is a Metric", isinstance(self.metric, Metric), self.metric)
        is_settings = isinstance(self.settings, TrainSettings)
        require("settings of a task are TrainSettings", is_settings, self.settings)
        for name, most in (("classes", MOST_CLASSES), ("threads", MOST_THREADS)):
            number = getattr(self, name)
            whole = (
                isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= most
            )
            require(f"{name} of a task are a number 1..{most}", number is None or whole, number)


def require(rule: str, kept: bool, value: object) -> None:
    """Look whether what a user's code gives keeps a rule; mypy does not read their file.

    Raises:
        AxdseError: it does not.
    """
    if not kept:
        plain = value is None or isinstance(value, str | int | float)
        raise AxdseError(rule, repr(value) if plain else type(value).__name__, TEMPLATE)


def accuracy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Whether each largest logit [n, classes] is the label's [n]; a NaN is always wrong."""
    # To argmax a NaN is the largest, so a diverged network would look like a constant guess.
    return (outputs.argmax(1) == targets) & ~outputs.isnan().any(1)


ACCURACY = Metric("accuracy", "", "higher", 0.01, accuracy)


def squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """(outputs - targets)^2, of any one shape."""
    if outputs.shape != targets.shape:
        rule = "outputs of a regression have the shape of its targets"
        value = f"{tuple(outputs.shape)} and {tuple(targets.shape)}"
        raise AxdseError(rule, value, "change the network's last layer, or the targets")
    return (outputs - targets) ** 2


def log10_mse(resolution: float) -> Metric:
    """Decades of the mean squared error."""
    return Metric("log10 MSE", "decades", "lower", resolution, squared_error, log10=True)


@dataclass(frozen=True, eq=False)
class Made:
    """A task with where it is from.

    Attributes:
        workload: that names it.
        task: what its factory returned.
        file: of the factory.
        source: its content when the factory was called.
        line: of the factory in it.
    """

    workload: Workload
    task: Task
    file: Path
    source: bytes
    line: int

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the file."""
        return digest(self.source)

    @property
    def place(self) -> Path:
        """Of a copy of the file, below a folder that Python finds modules in."""
        module = Path(*self.workload.factory.partition(":")[0].split("."))
        whole = self.file.name == "__init__.py"
        return module / self.file.name if whole else module.with_suffix(".py")

    @property
    def identity(self) -> str:
        """What tells it from any other task; a file that was changed is another."""
        return self.workload.text + ("" if self.workload.ships else f" [{self.digest[:16]}]")

    def guarded(self, doing: str) -> "UserCode":
        """Within, what the user's code raises is one line."""
        return UserCode(None if self.workload.ships else self.file, self.line, doing)

    def threads(self) -> AbstractContextManager[None]:
        """Within, as many threads compute as the task asks for."""
        return torch_threads(self.task.threads) if self.task.threads else nullcontext()

    def build(self, seed: int) -> nn.Module:
        """The network; torch's global generator is left as it was.

        Raises:
            AxdseError: it cannot be made, or is none.
        """
        with torch.random.fork_rng(devices=[]), self.guarded("model"), self.threads():
            torch.manual_seed(seed)
            model = self.task.model(seed)
            # One that the factory keeps would go on from where the last training left it.
            model = copy.deepcopy(model)
        if not isinstance(model, nn.Module):
            raise self.refusal("model returns an nn.Module", type(model).__name__)
        if any(each.is_meta for each in model.parameters()):
            raise self.refusal("a network has weights", "some are on the device meta")
        return model

    @functools.cached_property
    def splits(self) -> Splits[Examples]:
        """The examples.

        Raises:
            AxdseError: they cannot be had, are none, or have labels out of range.
        """
        with self.guarded("splits"), self.threads():
            given = self.task.splits()
            require("splits returns Splits", isinstance(given, Splits), given)
            names = ("train", "validation", "test")
            # Lengths and types of what is given are code of the user's too.
            parts = {name: as_examples(getattr(given, name), name) for name in names}
            for name, part in parts.items():
                if self.task.classes:
                    check_labels(_first_targets(name, part), self.task.classes, name)
        return Splits(**parts)

    def refusal(self, rule: str, value: str) -> AxdseError:
        """The error of a task that is not what it must be."""
        return AxdseError(rule, f"{self.file}: {value}", TEMPLATE)


def _first_targets(name: str, part: Examples) -> Tensor:
    """Those that are in memory, else the first few of what is not looked at until it is late."""
    if isinstance(part, Arrays):
        return part.targets
    if name == "train":  # each batch is, before it is trained on
        return torch.zeros(1)
    return next(
        (targets for _, targets in part.batches(min(LOOKED_AT, len(part)))), torch.zeros(1)
    )


class UserCode:
    """A context manager: an exception of the user's code becomes one line that says where.

    Anything may be raised there, KeyboardInterrupt too; errors of axdse, failures of the machine
    and signals stay what they are, and so does whatever comes of axdse's own code. What is printed
    there goes to stderr, as stdout may have to be JSON. A working folder that it changes to is its
    own: relative paths of a command stay where they were.

    Args:
        file: of the user's factory; None: the factory is one of axdse, and nothing is changed.
        line: of the factory in it.
        doing: the part of the task, for what has no line of the user's: a `loss` of torch, say.
    """

    _folder: Path | None = None  # that user code changed to, in this process

    def __init__(self, file: Path | None, line: int, doing: str) -> None:
        self.file, self.line, self.doing = file, line, doing
        self._printing = redirect_stdout(sys.stderr) if file else nullcontext()

    def __enter__(self) -> None:
        self._printing.__enter__()
        if self.file:
            self._ours = _working_folder()
            _change_to(UserCode._folder)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._printing.__exit__(kind, error, trace)
        if not self.file:
            return
        theirs = _working_folder()
        UserCode._folder = None if theirs == self._ours else theirs
        _change_to(self._ours)
        # sys.exit() there would end the command as if all were well.
        if error is None or asked_to_end(error) or isinstance(error, MachineError):
            return
        if isinstance(error, OSError | MemoryError) and machine_failure(error):
            return
        place = _place(error) or f"{self.file}, line {self.line}, in {self.doing}"
        if isinstance(error, AxdseError):
            raise AxdseError(error.rule, f"{place}: {error.value}", error.remedy) from error
        text = f"{place}: {type(error).__name__}: {error}"
        remedy = "correct it; --debug shows the traceback"
        raise AxdseError("the code of a workload must run", text, remedy) from error


def _working_folder() -> Path | None:
    try:
        return Path.cwd()
    except FileNotFoundError:  # it was removed
        return None


def _change_to(folder: Path | None) -> None:
    with suppress(OSError):
        os.chdir(folder or ".")


def _place(error: BaseException) -> str:
    """File, line and function of the user's, the innermost; empty if there are none."""
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        code, module = frame.f_code, str(frame.f_globals.get("__name__"))
        if module.split(".")[0] != "axdse" and not _is_library(code.co_filename):
            return f"{code.co_filename}, line {line}, in {code.co_name}"
    return ""


def _is_library(filename: str) -> bool:
    paths = sysconfig.get_paths()
    return filename.startswith("<") or any(
        filename.startswith(paths[each]) for each in ("stdlib", "platstdlib", "purelib", "platlib")
    )


@functools.lru_cache(8)
def make(workload: Workload) -> Made:
    """Call the factory of a workload, once in a process.

    Raises:
        AxdseError: there is none, it takes no such argument, fails, or returns no `Task`.
    """
    module_name, _, name = workload.factory.partition(":")
    module = _imported(module_name)
    factory = getattr(module, name, None)
    file = Path(getattr(module, "__file__", None) or module_name)
    if not callable(factory):
        own = [key for key, value in vars(module).items() if inspect.isfunction(value)]
        raise AxdseError(
            "a workload is a function", f"{file} has no {name}", did_you_mean(name, own)
        )
    if not file.is_file():
        rule = "a workload is a function of a module that has a file"
        raise AxdseError(rule, f"{module_name} has none", TEMPLATE)
    source = file.read_bytes()
    line = getattr(getattr(factory, "__code__", None), "co_firstlineno", 1)
    check_arguments(workload, factory)
    with UserCode(None if workload.ships else file, line, name):
        task = factory(**dict(workload.arguments))
    if not isinstance(task, Task):
        rule = "the factory of a workload returns a Task"
        value = f"{file}, line {line}, in {name}: {type(task).__name__}"
        raise AxdseError(rule, value, TEMPLATE)
    return Made(workload, task, file, source, line)


def _imported(name: str) -> ModuleType:
    # As `python -m` does: the modules of the working folder are found, and those beside them.
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    top = name.partition(".")[0]
    try:
        found = importlib.util.find_spec(top)
    except ValueError:  # __main__, and modules made by hand
        found = None
    if found is None:
        rule = "the module of a workload can be imported"
        raise AxdseError(rule, f"{name}: not in {here}", "work in its folder, or install it")
    file = Path(found.origin) if found.origin else None
    with UserCode(None if top == "axdse" else file or Path(name), 1, "import"):
        return importlib.import_module(name)
