"""What do the whole MACs of a design point take? As `axdse.flows.cost.point` has its units."""

from collections.abc import Sequence
from pathlib import Path

from axdse.flows.accelerator.mac import Met, mac_basis, mac_cost
from axdse.flows.accelerator.network import accelerator_cost, recorded_sums
from axdse.flows.accelerator.systolic_array import Array, array_cost
from axdse.flows.cost.point import Demand, WholeMacs
from axdse.flows.netlist.adders import Aim
from axdse.flows.power.recorded_source import Recorded
from axdse.multipliers.designs.design_point import DesignPoint


def whole_macs(
    point: DesignPoint,
    demand: Demand,
    library: Path | None = None,
    clock_ns: float | None = None,
    *,
    array: Array | None = None,
    aim: Aim = "energy",
) -> WholeMacs:
    """Area, energy and period of one processing element that holds all MACs of a point.

    Args:
        point: which MAC makes what.
        demand: how much of it, with which operands.
        library: a Liberty file; default: OSU 0.18 um.
        clock_ns: see `mac_cost`.
        array: of such elements, in the order of the demand, which makes a training step; None: its
            energy is not asked for.
        aim: see `mac_cost`.

    Raises:
        AxdseError: as `Demand.portions`, `mac_cost` and `accelerator_cost`.
    """
    portions, costs = demand.portions(point), []
    for portion in portions:  # before any is mapped
        if isinstance(portion.source, Recorded):
            portion.source.recording.check_serves(portion.mac.format)
    for portion in portions:
        source = portion.source
        met: Sequence[Met] = ()
        if isinstance(source, Recorded):
            met = recorded_sums(source.recording, source.dataflow)
        costs.append(mac_cost(portion.mac, library, met, clock_ns, aim=aim))
    energies = [cost.recorded or cost.uniform for cost in costs]
    shares = [
        portion.share * energy.timed.element_fj
        for portion, energy in zip(portions, energies, strict=True)
        if energy
    ]
    element, step_uj = array_cost(costs, Array(1, 1)), None
    if array and demand.recorded and demand.recording and len(shares) == len(costs):
        made = accelerator_cost(
            demand.recording, point, array, library, clock_ns=clock_ns, aim=aim
        )
        step_uj = made.network.training_step_uj
    return WholeMacs(
        area_um2=element.area_um2 / max(cost.terms for cost in costs),
        energy_fj=sum(shares) if len(shares) == len(costs) else None,
        delay_ns=element.delay_ns,
        basis=mac_basis(library, clock_ns, aim=aim),
        step_uj=step_uj,
    )
