"""What do Boolean expressions of Liberty say? Functions of cells, `when` conditions.

Inversion binds first (`!A`, `A'`), then `^`, then and (`*`, `&` or a space), then or (`+`, `|`).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

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
