"""Stage 2, C model: compile it with a harness, cached by content, and run it under limits.

The model runs in a process of its own, so one that crashes, never ends or eats memory becomes
an error message.
"""

import errno
import functools
import hashlib
import logging
import math
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

from axdse.multipliers.cache import cache_dir, digest, temporary_folder, write_atomically
from axdse.multipliers.errors import AxdseError

HERE = Path(__file__).parent
FLAGS = ("-std=gnu11", "-O2", "-fno-strict-aliasing", "-ffp-contract=off")
COMPILE_LIMIT_S = 60
SEAL_BYTES = 32
REFUSED, NO_SPACE, NARROW = 101, 102, 103
_OWN_INCLUDE = re.compile(rb"^\s*#\s*include(?!\s*<\w+\.h>)", re.MULTILINE)
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
    program = cache_dir("cmodel") / digest(content, *sources, function, *macros, *FLAGS, version)
    if not _is_whole(program):
        binary = _compile(call, model)
        write_atomically(program, binary + hashlib.sha256(binary).digest(), mode=0o755)
    return program


def run(
    program: Path, arguments: list[str], design: str, limit_s: float, operands: bytes = b""
) -> bytes:
    """Run a compiled harness and return its output.

    Raises:
        RefusedError: the harness refused the model; the text names the operands.
        AxdseError: the model crashes, does not end, or needs too much memory.
    """
    try:
        result = _start([str(program), str(math.ceil(limit_s)), *arguments], operands, limit_s)
    except subprocess.TimeoutExpired as error:
        raise _endless(design, limit_s) from error
    except OSError as error:
        raise AxdseError(
            "cached programs must be runnable",
            f"{program} ({error.strerror})",
            "set AXDSE_CACHE to a folder where programs may run",
        ) from error
    if result.returncode == REFUSED:
        raise RefusedError(result.stderr.decode(errors="replace"))
    if result.returncode == -signal.SIGXCPU:
        raise _endless(design, limit_s)
    if result.returncode != 0:
        raise _crash(design, result.returncode)
    return result.stdout


def _content(model: Path, preprocess: list[str]) -> bytes:
    """What the program depends on: the source, or all that it includes but <name.h>."""
    try:
        source = model.read_bytes()
    except OSError as error:
        raise AxdseError("a C model is a readable file", model, "check the path") from error
    if not _OWN_INCLUDE.search(source):
        return source
    return _checked([*preprocess, "-E", "-P", str(model)], model)


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
        _checked([*call, "-o", str(output), "-lm"], model)
        try:
            return output.read_bytes()
        except OSError as error:
            raise AxdseError(
                "a C compiler writes a program", f"{call[0]} wrote none", "unset CC or correct it"
            ) from error


def _checked(call: list[str], model: Path) -> bytes:
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        result = subprocess.run(
            call, capture_output=True, env=environment, timeout=COMPILE_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise AxdseError(
            f"the C model {model.name} must compile within {COMPILE_LIMIT_S} s",
            "the compiler was stopped",
            "simplify the model",
        ) from error
    if result.returncode == 0:
        return result.stdout
    lines = result.stderr.decode(errors="replace").splitlines()
    culprits = (line for line in lines if "error" in line or "undefined" in line)
    line = next(culprits, lines[-1] if lines else "no message")
    raise AxdseError(f"the C model {model.name} must compile", line.strip(), "correct that line")


def _start(call: list[str], operands: bytes, limit_s: float) -> subprocess.CompletedProcess[bytes]:
    """Run; a program that another thread's fork still holds open for writing is tried again."""
    for attempt in range(20):
        try:
            return subprocess.run(
                call, input=operands, capture_output=True, timeout=limit_s, check=False
            )
        except OSError as error:
            if error.errno != errno.ETXTBSY:
                raise
            time.sleep(0.01 * (attempt + 1))
    raise OSError(errno.ETXTBSY, os.strerror(errno.ETXTBSY))


def _endless(design: str, limit_s: float) -> AxdseError:
    return AxdseError(f"a C model must answer within {limit_s:g} s", design, "look for a loop")


def _crash(design: str, code: int) -> AxdseError:
    if code == NARROW:
        return AxdseError(
            "operands must fit the parameters of the C model",
            f"those of {design} are too narrow",
            "declare them uint64_t",
        )
    if code == NO_SPACE:
        return AxdseError("a C model must fit 1 GiB of memory", design, "choose a narrower design")
    reason = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    return AxdseError(
        "a C model must not crash", f"{design} ended with {reason}", "run it under a debugger"
    )
