"""NVIDIA's run-time compiler, which needs no GPU, and what it says of registers and spills."""

import ctypes
import functools
import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from axdse.gpu.cuda.task import CUDA_OPTIONS

MISSING = "NVRTC is not installed: pip install nvidia-cuda-nvrtc-cu12"


@dataclass(frozen=True)
class Usage:
    """What one kernel takes of a multiprocessor, in registers and bytes a thread."""

    registers: int
    stack: int
    spilled: int


@functools.cache
def library() -> ctypes.CDLL:
    """Load NVRTC, or skip the test."""
    files = [file for folder in _folders() for file in sorted(folder.glob("libnvrtc.so*"))]
    if not files:
        pytest.skip(MISSING)
    loaded = ctypes.CDLL(str(files[0]))
    loaded.nvrtcGetErrorString.restype = ctypes.c_char_p
    return loaded


def _folders() -> list[Path]:
    """Where wheels of NVIDIA keep it: its own, or torch's for CUDA 13."""
    found = importlib.util.find_spec("nvidia")
    homes = (found and found.submodule_search_locations) or ()
    return [Path(home) / name / "lib" for home in homes for name in ("cuda_nvrtc", "cu13")]


def compile_for(text: str, options: tuple[str, ...], architecture: int) -> Usage:
    """Compile a translation unit of one kernel to machine code; fail with the compiler's log."""
    nvrtc, program = library(), ctypes.c_void_p()
    every = (*options, *CUDA_OPTIONS, f"-arch=sm_{architecture}", "--ptxas-options=-v")
    encoded = (ctypes.c_char_p * len(every))(*(option.encode() for option in every))
    source = text.encode()
    _check(nvrtc.nvrtcCreateProgram(ctypes.byref(program), source, b"kernel.cu", 0, None, None))
    status = nvrtc.nvrtcCompileProgram(program, len(every), encoded)
    size = ctypes.c_size_t()
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, log)
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    assert status == 0, log.value.decode()
    return _usage(log.value.decode())


def _check(status: int) -> None:
    assert status == 0, library().nvrtcGetErrorString(status).decode()


def _usage(log: str) -> Usage:
    registers = re.search(r"Used (\d+) registers", log)
    stack = re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill", log)
    assert registers, log
    assert stack, log
    return Usage(int(registers[1]), int(stack[1]), int(stack[2]) + int(stack[3]))
