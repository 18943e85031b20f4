"""What does a user see when input is bad? One line: a rule, the value that breaks it, a remedy.

Nothing in a text that is shown is obeyed, and all of it is seen.
"""

import difflib
import unicodedata
from collections.abc import Iterable

# Control, format (bidi overrides, zero width), surrogate, private and unassigned characters, and
# separators of lines: a terminal obeys them, or shows something else than what is there.
_UNSHOWN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
LONGEST = 500  # characters of a message; a value may be of any size
LONGEST_RULE, LEAST_VALUE = 200, 80
GAP = "[...]"
_SPACES = str.maketrans("\t\n\r", "   ")


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


class AxdseError(Exception):
    """Bad input. The command line prints it as one line and exits with code 2.

    Attributes:
        rule: what must hold.
        value: what was given instead.
        remedy: what to do about it.
    """

    def __init__(self, rule: str, value: object, remedy: str) -> None:
        super().__init__(rule, value, remedy)  # all three, so that it crosses processes
        self.rule = rule
        self.value = value
        self.remedy = remedy

    def __str__(self) -> str:
        rule, value, remedy = map(_line, (self.rule, self.value, self.remedy))
        rule = _cut(rule, LONGEST_RULE)
        room = LONGEST - len(f"{rule}: ; ")
        remedy = _cut(remedy, room - min(len(value), LEAST_VALUE))
        return f"{rule}: {_cut(value, room - len(remedy))}; {remedy}"


def _line(part: object) -> str:
    # In this order: split() takes some control characters for spaces.
    return " ".join(printable(_cut(str(part), 4 * LONGEST).translate(_SPACES)).split())


def _cut(text: str, length: int) -> str:
    """The text, without its middle if it is longer."""
    if len(text) <= length:
        return text
    tail = (length - len(GAP)) // 2
    return f"{text[: length - len(GAP) - tail]}{GAP}{text[-tail:]}"


class MachineError(AxdseError):
    """The machine failed, not the input: no room, no memory, a killed process.

    Nothing is known of the input: the same work may succeed once the remedy is done.
    """


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return the remedy for a misspelt `word`: the nearest choice, or all of them."""
    known = sorted(choices)
    if not known:
        return "leave it out"
    near = difflib.get_close_matches(word[:LONGEST], known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(known)}"
