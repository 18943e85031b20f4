"""What power does a netlist take, by its activity and the tables of its library?

Switching: half of C V^2 for each toggle of a net with capacitance C (pins, no wires; nets of the
inputs included). Internal: the energy that the library's internal_power tables tell for the pin
that switched, the pin that caused it, the state of the cell, the transition time at its input and
the load at its output. Leakage: by the states in which cells rest. Clock: what the registers of a
pipeline take in each cycle, their data being still; see `register_power` for the rest.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from axdse.flows.liberty.cells import leakage_nw, shares
from axdse.flows.liberty.library import Library
from axdse.flows.liberty.register_power import Loaded, RegisterPower, register_power
from axdse.flows.netlist.delays import Delays, add_registers_pf
from axdse.flows.netlist.flat import FALL, RISE, Flat, Kind
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
    every = part is None
    chosen = np.arange(len(netlist.instances)) if part is None else np.array(part.instances, int)
    flops = netlist.registers if part is None or part.registers else ()
    loads = netlist.flat.loads_pf(chosen)
    add_registers_pf(loads, flops)
    load = loads[:, 2]
    joules = activity.toggles @ load * library.voltage_v**2 / 2 * FJ
    here = np.s_[:] if every else load > 0
    internal, leakage = 0.0, 0.0
    for kind, numbers in netlist.flat.by_kind(chosen):
        internal += math.fsum(_internal(kind, numbers, netlist.flat, delays, activity))
        rests = netlist.flat.of(activity.rests, numbers, 2).sum(axis=0)
        leakage += leakage_nw(kind.cell, rests)
    registers = list(_registers(flops, delays, activity))
    charges = [reg.flop.capacitance_pf(reg.flop.clock) for reg in flops]
    charge = math.fsum(charges) * library.voltage_v**2 * FJ
    return Power(
        float(joules) / activity.transitions,
        (internal + math.fsum(each.data_fj for each in registers)) / activity.transitions,
        (leakage + math.fsum(each.leakage_nw for each in registers)) / activity.cycles,
        float(activity.toggles[here].sum()) / activity.transitions,
        charge + math.fsum(each.clock_fj for each in registers),
    )


def _registers(
    registers: Sequence[Register], delays: Delays, activity: Activity
) -> Iterator[RegisterPower]:
    """Those of one kind, with the same levels at set and reset, at a time."""
    groups: dict[tuple[int, tuple[int, ...]], list[int]] = {}
    for number, register in enumerate(registers):
        flop, pins = register.flop, dict(register.pins)
        still = [pin not in (flop.data, flop.clock) for pin in flop.inputs]
        ones = [int(activity.ones[pins[pin]] > 0) for pin in flop.inputs]
        levels = tuple(one * known for one, known in zip(ones, still, strict=True))
        groups.setdefault((id(flop), levels), []).append(number)
    for (_, levels), numbers in groups.items():
        chosen = [registers[number] for number in numbers]
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


def _internal(
    kind: Kind, numbers: np.ndarray, flat: Flat, delays: Delays, activity: Activity
) -> Iterator[float]:
    """Energies of all cells of one kind, fJ, over all transitions."""
    cell, inputs, nets = kind.cell, kind.inputs, flat.pins_of(kind, numbers)
    caused = flat.of(activity.caused, numbers, 0).reshape(-1, *kind.number.shape)
    moved = flat.of(activity.moved, numbers, 1).reshape(-1, *kind.number.shape[1:])
    states = np.arange(1 << len(inputs))
    for i, pin in enumerate(inputs):
        slews = delays.slew_ns[nets[:, i]]
        own = [arc for arc in cell.power if arc.pin == pin]
        edge = np.where(states >> i & 1, RISE, FALL)
        for side in (RISE, FALL):
            at = (slews[:, side], np.zeros(len(nets)))
            for weight, table in shares(cell, own, side, edge == side):
                yield float(table.at(*at, beyond=False) @ (moved[:, i] @ weight))
        for o, output in enumerate(kind.outputs):
            sinks = np.maximum(nets[:, len(inputs) + o], 0)
            arcs = [a for a in cell.power if a.pin == output and a.input in ("", pin)]
            rises = np.where(cell.truth[o], RISE, FALL)
            for side in (RISE, FALL):
                for out in (RISE, FALL):
                    at = (slews[:, side], delays.load_pf[sinks, out])
                    here = (edge == side) & (rises == out)
                    for weight, table in shares(cell, arcs, out, here):
                        yield float(table.at(*at, beyond=False) @ (caused[:, o, i] @ weight))
