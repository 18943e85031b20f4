"""What does the picture of a front show? One mark a design."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from axdse.dse.report.summary import Finalist, interval95, names_of
from axdse.dse.run.evaluation import Baseline, Evaluation
from axdse.dse.run.objectives import Measured, Objective

# Okabe and Ito's palette: distinct for every common colour vision.
BLUE, VERMILION, GREEN, SKY = "#0072B2", "#D55E00", "#009E73", "#56B4E9"
INK, GREY, FAINT = "#1f2328", "#6e7781", "#b4bac1"

Role = Literal["front", "finalist", "exact", "trial"]
COLOURS: dict[Role, str] = {"front": BLUE, "finalist": SKY, "exact": VERMILION, "trial": FAINT}
MEANINGS: dict[Role, str] = {
    "front": "approximate, on the front",
    "finalist": "approximate, off the front",
    "exact": "exact core (hollow: off the front)",
    "trial": "other trials: validation, one run",
}


@dataclass(frozen=True)
class Mark:
    """One design in the front picture.

    Attributes:
        label: spec of the multiplier, or of several.
        format: short name of its number format, or of several.
        role: "front" and "finalist" are approximate designs retrained with several seeds,
            "exact" is an exact one, "trial" any other, trained once.
        costs: its values of the objectives that are drawn, in their order.
        score: a fraction; mean on the test images, for a trial on the validation images.
        interval: half width of its 95 % interval; 0 for a single run.
        on_front: not dominated.
    """

    label: str
    format: str
    role: Role
    costs: tuple[float, ...]
    score: float
    interval: float
    on_front: bool


@dataclass(frozen=True)
class Band:
    """A baseline: mean score and half width of its 95 % interval."""

    name: str
    score: float
    interval: float


def marks(
    evaluations: Sequence[Evaluation],
    finalists: Sequence[Finalist],
    objectives: Sequence[Objective],
) -> list[Mark]:
    """What the picture shows: finalists, and the other trials that were trained."""
    retrained = {finalist.design for finalist in finalists}
    trained = (e for e in evaluations if e.status in ("complete", "dominated"))
    others = (_trial_mark(e, objectives) for e in trained if e.point not in retrained)
    own = [_finalist_mark(finalist, objectives) for finalist in finalists]
    return own + [mark for mark in others if mark]


def _finalist_mark(finalist: Finalist, objectives: Sequence[Objective]) -> Mark:
    role: Role = "front" if finalist.point.on_front else "finalist"
    names, test = names_of(finalist.design), finalist.test
    return Mark(
        label=names.label,
        format=names.formats,
        role="exact" if finalist.exact else role,
        costs=tuple(map(finalist.measured, objectives)),
        score=test.mean,
        interval=0.0 if math.isnan(test.half) else test.half,
        on_front=finalist.point.on_front,
    )


def _trial_mark(evaluation: Evaluation, objectives: Sequence[Objective]) -> Mark | None:
    score, cost = evaluation.validation_score, evaluation.cost
    if score is None or cost is None or math.isnan(score):
        return None
    names, measured = names_of(evaluation.point), Measured(score, cost)
    costs = tuple(objective.of(measured) for objective in objectives)
    return Mark(names.label, names.formats, "trial", costs, score, 0.0, False)


def band_of(baseline: Baseline) -> Band:
    """The band of a baseline's test score."""
    test = interval95(baseline.test_estimate)
    half = 0.0 if math.isnan(test.half) else test.half
    return Band(f"{title_of(baseline)} baseline", test.mean, half)


def title_of(baseline: Baseline) -> str:
    """Its name as people write it."""
    return "FP32" if baseline.name == "fp32" else baseline.name


def staircase(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Corners of the staircase "best score for at most this cost"."""
    corners: list[tuple[float, float]] = []
    for x, score in sorted(points):
        best = corners[-1][1] if corners else score
        corners += [(x, best), (x, max(best, score))]
    return corners
