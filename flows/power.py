"""Stage 6, cost: power of a mapped netlist from its activity and the tables of its library.

Switching: half of C V^2 for each toggle of a net with capacitance C (pins, no wires; nets of the
inputs included). Internal: the energy that the library's internal_power tables tell for the pin
that switched, the pin that caused it, the state of the cell, the transition time at its input and
the load at its output. Leakage: by the states in which cells rest.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from axdse.flows.activity import Activity
from axdse.flows.delays import FALL, RISE, Delays
from axdse.flows.liberty import Cell, Library, PowerArc
from axdse.flows.liberty_tables import Table
from axdse.flows.netlist import Netlist
from axdse.multipliers.errors import AxdseError

FJ = 1e3  # in a pJ


@dataclass(frozen=True)
class Power:
    """Power of one design at the library's nominal voltage.

    Attributes:
        switching_fj: energy per multiplication to charge pins, fJ.
        internal_fj: energy per multiplication inside cells, fJ.
        leakage_nw: leakage power, nW.
        toggles: of all nets per multiplication.
    """

    switching_fj: float
    internal_fj: float
    leakage_nw: float
    toggles: float

    @property
    def energy_fj(self) -> float:
        """Dynamic energy per multiplication, fJ."""
        return self.switching_fj + self.internal_fj


def power_of(netlist: Netlist, delays: Delays, activity: Activity, library: Library) -> Power:
    """Estimate the power of a netlist.

    Raises:
        AxdseError: the library does not tell what this takes.
    """
    if library.lacks:
        raise AxdseError(
            "power needs a Liberty library with internal_power, leakage and a voltage",
            f"{library.path} lacks {library.lacks}",
            "choose another library; area and delay need none of them",
        )
    joules = activity.toggles @ delays.load_pf[:, 2] * library.voltage_v**2 / 2 * FJ
    internal, leakage = 0.0, 0.0
    for cell, numbers in _by_cell(netlist):
        internal += math.fsum(_internal(cell, numbers, netlist, delays, activity))
        leakage += _leakage(cell, np.sum([activity.rests[number] for number in numbers], axis=0))
    return Power(
        float(joules) / activity.transitions,
        internal / activity.transitions,
        leakage / activity.transitions,
        activity.toggles_per_transition,
    )


def _by_cell(netlist: Netlist) -> Iterator[tuple[Cell, list[int]]]:
    groups: dict[int, list[int]] = {}
    for number, instance in enumerate(netlist.instances):
        groups.setdefault(id(instance.cell), []).append(number)
    for numbers in groups.values():
        yield netlist.instances[numbers[0]].cell, numbers


def _leakage(cell: Cell, rests: np.ndarray) -> float:
    """Sum over all visits of a state of its leakage, nW."""
    left = np.ones(rests.size, dtype=bool)
    total = 0.0
    for entry in sorted(cell.leakage, key=lambda entry: not entry.when):
        here = left & cell.holds(entry.when)
        total += entry.nw * float(rests[here].sum())
        left &= ~here
    if left.any() and cell.leakage:
        mean = math.fsum(entry.nw for entry in cell.leakage) / len(cell.leakage)
        total += mean * float(rests[left].sum())
    return total


def _internal(
    cell: Cell, numbers: list[int], netlist: Netlist, delays: Delays, activity: Activity
) -> Iterator[float]:
    """Energies of all cells of one kind, fJ, over all transitions."""
    nets = [dict(netlist.instances[number].pins) for number in numbers]
    caused = np.stack([activity.caused[number] for number in numbers])
    moved = np.stack([activity.moved[number] for number in numbers])
    inputs, outputs = [pin for pin, _ in cell.inputs], [pin for pin, _ in cell.outputs]
    states = np.arange(1 << len(inputs))
    for i, pin in enumerate(inputs):
        slews = delays.slew_ns[[pins[pin] for pins in nets]]
        own = [arc for arc in cell.power if arc.pin == pin]
        edge = np.where(states >> i & 1, RISE, FALL)
        for side in (RISE, FALL):
            at = (slews[:, side], np.zeros(len(nets)))
            for weight, table in _shares(cell, own, side, edge == side):
                yield float(table.at(*at, beyond=False) @ (moved[:, i] @ weight))
        for o, output in enumerate(outputs):
            sinks = [pins.get(output, 0) for pins in nets]
            arcs = [a for a in cell.power if a.pin == output and a.input in ("", pin)]
            rises = np.where(cell.truth[o], RISE, FALL)
            for side in (RISE, FALL):
                for out in (RISE, FALL):
                    at = (slews[:, side], delays.load_pf[sinks, out])
                    here = (edge == side) & (rises == out)
                    for weight, table in _shares(cell, arcs, out, here):
                        yield float(table.at(*at, beyond=False) @ (caused[:, o, i] @ weight))


def _shares(
    cell: Cell, arcs: Sequence[PowerArc], edge: int, here: np.ndarray
) -> Iterator[tuple[np.ndarray, Table]]:
    """Weights [states] of each table among the states `here`.

    A table with a condition goes before one without; states that meet none take the mean.
    """
    tables = [arc.fall if edge else arc.rise for arc in arcs]
    told = [(arc.when, table) for arc, table in zip(arcs, tables, strict=True) if table]
    left = here.copy()
    weights = []
    for when, _ in sorted(told, key=lambda entry: not entry[0]):
        claimed = left & cell.holds(when)
        weights.append(claimed.astype(float))
        left &= ~claimed
    for weight, (_, table) in zip(weights, sorted(told, key=lambda e: not e[0]), strict=True):
        weight += left / len(told)
        if weight.any():
            yield weight, table
