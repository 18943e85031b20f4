"""What does the network of a run take on an array of a design point's MACs?"""

from axdse.dse.run.config import SearchConfig
from axdse.flows.accelerator.network import AcceleratorCost, accelerator_cost
from axdse.flows.accelerator.systolic_array import Array
from axdse.multipliers.designs.design_point import DesignPoint
from axdse.multipliers.operands.recording import Recording


def cost_on_array(
    point: DesignPoint, config: SearchConfig, recording: Recording
) -> AcceleratorCost:
    """Cost the array with the library, clock and netlists by which the search judges a point.

    Args:
        point: has a MAC for every layer and product recorded.
        config: of the search.
        recording: of the operands of its network.

    Raises:
        AxdseError: as `accelerator_cost`.
    """
    return accelerator_cost(
        recording,
        point,
        Array(dataflow=config.dataflow),
        config.library,
        clock_ns=config.clock_ns,
        aim=config.aim,
    )
