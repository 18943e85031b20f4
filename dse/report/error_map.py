"""Where over its operands does a design err, and by how much?"""

from dataclasses import dataclass

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from axdse.dse.report.front_plot import STYLE
from axdse.dse.report.plot_points import GREY
from axdse.multipliers.designs.candidate import Candidate
from axdse.multipliers.formats import FloatFormat
from axdse.multipliers.model.cmodel import table_of

MAX_PIXELS = 256
QUANTILE = 0.995  # of |error| at the end of the colour scale: one corner must not pale the rest


@dataclass(frozen=True, eq=False)
class ErrorSurface:
    """Signed relative error of a core over the operands that its unit feeds it.

    Attributes:
        percent: [a, b], 100 * (approximate - exact) / exact; NaN where the exact product is 0.
        low: smallest operand.
        high: one past the largest operand.
        operand: what an operand is.
    """

    percent: np.ndarray
    low: float
    high: float
    operand: str


def error_surface(candidate: Candidate) -> ErrorSurface:
    """Tabulate the core's relative error over the operands of its format.

    Float units feed it significands in [1, 2), integer units magnitudes. Rounding of operands
    and product is the format's, not the design's, and is not shown.

    Raises:
        AxdseError: as `table_of`.
    """
    table = table_of(candidate.multiplier).astype(float)
    if not isinstance(candidate.format, FloatFormat):
        count = (1 << (candidate.format.bits - 1)) + 1
        operands = np.arange(count, dtype=float)
        return _surface(table[:count, :count], operands, 1.0, "magnitude")
    m = candidate.format.fraction_bits
    operands = 1 + np.arange(1 << m) / (1 << m)
    if candidate.multiplier.family.kind == "integer":
        values = table[1 << m :, 1 << m :] / (1 << (2 * m))
    else:
        carry, fraction = np.divmod(table, 1 << m)
        values = np.exp2(carry) * (1 + fraction / (1 << m))
    return _surface(values, operands, 1 / (1 << m), "significand")


def _surface(values: np.ndarray, operands: np.ndarray, step: float, kind: str) -> ErrorSurface:
    exact = np.outer(operands, operands)
    with np.errstate(divide="ignore", invalid="ignore"):
        percent = np.where(exact > 0, 100 * (values - exact) / exact, np.nan)
    return ErrorSurface(percent, float(operands[0]), float(operands[-1] + step), kind)


def error_figure(candidate: Candidate) -> Figure:
    """Draw the error surface as a map, blue where the design is low, red where it is high.

    Raises:
        AxdseError: as `error_surface`.
    """
    surface = error_surface(candidate)
    pixels = shrunk(surface.percent)
    limit = float(np.nanquantile(np.abs(surface.percent), QUANTILE)) or 1.0
    with rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(3.6, 3.05))
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0.14, 0.15, 0.66, 0.66 * 3.6 / 3.05))
        axes.set_facecolor("#d8dbdf")
        image = axes.imshow(
            pixels,
            origin="lower",
            cmap="RdBu_r",
            vmin=-limit,
            vmax=limit,
            interpolation="nearest",
            extent=(surface.low, surface.high, surface.low, surface.high),
        )
        axes.set_xlabel(f"{surface.operand} of b", fontsize=9)
        axes.set_ylabel(f"{surface.operand} of a", fontsize=9)
        axes.tick_params(labelsize=8)
        axes.locator_params(nbins=5)
        peak = float(np.nanmax(np.abs(surface.percent)))
        scale = figure.add_axes((0.82, 0.15, 0.03, 0.66 * 3.6 / 3.05))
        bar = figure.colorbar(image, scale, extend="both" if peak > limit else "neither")
        bar.locator = MaxNLocator(7)
        axes.set_title("relative error (%)", loc="right", fontsize=9, color=GREY)
        bar.ax.tick_params(labelsize=8, color=GREY)
        bar.outline.set_visible(False)
    return figure


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
