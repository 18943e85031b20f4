"""What does a network take on an array of a finalist's multipliers?"""

from dataclasses import dataclass
from pathlib import Path

from axdse.dse.run.config import SearchConfig
from axdse.dse.run.on_array import cost_on_array
from axdse.dse.search.evaluate import recording_of
from axdse.flows.accelerator.network import AcceleratorCost
from axdse.flows.liberty.library import read_library
from axdse.multipliers.designs.design_point import DesignPoint


@dataclass(frozen=True)
class OnArray:
    """The job of costing an array whose elements hold the MACs of a design point."""

    point: DesignPoint
    config: SearchConfig
    operands: Path

    def run(self) -> AcceleratorCost | None:
        """Cost it in a worker; None if the library has no power tables."""
        if read_library(self.config.library).lacks:
            return None
        return cost_on_array(self.point, self.config, recording_of(self.operands))
