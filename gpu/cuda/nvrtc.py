"""How does device code become a kernel that runs on this GPU? The door to CuPy.

Kernels are compiled by NVRTC on first use, for the GPU at hand, and kept in the cache. They run
on torch's current stream with raw pointers of torch's own memory. Nothing waits for the GPU, and
after a first call, which loads the kernel and uploads the table, nothing is copied to it either:
CUDA graphs may capture the rest.
"""

import ctypes
import functools
import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from axdse.gpu.cuda.task import CUDA_OPTIONS, Program, Task
from axdse.multipliers.cache import cached_file, digest
from axdse.multipliers.errors import AxdseError


@dataclass(frozen=True)
class CudaDevice:
    """One GPU, by its index; an `axdse.gpu.cuda.task.Device`."""

    index: int

    @property
    def units(self) -> int:
        """Number of multiprocessors."""
        return _units(self.index)

    def launch(self, program: Program, blocks: int, task: Task) -> None:
        """Start a kernel on torch's current stream of this GPU.

        Raises:
            AxdseError: CuPy is missing, or its compiler refuses the kernel.
        """
        cupy, kernel = _cupy(), _kernel(program, self.index)
        stream = torch.cuda.current_stream(self.index).cuda_stream
        # An array of one element goes by value.
        argument = np.frombuffer(bytes(task), dtype=np.dtype((np.void, ctypes.sizeof(task))))
        with cupy.cuda.Device(self.index), cupy.cuda.ExternalStream(stream, self.index):
            kernel((blocks,), (program.threads,), (argument,), shared_mem=program.shared_bytes)


@functools.cache
def _units(index: int) -> int:
    return int(torch.cuda.get_device_properties(index).multi_processor_count)


@functools.cache
def _cupy() -> Any:
    try:
        return importlib.import_module("cupy")
    except ImportError as error:
        major = (torch.version.cuda or "12").partition(".")[0]
        raise AxdseError(
            "products of tensors on a GPU need CuPy", str(error), f"install axdse[cuda{major}]"
        ) from error


@functools.cache
def _kernel(program: Program, index: int) -> Any:
    """Load `program` on a GPU."""
    cupy = _cupy()
    major, minor = torch.cuda.get_device_capability(index)
    path = compile_program(program, f"sm_{major}{minor}")
    with cupy.cuda.Device(index):
        return cupy.RawModule(path=str(path)).get_function(program.kernel)


def _nvrtc() -> tuple[Any, str]:
    """CuPy's interface to the compiler, and the compiler's version."""
    nvrtc = _cupy().cuda.nvrtc
    try:
        return nvrtc, str(nvrtc.getVersion())
    except RuntimeError as error:
        raise AxdseError(
            "kernels for a GPU are compiled by NVRTC, which CuPy must find",
            str(error).partition("\n")[0],
            "install a CUDA toolkit, or nvidia-cuda-nvrtc-cu12 for CUDA 12",
        ) from error


def compile_program(program: Program, architecture: str) -> Path:
    """Compile a kernel for GPUs such as "sm_90", or return the cached machine code.

    CuPy's own way from text to kernel flushes subnormal numbers, whatever it is told.

    Raises:
        AxdseError: CuPy is missing, or its compiler refuses the kernel or the GPU.
    """
    nvrtc, version = _nvrtc()
    options = (*program.options, *CUDA_OPTIONS, f"-arch={architecture}")
    key = digest(program.text, *options, version)
    return cached_file("cuda", f"{key}.cubin", lambda: _machine_code(nvrtc, program, options))


def _machine_code(nvrtc: Any, program: Program, options: tuple[str, ...]) -> bytes:
    handle = nvrtc.createProgram(program.text, f"{program.kernel}.cu", (), ())
    try:
        nvrtc.compileProgram(handle, options)
        return bytes(nvrtc.getCUBIN(handle))
    except nvrtc.NVRTCError as error:
        lines = nvrtc.getProgramLog(handle).splitlines()
        line = next((line for line in lines if "error" in line), str(error))
        raise AxdseError(
            f"the kernel {program.kernel}.cu must compile", line, "install a newer CuPy"
        ) from error
    finally:
        nvrtc.destroyProgram(handle)
