"""What is left of Verilog for one reader, whose own macros `ifdef` may ask for?"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from axdse.flows.verilog.tokens import end_of_line, tokens

# What a tool defines before it reads a text.
ICARUS = frozenset({"__ICARUS__"})
VERILATOR = frozenset({"VERILATOR", "verilator", "verilator3", "SYSTEMVERILOG"})
YOSYS = frozenset({"YOSYS", "SYNTHESIS"})
_CONDITION = ("`ifdef", "`ifndef", "`elsif", "`else", "`endif")
_NAMED = ("`ifdef", "`ifndef", "`elsif", "`undef")
_DEFINED = re.compile(r"`define\s+(\w+)")
_IN_A_BODY = re.compile(r"`(?:ifn?def|elsif|else|endif|define|undef)\b", re.ASCII)


@dataclass(frozen=True)
class _Directive:
    """One that defines, undefines or asks, with its name.

    Attributes:
        word: such as "`ifdef".
        name: of the macro; of "`else" and "`endif" the word itself.
        start: where it stands; one that defines reaches to the end of its line.
        end: likewise.
    """

    word: str
    name: str
    start: int
    end: int

    @property
    def asks(self) -> bool:
        """Whether what follows hangs on it."""
        return self.word in _CONDITION


def _directives(text: str) -> Iterator[_Directive]:
    done = 0
    words = (token for token in tokens(text) if token.kind != "comment")
    for token in words:
        if token.start < done or token.kind != "macro":
            continue
        if token.text == "`define":
            done = end_of_line(text, token)
            named = _DEFINED.match(text, token.start, done)
            yield _Directive(token.text, named[1] if named else "", token.start, done)
        elif token.text in _NAMED or token.text in _CONDITION:
            named_token = next(words, token) if token.text in _NAMED else token
            done = named_token.end
            yield _Directive(token.text, named_token.text, token.start, done)


@dataclass
class _Branch:
    """A conditional that is open.

    Attributes:
        around: whether what surrounds it is read.
        taken: whether a branch of it has been.
        now: whether this one is.
    """

    around: bool
    taken: bool
    now: bool

    def turn(self, holds: bool) -> None:
        """Go to the next branch, whose condition holds or not."""
        self.now = self.around and holds and not self.taken
        self.taken |= holds


class _Reader:
    """What a tool knows and reads as it goes through a text."""

    def __init__(self, defined: frozenset[str]) -> None:
        self._known, self.open = set(defined), list[_Branch]()

    @property
    def reads(self) -> bool:
        return not self.open or self.open[-1].now

    def meet(self, met: _Directive) -> None:
        holds = met.word == "`else" or (met.name in self._known) != (met.word == "`ifndef")
        if met.word in ("`ifdef", "`ifndef"):
            self.open.append(_Branch(self.reads, holds, self.reads and holds))
        elif met.word == "`endif":
            del self.open[-1:]  # of nothing: every tool refuses it
        elif met.asks and self.open:
            self.open[-1].turn(holds)
        elif met.word == "`define" and self.reads:
            self._known.add(met.name)
        elif met.word == "`undef" and self.reads:
            self._known.discard(met.name)


def left_for(text: str, defined: frozenset[str]) -> str:
    """Return what one reader sees of a text: no conditions, and spaces for what they leave out.

    Args:
        text: Verilog that `safety.refuse_unsafe` lets pass.
        defined: the macros that its reader defines before.
    """
    if not any(condition in text for condition in _CONDITION):
        return text
    reader, pieces, done = _Reader(defined), list[str](), 0
    for met in _directives(text):
        pieces += (
            _shown(text[done : met.start], reader.reads),
            _shown(text[met.start : met.end], reader.reads and not met.asks),
        )
        done = met.end
        reader.meet(met)
    return "".join(pieces) + _shown(text[done:], reader.reads)


@dataclass
class _Chain:
    """The directives of one conditional, and whether readers of what surrounds it differ."""

    places: list[tuple[int, int]]
    differs: bool = False


def settled_places(text: str, readers: Sequence[frozenset[str]]) -> Iterator[tuple[int, int]]:
    """Where the directives of conditionals stand that all these readers answer alike.

    Args:
        text: Verilog.
        readers: the macros that each defines before.
    """
    known = [_Reader(defined) for defined in readers]
    open_: list[_Chain] = []
    for met in _directives(text):
        for reader in known:
            reader.meet(met)
        if met.word in ("`ifdef", "`ifndef"):
            open_.append(_Chain([]))
        if not met.asks or not open_:
            continue
        open_[-1].places.append((met.start, met.end))
        if met.word == "`endif":
            chain = open_.pop()
            if not chain.differs:
                yield from chain.places
        else:
            branches = [reader.open[-1] for reader in known]
            open_[-1].differs |= len({b.now for b in branches if b.around}) > 1


def _shown(text: str, reads: bool) -> str:
    return text if reads else re.sub(r"[^\n]", " ", text)


def hidden_conditional(text: str) -> int | None:
    """Return the place of a macro that asks for macros, or changes them, where it is used."""
    for token in tokens(text):
        if token.text == "`define":
            end = end_of_line(text, token)
            if _IN_A_BODY.search(text, token.end, end):
                return token.start
    return None
