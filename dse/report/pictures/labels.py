"""Where do labels go, so that none covers another?"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

RADII = (1.0, 1.9, 3.0, 4.4, 6.0, 8.0, 10.5, 13.5, 17.0)
DIRECTIONS = 24


@dataclass(frozen=True)
class Box:
    """An axis-parallel rectangle, in pixels; y grows downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def middle(self, below: float = 0.0) -> tuple[float, float]:
        """The centre, and so far below it."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2 + below

    def gap(self, x: float, y: float) -> float:
        """Distance of a point from the box; 0 inside."""
        dx = max(self.left - x, 0, x - self.right)
        dy = max(self.top - y, 0, y - self.bottom)
        return math.hypot(dx, dy)


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
    taken = _edges(obstacles)
    frame = _edges([within])
    placed = []
    for label in labels:
        distances, boxes = zip(*_candidates(label, gap), strict=True)
        edges = _edges(boxes)
        # As the overlap with the frame is computed, so that all that lies within costs nothing.
        area = (edges[:, 2:] - edges[:, :2]).prod(axis=1)
        covered = _overlaps(edges, taken).sum(axis=1) / area
        outside = 1 - _overlaps(edges, frame)[:, 0] / area
        best = int(np.argmin(100 * covered + 400 * outside + np.array(distances)))
        taken = np.vstack([taken, edges[best]])
        placed.append(boxes[best])
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


def _edges(boxes: Sequence[Box]) -> np.ndarray:
    """Left, top, right and bottom of boxes, float64 (boxes, 4)."""
    edges = [(box.left, box.top, box.right, box.bottom) for box in boxes]
    return np.array(edges, np.float64).reshape(-1, 4)


def _overlaps(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Areas in square pixels that boxes share, float64 (first, second)."""
    near = np.maximum(first[:, None, :2], second[None, :, :2])
    far = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared: np.ndarray = np.maximum(far - near, 0).prod(axis=2)
    return shared
