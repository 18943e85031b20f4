"""What of SystemVerilog asserts, and computes nothing? It is left out, whoever reads the rest."""

import re
from collections.abc import Sequence

from axdse.flows.verilog.tokens import Token, tokens

_ASSERTIONS = {"assert", "assume", "cover", "restrict"}
_DECLARED = {"property": "endproperty", "sequence": "endsequence"}
_ANY = re.compile(rf"\b(?:{'|'.join((*_ASSERTIONS, *_DECLARED))})\b")
_LONGEST_HEAD = 4  # words, such as `assert property (`
_PROCESSES = ("always", "initial", "final")  # behind which a statement must stand


def without_assertions(text: str) -> str:
    """SystemVerilog without assertions, their labels and properties; lines keep their numbers.

    One that does more than call system tasks when it holds or fails stays, and so does one that
    a macro is part of.
    """
    if not _ANY.search(text):
        return text
    found = [token for token in tokens(text) if token.kind != "comment"]
    pieces, done, at = list[str](), 0, 0
    while at < len(found):
        end = _end(found, at)
        if end is None:
            at += 1
            continue
        start = at
        if at > 1 and found[at - 1].text == ":" and found[at - 2].kind == "word":
            start = at - 2  # its label
        before = found[start - 1].text if start else ";"
        needed = before in (")", "else", ":") or before.startswith(_PROCESSES)
        dropped = text[found[start].start : found[end - 1].end]
        pieces += (text[done : found[start].start], ";" if needed else " ")
        pieces.append("\n" * dropped.count("\n"))
        done, at = found[end - 1].end, end
    return "".join([*pieces, text[done:]])


def _end(found: Sequence[Token], at: int) -> int | None:
    """The place behind an assertion, or a property, that begins there; None: none does."""
    word = found[at].text
    if word in _DECLARED:
        ends = (
            place + 1 for place in range(at, len(found)) if found[place].text == _DECLARED[word]
        )
        end = next(ends, None)
        return None if end is None or _has_macro(found[at:end]) else end
    head = found[at : at + _LONGEST_HEAD]
    opens = next((at + n for n, token in enumerate(head) if token.text == "("), None)
    if word not in _ASSERTIONS or opens is None:
        return None
    closed = _past(found, opens, {")"})
    end = _statement(found, closed)
    # An `else` behind an empty statement is that of an `if` around it.
    if end < len(found) and found[end].text == "else" and found[closed].text != ";":
        end = _statement(found, end + 1)
    return end if _only_tells(found[closed:end]) and not _has_macro(found[at:end]) else None


def _statement(found: Sequence[Token], at: int) -> int:
    """The place behind the statement that begins there, with its semicolon; `else` begins none."""
    if at < len(found) and found[at].text == "else":
        return at
    return _past(found, at, {";", "end"})


def _past(found: Sequence[Token], at: int, ends: set[str]) -> int:
    """The place behind the first of some words that no bracket or block encloses."""
    depth = 0
    for place in range(at, len(found)):
        word = found[place].text
        depth += (word in ("begin", "(")) - (word in ("end", ")"))
        if not depth and word in ends:
            return place + 1
    return len(found)


def _only_tells(action: Sequence[Token]) -> bool:
    """Whether statements call system tasks and do nothing else."""
    depth = 0
    for token in action:
        depth += (token.text == "(") - (token.text == ")")
        plain = token.kind == "system" or token.text in ("begin", "end", "else", ";", ")")
        if not (depth or plain):
            return False
    return True


def _has_macro(found: Sequence[Token]) -> bool:
    return any(token.kind in ("macro", "paste") for token in found)
