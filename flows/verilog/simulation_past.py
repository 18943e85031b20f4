"""May the simulation of Verilog remember what its gates do not show?

A simulator runs a process when its event list says so, and its variables keep what they hold until
then; a synthesiser takes the process for a function of all that it reads. Both agree where a list
names all that is read, where no variable is read before it is assigned, and where time plays no
part. That is judged from the text, so that no order of vectors needs to show it.

A variable counts as assigned where all its assignments stand before: Yosys refuses those that miss
a branch, as latches. Functions forget: Yosys starts their variables from x, which a proof shows.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from axdse.flows.verilog.processes import (
    CONSTANTS,
    DECLARATIONS,
    DIRECTIONS,
    RESERVED,
    Process,
    ProcessReader,
    UnclearError,
    words,
)
from axdse.flows.verilog.tokens import Token, code_tokens

NO_MODULES = DECLARATIONS | words(
    "assign and buf bufif0 bufif1 nand nor not notif0 notif1 or supply0 supply1 tri tri0 tri1",
    "triand trior wand wor xnor xor begin end else",
)
LONGEST_TARGET = 64  # words
LOCALS = DECLARATIONS | DIRECTIONS | CONSTANTS
EDGE = "posedge"  # no name of a net
BY_ITSELF = ("always", "always_comb", "always_ff", "always_latch", "initial", "final")


@dataclass(frozen=True)
class Past:
    """What a simulation may remember.

    Attributes:
        why: for people.
        start: where in the text.
        certain: it does, whenever that place is reached; else it cannot be told.
    """

    why: str
    start: int
    certain: bool


def past_of(text: str) -> Past | None:
    """Return the first thing that a simulation of Verilog surely remembers, else may; or None."""
    found = sorted(_pasts(list(code_tokens(text))), key=lambda past: not past.certain)
    return found[0] if found else None


def _pasts(code: list[Token]) -> Iterator[Past]:
    starts = [at for at, token in enumerate(code) if token.text in ("module", "macromodule")]
    for start, end in itertools.pairwise([*starts, len(code)]):
        yield from _Module(code[start:end]).pasts()


@dataclass(frozen=True)
class _Found:
    """A process of a module: its keyword, what it waits for (None: all it reads), what it does."""

    keyword: Token
    events: frozenset[str] | None
    partly: frozenset[str]  # of which it waits for a part or a function
    process: Process


@dataclass(frozen=True)
class _Subroutine:
    """A function or task, and the names of others in it."""

    keyword: Token
    foreign: frozenset[str]


class _Module:
    """One module: its processes, and what the rest of it says of the names in them."""

    def __init__(self, code: list[Token]) -> None:
        self.code = code
        self.found: list[_Found] = []
        self.subroutines: list[_Subroutine] = []
        self.doubts: list[Past] = []
        self.moving: set[str] = set()  # driven by something that is no constant
        self.still: set[str] = set()

    def pasts(self) -> Iterator[Past]:
        self._read()
        running = [found for found in self.found if found.keyword.text != "initial"]
        self.moving.update(*(found.process.writes for found in running))
        once = set[str]().union(*(found.process.writes for found in self.found))
        self.still = (self.still | once) - self.moving
        yield from self.doubts
        for subroutine in self.subroutines:
            for name in sorted(subroutine.foreign & self.moving):
                keyword = subroutine.keyword
                why = f"a {keyword.text} has to do with {name}, which it is not given"
                yield Past(why, keyword.start, certain=False)
        for found in running:
            yield from self._judge(found)

    def _read(self) -> None:
        at = 0
        while at < len(self.code):
            token = self.code[at]
            end = at + 1
            if token.text in ("function", "task"):
                end = self._subroutine(at)
            elif token.text in BY_ITSELF:
                end = self._process(at)
            elif token.text == "#" and not self._sets_parameters(at):
                self._doubt(token, "a delay makes its answers depend on time")
            elif token.text in ("input", "inout"):
                self.moving |= _declared(self.code, end, DIRECTIONS)
            elif token.text in CONSTANTS:
                self.still |= _declared(self.code, end, CONSTANTS | DIRECTIONS)
            elif token.text == "enum":
                end = _find(self.code, end, "}")
                self.still |= {token.text for token in self.code[at:end]}
            elif token.text == "=":
                # What equals numbers alone never moves; `==` comes with names and harms nobody.
                names = _left_names(self.code, at)
                if _is_number(self.code, end):
                    self.still |= names
                else:
                    self.moving |= names - self.still
            at = end

    def _doubt(self, token: Token, why: str) -> None:
        self.doubts.append(Past(why, token.start, certain=False))

    def _sets_parameters(self, at: int) -> bool:
        """Whether a # follows the name of a module, and no gate, net or strength."""
        before = self.code[at - 1]
        return before.kind in ("word", "escaped") and before.text not in NO_MODULES

    def _subroutine(self, at: int) -> int:
        """It may look at names that nothing waits for, or leave something in them."""
        end = _find(self.code, at, f"end{self.code[at].text}")
        body = self.code[at:end]
        own = {token.text for token in body[: _find(body, 0, "(", ";")]}
        for place, token in enumerate(body):
            if token.text in LOCALS:
                own |= _declared(body, place + 1, LOCALS)
        names = {token.text for token in body if token.kind in ("word", "escaped")}
        foreign = frozenset(names - own - RESERVED)
        self.subroutines.append(_Subroutine(self.code[at], foreign))
        # What nobody else drives it may keep.
        self.moving |= {
            token.text
            for place, token in enumerate(body[1:])
            if body[place].text in (";", ")", "begin", "else") and token.text in foreign
        }
        return end

    def _process(self, at: int) -> int:
        keyword, reader = self.code[at], ProcessReader(self.code, at + 1)
        try:
            waits = keyword.text.startswith("always")
            events, partly = _events(reader) if waits else (None, frozenset[str]())
            reader.statement()
        except UnclearError as error:
            self._doubt(error.args[0], "it is not followed what a process does")
        else:
            self.found.append(_Found(keyword, events, partly, reader.process))
            if reader.process.delay:
                self._doubt(reader.process.delay, "a delay makes its answers depend on time")
        return max(reader.at, at + 1)

    def _judge(self, found: _Found) -> Iterator[Past]:
        process, keyword = found.process, found.keyword
        if found.events is not None and EDGE in found.events:
            yield Past("it loads on an edge", keyword.start, certain=False)
            return
        if found.events == frozenset():
            yield Past("a process runs by itself", keyword.start, certain=True)
        for token, certain in process.stale():
            yield Past(f"a process reads {token.text} before it assigns it", token.start, certain)
        for name, reads in process.reads.items():
            waits = found.events is None or name in found.events
            if not waits and name not in process.writes and name not in self.still:
                why = f"a process reads {name}, for which it does not wait"
                certain = name in self.moving and name not in found.partly
                yield Past(why, reads[0].token.start, certain)


def _events(reader: ProcessReader) -> tuple[frozenset[str] | None, frozenset[str]]:
    """The names that an `always` waits for (None: all), and those of which it does in part.

    EDGE is among them if it waits for an edge.
    """
    nothing = frozenset[str]()
    if reader.code[reader.at - 1].text in ("always_comb", "always_latch"):
        return None, nothing
    if reader.peek() != "@":
        return nothing, nothing
    reader.take()
    listed = reader.parenthesis() if reader.peek() == "(" else [reader.take()]
    if [token.text for token in listed] == ["*"]:
        return None, nothing
    parts: list[list[str]] = [[]]
    for token in listed:
        if token.text in ("or", ","):
            parts.append([])
        else:
            parts[-1].append(token.text)
    if any(part[:1] in (["posedge"], ["negedge"]) for part in parts):
        return frozenset([EDGE]), nothing
    whole = frozenset(part[0] for part in parts if len(part) == 1)
    return whole, frozenset(name for part in parts for name in part) - whole


def _declared(code: Sequence[Token], at: int, ends: frozenset[str]) -> set[str]:
    """The names of a declaration that begins before `at`: without ranges and values."""
    names, depth, value = set[str](), 0, False
    for place in range(at, len(code)):
        token = code[place]
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(token.text, 0)
        if depth < 0 or token.text == ";" or token.text in ends:
            break
        if not depth:
            value = token.text == "=" or (value and token.text != ",")
            if token.kind in ("word", "escaped") and token.text not in RESERVED and not value:
                names.add(token.text)
    return names


def _left_names(code: Sequence[Token], at: int) -> set[str]:
    """The names on the left of an `=`, those of its indices too."""
    names, depth = set[str](), 0
    for place in range(at - 1, max(at - LONGEST_TARGET, 0), -1):
        token = code[place]
        depth += {"]": 1, "}": 1, "[": -1, "{": -1}.get(token.text, 0)
        if token.kind in ("word", "escaped") and token.text not in RESERVED:
            names.add(token.text)
        if depth <= 0 and token.text != "[":
            break
    return names


def _is_number(code: Sequence[Token], at: int) -> bool:
    """Whether an expression that begins here has no names."""
    end = _find(code[at : at + LONGEST_TARGET], 0, ";", ",")
    return all(token.kind in ("number", "other") for token in code[at : at + end])


def _find(code: Sequence[Token], at: int, *texts: str) -> int:
    """The first place of some words, or the end."""
    return next((n for n in range(at, len(code)) if code[n].text in texts), len(code))
