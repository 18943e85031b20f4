"""What do the MACs of a design point cost? Each distinct one once, on one chip.

The rule: layers run one after another on the same elements, which hold every distinct unit. So
areas add up, also those of units that stand still; the slowest unit sets the clock; and the energy
of a multiplication is the mean over all those of a training step, each unit under the operands of
the products that it makes.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from axdse.flows.cost.cost import cost_basis, unit_cost
from axdse.flows.cost.record import Cost, Energy
from axdse.flows.netlist.adders import Aim
from axdse.flows.power.activity_file import Source
from axdse.flows.power.activity_source import Uniform
from axdse.flows.power.recorded_source import Recorded
from axdse.multipliers.designs.design_point import DesignPoint, Mac, ProductName
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.operands.recording import Dataflow, OperandTrace, Recording


@dataclass(frozen=True)
class WholeMacs:
    """What a processing element with all MACs of a design point takes, for each product.

    Attributes:
        area_um2: of cores, sums and registers.
        energy_fj: of recorded operands if there are any, else of uniform ones, glitches included;
            None: the library has no power tables.
        delay_ns: the shortest clock period.
        basis: SHA-256 (hex) of what it depends on beside the MACs and what was recorded.
        step_uj: dynamic energy of a training step on an array of such elements, uJ; None: not
            asked for, nothing was recorded, or the library has no power tables.
    """

    area_um2: float
    energy_fj: float | None
    delay_ns: float
    basis: str
    step_uj: float | None = None


@dataclass(frozen=True)
class PointCost:
    """What the units of a design point cost, if one chip holds each distinct one once.

    Attributes:
        units: of each distinct MAC that makes a product, in the order of the point; of one with
            a sum of a recipe as it would stand alone, before the sum of its format.
        shares: of the multiplications of a training step that each makes; they sum to 1.
        whole: its MACs with sums and registers; None: not asked for.
    """

    units: tuple[Cost, ...]
    shares: tuple[float, ...]
    whole: WholeMacs | None = None

    @property
    def area_um2(self) -> float:
        """Sum over the units."""
        return sum(unit.area_um2 for unit in self.units)

    @property
    def gate_equivalents(self) -> float:
        """The area over that of the library's smallest 2-input NAND."""
        return sum(unit.gate_equivalents for unit in self.units)

    @property
    def cells(self) -> int:
        """Library cells of all units."""
        return sum(unit.cells for unit in self.units)

    @property
    def delay_ns(self) -> float:
        """Of the slowest unit."""
        return max(unit.delay_ns for unit in self.units)

    @property
    def feasible(self) -> bool:
        """Whether every unit meets the clock."""
        return all(unit.feasible for unit in self.units)

    @property
    def clock_ns(self) -> float | None:
        """Delay target of the synthesis."""
        return self.units[0].clock_ns

    @property
    def recorded_fj(self) -> float | None:
        """Mean dynamic energy of a multiplication of recorded operands, fJ; None: not known."""
        return self._mean([unit.recorded for unit in self.units])

    @property
    def uniform_fj(self) -> float | None:
        """Likewise of uniform operands; None: the library has no power tables."""
        return self._mean([unit.uniform for unit in self.units])

    @property
    def energy_fj(self) -> float | None:
        """That of recorded operands if there are any, else of uniform ones."""
        return self.uniform_fj if self.recorded_fj is None else self.recorded_fj

    @property
    def bases(self) -> tuple[str, ...]:
        """What each unit's cost depends on beside its design, and that of whole MACs."""
        whole = (self.whole.basis,) if self.whole else ()
        return (*(unit.basis for unit in self.units), *whole)

    def _mean(self, energies: list[Energy | None]) -> float | None:
        known = [energy.energy_fj for energy in energies if energy]
        if len(known) < len(energies):
            return None
        return sum(share * fj for share, fj in zip(self.shares, known, strict=True))


@dataclass(frozen=True, eq=False)
class Portion:
    """What one MAC of a design point does.

    Attributes:
        mac: that multiplies.
        share: of the multiplications of a training step.
        source: of the operands that its energy is of.
    """

    mac: Mac
    share: float
    source: Source


@dataclass(frozen=True, eq=False)
class Demand:
    """What a network asks of a chip: which products, how many of each, with which operands.

    Attributes:
        recording: of a training, with traces; None: unknown, which does for one MAC everywhere.
        name: of the recording, for people.
        dataflow: of the array that makes the products.
        recorded: whether energies are those of the recorded operands, not of uniform ones.
    """

    recording: Recording | None = None
    name: str = ""
    dataflow: Dataflow = "output-stationary"
    recorded: bool = True

    @property
    def traces(self) -> tuple[OperandTrace, ...]:
        """Those of the dataflow, one for each product of each layer."""
        known = self.recording.traces if self.recording else ()
        return tuple(trace for trace in known if trace.dataflow == self.dataflow)

    def portions(self, point: DesignPoint) -> tuple[Portion, ...]:
        """Who makes how much of it, each distinct MAC once.

        Raises:
            AxdseError: a place fits no recorded layer, or a product has no MAC; or places cannot
                be weighed, as nothing was recorded.
        """
        if self.recording is None:
            if point.uniform_mac is None:
                rule = "the places of a design point are weighed by the products of a training"
                raise AxdseError(rule, point.name, "give a recording of 'axdse train --record'")
            return (Portion(point.uniform_mac, 1.0, Uniform()),)
        traces = self.traces
        if not traces:
            rule = f"products are counted in traces in {self.dataflow} order"
            raise AxdseError(rule, f"none in {self.name}", "record a run of at least one step")
        point.check_layers(dict.fromkeys(trace.layer for trace in traces))
        made: dict[Mac, int] = {}
        for trace in traces:
            mac = required_mac(point, trace.layer, trace.product)
            made[mac] = made.get(mac, 0) + trace.multiplications
        total = sum(made.values())
        macs = [mac for mac in point.macs if mac in made]
        return tuple(Portion(m, made[m] / total, self._source(point, m, macs)) for m in macs)

    def _source(self, point: DesignPoint, mac: Mac, macs: list[Mac]) -> Source:
        if not self.recorded or self.recording is None:
            return Uniform()
        own = self.recording
        if len(macs) > 1:
            own = dataclasses.replace(
                own,
                histograms=tuple(
                    h for h in own.histograms if point.mac(h.layer, h.product) == mac
                ),
                traces=tuple(t for t in own.traces if point.mac(t.layer, t.product) == mac),
                rows=tuple(r for r in own.rows if point.mac(r.layer, r.product) == mac),
            )
        return Recorded(own, self.name, self.dataflow)


def required_mac(point: DesignPoint, layer: str, product: ProductName) -> Mac:
    """The MAC of a product that is to be costed.

    Raises:
        AxdseError: it stays native FP32, of which there is no netlist.
    """
    mac = point.mac(layer, product)
    if mac is None:
        rule = "silicon is costed where every product of a network has a MAC"
        remedy = "give it one, such as '*=exact(n=8) in bf16'"
        raise AxdseError(rule, f"{layer}:{product} stays native FP32", remedy)
    return mac


def check_unit_sums(point: DesignPoint) -> None:
    """Look whether units alone are what a point is made of.

    Raises:
        AxdseError: a MAC has a sum of a recipe, which has the normaliser itself.
    """
    recipe = next((mac.recipe for mac in point.macs if mac.recipe), None)
    if recipe:
        rule = "a unit alone has the sum of its format: fp32, bf16, fp16 or int32"
        remedy = "cost the whole MAC, 'axdse cost --mac', or leave the sum out"
        raise AxdseError(rule, f"sum {recipe.name}", remedy)


def point_cost(
    point: DesignPoint,
    demand: Demand,
    library: Path | None = None,
    clock_ns: float | None = None,
    aim: Aim = "energy",
) -> PointCost:
    """Cost of the units of a design point, each cached; `unit_cost` has the rest.

    Raises:
        AxdseError: as `Demand.portions` and `unit_cost`.
    """
    portions = demand.portions(point)
    units = (unit_cost(p.mac.candidate, library, p.source, clock_ns, aim) for p in portions)
    return PointCost(tuple(units), tuple(portion.share for portion in portions))


def point_bases(
    point: DesignPoint,
    demand: Demand,
    library: Path | None = None,
    clock_ns: float | None = None,
    aim: Aim = "energy",
) -> tuple[str, ...]:
    """What `point_cost` would depend on today beside the designs; see `PointCost.bases`.

    Raises:
        AxdseError: as `Demand.portions`; or a tool or the library is missing.
    """
    return tuple(cost_basis(library, p.source, clock_ns, aim) for p in demand.portions(point))
