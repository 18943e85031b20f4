"""What energy do flip-flops take inside, by how often they loaded what?

A cycle begins with the rising clock: the register shows what its data pin showed before. Then the
data moves, and the clock falls when it has settled. The clock's own energy is that of a cycle
with still data; what a cycle with moving data takes beyond it belongs to the data.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from axdse.flows.liberty.cells import leakage_nw, shares
from axdse.flows.liberty.flop import Flop

RISE, FALL = 0, 1


@dataclass(frozen=True, eq=False)
class Loaded:
    """What several registers of one kind did.

    Attributes:
        cycles: int64 [registers, 2, 2, 2], how many of them, by data before the clock's edge, what
            the register held until then, and where the data settled; some of each are still.
        toggles: int64 [registers], of the data pin, glitches included.
        levels: for each other input of the flip-flop, its constant level; 0 for data and clock.
        slew_ns: float [registers, 2], rise and fall of the data.
        load_pf: float [registers, outputs, 2], to a rise and to a fall.
    """

    cycles: np.ndarray
    toggles: np.ndarray
    levels: tuple[int, ...]
    slew_ns: np.ndarray
    load_pf: np.ndarray


@dataclass(frozen=True)
class RegisterPower:
    """Internal energy and leakage of several registers.

    Attributes:
        clock_fj: in one cycle with still data, fJ.
        data_fj: what moving data adds to that over all cycles, fJ.
        leakage_nw: leakage power, nW, summed over all cycles.
    """

    clock_fj: float
    data_fj: float
    leakage_nw: float


def register_power(flop: Flop, loaded: Loaded) -> RegisterPower:
    """Look up the energies; the clock switches in no time, as does any ideal clock."""
    still = np.zeros_like(loaded.cycles)
    still[:, 0, 0, 0], still[:, 1, 1, 1] = loaded.cycles[:, 0, 0, 0], loaded.cycles[:, 1, 1, 1]
    calm = still.sum(axis=(1, 2, 3))
    # A register that is never still takes all its cycles for such: nothing else is known.
    still[calm == 0] = loaded.cycles[calm == 0]
    clock = _clock(flop, loaded, still) / np.maximum(1, still.sum(axis=(1, 2, 3)))
    total = _clock(flop, loaded, loaded.cycles)
    moving = total - clock * loaded.cycles.sum(axis=(1, 2, 3))
    data = moving + sum(_data(flop, loaded)) + sum(_outputs(flop, loaded))
    rests = _counts(flop, loaded, loaded.cycles.sum(axis=(0, 3))[None] / 2, clocks=(0, 1))
    return RegisterPower(float(clock.sum()), float(data.sum()), leakage_nw(flop, rests[0]))


def _counts(
    flop: Flop, loaded: Loaded, by_state: np.ndarray, clocks: tuple[int, ...]
) -> np.ndarray:
    """Float [registers, 2^pins], from [registers, data, held], under each level of the clock."""
    counts = np.zeros((len(by_state), 1 << len(flop.pins)))
    base = sum(level << pin for pin, level in enumerate(loaded.levels))
    for clock in clocks:
        for data in (0, 1):
            for held in (0, 1):
                state = base | clock << flop.inputs.index(flop.clock)
                state |= data << flop.inputs.index(flop.data)
                for pin, (_, inverted) in enumerate(flop.outputs, len(flop.inputs)):
                    state |= (held ^ inverted) << pin
                counts[:, state] += by_state[:, data, held]
    return counts


def _energy(
    flop: Flop, pin: str, edge: int, counts: np.ndarray, slew: np.ndarray, load: np.ndarray
) -> np.ndarray:
    """Float [registers], of so many edges of a pin in each state."""
    arcs = [a for a in flop.power if a.pin == pin and a.input in ("", flop.clock)]
    everywhere = np.ones(counts.shape[1], dtype=bool)
    found = np.zeros(len(counts))
    for weight, table in shares(flop, arcs, edge, everywhere):
        found += table.at(slew, load, beyond=False) * (counts @ weight)
    return found


def _clock(flop: Flop, loaded: Loaded, cycles: np.ndarray) -> np.ndarray:
    none = np.zeros(len(cycles))
    before = _counts(flop, loaded, cycles.sum(axis=3), clocks=(1,))
    # When the clock falls the register holds the data of before: swap the axes to [now, held].
    after = _counts(flop, loaded, cycles.sum(axis=2).swapaxes(1, 2), clocks=(0,))
    rises = _energy(flop, flop.clock, RISE, before, none, none)
    falls = _energy(flop, flop.clock, FALL, after, none, none)
    return np.asarray(rises + falls)


def _data(flop: Flop, loaded: Loaded) -> Iterator[np.ndarray]:
    """Edges of the data pin; those of glitches are spread over what the register holds."""
    held = loaded.cycles.sum(axis=(2, 3))
    by_edge = loaded.cycles.sum(axis=2)  # [registers, data before = held now, data after]
    rises, falls = by_edge[:, 0, 1], by_edge[:, 1, 0]
    glitches = (loaded.toggles - rises - falls) / 2
    share = held / np.maximum(1, held.sum(axis=1))[:, None]
    none = np.zeros(len(held))
    for edge, settled in ((RISE, rises), (FALL, falls)):
        counts = np.zeros((len(held), 2, 2))
        counts[:, 1 - edge] = glitches[:, None] * share
        counts[:, 1 - edge, edge] += settled
        # Whether the clock is high or low when data moves is unknown: half and half.
        states = _counts(flop, loaded, counts / 2, clocks=(0, 1))
        yield _energy(flop, flop.data, edge, states, loaded.slew_ns[:, edge], none)


def _outputs(flop: Flop, loaded: Loaded) -> Iterator[np.ndarray]:
    by_load = loaded.cycles.sum(axis=3)
    none = np.zeros(len(by_load))
    for number, (pin, inverted) in enumerate(flop.outputs):
        for value in (0, 1):
            counts = np.zeros_like(by_load)
            counts[:, value, value] = by_load[:, value, 1 - value]
            edge = FALL if value == inverted else RISE
            states = _counts(flop, loaded, counts, clocks=(1,))
            yield _energy(flop, pin, edge, states, none, loaded.load_pf[:, number, edge])
