"""How well does a trained network do with approximate products? As it is, or tuned a little."""

import dataclasses
import io
import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from axdse.dse.training.examples import Batch, Examples
from axdse.dse.training.records import UNLOADABLE, Epoch
from axdse.dse.training.task import Made, make
from axdse.dse.training.train import CHECKPOINT, CPU, LARGEST_CHECKPOINT, Run, Score, measure
from axdse.dse.training.workloads import Workload, find_workload
from axdse.gpu.layers.assignment import ApproxLayer
from axdse.gpu.layers.calibrate import calibrate
from axdse.gpu.layers.convert import convert
from axdse.multipliers.cache import DamagedError, unseal
from axdse.multipliers.designs.design_point import DesignPoint
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.files import InputFile

NORMAL = 1.959964  # two-sided 95 % quantile: examples are hundreds
FINER = 0.1  # of the learning rate of a training, to tune one
CALIBRATED = 512  # examples
RULE = "a checkpoint is one of 'axdse train', or a state_dict that torch saved"
SplitName = Literal["train", "validation", "test"]


@dataclass(frozen=True, eq=False)
class Pretrained:
    """A trained network.

    Attributes:
        made: its task.
        model: native, with its weights.
    """

    made: Made
    model: nn.Module


@dataclass(frozen=True)
class Inference:
    """What a trained network reaches with one design.

    Attributes:
        design: name of it.
        metric: the task's.
        loss: the task's.
        difference: the metric's, to native FP32.
        half: half width of the 95 % interval of the difference over the examples; NaN where the
            metric is a logarithm, or of one example.
        dynamic: layers whose scales depend on the batch.
    """

    design: str
    metric: float
    loss: float
    difference: float
    half: float
    dynamic: tuple[str, ...] = ()


def pretrained(source: str, workload: Workload | None = None) -> Pretrained:
    """Read a trained network.

    Args:
        source: path of a checkpoint of `axdse train`, or of a state_dict, or of a dict that holds
            one as "model" or "state_dict"; or `package.module:factory`, whose model is trained.
        workload: whose network it is; None: the checkpoint says so.

    Raises:
        AxdseError: it cannot be read, or is another network's.
    """
    path = Path(source)
    if ":" in source and not path.exists():
        made = make(find_workload(source))
        model = made.build(0)
        _check_weights(model, made.file)
        return Pretrained(made, model)
    file = InputFile(path, RULE, LARGEST_CHECKPOINT)
    data = file.read()
    try:
        data = unseal(data, CHECKPOINT)
    except DamagedError as error:
        if workload is None:
            raise file.refusal(
                "no checkpoint of axdse, or damaged; else give --workload"
            ) from error
    try:
        # What torch warns of in a strange file would be a second line.
        with torch.serialization.safe_globals([Epoch]), warnings.catch_warnings(action="ignore"):
            state = torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")
    except UNLOADABLE as error:
        raise file.refusal("no dict of tensors; save model.state_dict()") from error
    named = state.get("workload") if isinstance(state, dict) else None
    if workload is None and not isinstance(named, str):
        raise file.refusal("it names no workload")
    made = make(workload or find_workload(str(named)))
    model = made.build(0)
    _fill(made, model, state, file)
    _check_weights(model, path)
    return Pretrained(made, model)


def _fill(made: Made, model: nn.Module, state: Any, file: InputFile) -> None:
    for key in ("model", "state_dict"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    own = model.state_dict()
    given = state if isinstance(state, dict) else {}
    for name in own.keys() | given.keys():
        mine, theirs = (_kind(each[name]) if name in each else "" for each in (own, given))
        if mine != theirs:
            rule = "a checkpoint has the weights of its network"
            value = f"{file.path}: {name} is {theirs or 'missing'}, not {mine or 'known'}"
            raise AxdseError(rule, value, "choose the workload that it was trained on")
    with made.guarded("load_state_dict"):
        model.load_state_dict(given)


def _check_weights(model: nn.Module, path: Path) -> None:
    """Refuse what diverged; buffers may hold infinities, as masks of attention do."""
    parameters = {name for name, _ in model.named_parameters()}
    for name, each in model.state_dict().items():
        if (
            isinstance(each, Tensor)
            and (each.isfinite() if name in parameters else ~each.isnan()).all()
        ):
            continue
        rule = "weights of a trained network are finite"
        raise AxdseError(rule, f"{path}: {name} is not", "choose one that did not diverge")


def _kind(value: object) -> str:
    """Shape of a tensor, and what keeps it from being copied into another one."""
    if not isinstance(value, Tensor):
        return type(value).__name__
    strange = {
        "sparse": value.layout != torch.strided,
        "meta": value.is_meta,
        "quantised": value.is_quantized,
        "complex": value.is_complex(),
    }
    return " ".join([str(tuple(value.shape)), *(word for word, is_so in strange.items() if is_so)])


def infer(
    network: Pretrained,
    points: tuple[DesignPoint, ...],
    split: SplitName = "validation",
    calibrated: int = CALIBRATED,
    finetune: int = 0,
    seed: int = 0,
    device: torch.device = CPU,
    slopes: int | None = None,
) -> Iterator[Inference]:
    """Measure a network with native FP32, then with each design.

    Args:
        network: trained.
        points: designs.
        split: on which it is measured.
        calibrated: so many training examples fix the scales of activations; 0: each tensor of a
            batch has its own, so that examples see each other.
        finetune: epochs that the network is trained with the design first, at a tenth of the
            learning rate.
        seed: of that training.
        device: where.
        slopes: gradients of that training are the slopes of the forward products, smoothed over so
            many codes on either side; None: each product has the design's gradients.

    Raises:
        AxdseError: a design does not fit the network, or has no slopes; the user's code fails.
    """
    made = network.made
    examples: Examples = getattr(made.splits, split)
    native = _measured(made, network.model.to(device), examples, device)
    yield Inference("fp32", native.metric, native.loss, 0.0, 0.0)
    for point in points:
        model = convert(network.model, point).model
        if finetune:
            _set_slopes(model, slopes)
            _tune(made, model, finetune, seed, device)
        dynamic = _calibrate(made, model, calibrated, device) if calibrated else ()
        found = _measured(made, model, examples, device)
        half = math.nan
        same = found.values.shape == native.values.shape
        if not made.task.metric.log10 and same and len(native.values) > 1:
            apart = found.values - native.values
            half = NORMAL * float(apart.std()) / len(apart) ** 0.5
        difference = found.metric - native.metric
        yield Inference(point.name, found.metric, found.loss, difference, half, dynamic)


def _measured(made: Made, model: nn.Module, examples: Examples, device: torch.device) -> Score:
    return measure(made, model, examples, made.task.settings.evaluation_batch, device)


def _calibrate(
    made: Made, model: nn.Module, examples: int, device: torch.device
) -> tuple[str, ...]:
    sample = _First(made.splits.train, examples)
    return calibrate(model, lambda: _measured(made, model, sample, device))


def _set_slopes(model: nn.Module, half_window: int | None) -> None:
    for layer in model.modules():
        if isinstance(layer, ApproxLayer):
            layer.products = dataclasses.replace(layer.products, half_window=half_window)


def _tune(made: Made, model: nn.Module, epochs: int, seed: int, device: torch.device) -> None:
    settings = made.task.settings
    rate = FINER * settings.learning_rate
    finer = dataclasses.replace(settings, epochs=epochs, learning_rate=rate)
    run = Run(made, model, finer, seed, device)
    for number in range(1, epochs + 1):
        run.epoch(number)


@dataclass(frozen=True, eq=False)
class _First:
    """The first examples of others."""

    examples: Examples
    count: int

    def __len__(self) -> int:
        return min(self.count, len(self.examples))

    def batches(self, size: int, order: Any = None, most: int | None = None) -> Iterator[Batch]:
        """As `Examples.batches`."""
        return self.examples.batches(size, order, min(self.count, most or self.count))
