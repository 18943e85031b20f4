"""Stage 2, C model: compile it with a harness, cached by content, and run it under limits.

The model runs in a process of its own, started by `confine.c`, which leaves it nothing but to
compute: one that crashes, never ends, eats memory or wants files becomes an error message.
"""

import errno
import functools
import hashlib
import logging
import math
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from axdse.multipliers.bounded import Ended, run_compiler, run_confined
from axdse.multipliers.cache import cache_dir, digest, temporary_folder, write_atomically
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.machine import check_end, machine_failure, unwritable

HERE = Path(__file__).parent
# Bounds: an index past an array ends the model, which would go on with what happens to lie there.
FLAGS = (
    "-std=gnu11",
    "-O2",
    "-fno-strict-aliasing",
    "-ffp-contract=off",
    "-fsanitize=bounds,shift-exponent",
    "-fsanitize-undefined-trap-on-error",
)
# A program that is all there needs to open nothing, and no plug-in reads a stranger's sections.
LINK = ("-static", "-s", "-fno-lto", "-lm")
CONFINED_MACHINES = ("x86_64", "aarch64")
COMPILE_LIMIT_S = 60
MESSAGE_CHARACTERS = 300
SEAL_BYTES = 32
REFUSED, NO_SPACE, NARROW, NOT_CONFINED, NOT_STARTED = 101, 102, 103, 110, 111
_INCLUDE = re.compile(rb"include")
_SYSTEM_INCLUDE = re.compile(rb"^[ \t]*#[ \t]*include[ \t]*<\w+\.h>", re.MULTILINE)
_CHECKER = re.compile(rb"\b(?:AXDSE|axdse)_\w*|\.incbin\b")
_CULPRIT = re.compile(r"error|undefined|out of memory|cannot find -l")
log = logging.getLogger(__name__)


class RefusedError(Exception):
    """The harness refused the model; the text names the operands."""


@functools.cache
def compiler() -> tuple[str, str]:
    """Return the path and the version line of the C compiler (`$CC`, else cc, gcc, clang).

    Raises:
        AxdseError: there is none.
    """
    chosen = os.environ.get("CC")
    names = [chosen] if chosen else ["cc", "gcc", "clang"]
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        raise AxdseError(
            "a C compiler is needed",
            f"none of {', '.join(names)} was found",
            "unset CC or name one program" if chosen else "apt-get install gcc",
        )
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)
    return found, version.stdout.partition("\n")[0]


def compiled(model: Path, function: str, harness: str, macros: tuple[str, ...] = ()) -> Path:
    """Compile a model with a harness of this folder, or return the cached program.

    Args:
        model: C source.
        function: the function in it that the harness calls.
        harness: file name of the harness.
        macros: `NAME=VALUE` definitions.

    Raises:
        AxdseError: the model is missing or does not compile; the compiler's line is shown.
    """
    command, version = compiler()
    definitions = [f"-D{macro}" for macro in macros]
    definitions += [f'-DAXDSE_MODEL="{model.resolve()}"', f"-DAXDSE_FUNCTION={function}"]
    call = [command, *FLAGS, *definitions, str(HERE / harness)]
    sources = [(HERE / name).read_bytes() for name in ("harness.h", harness)]
    content = _content(model, [command, *FLAGS, *definitions])
    name = digest(content, *sources, function, *macros, *FLAGS, *LINK, version)
    return _program("cmodel", name, call, model)


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
    command, version = compiler()
    source = HERE / "confine.c"
    name = digest(source.read_bytes(), *FLAGS, *LINK, version)
    return _program("confine", name, [command, *FLAGS, str(source)], source)


def run(
    program: Path, arguments: list[str], design: str, limit_s: float, operands: bytes = b""
) -> bytes:
    """Run a compiled harness and return its output.

    Raises:
        RefusedError: the harness refused the model; the text names the operands.
        AxdseError: the model crashes, does not end, or needs too much memory.
    """
    call = [str(launcher()), str(program), str(math.ceil(limit_s)), *arguments]
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
        raise _endless(design, limit_s)
    if ended.code != 0:
        _check_killed(design, ended)
        raise _crash(design, ended)
    return ended.output


def _program(kind: str, name: str, call: list[str], source: Path) -> Path:
    """The program of that name in the cache, made by `call` where it is not whole."""
    program = cache_dir(kind) / name
    if not _is_whole(program):
        binary = _compile(call, source)
        write_atomically(program, binary + hashlib.sha256(binary).digest(), mode=0o755)
    return program


def source_content(model: Path) -> bytes:
    """What a model depends on: its source, or all that it includes but <name.h>.

    Raises:
        AxdseError: it cannot be read, names what belongs to its checker, or does not preprocess.
    """
    return _content(model, [compiler()[0], *FLAGS])


def _content(model: Path, preprocess: list[str]) -> bytes:
    try:
        source = model.read_bytes()
    except OSError as error:
        raise AxdseError("a C model is a readable file", model, "check the path") from error
    foreign = _CHECKER.search(source)
    if foreign:
        rule = f"the C model {model.name} knows nothing of its checker"
        raise AxdseError(rule, foreign[0].decode(), "use other names")
    if len(_INCLUDE.findall(source)) == len(_SYSTEM_INCLUDE.findall(source)):
        return source
    with temporary_folder() as folder:
        return _checked([*preprocess, "-E", "-P", str(model.resolve())], model, folder)


def _is_whole(program: Path) -> bool:
    """Whether the cache holds the program; a damaged one is reported and made again."""
    try:
        data = program.read_bytes()
    except FileNotFoundError:
        return False
    except OSError:
        data = b""
    if hashlib.sha256(data[:-SEAL_BYTES]).digest() == data[-SEAL_BYTES:]:
        return True
    log.warning("cache entries must be readable: %s is corrupt; computing it again", program)
    return False


def _compile(call: list[str], model: Path) -> bytes:
    with temporary_folder() as folder:
        output = folder / "model"
        _checked([*call, "-o", str(output), *LINK], model, folder)
        try:
            return output.read_bytes()
        except OSError as error:
            raise AxdseError(
                "a C compiler writes a program", f"{call[0]} wrote none", "unset CC or correct it"
            ) from error


def _checked(call: list[str], model: Path, folder: Path) -> bytes:
    try:
        ended = run_compiler(call, folder, COMPILE_LIMIT_S)
    except TimeoutError as error:
        raise AxdseError(
            f"the C model {model.name} must compile within {COMPILE_LIMIT_S} s",
            "the compiler was stopped",
            "simplify the model",
        ) from error
    if ended.code == 0:
        return ended.output
    lines = ended.message.decode(errors="replace").splitlines()
    culprits = (line for line in lines if _CULPRIT.search(line))
    line = next(culprits, lines[-1] if lines else "no message").strip()[:MESSAGE_CHARACTERS]
    if "cannot find -l" in line:
        rule = "C models are linked statically, so that they need no files when they run"
        raise AxdseError(rule, line, "install libc6-dev, or glibc-static where it is apart")
    raise AxdseError(f"the C model {model.name} must compile", line, "correct that line")


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
    return AxdseError(f"a C model must answer within {limit_s:g} s", design, "look for a loop")


def _check_killed(design: str, ended: Ended) -> None:
    """What a model cannot do to itself; the last only where the user allows short files only."""
    if -ended.code in (signal.SIGKILL, signal.SIGTERM, signal.SIGXFSZ):
        check_end(f"the C model of {design}", ended.code, "")


def _crash(design: str, ended: Ended) -> AxdseError:
    code = ended.code
    if code == NOT_CONFINED:
        reason = ended.message.decode(errors="replace") or "0"
        return AxdseError(
            "C models run confined",
            f"the kernel refuses ({os.strerror(int(reason)) if reason.isdigit() else reason})",
            "allow seccomp filters here: a kernel with CONFIG_SECCOMP_FILTER, a container whose "
            "profile lets seccomp(2) pass",
        )
    if code == -signal.SIGSYS:
        return AxdseError(
            "a C model computes and does nothing else",
            f"{design} asked for a file, a process, a signal, a clock to wait for or the network",
            "remove that call",
        )
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
