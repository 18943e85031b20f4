"""How is any text shown? Nothing in it is obeyed, all of it is seen."""

import unicodedata

# Control, format (bidi overrides, zero width), surrogate, private and unassigned characters, and
# separators of lines: a terminal obeys them, or shows something else than what is there.
_UNSHOWN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def printable(text: str) -> str:
    r"""Return the text with what a terminal would obey as escapes, such as `\x1b`.

    Line ends too, see `printable_lines`.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_shown, text))


def printable_lines(text: str) -> str:
    """As `printable`, line by line."""
    return "\n".join(map(printable, text.split("\n")))


def printable_json(text: str) -> str:
    r"""Return JSON that says the same with such characters as `\u` escapes; line ends stay."""
    if text.isascii() and "\x7f" not in text:
        return text  # JSON itself escapes the others
    return "\n".join("".join(map(_json_escaped, line)) for line in text.split("\n"))


def _shown(character: str) -> str:
    if unicodedata.category(character) not in _UNSHOWN:
        return character
    return character.encode("unicode_escape").decode()


def _json_escaped(character: str) -> str:
    if unicodedata.category(character) not in _UNSHOWN:
        return character
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
