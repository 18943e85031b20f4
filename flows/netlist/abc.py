"""Stage 6, cost: ABC without the system calls that take up to half of its time."""

import os

from axdse.flows.native import native_file


def abc_environment() -> dict[str, str]:
    """Variables for a process that runs ABC, itself or in a child: see `quiet_clock.c`.

    Raises:
        AxdseError: the compiler is missing or fails.
    """
    clock, others = native_file("netlist/quiet_clock.c"), os.environ.get("LD_PRELOAD", "").split()
    return {**os.environ, "LD_PRELOAD": " ".join([str(clock), *others])}
