"""What does a multiply-accumulate unit cost? Cores, sum and registers, for each product."""

import functools
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from axdse.flows.accelerator.conversion import DEPTH, Conversion, Converter, conversion_of
from axdse.flows.accelerator.mac_activity import (
    Stream,
    joined,
    run_of,
    traced_stream,
    uniform_stream,
    whole_rows,
)
from axdse.flows.accelerator.mac_netlists import Aim, MacNetlist, mapped_unit
from axdse.flows.accelerator.mac_unit import MacUnit
from axdse.flows.cost.cost import cost_basis, tools_in_use
from axdse.flows.liberty.library import Library, read_library
from axdse.flows.netlist.adders import Adders
from axdse.flows.netlist.check import NetlistProof
from axdse.flows.netlist.delays import Delays, delays_of
from axdse.flows.netlist.registers import FlipFlop, flip_flop, setup_ns
from axdse.flows.power.activity import Activity, simulate
from axdse.flows.power.activity_source import COUNT
from axdse.flows.power.power import Part, Power, power_of
from axdse.multipliers.cache import cached, digest
from axdse.multipliers.cores import cores
from axdse.multipliers.designs.datapath import Role
from axdse.multipliers.designs.design_point import Mac, ProductName
from axdse.multipliers.model.cmodel import model_digest
from axdse.multipliers.operands.recording import OperandRows, OperandTrace
from axdse.multipliers.provenance import code_digest

Met = OperandRows | OperandTrace


@dataclass(frozen=True)
class Shares:
    """Dynamic energy of one product by what takes it, fJ.

    Attributes:
        core: of a recipe's cores; of a format's sum they are in `multiplier`.
        multiplier: what else multiplies: sign, exponent, special values.
        sum: alignment, addition, normaliser.
        stage: the register before the normaliser.
        accumulator: the register of the running sum, clock and toggles.
        operands: the registers of both operands likewise, both clocked.
        conversion: what is done once per output or chunk, its share of a product.
    """

    core: float
    multiplier: float
    sum: float
    stage: float
    accumulator: float
    operands: float
    conversion: float

    @property
    def mac_fj(self) -> float:
        """All but the registers of the operands."""
        return self.element_fj - self.operands

    @property
    def element_fj(self) -> float:
        """All: of an output-stationary processing element."""
        registers = self.stage + self.accumulator + self.operands
        return self.core + self.multiplier + self.sum + registers + self.conversion

    @property
    def multiplier_share(self) -> float:
        """That of cores and what else multiplies in the whole."""
        return (self.core + self.multiplier) / self.element_fj


@dataclass(frozen=True)
class MacEnergy:
    """What one product takes under one activity.

    Attributes:
        activity: which operands followed one another, for people.
        multiplications: how many were simulated.
        timed: glitches included.
        still: without glitches.
        a_toggles: bits that change from one first operand of a multiplier to the next.
        b_toggles: likewise of second operands.
        overflow: share of products, of a recipe of sums, that are infinite or NaN.
    """

    activity: str
    multiplications: int
    timed: Shares
    still: Shares
    a_toggles: float
    b_toggles: float
    overflow: float

    @property
    def energy_fj(self) -> float:
        """Of the MAC, glitches included, without the registers of the operands."""
        return self.timed.mac_fj


@dataclass(frozen=True)
class PartEnergy:
    """What a MAC takes in one product of one layer."""

    layer: str
    product: ProductName
    multiplications: int
    energy: MacEnergy


@dataclass(frozen=True)
class ModuleCost:
    """One kind of module of a unit.

    Attributes:
        name: of its RTL; equal names are equal modules.
        role: whose figure it is.
        count: in one unit.
        area_um2: of one.
        leakage_nw: of one under uniform operands; 0: the library has no power tables.
        adders: where its full adders come from.
    """

    name: str
    role: Role
    count: int
    area_um2: float
    leakage_nw: float
    adders: Adders


@dataclass(frozen=True)
class MacCost:
    """What a MAC costs in silicon, before layout. A unit of N terms makes N products at a time.

    Attributes:
        design: name of the MAC.
        terms: N.
        modules: of the unit.
        stage_bits: width of the register before the normaliser; 0: there is none.
        accumulator_bits: width of the running sum's.
        operand_bits: width of each of the 2 N operands.
        flip_flop: the cell that all registers are made of.
        delay_ns: the shortest clock period, between registers.
        conversion: what is done once per output, or chunk; None: nothing.
        aim: what full adders were chosen by, module for module.
        library: name of the Liberty library.
        library_digest: SHA-256 (hex) of its file.
        tools: names and versions.
        date: when it was computed, ISO 8601, UTC.
        basis: SHA-256 (hex) of what it depends on beside the MAC and what was recorded.
        proof: how the netlist was compared with model and RTL.
        uniform: energy under uniform operands; None: the library has no power tables.
        recorded: energy under all that was recorded; None: it was asked for part by part.
        parts: energy under each recorded product of a layer.
        no_power: why there is no energy; empty: there is.
    """

    design: str
    terms: int
    modules: tuple[ModuleCost, ...]
    stage_bits: int
    accumulator_bits: int
    operand_bits: int
    flip_flop: FlipFlop
    delay_ns: float
    conversion: Conversion | None
    aim: Aim
    library: str
    library_digest: str
    tools: tuple[str, ...]
    date: str
    basis: str
    proof: NetlistProof
    uniform: MacEnergy | None
    recorded: MacEnergy | None
    parts: tuple[PartEnergy, ...]
    no_power: str = ""

    def role_um2(self, *roles: Role) -> float:
        """Area of the modules of these roles, for each product."""
        of_role = (each for each in self.modules if each.role in roles)
        return sum(each.count * each.area_um2 for each in of_role) / self.terms

    @property
    def registers_um2(self) -> float:
        """Area of all registers for each product: operands, stage, accumulator."""
        bits = 2 * self.terms * self.operand_bits + self.stage_bits + self.accumulator_bits
        return bits * self.flip_flop.area_um2 / self.terms

    @property
    def conversion_um2(self) -> float:
        """Area, for each product, of an element's share of a converter."""
        if self.conversion is None:
            return 0.0
        return self.conversion.area_um2 / self.conversion.elements / self.terms

    @property
    def element_um2(self) -> float:
        """Area of a processing element for each product."""
        logic = self.role_um2("core", "multiplier", "sum")
        return logic + self.registers_um2 + self.conversion_um2

    @property
    def area_um2(self) -> float:
        """Area of one unit with its accumulator and stage, without the registers of operands."""
        operands = 2 * self.terms * self.operand_bits * self.flip_flop.area_um2
        return self.element_um2 * self.terms - operands


def mac_cost(
    mac: Mac,
    library: Path | None = None,
    recorded: Sequence[Met] = (),
    clock_ns: float | None = None,
    *,
    stages: int = 1,
    aim: Aim = "energy",
    apart: bool = False,
) -> MacCost:
    """Cost of a MAC, cached.

    Args:
        mac: core, format and sum.
        library: a Liberty file; default: OSU 0.18 um.
        recorded: whole sums, or traces for the sum of a format, of layers and their products.
        clock_ns: each module is mapped for it alone, as `unit_cost` maps the unit.
        stages: 1: a register stands before the normaliser, if there is one in the loop.
        aim: with and without full adders each module takes the way with less of this.
        apart: whether each of `recorded` gets an energy of its own, or all together one.

    Raises:
        AxdseError: a tool or the library is missing or fails, the netlist differs from its model,
            there is no Verilog of the sum, or it does not fit the format.
    """
    cells, unit = read_library(library), MacUnit(mac, stages)
    basis = mac_basis(library, clock_ns, stages=stages, aim=aim)
    key = digest(
        *(mac.name, model_digest(mac.multiplier), unit.path.rtl.digest, basis, str(apart)),
        *(_met_digest(each) for each in recorded),
    )

    def compute() -> MacCost:
        return _computed(unit, cells, recorded, clock_ns, aim, basis, apart=apart)

    return cached("mac", key, MacCost, compute)


def mac_basis(
    library: Path | None = None,
    clock_ns: float | None = None,
    *,
    stages: int = 1,
    aim: Aim = "energy",
) -> str:
    """SHA-256 (hex) of what a MAC's cost depends on beside the MAC and what was recorded.

    Raises:
        AxdseError: a tool or the library is missing.
    """
    own = code_digest(__name__)
    return digest(cost_basis(library, clock_ns=clock_ns), own, str(stages), aim)


def _computed(
    unit: MacUnit,
    cells: Library,
    recorded: Sequence[Met],
    clock_ns: float | None,
    aim: Aim,
    basis: str,
    *,
    apart: bool,
) -> MacCost:
    stream = uniform_stream(unit)
    netlist = mapped_unit(unit, cells, clock_ns, stream, aim)
    conversion = conversion_of(unit, cells, clock_ns)
    measure = _Measured(unit, netlist, cells, flip_flop(cells), conversion)
    uniform, leakages = None, dict[str, float]()
    if not cells.lacks:
        text = f"uniform, {COUNT} products, sums of {run_of(unit)}, seed 0"
        timed, still = measure.simulated(stream)
        uniform = measure.energy(stream, text, timed, still, DEPTH)
        leakages = measure.leakages(timed)
    roles = {block.module.name: block.role for block in unit.path.blocks}
    counts = Counter(block.module.name for block in unit.path.blocks)
    modules = tuple(
        ModuleCost(
            name,
            roles[name],
            counts[name],
            way.netlist.area_um2,
            leakages.get(name, 0.0) / counts[name],
            way.adders,
        )
        for name, way in netlist.ways.items()
    )
    return MacCost(
        design=unit.mac.name,
        terms=unit.terms,
        modules=modules,
        stage_bits=len(netlist.composed.netlist.registers),
        accumulator_bits=unit.path.register,
        operand_bits=unit.operand_bits,
        flip_flop=measure.flop,
        delay_ns=measure.period_ns,
        conversion=conversion.cost if conversion else None,
        aim=aim,
        library=cells.name,
        library_digest=cells.digest,
        tools=tools_in_use(),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        basis=basis,
        proof=netlist.proof,
        uniform=uniform,
        recorded=None if cells.lacks or apart or not recorded else measure.joined(recorded),
        parts=() if cells.lacks or not apart else tuple(measure.parts(recorded)),
        no_power=f"{cells.name} lacks {cells.lacks}" if cells.lacks else "",
    )


@dataclass(frozen=True, eq=False)
class _Measured:
    """A unit with its registers, and what it takes."""

    unit: MacUnit
    netlist: MacNetlist
    library: Library
    flop: FlipFlop
    converter: Converter | None

    @functools.cached_property
    def delays(self) -> Delays:
        return delays_of(self.netlist.composed.netlist)

    @property
    def period_ns(self) -> float:
        """Operands and sum leave registers, the next sum enters one; so does what is staged."""
        netlist, delays, flop = self.netlist.composed.netlist, self.delays, self.flop
        slew, arrival = delays.slew_ns.tolist(), delays.arrival_ns.tolist()
        staged = [setup_ns(r.flop, slew[r.data], arrival[r.data]) for r in netlist.registers]
        last = delays.arrival_ns[list(netlist.product.nets)].max(initial=0.0) + flop.setup_ns
        first = flop.clock_to_q_ns
        if not netlist.registers:
            return float(first + last)
        # Behind the stage paths begin at its clock.
        return float(max(first + max(staged), last))

    def simulated(self, stream: Stream) -> tuple[Activity, Activity]:
        """With and without glitches."""
        netlist, given = self.netlist.composed.netlist, stream.transitions
        timed = simulate(netlist, self.delays, given)
        return timed, simulate(netlist, self.delays.without_time, given)

    def energy(
        self, stream: Stream, text: str, timed: Activity, still: Activity, depth: float
    ) -> MacEnergy:
        """Of one product; sums of `depth` products are converted once, if they are."""
        a_toggles, b_toggles = (stream.operand_toggles(side) for side in (stream.a, stream.b))
        flop, n = self.flop, self.unit.terms
        accumulator = stream.register_toggles * flop.toggle_fj
        accumulator += self.unit.path.register * flop.clock_fj
        operands = (a_toggles + b_toggles) * flop.toggle_fj
        operands += 2 * self.unit.operand_bits * flop.clock_fj
        conversions = (0.0, 0.0)
        if self.converter:
            every = self.converter.cost.chunk or depth
            with_, without = self.converter.energy_fj(stream.ends)
            conversions = with_ / every, without / every
        shares = [
            Shares(
                core=self._part(activity, "core").energy_fj / n,
                multiplier=self._part(activity, "multiplier").energy_fj / n,
                sum=self._part(activity, "sum").energy_fj / n,
                stage=self._power(activity, Part((), registers=True)).energy_fj / n,
                accumulator=accumulator / n,
                operands=operands,
                conversion=conversion,
            )
            for activity, conversion in zip((timed, still), conversions, strict=True)
        ]
        return MacEnergy(
            activity=text,
            multiplications=timed.transitions * n,
            timed=shares[0],
            still=shares[1],
            a_toggles=a_toggles,
            b_toggles=b_toggles,
            overflow=stream.overflow,
        )

    def leakages(self, activity: Activity) -> dict[str, float]:
        """Of all blocks of a module, by its name, nW."""
        blocks, owners = self.unit.path.blocks, self.netlist.composed.blocks
        numbers: dict[str, list[int]] = {}
        for at, block in enumerate(owners):
            numbers.setdefault(blocks[block].module.name, []).append(at)
        parts = {name: Part(tuple(own)) for name, own in numbers.items()}
        return {name: self._power(activity, part).leakage_nw for name, part in parts.items()}

    def parts(self, recorded: Sequence[Met]) -> Iterator[PartEnergy]:
        """Under each of what was recorded."""

        def part(met: Met) -> PartEnergy:
            stream = self._stream(met)
            kind = "whole sums" if isinstance(met, OperandRows) else met.dataflow
            energy = self.energy(
                stream, f"{met.name}, {kind}", *self.simulated(stream), _depth(met)
            )
            return PartEnergy(met.layer, met.product, met.multiplications, energy)

        # Threads: the time goes into C that needs no interpreter.
        with ThreadPoolExecutor(cores()) as pool:
            yield from pool.map(part, recorded)

    def joined(self, recorded: Sequence[Met]) -> MacEnergy:
        """Under all that was recorded, which has products in proportion."""
        stream = joined([self._stream(met) for met in recorded])
        total = sum(met.multiplications for met in recorded)
        # Conversions are per sum.
        sums = sum(met.multiplications / _depth(met) for met in recorded)
        text = f"{len(recorded)} products of layers"
        return self.energy(stream, text, *self.simulated(stream), total / sums)

    def _stream(self, met: Met) -> Stream:
        if isinstance(met, OperandRows):
            return whole_rows(self.unit, met)
        return traced_stream(self.unit, met)

    def _part(self, activity: Activity, role: Role) -> Power:
        return self._power(activity, Part(self.netlist.composed.of_role(self.unit.path, role)))

    def _power(self, activity: Activity, part: Part) -> Power:
        netlist = self.netlist.composed.netlist
        return power_of(netlist, self.delays, activity, self.library, part)


def _depth(met: Met) -> float:
    """Products of one of its sums, about."""
    return float(met.depths.mean()) if isinstance(met, OperandRows) else float(DEPTH)


def _met_digest(met: Met) -> str:
    kind = met.dataflow if isinstance(met, OperandTrace) else "rows"
    shape = str(met.a.shape)
    return digest(met.layer, met.product, kind, shape, str(met.multiplications), *_bytes(met))


def _bytes(met: Met) -> Iterator[bytes]:
    return (array.tobytes() for array in met.arrays)
