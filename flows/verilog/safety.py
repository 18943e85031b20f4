"""Does Verilog of a stranger compute and nothing else?

A simulator obeys its input: `$fopen` writes files, `$system` runs commands, `rtl_bench.done = 1`
ends a check. Only what is known to compute passes. Nothing is run: the text is scanned as it is,
so what a macro could make of it is judged from its parts. A text that defines macros is scanned
with its comments and strings, since a macro can open or close one.
"""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from axdse.flows.verilog.macro_growth import expanded_words
from axdse.flows.verilog.tokens import Token, tokens
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.names import BENCH_PREFIXES

# Pure functions of their arguments (IEEE 1800-2017, clauses 20.4 to 20.8).
FUNCTIONS = frozenset(
    word
    for line in (
        "signed unsigned clog2 bits size left right low high increment dimensions",
        "unpacked_dimensions countbits countones onehot onehot0 rtoi itor ceil floor",
        "pow sqrt ln log10 exp",
    )
    for word in line.split()
)
# They cut text out, but let nothing in; those that do are not here: include, line, pragma.
DIRECTIVES = frozenset(
    word
    for line in (
        "timescale default_nettype resetall celldefine endcelldefine define undef",
        "ifdef ifndef elsif else endif begin_keywords end_keywords",
    )
    for word in line.split()
)
FORBIDDEN_WORDS = {
    "force": "overrides other drivers",
    "release": "overrides other drivers",
    "bind": "reaches other modules",
    "config": "reaches other files",
    "library": "reaches other files",
    "import": "calls foreign code, or takes a package, which Yosys reads only as sv2v writes it",
    "export": "calls foreign code",
    "program": "ends the simulation",
}
MOST_WORDS = 1 << 22
WIDEST_NUMBER = 1 << 16  # bits
_BASE = re.compile(r"\d*'[sS]?[bodhBODH]")
_DEFINE = re.compile(r"`define[ \t]+([A-Za-z_]\w*+)(?:(\()([\w\s,]*)\)|(?!\())", re.ASCII)
# Tabs and ends of lines are none. A form feed, a carriage return alone or a line separator ends a
# comment for some tools only; the rest hides text from its reader, such as marks of direction.
_CONTROL = re.compile(
    r"\r(?!\n)|[^\t\r\n\x20-\x7e\xa0-\U0010ffff]"
    r"|[\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
_LONGEST_SHOWN = 60
_GLUE = re.compile(r"[\w$`]", re.ASCII)
_ODD_ESCAPE = re.compile(r"[\"`/\\]")  # which another reader may take for something else


@dataclass(frozen=True)
class _Macros:
    """The names that a text defines.

    Attributes:
        names: all macros.
        callable: those that take arguments.
        parameters: the names of all those arguments.
    """

    names: frozenset[str]
    callable: frozenset[str]
    parameters: frozenset[str]


def refuse_unsafe(text: str, name: str) -> None:
    """Refuse Verilog that could do anything but compute.

    Args:
        text: Verilog or SystemVerilog.
        name: what errors call it, such as its file name.

    Raises:
        AxdseError: it calls a system task that is no pure function, includes files, reaches out
            of its module, or hides something from this scan; the construct and its line are named.
    """
    for what, why, start in _offences(text):
        line = text.count("\n", 0, start) + 1
        shown = what if len(what) <= _LONGEST_SHOWN else f"{what[:_LONGEST_SHOWN]}..."
        raise AxdseError(
            f"the RTL {name} computes and does nothing else",
            f"line {line}: {shown} {why}",
            "remove it",
        )


Offence = tuple[str, str, int]


def _offences(text: str) -> Iterator[Offence]:
    control = _CONTROL.search(text)
    if control:
        yield (
            ascii(control[0]),
            "is a control character, which tools read differently",
            control.start(),
        )
    macros = _macros(text)
    found = []
    for token in tokens(text):
        found.append(token)
        if token.kind in ("open", "quote"):  # never closed: what follows is anybody's guess
            break
    if text.count("`define") != len(_DEFINE.findall(text)):
        yield "`define", "has a form that this scan cannot follow", text.index("`define")
    for token in found:
        yield from _lexical(token, macros)
    if macros.names:
        yield from _hidden(text, macros)
        if expanded_words(text) > MOST_WORDS:
            why = f"makes the text longer than {MOST_WORDS} words, or has no end"
            yield "`define", why, text.index("`define")
    yield from _wide(found)
    yield from _pasted(text, found, macros)
    yield from _outward(found)


def _macros(text: str) -> _Macros:
    found = list(_DEFINE.finditer(text))
    parameters = re.findall(r"\w+", " ".join(match[3] or "" for match in found))
    return _Macros(
        frozenset(match[1] for match in found),
        frozenset(match[1] for match in found if match[2]),
        frozenset(parameters),
    )


def _lexical(token: Token, macros: _Macros) -> Iterator[Offence]:
    """What one token tells by itself."""
    text, start = token.text, token.start
    word = text.lstrip("\\`$")
    if token.kind in ("open", "quote"):
        yield text, "is never closed", start
    elif token.kind not in ("comment", "string") and not text.isascii():
        yield text, "has letters that Verilog knows in comments and strings alone", start
    elif token.kind == "paste":
        yield text, "builds names that no scan can see", start
    elif token.kind == "escaped" and _ODD_ESCAPE.search(text[1:]):
        yield text, "is a name that tools read in different ways", start
    elif token.kind == "system" and word not in FUNCTIONS:
        yield text, "is not a pure function", start
    elif token.kind == "macro" and not _known_macro(word, macros):
        yield text, "is no directive of a self-contained text, nor a macro that it defines", start
    elif token.kind in ("word", "escaped", "macro") and word.lower().startswith(BENCH_PREFIXES):
        yield text, "is a name of the test bench", start
    elif token.kind == "word" and word in FORBIDDEN_WORDS:
        yield text, FORBIDDEN_WORDS[word], start


def _wide(found: list[Token]) -> Iterator[Offence]:
    """A few digits that are gigabytes to a tool."""
    for size, base in itertools.pairwise(found):
        digits = size.text.replace("_", "").lstrip("0")
        sized = base.kind == "number" and base.text.startswith("'") and digits.isdigit()
        if sized and (len(digits), digits) > (len(str(WIDEST_NUMBER)), str(WIDEST_NUMBER)):
            yield size.text, f"is a number of more than {WIDEST_NUMBER} bits", size.start


def _known_macro(name: str, macros: _Macros) -> bool:
    if name in macros.parameters:
        return False
    return name in DIRECTIVES or name in macros.names


def _hidden(text: str, macros: _Macros) -> Iterator[Offence]:
    """Where there are macros, comments and strings count too, and so do parts of names."""
    for match in re.finditer(r"\$(\w*)", text):
        name = match[1]
        if name not in FUNCTIONS or name in macros.parameters | macros.names:
            yield match[0], "in a text with macros is not surely a pure function", match.start()
    for match in re.finditer("|".join(BENCH_PREFIXES), text, re.IGNORECASE):
        yield match[0], "is a name of the test bench", match.start()
    for match in re.finditer(r"\w[$]|`(?:include|pragma|line)\b", text):
        yield match[0], "in a text with macros is not safe", match.start()
    for match in _DEFINE.finditer(text):
        if match[1] in DIRECTIVES | {"include", "pragma", "line"}:
            yield match[0], "redefines a directive", match.start()


def _pasted(text: str, tokens: list[Token], macros: _Macros) -> Iterator[Offence]:
    """Names that arise where a macro meets its neighbours without a space."""
    closing = _closing(text)
    for index, token in enumerate(tokens):
        before = text[token.start - 1] if token.start else " "
        if token.kind == "macro" and _GLUE.match(before):
            previous = tokens[index - 1]
            if not _BASE.fullmatch(previous.text):
                yield previous.text + token.text, "builds a name that no scan can see", token.start
        if token.kind == "macro" and token.text[1:] in macros.callable:
            end = _call_end(text, token.end, closing)
            if _GLUE.match(text[end : end + 1]):
                yield text[token.start : end + 1], "builds a name that no scan can see", end
        if token.kind == "comment" and re.match(r"\w/\*.*\*/\w", _around(text, token), re.DOTALL):
            yield token.text, "may join two names into one", token.start


def _around(text: str, token: Token) -> str:
    return text[max(0, token.start - 1) : token.end + 1]


def _closing(text: str) -> dict[int, int]:
    """The place of the parenthesis that closes each one, by that of the other."""
    found, open_ = dict[int, int](), list[int]()
    for match in re.finditer(r"[()]", text):
        if match[0] == "(":
            open_.append(match.start())
        elif open_:
            found[open_.pop()] = match.start()
    return found


def _call_end(text: str, start: int, closing: dict[int, int]) -> int:
    """The end of the parenthesis that follows, or `start`."""
    opening = re.compile(r"\s*\(").match(text, start)
    return closing.get(opening.end() - 1, len(text) - 1) + 1 if opening else start


def _outward(tokens: list[Token]) -> Iterator[Offence]:
    """`name.inner` where the module has no such name: the simulator looks for it outside."""
    code = [token for token in tokens if token.kind != "comment"]
    dots = (at for at, token in enumerate(code) if token.kind == "dot")
    opening = _opening(code)
    heads = {head for at in dots if (head := _head(code, at, opening))}
    own: set[str] = set()
    dotted: list[Token] = []
    for index, token in enumerate(code):
        if token.text in ("module", "endmodule"):
            yield from _unknown(dotted, own)
            own, dotted = set(), []
        elif token in heads:
            dotted.append(token)
        elif token.kind in ("word", "escaped") and code[index - 1].kind != "dot":
            own.add(token.text)
    yield from _unknown(dotted, own)


def _opening(code: list[Token]) -> dict[int, int]:
    """The place of the bracket that opens each one, by that of the other."""
    found, open_ = dict[int, int](), list[int]()
    for at, token in enumerate(code):
        if token.text == "[":
            open_.append(at)
        elif token.text == "]" and open_:
            found[at] = open_.pop()
    return found


def _head(code: list[Token], dot: int, opening: dict[int, int]) -> Token | None:
    """The name before a dot, its index aside; None at a named port or inside a longer path."""
    at = dot - 1
    while at >= 0 and code[at].text == "]":
        at = opening.get(at, 0) - 1
    named = at >= 0 and code[at].kind in ("word", "escaped", "macro")
    return code[at] if named and (not at or code[at - 1].kind != "dot") else None


def _unknown(dotted: list[Token], module: set[str]) -> Iterator[Offence]:
    for token in dotted:
        if token.text not in module:
            yield f"{token.text}.", "reaches out of its module", token.start
