"""How is C code of this package loaded? As a shared library, cached by its content."""

import ctypes
import functools
from pathlib import Path

from axdse.multipliers.sandbox.compiler import OUR_C, Recipe, build_cached

FOLDER = Path(__file__).parent
FLAGS = ("-std=gnu11", "-O2", "-fPIC", "-Wall", "-Wextra", "-Werror")


@functools.cache
def native(name: str) -> ctypes.CDLL:
    """Load a C file of this package, such as `power/activity.c`.

    Raises:
        AxdseError: the compiler is missing or fails.
    """
    return ctypes.CDLL(str(native_file(name)))


def native_file(name: str) -> Path:
    """Compile a C file of this package, or return what was compiled before.

    Raises:
        AxdseError: the compiler is missing or fails.
    """
    source = FOLDER / name
    return build_cached(source, Recipe("native", ".so", FLAGS, ("-shared",), source.name, OUR_C))
