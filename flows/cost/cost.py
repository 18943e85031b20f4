"""What does a design cost? RTL -> netlist, checked against the model -> area, delay, power.

`cost_basis` says on what it depends beside the design; no front mixes two of it.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from axdse.flows.cost.record import Cost, Energy
from axdse.flows.liberty.library import Library, read_library
from axdse.flows.netlist.adders import EVERY, Adders, Aim, adders_of
from axdse.flows.netlist.check import NetlistError, NetlistProof, check_design
from axdse.flows.netlist.delays import Delays, critical_path_ns, delays_of, timing_script
from axdse.flows.netlist.mapped import ADDERS_LIMIT_S
from axdse.flows.netlist.netlist import Netlist
from axdse.flows.netlist.synthesis import (
    scripts_for,
    synthesis_script,
    synthesise_for,
    timed_scripts,
)
from axdse.flows.power.activity import Transitions, check_operands, timed_and_still
from axdse.flows.power.activity_file import Source
from axdse.flows.power.activity_source import Design, Uniform
from axdse.flows.power.choice import ranked
from axdse.flows.power.power import power_of
from axdse.flows.tools import find_tool
from axdse.multipliers.cache import cached, digest
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.designs.family import Multiplier
from axdse.multipliers.designs.rtl_text import Rtl, core_rtl, unit_rtl
from axdse.multipliers.model.cmodel import model_digest
from axdse.multipliers.provenance import code_digest

TOOLS = ("yosys", "yosys-abc", "sta")
ESTIMATE = "axdse.flows.cost.cost"


def cost_basis(
    library: Path | None = None,
    activity: Source | None = None,
    clock_ns: float | None = None,
    aim: Aim = "energy",
) -> str:
    """SHA-256 (hex) of all that a cost depends on but the design.

    Tools, recipes, library, our own estimate, clock, aim, operands: costs of different bases never
    stand in one front.

    Raises:
        AxdseError: a tool or the library is missing.
    """
    sources = (source.digest for source in sources_of(activity) if source)
    tools = tools_in_use()
    library_digest, recipes = read_library(library).digest, _recipes(clock_ns)
    # What we compute ourselves is as much a tool as the others, and has no other version.
    own = code_digest(ESTIMATE)
    return digest(library_digest, own, *tools, *recipes, str(clock_ns), aim, *sources)


@functools.lru_cache
def _recipes(clock_ns: float | None) -> tuple[str, ...]:
    """What is asked of Yosys and OpenSTA, names of modules and ports aside."""
    return (
        *(
            synthesis_script("top", script=script, registers=registers, adders=adders)
            for script in timed_scripts(clock_ns)
            for registers, adders in ((True, EVERY[0]), *((False, each) for each in EVERY))
        ),
        *(timing_script("top"), timing_script("top", "clock", ("a", "b"))),
    )


def tools_in_use() -> tuple[str, ...]:
    """Names and versions of the tools behind a cost.

    Raises:
        AxdseError: one is missing.
    """
    return tuple(find_tool(name).version for name in TOOLS)


def sources_of(activity: Source | None) -> tuple[Uniform, Source | None]:
    """The operands of `Cost.uniform` and of `Cost.recorded`."""
    uniform = Uniform()
    return uniform, None if activity is None or activity.digest == uniform.digest else activity


def core_cost(
    multiplier: Multiplier,
    library: Path | None = None,
    activity: Source | None = None,
    clock_ns: float | None = None,
    aim: Aim = "energy",
) -> Cost:
    """Cost of the bare core, cached.

    Args:
        multiplier: the core.
        library: a Liberty file; default: OSU 0.18 um.
        activity: operands, beside the uniform ones.
        clock_ns: delay target; of the recipes in `synthesis`, the one that meets it with the
            smallest area, or else the fastest.
        aim: with and without full adders the core is mapped in the way that takes less of this;
            energy is that of uniform operands, glitches included.

    Raises:
        AxdseError: a tool or the library is missing or fails, the RTL is neither combinational
            nor a pipeline without feedback, the netlist differs from the C model, or the activity
            is of another format.
    """
    return _cost(multiplier, core_rtl(multiplier), library, activity, clock_ns, aim)


def unit_cost(
    candidate: Candidate,
    library: Path | None = None,
    activity: Source | None = None,
    clock_ns: float | None = None,
    aim: Aim = "energy",
) -> Cost:
    """Cost of the whole unit: the core with the sign, exponent and special-value logic.

    Raises:
        AxdseError: as `core_cost`.
    """
    return _cost(candidate, unit_rtl(candidate), library, activity, clock_ns, aim)


def _cost(
    design: Design,
    rtl: Rtl,
    library: Path | None,
    activity: Source | None,
    clock_ns: float | None,
    aim: Aim,
) -> Cost:
    """Look the cost up, or measure it."""
    cells = read_library(library)
    scripts = scripts_for(rtl, cells, clock_ns)
    core = design.multiplier if isinstance(design, Candidate) else design
    basis = cost_basis(library, activity, clock_ns, aim)
    key = digest(
        *(_name(design), model_digest(core), rtl.digest, repr(rtl.ports), repr(rtl.pipeline)),
        *(basis, *scripts),
    )
    return cached(
        "cost", key, Cost, lambda: _measured(design, rtl, cells, activity, clock_ns, aim, basis)
    )


@dataclass(frozen=True, eq=False)
class _Way:
    """A netlist, and the script of ABC that made it."""

    netlist: Netlist
    script: str
    adders: Adders


def _ways(rtl: Rtl, library: Library, clock_ns: float | None) -> Iterator[_Way]:
    """How a design can be mapped: a pipeline, of which nothing is proved, by ABC alone."""
    for adders in EVERY[:1] if rtl.pipeline else adders_of(library):
        netlist, script = synthesise_for(rtl, library, clock_ns, adders)
        if adders == "none" or any(len(each.cell.outputs) > 1 for each in netlist.instances):
            yield _Way(netlist, script, adders)


def _best(
    design: Design, rtl: Rtl, library: Library, clock_ns: float | None, aim: Aim
) -> tuple[_Way, NetlistProof]:
    """The first in order that is right; one with full adders has to be proved so."""
    by_energy = aim == "energy" and not library.lacks
    given = Uniform().transitions(design) if by_energy else None
    ways = tuple(_ways(rtl, library, clock_ns))
    for way in ranked(ways, lambda way: way.netlist, library, clock_ns, given):
        if way.adders == "none":
            break
        try:
            proof = check_design(way.netlist, design, ADDERS_LIMIT_S)
        except NetlistError:
            continue
        if proof.proven:
            return way, proof
    return ways[0], check_design(ways[0].netlist, design)


def _measured(
    design: Design,
    rtl: Rtl,
    library: Library,
    activity: Source | None,
    clock_ns: float | None,
    aim: Aim,
    basis: str,
) -> Cost:
    # Operands that do not fit are refused before mapping, which may take minutes.
    met = [_met(source, design, rtl) if source else None for source in sources_of(activity)]
    way, proof = _best(design, rtl, library, clock_ns, aim)
    netlist, script = way.netlist, way.script
    area, delays = netlist.area_um2, delays_of(netlist)
    uniform, recorded = (
        _energy(netlist, delays, library, each) if each and not library.lacks else None
        for each in met
    )
    return Cost(
        design=_name(design),
        area_um2=area,
        gate_equivalents=area / library.nand2_area_um2,
        delay_ns=critical_path_ns(netlist, library),
        cells=netlist.cells,
        library=library.name,
        library_digest=library.digest,
        tools=tools_in_use(),
        recipe=_recipe(rtl, script, way.adders),
        rtl_digest=rtl.digest,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        basis=basis,
        proof=proof,
        uniform=uniform,
        recorded=recorded,
        no_power=f"{library.name} lacks {library.lacks}" if library.lacks else "",
        clock_ns=clock_ns,
        registers=len(netlist.registers),
        aim=aim,
        adders=way.adders,
    )


def _name(design: Design) -> str:
    return design.name if isinstance(design, Candidate) else design.spec


def _recipe(rtl: Rtl, script: str, adders: Adders) -> str:
    registers = rtl.pipeline is not None
    commands = synthesis_script(rtl.top, script=script, registers=registers, adders=adders)
    clock = rtl.pipeline.clock if rtl.pipeline else ""
    return f"# Yosys\n{commands}# OpenSTA\n{timing_script(rtl.top, clock, rtl.ports[:2])}"


@dataclass(frozen=True, eq=False)
class _Met:
    """What a source has for a design."""

    source: Source
    transitions: Transitions


def _met(source: Source, design: Design, rtl: Rtl) -> _Met:
    transitions, (a, b, _) = source.transitions(design), rtl.ports
    check_operands(transitions, rtl.top, ((a, rtl.a_bits), (b, rtl.b_bits)))
    return _Met(source, transitions)


def _energy(netlist: Netlist, delays: Delays, library: Library, met: _Met) -> Energy:
    source, transitions = met.source, met.transitions
    timed, still = timed_and_still(netlist, delays, transitions)
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
