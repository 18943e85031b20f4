"""How did a search and its trainings go? Charts over trainings spent, and over epochs."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from axdse.dse.report.pictures.chart import (
    Chart,
    Key,
    Line,
    Point,
    Scale,
    Size,
    Spot,
    frame_of,
    shape,
    spread,
)
from axdse.dse.run.config import SearchConfig
from axdse.dse.run.evaluation import Evaluation
from axdse.dse.run.hypervolume import hypervolume
from axdse.dse.run.intervals import estimate, interval95
from axdse.dse.run.objectives import Losses, Measured, losses
from axdse.dse.training.records import Goal, History


@dataclass(frozen=True)
class Course:
    """How the front of a search grew.

    Attributes:
        trainings: that were spent, ascending.
        shares: of the final hypervolume after each of them, 0..1.
    """

    trainings: tuple[int, ...]
    shares: tuple[float, ...]

    def reached(self, share: float) -> int:
        """Trainings after which so much was found."""
        pairs = zip(self.trainings, self.shares, strict=True)
        return next(spent for spent, found in pairs if found >= share)


def course_of(config: SearchConfig, evaluations: Sequence[Evaluation]) -> Course | None:
    """Hypervolume of all objectives over trainings spent, in the order of trials; None: no front.

    The reference is the worst value of each objective among trials that count: those trained to
    the end that lose no more than `largest_loss` against the best of them.
    """
    trained = [e for e in evaluations if e.history]
    found = [_losses(config, e) for e in trained]
    own = [int(e.equal is None) for e in trained]  # the others share a training, and cost none
    reference = reference_of(config, [f for f in found if f])
    if reference is None:
        return None
    volumes, front = [], []
    for each in found:
        front += [each] if each else []
        volumes.append(hypervolume(front, reference))
    if not volumes or not volumes[-1]:
        return None
    shares = tuple(volume / volumes[-1] for volume in volumes)
    return Course(tuple(itertools.accumulate(own)), shares)


def reference_of(config: SearchConfig, found: Sequence[Losses]) -> Losses | None:
    """A little beyond the worst of what is of use; None: there is nothing."""
    if not found:
        return None
    place = [objective.level for objective in config.objectives].index("network")
    least = min(each[place] for each in found) + config.largest_loss
    useful = [each for each in found if each[place] <= least]
    ends = [max(values) for values in zip(*useful, strict=True)]
    rooms = [0.01 * (max(v) - min(v)) or 0.01 * abs(max(v)) for v in zip(*useful, strict=True)]
    return tuple(end + room for end, room in zip(ends, rooms, strict=True))


def _losses(config: SearchConfig, evaluation: Evaluation) -> Losses | None:
    score, cost = evaluation.validation_score, evaluation.cost
    if evaluation.status != "complete" or score is None or cost is None:
        return None
    found = losses(config.objectives, Measured(score, cost))
    return found if all(map(math.isfinite, found)) else None


def course_chart(courses: Sequence[tuple[str, Course]], size: Size) -> Chart:
    """Draw how much of its final hypervolume each run had found."""
    width, height, frame = frame_of(size)
    height, frame = height * 0.62, (*frame[:3], frame[3] - height * 0.38)
    left, top, right, bottom = frame
    most = max(course.trainings[-1] for _, course in courses)
    across, up = Scale(0, most + 0.5, left, right), Scale(0, 1.05, bottom, top)
    lines, keys = [], []
    for i, (name, course) in enumerate(courses):
        points: list[Point] = [(across.at(0), up.at(0))]
        for spent, share in zip(course.trainings, course.shares, strict=True):
            points += [(across.at(spent), points[-1][1]), (across.at(spent), up.at(share))]
        lines.append(Line(tuple(points), f"series{i}", name))
        keys.append(Key(f"series{i}", name))
    percent = Scale(0, 105, bottom, top).ticks(5)
    return Chart(
        *(width, height, frame),
        "hypervolume over trainings",
        ("trainings spent", "hypervolume, % of final"),
        across.ticks(10 if size == "wide" else 5),
        percent,
        lines=tuple(lines),
        keys=tuple(keys) if len(courses) > 1 else (),
    )


@dataclass(frozen=True)
class Series:
    """Trainings of one design with several seeds."""

    name: str
    histories: tuple[History, ...]

    @property
    def band(self) -> tuple[tuple[int, float, float, float], ...]:
        """Epoch, mean score on the validation split, and its 95 % interval, over the seeds."""
        rows = []
        for epochs in zip(*(history.epochs for history in self.histories), strict=False):
            interval = interval95(estimate(tuple(each.validation_score for each in epochs)))
            half = 0.0 if math.isnan(interval.half) else interval.half
            if math.isfinite(interval.mean):
                row = (epochs[0].epoch, interval.mean, interval.mean - half, interval.mean + half)
                rows.append(row)
        return tuple(rows)


def training_chart(series: Sequence[Series], goal: Goal, size: Size) -> Chart:
    """Draw the validation score over epochs: means with their 95 % intervals."""
    width, height, frame = frame_of(size)
    left, top, right, bottom = frame
    bands = [(each.name, each.band) for each in series]
    epochs = [row[0] for _, band in bands for row in band]
    # The first epochs are far below; what matters is how the last ones part.
    scores = [y for _, band in bands for row in band[len(band) // 3 :] for y in row[1:]]
    low, high = spread(scores)
    up = Scale(goal.shown(low), goal.shown(high), bottom, top)
    across = Scale(min(epochs), max(max(epochs), min(epochs) + 1), left, right)

    def y(score: float) -> float:
        return up.at(goal.shown(min(max(score, low), high)))

    areas, lines, keys = [], [], []
    for i, (name, band) in enumerate(bands):
        over = [(across.at(row[0]), y(row[3])) for row in band]
        under = [(across.at(row[0]), y(row[2])) for row in reversed(band)]
        areas.append(Line((*over, *under), f"series{i}"))
        lines.append(Line(tuple((across.at(r[0]), y(r[1])) for r in band), f"series{i}", name))
        keys.append(Key(f"series{i}", name))
    return Chart(
        *(width, height, frame),
        f"validation {goal.name} over epochs",
        ("epoch", f"validation {goal.name} ({goal.symbol})"),
        across.ticks(10 if size == "wide" else 5),
        up.ticks(7),
        tuple(areas),
        tuple(lines),
        keys=tuple(keys),
    )


def expected_trials(evaluations: Sequence[Evaluation]) -> tuple[Evaluation, ...]:
    """Trials that were trained to the end after a score was expected of them."""
    known = (e for e in evaluations if e.expected is not None and e.equal is None)
    trained = (e for e in known if e.trained and e.validation_score is not None)
    return tuple(e for e in trained if math.isfinite(e.validation_score or math.nan))


def prediction_chart(trials: Sequence[Evaluation], goal: Goal, size: Size) -> Chart:
    """Draw scores against those that were expected; on the line they are alike."""
    width, height, frame = frame_of(size)
    left, top, right, bottom = frame
    pairs = [(trial.expected or 0.0, trial.validation_score or 0.0) for trial in trials]
    low, high = map(goal.shown, spread(score for pair in pairs for score in pair))
    across, up = Scale(low, high, left, right), Scale(low, high, bottom, top)
    spots = tuple(
        Spot(
            *(across.at(goal.shown(expected)), up.at(goal.shown(measured)), shape(0), "front"),
            (trial.design, f"expected {goal.text(expected)}", f"measured {goal.text(measured)}"),
            f"#trial-{trial.number}",
        )
        for trial, (expected, measured) in zip(trials, pairs, strict=True)
    )
    return Chart(
        *(width, height, frame),
        f"measured {goal.name} against what was expected",
        (f"expected {goal.name} ({goal.symbol})", f"validation {goal.name} ({goal.symbol})"),
        across.ticks(8 if size == "wide" else 4),
        up.ticks(7),
        lines=(Line(((left, bottom), (right, top)), "diagonal", "as expected"),),
        spots=spots,
    )
