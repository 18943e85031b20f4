"""What does a multiply-accumulate unit cost? Multiplier, adder and the sum's register."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from axdse.flows.accelerator.accumulator import accumulator_of
from axdse.flows.accelerator.mac_activity import RUN, Stream, recorded_stream, uniform_stream
from axdse.flows.accelerator.mac_netlists import MacPart, mapped_adder, mapped_unit
from axdse.flows.cost.cost import cost_basis, tools_in_use
from axdse.flows.liberty.library import read_library
from axdse.flows.netlist.check import NetlistProof
from axdse.flows.netlist.registers import FlipFlop, flip_flop
from axdse.flows.netlist.synthesis import synthesis_script, timed_scripts
from axdse.flows.power.activity_source import COUNT
from axdse.multipliers.cache import cached, digest
from axdse.multipliers.cores import cores
from axdse.multipliers.designs.candidate import Candidate
from axdse.multipliers.designs.design_point import ProductName
from axdse.multipliers.designs.rtl_text import unit_rtl
from axdse.multipliers.model.cmodel import model_digest
from axdse.multipliers.operands.recording import OperandTrace
from axdse.multipliers.provenance import code_digest

UNIFORM = f"uniform, {COUNT} independent pairs, sums of {RUN} products, seed 0"


@dataclass(frozen=True)
class MacEnergy:
    """Dynamic energy of one multiply-accumulate under one activity, glitches included.

    Attributes:
        activity: which operands followed one another, for people.
        multiplications: how many were simulated.
        unit_fj: of the multiplier.
        adder_fj: of the adder, between settled products.
        register_fj: of the accumulator's register, clock and toggles.
        a_toggles: bits that change from one first operand to the next.
        b_toggles: likewise of second operands.
        overflow: share of products that the unit makes infinite or NaN.
        unit_leakage_nw: leakage of the unit.
        adder_leakage_nw: likewise of the adder.
    """

    activity: str
    multiplications: int
    unit_fj: float
    adder_fj: float
    register_fj: float
    a_toggles: float
    b_toggles: float
    overflow: float
    unit_leakage_nw: float
    adder_leakage_nw: float

    @property
    def energy_fj(self) -> float:
        """Of the whole MAC."""
        return self.unit_fj + self.adder_fj + self.register_fj


@dataclass(frozen=True)
class PartEnergy:
    """What a MAC takes in one product of one layer."""

    layer: str
    product: ProductName
    energy: MacEnergy


@dataclass(frozen=True)
class MacCost:
    """What a MAC costs in silicon, before layout.

    Attributes:
        design: name of the candidate.
        unit_area_um2: of the multiplier unit.
        adder: name of the adder's module; equal names are equal adders.
        adder_area_um2: its area.
        unit_delay_ns: critical path of the unit.
        adder_delay_ns: that of the adder.
        flip_flop: the cell that all registers are made of.
        operand_bits: width of each operand.
        accumulator_bits: width of the sum.
        library: name of the Liberty library.
        library_digest: SHA-256 (hex) of its file.
        tools: names and versions.
        recipe: the commands of Yosys that map unit and adder; under a clock, those tried.
        date: when it was computed, ISO 8601, UTC.
        unit_proof: how the netlist of the unit was compared with C model and RTL.
        adder_proof: likewise that of the adder with its model and RTL.
        uniform: energy under uniform operands; None: the library has no power tables.
        parts: energy under each trace.
        no_power: why there is no energy; empty: there is.
    """

    design: str
    unit_area_um2: float
    adder: str
    adder_area_um2: float
    unit_delay_ns: float
    adder_delay_ns: float
    flip_flop: FlipFlop
    operand_bits: int
    accumulator_bits: int
    library: str
    library_digest: str
    tools: tuple[str, ...]
    recipe: str
    date: str
    unit_proof: NetlistProof
    adder_proof: NetlistProof
    uniform: MacEnergy | None
    parts: tuple[PartEnergy, ...]
    no_power: str = ""

    @property
    def area_um2(self) -> float:
        """Unit, adder, and the accumulator's register."""
        register = self.accumulator_bits * self.flip_flop.area_um2
        return self.unit_area_um2 + self.adder_area_um2 + register

    @property
    def unit_leakage_nw(self) -> float:
        """Of the unit under uniform operands; 0: the library has no power tables."""
        return self.uniform.unit_leakage_nw if self.uniform else 0.0

    @property
    def adder_leakage_nw(self) -> float:
        """Likewise of the adder."""
        return self.uniform.adder_leakage_nw if self.uniform else 0.0

    @property
    def delay_ns(self) -> float:
        """The shortest clock period: a register, the unit, the adder, a register, in series."""
        registers = self.flip_flop.clock_to_q_ns + self.flip_flop.setup_ns
        return self.unit_delay_ns + self.adder_delay_ns + registers


def mac_cost(
    candidate: Candidate,
    library: Path | None = None,
    traces: Sequence[OperandTrace] = (),
    clock_ns: float | None = None,
) -> MacCost:
    """Cost of a MAC, cached; each trace gives the energy of one product of one layer.

    With a clock unit and adder are each mapped for it, as `unit_cost` maps the unit; what misses
    it is as fast as can be.

    Raises:
        AxdseError: a tool or the library is missing or fails, a netlist differs from its model,
            or the accumulator does not fit the format.
    """
    cells = read_library(library)
    flop, accumulator = flip_flop(cells), accumulator_of(candidate.format)
    rtls = unit_rtl(candidate), accumulator.rtl
    scripts = timed_scripts(clock_ns)
    recipe = "".join(
        f"# Yosys\n{synthesis_script(r.top, script=s)}" for r in rtls for s in scripts
    )
    key = digest(
        *(candidate.name, model_digest(candidate.multiplier), *(rtl.digest for rtl in rtls)),
        *(cost_basis(library, clock_ns=clock_ns), code_digest(__name__)),
        *(_trace_digest(trace) for trace in traces),
    )

    def compute() -> MacCost:
        multiplier = mapped_unit(candidate, cells, clock_ns)
        adder = mapped_adder(candidate, cells, clock_ns)
        mac = _Mac(multiplier, adder, flop, accumulator.bits)
        uniform = mac.measured(uniform_stream(candidate), UNIFORM) if not cells.lacks else None
        return MacCost(
            design=candidate.name,
            unit_area_um2=multiplier.netlist.area_um2,
            adder=adder.netlist.top,
            adder_area_um2=adder.netlist.area_um2,
            unit_delay_ns=multiplier.delay_ns,
            adder_delay_ns=adder.delay_ns,
            flip_flop=flop,
            operand_bits=rtls[0].a_bits,
            accumulator_bits=accumulator.bits,
            library=cells.name,
            library_digest=cells.digest,
            tools=tools_in_use(),
            recipe=recipe,
            date=datetime.now(UTC).isoformat(timespec="seconds"),
            unit_proof=multiplier.proof,
            adder_proof=adder.proof,
            uniform=uniform,
            parts=() if cells.lacks else tuple(mac.parts(candidate, traces)),
            no_power=f"{cells.name} lacks {cells.lacks}" if cells.lacks else "",
        )

    return cached("mac", key, MacCost, compute)


@dataclass(frozen=True, eq=False)
class _Mac:
    """The parts of one MAC."""

    unit: MacPart
    adder: MacPart
    flop: FlipFlop
    bits: int

    def measured(self, stream: Stream, activity: str) -> MacEnergy:
        unit, adder = self.unit.power(stream.unit), self.adder.power(stream.adder)
        toggles = stream.toggles(stream.results)
        return MacEnergy(
            activity=activity,
            multiplications=stream.unit.count,
            unit_fj=unit.energy_fj,
            adder_fj=adder.energy_fj,
            register_fj=toggles * self.flop.toggle_fj + self.bits * self.flop.clock_fj,
            a_toggles=stream.toggles(stream.a),
            b_toggles=stream.toggles(stream.b),
            overflow=stream.overflow,
            unit_leakage_nw=unit.leakage_nw,
            adder_leakage_nw=adder.leakage_nw,
        )

    def parts(self, candidate: Candidate, traces: Sequence[OperandTrace]) -> Iterator[PartEnergy]:
        def part(trace: OperandTrace) -> PartEnergy:
            text = f"{trace.name}, {trace.dataflow}"
            energy = self.measured(recorded_stream(candidate, trace), text)
            return PartEnergy(trace.layer, trace.product, energy)

        # Threads: the time goes into C that needs no interpreter.
        with ThreadPoolExecutor(cores()) as pool:
            yield from pool.map(part, traces)


def _trace_digest(trace: OperandTrace) -> str:
    arrays = (array.tobytes() for array in trace.arrays)
    return digest(trace.layer, trace.product, trace.dataflow, str(trace.a.shape), *arrays)
