"""What is a combinational cell? Its function, area, timing and power as data.

In Boolean expressions inversion binds first (`!A`, `A'`), then `^`, then and (`*`, `&` or a
space), then or (`+`, `|`). Of tables and leakages an entry with a condition goes before one
without; states that meet none take the mean of all.
"""

import functools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from axdse.flows.liberty.tables import Table
from axdse.multipliers.errors import AxdseError

SYMBOL = re.compile(r"\s*(?:([A-Za-z_][\w\[\].$]*)|([01])|([!'^*&+|()]))")
INVERTER = "$_NOT_"
OPERATORS = {
    "$_AND_": np.bitwise_and,
    "$_OR_": np.bitwise_or,
    "$_XOR_": np.bitwise_xor,
}


@dataclass(frozen=True)
class Gate:
    """One operator: `kind` names it, nets are numbers; net 0 is 0 and net 1 is 1."""

    kind: str
    inputs: tuple[int, ...]
    output: int


class Gates:
    """Collects the gates of expressions over the same pins."""

    def __init__(self, pins: Mapping[str, int]) -> None:
        self._pins = pins
        self._next = max([1, *pins.values()]) + 1
        self._symbols: list[str] = []
        self._at = 0
        self.gates: list[Gate] = []

    def add(self, expression: str) -> int:
        """Return the net of an expression.

        Raises:
            AxdseError: it does not parse, or names another pin.
        """
        self._symbols, self._at = _symbols(expression), 0
        net = self._either()
        if self._at < len(self._symbols):
            raise _wrong(expression, self._symbols[self._at])
        return net

    def _peek(self) -> str:
        return self._symbols[self._at] if self._at < len(self._symbols) else ""

    def _gate(self, kind: str, *inputs: int) -> int:
        self.gates.append(Gate(kind, inputs, self._next))
        self._next += 1
        return self._next - 1

    def _either(self) -> int:
        net = self._both()
        while self._peek() in ("+", "|") and self._peek():
            self._at += 1
            net = self._gate("$_OR_", net, self._both())
        return net

    def _both(self) -> int:
        net = self._differ()
        while self._peek() and self._peek() not in ("+", "|", ")"):
            self._at += self._peek() in ("*", "&")
            net = self._gate("$_AND_", net, self._differ())
        return net

    def _differ(self) -> int:
        net = self._inverted()
        while self._peek() == "^":
            self._at += 1
            net = self._gate("$_XOR_", net, self._inverted())
        return net

    def _inverted(self) -> int:
        if self._peek() == "!":
            self._at += 1
            return self._gate(INVERTER, self._inverted())
        net = self._atom()
        while self._peek() == "'":
            self._at += 1
            net = self._gate(INVERTER, net)
        return net

    def _atom(self) -> int:
        symbol = self._peek()
        self._at += 1
        if symbol == "(":
            net = self._either()
            if self._peek() != ")":
                raise _wrong(" ".join(self._symbols), self._peek() or "its end")
            self._at += 1
            return net
        if symbol in ("0", "1"):
            return int(symbol)
        if symbol not in self._pins:
            raise _wrong(" ".join(self._symbols), symbol or "its end")
        return self._pins[symbol]


def evaluate(gates: Sequence[Gate], nets: dict[int, np.ndarray]) -> None:
    """Add the values of all gates to those of the pins (and of nets 0 and 1)."""
    for gate in gates:
        first = nets[gate.inputs[0]]
        if gate.kind == INVERTER:
            nets[gate.output] = ~first
        else:
            nets[gate.output] = OPERATORS[gate.kind](first, nets[gate.inputs[1]])


def _symbols(expression: str) -> list[str]:
    symbols, at = [], 0
    while at < len(expression.rstrip()):
        found = SYMBOL.match(expression, at)
        if found is None:
            raise _wrong(expression, expression[at:].strip())
        symbols.append(found[0].strip())
        at = found.end()
    return symbols


def _wrong(expression: str, token: str) -> AxdseError:
    return AxdseError(
        "functions in a Liberty library are Boolean expressions of the cell's inputs",
        f"{expression!r} at {token[:20]!r}",
        "correct the library",
    )


Capacitance = tuple[float, float, float]  # to a rise, to a fall, and either, pF


@dataclass(frozen=True)
class TimingArc:
    """How an input drives an output.

    Attributes:
        input: pin.
        output: pin.
        sense: positive_unate, negative_unate or non_unate.
        when: condition on the other inputs; empty: always.
        rise: delay of the output's rise, ns; None: there is none.
        fall: likewise.
        rise_slew: transition time of the output's rise, ns.
        fall_slew: likewise.
    """

    input: str
    output: str
    sense: str
    when: str
    rise: Table | None
    fall: Table | None
    rise_slew: Table | None
    fall_slew: Table | None


@dataclass(frozen=True)
class PowerArc:
    """Energy inside the cell, beyond that of the load, when a pin switches.

    Attributes:
        pin: whose rise and fall it is.
        input: pin that caused it; empty: whatever the cause.
        when: condition on the inputs; empty: always.
        rise: energy, fJ; None: none.
        fall: likewise.
    """

    pin: str
    input: str
    when: str
    rise: Table | None
    fall: Table | None


@dataclass(frozen=True)
class Leakage:
    """Leakage power, nW, in the states that meet `when`; empty: in all others."""

    when: str
    nw: float


@dataclass(frozen=True)
class Cell:
    """A combinational library cell.

    Attributes:
        area_um2: area, in the unit of the library (um2 in every library known to us).
        inputs: (pin, net) pairs.
        outputs: (pin, net) pairs.
        gates: the function, in an order that can be evaluated; net 0 is 0 and net 1 is 1.
        capacitances: (rise, fall, either) of each input, pF.
        timing: arcs from inputs to outputs.
        power: arcs with internal energy; empty: the library does not tell.
        leakage: by state; empty: the library does not tell.
    """

    name: str
    area_um2: float
    inputs: tuple[tuple[str, int], ...]
    outputs: tuple[tuple[str, int], ...]
    gates: tuple[Gate, ...]
    capacitances: tuple[Capacitance, ...] = ()
    timing: tuple[TimingArc, ...] = ()
    power: tuple[PowerArc, ...] = ()
    leakage: tuple[Leakage, ...] = ()

    def evaluate(self, operands: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the value of each output pin; every bit of the (uint) arrays is one vector."""
        some = next(iter(operands.values()), np.zeros(1, dtype=np.uint64))
        nets = {0: np.zeros_like(some), 1: ~np.zeros_like(some)}
        nets.update((net, operands[pin]) for pin, net in self.inputs)
        evaluate(self.gates, nets)
        return {pin: nets[net] for pin, net in self.outputs}

    @functools.cached_property
    def truth(self) -> np.ndarray:
        """Bool [outputs, 2^inputs]; bit i of a state is the value of input i."""
        states = np.arange(1 << len(self.inputs))
        operands = {pin: states >> i & 1 for i, (pin, _) in enumerate(self.inputs)}
        values = self.evaluate(operands).values() if self.inputs else []
        rows = [np.broadcast_to(value & 1, states.shape) for value in values]
        return np.array(rows, dtype=bool).reshape(-1, states.size)

    def holds(self, condition: str) -> np.ndarray:
        """Bool [2^inputs]: the states that meet an expression of the pins; all meet an empty one.

        Raises:
            AxdseError: it does not parse, or names another pin.
        """
        states = np.arange(1 << len(self.inputs))
        if not condition:
            return np.ones(states.size, dtype=bool)
        pins = [pin for pin, _ in (*self.inputs, *self.outputs)]
        nets = {0: np.zeros(states.size, dtype=bool), 1: np.ones(states.size, dtype=bool)}
        for number, _ in enumerate(self.inputs):
            nets[2 + number] = (states >> number & 1).astype(bool)
        nets.update(enumerate(self.truth, 2 + len(self.inputs)))
        builder = Gates({pin: number for number, pin in enumerate(pins, 2)})
        net = builder.add(condition)
        evaluate(builder.gates, nets)
        return nets[net]

    @property
    def is_nand2(self) -> bool:
        """Whether the function is a 2-input NAND."""
        if len(self.inputs) != 2 or len(self.outputs) != 1:
            return False
        return bool(self.truth.tolist() == [[True, True, True, False]])


class Stateful(Protocol):
    """A cell whose states are numbered."""

    @property
    def leakage(self) -> tuple[Leakage, ...]:
        """By state; empty: the library does not tell."""

    def holds(self, condition: str) -> np.ndarray:
        """Bool [states]: those that meet a condition."""


def shares(
    cell: Stateful, arcs: Sequence[PowerArc], edge: int, here: np.ndarray
) -> Iterator[tuple[np.ndarray, Table]]:
    """Weights [states] of each table of an edge (0: rise, 1: fall) among the states `here`."""
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


def leakage_nw(cell: Stateful, rests: np.ndarray) -> float:
    """Sum of the leakage over all visits; `rests` [states] says how many there are of each."""
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
