"""How does a pipeline meet transitions of operands, one pair a cycle?

Transitions that continue one another are a run. Before a run the pipeline rests with its first
pair, and after it with the last one, so that every stage meets each transition exactly once.
"""

from dataclasses import dataclass

import numpy as np

from axdse.flows.formal.aig import codes_of, lanes_of
from axdse.flows.netlist.netlist import Netlist


@dataclass(frozen=True, eq=False)
class Cycles:
    """What the sources of a netlist do in each simulated cycle.

    Attributes:
        nets: int32 [sources]: operands, outputs of registers, controls.
        before: uint8 [cycles, bytes], their bits until the clock's edge.
        after: likewise after it.
        loaded: int64 [registers, 2, 2, 2], cycles by data before the clock's edge, what the
            register held until then, and where the data settled.
    """

    nets: np.ndarray
    before: np.ndarray
    after: np.ndarray
    loaded: np.ndarray


def cycles_of(
    netlist: Netlist, a: np.ndarray, b: np.ndarray, next_a: np.ndarray, next_b: np.ndarray
) -> Cycles:
    """Return the cycles from pairs (a, b) to pairs (next_a, next_b), uint64 [transitions].

    Operands of more than 64 bits are [transitions, words].

    Raises:
        AxdseError: a pipeline has feedback.
    """
    if not netlist.clock:
        nets = [*netlist.a.nets, *netlist.b.nets]
        before, after = (_operand_bits(netlist, *pair) for pair in ((a, b), (next_a, next_b)))
        return _cycles(nets, before, after, np.zeros((0, 2, 2, 2), dtype=np.int64))
    entered, counted = _stream(netlist.latency + 1, a, b, next_a, next_b)
    waves = netlist.waves(*entered)
    states = [net for register in netlist.registers for net, _ in register.outputs]
    held = [net for control in netlist.held for net in control.port.nets]
    nets = [*netlist.a.nets, *netlist.b.nets, *states, *held]
    bits = np.stack([_bits(waves[net], counted.size) for net in nets], axis=1)
    now = np.flatnonzero(counted)
    loaded = [_loaded(_bits(waves[reg.data], counted.size), now) for reg in netlist.registers]
    shape = (len(loaded), 2, 2, 2)
    return _cycles(nets, bits[now - 1], bits[now], np.array(loaded, np.int64).reshape(shape))


def _cycles(nets: list[int], before: np.ndarray, after: np.ndarray, loaded: np.ndarray) -> Cycles:
    old, new = (np.packbits(bits, axis=1, bitorder="little") for bits in (before, after))
    return Cycles(np.array(nets, dtype=np.int32), old, new, loaded)


def _operand_bits(netlist: Netlist, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Uint8 [lanes, bits]: those of a, then those of b."""
    columns = [
        _bits(plane, len(codes))
        for port, codes in ((netlist.a, a), (netlist.b, b))
        for plane in lanes_of(codes, len(port.nets))
    ]
    return np.stack(columns, axis=1)


def _bits(lanes: np.ndarray, cycles: int) -> np.ndarray:
    return codes_of([lanes], cycles).astype(np.uint8)


def _loaded(data: np.ndarray, now: np.ndarray) -> np.ndarray:
    """Int64 [2, 2, 2]; what a register holds is the data of the cycle before."""
    kinds = data[now - 1] * 4 + data[now - 2] * 2 + data[now]
    return np.bincount(kinds, minlength=8).reshape(2, 2, 2)


def _stream(
    rest: int, a: np.ndarray, b: np.ndarray, next_a: np.ndarray, next_b: np.ndarray
) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """The pairs of each cycle, and the cycles that count: those after the first rest of a run."""
    broken = _differ(a[1:], next_a[:-1]) | _differ(b[1:], next_b[:-1])
    starts = np.concatenate([[True], broken])
    ends = np.flatnonzero(np.concatenate([broken, [True]]))
    first = np.insert(starts, ends + 1, False)
    last = np.insert(np.zeros(len(a), dtype=bool), ends + 1, True)
    copies = 1 + rest * (first | last)
    pairs = np.insert(a, ends + 1, next_a[ends], 0), np.insert(b, ends + 1, next_b[ends], 0)
    entered = np.repeat(pairs[0], copies, 0), np.repeat(pairs[1], copies, 0)
    return entered, ~np.repeat(first, copies)


def _differ(codes: np.ndarray, others: np.ndarray) -> np.ndarray:
    different = codes != others
    return np.asarray(different if different.ndim == 1 else different.any(axis=1))
