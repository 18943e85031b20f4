"""Stage 6, cost: RTL -> mapped netlist, checked against the model -> area, delay, cells."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from axdse.flows.liberty import read_library
from axdse.flows.netlist import Netlist
from axdse.flows.netlist_check import check_core, check_unit
from axdse.flows.synthesis import synthesis_script, synthesise
from axdse.flows.timing import critical_path_ns, timing_script
from axdse.flows.tools import find_tool
from axdse.multipliers.cache import cached, digest
from axdse.multipliers.candidate import Candidate
from axdse.multipliers.catalog import Multiplier
from axdse.multipliers.cmodel import model_digest
from axdse.multipliers.verilog import Rtl, core_rtl, unit_rtl

TOOLS = ("yosys", "yosys-abc", "sta")


@dataclass(frozen=True)
class Cost:
    """What a combinational design costs in silicon, before layout.

    Attributes:
        design: spec of the core, or name of the candidate whose unit it is.
        area_um2: sum of cell areas.
        gate_equivalents: area over that of the library's smallest 2-input NAND.
        delay_ns: critical path from inputs to outputs, typical corner, no wires.
        cells: number of library cells.
        library: name of the Liberty library.
        library_digest: SHA-256 (hex) of its file.
        tools: names and versions.
        recipe: the commands of Yosys and OpenSTA that give these numbers again.
        rtl_digest: SHA-256 (hex) of the RTL.
        date: when it was computed, ISO 8601, UTC.
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


def core_cost(multiplier: Multiplier, library: Path | None = None) -> Cost:
    """Cost of the bare core, cached; `library` is a Liberty file (default: OSU 0.18 um).

    Raises:
        AxdseError: a tool or the library is missing or fails, the RTL is not combinational,
            or the netlist differs from the C model.
    """
    rtl = core_rtl(multiplier)
    return _cost(
        multiplier.spec, multiplier, rtl, library, lambda netlist: check_core(netlist, multiplier)
    )


def unit_cost(candidate: Candidate, library: Path | None = None) -> Cost:
    """Cost of the whole unit: the core with the sign, exponent and special-value logic.

    Raises:
        AxdseError: as `core_cost`.
    """
    rtl = unit_rtl(candidate)
    core = candidate.multiplier
    return _cost(
        candidate.name, core, rtl, library, lambda netlist: check_unit(netlist, candidate)
    )


def _cost(
    design: str,
    core: Multiplier,
    rtl: Rtl,
    library: Path | None,
    check: Callable[[Netlist], None],
) -> Cost:
    cells = read_library(library)
    tools = tuple(find_tool(name).version for name in TOOLS)
    recipe = f"# Yosys\n{synthesis_script(rtl.top)}# OpenSTA\n{timing_script(rtl.top)}"
    key = digest(design, model_digest(core), rtl.digest, recipe, cells.digest, *tools)

    def compute() -> Cost:
        netlist = synthesise(rtl, cells)
        check(netlist)
        area = netlist.area_um2
        return Cost(
            design=design,
            area_um2=area,
            gate_equivalents=area / cells.nand2_area_um2,
            delay_ns=critical_path_ns(netlist, cells),
            cells=len(netlist.instances),
            library=cells.name,
            library_digest=cells.digest,
            tools=tools,
            recipe=recipe,
            rtl_digest=rtl.digest,
            date=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    return cached("cost", key, Cost, compute)
