"""May the simulation of Verilog remember what its gates do not show?

A simulator runs a process when its event list says so, and its variables keep what they hold until
then; a synthesiser takes the process for a function of all that it reads. Both agree where a list
names all that is read, where no variable is read before it is assigned, and where time plays no
part. That is judged from the text, so that no order of vectors needs to show it.

A variable counts as assigned where all its assignments stand before: Yosys refuses those that miss
a branch, as latches. Functions forget: Yosys starts their variables from x, which a proof shows.
"""

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from axdse.flows.verilog.conditionals import ICARUS, VERILATOR, hidden_conditional, left_for
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
SIZED = (DECLARATIONS | DIRECTIONS | words("signed unsigned tri var")) - CONSTANTS
UNSIZED = words("integer int byte shortint longint time real realtime")
WIRED = words("wor trior wand triand")  # which several may drive
LONGEST_TARGET, LONGEST_NUMBER = 64, 1024  # words
BRANCHING = words("if for case casez casex")
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
    # One simulator may be given what another is not.
    seen = dict.fromkeys(left_for(text, simulator) for simulator in (ICARUS, VERILATOR))
    pasts = [past for each in seen for past in _pasts(list(code_tokens(each)))]
    hidden = hidden_conditional(text)
    if hidden is not None:
        pasts.append(Past("a macro asks for macros, or changes them", hidden, certain=False))
    found = sorted(pasts, key=lambda past: not past.certain)
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
        self.widths = _widths(code)
        self.found: list[_Found] = []
        self.subroutines: list[_Subroutine] = []
        self.doubts: list[Past] = []
        self.moving: set[str] = set()  # driven by something that is no constant
        self.still: set[str] = set()  # driven by a number
        self.constants: set[str] = set()
        self.nets: set[str] = set()
        self.driven: set[str] = set()  # by assignments outside of processes
        self.shared: set[str] = set()  # driven from several places, each perhaps in part
        self.connected: set[str] = set()  # to ports of instances or gates, which may drive them
        self.by_name = False  # an instance takes whatever has the name of its port

    def pasts(self) -> Iterator[Past]:
        self._read()
        running = [found for found in self.found if found.keyword.text != "initial"]
        drivers = [*(found.process.writes.keys() for found in running), self.driven]
        self.moving.update(*drivers)
        counted = Counter(itertools.chain.from_iterable(drivers))
        self.shared = {name for name, times in counted.items() if times > 1} | self.connected
        once = set[str]().union(*(found.process.writes for found in self.found))
        # What is a constant in one scope, or is a number in a part, may be driven in another.
        self.still = (self.still | once | self.constants - self.nets) - self.moving
        self.still -= self.still if self.by_name else self.connected
        yield from self.doubts
        for subroutine in self.subroutines:
            for name in sorted(subroutine.foreign & self.moving):
                keyword = subroutine.keyword
                why = f"a {keyword.text} has to do with {name}, which it is not given"
                yield Past(why, keyword.start, certain=False)
        for found in running:
            yield from self._judge(found)

    def _read(self) -> None:
        at = constant = 0  # up to there a constant is declared
        header = _find(self.code, 0, ";")
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
                self.constants |= _declared(self.code, end, CONSTANTS | DIRECTIONS)
                constant = _declaration_end(self.code, end, CONSTANTS | DIRECTIONS)
            elif token.text == "enum":
                end = _find(self.code, end, "}")
                self.constants |= {token.text for token in self.code[at:end]}
            elif token.text == "for":  # its variable is a genvar
                end = _declaration_end(self.code, min(end + 1, len(self.code)), frozenset())
            elif token.text == "(" and at >= max(header, constant) and self._connects(at):
                self.connected |= _connected(self.code, at)
            elif token.text == "." and [each.text for each in self.code[end : end + 1]] == ["*"]:
                self.by_name = True
            elif token.text in WIRED:
                self.moving |= _declared(self.code, end, DECLARATIONS | WIRED)
            elif token.text in DECLARATIONS - CONSTANTS and at >= constant:
                self.nets |= _declared(self.code, end, DECLARATIONS | DIRECTIONS)
            elif _assigns(self.code, at) and at >= constant:
                # What equals numbers alone never moves.
                names = _left_names(self.code, at)
                (self.still if _is_number(self.code, end) else self.driven).update(names)
            at = end

    def _doubt(self, token: Token, why: str) -> None:
        self.doubts.append(Past(why, token.start, certain=False))

    def _sets_parameters(self, at: int) -> bool:
        """Whether a # follows the name of a module, and no gate, net or strength."""
        before = self.code[at - 1]
        return before.kind in ("word", "escaped") and before.text not in NO_MODULES

    def _connects(self, at: int) -> bool:
        """Whether a parenthesis may be that of an instance or a gate: calls look alike."""
        before, named = self.code[at - 1], self.code[at - 2].text if at > 1 else ""
        is_name = before.kind in ("word", "escaped") and before.text not in BRANCHING
        return named != "." and (is_name or before.text == "]")

    def _subroutine(self, at: int) -> int:
        """It may look at names that nothing waits for, or leave something in them."""
        end = _find(self.code, at, f"end{self.code[at].text}")
        body = self.code[at:end]
        foreign = frozenset(_foreign(body)) - RESERVED
        self.subroutines.append(_Subroutine(self.code[at], foreign))
        # What nobody else drives it may keep.
        self.moving |= {
            token.text
            for place, token in enumerate(body[1:])
            if body[place].text in (";", ")", "begin", "else") and token.text in foreign
        }
        return end

    def _process(self, at: int) -> int:
        keyword, reader = self.code[at], ProcessReader(self.code, at + 1, self.widths)
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
            own = name in process.writes and (
                name not in self.shared or all(read.assigned for read in reads)
            )
            if not waits and not own and name not in self.still:
                why = f"a process reads {name}, for which it does not wait"
                certain = name in self.moving - self.shared - found.partly
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


def _connected(code: Sequence[Token], at: int) -> set[str]:
    """The names in a parenthesis, without those of ports and in indices."""
    names, depth, inside = set[str](), 0, 0
    for place in range(at, len(code)):
        token = code[place]
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        inside += {"[": 1, "]": -1}.get(token.text, 0)
        if not depth:
            break
        if not inside and token.kind in ("word", "escaped") and code[place - 1].text != ".":
            names.add(token.text)
    return names - RESERVED


def _declared(code: Sequence[Token], at: int, ends: frozenset[str]) -> set[str]:
    """The names of a declaration that begins before `at`: without ranges and values."""
    names, depth, value = set[str](), 0, False
    for place in range(at, _declaration_end(code, at, ends)):
        token = code[place]
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(token.text, 0)
        if not depth:
            value = token.text == "=" or (value and token.text != ",")
            if token.kind in ("word", "escaped") and token.text not in RESERVED and not value:
                names.add(token.text)
    return names


def _widths(code: Sequence[Token]) -> dict[str, int | None]:
    """The bits of each vector; None if they depend. Arrays and names of several sizes are none."""
    found, others = dict[str, int | None](), set[str]()
    for start, first in enumerate(code):
        before = code[start - 1].text if start else ""
        if first.text not in SIZED or before in SIZED:
            continue
        at = start
        while at < len(code) and code[at].text in SIZED:
            at += 1
        end = _find(code, at, "]") if code[at : at + 1] and code[at].text == "[" else at
        limits = [token.text for token in code[at + 1 : end] if token.text != ":"]
        if end == at:
            bits: int | None = 1
        else:
            numbers = len(limits) == 2 and all(map(str.isdigit, limits))
            bits = abs(int(limits[0]) - int(limits[1])) + 1 if numbers else None
            end += 1
        names = _declared(code, end, SIZED | CONSTANTS)
        plain = not ({token.text for token in code[start:at]} & UNSIZED)
        for place in range(end, _declaration_end(code, end, SIZED | CONSTANTS)):
            name, after = code[place].text, [token.text for token in code[place + 1 : place + 2]]
            if name in names and (after == ["["] or not plain or found.get(name, bits) != bits):
                others.add(name)
        if code[end : end + 1] and code[end].text == "[":
            others |= names
        found |= dict.fromkeys(names, bits)
    return {name: bits for name, bits in found.items() if name not in others}


def _declaration_end(code: Sequence[Token], at: int, ends: frozenset[str]) -> int:
    """The place of what ends a declaration: a semicolon, a parenthesis, or one of `ends`."""
    depth = 0
    for place in range(at, len(code)):
        token = code[place]
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(token.text, 0)
        if depth < 0 or token.text in ends or (token.text == ";" and ends):
            return place
    return len(code)


def _foreign(body: Sequence[Token]) -> Iterator[str]:
    """The names in a function or task that none of the blocks around them declares.

    That a `for` declares one is not seen: it holds for less than its block.
    """
    known = Counter(token.text for token in body[: _find(body, 0, "(", ";")])
    blocks, loop = list[set[str]](), 0
    for place, token in enumerate(body):
        if token.text == "begin":
            blocks.append(set())
        elif token.text == "end" and blocks:
            known.subtract(blocks.pop())
        elif token.text == "for":
            loop = place + 3
        elif token.text in LOCALS and place >= loop:
            own = _declared(body, place + 1, LOCALS) - (blocks[-1] if blocks else set())
            known.update(own)
            if blocks:
                blocks[-1] |= own
        elif token.kind in ("word", "escaped") and known[token.text] < 1:
            yield token.text


def _assigns(code: Sequence[Token], at: int) -> bool:
    """Whether a word is an `=` and no part of `==`, `<=` and the like."""
    around = [token.text for token in (*code[at - 1 : at], *code[at + 1 : at + 2])]
    return code[at].text == "=" and around[0] not in "=!<>" and around[-1] != "="


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
    depth = 0
    for token in code[at : at + LONGEST_NUMBER]:
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(token.text, 0)
        if depth < 0 or (not depth and token.text in (";", ",")):
            return True
        if token.kind not in ("number", "other"):
            return False
    return False


def _find(code: Sequence[Token], at: int, *texts: str) -> int:
    """The first place of some words, or the end."""
    return next((n for n in range(at, len(code)) if code[n].text in texts), len(code))
