"""How is a program run so that its time, memory and output have an end?

Output goes to memory files that stop growing at a limit; a pipe would fill the reader's memory.
"""

import contextlib
import math
import os
import select
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from axdse.multipliers.sandbox.fence import fenced, limited

COMPILER_MEMORY_BYTES = 2 << 30
COMPILER_OUTPUT_BYTES = 64 << 20
# What a compiler would compile something else by, write beside its output, or colour its messages.
_STEERING = (
    "CPATH C_INCLUDE_PATH CPLUS_INCLUDE_PATH OBJC_INCLUDE_PATH LIBRARY_PATH COMPILER_PATH "
    "GCC_EXEC_PREFIX GCC_COLORS GCC_COMPARE_DEBUG DEPENDENCIES_OUTPUT SUNPRO_DEPENDENCIES "
    "SOURCE_DATE_EPOCH CCC_OVERRIDE_OPTIONS CCC_ADD_ARGS LD_RUN_PATH"
)
STEERING = frozenset(_STEERING.split())


@dataclass(frozen=True)
class Ended:
    """What came of a program.

    Attributes:
        code: exit code; negative: the number of the signal that ended it.
        output: what it wrote to standard output.
        message: what it wrote to standard error.
    """

    code: int
    output: bytes
    message: bytes


def run_confined(call: Sequence[str], operands: bytes, limit_s: float) -> Ended:
    """Run a launcher that sets the limits itself.

    Raises:
        TimeoutError: it did not end; it is dead now.
        OSError: it does not start.
    """
    with _memory_file(operands) as given, _memory_file() as output, _memory_file() as message:
        process = subprocess.Popen(call, stdin=given, stdout=output, stderr=message)
        code = _wait(process, limit_s)
        return Ended(code, _content(output), _content(message))


def unsteered() -> dict[str, str]:
    """The environment, without what would steer a compiler, which speaks English in it."""
    kept = {name: value for name, value in os.environ.items() if name not in STEERING}
    return {**kept, "LC_ALL": "C"}


def run_compiler(
    call: Sequence[str], folder: Path, limit_s: float, readable: Sequence[Path] | None = None
) -> Ended:
    """Run a compiler, which can write in `folder` alone; nothing that it started outlives this.

    Args:
        call: program and arguments.
        folder: its working directory.
        limit_s: wall time, in seconds.
        readable: all that it can read beside `folder`; None: whatever this process can.

    Raises:
        TimeoutError: it did not end; it is dead now.
        OSError: it does not start.
    """
    environment = {**unsteered(), "TMPDIR": str(folder)}
    seconds = math.ceil(limit_s) + 1
    with _memory_file() as output, _memory_file() as message:

        def start() -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                limited(call, seconds, COMPILER_MEMORY_BYTES, COMPILER_OUTPUT_BYTES),
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=message,
                process_group=0,
            )

        process = fenced(start, [folder], readable)
        try:
            code = _wait(process, limit_s)
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        return Ended(code, _content(output), _content(message))


def ends_within(process: subprocess.Popen[bytes], limit_s: float) -> bool:
    """Wait for the end of a process; Popen.wait() with a limit polls, up to 50 ms apart."""
    descriptor = os.pidfd_open(process.pid)
    try:
        ended = select.poll()
        ended.register(descriptor, select.POLLIN)
        return bool(ended.poll(limit_s * 1000))
    finally:
        os.close(descriptor)


def _wait(process: subprocess.Popen[bytes], limit_s: float) -> int:
    try:
        if not ends_within(process, limit_s):
            raise TimeoutError
        return process.wait()
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def _memory_file(content: bytes = b"") -> Iterator[int]:
    descriptor = os.memfd_create("axdse", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


def _content(descriptor: int) -> bytes:
    with os.fdopen(os.dup(descriptor), "rb") as file:
        file.seek(0)
        return file.read()
