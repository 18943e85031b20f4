"""What was found? Evaluations, baselines, points of the front."""

from dataclasses import dataclass
from statistics import fmean
from typing import Annotated, Any, Literal

from pydantic import PlainSerializer, PlainValidator, ValidationInfo

from axdse.dse.run.intervals import Estimate, estimate
from axdse.dse.training.records import History
from axdse.flows.accelerator.network import AcceleratorCost
from axdse.flows.cost.point import PointCost
from axdse.flows.evidence.report import RtlReport
from axdse.multipliers.designs.design_point import DesignPoint, parse_design_point


def _read_point(value: Any, info: ValidationInfo) -> DesignPoint:
    """The context of a validation is the catalogue that holds the families."""
    return value if isinstance(value, DesignPoint) else parse_design_point(value, info.context)


# In JSON its canonical text.
Point = Annotated[
    DesignPoint, PlainValidator(_read_point), PlainSerializer(lambda point: point.name)
]
NATIVE = DesignPoint.uniform(None)
Status = Literal["complete", "dominated", "useless", "infeasible", "diverged", "failed"]


@dataclass(frozen=True)
class Evaluation:
    """What a search learned of one design point.

    Attributes:
        number: of the trial.
        point: which MACs multiplied.
        status: "complete" is trained to the end; "dominated" was left untrained, or stopped,
            as it could no longer reach the front; "useless" ended, or would end, beyond the limit
            of its workload; "infeasible" misses the clock; "diverged" met NaN; "failed" raised,
            or its RTL is not its model.
        reason: why it is not simply complete; empty if it is.
        certificates: of each distinct MAC's core, RTL against C model, in the order of `cost`;
            if one is no equality it is the last. Empty if no objective is a cost.
        cost: of the whole units; None: it failed before, or no objective is a cost.
        history: of the training.
        seconds: wall time in its worker.
        expected: score that it was proposed for, before it was trained; None: it was not.
        equal: number of the trial that computed alike, whose training this is; None: its own.
    """

    number: int
    point: Point
    status: Status
    reason: str = ""
    certificates: tuple[RtlReport, ...] = ()
    cost: PointCost | None = None
    history: History | None = None
    seconds: float = 0.0
    expected: float | None = None
    equal: int | None = None

    @property
    def design(self) -> str:
        """Canonical text of the point, such as `drum(n=8,k=4) in int8`."""
        return self.point.name

    @property
    def trained(self) -> bool:
        """Whether it was trained to the end: what it reached tells of others, of use or not."""
        ended = self.history is not None and self.history.status == "finished"
        return ended and self.status in ("complete", "useless")

    @property
    def validation_score(self) -> float | None:
        """Score after the last epoch, higher is better; None if nothing was trained."""
        return self.history.validation_score if self.history else None


@dataclass(frozen=True)
class Replicate:
    """One training of a baseline or a finalist with one seed.

    Attributes:
        point: which MACs multiplied; of a baseline perhaps none.
        seed: of initial weights and data order.
        validation: score after the last epoch, higher is better.
        test: score on the test split.
        history: of the training.
    """

    point: Point
    seed: int
    validation: float
    test: float
    history: History


class _Replicated:
    """What has one score a seed."""

    validation: tuple[float, ...]
    test: tuple[float, ...]

    @property
    def validation_estimate(self) -> Estimate:
        """Mean validation score and its standard error."""
        return estimate(self.validation)

    @property
    def test_estimate(self) -> Estimate:
        """Mean test score and its standard error."""
        return estimate(self.test)


@dataclass(frozen=True)
class Baseline(_Replicated):
    """A network trained without approximation, in the same run and with the same seeds.

    Attributes:
        name: "fp32" (native) or "bf16" (exact core, wide product).
        point: which MACs multiplied; none in native arithmetic.
        seeds: of initial weights and data order.
        validation: score on the validation split, higher is better, one per seed.
        test: score on the test split, one per seed.
        histories: of the trainings, one per seed.
        trial: validation score with the seed of the trials, which they are compared with.
    """

    name: str
    point: Point
    seeds: tuple[int, ...]
    validation: tuple[float, ...]
    test: tuple[float, ...]
    histories: tuple[History, ...]
    trial: float


@dataclass(frozen=True)
class Vetoed:
    """What a finalist did on another workload.

    Attributes:
        workload: its text.
        worse_by: score that it lost against exact bf16 with the same seed; NaN: it diverged.
        within: how much it might.
    """

    workload: str
    worse_by: float
    within: float

    @property
    def passed(self) -> bool:
        """Whether it serves."""
        return self.worse_by <= self.within


@dataclass(frozen=True)
class FrontPoint(_Replicated):
    """A finalist: retrained with fresh seeds, tested, its whole units verified.

    Attributes:
        evaluation: the trial that found it.
        unit_certificates: of each whole unit's RTL against its model, in the order of its cost;
            empty if no objective is a cost.
        on_front: sound, of use, and not dominated, by mean validation score and cost, by another
            such. Exact cores are finalists anyway, for reference; without costs they stand apart.
        seeds: as the baselines', so that differences pair up.
        validation: score on the validation split, higher is better, one per seed.
        test: score on the test split, one per seed.
        histories: of the trainings, one per seed.
        on_array: the network on an array of it; None: the library has no power tables.
        veto: what it did on a second workload; None: there is none.
    """

    evaluation: Evaluation
    unit_certificates: tuple[RtlReport, ...]
    on_front: bool
    seeds: tuple[int, ...]
    validation: tuple[float, ...]
    test: tuple[float, ...]
    histories: tuple[History, ...]
    on_array: AcceleratorCost | None = None
    veto: Vetoed | None = None

    @property
    def certified(self) -> bool:
        """Whether every unit equals its model; of no unit nothing is certified."""
        reports = self.unit_certificates
        return bool(reports) and all(report.passed for report in reports)

    @property
    def sound(self) -> bool:
        """Whether it may be an answer: certified if it is costed, and not refused by a veto."""
        built = self.evaluation.cost is None or self.certified
        return built and (self.veto is None or self.veto.passed)


@dataclass(frozen=True)
class Stopped:
    """A trial that was retrained, and is not on the front.

    Attributes:
        number: of the trial.
        point: which MACs multiplied.
        seeds: the first of those that finalists have: all of them if only the means decided.
        validation: score on the validation split, higher is better, one per seed.
        reason: who beats it, by how much; or why it is of no use.
    """

    number: int
    point: Point
    seeds: tuple[int, ...]
    validation: tuple[float, ...]
    reason: str

    @property
    def mean(self) -> float:
        """Of the scores."""
        return fmean(self.validation)
