"""How does C become a kernel for this very CPU? Compiled on first use, cached, loaded.

Our own kernels are compiled as they are. A C model that is taken into `kernel_inlined.c` is
somebody's text: its compiler runs confined and within limits.
"""

import ctypes
import functools
import platform
import subprocess
from pathlib import Path

from axdse.gpu.multiplication.inlined import Inlined
from axdse.multipliers.cache import cached_file, digest, temporary_folder
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.model.sum_model import SUM_MODEL
from axdse.multipliers.model.unit_model import UNIT_MODEL, unit_macros
from axdse.multipliers.sandbox.bounded import run_compiler
from axdse.multipliers.sandbox.compiler import compiler

FOLDER = Path(__file__).parent / "csrc"
INLINED = "kernel_inlined.c"
FLAGS = ("-std=gnu11", "-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math")
# Sums of int8 products wrap. OpenMP is compiled for but not linked: its runtime is the one that
# torch has loaded, so kernels share torch's threads instead of fighting them with their own.
SEMANTICS = ("-fwrapv", "-fopenmp", "-fPIC")
# A model is taken into the loop whole, however long, and its own loops are unrolled before that
# over columns is vectorised. Threaded jumps become masks of masks; unrolling over k spills sums.
_MODEL = (
    *("-fno-strict-aliasing", "--param=max-inline-insns-auto=2000", "-fno-partial-inlining"),
    *("--param=max-completely-peeled-insns=2000", "--param=max-completely-peel-times=24"),
    *("-fno-thread-jumps", "-fno-loop-unroll-and-jam"),
)
_MODEL_LIMIT_S = 120
CPU_INFO = Path("/proc/cpuinfo")


@functools.cache
def load_kernel(source: str) -> ctypes.CDLL:
    """Load `source` of csrc/, compiled for this CPU.

    Raises:
        AxdseError: there is no C compiler, or it refuses the kernel.
    """
    # It brings the OpenMP runtime that the kernel looks for; commands that load none do without.
    import torch  # noqa: F401

    return ctypes.CDLL(str(compile_kernel(source)))


def compile_kernel(source: str) -> Path:
    """Compile `source` with the headers beside it, or return the cached library.

    Raises:
        AxdseError: there is no C compiler, or it refuses the kernel.
    """
    command, version = compiler()
    flags = (*FLAGS, *SEMANTICS)
    contents = (*_contents(FOLDER / source), SUM_MODEL.read_bytes())
    key = digest(*contents, *flags, command, version, *_cpu())
    return cached_file("kernel", f"{key}.so", lambda: _compile(command, FOLDER / source))


@functools.cache
def load_inlined(inlined: Inlined, swap: bool) -> ctypes.CDLL:
    """Load the kernel of T(a, b), or of T(b, a) with `swap`.

    Raises:
        AxdseError: there is no C compiler, or it refuses the kernel.
    """
    return ctypes.CDLL(str(compile_inlined(inlined, swap)))


def compile_inlined(inlined: Inlined, swap: bool) -> Path:
    """Compile `kernel_inlined.c` with a C model in it, or return the cached library.

    Raises:
        AxdseError: as `load_inlined`.
    """
    command, version = compiler()
    flags = (*FLAGS, *SEMANTICS, *_MODEL)
    model = (inlined.digest, str(inlined.proof.lane_bits), str(swap))
    contents = (*_contents(FOLDER / INLINED), UNIT_MODEL.read_bytes())
    key = digest(*contents, *model, *flags, command, version, *_cpu())
    call = [command, *flags, *_definitions(inlined, swap)]
    return cached_file("kernel", f"{key}.so", lambda: _compile_model(inlined, call))


def _contents(source: Path) -> list[bytes]:
    return [path.read_bytes() for path in (source, *sorted(FOLDER.glob("*.h")))]


def _cpu() -> tuple[str, ...]:
    return cpu_name(), *sorted(cpu_flags())


@functools.cache
def cpu_name() -> str:
    """The model name of this CPU, for cache keys and benchmark records."""
    return _cpu_info("model name") or platform.processor() or platform.machine()


@functools.cache
def cpu_flags() -> frozenset[str]:
    """The instruction-set extensions as Linux names them; empty where it is not known."""
    return frozenset((_cpu_info("flags") or _cpu_info("Features")).split())  # x86, ARM


def _cpu_info(key: str) -> str:
    lines = CPU_INFO.read_text().splitlines() if CPU_INFO.exists() else []
    pairs = (line.partition(":") for line in lines)
    return next((value.strip() for name, _, value in pairs if name.strip() == key), "")


def _compile(command: str, source: Path) -> bytes:
    with temporary_folder() as folder:
        unit, output = folder / "kernel.o", folder / "kernel.so"
        flags = (*FLAGS, *SEMANTICS, f"-I{SUM_MODEL.parent}")
        result = _run(command, *flags, "-c", str(source), "-o", str(unit))
        if result.returncode == 0:
            result = _run(command, "-shared", str(unit), "-o", str(output))
        if result.returncode == 0:
            return output.read_bytes()
    rule = f"the kernel {source.name} must compile"
    raise AxdseError(rule, _complaint(result.stderr), "install a newer gcc or clang")


def _run(*call: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(call, capture_output=True, text=True, check=False)


def _definitions(inlined: Inlined, swap: bool) -> list[str]:
    macros = [
        macro.replace("FP_CORE(x,y)", "FP_CORE(y,x)") if swap else macro
        for macro in unit_macros(inlined.candidate)
    ]
    macros.append(f"AXDSE_UINT=uint{inlined.proof.lane_bits}_t")
    return [f"-I{UNIT_MODEL.parent}", *(f"-D{macro}" for macro in macros)]


def _compile_model(inlined: Inlined, call: list[str]) -> bytes:
    with temporary_folder() as folder:
        unit, output = folder / "kernel.o", folder / "kernel.so"
        _run_confined(inlined, [*call, "-c", str(FOLDER / INLINED), "-o", str(unit)], folder)
        link = [call[0], "-shared", str(unit), "-o", str(output), "-lm"]
        _run_confined(inlined, link, folder)
        return output.read_bytes()


def _run_confined(inlined: Inlined, call: list[str], folder: Path) -> None:
    rule = f"{inlined.candidate.name} must compile into a kernel"
    try:
        ended = run_compiler(call, folder, _MODEL_LIMIT_S)
    except TimeoutError as error:
        limit = f"the compiler was stopped after {_MODEL_LIMIT_S} s"
        raise AxdseError(rule, limit, "use a table, m <= 7") from error
    if ended.code:
        message = ended.message.decode(errors="replace")
        raise AxdseError(rule, _complaint(message), "use a table, m <= 7, or a newer gcc")


def _complaint(message: str) -> str:
    """The line of a compiler's message that says what is wrong."""
    lines = message.splitlines() or ["no message"]
    return next((line for line in lines if "error" in line), lines[-1]).strip()
