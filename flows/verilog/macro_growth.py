"""How long does Verilog become once its macros are expanded?

A few lines of macros that use one another grow beyond any memory. What is counted is an upper
bound, in words, without expanding anything.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from axdse.flows.verilog.tokens import Token, tokens

ENDLESS = 1 << 60
_DEFINE = re.compile(r"`define[ \t]+(\w+)(\([^()]*\))?((?:\\\r?\n|[^\n])*)", re.ASCII)


@dataclass(frozen=True)
class _Growth:
    """What a macro becomes: so many words of its own, and so many copies of its arguments."""

    words: int
    copies: int


def expanded_words(text: str) -> int:
    """Return the number of words after preprocessing, at most; ENDLESS if it has no end."""
    bodies: dict[str, list[Token]] = {}
    parameters: dict[str, set[str]] = {}
    for name, arguments, body in _DEFINE.findall(text):
        # Of one that is defined again all bodies count.
        bodies.setdefault(name, []).extend(tokens(body))
        parameters.setdefault(name, set()).update(re.findall(r"\w+", arguments))
    uses = {
        name: {token.text[1:] for token in body if token.kind == "macro"} & bodies.keys()
        for name, body in bodies.items()
    }
    known: dict[str, _Growth] = {}
    try:
        for name in TopologicalSorter(uses).static_order():
            known[name] = _growth(bodies[name], parameters[name], known)
    except CycleError:
        return ENDLESS
    return _growth(tokens(_DEFINE.sub("", text)), set(), known).words


def _growth(code: Iterable[Token], parameters: set[str], known: Mapping[str, _Growth]) -> _Growth:
    words = copies = 0
    factors = [1]  # of the parentheses that are open here
    called = 1  # the copies that the macro just before makes of what follows in parentheses
    for token in code:
        if token.kind == "comment":
            continue
        macro = known.get(token.text[1:]) if token.kind == "macro" else None
        factor = factors[-1]
        if token.text == "(":
            factors.append(min(factor * called, ENDLESS))
        elif token.text == ")" and len(factors) > 1:
            factors.pop()
        if token.text in parameters:
            copies = min(copies + factor, ENDLESS)
        words = min(words + factor * (macro.words if macro else 1), ENDLESS)
        called = max(1, macro.copies) if macro else 1
    return _Growth(words, copies)
