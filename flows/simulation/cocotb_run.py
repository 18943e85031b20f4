"""What does cocotb need to drive a simulator that we start? Its library, and some variables.

cocotb's own runner takes a process that imports it, 0.2 s more for each simulation: it exits the
interpreter on failure, has no time limit, and obeys variables that pytest sets. The variables are
those of cocotb's documentation of custom flows (2.1).
"""

import functools
import os
import sys
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path

from axdse.flows.simulation.lean_start import ENTRIES
from axdse.multipliers.errors import AxdseError

RESULTS = "results.xml"
# What would steer cocotb otherwise.
FOREIGN_VARIABLES = ("COCOTB_", "GPI_", "PYGPI_", "PYTEST_", "SIM_CMD_", "WAVES", "GUI")


def cocotb_library(simulator: str) -> str:
    """The library that a simulator loads as its VPI module."""
    from cocotb_tools import config

    return str(config.lib_entry("vpi", simulator))


def cocotb_environment(folder: Path) -> dict[str, str]:
    """All variables of a simulation that runs `axdse.flows.simulation.testbench` on `rtl_bench`.

    Raises:
        AxdseError: this Python has no shared library.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN_VARIABLES)}
    modules = (str(Path(place).absolute()) for place in sys.path if place)
    return kept | {
        "PYTHONPATH": os.pathsep.join(modules),
        "PYGPI_PYTHON_BIN": sys.executable,
        "GPI_USERS": _entry_points(),
        "PYGPI_USERS": ",".join(ENTRIES),
        "TOPLEVEL_LANG": "verilog",
        "COCOTB_TOPLEVEL": "rtl_bench",
        "COCOTB_TEST_MODULES": "axdse.flows.simulation.testbench",
        "COCOTB_RESULTS_FILE": str(folder / RESULTS),
        "COCOTB_LOG_LEVEL": "WARNING",
        # The test asserts nothing.
        "COCOTB_REWRITE_ASSERTION_FILES": "",
    }


@functools.cache
def _entry_points() -> str:
    """What the simulator loads: Python, then cocotb in it."""
    import find_libpython

    python = os.environ.get("LIBPYTHON_LOC") or find_libpython.find_libpython()
    if python is None:
        raise AxdseError(
            "cocotb needs Python as a shared library",
            f"none of {sys.executable}",
            "apt-get install libpython3-dev, or build Python with --enable-shared",
        )
    package = find_spec("cocotb")
    places = package.submodule_search_locations if package else None
    module = PathFinder.find_spec("simulator", places)  # without importing cocotb: 0.2 s
    if module is None or module.origin is None:
        raise AxdseError("simulations are driven by cocotb", "it is missing", "pip install cocotb")
    return f"{python};{Path(module.origin).resolve()},initialize"
