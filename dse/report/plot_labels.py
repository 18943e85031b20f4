"""Where do labels go, so that none covers another?"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Bbox

from axdse.dse.report.plot_points import COLOURS, GREY, Band, Mark, staircase
from axdse.dse.training.records import Goal

RADII = (1.0, 1.9, 3.0, 4.4, 6.0)
DIRECTIONS = 16


@dataclass(frozen=True)
class Box:
    """An axis-parallel rectangle, in pixels."""

    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: "Box") -> float:
        """Shared area in square pixels."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(width, 0.0) * max(height, 0.0)

    @property
    def area(self) -> float:
        """Area in square pixels."""
        return (self.right - self.left) * (self.top - self.bottom)


@dataclass(frozen=True)
class Label:
    """Text of a known size that belongs to the point (x, y), in pixels."""

    x: float
    y: float
    width: float
    height: float


def place(
    labels: Sequence[Label], obstacles: Sequence[Box], within: Box, gap: float
) -> tuple[Box, ...]:
    """Return one box a label: the nearest place that covers the least.

    Greedy in the order given, so put the most important labels first; a dozen labels are placed
    in milliseconds and always alike.

    Args:
        labels: what to place.
        obstacles: what labels must not cover, such as markers and error bars.
        within: where labels must stay.
        gap: distance from point to label at the first radius, in pixels.
    """
    taken = list(obstacles)
    placed = []
    for label in labels:
        best = min(_candidates(label, gap), key=lambda choice: _cost(choice, taken, within))
        taken.append(best[1])
        placed.append(best[1])
    return tuple(placed)


def _candidates(label: Label, gap: float) -> Iterator[tuple[float, Box]]:
    """(distance, box) in rings around the point; the box touches the ring with its near side."""
    for radius in RADII:
        for step in range(DIRECTIONS):
            angle = 2 * math.pi * step / DIRECTIONS
            dx, dy = math.cos(angle), math.sin(angle)
            x = label.x + dx * (radius * gap + label.width / 2) - label.width / 2
            y = label.y + dy * (radius * gap + label.height / 2) - label.height / 2
            yield radius, Box(x, y, x + label.width, y + label.height)


def _cost(choice: tuple[float, Box], taken: Sequence[Box], within: Box) -> float:
    distance, box = choice
    covered = sum(box.overlap(other) for other in taken) / box.area
    outside = 1 - box.overlap(within) / box.area
    return 100 * covered + 400 * outside + distance


def write_labels(
    axes: Axes, marks: Sequence[Mark], bands: Sequence[Band], floor: float, goal: Goal
) -> None:
    """Write the names of front and exact designs beside their marks, none over another.

    The axes are those of the first cost.
    """
    named = sorted(
        (m for m in marks if m.role != "trial"), key=lambda m: (not m.on_front, m.costs[0])
    )
    texts = [_label_text(mark, floor, goal) for mark in named]
    points = [_pixel(axes, goal, m.costs[0], max(m.score, floor)) for m in named]
    sizes = [_text_size(axes, text) for text in texts]
    labels = [Label(x, y, w, h) for (x, y), (w, h) in zip(points, sizes, strict=True)]
    obstacles = _obstacles(axes, marks, floor, goal)
    obstacles += _line_obstacles(axes, marks, bands, floor, goal)
    boxes = place(labels, obstacles, _box(axes.get_window_extent()), gap=9)
    to_axes = axes.transAxes.inverted()
    for mark, text, point, box in zip(named, texts, points, boxes, strict=True):
        middle = ((box.left + box.right) / 2, (box.bottom + box.top) / 2)
        axes.annotate(
            text,
            xy=tuple(to_axes.transform(point)),
            xytext=tuple(to_axes.transform(middle)),
            xycoords="axes fraction",
            textcoords="axes fraction",
            ha="center",
            va="center",
            fontsize=8.5,
            color=COLOURS[mark.role],
            zorder=6,
            path_effects=[withStroke(linewidth=2.5, foreground="white", alpha=0.85)],
            arrowprops=_leader(point, box),
        )


def _label_text(mark: Mark, floor: float, goal: Goal) -> str:
    text = f"exact, {mark.format}" if mark.role == "exact" else mark.label
    return f"{text} {goal.text(mark.score)}" if mark.score < floor else text


def _leader(point: tuple[float, float], box: Box) -> dict[str, object] | None:
    """A hairline from a label to its point, where they are far apart."""
    dx = max(box.left - point[0], 0, point[0] - box.right)
    dy = max(box.bottom - point[1], 0, point[1] - box.top)
    if math.hypot(dx, dy) < 20:
        return None
    return {"arrowstyle": "-", "color": GREY, "linewidth": 0.6, "shrinkA": 1, "shrinkB": 6}


def _obstacles(axes: Axes, marks: Sequence[Mark], floor: float, goal: Goal) -> list[Box]:
    boxes = []
    for mark in (mark for mark in marks if mark.role != "trial"):
        x, low = _pixel(axes, goal, mark.costs[0], max(mark.score - mark.interval, floor))
        _, high = _pixel(axes, goal, mark.costs[0], max(mark.score + mark.interval, floor))
        boxes.append(Box(x - 6, low - 3, x + 6, high + 3))
    return boxes


def _line_obstacles(
    axes: Axes, marks: Sequence[Mark], bands: Sequence[Band], floor: float, goal: Goal
) -> list[Box]:
    """Baselines, and the staircase of the front as a chain of small boxes."""
    window = _box(axes.get_window_extent())
    heights = [_pixel(axes, goal, 0, band.score)[1] for band in bands]
    boxes = [Box(window.left, y - 1, window.right, y + 1) for y in heights]
    steps = staircase([(m.costs[0], max(m.score, floor)) for m in marks if m.on_front])
    chain = [_pixel(axes, goal, *point) for point in steps]
    for (x0, y0), (x1, y1) in itertools.pairwise(chain):
        count = max(2, int(math.hypot(x1 - x0, y1 - y0) / 4))
        centres = ((x0 + (x1 - x0) * i / count, y0 + (y1 - y0) * i / count) for i in range(count))
        boxes += [Box(x - 2, y - 2, x + 2, y + 2) for x, y in centres]
    return boxes


def _pixel(axes: Axes, goal: Goal, x: float, score: float) -> tuple[float, float]:
    across, up = axes.transData.transform((x, goal.shown(score)))
    return float(across), float(up)


def _text_size(axes: Axes, text: str) -> tuple[float, float]:
    probe = axes.text(0, 0, text, fontsize=8.5)
    extent = probe.get_window_extent()
    probe.remove()
    return extent.width + 3, extent.height + 1


def _box(extent: Bbox) -> Box:
    return Box(extent.x0, extent.y0, extent.x1, extent.y1)
