"""What switches in a netlist when one pair of operands follows another?

Zero-delay: each net settles at once, so it toggles once or not. Glitch-aware: each cell takes its
time (`delays.py`), so that nets toggle several times on their way. `activity.c` counts both.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from axdse.flows.c_library import native
from axdse.flows.netlist.delays import Delays
from axdse.flows.netlist.netlist import Netlist
from axdse.flows.power.operand_stream import cycles_of
from axdse.multipliers.errors import AxdseError

FS = 1e6  # in a ns
EVENT_LIMIT = 1 << 22  # of all nets in one transition
SOURCE = "power/activity.c"
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
        caused: for each instance, int64 [outputs, inputs, states]: toggles of an output, by the
            input that caused it and the state that the input's change led to.
        moved: for each instance, int64 [inputs, states]: toggles of an input, likewise.
        rests: for each instance, int64 [states]: cycles before which it is in that state.
        loaded: int64 [registers, 2, 2, 2], see `operand_stream.Cycles`.
    """

    transitions: int
    cycles: int
    toggles: np.ndarray
    steady: np.ndarray
    ones: np.ndarray
    caused: tuple[np.ndarray, ...]
    moved: tuple[np.ndarray, ...]
    rests: tuple[np.ndarray, ...]
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
    _check(netlist, transitions)
    flat = _Flat(netlist, delays)
    cycles = cycles_of(
        netlist, transitions.a, transitions.b, transitions.next_a, transitions.next_b
    )
    # Operands come with the clock's edge, outputs of registers when their tables say.
    starts = _femtoseconds(delays.arrival_ns[cycles.nets])
    toggles, steady, ones = np.zeros((3, delays.nets), dtype=np.int64)
    counts = [np.zeros(size, dtype=np.int64) for size in flat.sizes]
    failed = native(SOURCE).axdse_activity(
        ctypes.c_int32(delays.nets),
        ctypes.c_int32(len(netlist.instances)),
        *map(_pointer, (flat.cells, flat.nets, flat.truths, flat.delays)),
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
    caused, moved, rests = (
        _unflatten(count, shapes) for count, shapes in zip(counts, flat.shapes, strict=True)
    )
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


class _Flat:
    """A netlist as arrays, as `activity.c` takes it."""

    def __init__(self, netlist: Netlist, delays: Delays) -> None:
        rows, nets, truths = [], [], []
        offsets = dict.fromkeys(("pins", "truth", "delays", "events", "rests"), 0)
        self.shapes: tuple[list[tuple[int, ...]], ...] = ([], [], [])
        seen: dict[int, int] = {}
        for instance in netlist.instances:
            cell, pins = instance.cell, dict(instance.pins)
            n, o, states = len(cell.inputs), len(cell.outputs), 1 << len(cell.inputs)
            if id(cell) not in seen:
                seen[id(cell)] = offsets["truth"]
                truths.append(cell.truth.ravel())
                offsets["truth"] += o * states
            place = {**offsets, "truth": seen[id(cell)]}
            rows.append((n, o, *place.values()))
            nets += [pins[pin] for pin, _ in cell.inputs]
            nets += [pins.get(pin, -1) for pin, _ in cell.outputs]
            for shapes, shape in zip(
                self.shapes, ((o, n, states), (n, states), (states,)), strict=True
            ):
                shapes.append(shape)
            offsets["pins"] += n + o
            offsets["delays"] += o * n * states
            offsets["events"] += n * states
            offsets["rests"] += states
        self.cells = np.array(rows, dtype=CELL)
        self.nets = np.array(nets, dtype=np.int32)
        self.truths = np.concatenate([*truths, np.zeros(1, dtype=bool)]).astype(np.uint8)
        ns = np.concatenate([*(arcs.ravel() for arcs in delays.arcs_ns), np.zeros(1)])
        self.delays = np.where(np.isfinite(ns), _femtoseconds(ns), -1)
        self.sizes = offsets["delays"], offsets["events"], offsets["rests"]


def _check(netlist: Netlist, transitions: Transitions) -> None:
    if not transitions.count:
        raise AxdseError(
            "activity takes at least two pairs of operands", "none", "give a longer trace"
        )
    for port, before, after in (
        (netlist.a, transitions.a, transitions.next_a),
        (netlist.b, transitions.b, transitions.next_b),
    ):
        width = len(port.nets)
        top = max(int(codes.reshape(len(codes), -1)[:, -1].max()) for codes in (before, after))
        if top >> (width - (width - 1) // 64 * 64):
            rule = f"operands of {netlist.top} have {len(port.nets)} bits"
            raise AxdseError(rule, f"{port.name}={top:#x}", "use a trace of that width")


def _femtoseconds(ns: np.ndarray) -> np.ndarray:
    """Int64; what is unknown or before time 0 is at once."""
    return np.rint(np.where(np.isfinite(ns), np.maximum(ns, 0.0), 0.0) * FS).astype(np.int64)


def _unflatten(counts: np.ndarray, shapes: Sequence[tuple[int, ...]]) -> tuple[np.ndarray, ...]:
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    parts = np.split(counts, ends[:-1]) if len(shapes) else []
    return tuple(part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))


def _pointer(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
