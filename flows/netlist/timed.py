"""Which is the smallest netlist that meets a delay target?"""

from axdse.flows.liberty.library import Library
from axdse.flows.liberty.mappable import mappable
from axdse.flows.netlist.delays import delays_of
from axdse.flows.netlist.netlist import Netlist
from axdse.flows.netlist.registers import flip_flop
from axdse.flows.netlist.synthesis import ABC_SCRIPT, synthesise
from axdse.multipliers.designs.rtl_text import Rtl
from axdse.multipliers.errors import AxdseError, MachineError

# ABC counts in whole ps, and in 32 bits.
SHORTEST_CLOCK_NS, LONGEST_CLOCK_NS = 0.001, 1e6
# Under a delay target, from the smallest to the fastest; ps stands for it.
TIMED_SCRIPTS = (
    ABC_SCRIPT,
    f"{ABC_SCRIPT};upsize,-D,{{ps}};dnsize,-D,{{ps}}",
    "strash;ifraig;scorr;dc2;strash;dch,-f;map,-B,0.9,-D,{ps};topo;buffer,-c;"
    "upsize,-D,{ps};dnsize,-D,{ps}",
    "strash;ifraig;scorr;dc2;strash;&get,-n;&syn3;&syn3;&put;dch,-f;map,-B,0.9;topo;buffer,-c;"
    "upsize;dnsize,-D,{ps}",
)


def timed_scripts(clock_ns: float | None) -> tuple[str, ...]:
    """The ABC scripts to try in turn; without a clock there is one.

    Raises:
        AxdseError: the clock is out of range.
    """
    if clock_ns is None:
        return (ABC_SCRIPT,)
    if not SHORTEST_CLOCK_NS <= clock_ns <= LONGEST_CLOCK_NS:
        rule = f"a clock period is above 0 ns, {SHORTEST_CLOCK_NS:g} to {LONGEST_CLOCK_NS:g}"
        raise AxdseError(rule, f"{clock_ns:g}", "give --clock in ns")
    return tuple(script.format(ps=round(clock_ns * 1000)) for script in TIMED_SCRIPTS)


def scripts_for(rtl: Rtl, library: Library, clock_ns: float | None) -> tuple[str, ...]:
    """The ABC scripts to try for a design; registers take their part of the clock.

    Raises:
        AxdseError: the clock is out of range, or there is no flip-flop for a pipeline.
    """
    scripts = timed_scripts(clock_ns)
    if clock_ns is None or not rtl.pipeline:
        return scripts
    register = flip_flop(library)
    logic_ns = clock_ns - register.setup_ns - register.clock_to_q_ns
    return timed_scripts(max(logic_ns, clock_ns / 10, SHORTEST_CLOCK_NS))


def synthesise_for(rtl: Rtl, library: Library, clock_ns: float | None) -> tuple[Netlist, str]:
    """The smallest netlist that meets the clock, else the fastest, and the script that made it.

    Without a clock the smallest that one script makes. A script of which ABC makes nothing in this
    library is passed over if another works.

    Raises:
        AxdseError: as `scripts_for`, the library lacks cells, or as `synthesise` of the last
            script if all fail.
    """
    mappable(library, timed=clock_ns is not None)
    best: tuple[tuple[float, float], Netlist, str] | None = None
    failure: AxdseError | None = None
    for script in scripts_for(rtl, library, clock_ns):
        try:
            netlist = synthesise(rtl, library, script)
        except MachineError:
            raise  # another script would hide it behind a worse netlist
        except AxdseError as error:
            failure = error
            continue
        late = 0.0
        if clock_ns is not None:
            late = max(0.0, delays_of(netlist).critical_path_ns(netlist) - clock_ns)
        rank = (late, netlist.area_um2)
        if best is None or rank < best[0]:
            best = rank, netlist, script
    if best is None:
        assert failure is not None
        raise failure
    return best[1], best[2]
