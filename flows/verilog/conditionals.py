"""What is left of Verilog for one reader, whose own macros `ifdef` may ask for?"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from axdse.flows.verilog.tokens import Token, end_of_line, tokens

# What a tool defines before it reads a text.
ICARUS = frozenset({"__ICARUS__"})
VERILATOR = frozenset({"VERILATOR", "verilator", "verilator3", "SYSTEMVERILOG"})
YOSYS = frozenset({"YOSYS", "SYNTHESIS"})
_CONDITION = ("`ifdef", "`ifndef", "`elsif", "`else", "`endif")
_NAMED = ("`ifdef", "`ifndef", "`elsif", "`undef")
_IN_A_BODY = re.compile(r"`(?:ifn?def|elsif|else|endif|define|undef)\b", re.ASCII)


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


def left_for(text: str, defined: frozenset[str]) -> str:
    """Return what one reader sees of a text: no conditions, and spaces for what they leave out.

    Args:
        text: Verilog that `safety.refuse_unsafe` lets pass.
        defined: the macros that its reader defines before.
    """
    if not any(condition in text for condition in _CONDITION):
        return text
    known, open_ = set(defined), list[_Branch]()
    pieces, done, reads = list[str](), 0, True
    words = (token for token in tokens(text) if token.kind != "comment")
    for token in words:
        if token.start < done or token.kind != "macro":
            continue
        named = next(words, token) if token.text in _NAMED else token
        if token.text in ("`define", "`undef"):
            end = end_of_line(text, token) if token.text == "`define" else named.end
            if reads:
                known = _changed(known, text[token.start : end])
            pieces.append(_shown(text[done:end], reads))
            done = end
        elif token.text in _CONDITION:
            _follow(token, named.text in known, open_)
            pieces += (
                _shown(text[done : token.start], reads),
                _shown(text[token.start : named.end], False),
            )
            done, reads = named.end, not open_ or open_[-1].now
    return "".join(pieces) + _shown(text[done:], reads)


@dataclass
class _Chain:
    """A conditional, for several readers.

    Attributes:
        branches: its state for each of them.
        places: of its directives, with their names.
        differs: some that read what surrounds it take different branches.
    """

    branches: list[_Branch]
    places: list[tuple[int, int]]
    differs: bool = False

    def note(self, start: int, end: int) -> None:
        """Add a directive, after its branch is known."""
        self.places.append((start, end))
        taken = {branch.now for branch in self.branches if branch.around}
        self.differs |= len(taken) > 1


def settled_places(text: str, readers: Sequence[frozenset[str]]) -> Iterator[tuple[int, int]]:
    """Where the directives of conditionals stand that all these readers answer alike.

    Args:
        text: Verilog.
        readers: the macros that each defines before.
    """
    known = [set(reader) for reader in readers]
    open_: list[_Chain] = []
    done = 0
    words = (token for token in tokens(text) if token.kind != "comment")
    for token in words:
        if token.start < done or token.kind != "macro":
            continue
        named = next(words, token) if token.text in _NAMED else token
        if token.text in ("`define", "`undef"):
            done = end_of_line(text, token) if token.text == "`define" else named.end
            for at, names in enumerate(known):
                if not open_ or open_[-1].branches[at].now:
                    known[at] = _changed(names, text[token.start : done])
            continue
        if token.text not in _CONDITION:
            continue
        done = named.end
        if token.text in ("`ifdef", "`ifndef"):
            open_.append(_Chain([], []))
            for at, names in enumerate(known):
                around = len(open_) < 2 or open_[-2].branches[at].now
                holds = (named.text in names) == (token.text == "`ifdef")
                open_[-1].branches.append(_Branch(around, holds, around and holds))
        elif not open_:
            continue
        elif token.text != "`endif":
            for branch, names in zip(open_[-1].branches, known, strict=True):
                branch.turn(named.text in names or token.text == "`else")
        chain = open_[-1]
        chain.note(token.start, named.end)
        if token.text == "`endif":
            open_.pop()
            if not chain.differs:
                yield from chain.places


def _shown(text: str, reads: bool) -> str:
    return text if reads else re.sub(r"[^\n]", " ", text)


def _changed(known: set[str], directive: str) -> set[str]:
    name = re.search(r"`(define|undef)\s+(\w+)", directive)
    if name is None:
        return known
    return known | {name[2]} if name[1] == "define" else known - {name[2]}


def _follow(token: Token, is_known: bool, open_: list[_Branch]) -> None:
    if token.text in ("`ifdef", "`ifndef"):
        around = not open_ or open_[-1].now
        holds = is_known == (token.text == "`ifdef")
        open_.append(_Branch(around, holds, around and holds))
    elif not open_:  # of nothing: every tool refuses it
        return
    elif token.text == "`endif":
        open_.pop()
    else:
        open_[-1].turn(is_known or token.text == "`else")


def hidden_conditional(text: str) -> int | None:
    """Return the place of a macro that asks for macros, or changes them, where it is used."""
    for token in tokens(text):
        if token.text == "`define":
            end = end_of_line(text, token)
            if _IN_A_BODY.search(text, token.end, end):
                return token.start
    return None
