import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from gemm_contract import FORMATS, GemmContract, assert_same_bits, operands, table
from torch import Tensor

from axdse.gpu import host_library, ops_cpu
from axdse.gpu.ops import lut_gemm
from axdse.gpu.ops_reference import lut_gemm_reference
from axdse.multipliers.cmodel import compiler
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import parse_format
from axdse.multipliers.lut import Lut


def run(kernel: str, a: Tensor, b: Tensor, lut: Lut, swap: bool = False) -> Tensor:
    entries = torch.from_numpy(lut.entries.copy())
    return ops_cpu.run_kernel(kernel, a, b, entries, lut.format.name, swap)


class TestPortable(GemmContract):
    def gemm(self, a: Tensor, b: Tensor, lut: Lut, swap: bool = False) -> Tensor:
        return run(ops_cpu.PORTABLE, a, b, lut, swap)


@pytest.mark.skipif(not ops_cpu.has_vbmi(), reason="this CPU has no AVX-512 VBMI")
class TestVbmi(GemmContract):
    def gemm(self, a: Tensor, b: Tensor, lut: Lut, swap: bool = False) -> Tensor:
        return run(ops_cpu.VBMI, a, b, lut, swap)


@pytest.mark.parametrize("shape", [(67, 90, 500), (500, 90, 67), (300, 90, 20)])
@pytest.mark.parametrize("name", FORMATS)
def test_bits_depend_on_neither_kernel_nor_threads(name: str, shape: tuple[int, int, int]) -> None:
    rows, depth, columns = shape
    number_format, lut = parse_format(name), table("scramble", name)
    a = operands(rows * depth, number_format, 1).reshape(rows, depth)
    b = operands(depth * columns, number_format, 2).reshape(depth, columns)
    entries = torch.from_numpy(lut.entries.copy())
    expected = lut_gemm_reference(a, b, entries, lut.format.name, False)
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        assert_same_bits(run(ops_cpu.PORTABLE, a, b, lut), expected)
        assert_same_bits(lut_gemm(a, b, lut), expected)


def test_no_compiler_is_one_clear_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    compiler.cache_clear()
    with pytest.raises(AxdseError, match=r"C compiler is needed.*apt-get install gcc"):
        host_library.load_kernel.__wrapped__(ops_cpu.PORTABLE)
    compiler.cache_clear()


def test_refused_kernel_shows_the_line_of_the_compiler(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AXDSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(host_library, "FOLDER", tmp_path)
    (tmp_path / "kernel.h").touch()
    (tmp_path / "broken.c").write_text("int f(void) { return x; }")
    with pytest.raises(AxdseError, match=r"broken.c must compile.*x.* undeclared"):
        host_library.load_kernel.__wrapped__("broken.c")
    assert not list((tmp_path / "cache" / "kernel").iterdir())


def test_corrupt_kernel_is_made_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AXDSE_CACHE", str(tmp_path))
    path = host_library.compile_kernel(ops_cpu.PORTABLE)
    whole = path.read_bytes()
    path.write_bytes(whole[:5000])
    assert host_library.compile_kernel(ops_cpu.PORTABLE).read_bytes() == whole


LOAD = """
from axdse.gpu.host_library import load_kernel
print(load_kernel("kernel_portable.c").lut_gemm_float is not None)
"""


def test_processes_may_compile_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AXDSE_CACHE", str(tmp_path))
    call = [sys.executable, "-c", LOAD]
    running = [subprocess.Popen(call, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[0] for process in running] == ["True\n"] * 2
    assert len(list((tmp_path / "kernel").iterdir())) == 1


def test_works_in_a_forked_process_after_threads_have_run() -> None:
    number_format, lut = parse_format("int8"), table("scramble", "int8")
    a = operands(100 * 100, number_format, 1).reshape(100, 100)
    torch.set_num_threads(2)
    expected = run(ops_cpu.PORTABLE, a, a, lut)
    child = os.fork()
    if child == 0:
        signal.alarm(20)  # a child that waits for threads of its parent never ends
        os._exit(0 if torch.equal(run(ops_cpu.PORTABLE, a, a, lut), expected) else 1)
    assert os.waitpid(child, 0)[1] == 0
