"""Stage 6, ops: compile `kernel_inlined.c` with a C model in it, cached, and load it."""

import ctypes
import functools
from pathlib import Path

from axdse.gpu.host_library import FLAGS, FOLDER, SEMANTICS, cpu_flags, cpu_name
from axdse.gpu.inlined import Inlined
from axdse.multipliers.cache import cached_file, digest, temporary_folder
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.model.unit_model import UNIT_MODEL, unit_macros
from axdse.multipliers.sandbox.bounded import run_compiler
from axdse.multipliers.sandbox.compiler import compiler

KERNEL = "kernel_inlined.c"
# A model is taken into the loop whole, however long, and its own loops are unrolled before that
# over columns is vectorised. Threaded jumps become masks of masks; unrolling over k spills sums.
_MODEL = (
    *("-fno-strict-aliasing", "--param=max-inline-insns-auto=2000", "-fno-partial-inlining"),
    *("--param=max-completely-peeled-insns=2000", "--param=max-completely-peel-times=24"),
    *("-fno-thread-jumps", "-fno-loop-unroll-and-jam"),
)
_COMPILE_LIMIT_S = 120


@functools.cache
def load_inlined(inlined: Inlined, swap: bool) -> ctypes.CDLL:
    """Load the kernel of T(a, b), or of T(b, a) with `swap`.

    Raises:
        AxdseError: there is no C compiler, or it refuses the kernel.
    """
    return ctypes.CDLL(str(compile_inlined(inlined, swap)))


def compile_inlined(inlined: Inlined, swap: bool) -> Path:
    """Compile the kernel, or return the cached library.

    Raises:
        AxdseError: as `load_inlined`.
    """
    command, version = compiler()
    flags = (*FLAGS, *SEMANTICS, *_MODEL)
    sources = (FOLDER / KERNEL, *sorted(FOLDER.glob("*.h")), UNIT_MODEL)
    key = digest(
        *(path.read_bytes() for path in sources),
        *(inlined.digest, str(inlined.proof.lane_bits), str(swap)),
        *flags,
        *(command, version, cpu_name()),
        *sorted(cpu_flags()),
    )
    call = [command, *flags, *_definitions(inlined, swap)]
    return cached_file("kernel", f"{key}.so", lambda: _compile(inlined, call))


def _definitions(inlined: Inlined, swap: bool) -> list[str]:
    macros = [
        macro.replace("FP_CORE(x,y)", "FP_CORE(y,x)") if swap else macro
        for macro in unit_macros(inlined.candidate)
    ]
    macros.append(f"AXDSE_UINT=uint{inlined.proof.lane_bits}_t")
    return [f"-I{UNIT_MODEL.parent}", *(f"-D{macro}" for macro in macros)]


def _compile(inlined: Inlined, call: list[str]) -> bytes:
    """OpenMP is compiled for but not linked, as in `axdse.gpu.host_library`."""
    with temporary_folder() as folder:
        unit, output = folder / "kernel.o", folder / "kernel.so"
        _run(inlined, [*call, "-c", str(FOLDER / KERNEL), "-o", str(unit)], folder)
        _run(inlined, [call[0], "-shared", str(unit), "-o", str(output), "-lm"], folder)
        return output.read_bytes()


def _run(inlined: Inlined, call: list[str], folder: Path) -> None:
    rule = f"{inlined.candidate.name} must compile into a kernel"
    try:
        ended = run_compiler(call, folder, _COMPILE_LIMIT_S)
    except TimeoutError as error:
        limit = f"the compiler was stopped after {_COMPILE_LIMIT_S} s"
        raise AxdseError(rule, limit, "use a table, m <= 7") from error
    if ended.code:
        lines = ended.message.decode(errors="replace").splitlines() or ["no message"]
        line = next((line for line in lines if "error" in line), lines[-1])
        raise AxdseError(rule, line.strip(), "use a table, m <= 7, or a newer gcc")
