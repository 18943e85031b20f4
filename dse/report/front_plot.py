"""What is a network's score against silicon? The picture of a front."""

import io
from collections.abc import Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from axdse.dse.report.plot_labels import write_labels
from axdse.dse.report.plot_points import (
    BLUE,
    COLOURS,
    GREEN,
    GREY,
    INK,
    MEANINGS,
    Band,
    Mark,
    staircase,
)
from axdse.dse.report.summary import Interval
from axdse.dse.run.objectives import AREA, Objective
from axdse.dse.training.records import ACCURACY, Goal

BASELINES = ((INK, (0, (6, 3))), (GREEN, (0, (2, 2))), (GREY, (0, (4, 2, 1, 2))))
MARKERS = "osD^vPXhp*"
STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e8eaed",
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "text.color": INK,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "text.parse_math": False,
}
DEPTH = 1.2  # in losses that a design may have: what is shown to scale below the best


def png(figure: Figure, dpi: int = 200) -> bytes:
    """Render a figure; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    with rc_context(STYLE):
        figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def front_figure(
    title: str,
    subtitle: str,
    marks: Sequence[Mark],
    bands: Sequence[Band],
    objectives: Sequence[Objective],
    um2_per_gate: float,
    goal: Goal = ACCURACY,
    largest_loss: float = 0.1,
) -> Figure:
    """Draw the score against the first cost of a search, and smaller, against its others.

    Args:
        title: headline.
        subtitle: what was measured, on what; up to two lines.
        marks: all designs with a score.
        bands: baselines without a cost of their own.
        objectives: that the costs of the marks are of.
        um2_per_gate: area of the library's 2-input NAND, for the upper axis of areas.
        goal: what the scores are of.
        largest_loss: that a design of the search may have; little more is shown to scale.
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(9.0, 5.6), layout="constrained")
        FigureCanvasAgg(figure)
        ratios = (2.5, *(1.0 for _ in objectives[1:]))
        panels = figure.subplots(1, len(ratios), sharey=True, width_ratios=ratios, squeeze=False)
        floor = _floor(marks, bands, goal, largest_loss)
        shapes = {f: MARKERS[i % len(MARKERS)] for i, f in enumerate(_formats(marks))}
        for i, (axes, objective) in enumerate(zip(panels[0], objectives, strict=True)):
            _draw_bands(axes, bands, goal)
            xs = [mark.costs[i] for mark in marks]
            _draw_marks(axes, marks, xs, shapes, floor, goal)
            _draw_scale(axes, objective, um2_per_gate)
            axes.margins(x=0.12 if i else 0.08)
        _draw_score(panels[0][0], marks, bands, floor, goal)
        handles = _legend_handles(marks, bands, shapes, goal)
        figure.legend(
            handles=handles, loc="outside lower left", ncols=3, frameon=False, fontsize=8.5
        )
        figure.suptitle(f"{title}\n\n", x=0.012, ha="left", fontsize=13, weight="bold")
        figure.text(0.012, 0.945, subtitle, fontsize=9, color=GREY, va="top", linespacing=1.4)
        figure.draw_without_rendering()
        write_labels(panels[0][0], marks, bands, floor, goal)
    return figure


def _formats(marks: Sequence[Mark]) -> list[str]:
    shown = [m.format for m in marks if m.role != "trial"] + [m.format for m in marks]
    return list(dict.fromkeys(shown))


def _floor(marks: Sequence[Mark], bands: Sequence[Band], goal: Goal, largest_loss: float) -> float:
    """The lowest score drawn to scale: a collapsed design must not flatten the others."""
    best = max([m.score for m in marks] + [b.score for b in bands])
    main = [m.score - m.interval for m in marks if m.role != "trial"]
    main += [b.score - b.interval for b in bands]
    depth = best - DEPTH * largest_loss
    lowest = min((low for low in main if low > depth), default=depth)
    floor = lowest - max(0.12 * (best - lowest), 0.4 * goal.resolution)
    # A fraction ends at 0 %: at the bottom where higher is better, and else at the top.
    return floor if goal.unit or goal.direction == "lower" else max(0.0, floor)


def _draw_bands(axes: Axes, bands: Sequence[Band], goal: Goal) -> None:
    for band, (colour, dashes) in zip(bands, BASELINES, strict=False):
        y, spread = goal.shown(band.score), goal.shown(band.interval)
        axes.axhspan(y - spread, y + spread, color=colour, alpha=0.07, linewidth=0)
        axes.axhline(y, color=colour, linestyle=dashes, linewidth=1.2)


def _draw_marks(
    axes: Axes,
    marks: Sequence[Mark],
    xs: Sequence[float],
    shapes: dict[str, str],
    floor: float,
    goal: Goal,
) -> None:
    steps = staircase([(x, m.score) for m, x in zip(marks, xs, strict=True) if m.on_front])
    across, up = zip(*steps, strict=True)
    axes.plot(across, [goal.shown(y) for y in up], color=BLUE, alpha=0.3, linewidth=1.5, zorder=2)
    for mark, x in zip(marks, xs, strict=True):
        colour = COLOURS[mark.role]
        hollow = mark.role == "exact" and not mark.on_front
        if mark.score < floor:
            axes.plot(x, goal.shown(floor), marker=7, color=colour, markersize=5, clip_on=False)
            continue
        axes.errorbar(
            x,
            goal.shown(mark.score),
            yerr=abs(goal.shown(mark.interval)) or None,
            fmt=shapes[mark.format],
            color=colour,
            markersize=4.5 if mark.role == "trial" else 8.5,
            markerfacecolor="white" if hollow else colour,
            markeredgecolor=colour if hollow else "white",
            markeredgewidth=1.4 if hollow else 0 if mark.role == "trial" else 0.8,
            alpha=0.55 if mark.role == "trial" else 1,
            elinewidth=1.3,
            capsize=3,
            zorder=3 if mark.role == "trial" else 5 if mark.on_front else 4,
        )


def _draw_score(
    axes: Axes, marks: Sequence[Mark], bands: Sequence[Band], floor: float, goal: Goal
) -> None:
    tops = [m.score + m.interval for m in marks] + [b.score + b.interval for b in bands]
    top = max(tops) + 0.06 * (max(tops) - floor)
    # Better is up: the axis of a metric that is better when lower is turned over.
    axes.set_ylim(goal.shown(floor), goal.shown(top))
    axes.set_ylabel(f"{goal.name} ({goal.symbol})")


def _draw_scale(axes: Axes, objective: Objective, um2_per_gate: float) -> None:
    axes.set_xlabel(f"{objective.label} ({objective.symbol})")
    if not objective.digits:
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    if objective.unit != AREA.unit:
        return
    to_gates, from_gates = (lambda x: x / um2_per_gate), (lambda x: x * um2_per_gate)
    gates = axes.secondary_xaxis("top", functions=(to_gates, from_gates))
    gates.set_xlabel("NAND2 gate equivalents", fontsize=8.5, color=GREY)
    gates.tick_params(labelsize=8.5)
    gates.spines["top"].set_visible(False)


def _legend_handles(
    marks: Sequence[Mark], bands: Sequence[Band], shapes: dict[str, str], goal: Goal
) -> list[Line2D]:
    handles = [
        Line2D([], [], color=colour, linestyle=dashes, label=f"{b.name}: {_text(b, goal)}")
        for b, (colour, dashes) in zip(bands, BASELINES, strict=False)
    ]
    roles = {mark.role for mark in marks}
    for role, meaning in MEANINGS.items():
        if role in roles:
            handles.append(_dot("o", COLOURS[role], meaning))
    handles += [_dot(shape, INK, name) for name, shape in shapes.items()]
    return handles


def _dot(shape: str, colour: str, name: str) -> Line2D:
    return Line2D([], [], marker=shape, color=colour, linestyle="", markersize=6, label=name)


def _text(band: Band, goal: Goal) -> str:
    return f"{Interval(band.score, band.interval).text(goal)} {goal.symbol}"
