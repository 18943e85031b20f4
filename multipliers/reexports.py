"""How does a package offer names of its modules without importing them all?"""

import importlib
from collections.abc import Callable, Mapping
from typing import Any

Homes = Mapping[str, str]


def lazily(package: str, homes: Homes) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` of a package, as PEP 562 has them.

    Args:
        package: its name.
        homes: for each name the module that has it, or `MODULE:NAME` where it is another there.
    """

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, _, other = homes[name].partition(":")
        return getattr(importlib.import_module(module), other or name)

    return get, lambda: sorted(homes)
