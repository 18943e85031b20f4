import ctypes
import os
import signal
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from axdse.gpu.cpu import compile as cpu_compile
from axdse.gpu.cpu import kernels
from axdse.gpu.cpu import ops as ops_cpu
from axdse.gpu.cpu.kernels import AVX2, PORTABLE, VBMI, Kernel
from axdse.gpu.multiplication.handles import handle
from axdse.gpu.testing.conv import ConvContract
from axdse.gpu.testing.gemm import FORMATS, GemmContract, assert_same_bits, operands, table
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import parse_format
from axdse.multipliers.sandbox.compiler import compiler
from axdse.multipliers.tables.lut import Lut

PORTABLE_SOURCE = PORTABLE.float_source


def run(kernel: Kernel, a: Tensor, b: Tensor, lut: Lut, swap: bool = False) -> Tensor:
    return ops_cpu.gemm_cpu(kernel, a[None], b[None], handle(lut), swap)[0]


def needs(kernel: Kernel) -> pytest.MarkDecorator:
    missing = sorted(kernel.needs - cpu_compile.cpu_flags())
    return pytest.mark.skipif(bool(missing), reason=f"this CPU has no {', '.join(missing)}")


class Operators:
    """The operators of the CPU, by one kernel."""

    kernel: Kernel

    def gemm(self, a: Tensor, b: Tensor, multiplication: str, swap: bool = False) -> Tensor:
        return ops_cpu.gemm_cpu(self.kernel, a[None], b[None], multiplication, swap)[0]

    def conv2d(self, *arguments: Any) -> Tensor:
        return ops_cpu.conv2d_cpu(self.kernel, *arguments)

    def conv2d_input_gradient(self, *arguments: Any) -> Tensor:
        return ops_cpu.conv2d_input_gradient_cpu(self.kernel, *arguments)

    def conv2d_weight_gradient(self, *arguments: Any) -> Tensor:
        return ops_cpu.conv2d_weight_gradient_cpu(self.kernel, *arguments)


class TestPortable(Operators, GemmContract):
    kernel = PORTABLE


class TestPortableConvolution(Operators, ConvContract):
    kernel = PORTABLE


@needs(AVX2)
class TestAvx2(Operators, GemmContract):
    kernel = AVX2


@needs(AVX2)
class TestAvx2Convolution(Operators, ConvContract):
    kernel = AVX2


@needs(VBMI)
class TestVbmi(Operators, GemmContract):
    kernel = VBMI


@needs(VBMI)
class TestVbmiConvolution(Operators, ConvContract):
    kernel = VBMI


@pytest.mark.parametrize("kernel", kernels.available_kernels(), ids=lambda k: k.name)
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("shape", [(67, 90, 500), (500, 90, 67), (300, 90, 20), (9, 9000, 70)])
@pytest.mark.parametrize("name", [FORMATS[0], "int8"])
def test_a_number_of_threads_always_gives_the_same_bits(
    name: str, shape: tuple[int, int, int], threads: int, kernel: Kernel
) -> None:
    rows, depth, columns = shape
    number_format, lut = parse_format(name), table("scramble", name)
    a = operands(rows * depth, number_format, 1).reshape(rows, depth)
    b = operands(depth * columns, number_format, 2).reshape(depth, columns)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    results = [run(kernel, a, b, lut) for _ in range(3)]
    torch.set_num_threads(before)
    assert_same_bits(results[1], results[0])
    assert_same_bits(results[2], results[0])


def test_no_compiler_is_one_clear_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    compiler.cache_clear()
    with pytest.raises(AxdseError, match=r"C compiler is needed.*apt-get install gcc"):
        cpu_compile.load_kernel.__wrapped__(PORTABLE_SOURCE)
    compiler.cache_clear()


def test_refused_kernel_shows_the_line_of_the_compiler(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AXDSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cpu_compile, "FOLDER", tmp_path)
    (tmp_path / "broken.c").write_text("int f(void) { return x; }")
    with pytest.raises(AxdseError, match=r"broken.c must compile.*x.* undeclared"):
        cpu_compile.load_kernel.__wrapped__("broken.c")
    assert not list((tmp_path / "cache" / "kernel").iterdir())


def test_corrupt_kernel_is_made_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AXDSE_CACHE", str(tmp_path))
    path = cpu_compile.compile_kernel(PORTABLE_SOURCE)
    whole = path.read_bytes()
    path.write_bytes(whole[:5000])
    assert cpu_compile.compile_kernel(PORTABLE_SOURCE).read_bytes() == whole


COMPILE = """
from hashlib import sha256
from axdse.gpu.cpu.compile import compile_kernel
print(sha256(compile_kernel("kernel_portable.c").read_bytes()).hexdigest())
"""


def test_processes_may_compile_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AXDSE_CACHE", str(tmp_path))
    call = [sys.executable, "-c", COMPILE]
    running = [subprocess.Popen(call, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    (kept,) = {process.communicate()[0] for process in running}
    (library,) = (tmp_path / "kernel").iterdir()
    assert kept.strip() == sha256(library.read_bytes()).hexdigest()
    assert ctypes.CDLL(str(library)).multiply_task is not None


def test_works_in_a_forked_process_after_threads_have_run() -> None:
    number_format, lut = parse_format("int8"), table("scramble", "int8")
    a = operands(300 * 300, number_format, 1).reshape(300, 300)  # torch, too, takes threads
    torch.set_num_threads(2)
    expected = run(PORTABLE, a, a, lut)
    child = os.fork()
    if child == 0:
        signal.alarm(20)  # a child that waits for threads of its parent never ends
        os._exit(0 if torch.equal(run(PORTABLE, a, a, lut), expected) else 1)
    assert os.waitpid(child, 0)[1] == 0
