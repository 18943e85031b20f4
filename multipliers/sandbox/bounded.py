"""How is a program run so that its time, memory, output and folders have an end?

Output goes to memory files that stop growing at a limit; a pipe would fill the reader's memory.
Compilers and simulators are not hostile, their input may be: a fence, see landlock(7), is put
around one thread, and all that the thread starts is inside it for ever.
"""

import contextlib
import ctypes
import errno
import math
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import TypeVar

T = TypeVar("T")
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same on every architecture
VERSION_QUERY, PATH_BENEATH = 1, 1
SET_NO_NEW_PRIVILEGES = 38
WRITE_FILE, READ_FILE, REMOVE_DIR, REFER, TRUNCATE = 1 << 1, 1 << 2, 1 << 4, 1 << 13, 1 << 14
WRITES = WRITE_FILE | sum(1 << bit for bit in range(4, 13))  # remove and make, of any kind
TCP, SIGNALS_AND_SOCKETS = 0b11, 0b11
ALWAYS_WRITABLE = Path("/dev/null")
COMPILER_MEMORY_BYTES = 2 << 30
COMPILER_OUTPUT_BYTES = 64 << 20
# What a compiler would compile something else by, write beside its output, or colour its messages.
_STEERING = (
    "CPATH C_INCLUDE_PATH CPLUS_INCLUDE_PATH OBJC_INCLUDE_PATH LIBRARY_PATH COMPILER_PATH "
    "GCC_EXEC_PREFIX GCC_COLORS GCC_COMPARE_DEBUG DEPENDENCIES_OUTPUT SUNPRO_DEPENDENCIES "
    "SOURCE_DATE_EPOCH CCC_OVERRIDE_OPTIONS CCC_ADD_ARGS LD_RUN_PATH"
)
STEERING = frozenset(_STEERING.split())


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("files", ctypes.c_uint64),
        ("network", ctypes.c_uint64),
        ("scopes", ctypes.c_uint64),
    )


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("descriptor", ctypes.c_int32))


def fence_version() -> int:
    """The version of the kernel's Landlock; 0: it has none, and there are no fences.

    From 4 on TCP is closed too, from 6 on signals and abstract sockets to the outside.
    """
    return max(0, _call(CREATE_RULESET, None, 0, VERSION_QUERY)) if sys.platform == "linux" else 0


def fenced(
    start: Callable[[], T], writable: Sequence[Path], readable: Sequence[Path] | None = None
) -> T:
    """Return `start()`, a call that starts a process, which can write beneath `writable` alone.

    With `readable`, files and folders, it can read these and `writable` and nothing else. Where
    the kernel has no Landlock, nothing holds the process back: see `fence_version`.

    Raises:
        OSError: the fence cannot be put up although the kernel has it.
    """
    version = fence_version()
    if not version:
        return start()
    answers: list[T] = []
    errors: list[OSError] = []

    def inside() -> None:
        try:
            _restrict(version, writable, readable)
            answers.append(start())
        except OSError as error:
            errors.append(error)

    thread = Thread(target=inside)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return answers[0]


def limited(command: Sequence[str], seconds: int, memory_bytes: int, file_bytes: int) -> list[str]:
    """Return a command that runs this one under limits, which all its children inherit.

    A shell sets them before the program starts: limits that are set on a running process come too
    late for what it has started. Those that would raise a limit are left as they are.

    Raises:
        OSError: there is no such program.
    """
    if shutil.which(command[0]) is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), command[0])
    # SIGXCPU comes first, and tells what SIGKILL would not.
    cpu = f"-S -t {seconds},-H -t {seconds + 1}"
    limits = f"-c 0,{cpu},-v {memory_bytes >> 10},-f {file_bytes >> 9}".split(",")
    script = "".join(f"ulimit {each} 2>/dev/null; " for each in limits)
    return ["/bin/sh", "-c", f'{script}exec "$@"', "sh", *command]


def _restrict(version: int, writable: Sequence[Path], readable: Sequence[Path] | None) -> None:
    """Restrict this thread; older kernels get the rules that they know."""
    writes = WRITES | (REFER if version >= 2 else 0) | (TRUNCATE if version >= 3 else 0)
    files = writes | (0 if readable is None else READ_FILE)
    rules = _Ruleset(files, TCP if version >= 4 else 0, SIGNALS_AND_SOCKETS if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = _checked(CREATE_RULESET, ctypes.byref(rules), size, 0)
    try:
        for path in writable:
            _allow(ruleset, path, files)
        for path in readable or ():
            _allow(ruleset, path, READ_FILE)
        _allow(ruleset, ALWAYS_WRITABLE, files & (WRITE_FILE | READ_FILE | TRUNCATE))
        if ctypes.CDLL(None, use_errno=True).prctl(SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
            raise _last_error()
        _checked(RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: Path, access: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = _Beneath(access, descriptor)
        _checked(ADD_RULE, ruleset, PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(descriptor)


def _call(number: int, *arguments: object) -> int:
    wide = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    return int(ctypes.CDLL(None, use_errno=True).syscall(ctypes.c_long(number), *wide))


def _checked(number: int, *arguments: object) -> int:
    answer = _call(number, *arguments)
    if answer < 0:
        raise _last_error()
    return answer


def _last_error() -> OSError:
    code = ctypes.get_errno()
    return OSError(code, os.strerror(code))


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
