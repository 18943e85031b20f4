"""Stage 6, cost: RTL -> mapped netlist, checked against the model -> area, delay, power."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from axdse.flows.liberty.library import Library, read_library
from axdse.flows.liberty.needs import mappable
from axdse.flows.netlist.check import NetlistProof, check_design
from axdse.flows.netlist.delays import Delays, delays_of
from axdse.flows.netlist.netlist import Netlist
from axdse.flows.netlist.registers import flip_flop
from axdse.flows.netlist.synthesis import synthesis_script, synthesise, timed_scripts
from axdse.flows.netlist.timing import critical_path_ns, timing_script
from axdse.flows.power.activity import simulate
from axdse.flows.power.activity_file import Source
from axdse.flows.power.activity_source import Design, Uniform
from axdse.flows.power.power import power_of
from axdse.flows.sources import source_digest
from axdse.flows.tools import find_tool
from axdse.multipliers import encoding, unit
from axdse.multipliers.cache import cached, digest
from axdse.multipliers.candidate import Candidate
from axdse.multipliers.catalog import Multiplier
from axdse.multipliers.cmodel import model_digest
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.verilog import Rtl, core_rtl, unit_rtl

TOOLS = ("yosys", "yosys-abc", "sta")
# ABC counts in whole ps, and in 32 bits.
SHORTEST_CLOCK_NS, LONGEST_CLOCK_NS = 0.001, 1e6
# What we compute ourselves is as much a tool as the others, and has no other version.
ESTIMATE = ("liberty", "netlist", "power", "formal", "yosys.py", "cost/cost.py")


@dataclass(frozen=True)
class Energy:
    """Power of one design under one activity, at the library's nominal voltage.

    Attributes:
        activity: which operands followed one another, for people.
        activity_digest: SHA-256 (hex) of that.
        multiplications: how many were simulated.
        energy_fj: dynamic energy per multiplication, glitches included, fJ.
        switching_fj: its part that charges pins, the clock's aside; but for `clock_fj` the rest
            is spent inside cells.
        zero_delay_fj: dynamic energy per multiplication without glitches, fJ.
        toggles: of all nets per multiplication, glitches included.
        zero_delay_toggles: of all nets per multiplication without glitches.
        leakage_nw: leakage power, nW.
        voltage_v: supply.
        clock_fj: the part of the energy that the clock of a pipeline takes in each cycle even if
            no data moves: charge of its pins, and inside registers.
    """

    activity: str
    activity_digest: str
    multiplications: int
    energy_fj: float
    switching_fj: float
    zero_delay_fj: float
    toggles: float
    zero_delay_toggles: float
    leakage_nw: float
    voltage_v: float
    clock_fj: float = 0.0


@dataclass(frozen=True)
class Cost:
    """What a design costs in silicon, before layout.

    Attributes:
        design: spec of the core, or name of the candidate whose unit it is.
        area_um2: sum of cell areas.
        gate_equivalents: area over that of the library's smallest 2-input NAND.
        delay_ns: critical path from inputs to outputs, typical corner, no wires; the least clock
            period of a pipeline.
        cells: number of library cells, registers included.
        library: name of the Liberty library.
        library_digest: SHA-256 (hex) of its file.
        tools: names and versions.
        recipe: the commands of Yosys and OpenSTA that give these numbers again.
        rtl_digest: SHA-256 (hex) of the RTL.
        date: when it was computed, ISO 8601, UTC.
        basis: see `cost_basis`; only costs of one basis compare.
        proof: how the netlist was compared with C model and RTL.
        uniform: power under uniform operands; None: the library has no power tables.
        recorded: power under the activity asked for; None: none, or it is the uniform one.
        no_power: why there is no power; empty: there is.
        clock_ns: delay target of the synthesis; None: none, the smallest area.
        registers: number of flip-flops; 0: combinational.
    """

    design: str
    area_um2: float
    gate_equivalents: float
    delay_ns: float
    cells: int
    library: str
    library_digest: str
    tools: tuple[str, ...]
    recipe: str
    rtl_digest: str
    date: str
    basis: str
    proof: NetlistProof
    uniform: Energy | None = None
    recorded: Energy | None = None
    no_power: str = ""
    clock_ns: float | None = None
    registers: int = 0

    @property
    def slack_ns(self) -> float | None:
        """What the clock leaves; below 0: the design is infeasible. None: there is no clock."""
        return None if self.clock_ns is None else self.clock_ns - self.delay_ns

    @property
    def feasible(self) -> bool:
        """Whether the design meets its clock; always if there is none."""
        return self.clock_ns is None or self.delay_ns <= self.clock_ns


def core_cost(
    multiplier: Multiplier,
    library: Path | None = None,
    activity: Source | None = None,
    clock_ns: float | None = None,
) -> Cost:
    """Cost of the bare core, cached.

    Args:
        multiplier: the core.
        library: a Liberty file; default: OSU 0.18 um.
        activity: operands, beside the uniform ones.
        clock_ns: delay target; of the recipes in `synthesis`, the one that meets it with the
            smallest area, or else the fastest.

    Raises:
        AxdseError: a tool or the library is missing or fails, the RTL is neither combinational
            nor a pipeline without feedback, the netlist differs from the C model, or the activity
            is of another format.
    """
    return _cost(multiplier, core_rtl(multiplier), library, activity, clock_ns)


def unit_cost(
    candidate: Candidate,
    library: Path | None = None,
    activity: Source | None = None,
    clock_ns: float | None = None,
) -> Cost:
    """Cost of the whole unit: the core with the sign, exponent and special-value logic.

    Raises:
        AxdseError: as `core_cost`.
    """
    return _cost(candidate, unit_rtl(candidate), library, activity, clock_ns)


def cost_basis(
    library: Path | None = None, activity: Source | None = None, clock_ns: float | None = None
) -> str:
    """SHA-256 (hex) of all that a cost depends on but the design.

    Tools, recipes, library, our own estimate, clock and operands: costs of different bases never
    stand in one front.

    Raises:
        AxdseError: a tool or the library is missing.
    """
    sources = (source.digest for source in _sources(activity) if source)
    recipes = [synthesis_script("", script=script) for script in timed_scripts(clock_ns)]
    recipes.append(timing_script("", "", ("", "")))
    return digest(
        read_library(library).digest, _estimate(), *_tools(), *recipes, str(clock_ns), *sources
    )


def _tools() -> tuple[str, ...]:
    return tuple(find_tool(name).version for name in TOOLS)


def _sources(activity: Source | None) -> tuple[Uniform, Source | None]:
    uniform = Uniform()
    return uniform, None if activity is None or activity.digest == uniform.digest else activity


def _cost(
    design: Design,
    rtl: Rtl,
    library: Path | None,
    activity: Source | None,
    clock_ns: float | None,
) -> Cost:
    if clock_ns is not None and not SHORTEST_CLOCK_NS <= clock_ns <= LONGEST_CLOCK_NS:
        rule = f"a clock period is above 0 ns: {SHORTEST_CLOCK_NS:g} to {LONGEST_CLOCK_NS:g}"
        raise AxdseError(rule, clock_ns, "give --clock in ns")
    cells = mappable(read_library(library), timed=clock_ns is not None)
    basis, tools = cost_basis(library, activity, clock_ns), _tools()
    scripts = timed_scripts(_logic_ns(rtl, cells, clock_ns))
    core = design.multiplier if isinstance(design, Candidate) else design
    name = design.name if isinstance(design, Candidate) else design.spec
    key = digest(
        *(name, model_digest(core), rtl.digest, repr(rtl.pipeline), basis),
        *(_recipe(rtl, script) for script in scripts),
    )

    def compute() -> Cost:
        netlist, script = _smallest(rtl, cells, scripts, clock_ns)
        proof = check_design(netlist, design)
        area, delays = netlist.area_um2, delays_of(netlist)
        energies = [
            _energy(netlist, delays, cells, source, design) if source and not cells.lacks else None
            for source in _sources(activity)
        ]
        return Cost(
            design=name,
            area_um2=area,
            gate_equivalents=area / cells.nand2_area_um2,
            delay_ns=critical_path_ns(netlist, cells),
            cells=netlist.cells,
            library=cells.name,
            library_digest=cells.digest,
            tools=tools,
            recipe=_recipe(rtl, script),
            rtl_digest=rtl.digest,
            date=datetime.now(UTC).isoformat(timespec="seconds"),
            basis=basis,
            uniform=energies[0],
            recorded=energies[1],
            no_power=f"{cells.name} lacks {cells.lacks}" if cells.lacks else "",
            clock_ns=clock_ns,
            proof=proof,
            registers=len(netlist.registers),
        )

    return cached("cost", key, Cost, compute)


def _recipe(rtl: Rtl, script: str) -> str:
    commands = synthesis_script(rtl.top, script=script, registers=rtl.pipeline is not None)
    clock = rtl.pipeline.clock if rtl.pipeline else ""
    return f"# Yosys\n{commands}# OpenSTA\n{timing_script(rtl.top, clock, rtl.ports[:2])}"


def _logic_ns(rtl: Rtl, library: Library, clock_ns: float | None) -> float | None:
    """What a clock leaves to the logic between registers, at least a tenth."""
    if clock_ns is None or not rtl.pipeline:
        return clock_ns
    register = flip_flop(library)
    return max(clock_ns - register.setup_ns - register.clock_to_q_ns, clock_ns / 10)


def _smallest(
    rtl: Rtl, library: Library, scripts: Sequence[str], clock_ns: float | None
) -> tuple[Netlist, str]:
    """The smallest netlist that meets the clock, else the fastest, and the script that made it."""
    if clock_ns is None:
        return synthesise(rtl, library), scripts[0]
    best: tuple[tuple[float, float], Netlist, str] | None = None
    for script in scripts:
        netlist = synthesise(rtl, library, script)
        late = max(0.0, delays_of(netlist).critical_path_ns(netlist) - clock_ns)
        rank = (late, netlist.area_um2)
        if best is None or rank < best[0]:
            best = rank, netlist, script
    assert best is not None
    return best[1], best[2]


def _energy(
    netlist: Netlist, delays: Delays, library: Library, source: Source, design: Design
) -> Energy:
    transitions = source.transitions(design)
    timed = simulate(netlist, delays, transitions)
    still = simulate(netlist, delays.without_time, transitions)
    power = power_of(netlist, delays, timed, library)
    return Energy(
        activity=source.text,
        activity_digest=source.digest,
        multiplications=transitions.count,
        energy_fj=power.energy_fj,
        switching_fj=power.switching_fj,
        zero_delay_fj=power_of(netlist, delays, still, library).energy_fj,
        toggles=power.toggles,
        zero_delay_toggles=still.toggles_per_transition,
        leakage_nw=power.leakage_nw,
        voltage_v=library.voltage_v,
        clock_fj=power.clock_fj,
    )


@functools.cache
def _estimate() -> str:
    others = Path(encoding.__file__), Path(unit.__file__)
    return digest(source_digest(*ESTIMATE), *(path.read_bytes() for path in others))
