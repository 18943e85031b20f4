"""How many cores are there to use?"""

import os


def cores() -> int:
    """Number of cores this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(allowed(0)) if allowed else os.cpu_count() or 1
