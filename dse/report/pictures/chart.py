"""What is a chart, before it is drawn? Where each line, spot and word of it stands, in pixels.

`templates/chart.svg` draws it: titles and links are there without a script, colours are those of
the page.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Point = tuple[float, float]
Size = Literal["wide", "narrow"]
CHARACTER = 6.8  # mean width of a character of a label, in pixels
LINE = 14.0  # height of a label


@dataclass(frozen=True)
class Tick:
    """A value on an axis, and where it stands."""

    at: float
    text: str


@dataclass(frozen=True)
class Spot:
    """One design.

    Attributes:
        x: its centre.
        y: likewise.
        shape: path around (0, 0).
        kind: class of its style.
        title: what a reader is told of it, line by line.
        href: of the row that says more; empty: none does.
        top: end of its error bar; equal to `bottom`: there is none.
        bottom: the other end.
    """

    x: float
    y: float
    shape: str
    kind: str
    title: tuple[str, ...]
    href: str = ""
    top: float = 0.0
    bottom: float = 0.0


@dataclass(frozen=True)
class Tag:
    """A word in the chart; `leader` is where its hairline ends, if it has one."""

    x: float
    y: float
    text: str
    kind: str
    leader: Point | None = None


@dataclass(frozen=True)
class Line:
    """A line through points; `kind` is the class of its style, `title` what it is."""

    points: tuple[Point, ...]
    kind: str
    title: str = ""

    @property
    def path(self) -> str:
        """As SVG has it."""
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in self.points)


@dataclass(frozen=True)
class Key:
    """An entry of the legend: a line, a filled area, or the shape of a spot."""

    kind: str
    text: str
    shape: str = ""


@dataclass(frozen=True)
class Chart:
    """All that is drawn.

    Attributes:
        width: of the picture.
        height: likewise.
        frame: left, top, right and bottom edge of the plane.
        title: what it shows, for who cannot see it.
        labels: of the axis across and of the axis up.
        across: ticks.
        up: ticks.
        areas: bands, behind all else.
        lines: over them.
        spots: over these.
        tags: on top.
        keys: the legend, below the plane.
    """

    width: float
    height: float
    frame: tuple[float, float, float, float]
    title: str
    labels: tuple[str, str]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    areas: tuple[Line, ...] = ()
    lines: tuple[Line, ...] = ()
    spots: tuple[Spot, ...] = ()
    tags: tuple[Tag, ...] = ()
    keys: tuple[Key, ...] = ()


@dataclass(frozen=True)
class Scale:
    """Values low..high on pixels start..end; a scale may be turned over."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """The pixel of a value."""
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, most: int) -> tuple[Tick, ...]:
        """Round values within, no more than so many, in steps of 1, 2 or 5."""
        low, high = sorted((self.low, self.high))
        rough = (high - low) / max(1, most)
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough)
        digits = max(0, -math.floor(math.log10(step) + 1e-9))
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        values = (number * step for number in range(first, last + 1))
        return tuple(Tick(self.at(value), f"{value + 0.0:,.{digits}f}") for value in values)


@dataclass(frozen=True)
class LogScale:
    """Positive values low..high on pixels start..end, equal ratios equally far apart."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """The pixel of a value."""
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, most: int) -> tuple[Tick, ...]:
        """Round values within, no more than so many, as many as a ladder of steps allows."""
        first, last = (math.floor(math.log10(end)) for end in (self.low, self.high))
        decades = range(first, last + 1)
        for ladder in _LADDERS:
            made = ((step, 10.0**power) for power in decades for step in ladder)
            values = [step * unit for step, unit in made if self.low <= step * unit <= self.high]
            if len(values) <= most:
                break
        values = values[:: math.ceil(len(values) / most) or 1]  # of many decades not each
        return tuple(Tick(self.at(value), f"{value:,.{_decimals(value)}f}") for value in values)


_LADDERS = (
    tuple(step / 10 for step in range(10, 100)),
    tuple(step / 10 for step in range(10, 100, 2)),
    (1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9),
    (1, 1.5, 2, 3, 4, 5, 7),
    (1, 2, 3, 5),
    (1, 3),
    (1,),
)


def _decimals(value: float) -> int:
    """Two digits of a value, and none that is a zero at its end."""
    digits = max(0, 1 - math.floor(math.log10(value)))
    return next(n for n in range(digits + 1) if math.isclose(round(value, n), value))


def frame_of(size: Size) -> tuple[float, float, tuple[float, float, float, float]]:
    """Width and height of a picture, and its plane, for a page or for a telephone."""
    if size == "wide":
        return 920, 480, (66, 14, 906, 430)
    return 350, 400, (52, 12, 342, 352)


def spread(values: Iterable[float], margin: float = 0.06) -> tuple[float, float]:
    """The smallest and the largest value with some room; of one value a range around it."""
    known = [value for value in values if math.isfinite(value)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    room = margin * (high - low) or 0.1 * abs(high) or 1.0
    return low - room, high + room


def stairs(points: Sequence[Point]) -> tuple[Point, ...]:
    """Corners of the staircase "best score for at most this cost", of (cost, score)."""
    corners: list[Point] = []
    for x, score in sorted(points):
        best = corners[-1][1] if corners else score
        corners += [(x, best), (x, max(best, score))]
    return tuple(corners)


def shape(number: int) -> str:
    """The path of the marker of a number: round, square, triangle, rhombus, ..."""
    return _SHAPES[number % len(_SHAPES)]


def _regular(corners: int, turn: float, radius: float) -> str:
    angles = (turn + 2 * math.pi * i / corners for i in range(corners))
    points = (f"{radius * math.cos(a):.2f},{radius * math.sin(a):.2f}" for a in angles)
    return f"M{' L'.join(points)}Z"


_SHAPES = (
    "M-5.5,0a5.5,5.5 0 1,0 11,0a5.5,5.5 0 1,0 -11,0Z",
    _regular(4, math.pi / 4, 6.8),
    _regular(3, -math.pi / 2, 7.2),
    _regular(4, 0, 7.2),
    _regular(3, math.pi / 2, 7.2),
    _regular(5, -math.pi / 2, 6.6),
    _regular(6, 0, 6.3),
    _regular(3, 0, 7.0),
)
BELOW = "M-4,-7L4,-7L0,1Z"  # what lies below the scale
