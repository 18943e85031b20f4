"""What does a multiply-accumulate unit cost? Cores, sum and registers, for each product."""

import functools
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from axdse.flows.accelerator.conversion import DEPTH, Converter, conversion_of
from axdse.flows.accelerator.mac_activity import (
    Stream,
    joined,
    run_of,
    traced_stream,
    uniform_stream,
    whole_rows,
)
from axdse.flows.accelerator.mac_netlists import MacNetlist, mapped_unit
from axdse.flows.accelerator.mac_unit import MacUnit
from axdse.flows.accelerator.record import MacCost, MacEnergy, ModuleCost, PartEnergy, Shares
from axdse.flows.cost.cost import cost_basis, tools_in_use
from axdse.flows.liberty.library import Library, read_library
from axdse.flows.netlist.adders import Aim
from axdse.flows.netlist.delays import Delays, delays_of
from axdse.flows.netlist.registers import FlipFlop, flip_flop, setup_ns
from axdse.flows.power.activity import Activity, timed_and_still
from axdse.flows.power.activity_source import COUNT
from axdse.flows.power.power import Part, Power, power_of
from axdse.multipliers.cache import cached, digest
from axdse.multipliers.cores import cores
from axdse.multipliers.designs.datapath import Role
from axdse.multipliers.designs.design_point import Mac
from axdse.multipliers.model.cmodel import model_digest
from axdse.multipliers.operands.recording import OperandRows, OperandTrace
from axdse.multipliers.provenance import code_digest

Met = OperandRows | OperandTrace


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
    return digest(cost_basis(library, clock_ns=clock_ns, aim=aim), own, str(stages))


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
        return timed_and_still(self.netlist.composed.netlist, self.delays, stream.transitions)

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
