"""What does a reader get? One HTML page that answers the question and needs nothing else.

A section of the page is a template and what it shows; `SECTIONS` is their order.
"""

import base64
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import get_args

from axdse.dse.report.assemble import Section, assembled
from axdse.dse.report.figures import FIGURES
from axdse.dse.report.material import Material
from axdse.dse.report.pictures.chart import Chart, Size
from axdse.dse.report.pictures.curves import (
    Course,
    Series,
    course_chart,
    course_of,
    expected_trials,
    prediction_chart,
    training_chart,
)
from axdse.dse.report.pictures.error_maps import png, unit_figure
from axdse.dse.report.pictures.front import cost_axis, figure_axis, front, front_chart
from axdse.dse.report.recommendation import (
    Trade,
    Versus,
    trades,
    versus,
)
from axdse.dse.report.summary import Finalist, Part, names_of, title_of
from axdse.dse.run.config import dump_config
from axdse.dse.run.evaluation import Evaluation, Status, Stopped
from axdse.dse.run.intervals import Interval, interval95, paired_difference
from axdse.dse.run.objectives import AREA, DELAY, Objective
from axdse.dse.run.run_dir import Results
from axdse.dse.training.records import Goal
from axdse.flows.accelerator.network import LayerEnergy
from axdse.flows.cost.record import Cost
from axdse.multipliers.designs.design_point import PRODUCTS, ProductName

MOST_MAPS, MOST_SERIES, MOST_TRADES, LEAST_PREDICTIONS = 4, 6, 3, 3
SIZES: tuple[Size, Size] = ("wide", "narrow")
MEANING: dict[Status, str] = {
    "complete": "trained to the end",
    "dominated": "not trained, or stopped: could no longer reach the front",
    "useless": "failed: its training ended, or would end, beyond the limit of the workload",
    "infeasible": "misses the clock, not trained",
    "diverged": "training met NaN",
    "failed": "RTL is not the model, or a stage failed",
}


def render(material: Material) -> str:
    """The report: HTML with inlined charts, images, style and script, no reference to outside.

    Without the script it says the same.
    """
    shown = tuple((section, section.view(material)) for section in SECTIONS)
    return assembled(material.run, shown, material.answer)


@dataclass(frozen=True)
class AnswerView:
    """What the answer is compared with, and what else is on offer."""

    others: tuple[Versus, ...]
    trades: tuple[Trade, ...]
    figures: tuple[str, ...]


def _answer(material: Material) -> AnswerView:
    answer, finalists = material.answer, material.finalists
    return AnswerView(
        versus(answer, finalists, material.practices),
        trades(answer, finalists)[:MOST_TRADES],
        tuple(figure.name for figure in FIGURES),
    )


@dataclass(frozen=True)
class Panel:
    """One chart of the front."""

    title: str
    wide: Chart
    narrow: Chart


@dataclass(frozen=True)
class Row:
    """A finalist; `loss` is its test score beside that of the reference, `figures` FIGURES."""

    number: int
    finalist: Finalist
    loss: Interval | None
    figures: tuple[str, ...]


@dataclass(frozen=True)
class FrontView:
    """Charts against each cost, and the designs in figures."""

    panels: tuple[Panel, ...]
    rows: tuple[Row, ...]
    baselines: tuple[tuple[str, Interval, Interval], ...]
    figures: tuple[str, ...]
    costs: tuple[Objective, ...]
    library: str
    activity: str
    stopped: tuple[Stopped, ...]


def _front(material: Material) -> FrontView:
    config, reference = material.run.config, material.answer.reference
    costs = tuple(dict.fromkeys((*config.costs, AREA, DELAY)))
    return FrontView(
        front_panels(material),
        tuple(
            Row(number, f, _loss(f, reference), _figures(f))
            for number, f in enumerate(material.finalists, 1)
        ),
        tuple(
            (title_of(b), interval95(b.validation_estimate), interval95(b.test_estimate))
            for b in material.results.baselines
        ),
        tuple(f"{figure.name}, {figure.unit}" for figure in FIGURES),
        costs,
        material.cost.library,
        material.activity,
        material.results.stopped,
    )


def front_panels(material: Material) -> tuple[Panel, ...]:
    """The front by the figure that decides, then by each cost of the search."""
    config, figure = material.run.config, material.answer.figure
    axes = {axis.title: axis for axis in map(cost_axis, config.costs)}
    if figure:
        decides = figure_axis(figure)
        if twin := axes.pop(decides.title, None):  # a cost of the search, which trials have too
            decides = replace(decides, of_trial=twin.of_trial)
        axes = {decides.title: decides, **axes}
    panels = []
    for axis in axes.values():
        shown = front(
            *(axis, material.goal, material.finalists, material.results.evaluations),
            *(material.results.baselines, material.practices, config.largest_loss),
        )
        charts = (front_chart(shown, "wide"), front_chart(shown, "narrow"))
        panels.append(Panel(axis.label, *charts))
    return tuple(panels)


def _loss(finalist: Finalist, reference: Finalist | None) -> Interval | None:
    if reference is None or finalist is reference:
        return None
    return interval95(paired_difference(finalist.point.test, reference.point.test))


def _figures(finalist: Finalist) -> tuple[str, ...]:
    cost = finalist.point.on_array
    return tuple(f"{f.of(cost):,.{f.digits}f}" if cost else "" for f in FIGURES)


@dataclass(frozen=True)
class Cell:
    """One product of one layer: the number of its MAC, and its share of the energy."""

    mac: int
    share: float
    mac_fj: float


@dataclass(frozen=True)
class PlaceMap:
    """Which MAC is where.

    Attributes:
        finalist: of that map.
        macs: their texts, in the order of the numbers in cells.
        shares: of the energy of a training step that each takes.
        layers: names, each with a cell for forward, input and weight gradient; None: no product.
    """

    finalist: Finalist
    macs: tuple[str, ...]
    shares: tuple[float, ...]
    layers: tuple[tuple[str, tuple[Cell | None, ...]], ...]


@dataclass(frozen=True)
class PlacesView:
    """Maps of the answer, what it is compared with, and others of several MACs."""

    maps: tuple[PlaceMap, ...]
    products: tuple[ProductName, ...] = PRODUCTS


def _places(material: Material) -> PlacesView | None:
    answer = material.answer
    mixed = (f for f in material.finalists if not f.uniform and f.point.on_front)
    chosen = {f.design: f for f in (answer.best, answer.rival, *mixed) if f}
    maps = [_place_map(finalist) for finalist in chosen.values()]
    known = tuple(each for each in maps if each)[:MOST_MAPS]
    return PlacesView(known) if known else None


def _place_map(finalist: Finalist) -> PlaceMap | None:
    cost = finalist.point.on_array
    if cost is None:
        return None
    total = sum(layer.step_uj for layer in cost.layers)
    numbers = {name: i for i, name in enumerate(dict.fromkeys(x.design for x in cost.layers))}

    def cell(layer: LayerEnergy) -> Cell:
        return Cell(numbers[layer.design], layer.step_uj / total, layer.mac_fj)

    cells = {(layer.layer, layer.product): cell(layer) for layer in cost.layers}
    names = dict.fromkeys(layer.layer for layer in cost.layers)
    own = (cells.values() for _ in numbers)
    shares = (sum(c.share for c in all_ if c.mac == i) for i, all_ in enumerate(own))
    return PlaceMap(
        finalist,
        tuple(numbers),
        tuple(shares),
        tuple((name, tuple(cells.get((name, p)) for p in PRODUCTS)) for name in names),
    )


@dataclass(frozen=True)
class CourseView:
    """How the front grew."""

    course: Course
    wide: Chart
    narrow: Chart


def _course(material: Material) -> CourseView | None:
    course = course_of(material.run.config, material.results.evaluations)
    if course is None:
        return None
    named = [("this run", course)]
    return CourseView(course, course_chart(named, "wide"), course_chart(named, "narrow"))


@dataclass(frozen=True)
class PredictionView:
    """Scores that were expected of trials, and those that they had; `rank` is Spearman's."""

    trials: int
    rank: float
    wide: Chart
    narrow: Chart


def _prediction(material: Material) -> PredictionView | None:
    return prediction_of(material.results, material.goal)


def prediction_of(results: Results, goal: Goal) -> PredictionView | None:
    """None: too few trials were proposed for a score."""
    trials = expected_trials(results.evaluations)
    if len(trials) < LEAST_PREDICTIONS:
        return None
    from scipy.stats import spearmanr  # commands that print no page start without it

    rank = spearmanr([t.expected for t in trials], [t.validation_score for t in trials]).statistic
    charts = (prediction_chart(trials, goal, size) for size in SIZES)
    return PredictionView(len(trials), float(rank), *charts)


@dataclass(frozen=True)
class TrainingView:
    """Training curves."""

    seeds: int
    wide: Chart
    narrow: Chart


def _training(material: Material) -> TrainingView | None:
    answer = material.answer
    shown = {f.design: f for f in (answer.best, answer.rival, answer.reference) if f}
    front = [f for f in material.finalists if f.point.on_front and f.design not in shown]
    room = MOST_SERIES - len(shown) - len(material.results.baselines)
    chosen = [*shown.values(), *front[: max(0, room)]]
    series = [
        Series(f"{names_of(f.design).label}, {names_of(f.design).formats}", f.point.histories)
        for f in chosen
    ]
    series += [Series(f"{title_of(b)} baseline", b.histories) for b in material.results.baselines]
    known = [each for each in series if each.band]
    if not known:
        return None
    charts = (training_chart(known, material.goal, size) for size in SIZES)
    return TrainingView(len(material.finalists[0].point.seeds), *charts)


@dataclass(frozen=True)
class ProofView:
    """Certificates and errors of each design, and maps of the approximate ones on the front."""

    finalists: tuple[Finalist, ...]
    best: Finalist | None
    maps: tuple[tuple[Part, str], ...]


def _proof(material: Material) -> ProofView:
    on_front = (part for f in material.finalists if f.point.on_front for part in f.parts)
    approximate = {part.candidate: part for part in on_front if not part.exact}
    maps = ((p, _inline(png(unit_figure(c), dpi=160))) for c, p in approximate.items())
    return ProofView(material.finalists, material.answer.best, tuple(maps))


def _inline(image: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(image).decode()}"


@dataclass(frozen=True)
class StatusCount:
    """How many trials ended in one way, with the most frequent reasons."""

    status: Status
    meaning: str
    count: int
    reasons: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class TrialsView:
    """What became of every trial, and why it is not on the front."""

    counts: tuple[StatusCount, ...]
    trials: tuple[tuple[Evaluation, str], ...]
    trained: int


def _trials(material: Material) -> TrialsView:
    return trials_of(material.results)


def trials_of(results: Results) -> TrialsView:
    """What the results say of each trial."""
    trials = results.evaluations
    counts = (_count(status, trials) for status in get_args(Status))
    trained = sum(1 for trial in trials if trial.history)
    stopped = {each.number: each.reason for each in results.stopped}
    reasons = tuple((each, each.reason or stopped.get(each.number, "")) for each in trials)
    return TrialsView(tuple(c for c in counts if c.count), reasons, trained)


def _count(status: Status, trials: Sequence[Evaluation]) -> StatusCount:
    reasons = [e.reason for e in trials if e.status == status]
    top = Counter(filter(None, reasons)).most_common(3)
    return StatusCount(status, MEANING[status], len(reasons), tuple(top))


@dataclass(frozen=True)
class LimitsView:
    """What the numbers do not say."""

    trials: int


def _limits(material: Material) -> LimitsView:
    return LimitsView(len(material.results.evaluations))


@dataclass(frozen=True)
class ProvenanceView:
    """What it was made by."""

    seeds: tuple[int, ...]
    cost: Cost | None
    activity: str
    config_text: str


def _provenance(material: Material) -> ProvenanceView:
    return ProvenanceView(
        material.finalists[0].point.seeds,
        material.cost,
        material.activity,
        dump_config(material.run.config),
    )


SECTIONS = (
    Section("answer", "", _answer),
    Section("front", "The front", _front),
    Section("places", "Which MAC is where", _places),
    Section("course", "How the front was found", _course),
    Section("prediction", "What was expected, and what came", _prediction),
    Section("training", "How the networks learned", _training),
    Section("proof", "Proof and error of each design", _proof),
    Section("trials", "What was tried, and what was not trained", _trials),
    Section("limits", "What these numbers do not say", _limits),
    Section("provenance", "Provenance", _provenance),
)
