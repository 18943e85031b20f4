"""Where over its operands does a design err, and by how much? Maps, all of one painter."""

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.designs.family import Multiplier
from axdse.multipliers.formats import FloatFormat
from axdse.multipliers.model.cmodel import tabulate
from axdse.multipliers.operands.recording import Recording, core_weights
from axdse.multipliers.tables.error_metrics import ErrorMetrics, ErrorTable, error_table

INK, GREY = "#1f2328", "#6e7781"
STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "text.parse_math": False,
}
MAX_PIXELS = 256
QUANTILE = 0.995  # of |error| at the end of the colour scale: one corner must not pale the rest
SIDE, LEFT, TOP, GAP = 3.1, 0.65, 0.75, 1.15  # inches


def png(figure: Figure, dpi: int = 200) -> bytes:
    """Render a figure; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    with rc_context(STYLE):
        figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


@dataclass(frozen=True, eq=False)
class ErrorMap:
    """One map over (a, b).

    Attributes:
        title: what it shows, with its unit.
        values: [a, b], rows and columns in ascending order of the operands' values; NaN: none.
        extent: smallest b, end of b, smallest a, end of a.
        operand: what an operand is, before "a" and "b"; may be empty.
    """

    title: str
    values: np.ndarray
    extent: tuple[float, float, float, float]
    operand: str = ""

    @property
    def limit(self) -> float:
        """Of the colour scale, to both sides of zero: a quantile, or the peak of a rare error."""
        sizes = np.abs(self.values[np.isfinite(self.values)])
        if not sizes.size:
            return 1.0
        return float(np.quantile(sizes, QUANTILE) or sizes.max()) or 1.0


def unit_map(candidate: Candidate) -> ErrorMap:
    """Map the core's relative error over the operands that its unit feeds it, in percent.

    Float units feed it significands in [1, 2), integer units magnitudes. Rounding of operands
    and product is the format's, not the design's, and is not shown.

    Raises:
        AxdseError: as `tabulate`.
    """
    table = tabulate(candidate.multiplier).astype(float)
    if not isinstance(candidate.format, FloatFormat):
        a, b = (
            np.arange((1 << (each.bits - 1)) + 1 if each.signed else 1 << each.bits, dtype=float)
            for each in candidate.format.operands
        )
        kind = "magnitude of " if candidate.format.signed_product else "code of "
        return _relative(table[: a.size, : b.size], (a, b), 1.0, kind)
    m = candidate.format.fraction_bits
    operands = 1 + np.arange(1 << m) / (1 << m)
    if candidate.multiplier.family.kind == "integer":
        values = table[1 << m :, 1 << m :] / (1 << (2 * m))
    else:
        carry, fraction = np.divmod(table, 1 << m)
        values = np.exp2(carry) * (1 + fraction / (1 << m))
    return _relative(values, (operands, operands), 1 / (1 << m), "significand of ")


def _relative(
    values: np.ndarray, operands: tuple[np.ndarray, np.ndarray], step: float, kind: str
) -> ErrorMap:
    exact = np.outer(*operands)
    with np.errstate(divide="ignore", invalid="ignore"):
        percent = np.where(exact > 0, 100 * (values - exact) / exact, np.nan)
    ends = [(float(side[0]), float(side[-1] + step)) for side in operands]
    return ErrorMap("relative error (%)", percent, (*ends[1], *ends[0]), kind)


def core_maps(multiplier: Multiplier, recording: Recording | None = None) -> list[ErrorMap]:
    """Map a core over its whole domain: relative error, error, a network's operands.

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
    return [_ascending(multiplier, table, title, values) for title, values in maps]


def _density(multiplier: Multiplier, recording: Recording) -> np.ndarray:
    """How much more often than the average pair each one met, log10; NaN for never."""
    counts = np.zeros((1 << multiplier.a_bits, 1 << multiplier.b_bits))
    for histogram in recording.histograms:
        counts += core_weights(histogram, multiplier)
    ratio = counts / (counts.mean() or 1.0)
    return np.log10(ratio, out=np.full_like(ratio, np.nan), where=ratio > 0)


def _ascending(
    multiplier: Multiplier, table: ErrorTable, title: str, values: np.ndarray
) -> ErrorMap:
    significand = multiplier.family.kind == "significand"
    unit = 1 / (1 << multiplier.operand_bits) if significand else 1
    ends = [(side.min() * unit, (side.max() + 1) * unit) for side in (table.b, table.a)]
    ascending = values[np.ix_(np.argsort(table.a), np.argsort(table.b))]
    operand = "significand of " if significand else ""
    return ErrorMap(title, ascending, (*ends[0], *ends[1]), operand)


def unit_figure(candidate: Candidate) -> Figure:
    """Draw `unit_map`, blue where the design is low, red where it is high.

    Raises:
        AxdseError: as `unit_map`.
    """
    shown = unit_map(candidate)
    side = 0.66 * 3.6 / 3.05
    with rc_context(STYLE):
        figure = Figure(figsize=(3.6, 3.05))
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0.14, 0.15, 0.66, side))
        _paint(figure, axes, figure.add_axes((0.82, 0.15, 0.03, side)), shown)
        axes.locator_params(nbins=5)
    return figure


def core_figure(
    multiplier: Multiplier, error: ErrorMetrics, recording: Recording | None = None
) -> Figure:
    """Draw `core_maps` side by side, with the design and its metrics as the headline.

    Raises:
        AxdseError: as `core_maps`.
    """
    maps = core_maps(multiplier, recording)
    width = LEFT + len(maps) * (SIDE + GAP)
    height = TOP + SIDE + LEFT
    with rc_context(STYLE):
        figure = Figure(figsize=(width, height))
        FigureCanvasAgg(figure)
        left = LEFT / width
        figure.text(left, 1 - 0.25 / height, multiplier.spec, fontsize=12, weight="bold")
        figure.text(left, 1 - 0.45 / height, _headline(error), fontsize=8, color=GREY)
        for i, shown in enumerate(maps):
            x = LEFT + i * (SIDE + GAP)
            place = (x / width, LEFT / height, SIDE / width, SIDE / height)
            scale = ((x + SIDE + 0.1) / width, LEFT / height, 0.1 / width, SIDE / height)
            _paint(figure, figure.add_axes(place), figure.add_axes(scale), shown)
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


def _paint(figure: Figure, axes: Axes, scale: Axes, shown: ErrorMap) -> None:
    """Draw a map and its colour scale."""
    limit = shown.limit
    axes.set_facecolor("#d8dbdf")
    image = axes.imshow(
        shrunk(shown.values),
        origin="lower",
        aspect="auto",
        cmap="RdBu_r",
        vmin=-limit,
        vmax=limit,
        interpolation="nearest",
        extent=shown.extent,
    )
    axes.set_xlabel(f"{shown.operand}b", fontsize=9)
    axes.set_ylabel(f"{shown.operand}a", fontsize=9)
    axes.set_title(shown.title, loc="left", fontsize=9)
    axes.tick_params(labelsize=8)
    beyond = bool(np.max(np.abs(np.nan_to_num(shown.values))) > limit)
    bar = figure.colorbar(image, scale, extend="both" if beyond else "neither")
    bar.locator = MaxNLocator(7)
    bar.ax.tick_params(labelsize=8, color=GREY)
    bar.outline.set_visible(False)


def shrunk(values: np.ndarray) -> np.ndarray:
    """Means of blocks, NaN left out, so that a wide design is no larger a picture."""
    height, width = (-(-size // MAX_PIXELS) for size in values.shape)
    if height == width == 1:
        return values
    padding = [
        (0, -size % block) for size, block in zip(values.shape, (height, width), strict=True)
    ]
    padded = np.pad(values, padding, constant_values=np.nan)
    blocks = padded.reshape(len(padded) // height, height, -1, width)
    counts = np.isfinite(blocks).sum(axis=(1, 3))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.nansum(blocks, axis=(1, 3)) / counts)
