"""What do the whole MACs of a design point take? As `axdse.flows.cost.point` has its units."""

from pathlib import Path

from axdse.flows.accelerator.mac import mac_basis, mac_cost
from axdse.flows.accelerator.network import recorded_sums
from axdse.flows.accelerator.systolic_array import Array, array_cost
from axdse.flows.cost.point import Demand, WholeMacs
from axdse.flows.power.recorded_source import Recorded
from axdse.multipliers.designs.design_point import DesignPoint


def whole_macs(
    point: DesignPoint,
    demand: Demand,
    library: Path | None = None,
    clock_ns: float | None = None,
) -> WholeMacs:
    """Area, energy and period of one processing element that holds all MACs of a point.

    Raises:
        AxdseError: as `Demand.portions` and `mac_cost`.
    """
    portions, costs = demand.portions(point), []
    for portion in portions:
        source = portion.source
        met = (
            recorded_sums(source.recording, source.dataflow)
            if isinstance(source, Recorded)
            else ()
        )
        costs.append(mac_cost(portion.mac, library, met, clock_ns))
    energies = [cost.recorded or cost.uniform for cost in costs]
    shares = [
        portion.share * energy.timed.element_fj
        for portion, energy in zip(portions, energies, strict=True)
        if energy
    ]
    element = array_cost(costs, Array(1, 1))
    return WholeMacs(
        area_um2=element.area_um2 / max(cost.terms for cost in costs),
        energy_fj=sum(shares) if len(shares) == len(costs) else None,
        delay_ns=element.delay_ns,
        basis=mac_basis(library, clock_ns),
    )
