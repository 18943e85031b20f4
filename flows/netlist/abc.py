"""How is ABC run without the system calls that take up to half of its time?"""

import os

from axdse.flows.c_library import native_file
from axdse.flows.scripts import is_plain


def abc_environment() -> dict[str, str]:
    """Variables for a process that runs ABC, itself or in a child: see `quiet_clock.c`.

    Raises:
        AxdseError: the compiler is missing or fails.
    """
    clock, others = native_file("netlist/quiet_clock.c"), os.environ.get("LD_PRELOAD", "").split()
    # A list has no quotes: without the library ABC is slower, and right.
    own = [str(clock)] if is_plain(clock) else []
    return {**os.environ, "LD_PRELOAD": " ".join([*own, *others])}
