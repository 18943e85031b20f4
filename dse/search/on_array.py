"""What does a network take on an array of a finalist's multipliers?"""

from dataclasses import dataclass
from pathlib import Path

from axdse.dse.run.config import SearchConfig
from axdse.dse.search.evaluate import recording_of
from axdse.flows.accelerator.network import (
    AcceleratorCost,
    Assigned,
    accelerator_cost,
)
from axdse.flows.accelerator.systolic_array import Array
from axdse.flows.liberty.library import read_library
from axdse.multipliers.designs.candidate import Candidate


@dataclass(frozen=True)
class OnArray:
    """The job of costing an array in which one design multiplies everywhere."""

    candidate: Candidate
    config: SearchConfig
    operands: Path

    def run(self) -> AcceleratorCost | None:
        """Cost it in a worker; None if the library has no power tables."""
        if read_library(self.config.library).lacks:
            return None
        recording = recording_of(self.operands)
        places = dict.fromkeys((trace.layer, trace.product) for trace in recording.traces)
        assigned = [Assigned(layer, product, self.candidate) for layer, product in places]
        array = Array(dataflow=self.config.dataflow)
        return accelerator_cost(
            *(recording, assigned, array, self.config.library), clock_ns=self.config.clock_ns
        )
