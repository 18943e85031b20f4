"""Which way to map takes less? With full adders or without, under operands or by area."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from axdse.flows.liberty.library import Library
from axdse.flows.netlist.delays import delays_of
from axdse.flows.netlist.netlist import Netlist
from axdse.flows.power.activity import Transitions, simulate
from axdse.flows.power.power import power_of

Way = TypeVar("Way")


def ranked(
    ways: Sequence[Way],
    netlist_of: Callable[[Way], Netlist],
    library: Library,
    clock_ns: float | None,
    given: Transitions | None,
) -> list[Way]:
    """The ways in order: that which meets the clock, or is late the least, with the least energy.

    Args:
        ways: to map one design; the first of equals comes first.
        netlist_of: the netlist of a way.
        library: its cells.
        clock_ns: None: there is none.
        given: what the design meets; None: the area tells, not the energy.
    """

    def rank(way: Way) -> tuple[float, float]:
        netlist, late = netlist_of(way), 0.0
        if clock_ns is not None:
            late = max(0.0, delays_of(netlist).critical_path_ns(netlist) - clock_ns)
        if given is None:
            return late, netlist.area_um2
        return late, alone_fj(netlist, library, given)

    return sorted(ways, key=rank) if len(ways) > 1 else list(ways)


def alone_fj(netlist: Netlist, library: Library, given: Transitions) -> float:
    """Energy of a transition of all inputs at once, glitches included, fJ."""
    delays = delays_of(netlist)
    activity = simulate(netlist, delays, given)
    return power_of(netlist, delays, activity, library).energy_fj
