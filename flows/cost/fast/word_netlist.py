"""How do the word-level cells of a design become an and-inverter graph?

From words to gates takes Yosys ten times as long as from Verilog to words. The graph depends on
what is connected to what alone, not on names or their order: one Yosys can read many designs.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from axdse.flows.cost.fast import arithmetic
from axdse.flows.cost.fast.arithmetic import Term, Word, extend
from axdse.flows.cost.fast.word_cells import LOGIC, SHIFTS, Operands
from axdse.flows.formal.aig import FALSE, TRUE, Aig, Builder
from axdse.multipliers.designs.rtl_text import Rtl

Bit = int | str  # as in the JSON: the number of a net, or "0", "1", "x", "z"
Bits = list[Bit]
CONSTANTS: dict[Bit, int] = {"0": FALSE, "1": TRUE, "x": FALSE, "z": FALSE}
NOTES = ("$scopeinfo",)  # cells that tell where others came from
SUMS = ("$add", "$sub", "$mul", "$neg", "$pos")


class _BeyondWordsError(Exception):
    """Not a design for this file."""


def read_words(data: bytes, rtl: Rtl) -> Aig | None:
    """Return the gates of what `write_json` wrote; None: there is more in it than words.

    An x is 0. None stands for cells that are not known here, such as memories and dividers, and
    for all that may be wrong: a bit without a driver, or with two, a loop, other ports.
    """
    try:
        return _Words(json.loads(data)["modules"][rtl.top], rtl).graph()
    except (ValueError, KeyError, _BeyondWordsError):
        return None


@dataclass(frozen=True, eq=False)
class _Cell:
    kind: str
    signed: bool
    both_ways: bool  # a shift whose amount has a sign
    a: Bits
    b: Bits
    s: Bits
    y: Bits

    @property
    def inputs(self) -> Bits:
        return self.a + self.b + self.s


@dataclass(frozen=True)
class _Summand:
    a: Bits
    b: Bits  # a factor; empty: none
    signed: bool
    negative: bool

    def negated(self, negate: bool) -> "_Summand":
        return _Summand(self.a, self.b, self.signed, self.negative != negate)


def _cell(entry: dict[str, Any]) -> _Cell:
    pins, parameters = dict(entry["connections"]), entry["parameters"]
    a, b, s, y = (pins.pop(pin, []) for pin in "ABSY")
    signs = {
        parameters.get(f"{pin}_SIGNED", "0")[-1] for pin, bits in (("A", a), ("B", b)) if bits
    }
    kind, shifts = entry["type"], entry["type"] in SHIFTS
    if pins or kind not in {*SUMS, *LOGIC} or (len(signs) > 1 and not shifts):
        raise _BeyondWordsError
    signed = parameters.get("A_SIGNED", "0")[-1] == "1"
    if kind in ("$eqx", "$nex") and {"x", "z"} & {*a, *b}:
        raise _BeyondWordsError
    return _Cell(kind, signed, shifts and parameters.get("B_SIGNED", "0")[-1] == "1", a, b, s, y)


class _Words:
    """A design on its way from words to gates."""

    def __init__(self, module: dict[str, Any], rtl: Rtl) -> None:
        ports: list[Bits] = [module["ports"][name]["bits"] for name in rtl.ports]
        widths = [rtl.a_bits, rtl.b_bits, rtl.product_bits]
        if [len(bits) for bits in ports] != widths or len(module["ports"]) != len(ports):
            raise _BeyondWordsError
        entries = module["cells"].values()
        self._cells = [_cell(entry) for entry in entries if entry["type"] not in NOTES]
        self._rtl, self._product = rtl, ports[2]
        self._graph = Builder(rtl.a_bits + rtl.b_bits)
        operands = ports[0] + ports[1]
        self._values = CONSTANTS | {bit: 2 * at for at, bit in enumerate(operands, 1)}
        self._driver = {bit: cell for cell in self._cells for bit in cell.y}
        driven = [*CONSTANTS, *operands, *(bit for cell in self._cells for bit in cell.y)]
        if len({*driven}) != len(driven):
            raise _BeyondWordsError
        live = self._live()
        self._uses = Counter(self._product)
        for cell in live:
            self._uses.update(cell.inputs)
        self._sums = {tuple(cell.y): cell for cell in live if cell.kind in SUMS}
        self._dissolved: dict[_Cell, list[_Summand]] = {}

    def graph(self) -> Aig:
        for cell in self._in_order():
            if cell.kind in SUMS:
                terms = [self._term(each) for each in self._summands(cell)]
                word = arithmetic.total(self._graph, terms, len(cell.y))
            else:
                word = LOGIC[cell.kind](self._graph, self._operands(cell))
            self._values.update(zip(cell.y, extend(word, len(cell.y), signed=False), strict=True))
        outputs = self._word(self._product)
        return self._graph.finish(self._rtl.a_bits, self._rtl.b_bits, outputs)

    def _live(self) -> list[_Cell]:
        """The cells that the product needs."""
        live = dict.fromkeys(self._drivers(self._product))
        waiting = [*live]
        while waiting:
            new = [cell for cell in self._drivers(waiting.pop().inputs) if cell not in live]
            live |= dict.fromkeys(new)
            waiting += new
        return [*live]

    def _word(self, bits: Bits) -> Word:
        try:
            return [self._values[bit] for bit in bits]
        except KeyError as error:
            raise _BeyondWordsError from error

    def _in_order(self) -> Iterator[_Cell]:
        """Yield what the product needs, each after what drives it, in an order without names."""
        open_, done = set[_Cell](), set[_Cell]()
        waiting = self._drivers(self._product)
        while waiting:
            cell = waiting[-1]
            if cell in open_:
                waiting.pop()
                open_.remove(cell)
                done.add(cell)
                yield cell
            elif cell in done:
                waiting.pop()
            else:
                open_.add(cell)
                before = [each for each in self._drivers(self._inputs(cell)) if each not in done]
                if not open_.isdisjoint(before):
                    raise _BeyondWordsError
                waiting += before

    def _drivers(self, bits: Bits) -> list[_Cell]:
        """The cells behind some bits; the first comes last."""
        return [*dict.fromkeys(self._driver[bit] for bit in reversed(bits) if bit in self._driver)]

    def _inputs(self, cell: _Cell) -> Bits:
        if cell.kind not in SUMS:
            return cell.inputs
        return [bit for each in self._summands(cell) for bit in each.a + each.b]

    def _summands(self, cell: _Cell) -> list[_Summand]:
        """All that one carry-save adder takes: sums that are used for nothing else dissolve."""
        if cell not in self._dissolved:
            found: list[_Summand] = []
            waiting = _own_summands(cell)[::-1]
            while waiting:
                each = waiting.pop()
                inner = self._inner(each, len(cell.y))
                if inner is None:
                    found.append(each)
                else:
                    waiting += [s.negated(each.negative) for s in _own_summands(inner)[::-1]]
            self._dissolved[cell] = found
        return self._dissolved[cell]

    def _inner(self, summand: _Summand, width: int) -> _Cell | None:
        """The sum that a summand is, unless it must keep a width of its own."""
        inner = None if summand.b else self._sums.get(tuple(summand.a))
        if inner is None or max(self._uses[bit] for bit in inner.y) > 1:
            return None
        if len(inner.y) >= width:
            return inner
        return inner if not summand.signed and _never_overflows(inner) else None

    def _term(self, summand: _Summand) -> Term:
        b = self._word(summand.b) if summand.b else None
        return Term(self._word(summand.a), b, summand.signed, summand.negative)

    def _operands(self, cell: _Cell) -> Operands:
        a, b, s = (self._word(bits) for bits in (cell.a, cell.b, cell.s))
        if cell.both_ways and b[-1] != FALSE:
            raise _BeyondWordsError
        return Operands(a, b, s, cell.signed, len(cell.y))


def _own_summands(cell: _Cell) -> list[_Summand]:
    a, b = (_trimmed(bits, cell.signed) for bits in (cell.a, cell.b))
    if cell.kind == "$mul":
        return [_Summand(a, b, cell.signed, negative=False)] if a and b else []
    first = _Summand(a, [], cell.signed, negative=cell.kind == "$neg")
    second = _Summand(b, [], cell.signed, negative=cell.kind == "$sub")
    return [each for each in (first, second) if each.a]


def _trimmed(bits: Bits, signed: bool) -> Bits:
    """Without the zeros, or the copies of the sign, that only widen a number."""
    width = len(bits)
    if signed:
        while width > 1 and bits[width - 1] == bits[width - 2]:
            width -= 1
    else:
        while width and bits[width - 1] == "0":
            width -= 1
    return bits[:width]


def _never_overflows(cell: _Cell) -> bool:
    """Whether the sum is one of natural numbers that always fits."""
    own = _own_summands(cell)
    if cell.signed or any(each.negative for each in own):
        return False
    largest = sum(((1 << len(s.a)) - 1) * ((1 << len(s.b)) - 1 if s.b else 1) for s in own)
    return largest < 1 << len(cell.y)
