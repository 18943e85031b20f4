"""What are the units and numbers of a Liberty file?"""

import math
import re
from dataclasses import dataclass
from pathlib import Path

from axdse.flows.liberty.syntax import Group
from axdse.multipliers.errors import AxdseError

PREFIXES = {"": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15, "a": 1e-18}
NUMBER = r"\d*\.?\d+(?:[eE][+-]?\d+)?|\d+\."
UNIT = re.compile(rf"\s*({NUMBER})\s*([munpfa]?)(s|V|W|f|F)\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Units:
    """What one unit of the file is in ours.

    Attributes:
        time_ns: of times.
        capacitance_pf: of capacitances.
        energy_fj: of internal energy: capacitance x voltage squared.
        leakage_nw: of leakage power; 0 if the file does not tell.
    """

    time_ns: float
    capacitance_pf: float
    energy_fj: float
    leakage_nw: float


def read_units(head: Group, path: Path) -> Units:
    """Read the units that the library states.

    Raises:
        AxdseError: one is no number with a unit of that quantity.
    """

    def unit(name: str, default: str, quantity: str) -> float:
        text = head.attribute(name, default)
        found = UNIT.fullmatch(text)
        if not found or found[3].lower() != quantity or not float(found[1]):
            raise AxdseError(
                f"{name} of a Liberty library is a number and a unit, such as {default}",
                f"{text!r} in {path}",
                "correct the library",
            )
        return float(found[1]) * PREFIXES[found[2].lower()]

    number, symbol = (head.values("capacitive_load_unit") or ("1", "pf"))[:2]
    capacitance = UNIT.fullmatch(f"{number}{symbol}")
    if not capacitance or capacitance[3].lower() != "f" or not float(capacitance[1]):
        rule = "capacitive_load_unit of a Liberty library is a number and a unit, such as (1,pf)"
        raise AxdseError(rule, f"({number},{symbol}) in {path}", "correct the library")
    farads = float(capacitance[1]) * PREFIXES[capacitance[2].lower()]
    volts = unit("voltage_unit", "1V", "v")
    tells_leakage = head.attribute("leakage_power_unit")
    return Units(
        time_ns=_exact(unit("time_unit", "1ns", "s") * 1e9),
        capacitance_pf=_exact(farads * 1e12),
        energy_fj=_exact(farads * volts * volts * 1e15),
        leakage_nw=_exact(unit("leakage_power_unit", "1nW", "w") * 1e9) if tells_leakage else 0.0,
    )


def _exact(value: float) -> float:
    """Without the noise of products of powers of ten."""
    return float(f"{value:.12g}")


def number_of(text: str) -> float:
    """Return the number that an attribute begins with; 0 if it is not there.

    Raises:
        AxdseError: it begins with something else.
    """
    try:
        number = float(text.split()[0]) if text else 0.0
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        rule = "an attribute of a Liberty library must be a number"
        raise AxdseError(rule, text, "correct the library")
    return number


def size_of(group: Group, name: str) -> float:
    """Return an attribute that is at least 0; 0 if it is not there.

    Raises:
        AxdseError: it is below, or no number.
    """
    text = group.attribute(name)
    try:
        number = number_of(text)
    except AxdseError:
        number = -1.0
    if number < 0:
        place = f"{text} of {group.name} {' '.join(group.arguments)}"
        rule = f"{name} in a Liberty library is a number from 0"
        raise AxdseError(rule, place, "correct the library")
    return number
