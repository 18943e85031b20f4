"""Stage 6, ops: compile a C kernel for this very CPU on first use, cached, and load it."""

import ctypes
import functools
import platform
import subprocess
from pathlib import Path

from axdse.multipliers.cache import cached_file, digest, temporary_folder
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.sandbox.compiler import compiler

FOLDER = Path(__file__).parent
FLAGS = ("-std=gnu11", "-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math")
# Sums of int8 products wrap. OpenMP is compiled for but not linked: its runtime is the one that
# torch has loaded, so kernels share torch's threads instead of fighting them with their own.
SEMANTICS = ("-fwrapv", "-fopenmp", "-fPIC")
CPU_INFO = Path("/proc/cpuinfo")


@functools.cache
def load_kernel(source: str) -> ctypes.CDLL:
    """Load `source` of this folder, compiled for this CPU.

    Raises:
        AxdseError: there is no C compiler, or it refuses the kernel.
    """
    # It brings the OpenMP runtime that the kernel looks for; commands that load none do without.
    import torch  # noqa: F401

    return ctypes.CDLL(str(compile_kernel(source)))


def compile_kernel(source: str) -> Path:
    """Compile `source` with the headers of this folder, or return the cached library.

    Raises:
        AxdseError: there is no C compiler, or it refuses the kernel.
    """
    headers = sorted(FOLDER.glob("*.h"))
    contents = [path.read_bytes() for path in (FOLDER / source, *headers)]
    command, version = compiler()
    flags = (*FLAGS, *SEMANTICS)
    key = digest(*contents, *flags, command, version, cpu_name(), *sorted(cpu_flags()))
    return cached_file("kernel", f"{key}.so", lambda: _compile(command, FOLDER / source))


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
        result = _run(command, *FLAGS, *SEMANTICS, "-c", str(source), "-o", str(unit))
        if result.returncode == 0:
            result = _run(command, "-shared", str(unit), "-o", str(output))
        if result.returncode == 0:
            return output.read_bytes()
    lines = result.stderr.splitlines() or ["no message"]
    line = next((line for line in lines if "error" in line), lines[-1])
    raise AxdseError(
        f"the kernel {source.name} must compile", line.strip(), "install a newer gcc or clang"
    )


def _run(*call: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(call, capture_output=True, text=True, check=False)
