"""What does a process of Verilog read and assign, and in which order?"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from axdse.flows.verilog.tokens import Token

MOST_NESTED = 100
MOST_COMPARED = 1 << 20


def words(*lines: str) -> frozenset[str]:
    """The words of some lines."""
    return frozenset(word for line in lines for word in line.split())


DECLARATIONS = words(
    "reg integer logic int bit byte shortint longint time real realtime wire genvar"
)
DIRECTIONS = words("input output inout")
CONSTANTS = words("parameter localparam genvar")
RESERVED = DECLARATIONS.union(
    DIRECTIONS,
    CONSTANTS,
    words(
        "and assign automatic begin case casex casez default else end endcase endfunction endtask",
        "for if nand negedge nor not or posedge repeat signed unsigned var while xnor xor",
    ),
)
CLOSING = {"(": ")", "[": "]", "{": "}"}


class UnclearError(Exception):
    """A word that is not followed here, as a Token."""


@dataclass(frozen=True)
class _Loop:
    """A loop by its place; `variable` counts up by one if `ascending`; empty: none is known."""

    start: int
    variable: str = ""
    ascending: bool = False


@dataclass(frozen=True)
class _Use:
    """One place where a process reads or assigns a name."""

    token: Token
    order: int
    loops: tuple[_Loop, ...]
    index: str
    assigned: bool = False  # before, in every branch
    blocking: bool = True


@dataclass
class Process:
    """The names that a process reads and assigns, in the order of the text."""

    reads: dict[str, list[_Use]] = field(default_factory=dict)
    writes: dict[str, list[_Use]] = field(default_factory=dict)
    assigned: set[str] = field(default_factory=set)
    loops: list[_Loop] = field(default_factory=list)
    moved: set[_Loop] = field(default_factory=set)  # whose variable is assigned within
    delay: Token | None = None
    count: int = 0

    def read(self, token: Token, index: str) -> None:
        """Note a name that is read; `index`: the words in its brackets, or none."""
        self.count += 1
        known = token.text in self.assigned
        use = _Use(token, self.count, tuple(self.loops), index, assigned=known)
        self.reads.setdefault(token.text, []).append(use)

    def write(self, token: Token, index: str, blocking: bool) -> None:
        """Note a name that is assigned."""
        self.count += 1
        use = _Use(token, self.count, tuple(self.loops), index, blocking=blocking)
        self.writes.setdefault(token.text, []).append(use)
        self.moved |= {loop for loop in self.loops if loop.variable == token.text}
        if blocking and not index:
            self.assigned.add(token.text)

    def stale(self) -> Iterator[tuple[Token, bool]]:
        """Reads that may see what the process left the last time, and whether they surely do."""
        for name, writes in self.writes.items():
            reads = [read for read in self.reads.get(name, ()) if not read.assigned]
            if len(reads) * len(writes) > MOST_COMPARED:
                yield reads[0].token, False
                continue
            for read in reads:
                others = [write for write in writes if not _are_apart(write.index, read.index)]
                if not all(self._precedes(write, read) for write in others):
                    yield read.token, read.order < min(write.order for write in others)

    def _precedes(self, write: _Use, read: _Use) -> bool:
        """Whether an assignment is done before a read, in every round of every loop.

        In a loop over i, those of x[i] count before that of x[i], and those of x[i + 1] for it in
        the next round, as in a chain of carries.
        """
        shared = [loop for loop in write.loops if loop in read.loops]
        if not write.blocking or not shared:
            return write.blocking and write.order < read.order
        last = shared[-1]
        if last in self.moved or not last.variable or read.index != last.variable:
            return False
        if write.index == last.variable:
            return write.order < read.order
        return last.ascending and write.index == f"{last.variable} + 1"


def _are_apart(first: str, second: str) -> bool:
    """Whether two indices are constants of different elements."""
    return first.isdigit() and second.isdigit() and int(first) != int(second)


class ProcessReader:
    """Follows the statements of one process; raises UnclearError where it cannot."""

    def __init__(
        self, code: Sequence[Token], start: int, widths: Mapping[str, int | None] | None = None
    ) -> None:
        self.code, self.at = code, start
        self.widths = widths or {}  # of vectors, in bits; None: it depends
        self.process = Process()
        self.scopes: list[dict[str, str]] = []  # what blocks call names of their own

    def peek(self) -> str:
        """The next word; empty at the end."""
        return self.code[self.at].text if self.at < len(self.code) else ""

    def take(self, wanted: str = "") -> Token:
        """Move on by one word, `wanted` if given."""
        if self.at >= len(self.code) or (wanted and self.peek() != wanted):
            raise UnclearError(self.code[min(self.at, len(self.code) - 1)])
        self.at += 1
        return self.code[self.at - 1]

    def until(self, *ends: str) -> list[Token]:
        """Take what stands before one of `ends`, outside of parentheses, and that too."""
        found, open_ = [], [""]
        while len(open_) > 1 or self.peek() not in ends:
            token = self.take()
            if token.text in CLOSING:
                open_.append(CLOSING[token.text])
            elif token.text == open_[-1]:
                open_.pop()
            found.append(token)
        self.take()
        return found

    def parenthesis(self) -> list[Token]:
        """Take what stands in the parentheses that follow."""
        self.take("(")
        return self.until(")")

    def statement(self, depth: int = 0) -> None:
        """Follow one statement, which lies in so many others.

        Raises:
            UnclearError: it is of another kind.
        """
        if depth > MOST_NESTED:
            raise UnclearError(self.code[min(self.at, len(self.code) - 1)])
        known = {
            "begin": self._block,
            "if": self._if,
            "case": self._case,
            "casez": self._case,
            "casex": self._case,
            "for": self._for,
            "while": self._while,
            "repeat": self._while,
            "#": self._delay,
        }
        if self.peek() in ("unique", "unique0", "priority"):
            self.take()
        word = self.peek()
        if word in known:
            known[word](depth + 1)
        elif word in DECLARATIONS:
            self._declaration()
        elif word == "{" or (word not in RESERVED and self._is_name()):
            self._assignment(self.until(";"))
        else:
            self.take(";")

    def _is_name(self) -> bool:
        return self.at < len(self.code) and self.code[self.at].kind in ("word", "escaped")

    def _block(self, depth: int) -> None:
        self.take()
        self._label()
        self.scopes.append({})
        while self.peek() != "end":
            self.statement(depth)
        self.scopes.pop()
        self.take()
        self._label()

    def _declare(self, token: Token) -> None:
        """A name that, from here to the end of its block, is another than outside."""
        if not self.scopes:
            raise UnclearError(token)
        self.scopes[-1][token.text] = f"{token.text} of its block at {token.start}"

    def _visible(self, token: Token) -> Token:
        for scope in reversed(self.scopes):
            if token.text in scope:
                return token._replace(text=scope[token.text])
        return token

    def _label(self) -> None:
        if self.peek() == ":":
            self.at += 2

    def _if(self, depth: int) -> None:
        self.take()
        self._expression(self.parenthesis())
        before = set(self.process.assigned)
        self.statement(depth)
        first, self.process.assigned = self.process.assigned, before
        if self.peek() == "else":
            self.take()
            self.statement(depth)
            self.process.assigned &= first

    def _case(self, depth: int) -> None:
        self.take()
        subject = self.parenthesis()
        self._expression(subject)
        before, ends, labels = self.process.assigned, list[set[str]](), list[str]()
        whole = False
        while self.peek() != "endcase":
            self.process.assigned = set(before)
            if self.peek() == "default":
                self.take()
                whole = True
                if self.peek() == ":":
                    self.take()
            else:
                label = self.until(":")
                self._expression(label)
                labels += "".join(token.text for token in label).split(",")
            self.statement(depth)
            ends.append(self.process.assigned)
        self.take()
        whole |= _are_all(labels, self._width(subject))
        self.process.assigned = set.intersection(*ends) if ends and whole else before

    def _width(self, code: Sequence[Token]) -> int | None:
        """The bits of a vector, of a part of one, or of a concatenation of these; else None."""
        if not code:
            return None
        first = self._visible(code[0]).text
        if first == "{" and _index_end(code, 0, "{") == len(code):
            ends = [*_top_level(code[1:-1], ","), len(code) - 2]
            parts = itertools.pairwise([-1, *ends])
            widths = [self._width(code[1:-1][start + 1 : end]) for start, end in parts]
            return sum(filter(None, widths)) if all(widths) else None
        if first not in self.widths:
            return None
        index = [token.text for token in code[2:-1]]
        if len(code) == 1:
            return self.widths[first]
        if _index_end(code, 1) < len(code) or "[" in index or "?" in index:
            return None
        if ":" not in index:
            return 1
        high, low = index[: index.index(":")], index[index.index(":") + 1 :]
        if len(low) != 1 or not low[0].isdigit():
            return None
        if high[-1:] in (["+"], ["-"]):
            return int(low[0])
        return (
            abs(int(high[0]) - int(low[0])) + 1 if len(high) == 1 and high[0].isdigit() else None
        )

    def _for(self, depth: int) -> None:
        self.take()
        self.take("(")
        head = self.until(";")
        first = [token for token in head if token.text not in DECLARATIONS]
        condition, step = self.until(";"), self.until(")")
        self.scopes.append({})
        if first and len(first) < len(head):
            self._declare(first[0])
        self._assignment(first)
        self._expression(condition)
        name = first[0].text if first else ""
        by_one = "".join(t.text for t in step) in (f"{name}={name}+1", f"{name}++", f"{name}+=1")
        assigned = set(self.process.assigned)
        variable = self._visible(first[0]).text if first else ""
        self.process.loops.append(_Loop(self.at, variable, by_one))
        self.statement(depth)
        self.process.loops.pop()
        self._assignment(step)
        self.process.assigned = assigned
        self.scopes.pop()

    def _while(self, depth: int) -> None:
        self.take()
        self._expression(self.parenthesis())
        assigned = set(self.process.assigned)
        self.process.loops.append(_Loop(self.at))
        self.statement(depth)
        self.process.loops.pop()
        self.process.assigned = assigned

    def _delay(self, depth: int) -> None:
        self.process.delay = self.take()
        if self.peek() == "(":
            self._expression(self.parenthesis())
        else:
            self.take()
        self.statement(depth)

    def _declaration(self) -> None:
        found = self.until(";")
        if any(token.text == "=" for token in found):
            raise UnclearError(found[0])
        at = 0
        while at < len(found):
            if found[at].kind in ("word", "escaped") and found[at].text not in RESERVED:
                self._declare(found[at])
            at = max(at + 1, _index_end(found, at))

    def _assignment(self, code: list[Token]) -> None:
        code = [self._visible(token) for token in code]
        text = "".join(token.text for token in code[-2:])
        at = next(_top_level(code, "="), 0)
        left, right = code[:at], code[at + 1 :]
        if text in ("++", "--"):
            left, right = code[:-1], []
        if not left:
            raise UnclearError(code[0] if code else self.code[self.at - 1])
        sign = ""
        while left[1:] and left[-1].kind == "other" and left[-1].text not in "]}":
            sign = left.pop().text + sign
        if right and right[0].text == "#":
            self.process.delay = right[0]
            right = right[2:]
        if any(token.text in ("@", "repeat") for token in right):
            raise UnclearError(right[0])
        self._expression(right)
        self._targets(left, blocking=sign != "<", also_read=sign not in ("", "<"))

    def _targets(self, code: list[Token], blocking: bool, also_read: bool) -> None:
        at = 0
        while at < len(code):
            token = code[at]
            end = _index_end(code, at + 1)
            if token.kind in ("word", "escaped"):
                index = code[at + 1 : end]
                self._expression(index)
                text = " ".join(t.text for t in index[1:-1])
                if also_read:
                    self.process.read(token, text)
                self.process.write(token, text, blocking)
            elif token.text not in "{},":
                raise UnclearError(token)
            at = end

    def _expression(self, code: list[Token]) -> None:
        code = [self._visible(token) for token in code]
        for at, token in enumerate(code):
            # A name within another scope, or an assignment within an expression.
            if token.text == "." or _is_doubled(code, at):
                raise UnclearError(token)
            if token.kind in ("word", "escaped") and token.text not in RESERVED:
                end = _index_end(code, at + 1)
                self.process.read(token, " ".join(t.text for t in code[at + 2 : end - 1]))


def _is_doubled(code: list[Token], at: int) -> bool:
    pair = [token.text for token in code[at : at + 2]]
    # Of a macro all words stand at one place.
    doubled = pair in (["+", "+"], ["-", "-"])
    return doubled and code[at + 1].start - code[at].start in (0, 1)


def _top_level(code: Sequence[Token], wanted: str) -> Iterator[int]:
    depth = 0
    for at, token in enumerate(code):
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(token.text, 0)
        if not depth and token.text == wanted:
            yield at


def _index_end(code: Sequence[Token], at: int, opening: str = "[") -> int:
    """The end of the indices that begin here, or `at`."""
    depth = 0
    while at < len(code) and (depth or code[at].text == opening):
        depth += {opening: 1, CLOSING[opening]: -1}.get(code[at].text, 0)
        at += 1
    return at


def _are_all(labels: list[str], bits: int | None) -> bool:
    """Whether these are all constants of a width, such as 2'b00, 2'b01, 2'b10 and 2'b11."""
    widths, values = set(), set()
    for label in labels:
        width, _, digits = label.partition("'")
        base = {"b": 2, "o": 8, "d": 10, "h": 16}.get(digits[:1].lower())
        try:
            widths.add(int(width))
            values.add(int(digits[1:], base or 2))
        except ValueError:
            return False
    return widths == {bits} and values == set(range(1 << min(widths.pop(), 16)))
