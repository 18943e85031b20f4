"""What is the error surface of a core over its whole operand domain?"""

from dataclasses import dataclass

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from axdse.dse.report.error_map import QUANTILE, shrunk
from axdse.dse.report.front_plot import STYLE
from axdse.dse.report.plot_points import GREY
from axdse.multipliers.designs.family import Multiplier
from axdse.multipliers.operands.recording import Recording, core_weights
from axdse.multipliers.tables.error_metrics import ErrorMetrics, ErrorTable, error_table

SIDE, LEFT, TOP, GAP = 3.1, 0.65, 0.75, 1.15  # inches


@dataclass(frozen=True, eq=False)
class Panel:
    """One map over (a, b).

    Attributes:
        title: what it shows, with its unit.
        values: [a, b], rows and columns in ascending order of the operands' values; NaN: none.
        limit: of the colour scale, to both sides of zero.
        extent: smallest b, end of b, smallest a, end of a.
        operand: what an operand is, as a prefix of "a" and "b".
    """

    title: str
    values: np.ndarray
    limit: float
    extent: tuple[float, float, float, float]
    operand: str


def surface_panels(multiplier: Multiplier, recording: Recording | None = None) -> list[Panel]:
    """Tabulate the maps: relative error, error, and where a network's operands are.

    Args:
        multiplier: the core.
        recording: adds a map of how often each operand pair met, all products together.

    Raises:
        AxdseError: as `tabulate`; or the recording is of another width.
    """
    table = error_table(multiplier)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(table.exact != 0, 100 * table.error / np.abs(table.exact), np.nan)
    maps = [
        ("relative error (%)", relative),
        ("error (last places of the exact product)", table.error.astype(float)),
    ]
    if recording:
        title = "recorded operands (log10; 0: as if uniform)"
        maps.append((title, _density(multiplier, recording)))
    return [_panel(multiplier, table, title, values) for title, values in maps]


def _density(multiplier: Multiplier, recording: Recording) -> np.ndarray:
    """How much more often than the average pair each one met, log10; NaN for never."""
    counts = np.zeros((1 << multiplier.operand_bits,) * 2)
    for histogram in recording.histograms:
        counts += core_weights(histogram, multiplier)
    ratio = counts / (counts.mean() or 1.0)
    return np.log10(ratio, out=np.full_like(ratio, np.nan), where=ratio > 0)


def _panel(multiplier: Multiplier, table: ErrorTable, title: str, values: np.ndarray) -> Panel:
    sizes = np.abs(values[np.isfinite(values)])
    limit = float(np.quantile(sizes, QUANTILE) or sizes.max()) if sizes.size else 0.0
    significand = multiplier.family.kind == "significand"
    unit = 1 / (1 << multiplier.operand_bits) if significand else 1
    ends = [(side.min() * unit, (side.max() + 1) * unit) for side in (table.b, table.a)]
    ascending = values[np.ix_(np.argsort(table.a), np.argsort(table.b))]
    operand = "significand of " if significand else ""
    return Panel(title, ascending, limit or 1.0, (*ends[0], *ends[1]), operand)


def surface_figure(
    multiplier: Multiplier, error: ErrorMetrics, recording: Recording | None = None
) -> Figure:
    """Draw the maps side by side, with the design and its metrics as the headline.

    Raises:
        AxdseError: as `surface_panels`.
    """
    panels = surface_panels(multiplier, recording)
    width = LEFT + len(panels) * (SIDE + GAP)
    height = TOP + SIDE + LEFT
    with rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(width, height))
        FigureCanvasAgg(figure)
        left = LEFT / width
        figure.text(left, 1 - 0.25 / height, multiplier.spec, fontsize=12, weight="bold")
        figure.text(left, 1 - 0.45 / height, _headline(error), fontsize=8, color=GREY)
        for i, panel in enumerate(panels):
            x = LEFT + i * (SIDE + GAP)
            place = (x / width, LEFT / height, SIDE / width, SIDE / height)
            scale = ((x + SIDE + 0.1) / width, LEFT / height, 0.1 / width, SIDE / height)
            _paint(figure, figure.add_axes(place), figure.add_axes(scale), panel)
    return figure


def _headline(error: ErrorMetrics) -> str:
    shown = {
        "ER": f"{100 * error.error_rate:.3g} %",
        "NMED": f"{100 * error.nmed:.3g} %",
        "MRED": f"{100 * error.mred:.3g} %",
        "WCE": f"{error.wce:.6g}",
        "WCRE": f"{100 * error.wcre:.3g} %",
        "bias": f"{error.bias:.4g}",
        "relative bias": f"{100 * error.relative_bias:.3g} %",
    }
    return "   ".join(f"{name} {value}" for name, value in shown.items())


def _paint(figure: Figure, axes: Axes, scale: Axes, panel: Panel) -> None:
    axes.set_facecolor("#d8dbdf")
    image = axes.imshow(
        shrunk(panel.values),
        origin="lower",
        aspect="auto",
        cmap="RdBu_r",
        vmin=-panel.limit,
        vmax=panel.limit,
        interpolation="nearest",
        extent=panel.extent,
    )
    axes.set_xlabel(f"{panel.operand}b", fontsize=9)
    axes.set_ylabel(f"{panel.operand}a", fontsize=9)
    axes.set_title(panel.title, loc="left", fontsize=9)
    axes.tick_params(labelsize=8)
    beyond = bool(np.max(np.abs(np.nan_to_num(panel.values))) > panel.limit)
    bar = figure.colorbar(image, scale, extend="both" if beyond else "neither")
    bar.ax.tick_params(labelsize=8, color=GREY)
    bar.outline.set_visible(False)
