"""Activity: every toggle counted, glitches as in Icarus with the delays of OpenSTA."""

import itertools

import numpy as np
import pytest

from axdse.flows.liberty.library import Library, read_library
from axdse.flows.netlist.delays import critical_path_ns, delays_of
from axdse.flows.netlist.flat import Instance
from axdse.flows.netlist.netlist import Netlist, Port
from axdse.flows.netlist.synthesis import synthesise
from axdse.flows.power.activity import Activity, Transitions, simulate
from axdse.flows.power.activity_source import Uniform
from axdse.flows.power.gate_simulation import gate_toggles
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.rtl_text import core_rtl
from axdse.multipliers.errors import AxdseError


def mapped(spec: str) -> Netlist:
    return synthesise(core_rtl(builtin_catalog().multiplier(spec)), read_library())


def codes(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.uint64)


def in_order(a: np.ndarray, b: np.ndarray) -> Transitions:
    return Transitions(a[:-1], b[:-1], a[1:], b[1:])


def hazard(library: Library, inverters: int) -> Netlist:
    """p = a & ~a, through a chain: a rising input makes one pulse."""
    cells = {cell.name: cell for cell in library.cells}
    nets = [2, *range(10, 10 + inverters)]
    chain = tuple(
        Instance(cells["INVX1"], (("A", source), ("Y", sink)))
        for source, sink in itertools.pairwise(nets)
    )
    last = Instance(cells["AND2X1"], (("A", 2), ("B", nets[-1]), ("Y", 4)))
    return Netlist("hazard", Port("a", (2,)), Port("b", (3,)), Port("p", (4, 0)), (*chain, last))


def run(netlist: Netlist, transitions: Transitions) -> Activity:
    return simulate(netlist, delays_of(netlist), transitions)


@pytest.mark.parametrize(("inverters", "pulse"), [(1, 0), (9, 2)])
def test_a_pulse_passes_if_it_is_long_enough(inverters: int, pulse: int) -> None:
    netlist = hazard(read_library(), inverters)
    counts = run(netlist, in_order(codes(0, 1), codes(0, 0)))
    assert counts.toggles[4] == pulse
    assert counts.steady[4] == 0
    assert counts.toggles[[2, 10]].tolist() == [1, 1]


def test_without_time_nothing_glitches() -> None:
    netlist = mapped("exact(n=4)")
    transitions = Uniform(256).transitions(builtin_catalog().multiplier("exact(n=4)"))
    delays = delays_of(netlist)
    still = simulate(netlist, delays.without_time, transitions)
    timed = simulate(netlist, delays, transitions)
    np.testing.assert_array_equal(still.toggles, still.steady)
    np.testing.assert_array_equal(timed.steady, still.steady)
    assert timed.toggles.sum() > still.toggles.sum()


def test_steady_toggles_are_those_of_the_function() -> None:
    netlist = mapped("exact(n=4)")
    a, b = np.random.default_rng(0).integers(0, 16, (2, 500), dtype=np.uint64)
    counts = run(netlist, in_order(a, b))
    products = a * b
    for bit, net in enumerate(netlist.product.nets):
        wanted = np.count_nonzero(np.diff((products >> np.uint64(bit) & np.uint64(1)).astype(int)))
        assert counts.steady[net] == wanted


def test_every_count_adds_up() -> None:
    netlist = mapped("drum(n=8,k=4)")
    counts = run(netlist, Uniform(100).transitions(builtin_catalog().multiplier("drum(n=8,k=4)")))
    for number, instance in enumerate(netlist.instances):
        pins = dict(instance.pins)
        kind = netlist.flat.library.kinds[netlist.flat.kinds[number]]
        caused, moved, rests = (
            netlist.flat.of(counted, np.array([number]), size)
            for size, counted in enumerate((counts.caused, counts.moved, counts.rests))
        )
        for o, (pin, _) in enumerate(instance.cell.outputs):
            if pin in pins:
                assert caused.reshape(kind.number.shape)[o].sum() == counts.toggles[pins[pin]]
        for i, (pin, _) in enumerate(instance.cell.inputs):
            assert moved.reshape(kind.number.shape[1:])[i].sum() == counts.toggles[pins[pin]]
        assert rests.sum() == 100


@pytest.mark.parametrize("spec", ["exact(n=4)", "exact(n=8)", "drum(n=8,k=4)", "mitchell(m=7)"])
def test_delays_are_those_of_opensta(spec: str) -> None:
    netlist = mapped(spec)
    ours = delays_of(netlist).critical_path_ns(netlist)
    assert ours == pytest.approx(critical_path_ns(netlist, read_library()), abs=2e-6)


def check_against_icarus(spec: str) -> None:
    netlist, library = mapped(spec), read_library()
    transitions = Uniform(512).transitions(builtin_catalog().multiplier(spec))
    delays = delays_of(netlist)
    theirs = gate_toggles(netlist, library, transitions, 2 * delays.critical_path_ns(netlist) + 1)
    ours = simulate(netlist, delays, transitions).toggles[list(theirs.nets)]
    assert len(theirs.nets) > 8
    assert ours.sum() == pytest.approx(sum(theirs.toggles), rel=0.02)
    assert np.corrcoef(ours, theirs.toggles)[0, 1] > 0.995


@pytest.mark.parametrize("spec", ["exact(n=8)", "drum(n=8,k=4)", "mitchell(m=7)"])
def test_toggles_are_those_of_icarus(spec: str) -> None:
    check_against_icarus(spec)


@pytest.mark.slow
@pytest.mark.parametrize("family", builtin_catalog().families)
def test_toggles_of_every_family_are_those_of_icarus(family: str) -> None:
    check_against_icarus(builtin_catalog().family(family).bind().spec)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [(codes(1), codes(1), "two pairs"), (codes(1, 16), codes(1, 1), "4 bits: a=0x10")],
)
def test_operands_that_do_not_fit_are_refused(a: np.ndarray, b: np.ndarray, message: str) -> None:
    with pytest.raises(AxdseError, match=message):
        run(mapped("exact(n=4)"), in_order(a, b))
