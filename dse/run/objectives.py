"""What is a design point measured by, and which is better? An objective is one object here.

Configuration, hurdles, ranks, pictures and report ask it: another one is an entry of `OBJECTIVES`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from axdse.flows.cost.point import PointCost, WholeMacs
from axdse.multipliers.errors import did_you_mean

Losses = tuple[float, ...]


@dataclass(frozen=True)
class Measured:
    """What is known of a design point when it is judged.

    Attributes:
        score: of the trained network; higher is better, whatever the metric.
        cost: of its units; None: no objective is a cost.
    """

    score: float
    cost: PointCost | None

    @property
    def whole(self) -> WholeMacs | None:
        """The cost of its whole MACs, if it was asked for."""
        return self.cost.whole if self.cost else None


@dataclass(frozen=True, repr=False)
class Objective:
    """What a search makes large or small.

    Attributes:
        name: as configurations write it.
        label: of an axis or a column.
        unit: of the values, in ASCII.
        level: whose figure it is: of the trained network, of the multiplier units, of the whole
            MACs, or of an array of them.
        direction: which way is better.
        of: its value, by a function with a name in a module, as workers are told of it by that
            name; NaN, which dominates nothing, where it is not known.
        least: what the best design is called, such as "smallest".
        less: what a better one needs, such as "less area".
        more: what a worse one is, such as "larger".
        digits: decimals to show.
        needs_power: whether the library must have power tables.
        needs_recording: whether the operands of a training must be recorded.
    """

    name: str
    label: str
    unit: str
    level: Literal["network", "unit", "mac", "array"]
    direction: Literal["maximise", "minimise"]
    of: Callable[[Measured], float]
    least: str
    less: str
    more: str
    digits: int = 0
    needs_power: bool = False
    needs_recording: bool = False

    def __repr__(self) -> str:
        return self.name

    def loss(self, measured: Measured) -> float:
        """Its value, negated if large is better."""
        value = self.of(measured)
        return -value if self.direction == "maximise" else value

    def text(self, value: float) -> str:
        """A value with its unit, such as `1,780 um2`."""
        return f"{value:,.{self.digits}f} {self.unit}"

    @property
    def symbol(self) -> str:
        """The unit as pages and pictures show it."""
        return self.unit.replace("um2", "µm²")


def _score(measured: Measured) -> float:
    return measured.score


def _area(measured: Measured) -> float:
    return measured.cost.area_um2 if measured.cost else math.nan


def _delay(measured: Measured) -> float:
    return measured.cost.delay_ns if measured.cost else math.nan


def _energy(measured: Measured) -> float:
    """Of recorded operands if there are any."""
    energy = measured.cost.energy_fj if measured.cost else None
    return math.nan if energy is None else energy


def _mac_area(measured: Measured) -> float:
    whole = measured.whole
    return whole.area_um2 if whole else math.nan


def _mac_delay(measured: Measured) -> float:
    whole = measured.whole
    return whole.delay_ns if whole else math.nan


def _mac_energy(measured: Measured) -> float:
    whole = measured.whole
    return math.nan if whole is None or whole.energy_fj is None else whole.energy_fj


def _array_energy(measured: Measured) -> float:
    whole = measured.whole
    return math.nan if whole is None or whole.step_uj is None else whole.step_uj


ACCURACY = Objective(
    name="accuracy",
    label="accuracy",
    unit="",
    level="network",
    direction="maximise",
    of=_score,
    least="most accurate",
    less="more accuracy",
    more="less accurate",
)
AREA = Objective(
    name="area",
    label="unit area",
    unit="um2",
    level="unit",
    direction="minimise",
    of=_area,
    least="smallest",
    less="less area",
    more="larger",
)
DELAY = Objective(
    name="delay",
    label="unit delay",
    unit="ns",
    level="unit",
    direction="minimise",
    of=_delay,
    least="fastest",
    less="less delay",
    more="slower",
    digits=2,
)
ENERGY = Objective(
    name="energy",
    label="unit energy per multiplication",
    unit="fJ",
    level="unit",
    direction="minimise",
    of=_energy,
    least="most frugal",
    less="less energy per multiplication",
    more="more",
    needs_power=True,
)
MAC_AREA = replace(AREA, name="mac.area", label="MAC area per product", level="mac", of=_mac_area)
MAC_DELAY = replace(DELAY, name="mac.delay", label="MAC period", level="mac", of=_mac_delay)
MAC_ENERGY = replace(
    ENERGY,
    name="mac.energy",
    label="MAC energy per product",
    level="mac",
    of=_mac_energy,
    less="less energy per product",
)
ARRAY_ENERGY = replace(
    ENERGY,
    name="array.energy",
    label="array energy per training step",
    unit="uJ",
    level="array",
    of=_array_energy,
    less="less energy per training step",
    digits=3,
    needs_recording=True,
)
OBJECTIVES = {
    each.name: each
    for each in (
        *(ACCURACY, AREA, DELAY, ENERGY),
        *(MAC_AREA, MAC_DELAY, MAC_ENERGY, ARRAY_ENERGY),
    )
}


def find_objective(name: object) -> Objective:
    """Return an objective by name.

    Raises:
        ValueError: there is none of that name.
    """
    if name == "score":  # what accuracy is of a task that has none
        return ACCURACY
    if not isinstance(name, str) or name not in OBJECTIVES:  # of YAML it may be anything
        raise ValueError(f"no objective; {did_you_mean(str(name), OBJECTIVES)}")
    return OBJECTIVES[name]


def losses(objectives: Sequence[Objective], measured: Measured) -> Losses:
    """Those of the objectives, in their order: smaller is better."""
    return tuple(objective.loss(measured) for objective in objectives)


def dominates(a: Losses, b: Losses) -> bool:
    """Whether `a` is nowhere worse than `b` and somewhere better."""
    return a != b and no_worse(a, b)


def no_worse(a: Losses, b: Losses) -> bool:
    """Whether `a` is nowhere worse than `b`."""
    return all(x <= y for x, y in zip(a, b, strict=True))


def non_dominated(points: Sequence[Losses] | np.ndarray) -> list[bool]:
    """For each of n points whether no other dominates it; equal points stand together."""
    if not len(points):
        return []
    values = np.asarray(points, dtype=float)
    others = values[:, None]
    beaten = (others <= values).all(2) & (others < values).any(2)  # [n, n]
    return [not each for each in np.any(beaten, axis=0)]
