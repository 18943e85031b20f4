"""Timing: OpenSTA's numbers, and its silent errors made loud."""

import itertools
from dataclasses import replace

import pytest

from axdse.flows.liberty.library import Library, read_library
from axdse.flows.netlist.delays import critical_path_ns
from axdse.flows.netlist.flat import Instance
from axdse.flows.netlist.netlist import Netlist, Port
from axdse.multipliers.errors import AxdseError


@pytest.fixture(scope="module")
def library() -> Library:
    return read_library()


def inverters(library: Library, length: int) -> Netlist:
    """A chain of inverters from a[0] to p[0]."""
    inverter = next(cell for cell in library.cells if cell.name == "INVX1")
    nets = [2, *range(10, 10 + length)]
    chain = tuple(
        Instance(inverter, (("A", source), ("Y", sink)))
        for source, sink in itertools.pairwise(nets)
    )
    return Netlist("chain", Port("a", (2,)), Port("b", (3,)), Port("p", (nets[-1], 0)), chain)


def test_a_wire_or_a_constant_takes_no_time(library: Library) -> None:
    assert critical_path_ns(inverters(library, 0), library) == 0.0
    constant = replace(inverters(library, 0), product=Port("p", (1, 0)))
    assert critical_path_ns(constant, library) == 0.0


def test_a_longer_chain_takes_longer(library: Library) -> None:
    delays = [critical_path_ns(inverters(library, length), library) for length in (1, 2, 4, 8)]
    assert delays == sorted(set(delays))
    # An inverter of this 0.18 um library takes tens of ps: a wrong unit would show.
    assert 0.01 < delays[3] / 8 < 0.1


def test_a_cell_unknown_to_opensta_is_an_error(library: Library) -> None:
    netlist = inverters(library, 2)
    stranger = replace(netlist.instances[0].cell, name="STRANGER")
    changed = replace(netlist.instances[0], cell=stranger)
    netlist = replace(netlist, instances=(changed, netlist.instances[1]))
    with pytest.raises(AxdseError, match="STRANGER not found"):
        critical_path_ns(netlist, library)


def test_a_netlist_that_opensta_cannot_read_is_an_error(library: Library) -> None:
    netlist = inverters(library, 2)
    odd = replace(netlist.instances[0], pins=(("A{", 2), ("Y", 10)))
    netlist = replace(netlist, instances=(odd, netlist.instances[1]))
    with pytest.raises(AxdseError, match="syntax error"):
        critical_path_ns(netlist, library)


def test_a_port_that_tcl_would_read_does_not_reach_opensta(library: Library) -> None:
    netlist = replace(inverters(library, 2), b=Port("b{", (3,)))
    with pytest.raises(AxdseError, match="plain Verilog identifiers"):
        critical_path_ns(netlist, library)
