"""What does one bit of storage take? The D flip-flop of a library in seven figures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from axdse.flows.liberty.flop import Flop
from axdse.flows.liberty.library import Library
from axdse.flows.liberty.register_power import Loaded, RegisterPower, register_power
from axdse.multipliers.errors import AxdseError

FJ = 1e3  # in a pJ


@dataclass(frozen=True)
class FlipFlop:
    """One flip-flop under an ideal clock, its output driving the data pin of another one.

    Attributes:
        name: of the cell.
        area_um2: area.
        clock_fj: energy of one clock cycle with still data: charge of the clock pin and internal
            power, fJ.
        toggle_fj: what a toggle of the bit adds: charge of its own data pin and internal power,
            fJ. The charge of what the output drives is not in it.
        leakage_nw: leakage power, nW.
        setup_ns: time that data must be there before the clock, ns.
        clock_to_q_ns: time from the clock to the output, ns.

    Energies and leakage are 0 if the library does not tell them, see `Library.lacks`.
    """

    name: str
    area_um2: float
    clock_fj: float
    toggle_fj: float
    leakage_nw: float
    setup_ns: float
    clock_to_q_ns: float


def flip_flop(library: Library) -> FlipFlop:
    """Return the smallest positive-edge D flip-flop without set, reset, scan or enable.

    Raises:
        AxdseError: the library has none.
    """
    flop = plain_flop(library)
    # The four cycles of a bit that rises and falls, and both of one that is still.
    still = _power(flop, [(0, 0, 0), (1, 1, 1)], 0)
    moving = _power(flop, [(0, 0, 0), (1, 1, 1), (0, 0, 1), (1, 0, 1), (1, 1, 0), (0, 1, 0)], 2)
    charge = library.voltage_v**2 * FJ
    return FlipFlop(
        flop.name,
        flop.area_um2,
        still.clock_fj + flop.capacitance_pf(flop.clock) * charge,
        moving.data_fj / 2 + flop.capacitance_pf(flop.data) * charge / 2,
        still.leakage_nw / 2,
        setup_ns(flop),
        _clock_to_q_ns(flop),
    )


def plain_flop(library: Library) -> Flop:
    """The cell that `flip_flop` is of.

    Raises:
        AxdseError: as `flip_flop`.
    """
    plain = [flop for flop in library.flops if len(flop.inputs) == 2]
    if not plain:
        raise AxdseError(
            "registers take a D flip-flop with a rising clock and no other inputs",
            f"{library.path} has none",
            "choose a library that has one",
        )
    return min(plain, key=lambda flop: flop.area_um2)


def setup_ns(
    flop: Flop, slew_ns: Sequence[float] = (0.0, 0.0), arrival_ns: Sequence[float] = (0.0, 0.0)
) -> float:
    """Latest arrival of the data plus its setup time, ns; -inf: none arrives.

    Args:
        flop: under a clock that switches in no time.
        slew_ns: transition times of the data's rise and fall.
        arrival_ns: of both, after the edge of the clock before.
    """
    return max(
        arrival + (table.point(0.0, slew) if table else 0.0)
        for tables in flop.setup or ((None, None),)
        for table, slew, arrival in zip(tables, slew_ns, arrival_ns, strict=True)
    )


def _power(flop: Flop, cycles: list[tuple[int, int, int]], toggles: int) -> RegisterPower:
    counts = np.zeros((1, 2, 2, 2), dtype=np.int64)
    for cycle in cycles:
        counts[(0, *cycle)] += 1
    data = flop.inputs.index(flop.data)
    load = np.full((1, len(flop.outputs), 2), flop.capacitances[data][:2])
    levels = (0,) * len(flop.inputs)
    return register_power(
        flop, Loaded(counts, np.array([toggles]), levels, np.zeros((1, 2)), load)
    )


def _clock_to_q_ns(flop: Flop) -> float:
    rise, fall, _ = flop.capacitances[flop.inputs.index(flop.data)]
    times = [
        table.point(0.0, load)
        for arc in flop.timing
        for table, load in ((arc.rise, rise), (arc.fall, fall))
        if table
    ]
    return max(times, default=math.nan)
