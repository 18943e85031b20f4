"""What are the words of a Verilog text, before and after its directives?"""

import re
from collections.abc import Iterator
from typing import NamedTuple

_TOKEN = re.compile(
    r"""(?P<comment>//[^\r\n]*|/\*.*?\*/)
    |(?P<open>/\*.*)
    |(?P<string>"(?:\\[^\r\n]|[^"\\\r\n])*")
    |(?P<quote>")
    |(?P<paste>``|`["\\])
    |(?P<macro>`\w[\w$]*)
    |(?P<escaped>\\[^\s]+)
    |(?P<system>\$[\w$]*)
    |(?P<word>[A-Za-z_][\w$]*)
    |(?P<number>\d[\w.]*|'[sS]?[bodhBODH][\w?]*)
    |(?P<dot>\.)
    |(?P<other>[^\s])""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)


class Token(NamedTuple):
    """A word of Verilog.

    Attributes:
        kind: comment, string, macro, escaped, system, word, number, dot or other; open and quote
            if it never ends, paste if it builds another one.
        text: as it stands.
        start: its place in the text.
    """

    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        """The place behind it."""
        return self.start + len(self.text)


def tokens(text: str) -> Iterator[Token]:
    """Split Verilog (IEEE 1800-2017, clause 5) before any preprocessing; white space is left out.

    All classes are ASCII: to a tool that reads bytes no other character is a space.
    """
    for match in _TOKEN.finditer(text):
        yield Token(str(match.lastgroup), match[0], match.start())


_NAME = re.compile(r"[A-Za-z_][\w$]*", re.ASCII)
_REST_OF_LINE = re.compile(r"(?:\\\r?\n|[^\n])*")
_WITH_NAME = ("`ifdef", "`ifndef", "`elsif", "`undef")
_WITH_LINE = ("`timescale", "`default_nettype", "`begin_keywords")
_ALONE = ("`else", "`endif", "`celldefine", "`endcelldefine", "`resetall", "`end_keywords")
_LONGEST_MACRO, _MOST_EXPANDED = 200, 200_000  # words


def code_tokens(text: str) -> Iterator[Token]:
    """Split Verilog into what is left of it without comments, attributes and directives.

    All branches of an `ifdef` are there, one after the other: see `conditionals.left_for`. For a
    macro its body stands, without the names of its parameters, before its arguments; the macro
    itself, if that is too long.
    """
    skipped, named, attribute, left = 0, False, False, _MOST_EXPANDED
    macros: dict[str, list[Token]] = {}
    for token in tokens(text):
        if token.kind == "comment" or token.start < skipped:
            continue
        if named:
            named = False
        elif attribute:
            attribute = not text.startswith("*)", token.start)
            skipped = token.start + 2
        elif text.startswith("(*", token.start) and not re.compile(r"\(\*\s*\)").match(
            text, token.start
        ):
            attribute, skipped = True, token.start + 2
        elif token.text == "`define":
            skipped = end_of_line(text, token)
            macros |= _macro(text[token.end : skipped], macros)
        elif token.text in _WITH_LINE:
            skipped = end_of_line(text, token)
        elif token.text in _WITH_NAME:
            named = True
        elif token.kind == "macro" and token.text not in _ALONE:
            body = macros.get(token.text, [token])
            left -= len(body)
            for part in body if left > 0 else [token]:
                yield part._replace(start=token.start)
        elif token.kind == "escaped" and _NAME.fullmatch(token.text, 1):
            # \\name is name.
            yield token._replace(kind="word", text=token.text[1:])
        elif token.text not in _ALONE:
            yield token


def end_of_line(text: str, token: Token) -> int:
    """Return the end of the line of a directive, with those that it goes on in."""
    rest = _REST_OF_LINE.match(text, token.end)
    return rest.end() if rest else len(text)


def _macro(definition: str, macros: dict[str, list[Token]]) -> dict[str, list[Token]]:
    head = re.match(r"\s*(\w+)(\([^)]*\))?", definition)
    if head is None:
        return {}
    parameters = set(re.findall(r"\w+", head[2] or ""))
    body = [
        part
        for token in tokens(definition[head.end() :].replace("\\\n", " ").replace("\\\r\n", " "))
        if token.kind != "comment" and token.text not in parameters
        for part in macros.get(token.text, [token])
    ]
    name = f"`{head[1]}"
    return {name: body if len(body) <= _LONGEST_MACRO else [Token("macro", name, 0)]}
