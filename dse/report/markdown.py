"""How does text stand in Markdown as it is? No emphasis, no link, no HTML, no formula."""

import re

from axdse.multipliers.errors import printable

_MARK = re.compile(r"[\\`*\[\]|~!]|(?<!\w)_|_(?!\w)")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "$": "&#36;", "@": "&#64;"}
# What GitHub makes links of without being asked.
_LINK = re.compile(r"(?:(?<=\w)(:)(?=//))|(?:(?<=www)(\.))", re.IGNORECASE)
# At the start of a line a heading, a rule or a list; a number such as 0.1.0 is none of them.
_BLOCK = re.compile(r"(\d{0,9})(#{1,6}|[+.)-])(?=\s|$)|()([=-]+)(?=\s*$)")


def markdown(text: str) -> str:
    """Return Markdown that shows a text in one line, also at the start of one."""
    text = printable(" ".join(text.split()))
    text = _LINK.sub(lambda found: f"&#{ord(found[0])};", _escaped(text))
    return _BLOCK.sub(r"\1\3\\\2\4", text, count=1) if _BLOCK.match(text) else text


def _escaped(text: str) -> str:
    text = "".join(_ENTITIES.get(character, character) for character in text)
    return _MARK.sub(lambda found: f"\\{found[0]}", text)
