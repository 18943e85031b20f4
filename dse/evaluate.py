"""The pipeline for one candidate: verify, tabulate, cost, train."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from axdse.dse.config import Objective, SearchConfig
from axdse.dse.evaluation import Evaluation, Status
from axdse.dse.pareto import Losses, losses, no_worse
from axdse.dse.train import Epoch, History, train
from axdse.dse.workloads import Workload, find_workload
from axdse.flows.cost.cost import unit_cost
from axdse.flows.cost.record import Cost
from axdse.flows.power.activity_file import Source
from axdse.flows.power.activity_source import Uniform
from axdse.flows.power.recorded_source import Recorded
from axdse.flows.verify.check import check
from axdse.flows.verify.report import RtlReport
from axdse.gpu.layers.assignment import Assignment
from axdse.multipliers.candidate import Candidate
from axdse.multipliers.operands import Recording
from axdse.multipliers.recording_file import load_recording


@dataclass(frozen=True)
class Hurdle:
    """What a candidate of a known cost must clear to be worth its training.

    Attributes:
        rival: the most accurate design so far that costs no more; empty if there is none.
        accuracy: the rival's, 0..1; 0 if there is none.
        ceiling: the best accuracy that can be hoped for, the baselines'.
        floor: accuracy below which a design is of no use at any cost.
        resolution: accuracy difference that one training cannot resolve.
        remaining_gains: per epoch, the most that any training of this run still gained after it.
    """

    rival: str
    accuracy: float
    ceiling: float
    floor: float
    resolution: float
    remaining_gains: tuple[float, ...]

    @property
    def unreachable(self) -> bool:
        """Whether even the ceiling would not stand out from the rival."""
        return bool(self.rival) and self.accuracy >= self.ceiling - self.resolution

    @property
    def reason(self) -> str:
        """Why a candidate is not trained, or no further."""
        if self.accuracy >= self.floor:
            return f"{self.rival} costs no more and reaches {self.accuracy:.4f}"
        return f"less than {self.floor:.4f} is of no use"

    def in_sight(self, epoch: Epoch) -> bool:
        """Whether a training may still get over it, with the largest remaining gain.

        One resolution is added, to be conservative: accuracy in mid-training is noisy.
        """
        gain = self.remaining_gains[epoch.epoch - 1] + self.resolution
        return epoch.validation_accuracy + gain >= max(self.accuracy, self.floor)


@dataclass(frozen=True)
class Rival:
    """A design that was trained to the end.

    Attributes:
        name: for people.
        accuracy: 0..1.
        cost: its losses but for accuracy, as `costs_of` gives them.
    """

    name: str
    accuracy: float
    cost: Losses


@dataclass(frozen=True)
class Standing:
    """What a search knew when it drew a trial: all that the trial's hurdle depends on.

    Attributes:
        rivals: by trial number.
        objectives: of the search.
        ceiling: as in `Hurdle`, and the following likewise.
    """

    rivals: tuple[Rival, ...]
    objectives: tuple[Objective, ...]
    ceiling: float
    floor: float
    resolution: float
    remaining_gains: tuple[float, ...]

    def hurdle_at(self, cost: Cost) -> Hurdle:
        """The best rival that costs no more, and how much a training may still gain."""
        mine = costs_of(self.objectives, cost)
        cheaper = [rival for rival in self.rivals if no_worse(rival.cost, mine)]
        best = max(cheaper, key=lambda rival: rival.accuracy, default=None)
        return Hurdle(
            rival=best.name if best else "",
            accuracy=best.accuracy if best else 0.0,
            ceiling=self.ceiling,
            floor=self.floor,
            resolution=self.resolution,
            remaining_gains=self.remaining_gains,
        )


def costs_of(objectives: tuple[Objective, ...], cost: Cost) -> Losses:
    """The losses of a design whose accuracy is not known, as if it were perfect."""
    return losses(objectives, 1.0, cost)


def evaluate(
    number: int,
    candidate: Candidate,
    config: SearchConfig,
    activity: Source,
    hurdle_at: Callable[[Cost], Hurdle],
) -> Evaluation:
    """Learn what a search needs to know of one candidate, and stop as soon as it is known.

    Args:
        number: of the trial.
        candidate: what to evaluate.
        config: of the search.
        activity: the operands that give its energy.
        hurdle_at: what a candidate of that cost must clear.

    Raises:
        AxdseError: a tool fails, or the design cannot serve its format.
    """
    spec, number_format = candidate.multiplier.spec, candidate.format.name
    result = functools.partial(Evaluation, number, spec, number_format)

    certificate = check(candidate.multiplier)
    if not certificate.passed:
        return result("failed", _counter_example(certificate), certificate)
    assignment = Assignment.uniform(candidate)
    cost = unit_cost(candidate, config.library, activity, config.clock_ns)
    if not cost.feasible:
        reason = f"{cost.delay_ns:.3f} ns misses the clock of {cost.clock_ns:g} ns"
        return result("infeasible", reason, certificate, cost)
    hurdle = hurdle_at(cost)
    if hurdle.unreachable:
        return result("dominated", hurdle.reason, certificate, cost)
    history = train(
        workload_of(config),
        assignment,
        config.training,
        config.seed,
        hurdle.in_sight,
    ).history
    status, reason = _verdict(history, hurdle)
    return result(status, reason, certificate, cost, history)


def workload_of(config: SearchConfig) -> Workload:
    """The network and the images of a configuration."""
    return find_workload(config.workload).on(config.dataset)


def _counter_example(certificate: RtlReport) -> str:
    first = certificate.examples[0]
    return (
        f"RTL is not the C model: a={first.a} b={first.b} expected {first.expected}, "
        f"got 0x{first.got} ({certificate.mismatches} of {certificate.vectors} differ)"
    )


def _verdict(history: History, hurdle: Hurdle) -> tuple[Status, str]:
    epochs = len(history.epochs)
    if history.status == "stopped":
        return "dominated", f"stopped after epoch {epochs}: {hurdle.reason}"
    if history.status == "nan":
        return "diverged", f"NaN in epoch {epochs}"
    return "complete", ""


@dataclass(frozen=True)
class Trial:
    """The job of evaluating one candidate."""

    number: int
    candidate: Candidate
    config: SearchConfig
    operands: Path
    standing: Standing

    def run(self) -> Evaluation:
        """Evaluate in a worker."""
        activity = activity_of(self.config, self.operands)
        hurdle_at = self.standing.hurdle_at
        return evaluate(self.number, self.candidate, self.config, activity, hurdle_at)


def activity_of(config: SearchConfig, operands: Path) -> Source:
    """The operands that give the energies of a run, which the recording `operands` holds."""
    if config.activity == "uniform":
        return Uniform()
    return Recorded(recording_of(operands), operands.name, config.dataflow)


@functools.lru_cache(1)
def recording_of(operands: Path) -> Recording:
    """The recording of a run, read once in a process."""
    return load_recording(operands)
