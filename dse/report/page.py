"""What does a reader get? One HTML page that answers the question and needs nothing else."""

import base64
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from matplotlib.figure import Figure

from axdse.dse.report.error_maps import unit_figure
from axdse.dse.report.front_plot import front_figure, png
from axdse.dse.report.markdown import markdown
from axdse.dse.report.plot_points import band_of, marks, title_of
from axdse.dse.report.recommendation import Answer, find_answer, saving
from axdse.dse.report.summary import Finalist, Interval, Part, gather, interval95, names_of
from axdse.dse.run.config import SearchConfig, dump_config
from axdse.dse.run.evaluation import Baseline, Evaluation, Status, paired_difference
from axdse.dse.run.objectives import AREA, DELAY, Objective
from axdse.dse.run.run_dir import Results, RunDir, RunInfo
from axdse.flows.cost.record import Cost
from axdse.multipliers.errors import AxdseError, printable_lines

MEANING: dict[Status, str] = {
    "complete": "trained to the end",
    "dominated": "not trained, or stopped: could no longer reach the front",
    "infeasible": "misses the clock, not trained",
    "diverged": "training met NaN",
    "failed": "RTL is not the model, or a stage failed",
}


@dataclass(frozen=True)
class StatusCount:
    """How many trials ended in one way, with the most frequent reasons."""

    status: Status
    meaning: str
    count: int
    reasons: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class BaselineRow:
    """A baseline as the page shows it."""

    name: str
    validation: Interval
    test: Interval


@dataclass(frozen=True)
class Row:
    """A finalist as the page shows it; `loss` is its test score beside the reference."""

    finalist: Finalist
    loss: Interval | None


@dataclass(frozen=True)
class Page:
    """Everything that the template shows."""

    config: SearchConfig
    config_text: str
    info: RunInfo
    answer: Answer
    rows: tuple[Row, ...]
    baselines: tuple[BaselineRow, ...]
    counts: tuple[StatusCount, ...]
    trials: tuple[Evaluation, ...]
    activity: str
    figures: tuple[Objective, ...]
    picture: str
    maps: tuple[tuple[Part, str], ...]


def finalists_of(run: RunDir, results: Results) -> tuple[Finalist, ...]:
    """The finalists of a finished run, the best by its first cost first.

    Raises:
        AxdseError: the run has no front yet.
    """
    points = results.front
    if not any(point.on_front for point in points):
        raise AxdseError(
            "an export needs a finished search",
            f"{run.path} has no front yet",
            f"run 'axdse search CONFIG.yaml --run {run.path} --resume'",
        )
    return gather(points, run.config.costs[0])


def front_png(run: RunDir, results: Results, finalists: Sequence[Finalist]) -> bytes:
    """The picture of the front, as a file."""
    return png(front_picture(run, results, finalists))


def front_picture(run: RunDir, results: Results, finalists: Sequence[Finalist]) -> Figure:
    """The picture of the front: the score against each cost that the search made small."""
    config, goal, cost = run.config, run.info.goal, finalists[0].parts[0].cost
    subtitle = (
        f"{config.own_workload.text}, trained from scratch with each multiplier\n"
        f"test {goal.name}: mean of {config.finalist_seeds} seeds with its 95 % interval;  "
        f"silicon: {cost.library}, mapped netlist before layout"
    )
    return front_figure(
        f"What does {goal.name} cost in silicon?",
        subtitle,
        marks(results.evaluations, finalists, config.costs),
        [band_of(baseline) for baseline in results.baselines],
        config.costs,
        cost.area_um2 / cost.gate_equivalents,
        goal,
        config.largest_loss,
    )


def render(run: RunDir, results: Results, finalists: Sequence[Finalist], picture: bytes) -> str:
    """The report: HTML with inlined images and style, and no reference to anything outside."""
    template = environment().get_template("report.html")
    goal = run.info.goal
    least = f"{abs(goal.shown(run.config.resolution)):.{goal.digits}f} {goal.points}"
    page = _page(run, results, finalists, picture)
    return template.render(page=page, saving=saving, goal=goal, resolution=least)


def environment() -> Environment:
    """Templates of this package; HTML is escaped, an unknown name is an error.

    In Markdown `| markdown` escapes what may be anything; names and code have no marks.
    """
    folder = Path(__file__).parent / "templates"
    result = Environment(
        loader=FileSystemLoader(folder),
        autoescape=select_autoescape(("html",)),
        finalize=lambda value: printable_lines(value) if type(value) is str else value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    result.filters["fixed"] = lambda value, digits: f"{value:,.{digits}f}"
    result.filters["markdown"] = markdown
    result.filters["names"] = names_of
    return result


def _page(run: RunDir, results: Results, finalists: Sequence[Finalist], picture: bytes) -> Page:
    trials, costs = results.evaluations, run.config.costs
    answer = find_answer(finalists, run.config.resolution, costs[0])
    on_front = (part for f in finalists if f.point.on_front for part in f.parts)
    approximate = {part.candidate: part for part in on_front if not part.exact}
    return Page(
        config=run.config,
        config_text=dump_config(run.config),
        info=run.info,
        answer=answer,
        rows=tuple(Row(f, _loss(f, answer.reference)) for f in finalists),
        baselines=tuple(_baseline_row(baseline) for baseline in results.baselines),
        counts=tuple(filter(lambda c: c.count, (_count(s, trials) for s in get_args(Status)))),
        trials=trials,
        activity=_activity(finalists[0].parts[0].cost),
        figures=tuple(dict.fromkeys((*costs, AREA, DELAY))),
        picture=_inline(picture),
        maps=tuple(
            (part, _inline(png(unit_figure(candidate), dpi=160)))
            for candidate, part in approximate.items()
        ),
    )


def _activity(cost: Cost) -> str:
    energy = cost.recorded or cost.uniform
    return energy.activity if energy else cost.no_power


def _loss(finalist: Finalist, reference: Finalist | None) -> Interval | None:
    if reference is None or finalist is reference:
        return None
    return interval95(paired_difference(finalist.point.test, reference.point.test))


def _baseline_row(baseline: Baseline) -> BaselineRow:
    validation, test = baseline.validation_estimate, baseline.test_estimate
    return BaselineRow(title_of(baseline), interval95(validation), interval95(test))


def _count(status: Status, trials: Sequence[Evaluation]) -> StatusCount:
    reasons = [e.reason for e in trials if e.status == status]
    top = Counter(filter(None, reasons)).most_common(3)
    return StatusCount(status, MEANING[status], len(reasons), tuple(top))


def _inline(image: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(image).decode()}"
