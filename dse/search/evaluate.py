"""How good is one design point? Verified, costed, and trained while it may clear its hurdle."""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from axdse.dse.run.config import SearchConfig
from axdse.dse.run.constraints import broken
from axdse.dse.run.evaluation import Baseline, Evaluation, Status
from axdse.dse.run.objectives import Losses, Measured, Objective, losses, no_worse
from axdse.dse.search.replicates import ceiling, floor
from axdse.dse.training.records import Epoch, History
from axdse.dse.training.train import train
from axdse.flows.accelerator.point_macs import whole_macs
from axdse.flows.accelerator.systolic_array import Array
from axdse.flows.cost.point import Demand, PointCost, point_cost
from axdse.flows.evidence.report import RtlReport
from axdse.flows.verify.check import check
from axdse.gpu.multiplication.handles import handle
from axdse.multipliers.designs.design_point import DesignPoint
from axdse.multipliers.operands.recording import Recording
from axdse.multipliers.operands.recording_file import load_recording


@dataclass(frozen=True)
class Hurdle:
    """What a candidate of a known cost must clear to be worth its training.

    Attributes:
        rival: the best scored design so far that costs no more; empty if there is none.
        score: the rival's, higher is better; -inf if there is none.
        ceiling: the best score that can be hoped for, the baselines'.
        floor: score below which a design is of no use at any cost.
        resolution: difference of scores that one training cannot resolve.
        remaining_gains: per epoch, the most that any training of this run still gained after it.
    """

    rival: str
    score: float
    ceiling: float
    floor: float
    resolution: float
    remaining_gains: tuple[float, ...]

    @property
    def unreachable(self) -> bool:
        """Whether even the ceiling would not stand out from the rival."""
        return bool(self.rival) and self.score >= self.ceiling - self.resolution

    @property
    def reason(self) -> str:
        """Why a candidate is not trained, or no further."""
        if self.score >= self.floor:
            return f"{self.rival} costs no more and reaches {self.score:.4f}"
        return self.limit

    @property
    def limit(self) -> str:
        """What makes a design useless."""
        return f"less than {self.floor:.4f} is of no use"

    def in_sight(self, epoch: Epoch) -> bool:
        """Whether a training may still get over it, with the largest remaining gain.

        One resolution is added, to be conservative: scores in mid-training are noisy.
        """
        gain = self.remaining_gains[epoch.epoch - 1] + self.resolution
        return epoch.validation_score + gain >= max(self.score, self.floor)


@dataclass(frozen=True)
class Rival:
    """A design that was trained to the end.

    Attributes:
        name: for people.
        score: after the last epoch, higher is better.
        cost: its losses but for the score, as `costs_of` gives them.
    """

    name: str
    score: float
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

    def hurdle_at(self, cost: PointCost | None) -> Hurdle:
        """The best rival that costs no more, and how much a training may still gain."""
        mine = costs_of(self.objectives, cost)
        cheaper = [rival for rival in self.rivals if no_worse(rival.cost, mine)]
        best = max(cheaper, key=lambda rival: rival.score, default=None)
        return Hurdle(
            rival=best.name if best else "",
            score=best.score if best else -math.inf,
            ceiling=self.ceiling,
            floor=self.floor,
            resolution=self.resolution,
            remaining_gains=self.remaining_gains,
        )


class Standings:
    """What a search knows, as trials are told: only rivals that some candidate has to beat.

    Args:
        config: of the search.
        baselines: whose trainings tell how much one may still gain.
    """

    def __init__(self, config: SearchConfig, baselines: Sequence[Baseline]) -> None:
        self._config = config
        self._ceiling, self._floor = ceiling(baselines), floor(config, baselines)
        self._rivals: list[Rival] = []
        self._gains: tuple[float, ...] | None = None
        for baseline in baselines:
            for history in baseline.histories:
                self._gain(history)

    def add(self, evaluation: Evaluation) -> None:
        """Take a trial into account."""
        if not evaluation.trained:
            return
        if evaluation.history:
            self._gain(evaluation.history)
        if evaluation.cost:  # without costs nobody rules out another: scores are what is asked
            name = f"trial {evaluation.number} ({evaluation.design})"
            costs = costs_of(self._config.objectives, evaluation.cost)
            self._meet(Rival(name, score_of(evaluation), costs))

    def now(self) -> Standing:
        """All that is known."""
        return Standing(
            rivals=tuple(self._rivals),
            objectives=self._config.objectives,
            ceiling=self._ceiling,
            floor=self._floor,
            resolution=self._config.resolution,
            remaining_gains=self._gains or (math.inf,) * self._config.training.epochs,
        )

    def _meet(self, rival: Rival) -> None:
        """Keep one unless another that costs no more is as good; it may end some itself."""
        if any(r.score >= rival.score and no_worse(r.cost, rival.cost) for r in self._rivals):
            return

        def is_beaten(other: Rival) -> bool:
            return rival.score > other.score and no_worse(rival.cost, other.cost)

        self._rivals = [*(r for r in self._rivals if not is_beaten(r)), rival]

    def _gain(self, history: History) -> None:
        """Per epoch, the most that a finished training gained from there to its end."""
        if len(history.epochs) != self._config.training.epochs:
            return
        own = tuple(history.validation_score - e.validation_score for e in history.epochs)
        self._gains = tuple(map(max, own, self._gains or own))


def score_of(evaluation: Evaluation) -> float:
    """Of a training to its end; -inf: there is none, or it diverged."""
    score = evaluation.validation_score
    return -math.inf if score is None or math.isnan(score) else score


def costs_of(objectives: tuple[Objective, ...], cost: PointCost | None) -> Losses:
    """The losses of a design whose score is not known, as if it were perfect."""
    return losses(objectives, Measured(1.0, cost))


def evaluate(
    number: int,
    point: DesignPoint,
    config: SearchConfig,
    demand: Demand,
    hurdle_at: Callable[[PointCost | None], Hurdle],
    equal: Evaluation | None = None,
) -> Evaluation:
    """Learn what a search needs to know of one design point, and stop as soon as it is known.

    Args:
        number: of the trial.
        point: what to evaluate.
        config: of the search.
        demand: the products of the network, whose operands give the energy.
        hurdle_at: what a point of that cost must clear; without costs, any point.
        equal: a point that computes alike, and was trained: this one is not.

    Raises:
        AxdseError: a tool fails, a core cannot serve its format, or the point does not fit the
            network.
    """
    result = functools.partial(Evaluation, number, point)
    certificates: tuple[RtlReport, ...] = ()
    for portion in demand.portions(point):
        if config.costed:
            certificates += (check(portion.mac.multiplier),)
            if not certificates[-1].passed:
                return result("failed", _counter_example(certificates[-1]), certificates)
        handle(portion.mac.candidate)  # refuses at once what cannot serve its format
    cost = cost_of(point, config, demand) if config.costed else None
    if cost and (reason := _not_allowed(cost, config)):
        return result("infeasible", reason, certificates, cost)
    hurdle = hurdle_at(cost)
    if hurdle.unreachable:
        return result("dominated", hurdle.reason, certificates, cost)
    if equal:
        assert equal.history
        found = result(*_verdict(equal.history, hurdle), certificates, cost, equal.history)
        return replace(found, equal=equal.number)
    history = train(
        config.own_workload,
        point,
        config.training,
        config.seed,
        hurdle.in_sight,
        device=torch.device(config.device),
    ).history
    status, reason = _verdict(history, hurdle)
    return result(status, reason, certificates, cost, history)


def _not_allowed(cost: PointCost, config: SearchConfig) -> str:
    """Why a point of that cost is not trained; empty: it may be."""
    if not cost.feasible:
        return f"{cost.delay_ns:.3f} ns misses the clock of {cost.clock_ns:g} ns"
    measured = Measured(1.0, cost)
    constraint = broken(config.constraints, measured)
    return constraint.refusal(measured) if constraint else ""


def cost_of(point: DesignPoint, config: SearchConfig, demand: Demand) -> PointCost:
    """The cost of a point's units, and of its whole MACs if an objective is of them.

    Raises:
        AxdseError: as `point_cost` and `whole_macs`.
    """
    basis = config.library, config.clock_ns
    cost = point_cost(point, demand, *basis, config.aim)
    if not needs_macs(config):
        return cost
    levels = {objective.level for objective in config.figures}
    array = Array(dataflow=demand.dataflow) if "array" in levels else None
    macs = whole_macs(point, demand, *basis, array=array, aim=config.aim)
    return replace(cost, whole=macs)


def needs_macs(config: SearchConfig) -> bool:
    """Whether an objective is of whole MACs, or of an array of them."""
    return any(objective.level in ("mac", "array") for objective in config.figures)


def _counter_example(certificate: RtlReport) -> str:
    first = certificate.examples[0]
    return (
        f"RTL is not the C model: a={first.a} b={first.b} expected {first.expected}, "
        f"got 0x{first.got} ({certificate.mismatches} of {certificate.vectors} differ)"
    )


def _verdict(history: History, hurdle: Hurdle) -> tuple[Status, str]:
    epochs = len(history.epochs)
    if history.status == "stopped":
        status: Status = "dominated" if hurdle.score >= hurdle.floor else "useless"
        return status, f"stopped after epoch {epochs}: {hurdle.reason}"
    if history.status == "nan":
        return "diverged", f"NaN in epoch {epochs}"
    if history.validation_score < hurdle.floor:
        return "useless", f"{history.validation_score:.4f}: {hurdle.limit}"
    return "complete", ""


@dataclass(frozen=True)
class Trial:
    """The job of evaluating one design point.

    Attributes:
        number: of the trial.
        point: to evaluate.
        config: of the search.
        operands: what the network met.
        standing: what was known when it was drawn.
        expected: as in `Evaluation`.
        equal: as `evaluate` takes it.
    """

    number: int
    point: DesignPoint
    config: SearchConfig
    operands: Path
    standing: Standing
    expected: float | None = None
    equal: Evaluation | None = None

    def run(self) -> Evaluation:
        """Evaluate in a worker."""
        demand, hurdle_at = demand_of(self.config, self.operands), self.standing.hurdle_at
        found = evaluate(self.number, self.point, self.config, demand, hurdle_at, self.equal)
        return replace(found, expected=self.expected)


def demand_of(config: SearchConfig, operands: Path) -> Demand:
    """The products of a run's network, which the recording `operands` holds."""
    recorded = config.activity == "recorded"
    return Demand(recording_of(operands), operands.name, config.dataflow, recorded)


def recording_of(operands: Path) -> Recording:
    """The recording of a run, read once in a process, or again when the file is another."""
    path = operands.resolve()
    status = path.stat() if path.is_file() else None
    return _recording(path, (status.st_mtime_ns, status.st_size) if status else None)


@functools.lru_cache(1)
def _recording(path: Path, written: tuple[int, int] | None) -> Recording:
    del written  # a file with another time or size is another recording
    return load_recording(path)
