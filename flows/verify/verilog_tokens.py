"""Stage 1, candidate: the words of a Verilog text."""

import re
from collections.abc import Iterator
from typing import NamedTuple

_TOKEN = re.compile(
    r"""(?P<comment>//[^\r\n]*|/\*.*?\*/)
    |(?P<open>/\*)
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
