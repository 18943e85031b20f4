"""How does C become a kernel for this very CPU? Compiled on first use, cached, loaded.

A C model that is taken into `kernel_inlined.c` is somebody's text: no file but its own reaches the
compiler.
"""

import ctypes
import functools
import platform
from pathlib import Path

from axdse.gpu.multiplication.inlined import Inlined
from axdse.multipliers.model.sum_model import SUM_MODEL, SUM_STEPS
from axdse.multipliers.model.translation_unit import source_files
from axdse.multipliers.model.unit_model import UNIT_MODEL, unit_macros
from axdse.multipliers.sandbox.compiler import OUR_C, Recipe, build_cached

FOLDER = Path(__file__).parent / "csrc"
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
_LIMIT_S = 120
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
    folder = SUM_MODEL.parent
    recipe = Recipe(
        kind="kernel",
        end=".so",
        flags=(*FLAGS, *SEMANTICS, f"-I{folder}"),
        link=("-shared", "-lm"),
        name=f"the kernel {source}",
        remedy=OUR_C,
        limit_s=_LIMIT_S,
    )
    return build_cached(FOLDER / source, recipe, (*_sums(), *_cpu()), [folder])


@functools.cache
def load_inlined(source: str, inlined: Inlined, swap: bool) -> ctypes.CDLL:
    """Load `source` of csrc/ with the C model in it: of T(a, b), or of T(b, a) with `swap`.

    Raises:
        AxdseError: there is no C compiler, or it refuses the kernel.
    """
    # It brings the OpenMP runtime, as for `load_kernel`.
    import torch  # noqa: F401

    return ctypes.CDLL(str(compile_inlined(source, inlined, swap)))


def compile_inlined(source: str, inlined: Inlined, swap: bool) -> Path:
    """Compile `source` with a C model in it, or return the cached library.

    Raises:
        AxdseError: as `load_inlined`.
    """
    recipe = Recipe(
        kind="kernel",
        end=".so",
        flags=(*FLAGS, *SEMANTICS, *_MODEL, *_definitions(inlined, swap)),
        link=("-shared", "-lm"),
        name=f"the kernel of {inlined.candidate.name}",
        remedy="use a table, m <= 7, or a newer gcc",
        limit_s=_LIMIT_S,
    )
    model = inlined.candidate.multiplier.family.model
    depends = (inlined.digest, str(inlined.proof.lane_bits), str(swap), UNIT_MODEL.read_bytes())
    readable = [UNIT_MODEL.parent, SUM_MODEL.parent, *source_files(model)]
    return build_cached(FOLDER / source, recipe, (*depends, *_sums(), *_cpu()), readable)


def _sums() -> tuple[bytes, ...]:
    return SUM_MODEL.read_bytes(), SUM_STEPS.read_bytes()


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


def _definitions(inlined: Inlined, swap: bool) -> list[str]:
    macros = [
        macro.replace("FP_CORE(x,y)", "FP_CORE(y,x)") if swap else macro
        for macro in unit_macros(inlined.candidate)
    ]
    macros.append(f"AXDSE_UINT=uint{inlined.proof.lane_bits}_t")
    folders = dict.fromkeys((UNIT_MODEL.parent, SUM_MODEL.parent))
    return [*(f"-I{folder}" for folder in folders), *(f"-D{macro}" for macro in macros)]
