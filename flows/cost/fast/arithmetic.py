"""What are adders, comparators and shifters made of? Two-input ands.

Their structures are those that Yosys' `maccmap` and `techmap` choose, so that mapping starts from
much the same graph whichever of the two roads a design took. A word is a list of literals of
`aig.Builder`, least significant bit first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from axdse.flows.formal.aig import FALSE, TRUE, Builder

Word = list[int]


@dataclass(frozen=True)
class Term:
    """One summand: a word, or the product of two.

    Attributes:
        a: the word.
        b: what it is multiplied with; None: nothing.
        signed: whether the words are two's complement.
        negative: whether it is subtracted.
    """

    a: Word
    b: Word | None
    signed: bool
    negative: bool


def extend(word: Word, width: int, signed: bool) -> Word:
    """Cut a word to a width, or repeat its sign."""
    return word[:width] + [word[-1] if signed and word else FALSE] * (width - len(word))


def inverted(word: Word) -> Word:
    """Every bit inverted."""
    return [bit ^ 1 for bit in word]


def either(graph: Builder, x: int, y: int) -> int:
    """Return the literal of x or y."""
    return graph.both(x ^ 1, y ^ 1) ^ 1


def choose(graph: Builder, select: int, x: int, y: int) -> int:
    """Return the literal of x if `select`, else y."""
    return x if x == y else either(graph, graph.both(select, x), graph.both(select ^ 1, y))


def reduce_and(graph: Builder, word: Word) -> int:
    """Return the literal of the and of all bits, as a balanced tree."""
    while len(word) > 1:
        pairs = zip(word[::2], word[1::2], strict=False)
        word = [graph.both(x, y) for x, y in pairs] + word[len(word) & ~1 :]
    return word[0] if word else TRUE


def reduce_or(graph: Builder, word: Word) -> int:
    """Return the literal of the or of all bits."""
    return reduce_and(graph, inverted(word)) ^ 1


def reduce_xor(graph: Builder, word: Word) -> int:
    """Return the literal of the parity."""
    while len(word) > 1:
        pairs = zip(word[::2], word[1::2], strict=False)
        word = [graph.differ(x, y) for x, y in pairs] + word[len(word) & ~1 :]
    return word[0] if word else FALSE


def carries(graph: Builder, propagate: Word, generate: Word, carry: int) -> Word:
    """Return the carry out of each bit: the prefix adder of Brent and Kung, 1982."""
    p, g = list(propagate), list(generate)
    if g:
        g[0] = either(graph, g[0], graph.both(p[0], carry))
    steps = [1 << level for level in range((len(p) - 1).bit_length())] if p else []
    up = [(at, at - step) for step in steps for at in range(2 * step - 1, len(p), 2 * step)]
    down = [
        (at, at - step) for step in steps[::-1] for at in range(3 * step - 1, len(p), 2 * step)
    ]
    for at, before in up + down:
        g[at] = either(graph, g[at], graph.both(p[at], g[before]))
        p[at] = graph.both(p[at], p[before])
    return g


def add(graph: Builder, a: Word, b: Word, carry: int) -> tuple[Word, Word]:
    """Return the sum of words of one width, and the carry out of each bit."""
    propagate = [graph.differ(x, y) for x, y in zip(a, b, strict=True)]
    generate = [graph.both(x, y) for x, y in zip(a, b, strict=True)]
    out = carries(graph, propagate, generate, carry)
    return [graph.differ(p, c) for p, c in zip(propagate, [carry, *out], strict=False)], out


def less(graph: Builder, a: Word, b: Word, signed: bool) -> int:
    """Return the literal of a < b."""
    width = max(len(a), len(b))
    a, b = (extend(word, width, signed) for word in (a, b))
    difference, out = add(graph, a, inverted(b), TRUE)
    if not signed:
        return out[-1] ^ 1
    overflow = graph.differ(out[-1], [TRUE, *out][-2])
    return graph.differ(overflow, difference[-1])


def total(graph: Builder, terms: Sequence[Term], width: int) -> Word:
    """Return the sum of all terms modulo 2^width."""
    carry, words = FALSE, []
    for term in terms:
        single = len(term.a) == 1 and not (term.signed or term.negative)
        if term.b is None and single and carry == FALSE and len(terms) > 2:
            carry = term.a[0]
        else:
            words.append(term)
    negatives = [term for term in words if term.negative]
    if len(words) > 2 or len(negatives) > 1 or any(t.b is not None for t in words):
        return _compressed(graph, terms, width)
    if negatives and carry != FALSE:
        return _compressed(graph, terms, width)
    a, b = ([*sorted(words, key=lambda t: t.negative), *[_NOTHING] * 2])[:2]
    if a.negative:
        a, b = _NOTHING, a
    first, second = (extend(term.a, width, term.signed) for term in (a, b))
    if b.negative:
        second, carry = inverted(second), TRUE
    return add(graph, first, second, carry)[0]


_NOTHING = Term([], None, signed=False, negative=False)


def _compressed(graph: Builder, terms: Sequence[Term], width: int) -> Word:
    """Collect the bits of each weight, and add rows of them with carry-save adders."""
    columns: list[dict[int, None]] = [{} for _ in range(width)]
    for term in terms:
        for row in _rows(graph, term, width):
            _collect(columns, inverted(row) if term.negative else row)
            if term.negative:
                _collect(columns, [TRUE])
    rows, tucked = _cut(columns)
    while len(rows) > 2:
        rows = _saved(graph, rows, tucked)
    first, second = (rows + [[FALSE] * width] * 2)[:2]
    return add(graph, first, second, FALSE)[0]


def _rows(graph: Builder, term: Term, width: int) -> list[Word]:
    """The word, or the partial products; the sign of a multiplier has a negative weight."""
    a, b = term.a, term.b
    if b is None:
        return [extend(a, width, term.signed)]
    if len(a) < len(b):
        a, b = b, a
    a, b = extend(a, width, term.signed), b[:width]
    rows = []
    for weight, bit in enumerate(b):
        shifted, low = a[: width - weight], [FALSE] * weight
        if term.signed and weight == len(b) - 1:
            rows.append(low + [graph.both(x ^ 1, bit) for x in shifted])
            rows.append(extend([*low, bit], width, signed=False))
        else:
            rows.append(low + [graph.both(x, bit) for x in shifted])
    return rows


def _collect(columns: list[dict[int, None]], row: Word) -> None:
    """Add a row to the columns; two of the same bit are one of the next column."""
    for weight, bit in enumerate(row):
        at = weight
        while bit != FALSE and at < len(columns) and bit in columns[at]:
            del columns[at][bit]
            at += 1
        if bit != FALSE and at < len(columns):
            columns[at][bit] = None


def _cut(columns: list[dict[int, None]]) -> tuple[list[Word], Word]:
    """Return full rows, and bits of weight 1 that go where carry-save adders leave a hole."""
    rows: list[Word] = []
    tucked: Word = []
    while any(columns):
        rows.append([_first(column) for column in columns])
        holes = max(0, len(rows) - 2) - len(tucked)
        for weight, column in enumerate(columns):
            while column and 1 << weight <= holes:
                tucked += [_first(column)] * (1 << weight)
                holes -= 1 << weight
    return rows, tucked


def _first(column: dict[int, None]) -> int:
    bit = next(iter(column), FALSE)
    column.pop(bit, None)
    return bit


def _saved(graph: Builder, rows: list[Word], tucked: Word) -> list[Word]:
    """One level: three rows become two."""
    result = []
    for at in range(0, len(rows) - 2, 3):
        sums, out = [], []
        for x, y, z in zip(*rows[at : at + 3], strict=True):
            half = graph.differ(x, y)
            sums.append(graph.differ(half, z))
            out.append(either(graph, graph.both(x, y), graph.both(z, half)))
        result += [sums, [tucked.pop() if tucked else FALSE, *out[:-1]]]
    return result + rows[len(rows) - len(rows) % 3 :]


def shift(graph: Builder, word: Word, amount: Word, *, left: bool, fill: int) -> Word:
    """Return a word shifted by an unsigned amount, in place."""
    width = len(word)
    stages = min(len(amount), width.bit_length())
    beyond = reduce_or(graph, amount[stages:])
    word = [choose(graph, beyond, fill, bit) for bit in word]
    for stage in range(stages):
        step = min(1 << stage, width)
        moved = [FALSE] * step + word[:-step] if left else word[step:] + [fill] * step
        word = [choose(graph, amount[stage], x, y) for x, y in zip(moved, word, strict=True)]
    return word
