"""What do the word-level cells of Yosys that carry nothing do, in gates?"""

from collections.abc import Callable
from dataclasses import dataclass

from axdse.flows.cost.fast import arithmetic
from axdse.flows.cost.fast.arithmetic import Word, choose, either, extend, inverted
from axdse.flows.formal.aig import FALSE, Builder


@dataclass(frozen=True)
class Operands:
    """The inputs of a cell, and the width of its output.

    Attributes:
        a: the first word.
        b: the second.
        s: selects.
        signed: whether the words are two's complement.
        width: bits of the output.
    """

    a: Word
    b: Word
    s: Word
    signed: bool
    width: int


_Rule = Callable[[Builder, Operands], Word]


def _bitwise(gate: Callable[[Builder, int, int], int], invert: int = 0) -> _Rule:
    def rule(graph: Builder, of: Operands) -> Word:
        a, b = (extend(word, of.width, of.signed) for word in (of.a, of.b))
        return [gate(graph, x, y) ^ invert for x, y in zip(a, b, strict=True)]

    return rule


def _equal(graph: Builder, of: Operands) -> int:
    width = max(len(of.a), len(of.b))
    a, b = (extend(word, width, of.signed) for word in (of.a, of.b))
    differences = [graph.differ(x, y) for x, y in zip(a, b, strict=True)]
    return arithmetic.reduce_or(graph, differences) ^ 1


def _shift(graph: Builder, of: Operands, *, left: bool, signed_fill: bool = False) -> Word:
    width = of.width if left else max(of.width, len(of.a))
    word = extend(of.a, width, of.signed)
    fill = word[-1] if signed_fill and of.signed else FALSE
    return arithmetic.shift(graph, word, of.b, left=left, fill=fill)[: of.width]


def _mux(graph: Builder, of: Operands) -> Word:
    return [choose(graph, of.s[0], y, x) for x, y in zip(of.a, of.b, strict=True)]


def _parallel_mux(graph: Builder, of: Operands) -> Word:
    """At most one select is 1; each has its slice of b."""
    width, none = of.width, arithmetic.reduce_or(graph, of.s) ^ 1
    chosen = []
    for at in range(width):
        bits = [graph.both(x, s) for x, s in zip(of.b[at::width], of.s, strict=True)]
        chosen.append(arithmetic.reduce_or(graph, bits))
    return [choose(graph, none, x, y) for x, y in zip(of.a, chosen, strict=True)]


def _some(graph: Builder, word: Word) -> int:
    return arithmetic.reduce_or(graph, word)


SHIFTS = ("$shl", "$sshl", "$shr", "$sshr", "$shift", "$shiftx")
LOGIC: dict[str, _Rule] = {
    "$not": lambda g, of: inverted(extend(of.a, of.width, of.signed)),
    "$and": _bitwise(Builder.both),
    "$or": _bitwise(either),
    "$xor": _bitwise(Builder.differ),
    "$xnor": _bitwise(Builder.differ, invert=1),
    "$reduce_and": lambda g, of: [arithmetic.reduce_and(g, of.a)],
    "$reduce_or": lambda g, of: [_some(g, of.a)],
    "$reduce_bool": lambda g, of: [_some(g, of.a)],
    "$reduce_xor": lambda g, of: [arithmetic.reduce_xor(g, of.a)],
    "$reduce_xnor": lambda g, of: [arithmetic.reduce_xor(g, of.a) ^ 1],
    "$logic_not": lambda g, of: [_some(g, of.a) ^ 1],
    "$logic_and": lambda g, of: [g.both(_some(g, of.a), _some(g, of.b))],
    "$logic_or": lambda g, of: [either(g, _some(g, of.a), _some(g, of.b))],
    "$eq": lambda g, of: [_equal(g, of)],
    "$eqx": lambda g, of: [_equal(g, of)],
    "$ne": lambda g, of: [_equal(g, of) ^ 1],
    "$nex": lambda g, of: [_equal(g, of) ^ 1],
    "$lt": lambda g, of: [arithmetic.less(g, of.a, of.b, of.signed)],
    "$gt": lambda g, of: [arithmetic.less(g, of.b, of.a, of.signed)],
    "$ge": lambda g, of: [arithmetic.less(g, of.a, of.b, of.signed) ^ 1],
    "$le": lambda g, of: [arithmetic.less(g, of.b, of.a, of.signed) ^ 1],
    "$mux": _mux,
    "$pmux": _parallel_mux,
    "$shl": lambda g, of: _shift(g, of, left=True),
    "$sshl": lambda g, of: _shift(g, of, left=True),
    "$shr": lambda g, of: _shift(g, of, left=False),
    "$sshr": lambda g, of: _shift(g, of, left=False, signed_fill=True),
    "$shift": lambda g, of: _shift(g, of, left=False),
    "$shiftx": lambda g, of: _shift(g, of, left=False),
}
