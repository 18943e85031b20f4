"""May the simulation of Verilog remember what its gates do not show?

A simulator runs a process when its event list says so, and its variables keep what they hold until
then; a synthesiser takes the process for a function of all that it reads. Both agree where a list
names all that is read, where no variable is read before it is assigned, and where time plays no
part. That is judged from the text, so that no order of vectors needs to show it.

A variable counts as assigned where all its assignments stand before: Yosys refuses those that miss
a branch, as latches. Functions forget: Yosys starts their variables from x, which a proof shows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from axdse.flows.verify.processes import (
    CONSTANTS,
    DECLARATIONS,
    DIRECTIONS,
    RESERVED,
    Process,
    ProcessReader,
    UnclearError,
    words,
)
from axdse.flows.verify.verilog_tokens import Token, code_tokens

NO_MODULES = DECLARATIONS | words(
    "assign and buf bufif0 bufif1 nand nor not notif0 notif1 or supply0 supply1 tri tri0 tri1",
    "triand trior wand wor xnor xor begin end else",
)
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
    for start, end in zip(starts, [*starts[1:], len(code)], strict=True):
        yield from _Module(code[start:end]).pasts()


@dataclass(frozen=True)
class _Found:
    """A process of a module: its keyword, what it waits for (None: all it reads), what it does."""

    keyword: Token
    events: frozenset[str] | None
    process: Process


class _Module:
    """One module: its processes, and what the rest of it says of the names in them."""

    def __init__(self, code: list[Token]) -> None:
        self.code = code
        self.found: list[_Found] = []
        self.doubts: list[Past] = []
        self.moving: set[str] = set()  # driven by something that is no constant
        self.still: set[str] = set()
        self.equated: set[str] = set()

    def pasts(self) -> Iterator[Past]:
        self._read()
        self.moving |= self.equated - self.still
        for found in self.found:
            if found.keyword.text != "initial":
                self.moving |= found.process.writes.keys()
        for found in self.found:
            if found.keyword.text == "initial":
                self.still |= found.process.writes.keys() - self.moving
        yield from self.doubts
        for found in self.found:
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
                self.moving |= _declared(self.code, end)
            elif token.text in CONSTANTS:
                self.still |= _declared(self.code, end)
            elif token.text == "enum":
                self.still |= {t.text for t in self.code[end : _find(self.code, end, "}")]}
            elif token.text == "=":
                self.equated |= _left_names(self.code, at)
            at = end

    def _doubt(self, token: Token, why: str) -> None:
        self.doubts.append(Past(why, token.start, certain=False))

    def _sets_parameters(self, at: int) -> bool:
        """Whether a # follows the name of a module, and no gate, net or strength."""
        before = self.code[at - 1]
        return before.kind in ("word", "escaped") and before.text not in NO_MODULES

    def _subroutine(self, at: int) -> int:
        """It may look at names that nothing waits for."""
        end = _find(self.code, at, f"end{self.code[at].text}")
        body = self.code[at:end]
        own = {
            name for n, t in enumerate(body) if t.text in LOCALS for name in _declared(body, n + 1)
        }
        own |= {token.text for token in body[: _find(body, 0, "(", ";")]}
        for token in body:
            if token.text in self.moving and token.text not in own:
                self._doubt(
                    token, f"a {body[0].text} looks at {token.text}, which it is not given"
                )
                break
        return end

    def _process(self, at: int) -> int:
        keyword, reader = self.code[at], ProcessReader(self.code, at + 1)
        try:
            events = _events(reader) if keyword.text.startswith("always") else None
            reader.statement()
        except UnclearError as error:
            self._doubt(error.args[0], "it is not followed what a process does")
        else:
            self.found.append(_Found(keyword, events, reader.process))
        return max(reader.at, at + 1)

    def _judge(self, found: _Found) -> Iterator[Past]:
        process, keyword = found.process, found.keyword
        if process.delay:
            yield Past("a delay makes it depend on time", process.delay.start, certain=False)
        if keyword.text in ("initial", "final"):
            return
        if found.events is not None and EDGE in found.events:
            yield Past("it loads on an edge", keyword.start, certain=False)
            return
        if found.events == frozenset() and keyword.text == "always":
            yield Past("a process runs by itself", keyword.start, certain=True)
        for read, certain in process.stale():
            why = f"a process reads {read.token.text} before it assigns it"
            yield Past(why, read.token.start, certain)
        for name, reads in process.reads.items():
            waits = found.events is None or name in found.events
            if not waits and name not in process.writes and name not in self.still:
                why = f"a process reads {name}, for which it does not wait"
                yield Past(why, reads[0].token.start, name in self.moving)


def _events(reader: ProcessReader) -> frozenset[str] | None:
    """The names that an `always` waits for, EDGE among them if it waits for one."""
    if reader.code[reader.at - 1].text in ("always_comb", "always_latch"):
        return None
    if reader.peek() != "@":
        return frozenset()
    reader.take()
    listed = reader.parenthesis() if reader.peek() == "(" else [reader.take()]
    if [token.text for token in listed] == ["*"]:
        return None
    parts: list[list[str]] = [[]]
    for token in listed:
        if token.text in ("or", ","):
            parts.append([])
        else:
            parts[-1].append(token.text)
    if any(part[:1] in (["posedge"], ["negedge"]) for part in parts):
        return frozenset([EDGE])
    return frozenset(part[0] for part in parts if len(part) == 1)


def _declared(code: Sequence[Token], at: int) -> set[str]:
    """The names of a declaration that begins before `at`: without ranges and values."""
    names, depth, value = set[str](), 0, False
    for token in code[at:]:
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(token.text, 0)
        if depth < 0 or token.text == ";" or token.text in DIRECTIONS:
            break
        if not depth:
            value = token.text == "=" or (value and token.text != ",")
            if token.kind in ("word", "escaped") and token.text not in RESERVED and not value:
                names.add(token.text)
    return names


def _left_names(code: Sequence[Token], at: int) -> set[str]:
    """The names on the left of an `=`."""
    names = set[str]()
    for token in reversed(code[:at]):
        if token.text in ("assign", ";", ")", "(", ",") and "{" not in names:
            break
        names.add(token.text)
    return names


def _find(code: Sequence[Token], at: int, *texts: str) -> int:
    """The first place of some words, or the end."""
    return next((n for n in range(at, len(code)) if code[n].text in texts), len(code))
