"""How is a C model run? Compiled as a unit of its own, linked with a harness, under limits.

The model runs in a process of its own, started by `confine.c`, which leaves it nothing but to
compute: one that crashes, never ends, eats memory or wants files becomes an error message. It is
compiled twice, with its local variables filled by a pattern and by zeros (`model_unit` says what
it may hold), and a harness compares both on every call.
"""

import errno
import math
import os
import platform
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from axdse.multipliers.bounded import Ended, run_confined
from axdse.multipliers.cache import cached_bytes, cached_file, digest, temporary_folder
from axdse.multipliers.compiler import FLAGS, compile_or_refuse, compiler, has_flag, objcopy
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.machine import check_end, machine_failure, unwritable
from axdse.multipliers.model_unit import (
    PRELUDE,
    check_object,
    float_calls,
    integer_calls,
    preprocess,
    source_files,
)
from axdse.multipliers.names import check_name
from axdse.multipliers.printable import printable

HERE = Path(__file__).parent
# A program that is all there needs to open nothing, and no plug-in reads a stranger's sections.
LINK = ("-static", "-s", "-fno-lto", "-no-pie", "-lm")
# Everything but what the harness calls is private: what is never written becomes read-only.
WHOLE = ("-fwhole-program",)
BUILDS = {"patterned": "pattern", "zeroed": "zero"}  # how its locals are filled
CONFINED_MACHINES = ("x86_64", "aarch64")
HARNESS_FILES = (HERE / "harness.h", HERE / "harness.c")
# Names that a build of a model gives to a harness, with the build behind them.
CALLED = ("call", "bits", "signed", "row")
REFUSED, NO_SPACE, NARROW, NOT_CONFINED, NOT_STARTED = 101, 102, 103, 110, 111


class RefusedError(Exception):
    """The harness refused the model; the text names the operands."""


def compiled(
    model: Path,
    function: str,
    harness: str | Path,
    macros: tuple[str, ...] = (),
    *,
    signed: bool = False,
    swapped: bool = False,
    floats: bool = False,
    core: Path | None = None,
) -> Path:
    """Compile a model with a harness, or return the cached program.

    Args:
        model: C source.
        function: the function in it that the harness calls.
        harness: of this folder, by name, or elsewhere.
        macros: `NAME=VALUE` definitions.
        signed: its operands are two's complement.
        swapped: it takes the second operand first.
        floats: it is `float f(float, float)`.
        core: another model, which it includes by a macro.

    Raises:
        AxdseError: the model is missing, does not compile, the compiler's line is shown, or is no
            pure function for what it holds; or a name could mean more to the compiler.
    """
    check_name(function, "functions", "C")

    def calls(build: str) -> str:
        if floats:
            return float_calls(function, build)
        return integer_calls(function, build, signed, swapped)

    path = HERE / harness
    models = (model, *filter(None, (core,)))
    parts = (*map(source_content, models), *(file.read_bytes() for file in (path, *HARNESS_FILES)))
    key = digest(*parts, function, calls(""), *macros, *FLAGS, *PRELUDE, *LINK, compiler()[1])
    return cached_file(
        "cmodel", key, lambda: _linked(model, function, path, macros, calls, core), executable=True
    )


def _linked(
    model: Path,
    function: str,
    harness: Path,
    macros: tuple[str, ...],
    calls: Callable[[str], str],
    core: Path | None,
) -> bytes:
    """Both builds of the model and the harness as one program."""
    with temporary_folder() as folder:
        unit = preprocess(model, macros, folder, core)
        objects = [
            _built(unit + calls(build), model, function, folder / build) for build in BUILDS
        ]
        # A copy: a fence lets a file through, not its name, under which another thread may put
        # the same anew.
        around = folder / "harness.o"
        around.write_bytes(_harness_object(harness))
        command = [compiler()[0], *map(str, objects), str(around)]
        return _output([*command, *LINK], model, folder)


def _built(unit: str, model: Path, function: str, stem: Path) -> Path:
    """Compile one build; of its names only those that the harness calls stay visible."""
    source, whole, built = (stem.with_suffix(end) for end in (".i", ".whole.o", ".o"))
    source.write_bytes(unit.encode("latin-1"))
    command = [compiler()[0], *FLAGS, *filter(has_flag, WHOLE), *_filled(BUILDS[stem.name])]
    call = [*command, "-c", str(source), "-o", str(whole)]
    compile_or_refuse(call, model, stem.parent)
    if not whole.is_file():
        raise _wrote_none(call[0])
    check_object(whole, model, function)
    kept = [f"--keep-global-symbol=axdse_{each}_{stem.name}" for each in CALLED]
    compile_or_refuse([objcopy(), *kept, str(whole), str(built)], model, stem.parent)
    return built


def _filled(how: str) -> list[str]:
    """The flag that fills local variables, gcc 12 or clang 16; older ones leave them alone."""
    flag = f"-ftrivial-auto-var-init={how}"
    return [flag] if has_flag(flag) else []


def _harness_object(harness: Path) -> bytes:
    """A harness knows no model, so it is compiled once."""
    sources = [file.read_bytes() for file in (harness, *HARNESS_FILES)]
    key = digest(*sources, *FLAGS, compiler()[1])
    call = [compiler()[0], *FLAGS, f"-I{HERE}", "-c", str(harness)]

    def make() -> bytes:
        with temporary_folder() as folder:
            return _output(call, harness, folder, [HERE, harness])

    return cached_bytes("harness", f"{key}.o", make)


def _output(call: list[str], model: Path, folder: Path, readable: Sequence[Path] = ()) -> bytes:
    """What the compiler writes."""
    output = folder / "output"
    compile_or_refuse([*call, "-o", str(output)], model, folder, readable)
    try:
        return output.read_bytes()
    except OSError as error:
        raise _wrote_none(call[0]) from error


def _wrote_none(command: str) -> AxdseError:
    rule = "a C compiler writes a program"
    return AxdseError(rule, f"{command} wrote none", "unset CC or correct it")


def included(model: Path) -> str:
    """The path of a C file as `#include` takes it.

    Raises:
        AxdseError: it has a character that would end it, or that C reads otherwise.
    """
    path = str(model.resolve())
    if '"' in path or "\\" in path or printable(path) != path:
        rule = "a C model has a path without quotes, backslashes and control characters"
        raise AxdseError(rule, path, "rename it, or its folder")
    return f'"{path}"'


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
    source = HERE / "confine.c"
    key = digest(source.read_bytes(), *FLAGS, *LINK, compiler()[1])

    def make() -> bytes:
        with temporary_folder() as folder:
            call = [compiler()[0], *FLAGS, str(source), *LINK]
            return _output(call, source, folder, [source])

    return cached_file("confine", key, make, executable=True)


def run(
    program: Path, arguments: list[str], design: str, limit_s: float, operands: bytes = b""
) -> bytes:
    """Run a compiled harness and return its output.

    Raises:
        RefusedError: the harness refused the model; the text names the operands.
        AxdseError: the model crashes, does not end, or needs too much memory.
        MachineError: it was killed, or cannot start.
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
        raise _crash(design, ended)
    return ended.output


def source_content(model: Path) -> bytes:
    """What a model depends on: its source and what it includes of its own folder.

    Raises:
        AxdseError: one cannot be read, or names what belongs to its checker.
    """
    files = source_files(model)
    source = files.pop(model.resolve())
    others = (f"{path.name} {digest(text)}" for path, text in sorted(files.items()))
    return "\0".join((source, *others)).encode("latin-1")


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
