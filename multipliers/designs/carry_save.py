"""How are many numbers added? Rows of bits, a carry-save tree, one addition: its Verilog."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A summand: a vector of W bits, and a bit that is added at its last place."""

    text: str
    carry: str = "1'b0"


class Rows:
    """Summands whose signs are inverted, not extended, and a constant that makes up for it."""

    def __init__(self, width: int) -> None:
        self._width, self._constant = width, 0
        self._rows: list[Row] = []

    def magnitude(self, name: str, bits: int, negative: str) -> None:
        """A magnitude of so many bits, negated where it is negative."""
        own = min(bits, self._width)
        text = f"{name}[{own - 1}:0] ^ {{{own}{{{negative}}}}}"
        if own < self._width:
            self._constant -= 1 << own
            text = f"{self._zeros(own + 1)}~{negative}, {text}"
        self._rows.append(Row(f"{{{text}}}", negative))

    def signed(self, name: str, bits: int) -> None:
        """A number of so many bits in two's complement."""
        if bits >= self._width:
            self._rows.append(Row(f"{name}[{self._width - 1}:0]"))
            return
        self._constant -= 1 << (bits - 1)
        text = f"{self._zeros(bits)}~{name}[{bits - 1}]"
        self._rows.append(Row(f"{{{text}, {name}[{bits - 2}:0]}}"))

    def plain(self, name: str, carry: str = "1'b0") -> None:
        """W bits, and a carry."""
        self._rows.append(Row(name, carry))

    def all(self) -> list[Row]:
        """With the constant."""
        constant = f"{self._width}'d{self._constant % (1 << self._width)}"
        return [*self._rows, Row(constant)]

    def _zeros(self, taken: int) -> str:
        return f"{self._width - taken}'d0, " if taken < self._width else ""


def tree(w: int, given: list[Row]) -> Iterator[str]:
    """Rows to two by carry-save adders, then one addition: wire `added`."""
    rows, carries = [], [row.carry for row in given if row.carry != "1'b0"]
    for number, row in enumerate(given):
        yield f"wire [{w - 1}:0] row{number} = {row.text};"
        rows.append(f"row{number}")
    # The constant's last bit is 0, as a carry's is.
    if carries:
        yield f"wire [{w - 1}:0] last = {{{rows[-1]}[{w - 1}:1], {carries.pop()}}};"
        rows[-1] = "last"
    number = 0
    while len(rows) > 2:
        taken = [rows[at : at + 3] for at in range(0, len(rows), 3)]
        rows = []
        for group in taken:
            if len(group) < 3:
                rows += group
                continue
            a, b, c = group
            yield f"wire [{w - 1}:0] half{number} = {a} ^ {b} ^ {c};"
            yield f"wire [{w - 1}:0] most{number} = {a} & {b} | {a} & {c} | {b} & {c};"
            carry = carries.pop() if carries else "1'b0"
            yield f"wire [{w - 1}:0] carry{number} = {{most{number}[{w - 2}:0], {carry}}};"
            rows += [f"half{number}", f"carry{number}"]
            number += 1
    into = carries.pop() if carries else "1'b0"
    assert not carries
    yield f"wire [{w - 1}:0] added = {rows[0]} + {rows[1]} + {{{w - 1}'d0, {into}}};"


def saturated(w: int, kept: int) -> Iterator[str]:
    """W bits of two's complement, limited to fewer: wire `kept`."""
    high = f"added[{w - 1}:{kept - 1}]"
    yield f"wire out = (|{high}) & ~(&{high});"
    limit = f"{{added[{w - 1}], {{{kept - 1}{{~added[{w - 1}]}}}}}}"
    yield f"wire [{kept - 1}:0] kept = out ? {limit} : added[{kept - 1}:0];"
