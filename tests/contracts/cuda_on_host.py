"""A `Device` that runs the text of the device kernels on the host, thread by thread."""

import ctypes
import functools
import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

from axdse.gpu.cuda.task import Program, Task

SHIM = Path(__file__).with_name("cuda_on_host.h")
TAIL = """
uint4 arena[(ARENA + GUARD) / sizeof(uint4)];
extern "C" int launch(const void *task, unsigned blocks, unsigned threads, unsigned shared) {{
    return host::launch({0}, task, blocks, threads, shared);
}}
extern "C" size_t task_size() {{ return host::task_size({0}); }}
"""
FLAGS = ("-O1", "-ffp-contract=off", "-march=native", "-w", "-shared", "-fPIC", "-x", "c++")


@dataclass(frozen=True)
class HostDevice:
    """Attributes: folder: keeps compiled kernels; units: multiprocessors to pretend."""

    folder: Path
    units: int = 2

    def launch(self, program: Program, blocks: int, task: Task) -> None:
        library = _library(program, self.folder)
        assert library.task_size() == ctypes.sizeof(task)
        inside = library.launch(ctypes.byref(task), blocks, program.threads, program.shared_bytes)
        assert inside, f"{program.kernel} wrote beyond its shared memory"


@functools.cache
def _library(program: Program, folder: Path) -> ctypes.CDLL:
    text = program.text + TAIL.format(program.kernel)
    options = (*program.options, *FLAGS, "-include", str(SHIM))
    path = folder / f"{hashlib.sha256(repr((text, options)).encode()).hexdigest()}.so"
    call = ["g++", *options, "-", "-o", str(path)]
    subprocess.run(call, input=text, text=True, check=True)
    return ctypes.CDLL(str(path))
