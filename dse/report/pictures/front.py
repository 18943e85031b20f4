"""What is a network's score against a cost? The chart of a front."""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from axdse.dse.report.figures import Figure
from axdse.dse.report.pictures.chart import (
    BELOW,
    CHARACTER,
    LINE,
    Chart,
    Key,
    Line,
    LogScale,
    Scale,
    Size,
    Spot,
    Tag,
    frame_of,
    shape,
    spread,
    stairs,
)
from axdse.dse.report.pictures.labels import Box, Label, place
from axdse.dse.report.practice import Practice
from axdse.dse.report.summary import Finalist, names_of, title_of
from axdse.dse.run.evaluation import Baseline, Evaluation
from axdse.dse.run.intervals import Interval, estimate, interval95
from axdse.dse.run.objectives import Measured, Objective
from axdse.dse.training.records import Goal
from axdse.flows.accelerator.network import AcceleratorCost

DEPTH = 1.2  # in losses that a design may have: what is shown to scale below the best
LOGARITHMIC = 2.5  # ratio of costs from which they stand by ratio: else the small ones crowd
FAR = 16.0  # pixels between a name and its mark from which on a hairline joins them
MEANINGS = {
    "front": "approximate or mixed, on the front",
    "finalist": "likewise, off the front",
    "exact": "exact core (hollow: off the front)",
    "trial": "other trials: validation, one run",
    "practice": "practice of today",
}


@dataclass(frozen=True)
class Axis:
    """What stands across: a cost of the search, or a figure of the network or the MAC.

    Attributes:
        label: of it.
        symbol: unit.
        digits: decimals to show.
        of: its value of a finalist; None: not known.
        of_trial: likewise of a trial.
        of_practice: likewise of a design of today.
    """

    label: str
    symbol: str
    digits: int
    of: Callable[[Finalist], float | None]
    of_trial: Callable[[Evaluation], float | None]
    of_practice: Callable[[Practice], float | None]

    @property
    def title(self) -> str:
        """As an axis has it."""
        return f"{self.label} ({self.symbol})"

    def text(self, value: float) -> str:
        """A value with its unit."""
        return f"{value:,.{self.digits}f} {self.symbol}"


def cost_axis(objective: Objective) -> Axis:
    """A cost of the search, which every trial has."""

    def of_trial(trial: Evaluation) -> float | None:
        return _finite(objective.of(Measured(0.0, trial.cost))) if trial.cost else None

    return Axis(
        *(objective.label, objective.symbol, objective.digits),
        lambda finalist: _finite(finalist.measured(objective)),
        of_trial,
        lambda _: None,
    )


def figure_axis(figure: Figure) -> Axis:
    """A figure of the network or the MAC, which finalists and designs of today have."""

    def of(cost: AcceleratorCost | None) -> float | None:
        return figure.of(cost) if cost else None

    return Axis(
        *(figure.label, figure.symbol, figure.digits),
        lambda finalist: of(finalist.point.on_array),
        lambda _: None,
        lambda practice: of(practice.cost),
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


@dataclass(frozen=True)
class Mark:
    """One design in the chart.

    Attributes:
        label: of it, such as `drum(n=4,k=3)`; empty: it has none.
        short: of it where there is little room.
        format: short name of its number format, or of several.
        kind: a key of `MEANINGS`, or of those of a comparison.
        cost: across.
        score: up; a mean on the test split, of a trial the validation score.
        interval: half width of its 95 % interval; 0 for a single run.
        on_front: not dominated.
        title: what a reader is told.
        href: of its row.
        run: number of the run whose front it is on.
    """

    label: str
    short: str
    format: str
    kind: str
    cost: float
    score: float
    interval: float
    on_front: bool
    title: tuple[str, ...]
    href: str = ""
    run: int = 0


@dataclass(frozen=True)
class Front:
    """What a chart shows, whatever its size.

    Attributes:
        axis: across.
        goal: up.
        marks: designs.
        baselines: without a cost of their own.
        untrained: names and costs of designs of today that have no score.
        depth: loss of score, below the best, that is shown to scale.
        meanings: of the kinds of marks.
    """

    axis: Axis
    goal: Goal
    marks: tuple[Mark, ...]
    baselines: tuple[tuple[str, Interval], ...]
    untrained: tuple[tuple[str, float], ...]
    depth: float
    meanings: Mapping[str, str] = field(default_factory=lambda: MEANINGS)


def front(
    axis: Axis,
    goal: Goal,
    finalists: Sequence[Finalist],
    trials: Sequence[Evaluation],
    baselines: Sequence[Baseline],
    practices: Sequence[Practice],
    largest_loss: float,
) -> Front:
    """All that has that cost: finalists, other trials that were trained, today's designs."""
    named = {finalist.design for finalist in finalists}
    marks = [_finalist_mark(i, f, axis, goal) for i, f in enumerate(finalists, 1)]
    marks += [_trial_mark(e, axis, goal) for e in trials if e.point not in named]
    today = [p for p in practices if p.point not in named and axis.of_practice(p) is not None]
    marks += [_practice_mark(p, axis, goal) for p in today if p.test]
    return Front(
        axis,
        goal,
        tuple(filter(None, marks)),
        tuple((title_of(b), _shown(interval95(b.test_estimate))) for b in baselines),
        tuple((p.name, axis.of_practice(p) or 0.0) for p in today if not p.test),
        DEPTH * largest_loss,
    )


def fronts(
    axis: Axis, goal: Goal, runs: Sequence[tuple[str, Sequence[Finalist]]], largest_loss: float
) -> Front:
    """The fronts of several runs of one task; their marks are of kinds `run0`, `run1`, ..."""
    marks = []
    for run, (_, finalists) in enumerate(runs):
        for number, finalist in enumerate(finalists, 1):
            mark = _finalist_mark(number, finalist, axis, goal)
            if mark:
                href, label = f"#run{run}-{number}", names_of(finalist.design).label
                marks.append(replace(mark, kind=f"run{run}", run=run, href=href, label=label))
    meanings = {f"run{run}": name for run, (name, _) in enumerate(runs)}
    return Front(axis, goal, tuple(marks), (), (), DEPTH * largest_loss, meanings)


def _shown(interval: Interval) -> Interval:
    """One seed has no interval, and is drawn without."""
    return Interval(interval.mean, 0.0 if math.isnan(interval.half) else interval.half)


def _finalist_mark(number: int, finalist: Finalist, axis: Axis, goal: Goal) -> Mark | None:
    cost, names, test = axis.of(finalist), names_of(finalist.design), _shown(finalist.test)
    if cost is None:
        return None
    on_front = finalist.point.on_front
    kind = "exact" if finalist.is_reference else "front" if on_front else "finalist"
    title = (
        finalist.design.name,
        f"{axis.label}: {axis.text(cost)}",
        f"test {goal.name}: {finalist.test.text(goal)} {goal.symbol}",
        "on the front" if on_front else "dominated",
    )
    label = f"exact, {names.formats}" if finalist.is_reference else names.label
    return Mark(
        *(label, str(number), names.formats, kind, cost, test.mean, test.half, on_front, title),
        href=f"#design-{number}",
    )


def _trial_mark(trial: Evaluation, axis: Axis, goal: Goal) -> Mark | None:
    score, cost = trial.validation_score, axis.of_trial(trial)
    trained = trial.status in ("complete", "dominated", "useless")
    if not trained or score is None or cost is None or math.isnan(score):
        return None
    title = (
        trial.design,
        f"{axis.label}: {axis.text(cost)}",
        f"validation {goal.name}, one run: {goal.text(score)}",
        trial.reason or trial.status,
    )
    formats = names_of(trial.point).formats
    return Mark(
        *("", "", formats, "trial", cost, score, 0.0, False, title), f"#trial-{trial.number}"
    )


def _practice_mark(practice: Practice, axis: Axis, goal: Goal) -> Mark:
    test, cost = _shown(interval95(estimate(practice.test))), axis.of_practice(practice) or 0.0
    title = (
        f"{practice.name}: {practice.point.name}",
        f"{axis.label}: {axis.text(cost)}",
        f"test {goal.name}: {test.text(goal)} {goal.symbol}",
    )
    formats = names_of(practice.point).formats
    return Mark(
        *(practice.name, practice.name, formats, "practice", cost, test.mean, test.half),
        False,
        title,
    )


def front_chart(shown: Front, size: Size) -> Chart:
    """Draw it for a page or for a telephone."""
    plane, goal = _plane(shown, size), shown.goal
    width, height, frame = frame_of(size)
    shapes = {f: shape(i) for i, f in enumerate(dict.fromkeys(m.format for m in shown.marks))}
    # Trials first, so that they lie below; then those off the front.
    order = sorted(shown.marks, key=lambda m: (m.kind != "trial", m.on_front))
    spots = tuple(plane.spot(mark, shapes[mark.format]) for mark in order)
    areas, levels = plane.baselines()
    lines = (*plane.stairs(), *levels, *plane.costs_of_today())
    return Chart(
        *(width, height, frame),
        f"{goal.name} against {shown.axis.label}, {len(shown.marks)} designs",
        (shown.axis.title, f"test {goal.name} ({goal.symbol})"),
        plane.across.ticks(8 if size == "wide" else 4),
        plane.up.ticks(7),
        areas,
        lines,
        spots,
        (*_names(plane, spots, lines), *_names_of_today(plane)),
        _keys(shown, shapes),
    )


@dataclass(frozen=True)
class _Plane:
    """What is drawn, and where values are: costs across, scores up.

    Attributes:
        shown: what.
        size: for which screen.
        across: of costs.
        up: of the metric as people see it.
        floor: the lowest score drawn to scale.
    """

    shown: Front
    size: Size
    across: Scale | LogScale
    up: Scale
    floor: float

    def height(self, score: float) -> float:
        """The pixel of a score; what is below the scale is at its end."""
        return self.up.at(self.shown.goal.shown(max(score, self.floor)))

    def spot(self, mark: Mark, path: str) -> Spot:
        """The mark of a design."""
        x, y = self.across.at(mark.cost), self.height(mark.score)
        if mark.score < self.floor:
            title = (*mark.title, "below the scale")
            return Spot(x, y, BELOW, mark.kind, title, mark.href, y, y)
        top, bottom = y, y
        if mark.interval:
            ends = mark.score + mark.interval, mark.score - mark.interval
            top, bottom = map(self.height, ends)
        hollow = " hollow" if mark.kind == "exact" and not mark.on_front else ""
        return Spot(x, y, path, mark.kind + hollow, mark.title, mark.href, top, bottom)

    def stairs(self) -> Iterator[Line]:
        """The best score for at most this cost, of each run; a search may have had others."""
        marks = [mark for mark in self.shown.marks if mark.kind not in ("trial", "practice")]
        for run in sorted({mark.run for mark in marks}):
            own = [mark for mark in marks if mark.run == run]
            steps = stairs([(mark.cost, max(mark.score, self.floor)) for mark in own])
            points = tuple((self.across.at(x), self.height(y)) for x, y in steps)
            yield Line(points, f"stair run{run}", "the best score for at most this")

    def baselines(self) -> tuple[tuple[Line, ...], tuple[Line, ...]]:
        """Bands and means."""
        left, right = self.across.start, self.across.end
        bands, means = [], []
        for i, (name, interval) in enumerate(self.shown.baselines):
            ends = interval.mean - interval.half, interval.mean + interval.half
            low, high = map(self.height, ends)
            corners = ((left, low), (right, low), (right, high), (left, high))
            bands.append(Line(corners, f"baseline{i}"))
            y = self.height(interval.mean)
            means.append(Line(((left, y), (right, y)), f"baseline{i}", f"{name} baseline"))
        return tuple(bands), tuple(means)

    def costs_of_today(self) -> tuple[Line, ...]:
        """Upright lines at the costs of designs that have no score."""
        top, bottom = self.up.end, self.up.start
        found = ((name, self.across.at(cost)) for name, cost in self.shown.untrained)
        return tuple(
            Line(((x, top), (x, bottom)), "practice", f"{name}: not trained in this run")
            for name, x in found
        )


def _plane(shown: Front, size: Size) -> _Plane:
    left, top, right, bottom = frame_of(size)[2]
    goal, floor = shown.goal, _floor(shown)
    tops = [mark.score + mark.interval for mark in shown.marks]
    tops += [interval.mean + interval.half for _, interval in shown.baselines]
    highest = max(tops) + 0.06 * (max(tops) - floor)
    costs = [mark.cost for mark in shown.marks] + [cost for _, cost in shown.untrained]
    # Better is up: the axis of a metric that is better when lower is turned over.
    up = Scale(goal.shown(floor), goal.shown(highest), bottom, top)
    return _Plane(shown, size, _across(costs, left, right), up, floor)


def _across(costs: Sequence[float], left: float, right: float) -> Scale | LogScale:
    if not 0 < LOGARITHMIC * min(costs) < max(costs):
        return Scale(*spread(costs, 0.05), left, right)
    low, high = map(math.exp, spread(map(math.log, costs), 0.05))
    return LogScale(low, high, left, right)


def _floor(shown: Front) -> float:
    """The lowest score drawn to scale: a collapsed design must not flatten the others."""
    goal = shown.goal
    best = max([m.score for m in shown.marks] + [i.mean for _, i in shown.baselines])
    main = [m.score - m.interval for m in shown.marks if m.kind != "trial"]
    main += [interval.mean - interval.half for _, interval in shown.baselines]
    depth = best - shown.depth
    lowest = min((low for low in main if low > depth), default=depth)
    floor = lowest - max(0.12 * (best - lowest), 0.4 * goal.resolution)
    # A fraction ends at 0 %: at the bottom where higher is better, and else at the top.
    return floor if goal.unit or goal.direction == "lower" else max(0.0, floor)


def _names(plane: _Plane, spots: Sequence[Spot], lines: Sequence[Line]) -> Iterator[Tag]:
    """Names of all but trials, none over another; the front's first, for which there is room."""
    marks, wide = plane.shown.marks, plane.size == "wide"
    named = [m for m in marks if m.label and (wide or m.on_front or m.kind != "exact")]
    named.sort(key=lambda m: (not m.on_front, m.cost))
    texts = [mark.label if wide else mark.short for mark in named]
    at = [(plane.across.at(mark.cost), plane.height(mark.score)) for mark in named]
    sizes = [(CHARACTER * len(text) + 4, LINE) for text in texts]
    labels = [Label(*point, *size) for point, size in zip(at, sizes, strict=True)]
    obstacles = [
        Box(s.x - 6, min(s.top, s.y) - 4, s.x + 6, max(s.bottom, s.y) + 4)
        for s in spots
        if not s.kind.startswith("trial")
    ]
    obstacles += [box for line in lines for box in _along(line)]
    left, top, right, bottom = frame_of(plane.size)[2]
    boxes = place(labels, obstacles, Box(left, top, right, bottom), gap=9)
    for mark, text, point, box in zip(named, texts, at, boxes, strict=True):
        far = box.gap(*point) >= FAR
        yield Tag(*box.middle(4), text, mark.kind, point if far else None)


def _names_of_today(plane: _Plane) -> Iterator[Tag]:
    """At the lower edge, one above the other."""
    left, right, bottom = plane.across.start, plane.across.end, plane.up.start
    for i, (name, cost) in enumerate(plane.shown.untrained):
        half = CHARACTER * len(name) / 2
        x = min(max(plane.across.at(cost), left + half), right - half)
        yield Tag(x, bottom - 8 - LINE * i, name, "practice")


def _along(line: Line) -> Iterator[Box]:
    """A line as a chain of small boxes."""
    for (x0, y0), (x1, y1) in itertools.pairwise(line.points):
        count = max(2, int(math.hypot(x1 - x0, y1 - y0) / 4))
        for i in range(count):
            x, y = x0 + (x1 - x0) * i / count, y0 + (y1 - y0) * i / count
            yield Box(x - 2, y - 2, x + 2, y + 2)


def _keys(shown: Front, shapes: dict[str, str]) -> tuple[Key, ...]:
    kinds = {mark.kind for mark in shown.marks}
    keys = [
        Key(f"baseline{i}", f"{name} baseline: {interval.text(shown.goal)} {shown.goal.symbol}")
        for i, (name, interval) in enumerate(shown.baselines)
    ]
    keys += [Key(kind, text, shape(0)) for kind, text in shown.meanings.items() if kind in kinds]
    if shown.untrained:
        keys.append(Key("practice", "practice of today, not trained in this run"))
    return (*keys, *(Key("plain", name, path) for name, path in shapes.items()))
