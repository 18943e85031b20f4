"""The one error that users see: a rule, the value that breaks it, and the remedy."""

import difflib
from collections.abc import Iterable
from pathlib import Path

from axdse.multipliers.printable import printable

_SPACES = str.maketrans("\t\n\r", "   ")


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
        # In this order: split() takes some control characters for spaces.
        text = f"{self.rule}: {self.value}; {self.remedy}".translate(_SPACES)
        return " ".join(printable(text).split())


class MachineError(AxdseError):
    """The machine failed, not the input: no room, no memory, a killed process.

    Nothing is known of the input: the same work may succeed once the remedy is done.
    """


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return the remedy for a misspelt `word`: the nearest choice, or all of them."""
    known = sorted(choices)
    if not known:
        return "leave it out"
    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(known)}"


def unreadable(rule: str, path: Path, error: OSError | UnicodeDecodeError) -> AxdseError:
    """The error for a text file that cannot be read, or is no UTF-8."""
    if isinstance(error, OSError):
        return AxdseError(rule, f"{path} ({error.strerror})", "check the path")
    return AxdseError(rule, f"{path} (line {_line_of(error)} is not UTF-8)", "save it as UTF-8")


def _line_of(error: UnicodeDecodeError) -> int:
    return error.object.count(b"\n", 0, error.start) + 1
