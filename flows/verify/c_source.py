"""What does a C file say of itself? Its functions and its author's figures."""

import math
import re
from dataclasses import dataclass
from pathlib import Path

from axdse.multipliers.designs.family import Published
from axdse.multipliers.errors import AxdseError, did_you_mean
from axdse.multipliers.files import LARGEST_SOURCE, InputFile, without_comments
from axdse.multipliers.names import check_name

_TYPE = (
    r"(?:u?int(?:8|16|32|64)_t|unsigned[ ]+(?:char|short|int|long[ ]+long|long)|unsigned|short"
    r"|long[ ]+long|long|int|float)"
)
_PARAMETER = rf"(?:const\s+)?({_TYPE})\s+(?:const\s+)?(\w+)\s*"
_DEFINITION = re.compile(
    rf"((?:\b(?:static|inline|__inline__|__device__|__host__|__forceinline__|const)\s++){{0,9}}+)"
    rf"\b({_TYPE})\s+(\w+)\s*\(\s*{_PARAMETER},\s*{_PARAMETER}\)\s*\{{"
)
# The header lines of EvoApproxLib, such as "// PDK45_AREA = 709.6 um2".
_FIGURE = re.compile(
    r"^[ \t]*(?://|\*)[ \t]*([A-Za-z]\w{0,63}%?)[ \t]*="
    r"[ \t]*(-?\d+(?:\.\d*)?(?:e-?\d+)?)[ \t]*+((?![\d.])[!-~]{0,32}+)[ \t]*+$",
    re.MULTILINE | re.ASCII,
)


@dataclass(frozen=True)
class Prototype:
    """A C function of two operands.

    Attributes:
        function: its name.
        returns: the type of its result.
        types: those of its parameters.
        names: of its parameters, in order.
        private: declared static or inline, so meant for other functions of the file.
    """

    function: str
    returns: str
    types: tuple[str, str]
    names: tuple[str, str]
    private: bool

    @property
    def takes_floats(self) -> bool:
        """Whether it is `float f(float, float)`."""
        return set(self.types) | {self.returns} == {"float"}

    @property
    def signed(self) -> bool:
        """Whether its parameters are signed integers."""
        return not self.types[0].startswith("u")

    def __str__(self) -> str:
        (first, second), (a, b) = self.types, self.names
        return f"{self.returns} {self.function}({first} {a}, {second} {b})"


def find_prototype(path: Path, function: str = "") -> Prototype:
    """Find the multiplier in a C file.

    It is `function` if given; else the one named as the file; else the only one; else the only
    one that no other function of the file calls.

    Raises:
        AxdseError: there is none, it cannot be told, or its name is no plain identifier.
    """
    text = without_comments(read_source(path, "a C model is a readable file"))
    prototype = _chosen(path, text, function)
    check_name(prototype.function, "functions", "C")
    return prototype


def _chosen(path: Path, text: str, function: str) -> Prototype:
    every = _prototypes(text)
    found = {prototype.function: prototype for prototype in every}
    if len(found) < len(every):
        twice = next(p.function for p in every if found[p.function] is not p)
        raise AxdseError(
            "a function is defined once", f"{twice} in {path.name}", "drop the others"
        )
    if function and function not in found:
        rule = f"{path.name} has no such function of two operands"
        raise AxdseError(rule, function, did_you_mean(function, found))
    wanted = function or path.stem
    if wanted in found:
        return found[wanted]
    public = [prototype for prototype in found.values() if not prototype.private]
    uncalled = [p for p in public if len(re.findall(rf"\b{p.function}\b", text)) == 1]
    for choice in (public, uncalled):
        if len(choice) == 1:
            return choice[0]
    raise AxdseError(
        f"{path.name} defines {wanted}(a, b) of two integers, or just one such",
        ", ".join(p.function for p in public) or "none found",
        "name it with --function" if public else "rename the file or the function",
    )


def _prototypes(text: str) -> list[Prototype]:
    """Functions of two operands of one type; a mix of floats and integers is none."""
    found = []
    for match in _DEFINITION.finditer(text):
        modifiers, returns, function, first, a, second, b = match.groups()
        private = "static" in modifiers or "inline" in modifiers.split()
        prototype = Prototype(function, returns, (first, second), (a, b), private)
        floats = {kind == "float" for kind in (returns, first, second)}
        if len(floats) == 1:
            found.append(prototype)
    return found


def published_figures(path: Path) -> tuple[Published, ...]:
    """The figures in the header comment of an EvoApproxLib file; none elsewhere."""
    head = read_source(path, "a C model is a readable file").partition("{")[0]
    return tuple(
        Published(name, float(value), unit)
        for name, value, unit in _FIGURE.findall(head)
        if math.isfinite(float(value))
    )


def read_source(path: Path, rule: str) -> str:
    """Return the text of a source file.

    Raises:
        AxdseError: it is missing, or not UTF-8; `rule` says what it should be.
    """
    return InputFile(path, rule, LARGEST_SOURCE).text()
