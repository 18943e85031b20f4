"""Function and timing of mapped netlists in C: what `netlist.py` and `delays.py` say."""

import numpy as np
import pytest

from axdse.flows.cost.fast.flat_netlist import mapped
from axdse.flows.liberty.library import read_library
from axdse.flows.netlist.delays import delays_of
from axdse.flows.netlist.flat import FlatLibrary
from axdse.flows.netlist.netlist import Netlist
from axdse.flows.netlist.synthesis import synthesise
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.rtl_text import core_rtl

SPECS = ["exact(n=8)", "drum(n=8,k=3)", "mitchell(m=5)", "truncated(n=3,t=3,c=1)", "booth(n=4)"]


@pytest.fixture(scope="module", params=SPECS)
def netlist(request: pytest.FixtureRequest) -> Netlist:
    return synthesise(core_rtl(builtin_catalog().multiplier(request.param)), read_library())


def all_products(netlist: Netlist) -> np.ndarray:
    a, b = (np.arange(1 << len(port.nets), dtype=np.uint64) for port in (netlist.a, netlist.b))
    return netlist.simulate(*np.broadcast_arrays(a[:, None], b[None, :]))


def test_the_function_is_that_of_the_netlist(netlist: Netlist) -> None:
    flat, expected = mapped(netlist, FlatLibrary(read_library().cells)), all_products(netlist)
    assert flat.first_difference(expected) is None


@pytest.mark.parametrize("bit", [0, 5, 63])
def test_one_wrong_bit_is_found(netlist: Netlist, bit: int) -> None:
    flat, expected = mapped(netlist, FlatLibrary(read_library().cells)), all_products(netlist)
    place = expected.size * 2 // 3
    expected.ravel()[place] ^= np.uint64(1) << np.uint64(bit)
    assert flat.first_difference(expected) == place


def test_the_delay_is_that_of_the_tables(netlist: Netlist) -> None:
    flat = mapped(netlist, FlatLibrary(read_library().cells))
    assert flat.critical_path_ns() == delays_of(netlist).critical_path_ns(netlist)
