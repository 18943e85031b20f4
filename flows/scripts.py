"""What are scripts of hardware tools made of? Names, paths and the RTL that they read.

Yosys, ABC and OpenSTA each split and quote in a way of their own, and run commands: nothing that
any of them takes for more than a word comes into a script, and RTL only what computes.
"""

import re
from pathlib import Path

from axdse.flows.verilog.safety import refuse_unsafe
from axdse.multipliers.designs.rtl_text import LONGEST_TOP, Rtl
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.names import check_name

RTL_FILE = "rtl.v"
_PLAIN = re.compile(r"[A-Za-z0-9_./+@%=,~-]+", re.ASCII)
# A text without any of these needs no scan to be known to do nothing but compute in Yosys, which
# knows no paths to other modules. It takes a tenth of the time that a fast cost takes.
_SIGNS = re.compile(
    r"[^\t\n -~]|[`$\\\"]|import|export|bind|config|library|program|force|release|rtl_bench|axdse",
    re.IGNORECASE,
)


def script_word(value: str | Path) -> str:
    """Return the name of a module, port or cell, or a path, as it stands in any script.

    Raises:
        AxdseError: some tool would take it for more than one word.
    """
    if isinstance(value, str):
        return check_name(value, "modules and ports", "Verilog", LONGEST_TOP)
    if not is_plain(value):
        raise AxdseError(
            "hardware tools are given paths of letters, digits and _ . / + @ % = , ~ -",
            value,
            "set TMPDIR to such a folder",
        )
    return str(value)


def is_plain(path: Path) -> bool:
    """Whether every tool takes the path for one word."""
    return bool(_PLAIN.fullmatch(str(path)))


def program_word(program: Path, folder: Path) -> str:
    """The word that starts a program from a script in `folder`, which gets a link if need be.

    A plain path stays: some programs look for others beside themselves.

    Raises:
        AxdseError: the folder has no plain path either.
        OSError: there is a link of that name.
    """
    if is_plain(program):
        return str(program)
    (folder / "program").symlink_to(program)
    return script_word(folder / "program")


def write_rtl(rtl: Rtl, folder: Path) -> None:
    """Put a design where scripts look for it, `rtl.v`.

    Raises:
        AxdseError: the RTL could do more than compute, see `refuse_unsafe`.
    """
    if _SIGNS.search(rtl.text):
        refuse_unsafe(rtl.text, rtl.top)
    (folder / RTL_FILE).write_text(rtl.text)
