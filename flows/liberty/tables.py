"""What does Liberty tabulate over input transition time and output load, in which units?"""

import math
import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from axdse.flows.liberty.syntax import Group
from axdse.multipliers.errors import AxdseError

PREFIXES = {"": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15, "a": 1e-18}
NUMBER = r"\d*\.?\d+(?:[eE][+-]?\d+)?|\d+\."
UNIT = re.compile(rf"\s*({NUMBER})\s*([munpfa]?)(s|V|W|f|F)\s*", re.IGNORECASE)
LOAD = "total_output_net_capacitance"
SLEWS = ("input_net_transition", "input_transition_time")
TRANSITIONS = ("related_pin_transition", "constrained_pin_transition")
Axes = dict[str, tuple[float, ...]]  # by variable, in the order of the file
Place = tuple[int, float, int, float]  # row, how far below it, column, how far beyond it


@dataclass(frozen=True)
class Units:
    """What one unit of the file is in ours.

    Attributes:
        time_ns: of times.
        capacitance_pf: of capacitances.
        energy_fj: of internal energy: capacitance x voltage squared.
        leakage_nw: of leakage power; 0 if the file does not tell.
    """

    time_ns: float
    capacitance_pf: float
    energy_fj: float
    leakage_nw: float


def read_units(head: Group, path: Path) -> Units:
    """Read the units that the library states.

    Raises:
        AxdseError: one is no number with a unit of that quantity.
    """

    def unit(name: str, default: str, quantity: str) -> float:
        text = head.attribute(name, default)
        found = UNIT.fullmatch(text)
        if not found or found[3].lower() != quantity or not float(found[1]):
            raise AxdseError(
                f"{name} of a Liberty library is a number and a unit, such as {default}",
                f"{text!r} in {path}",
                "correct the library",
            )
        return float(found[1]) * PREFIXES[found[2].lower()]

    number, symbol = (head.values("capacitive_load_unit") or ("1", "pf"))[:2]
    capacitance = UNIT.fullmatch(f"{number}{symbol}")
    if not capacitance or capacitance[3].lower() != "f" or not float(capacitance[1]):
        rule = "capacitive_load_unit of a Liberty library is a number and a unit, such as (1,pf)"
        raise AxdseError(rule, f"({number},{symbol}) in {path}", "correct the library")
    farads = float(capacitance[1]) * PREFIXES[capacitance[2].lower()]
    volts = unit("voltage_unit", "1V", "v")
    tells_leakage = head.attribute("leakage_power_unit")
    return Units(
        time_ns=_exact(unit("time_unit", "1ns", "s") * 1e9),
        capacitance_pf=_exact(farads * 1e12),
        energy_fj=_exact(farads * volts * volts * 1e15),
        leakage_nw=_exact(unit("leakage_power_unit", "1nW", "w") * 1e9) if tells_leakage else 0.0,
    )


def _exact(value: float) -> float:
    """Without the noise of products of powers of ten."""
    return float(f"{value:.12g}")


def number_of(text: str) -> float:
    """Return the number that an attribute begins with; 0 if it is not there.

    Raises:
        AxdseError: it begins with something else.
    """
    try:
        number = float(text.split()[0]) if text else 0.0
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        rule = "an attribute of a Liberty library must be a number"
        raise AxdseError(rule, text, "correct the library")
    return number


def size_of(group: Group, name: str) -> float:
    """Return an attribute that is at least 0; 0 if it is not there.

    Raises:
        AxdseError: it is below, or no number.
    """
    text = group.attribute(name)
    try:
        number = number_of(text)
    except AxdseError:
        number = -1.0
    if number < 0:
        place = f"{text} of {group.name} {' '.join(group.arguments)}"
        rule = f"{name} in a Liberty library is a number from 0"
        raise AxdseError(rule, place, "correct the library")
    return number


@dataclass(frozen=True)
class Table:
    """Values at (slew, load) points; an axis that the table does not depend on is one 0.

    Attributes:
        slews: input transition times, ns, increasing.
        loads: output capacitances, pF, increasing; of a setup time: transition times of the data.
        values: one row for each slew.
    """

    slews: tuple[float, ...]
    loads: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]

    def at(self, slew: np.ndarray, load: np.ndarray, *, beyond: bool = True) -> np.ndarray:
        """Interpolate bilinearly; `beyond` extrapolates as static timing does, else the border."""
        slews, loads, values = self._arrays
        row, down = _place(slews, slew, beyond)
        column, right = _place(loads, load, beyond)
        below, after = min(1, slews.size - 1), min(1, loads.size - 1)
        top = values[row, column] * (1 - right) + values[row, column + after] * right
        row = row + below
        bottom = values[row, column] * (1 - right) + values[row, column + after] * right
        return np.asarray(top * (1 - down) + bottom * down)

    def point(self, slew: float, load: float) -> float:
        """As `at`, for one point, without the overhead of arrays."""
        return self.value(self.place(slew, load))

    def place(self, slew: float, load: float) -> Place:
        """Where a point lies; the same in every table of the same axes."""
        return *_locate(self.slews, slew), *_locate(self.loads, load)

    def value(self, place: Place) -> float:
        """The value at a place."""
        row, down, column, right = place
        values = self.values[row]
        top = values[column]
        if right:
            top += (values[column + 1] - top) * right
        if not down:
            return top
        values = self.values[row + 1]
        bottom = values[column]
        if right:
            bottom += (values[column + 1] - bottom) * right
        return top + (bottom - top) * down

    def same_axes(self, other: "Table") -> bool:
        """Whether places mean the same in both."""
        return (self.slews, self.loads) == (other.slews, other.loads)

    @cached_property
    def _arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return np.array(self.slews), np.array(self.loads), np.array(self.values)


def _locate(axis: tuple[float, ...], point: float) -> tuple[int, float]:
    if len(axis) == 1:
        return 0, 0.0
    index = min(max(bisect_right(axis, point) - 1, 0), len(axis) - 2)
    return index, (point - axis[index]) / (axis[index + 1] - axis[index])


def _place(axis: np.ndarray, points: np.ndarray, beyond: bool) -> tuple[np.ndarray, np.ndarray]:
    """Index of the interval, and how far into it."""
    points = np.asarray(points, dtype=float)
    if axis.size == 1:
        return np.zeros(points.shape, dtype=int), np.zeros(points.shape)
    index = np.clip(np.searchsorted(axis, points, side="right") - 1, 0, axis.size - 2)
    along = (points - axis[index]) / (axis[index + 1] - axis[index])
    return index, along if beyond else np.clip(along, 0.0, 1.0)


def read_table(group: Group, templates: Mapping[str, Group], units: Units, scale: float) -> Table:
    """Read a table of times or energies.

    Args:
        group: with `values`.
        templates: by name, which say what the axes are.
        units: of the axes.
        scale: of the values.

    Raises:
        AxdseError: the axes are unknown, do not increase, or do not fit the values.
    """
    grid, axes = _grid(group, templates)
    slew = next((variable for variable in axes if variable in SLEWS), "")
    return _oriented(grid, axes, (slew, LOAD), (units.time_ns, units.capacitance_pf), scale)


def read_constraint(group: Group, templates: Mapping[str, Group], units: Units) -> Table:
    """Read a setup time, ns, over the transition times of clock (rows) and data (columns).

    Raises:
        AxdseError: as `read_table`.
    """
    grid, axes = _grid(group, templates)
    return _oriented(grid, axes, TRANSITIONS, (units.time_ns, units.time_ns), units.time_ns)


def _grid(group: Group, templates: Mapping[str, Group]) -> tuple[np.ndarray, Axes]:
    """The values, and the axes in the order of the file."""
    name = group.arguments[0] if group.arguments else "scalar"
    template = templates.get(name)
    values = _numbers(group, group.values("values"))
    axes: Axes = {}
    for number in (1, 2, 3):
        variable = template.attribute(f"variable_{number}") if template else ""
        if not variable:
            break
        index = group.values(f"index_{number}") or template.values(f"index_{number}")  # type: ignore[union-attr]
        axes[variable] = _numbers(group, index)
    shape = tuple(map(len, axes.values()))
    if int(np.prod(shape)) != len(values) or any(list(a) != sorted(set(a)) for a in axes.values()):
        rule = "a Liberty table has one value for each point of its increasing axes"
        raise AxdseError(rule, f"{group.name} ({name})", "correct the library")
    return np.array(values).reshape(shape), axes


def _oriented(
    grid: np.ndarray,
    axes: Axes,
    wanted: tuple[str, str],
    units: tuple[float, float],
    scale: float,
) -> Table:
    """The two axes wanted, in that order; on any further axis the first point."""
    keep = [variable for variable in wanted if variable in axes]
    grid = grid[tuple(slice(None) if variable in keep else 0 for variable in axes)]
    if [variable for variable in axes if variable in keep] != keep:
        grid = grid.T
    rows, columns = (
        tuple(x * unit for x in axes[variable]) if variable in axes else (0.0,)
        for variable, unit in zip(wanted, units, strict=True)
    )
    grid = grid.reshape(len(rows), len(columns)) * scale
    return Table(rows, columns, tuple(map(tuple, grid.tolist())))


def _numbers(group: Group, texts: tuple[str, ...]) -> tuple[float, ...]:
    text = " ".join(texts).replace(",", " ")
    try:
        numbers = tuple(map(float, text.split()))
    except ValueError:
        numbers = (math.nan,)
    if not all(map(math.isfinite, numbers)):
        rule = "a Liberty table holds numbers"
        raise AxdseError(rule, f"{group.name}: {text[:40]}", "correct the library")
    return numbers
