"""Stage 9, search: what a network takes on an array of a finalist's multipliers."""

from dataclasses import dataclass
from pathlib import Path

from axdse.dse.config import SearchConfig
from axdse.dse.evaluate import recording_of
from axdse.flows.accelerator.network import (
    AcceleratorCost,
    Assigned,
    LayerEnergy,
    accelerator_cost,
)
from axdse.flows.accelerator.systolic_array import Array
from axdse.flows.liberty.library import read_library
from axdse.multipliers.candidate import Candidate


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


@dataclass(frozen=True)
class MacFigures:
    """Mean energy of a multiply-accumulate of a network, fJ, glitches included.

    Attributes:
        training_fj: over all products of training, with the operands recorded there.
        inference_fj: over the forward products.
        uniform_fj: with uniform operands.
    """

    training_fj: float
    inference_fj: float
    uniform_fj: float

    @property
    def uniform_error(self) -> float:
        """How far the uniform figure is off that of training, as a fraction of it.

        A register's clock alone takes energy, so there is always some.
        """
        return self.uniform_fj / self.training_fj - 1


def mac_figures(cost: AcceleratorCost) -> MacFigures | None:
    """Weigh each layer and product by its multiply-accumulates; None without power tables."""
    uniform = cost.macs[0].uniform
    forward = [layer for layer in cost.layers if layer.product == "forward"]
    return MacFigures(_mean(cost.layers), _mean(forward), uniform.energy_fj) if uniform else None


def _mean(layers: tuple[LayerEnergy, ...] | list[LayerEnergy]) -> float:
    return sum(x.macs_per_step * x.mac_fj for x in layers) / sum(x.macs_per_step for x in layers)
