"""How does a stranger's program run? Started by `confine.c`, which lets it compute, no more.

One that crashes, never ends, eats memory or wants files becomes an error message.
"""

import ctypes
import errno
import math
import os
import platform
import signal
import sys
import time
from pathlib import Path

from axdse.multipliers.errors import AxdseError
from axdse.multipliers.machine import check_end, machine_failure, unwritable
from axdse.multipliers.sandbox.bounded import Ended, run_confined
from axdse.multipliers.sandbox.compiler import FLAGS, LINK, OUR_C, Recipe, build_cached

SOURCE = Path(__file__).with_name("confine.c")
CONFINED_MACHINES = {"x86_64": 317, "aarch64": 277}  # with the number of seccomp(2)
GET_ACTION_AVAILABLE, RETURN_KILL_PROCESS = 2, 0x80000000
ALLOW_SECCOMP = (
    "allow seccomp filters here: a kernel with CONFIG_SECCOMP_FILTER, a container whose profile "
    "lets seccomp(2) pass"
)
REFUSED, NO_SPACE, NARROW, NOT_CONFINED, NOT_STARTED = 101, 102, 103, 110, 111


class RefusedError(Exception):
    """The harness refused the model; the text names the operands."""


def seccomp_available() -> bool:
    """Whether this kernel, and the container around, let a process confine itself."""
    number = CONFINED_MACHINES.get(platform.machine())
    if sys.platform != "linux" or number is None:
        return False
    action = ctypes.c_uint32(RETURN_KILL_PROCESS)
    arguments = (number, GET_ACTION_AVAILABLE, 0)
    call = ctypes.CDLL(None).syscall
    return bool(call(*map(ctypes.c_long, arguments), ctypes.byref(action)) == 0)


def launcher() -> Path:
    """Compile `confine.c`, or return the cached program.

    Raises:
        AxdseError: this machine cannot confine a model, or does not compile.
    """
    if sys.platform != "linux" or platform.machine() not in CONFINED_MACHINES:
        raise AxdseError(
            "C models run confined, on Linux and 64-bit x86 or Arm",
            f"this is {sys.platform} on {platform.machine()}",
            "run axdse there, in a virtual machine or a container",
        )
    return build_cached(SOURCE, Recipe("confine", "", FLAGS, LINK, SOURCE.name, OUR_C))


def run(
    program: Path,
    arguments: list[str],
    design: str,
    limit_s: float,
    operands: bytes = b"",
    cpu_s: float | None = None,
) -> bytes:
    """Run a compiled harness and return its output.

    Args:
        program: the harness.
        arguments: that it takes, after its limit of time.
        design: what errors call it.
        limit_s: wall time, in seconds.
        operands: what it reads.
        cpu_s: processor time; None: as much.

    Raises:
        RefusedError: the harness refused the model; the text names the operands.
        AxdseError: the model crashes, does not end, or needs too much memory.
        MachineError: it was killed, or cannot start.
    """
    cpu_s = limit_s if cpu_s is None else cpu_s
    call = [str(launcher()), str(program), str(math.ceil(cpu_s)), *arguments]
    try:
        ended = _start(call, operands, limit_s)
    except TimeoutError as error:
        raise _endless(design, limit_s) from error
    except OSError as error:
        remedy = "set AXDSE_CACHE to a folder where programs may run"
        raise machine_failure(error) or unwritable(
            "cached programs must be runnable", program, error, remedy
        ) from error
    if ended.code == REFUSED:
        raise RefusedError(ended.message.decode(errors="replace"))
    if ended.code == -signal.SIGXCPU:
        raise _endless(design, cpu_s)
    if ended.code != 0:
        raise _crash(design, ended)
    return ended.output


def _start(call: list[str], operands: bytes, limit_s: float) -> Ended:
    """Run; a program that another thread's fork still holds open for writing is tried again."""
    for attempt in range(20):
        try:
            ended = run_confined(call, operands, limit_s)
            if ended.code == NOT_STARTED and ended.message.isdigit():
                raise OSError(int(ended.message), os.strerror(int(ended.message)))
            return ended
        except OSError as error:
            if error.errno != errno.ETXTBSY:
                raise
            time.sleep(0.01 * (attempt + 1))
    raise OSError(errno.ETXTBSY, os.strerror(errno.ETXTBSY))


def _endless(design: str, limit_s: float) -> AxdseError:
    return AxdseError(
        f"a C model must answer within {limit_s:g} s", design, "look for a loop that does not end"
    )


def _crash(design: str, ended: Ended) -> AxdseError:
    code = ended.code
    if code == NOT_CONFINED:
        reason = ended.message.decode(errors="replace") or "0"
        return AxdseError(
            "C models run confined",
            f"the kernel refuses ({os.strerror(int(reason)) if reason.isdigit() else reason})",
            ALLOW_SECCOMP,
        )
    if code == -signal.SIGSYS:
        return AxdseError(
            "a C model computes and does nothing else",
            f"{design} asked for a file, a process, a signal, a clock to wait for or the network",
            "remove that call",
        )
    # Our own limit of time sends another signal first.
    if -code in (signal.SIGKILL, signal.SIGTERM, signal.SIGXFSZ):
        check_end(f"the C model of {design}", code, "")
    if code == -signal.SIGXFSZ:
        return AxdseError(
            "a C model prints no more than its products", design, "remove its output"
        )
    if code == NARROW:
        return AxdseError(
            "operands must fit the parameters of the C model",
            f"those of {design} are too narrow",
            "declare them uint64_t",
        )
    if code == NO_SPACE:
        return AxdseError("a C model must fit 1 GiB of memory", design, "choose a narrower design")
    reason = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    if -code in (signal.SIGILL, signal.SIGTRAP):
        reason += " (an index past an array, or other undefined behaviour)"
    return AxdseError(
        "a C model must not crash", f"{design} ended with {reason}", "run it under a debugger"
    )
