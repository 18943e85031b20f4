"""Stage 2, C model: compile on first use (cached by content) and tabulate it.

The model runs in a process of its own under a time limit, so one that crashes or never ends
becomes an error message.
"""

import functools
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from axdse.multipliers.cache import cache_dir, digest, write_atomically
from axdse.multipliers.catalog import Multiplier
from axdse.multipliers.errors import AxdseError

HARNESS = Path(__file__).with_name("harness.c")
FLAGS = ("-std=gnu11", "-O2", "-Wall")
TIME_LIMIT_S = 60
MAX_TABLE_BITS = 24


def tabulate(multiplier: Multiplier) -> np.ndarray:
    """Return all products, uint64 of shape (2^w, 2^w); the row is the first operand.

    Raises:
        AxdseError: the model cannot be compiled, crashes, does not end, is not a pure
            function, gives a product wider than declared, or the domain is too large.
    """
    width = multiplier.operand_bits
    if 2 * width > MAX_TABLE_BITS:
        raise AxdseError(
            f"a table has at most 2^{MAX_TABLE_BITS} entries",
            f"{multiplier.spec} needs 2^{2 * width}",
            "choose a narrower design",
        )
    table = _run(multiplier, ["table", str(width), str(width)], b"")
    return _fitting(multiplier, table).reshape(1 << width, 1 << width)


def products(multiplier: Multiplier, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return f(a[i], b[i]) as uint64 of the shape of `a`; for domains too large to tabulate.

    Raises:
        AxdseError: as `tabulate`.
    """
    pairs = np.stack([a.ravel(), b.ravel()], axis=1).astype(np.uint64)
    return _fitting(multiplier, _run(multiplier, ["pairs"], pairs.tobytes())).reshape(a.shape)


@functools.cache
def compiler() -> tuple[str, str]:
    """Return the path and the version line of the C compiler (`$CC`, else cc, gcc, clang).

    Raises:
        AxdseError: there is none.
    """
    names = [os.environ["CC"]] if os.environ.get("CC") else ["cc", "gcc", "clang"]
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        raise AxdseError(
            "a C compiler is needed",
            f"none of {', '.join(names)} was found",
            "apt-get install gcc",
        )
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)
    return found, version.stdout.partition("\n")[0]


def executable(multiplier: Multiplier) -> Path:
    """Compile the model with its harness, or return the cached program.

    Raises:
        AxdseError: the file is missing or does not compile; the compiler's line is shown.
    """
    family = multiplier.family
    try:
        source = family.model.read_bytes()
    except OSError as error:
        raise AxdseError("a C model is a readable file", family.model, "check the path") from error
    macros = [f"-D{name}={value}" for name, value in multiplier.bindings.items()]
    command, version = compiler()
    key = digest(source, HARNESS.read_bytes(), family.name, *macros, *FLAGS, version)
    program = cache_dir("cmodel") / key
    if not program.exists():
        macros += [f"-DAXDSE_MODEL={_quoted(family.model)}", f"-DAXDSE_FUNCTION={family.name}"]
        write_atomically(program, _compile([command, *FLAGS, *macros], family.model))
        program.chmod(0o755)
    return program


def _quoted(path: Path) -> str:
    return f'"{path.resolve()}"'


def _compile(command: list[str], model: Path) -> bytes:
    with tempfile.TemporaryDirectory(prefix="axdse-") as folder:
        output = Path(folder) / "model"
        result = subprocess.run(
            [*command, str(HARNESS), "-o", str(output)],
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode == 0:
            return output.read_bytes()
    lines = result.stderr.splitlines()
    line = next((line for line in lines if "error" in line or "undefined" in line), "no message")
    raise AxdseError(f"the C model {model.name} must compile", line.strip(), "correct that line")


def _run(multiplier: Multiplier, arguments: list[str], operands: bytes) -> np.ndarray:
    program = executable(multiplier)
    try:
        result = subprocess.run(
            [program, *arguments],
            input=operands,
            capture_output=True,
            timeout=TIME_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise AxdseError(
            f"a C model must answer within {TIME_LIMIT_S} s", multiplier.spec, "look for a loop"
        ) from error
    except OSError as error:
        program.unlink(missing_ok=True)
        raise AxdseError(
            "cache entries must be runnable", f"{program} ({error.strerror})", "run again"
        ) from error
    if result.returncode == 3:
        raise AxdseError(
            f"a C model is a pure function; {multiplier.spec} is not",
            result.stderr.decode(errors="replace").strip(),
            "remove its static state or undefined behaviour",
        )
    if result.returncode != 0:
        raise _crash(multiplier, result.returncode)
    return np.frombuffer(result.stdout, dtype=np.uint64)


def _crash(multiplier: Multiplier, code: int) -> AxdseError:
    reason = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    return AxdseError(
        "a C model must not crash",
        f"{multiplier.spec} ended with {reason}",
        f"run {multiplier.family.model} under a debugger",
    )


def _fitting(multiplier: Multiplier, table: np.ndarray) -> np.ndarray:
    bits = multiplier.product_bits
    if table.size and int(table.max()) >> bits:
        raise AxdseError(
            f"products of {multiplier.spec} must fit {bits} bits",
            f"its model gives {int(table.max())}",
            "mask the result or correct the model",
        )
    return table
