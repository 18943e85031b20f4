"""What does a cost depend on beside the design? No front mixes two of it."""

import functools
from pathlib import Path

from axdse.flows.liberty.library import read_library
from axdse.flows.netlist.synthesis import synthesis_script, timed_scripts
from axdse.flows.netlist.timing import timing_script
from axdse.flows.power.activity_file import Source
from axdse.flows.power.activity_source import Uniform
from axdse.flows.sources import source_digest
from axdse.flows.tools import find_tool
from axdse.multipliers.cache import digest
from axdse.multipliers.model import unit_oracle as unit
from axdse.multipliers.operands import encoding

TOOLS = ("yosys", "yosys-abc", "sta")
# What we compute ourselves is as much a tool as the others, and has no other version.
ESTIMATE = ("liberty", "netlist", "power", "formal", "yosys.py", "cost/cost.py", "sources.py")


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
    recipes = [synthesis_script("top", script=script) for script in timed_scripts(clock_ns)]
    recipes.append(timing_script("top"))
    return digest(
        read_library(library).digest,
        estimate_digest(),
        *tools_in_use(),
        *recipes,
        str(clock_ns),
        *sources,
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


@functools.cache
def estimate_digest() -> str:
    """SHA-256 (hex) of our own part in a cost."""
    others = Path(encoding.__file__), Path(unit.__file__)
    return digest(source_digest(*ESTIMATE), *(path.read_bytes() for path in others))
