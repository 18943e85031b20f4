"""A host kernel as programs of their own, for CPUs that are emulated and for other compilers."""

import ctypes
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from axdse.gpu.cpu.codes import codes_of
from axdse.gpu.cpu.compile import FLAGS, FOLDER
from axdse.gpu.cpu.kernels import PORTABLE, SUMS, Engine, Kernel, engine_for
from axdse.gpu.multiplication.handles import resolve
from axdse.multipliers.model.sum_model import SUM_MODEL, SumTask

DRIVER = Path(__file__).with_name("kernel_driver.c")
NATIVE = "-march=native"
RECIPE = ctypes.sizeof(SumTask)


@dataclass(frozen=True)
class KernelDriver:
    """A kernel, compiled when it is made.

    Attributes:
        kernel: both sources of it.
        compiler: the command.
        flags: for the compiler, in place of -march=native.
        emulator: the command that runs programs for another CPU, or nothing.
        folder: for programs and operands.
    """

    kernel: Kernel
    compiler: str
    flags: tuple[str, ...]
    emulator: tuple[str, ...]
    folder: Path

    def __post_init__(self) -> None:
        for source in (self.kernel.float_source, self.kernel.int8_source):
            kept = [flag for flag in FLAGS if flag != NATIVE]
            folders = (f"-I{FOLDER}", f"-I{SUM_MODEL.parent}")
            kernel = (*folders, f'-DKERNEL="{source}"', str(DRIVER))
            call = [self.compiler, *kept, "-fwrapv", *self.flags, *kernel, "-lm"]
            subprocess.run([*call, "-o", str(self.folder / source[:-2])], check=True)

    def gemm(self, a: Tensor, b: Tensor, multiplication: str, swap: bool = False) -> Tensor:
        """As GemmContract wants it: a [M, K], b [K, N] to [M, N]."""
        # Of sums the table begins with the recipe; it and the entries are those of any kernel.
        has_sum = resolve(multiplication).sum is not None
        engine = engine_for(SUMS if has_sum else PORTABLE, multiplication, swap)
        codes = (codes_of(x[None, None], engine)[0, 0].numpy() for x in (a, b))
        return self.multiply(*codes, engine)

    def multiply(self, a: np.ndarray, b: np.ndarray, engine: Engine) -> Tensor:
        """Codes uint16 [M, K] and [K, N] to sums [M, N]; `engine` gives the entries."""
        (rows, depth), columns = a.shape, b.shape[1]
        dtype = np.dtype(np.float32 if engine.is_float else np.int32)
        if not rows * depth * columns:
            return torch.from_numpy(np.zeros((rows, columns), dtype))
        recipe = engine.rows[:RECIPE] if self.kernel is SUMS else engine.rows[:0]
        form = (engine.fraction_bits, engine.entry_bytes, engine.entries.size, recipe.size)
        given, sums = self.folder / "operands", self.folder / "sums"
        parts = (np.array((rows, depth, columns, *form), np.int64), a, b, engine.entries, recipe)
        given.write_bytes(b"".join(part.tobytes() for part in parts))
        source = self.kernel.float_source if engine.is_float else self.kernel.int8_source
        program = self.folder / source[:-2]
        subprocess.run([*self.emulator, str(program), str(given), str(sums)], check=True)
        return torch.from_numpy(np.fromfile(sums, dtype).reshape(rows, columns))
