"""What switches in a netlist when one pair of operands follows another?

Zero-delay: each net settles at once, so it toggles once or not. Glitch-aware: each cell takes its
time (`delays.py`), so that nets toggle several times on their way. `activity.c` counts both.

Transitions that continue one another are a run. Before a run a pipeline rests with its first pair,
and after it with the last one, so that every stage meets each transition exactly once.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from axdse.flows.formal.aig import lanes_of
from axdse.flows.netlist.delays import Delays
from axdse.flows.netlist.flat import Flat
from axdse.flows.netlist.netlist import Netlist
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.sandbox.compiler import native

FS = 1e6  # in a ns
EVENT_LIMIT = 1 << 22  # of all nets in one transition
SOURCE = Path(__file__).with_name("activity.c")
FIELDS = ("inputs", "outputs", "pins", "truth", "delays", "events", "rests")
CELL = np.dtype([(name, np.int32) for name in FIELDS])


@dataclass(frozen=True, eq=False)
class Transitions:
    """Pairs of operands that follow one another: from (a, b) to (next_a, next_b).

    Attributes:
        a: uint64 codes of the first operands before; of more than 64 bits [count, words].
        b: likewise of the second.
        next_a: codes of the first operands after.
        next_b: likewise of the second.
    """

    a: np.ndarray
    b: np.ndarray
    next_a: np.ndarray
    next_b: np.ndarray

    @property
    def count(self) -> int:
        """Multiplications."""
        return len(self.a)


@dataclass(frozen=True, eq=False)
class Activity:
    """Counts of a netlist over all transitions.

    Attributes:
        transitions: how many.
        cycles: how many were simulated: in a pipeline a transition goes on for several.
        toggles: int64 [nets], glitches included.
        steady: int64 [nets], without any delay: no glitches.
        ones: int64 [nets], cycles before which the net is 1.
        caused: int64, of each instance [outputs, inputs, states]: toggles of an output, by the
            input that caused it and the state that the input's change led to; see `Flat.of`.
        moved: int64, of each instance [inputs, states]: toggles of an input, likewise.
        rests: int64, of each instance [states]: cycles before which it is in that state.
        loaded: int64 [registers, 2, 2, 2], see `Cycles`.
    """

    transitions: int
    cycles: int
    toggles: np.ndarray
    steady: np.ndarray
    ones: np.ndarray
    caused: np.ndarray
    moved: np.ndarray
    rests: np.ndarray
    loaded: np.ndarray

    @property
    def toggles_per_transition(self) -> float:
        """Over all nets, glitches included."""
        return float(self.toggles.sum()) / self.transitions


def simulate(netlist: Netlist, delays: Delays, transitions: Transitions) -> Activity:
    """Count toggles.

    Raises:
        AxdseError: there is no transition, operands are wider than the netlist's, it has
            millions of glitches in one transition, or a pipeline has feedback.
    """
    return _counted(netlist, delays, transitions, _cycles_of(netlist, transitions))


def timed_and_still(
    netlist: Netlist, delays: Delays, transitions: Transitions
) -> tuple[Activity, Activity]:
    """Count toggles with and without glitches.

    Raises:
        AxdseError: as `simulate`.
    """
    cycles = _cycles_of(netlist, transitions)
    timed = _counted(netlist, delays, transitions, cycles)
    return timed, _counted(netlist, delays.without_time, transitions, cycles)


def _cycles_of(netlist: Netlist, transitions: Transitions) -> "Cycles":
    ports = [(port.name, len(port.nets)) for port in (netlist.a, netlist.b)]
    check_operands(transitions, netlist.top, ports)
    before, after = (transitions.a, transitions.b), (transitions.next_a, transitions.next_b)
    return cycles_of(netlist, *before, *after)


def _counted(
    netlist: Netlist, delays: Delays, transitions: Transitions, cycles: "Cycles"
) -> Activity:
    flat = netlist.flat
    # Operands come with the clock's edge, outputs of registers when their tables say.
    starts = _femtoseconds(delays.arrival_ns[cycles.nets])
    toggles, steady, ones = np.zeros((3, delays.nets), dtype=np.int64)
    counts = [np.zeros(size, dtype=np.int64) for size in flat.at[-1]]
    arcs = np.where(np.isfinite(delays.arcs_ns), _femtoseconds(delays.arcs_ns), -1)
    cells = _cells(flat)
    failed = native(SOURCE).axdse_activity(
        ctypes.c_int32(delays.nets),
        ctypes.c_int32(len(netlist.instances)),
        *map(_pointer, (cells, flat.pins, flat.library.truths, arcs)),
        ctypes.c_int32(cycles.nets.size),
        _pointer(cycles.nets),
        _pointer(starts),
        ctypes.c_int64(len(cycles.before)),
        _pointer(cycles.before),
        _pointer(cycles.after),
        ctypes.c_int64(EVENT_LIMIT),
        *map(_pointer, (toggles, steady, ones, *counts)),
    )
    if failed:
        rule = f"one multiplication in {netlist.top} makes fewer than {EVENT_LIMIT} toggles"
        raise AxdseError(rule, "more", "look for a far smaller design")
    caused, moved, rests = counts
    return Activity(
        transitions.count,
        len(cycles.before),
        toggles,
        steady,
        ones,
        caused,
        moved,
        rests,
        cycles.loaded,
    )


def _cells(flat: Flat) -> np.ndarray:
    """The instances as `activity.c` takes them."""
    shapes = np.array([kind.number.shape[:2] for kind in flat.library.kinds], np.int64)
    outputs, inputs = shapes.reshape(-1, 2)[flat.kinds].T
    cells = np.empty(flat.kinds.size, CELL)
    columns = (inputs, outputs, flat.pins_at[:-1], flat.library.truth_at[flat.kinds])
    for name, column in zip(FIELDS, (*columns, *flat.at[:-1].T), strict=True):
        cells[name] = column
    return cells


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
    bits, now = _bits(waves[nets], counted.size), np.flatnonzero(counted)
    data = _bits(waves[[reg.data for reg in netlist.registers]], counted.size)
    # What a register holds is the data of the cycle before.
    kinds = data[:, now - 1] * 4 + data[:, now - 2] * 2 + data[:, now]
    loaded = np.array([np.bincount(row, minlength=8) for row in kinds], np.int64)
    return _cycles(nets, bits[:, now - 1], bits[:, now], loaded.reshape(-1, 2, 2, 2))


def _cycles(nets: list[int], before: np.ndarray, after: np.ndarray, loaded: np.ndarray) -> Cycles:
    """Bits are uint8 [nets, cycles]."""
    rows = (np.ascontiguousarray(bits.T) for bits in (before, after))  # as C takes them
    old, new = (np.packbits(each, axis=1, bitorder="little") for each in rows)
    return Cycles(np.array(nets, dtype=np.int32), old, new, loaded)


def _operand_bits(netlist: Netlist, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Uint8 [bits, lanes]: those of a, then those of b."""
    sides = ((netlist.a, a), (netlist.b, b))
    return _bits(
        np.concatenate([lanes_of(codes, len(port.nets)) for port, codes in sides]), len(a)
    )


def _bits(lanes: np.ndarray, cycles: int) -> np.ndarray:
    """Uint8 [planes, cycles] of uint64 [planes, words]."""
    octets = np.ascontiguousarray(lanes).view(np.uint8)
    return np.unpackbits(octets, axis=1, count=cycles, bitorder="little")


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


def check_operands(transitions: Transitions, top: str, ports: Sequence[tuple[str, int]]) -> None:
    """Look whether there are operands, and whether they fit their ports.

    Args:
        transitions: of the operands.
        top: the module that meets them.
        ports: name and width of first and second operand.

    Raises:
        AxdseError: there are none, or one is too wide.
    """
    if not transitions.count:
        raise AxdseError(
            "activity takes at least two pairs of operands", "none", "give a longer trace"
        )
    sides = (transitions.a, transitions.next_a), (transitions.b, transitions.next_b)
    for (name, width), (before, after) in zip(ports, sides, strict=True):
        largest = max(int(codes.reshape(len(codes), -1)[:, -1].max()) for codes in (before, after))
        if largest >> (width - (width - 1) // 64 * 64):
            rule = f"operands of {top} have {width} bits"
            raise AxdseError(rule, f"{name}={largest:#x}", "use a trace of that width")


def _femtoseconds(ns: np.ndarray) -> np.ndarray:
    """Int64; what is unknown or before time 0 is at once."""
    return np.rint(np.where(np.isfinite(ns), np.maximum(ns, 0.0), 0.0) * FS).astype(np.int64)


def _pointer(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
