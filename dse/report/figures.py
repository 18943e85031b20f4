"""What does a design take as part of a chip? Figures of the network, or of a whole MAC.

A multiplier unit alone flatters: behind an FP32 adder one that takes half the energy saves a MAC a
few percent. So an answer is told in these.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from axdse.dse.run.objectives import Objective
from axdse.flows.accelerator.network import AcceleratorCost


@dataclass(frozen=True)
class Figure:
    """One figure of a network on an array; less is better.

    Attributes:
        name: in a few words, such as "energy per training step".
        unit: of the values.
        level: whose figure it is.
        less: what a better design needs, such as "less energy per training step".
        least: what the best one is called, such as "most frugal".
        digits: decimals to show.
        of: its value.
    """

    name: str
    unit: str
    level: Literal["network", "MAC"]
    less: str
    least: str
    digits: int
    of: Callable[[AcceleratorCost], float]

    @property
    def label(self) -> str:
        """Of an axis or a column."""
        return self.name

    @property
    def symbol(self) -> str:
        """The unit as a page shows it."""
        return self.unit

    def text(self, cost: AcceleratorCost) -> str:
        """The value with its unit."""
        return f"{self.of(cost):,.{self.digits}f} {self.unit}"


def _area(cost: AcceleratorCost) -> float:
    """Of an element that holds every MAC; N terms are N products at a time."""
    return cost.array.element_area_um2 / max(mac.terms for mac in cost.macs)


STEP = Figure(
    *("energy per training step", "µJ", "network", "less energy per training step"),
    *("most frugal", 1, lambda cost: cost.network.training_step_uj),
)
INFERENCE = Figure(
    *("energy per inference", "µJ", "network", "less energy per inference"),
    *("most frugal", 3, lambda cost: cost.network.inference_uj),
)
AREA = Figure(
    *("MAC area per product", "µm²", "MAC", "less area of MACs", "smallest", 0, _area),
)
PERIOD = Figure(
    *("MAC period", "ns", "MAC", "less time per product", "fastest", 2),
    of=lambda cost: cost.array.delay_ns,
)
FIGURES = (STEP, INFERENCE, AREA, PERIOD)
_BY_UNIT = {"um2": AREA, "ns": PERIOD}


def figure_of(objective: Objective) -> Figure:
    """By which figure designs are compared that a search ranked by this cost."""
    return _BY_UNIT.get(objective.unit, STEP)
