"""What does the picture of a front show? One mark a design."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from axdse.dse.report.summary import Finalist, interval95, short_format
from axdse.dse.run.evaluation import Baseline, Evaluation
from axdse.multipliers.formats import parse_format

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
        label: spec of the multiplier.
        format: short name of its number format.
        role: "front" and "finalist" are approximate designs retrained with several seeds,
            "exact" is an exact one, "trial" any other, trained once.
        area_um2: unit area.
        delay_ns: unit delay.
        accuracy: a fraction; mean on the test images, for a trial on the validation images.
        interval: half width of its 95 % interval; 0 for a single run.
        on_front: not dominated.
    """

    label: str
    format: str
    role: Role
    area_um2: float
    delay_ns: float
    accuracy: float
    interval: float
    on_front: bool


@dataclass(frozen=True)
class Band:
    """A baseline: mean accuracy as a fraction and half width of its 95 % interval."""

    name: str
    accuracy: float
    interval: float


def marks(evaluations: Sequence[Evaluation], finalists: Sequence[Finalist]) -> list[Mark]:
    """What the picture shows: finalists, and the other trials that were trained."""
    retrained = {(f.spec, f.format) for f in finalists}
    trained = (e for e in evaluations if e.status in ("complete", "dominated"))
    others = [mark for e in trained if (mark := _trial_mark(e))]
    own = [_finalist_mark(finalist) for finalist in finalists]
    return own + [m for m in others if (m.label, m.format) not in retrained]


def _finalist_mark(finalist: Finalist) -> Mark:
    role: Role = "front" if finalist.point.on_front else "finalist"
    test = finalist.test
    return Mark(
        label=finalist.spec,
        format=finalist.format,
        role="exact" if finalist.exact else role,
        area_um2=finalist.cost.area_um2,
        delay_ns=finalist.cost.delay_ns,
        accuracy=test.mean,
        interval=0.0 if math.isnan(test.half) else test.half,
        on_front=finalist.point.on_front,
    )


def _trial_mark(evaluation: Evaluation) -> Mark | None:
    accuracy, cost = evaluation.validation_accuracy, evaluation.cost
    if accuracy is None or cost is None or math.isnan(accuracy):
        return None
    form = short_format(parse_format(evaluation.format))
    spec, area, delay = evaluation.multiplier, cost.area_um2, cost.delay_ns
    return Mark(spec, form, "trial", area, delay, accuracy, 0.0, False)


def band_of(baseline: Baseline) -> Band:
    """The band of a baseline's test accuracy."""
    test = interval95(baseline.test_estimate)
    half = 0.0 if math.isnan(test.half) else test.half
    return Band(f"{title_of(baseline)} baseline", test.mean, half)


def title_of(baseline: Baseline) -> str:
    """Its name as people write it."""
    return "FP32" if baseline.name == "fp32" else baseline.name


def staircase(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Corners of the staircase "best accuracy for at most this cost"."""
    corners: list[tuple[float, float]] = []
    for x, accuracy in sorted(points):
        best = corners[-1][1] if corners else accuracy
        corners += [(x, best), (x, max(best, accuracy))]
    return corners
