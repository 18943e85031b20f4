"""What power does a netlist take, by its activity and the tables of its library?

Switching: half of C V^2 for each toggle of a net with capacitance C (pins, no wires; nets of the
inputs included). Internal: the energy that the library's internal_power tables tell for the pin
that switched, the pin that caused it, the state of the cell, the transition time at its input and
the load at its output. Leakage: by the states in which cells rest. Clock: what the registers of a
pipeline take in each cycle, their data being still; see `register_power` for the rest.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from axdse.flows.liberty.cells import Cell, leakage_nw, shares
from axdse.flows.liberty.library import Library
from axdse.flows.liberty.register_power import Loaded, RegisterPower, register_power
from axdse.flows.netlist.delays import FALL, RISE, Delays, loads_pf
from axdse.flows.netlist.netlist import Netlist, Register
from axdse.flows.power.activity import Activity
from axdse.multipliers.errors import AxdseError

FJ = 1e3  # in a pJ


@dataclass(frozen=True)
class Power:
    """Power of one design at the library's nominal voltage.

    Attributes:
        switching_fj: energy per multiplication to charge pins, fJ.
        internal_fj: energy per multiplication inside cells, fJ.
        leakage_nw: leakage power, nW.
        toggles: of all nets per multiplication, the clock's aside; of a part those at its pins.
        clock_fj: energy of one cycle of the clock: charge of its pins, and in registers with still
            data, fJ.
    """

    switching_fj: float
    internal_fj: float
    leakage_nw: float
    toggles: float
    clock_fj: float = 0.0

    @property
    def energy_fj(self) -> float:
        """Dynamic energy per multiplication, fJ."""
        return self.switching_fj + self.internal_fj + self.clock_fj


@dataclass(frozen=True)
class Part:
    """Some cells of a netlist; they are charged for their own pins, whoever drives these.

    Attributes:
        instances: numbers of the combinational ones.
        registers: whether all flip-flops are among them.
    """

    instances: tuple[int, ...]
    registers: bool = False


def power_of(
    netlist: Netlist,
    delays: Delays,
    activity: Activity,
    library: Library,
    part: Part | None = None,
) -> Power:
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
    chosen = part or Part(tuple(range(len(netlist.instances))), registers=True)
    own = replace(
        netlist,
        instances=tuple(netlist.instances[number] for number in chosen.instances),
        registers=netlist.registers if chosen.registers else (),
    )
    load = loads_pf(own, delays.nets)[:, 2]
    joules = activity.toggles @ load * library.voltage_v**2 / 2 * FJ
    here = load > 0 if part else np.s_[:]
    internal, leakage = 0.0, 0.0
    for cell, numbers in _by_cell(netlist, chosen.instances):
        internal += math.fsum(_internal(cell, numbers, netlist, delays, activity))
        leakage += leakage_nw(cell, np.sum([activity.rests[number] for number in numbers], axis=0))
    registers = list(_registers(own, delays, activity))
    charges = [reg.flop.capacitance_pf(reg.flop.clock) for reg in own.registers]
    charge = math.fsum(charges) * library.voltage_v**2 * FJ
    return Power(
        float(joules) / activity.transitions,
        (internal + math.fsum(each.data_fj for each in registers)) / activity.transitions,
        (leakage + math.fsum(each.leakage_nw for each in registers)) / activity.cycles,
        float(activity.toggles[here].sum()) / activity.transitions,
        charge + math.fsum(each.clock_fj for each in registers),
    )


def _registers(netlist: Netlist, delays: Delays, activity: Activity) -> Iterator[RegisterPower]:
    """Those of one kind, with the same levels at set and reset, at a time."""
    groups: dict[tuple[int, tuple[int, ...]], list[int]] = {}
    for number, register in enumerate(netlist.registers):
        flop, pins = register.flop, dict(register.pins)
        still = [pin not in (flop.data, flop.clock) for pin in flop.inputs]
        ones = [int(activity.ones[pins[pin]] > 0) for pin in flop.inputs]
        levels = tuple(one * known for one, known in zip(ones, still, strict=True))
        groups.setdefault((id(flop), levels), []).append(number)
    for (_, levels), numbers in groups.items():
        chosen = [netlist.registers[number] for number in numbers]
        data = [register.data for register in chosen]
        flop = chosen[0].flop
        loads = [
            [delays.load_pf[net, :2] if net >= 0 else np.zeros(2) for net in _sinks(register)]
            for register in chosen
        ]
        loaded = Loaded(
            activity.loaded[numbers],
            activity.toggles[data],
            levels,
            delays.slew_ns[data],
            np.array(loads).reshape(len(chosen), len(flop.outputs), 2),
        )
        yield register_power(flop, loaded)


def _sinks(register: Register) -> list[int]:
    pins = dict(register.pins)
    return [pins.get(pin, -1) for pin, _ in register.flop.outputs]


def _by_cell(netlist: Netlist, chosen: Sequence[int]) -> Iterator[tuple[Cell, list[int]]]:
    groups: dict[int, list[int]] = {}
    for number in chosen:
        groups.setdefault(id(netlist.instances[number].cell), []).append(number)
    for numbers in groups.values():
        yield netlist.instances[numbers[0]].cell, numbers


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
            for weight, table in shares(cell, own, side, edge == side):
                yield float(table.at(*at, beyond=False) @ (moved[:, i] @ weight))
        for o, output in enumerate(outputs):
            sinks = [pins.get(output, 0) for pins in nets]
            arcs = [a for a in cell.power if a.pin == output and a.input in ("", pin)]
            rises = np.where(cell.truth[o], RISE, FALL)
            for side in (RISE, FALL):
                for out in (RISE, FALL):
                    at = (slews[:, side], delays.load_pf[sinks, out])
                    here = (edge == side) & (rises == out)
                    for weight, table in shares(cell, arcs, out, here):
                        yield float(table.at(*at, beyond=False) @ (caused[:, o, i] @ weight))
