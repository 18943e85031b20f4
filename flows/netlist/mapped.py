"""How is a module mapped, with and without full adders, each way proved to be its RTL?"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from axdse.flows.formal.aig import Aig
from axdse.flows.formal.gates import WORDS, read_gates
from axdse.flows.formal.proof import same_function
from axdse.flows.liberty.library import Library
from axdse.flows.netlist.adders import EVERY, Adders, adders_of, rules
from axdse.flows.netlist.check import CEC_LIMIT_S, netlist_gates
from axdse.flows.netlist.flat import Instance
from axdse.flows.netlist.netlist import Netlist, Port
from axdse.flows.netlist.synthesis import scripts_for, synthesis_script, synthesise_for
from axdse.flows.tools import find_tool
from axdse.multipliers.cache import cached, digest
from axdse.multipliers.designs.datapath import Module
from axdse.multipliers.designs.rtl_text import Rtl
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.provenance import code_digest

ADDERS_LIMIT_S = 10.0  # for ABC: there is another way
Verdict = Literal["equal", "different", "unknown"]
Pins = tuple[tuple[str, int], ...]


@dataclass(frozen=True, eq=False)
class Mapped:
    """One way to map a module.

    Attributes:
        netlist: of library cells.
        adders: where its full adders come from.
        proven: whether ABC proves it equal to its RTL; else it took too long.
    """

    netlist: Netlist
    adders: Adders
    proven: bool


@dataclass(frozen=True)
class _Stored:
    """A netlist by the names of its cells."""

    nets: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
    cells: tuple[tuple[str, Pins], ...]
    verdict: Verdict


def mapped_ways(module: Module, library: Library, clock_ns: float | None) -> tuple[Mapped, ...]:
    """A module between the ports of its `rtl`, mapped in each way that the library has; cached.

    One with full adders that is not proved to be its RTL is left out: extract_fa of Yosys 0.23
    makes other gates of some normalisers.

    Args:
        module: of any widths.
        library: to map to.
        clock_ns: see `synthesise_for`.

    Raises:
        AxdseError: a tool fails, or the mapping without full adders is not its RTL.
    """
    rtl, kinds = module.rtl, adders_of(library) if module.adds else EVERY[:1]
    gates = functools.cache(lambda: read_gates(rtl, WORDS))
    ways = (_mapped(rtl, gates, library, clock_ns, adders) for adders in kinds)
    return tuple(way for way in ways if way)


def _mapped(
    rtl: Rtl,
    gates: Callable[[], Aig],
    library: Library,
    clock_ns: float | None,
    adders: Adders,
) -> Mapped | None:
    scripts = scripts_for(rtl, library, clock_ns)
    recipes = [synthesis_script(rtl.top, script=script, adders=adders) for script in scripts]
    key = digest(
        *(rtl.digest, repr(rtl.ports), library.digest, str(clock_ns), adders, *recipes),
        *("" if adders == "none" else rules(library), code_digest(__name__)),
        *(find_tool(tool).version for tool in ("yosys", "yosys-abc")),
    )

    def compute() -> _Stored:
        netlist, _ = synthesise_for(rtl, library, clock_ns, adders)
        limit_s = CEC_LIMIT_S if adders == "none" else ADDERS_LIMIT_S
        verdict = same_function(netlist_gates(netlist), gates(), limit_s).verdict
        if verdict == "different" and adders == "none":
            rule = f"the mapped netlist of {rtl.top} must compute what the RTL does"
            raise AxdseError(rule, "ABC shows a difference", "the synthesis is at fault")
        return _Stored(
            (netlist.a.nets, netlist.b.nets, netlist.product.nets),
            tuple((each.cell.name, each.pins) for each in netlist.instances),
            verdict,
        )

    stored = cached("mapped", key, _Stored, compute)
    if stored.verdict != "equal" and adders != "none":
        return None
    cells = {cell.name: cell for cell in library.cells}
    a, b, product = (Port(*given) for given in zip(rtl.ports, stored.nets, strict=True))
    instances = tuple(Instance(cells[name], pins) for name, pins in stored.cells)
    return Mapped(Netlist(rtl.top, a, b, product, instances), adders, stored.verdict == "equal")
