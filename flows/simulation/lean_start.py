"""How does cocotb start in half the time? Without pytest, of which our test uses nothing.

Version 2.1 of cocotb imports it for three names: the exception of `pytest.raises`, and a hook for
asserts with its configuration, which `COCOTB_REWRITE_ASSERTION_FILES` turns off too late to spare
their import.
"""

import sys
from types import ModuleType, SimpleNamespace

# What cocotb calls by default, with ours before it; not the coverage of its own library.
ENTRIES = (
    f"{__name__}:without_pytest",
    "cocotb.logging:_configure",
    "cocotb._init:init_package_from_simulation",
    "cocotb.regression:_run_regression",
)


def without_pytest() -> None:
    """Let the imports of this process find the three names alone."""
    stand_ins: dict[str, dict[str, object]] = {
        "pytest": {"raises": SimpleNamespace(Exception=AssertionError)},
        "_pytest.assertion": {"install_importhook": None},
        "_pytest.config": {"Config": None},
    }
    for name, names in stand_ins.items():
        module = ModuleType(name)
        vars(module).update(names)
        sys.modules[name] = module
