"""How is C code of this package loaded? As a shared library, cached by its content."""

import ctypes
import functools
from pathlib import Path

from axdse.flows.sources import source_files
from axdse.flows.tools import find_tool
from axdse.multipliers.cache import cached_file, digest, temporary_folder
from axdse.multipliers.errors import AxdseError

FLAGS = ("-std=gnu11", "-O2", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror")
TIME_LIMIT_S = 60


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
    (source,) = source_files(name)
    compiler = find_tool("cc")
    key = digest(source.read_bytes(), compiler.version, *FLAGS)
    return cached_file("native", f"{key}.so", lambda: _compiled(source))


def _compiled(source: Path) -> bytes:
    with temporary_folder() as folder:
        (folder / source.name).write_bytes(source.read_bytes())
        arguments = [*FLAGS, source.name, "-o", "native.so"]
        result = find_tool("cc").run(arguments, folder=folder, limit_s=TIME_LIMIT_S)
        if result.exit_code:
            reason = next(iter(result.log.splitlines()), f"exit code {result.exit_code}")
            raise AxdseError(f"{source.name} must compile", reason, "check the C compiler")
        return (folder / "native.so").read_bytes()
