"""Power: what a hand can compute, and what libraries leave out."""

import dataclasses

import numpy as np
import pytest

from axdse.flows.liberty.cells import Cell, Leakage, PowerArc
from axdse.flows.liberty.library import Library, read_library
from axdse.flows.liberty.tables import Table
from axdse.flows.netlist.delays import delays_of
from axdse.flows.netlist.flat import Instance
from axdse.flows.netlist.netlist import Netlist, Port
from axdse.flows.power.activity import Transitions, simulate
from axdse.flows.power.power import Power, power_of
from axdse.multipliers.errors import AxdseError


def constant(value: float) -> Table:
    return Table((0.0,), (0.0,), ((value,),))


def nand(library: Library, **changes: object) -> Cell:
    cell = next(cell for cell in library.cells if cell.name == "NAND2X1")
    return dataclasses.replace(cell, **changes)  # type: ignore[arg-type]


def one_gate(cell: Cell, a: list[int], b: list[int], library: Library) -> Power:
    """Power of p = ~(a & b) under a sequence of operands."""
    gate = Instance(cell, (("A", 2), ("B", 3), ("Y", 4)))
    netlist = Netlist("gate", Port("a", (2,)), Port("b", (3,)), Port("p", (4, 0)), (gate,))
    x, y = np.array(a, dtype=np.uint64), np.array(b, dtype=np.uint64)
    delays = delays_of(netlist)
    activity = simulate(netlist, delays, Transitions(x[:-1], y[:-1], x[1:], y[1:]))
    return power_of(netlist, delays, activity, library)


def test_switching_is_half_c_v_squared() -> None:
    library = read_library()
    cell = nand(library, power=(PowerArc("Y", "A", "", constant(0.0), constant(0.0)),))
    got = one_gate(cell, [0, 1, 0, 1, 1], [0, 0, 0, 0, 0], library)
    capacitance = cell.capacitances[0][2]
    assert got.switching_fj == pytest.approx(3 * capacitance * 1.8**2 / 2 * 1000 / 4)
    assert got.internal_fj == 0
    assert got.toggles == 3 / 4


def test_internal_energy_goes_by_edge_cause_and_state() -> None:
    library = read_library()
    arcs = (
        PowerArc("Y", "A", "", constant(1.0), constant(10.0)),
        PowerArc("Y", "B", "", constant(100.0), constant(1000.0)),
        PowerArc("A", "", "!B", constant(1e5), None),
    )
    # A rises under !B; B rises (Y falls); A falls (Y rises).
    got = one_gate(nand(library, power=arcs), [0, 1, 1, 0], [0, 0, 1, 1], library)
    assert got.internal_fj * 3 == pytest.approx(1e5 + 1000.0 + 1.0)


def test_a_condition_goes_before_none_and_others_take_the_mean() -> None:
    library = read_library()
    arcs = tuple(
        PowerArc("A", "", when, constant(value), constant(value))
        for when, value in (("", 1.0), ("B", 10.0))
    )
    assert one_gate(nand(library, power=arcs), [0, 1], [1, 1], library).internal_fj == 10.0
    assert one_gate(nand(library, power=arcs), [0, 1], [0, 0], library).internal_fj == 1.0
    rest = tuple(dataclasses.replace(arc, when="B") for arc in arcs)
    assert one_gate(nand(library, power=rest), [0, 1], [0, 0], library).internal_fj == 5.5


def test_leakage_goes_by_the_states_in_which_a_cell_rests() -> None:
    library = read_library()
    leakage = (Leakage("A & B", 8.0), Leakage("", 2.0))
    got = one_gate(nand(library, leakage=leakage), [1, 1, 0, 0, 0], [1, 1, 1, 1, 1], library)
    assert got.leakage_nw == pytest.approx((2 * 8 + 2 * 2) / 4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"voltage_v": 0.0}, "a supply voltage"), ({"cells": ()}, "internal_power")],
)
def test_a_library_without_power_is_refused(changes: dict[str, object], message: str) -> None:
    library = dataclasses.replace(read_library(), **changes)  # type: ignore[arg-type]
    with pytest.raises(AxdseError, match=message):
        one_gate(nand(read_library()), [0, 1], [0, 0], library)
