"""How do two runs compare? Fronts over each other if they had one task, else side by side."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from axdse.dse.report.assemble import environment
from axdse.dse.report.figures import STEP
from axdse.dse.report.material import Material, finalists_of, material_of
from axdse.dse.report.page import front_panels
from axdse.dse.report.pictures.chart import Chart
from axdse.dse.report.pictures.front import Axis, cost_axis, figure_axis, front_chart, fronts
from axdse.dse.report.practice import practices_of
from axdse.dse.report.summary import Finalist
from axdse.dse.run.config import SearchConfig, dump_config
from axdse.dse.run.hypervolume import hypervolume
from axdse.dse.run.objectives import Losses, dominates
from axdse.dse.run.run_dir import RunDir
from axdse.multipliers import strict_yaml
from axdse.multipliers.errors import AxdseError

ROOM = 0.01  # of the range of each loss, by which the reference lies beyond the worst


@dataclass(frozen=True)
class Side:
    """One of the runs.

    Attributes:
        name: of its folder, as it was given.
        material: what is known of it.
        front: its finalists on the front.
        losses: of each: minus the mean validation score over shared seeds, then each shared cost.
        beaten: for each the first other design of the other front that dominates it, or None.
        volume: hypervolume of the front, at the reference of both.
    """

    name: str
    material: Material
    front: tuple[Finalist, ...]
    losses: tuple[Losses, ...] = ()
    beaten: tuple[Finalist | None, ...] = ()
    volume: float = 0.0


@dataclass(frozen=True)
class Comparison:
    """Two runs.

    Attributes:
        sides: one a run.
        axes: the costs by which they are compared; none: they are side by side.
        seeds: of finalists in both, over which scores are averaged; none: over those of each.
        apart: why they are side by side; empty: they are not.
        keys: what their configurations do not have in common: key, and the value of each.
    """

    sides: tuple[Side, Side]
    axes: tuple[Axis, ...]
    seeds: tuple[int, ...]
    apart: str
    keys: tuple[tuple[str, str, str], ...]


def compare_runs(first: Path, second: Path) -> Comparison:
    """Read two runs and compare their fronts by mean validation score and shared costs.

    Raises:
        AxdseError: one is no run, or has no front.
    """
    ours, theirs = _side(first), _side(second)
    keys = tuple(_keys(ours.material.run.config, theirs.material.run.config))
    apart, axes = _why_apart(ours.material, theirs.material), _axes(ours, theirs)
    if not apart and not axes:
        apart = "they have no cost in common"
    if apart:
        return Comparison((ours, theirs), (), (), apart, keys)
    seeds = _shared_seeds(ours, theirs)
    return Comparison(_judged(ours, theirs, axes, seeds), axes, seeds, "", keys)


def _side(path: Path) -> Side:
    run = RunDir(path)
    if not run.config.costed:
        rule = "a comparison is of fronts, which trade a score for a cost"
        raise AxdseError(rule, f"{path} has no cost among its objectives", "export it instead")
    results = run.results()
    finalists = finalists_of(run, results)
    practices = practices_of(run, results, finalists, costed=False)
    material = material_of(run, results, finalists, practices)
    return Side(str(path), material, tuple(f for f in finalists if f.point.on_front))


def _why_apart(ours: Material, theirs: Material) -> str:
    a, b = ours.run, theirs.run
    if (a.config.own_workload, a.info.goal) != (b.config.own_workload, b.info.goal):
        return f"the tasks differ: {a.config.own_workload.text}, {b.config.own_workload.text}"
    if a.info.factory != b.info.factory:
        return f"the code of {a.config.own_workload.text} differs"
    if ours.cost.library_digest != theirs.cost.library_digest:
        return f"the cell libraries differ: {ours.cost.library}, {theirs.cost.library}"
    return ""


def _axes(ours: Side, theirs: Side) -> tuple[Axis, ...]:
    """Costs that both searches made small; without any, what their networks take in training."""
    costs = ours.material.run.config.costs
    shared = [cost for cost in costs if cost in theirs.material.run.config.costs]
    if shared:
        return tuple(map(cost_axis, shared))
    axis = figure_axis(STEP)
    known = all(axis.of(f) is not None for f in (*ours.front, *theirs.front))
    return (axis,) if known else ()


def _shared_seeds(ours: Side, theirs: Side) -> tuple[int, ...]:
    """Those that give the same start and batches, as they do if trainings are set alike."""
    if ours.material.run.config.training != theirs.material.run.config.training:
        return ()
    known = [set(f.point.seeds) for f in (*ours.front, *theirs.front)]
    return tuple(sorted(set.intersection(*known)))


def _judged(
    ours: Side, theirs: Side, axes: Sequence[Axis], seeds: Sequence[int]
) -> tuple[Side, Side]:
    ours, theirs = (replace(side, front=_known(side.front, axes)) for side in (ours, theirs))
    a, b = (tuple(_losses(f, axes, seeds) for f in side.front) for side in (ours, theirs))
    ends = [(min(values), max(values)) for values in zip(*a, *b, strict=True)]
    reference = tuple(high + (ROOM * (high - low) or ROOM * abs(high)) for low, high in ends)

    def side(own: Side, mine: tuple[Losses, ...], other: Side, others: tuple[Losses, ...]) -> Side:
        pairs = tuple(zip(other.front, others, strict=True))
        beaten = tuple(
            next((g for g, o in pairs if dominates(o, m) and g.design != f.design), None)
            for f, m in zip(own.front, mine, strict=True)
        )
        volume = hypervolume(mine, reference)
        return replace(own, losses=mine, beaten=beaten, volume=volume)

    return side(ours, a, theirs, b), side(theirs, b, ours, a)


def _losses(finalist: Finalist, axes: Sequence[Axis], seeds: Sequence[int]) -> Losses:
    pairs = zip(finalist.point.seeds, finalist.point.validation, strict=True)
    scores = [score for seed, score in pairs if not seeds or seed in seeds]
    return (-fmean(scores), *(axis.of(finalist) or 0.0 for axis in axes))


def _known(front: Sequence[Finalist], axes: Sequence[Axis]) -> tuple[Finalist, ...]:
    return tuple(f for f in front if all(axis.of(f) is not None for axis in axes))


def _keys(ours: SearchConfig, theirs: SearchConfig) -> Iterator[tuple[str, str, str]]:
    a, b = (strict_yaml.load(dump_config(config), "config.yaml") for config in (ours, theirs))
    for key in dict.fromkeys((*a, *b)):
        if a.get(key) != b.get(key):
            yield key, str(a.get(key, "-")), str(b.get(key, "-"))


def render_comparison(comparison: Comparison) -> str:
    """The page of a comparison: as a report, complete in itself, and without a script."""
    sides = comparison.sides
    charts = [(axis.label, *_charts(comparison, axis)) for axis in comparison.axes]
    own = [(side, front_panels(side.material)[0]) for side in sides]
    material = sides[0].material
    return (
        environment()
        .get_template("compare.html")
        .render(
            comparison=comparison,
            sides=sides,
            goal=material.goal,
            charts=charts,
            own=own if comparison.apart else (),
        )
    )


def _charts(comparison: Comparison, axis: Axis) -> tuple[Chart, Chart]:
    runs = [(side.name, side.front) for side in comparison.sides]
    material = comparison.sides[0].material
    shown = fronts(axis, material.goal, runs, material.run.config.largest_loss)
    return front_chart(shown, "wide"), front_chart(shown, "narrow")
