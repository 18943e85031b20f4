"""What does a cost depend on beside the design? No front mixes two of it."""

import functools
from pathlib import Path

from axdse.flows.liberty.library import read_library
from axdse.flows.netlist.synthesis import synthesis_script
from axdse.flows.netlist.timed import timed_scripts
from axdse.flows.netlist.timing import timing_script
from axdse.flows.power.activity_file import Source
from axdse.flows.power.activity_source import Uniform
from axdse.flows.tools import find_tool
from axdse.multipliers.cache import digest
from axdse.multipliers.provenance import code_digest

TOOLS = ("yosys", "yosys-abc", "sta")
ESTIMATE = "axdse.flows.cost.cost"


def cost_basis(
    library: Path | None = None, activity: Source | None = None, clock_ns: float | None = None
) -> str:
    """SHA-256 (hex) of all that a cost depends on but the design.

    Tools, recipes, library, our own estimate, clock and operands: costs of different bases never
    stand in one front.

    Raises:
        AxdseError: a tool or the library is missing.
    """
    sources = (source.digest for source in sources_of(activity) if source)
    tools = tools_in_use()
    library_digest, recipes = read_library(library).digest, _recipes(clock_ns)
    # What we compute ourselves is as much a tool as the others, and has no other version.
    own = code_digest(ESTIMATE)
    return digest(library_digest, own, *tools, *recipes, str(clock_ns), *sources)


@functools.lru_cache
def _recipes(clock_ns: float | None) -> tuple[str, ...]:
    """What is asked of Yosys and OpenSTA, names of modules and ports aside."""
    return (
        *(
            synthesis_script("top", script=script, registers=registers)
            for script in timed_scripts(clock_ns)
            for registers in (False, True)
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
