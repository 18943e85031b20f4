"""The operators on a GPU; without one, what can be said about the way there."""

import importlib
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from cuda_on_host import HostDevice
from torch import Tensor

from axdse.gpu.cuda import nvrtc
from axdse.gpu.cuda import ops as ops_cuda
from axdse.gpu.cuda.task import NARROW, Program
from axdse.gpu.multiplication.handles import handle
from axdse.gpu.testing.conv import ConvContract
from axdse.gpu.testing.gemm import FLOATS, GemmContract, assert_same_bits, operands, table
from axdse.multipliers.errors import AxdseError

needs_gpu = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="NO GPU: the CUDA kernels were not run on one"
)


@needs_gpu
class TestCuda(GemmContract):
    def gemm(self, a: Tensor, b: Tensor, multiplication: str, swap: bool = False) -> Tensor:
        result = ops_cuda.gemm_cuda(a.cuda()[None], b.cuda()[None], multiplication, swap)
        return result[0].cpu()


class TestConvolutionsOnTheHost(ConvContract):
    """The way of the operators down to the kernels, whose text runs on the host."""

    @pytest.fixture(autouse=True)
    def device(self, host_device: HostDevice, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ops_cuda, "_device", lambda x: host_device)

    conv2d = staticmethod(ops_cuda.conv2d_cuda)
    conv2d_input_gradient = staticmethod(ops_cuda.conv2d_input_gradient_cuda)
    conv2d_weight_gradient = staticmethod(ops_cuda.conv2d_weight_gradient_cuda)


@needs_gpu
class TestCudaConvolutions(ConvContract):
    def conv2d(self, a: Tensor, b: Tensor, *more: Any) -> Tensor:
        return ops_cuda.conv2d_cuda(a.cuda(), b.cuda(), *more).cpu()

    def conv2d_input_gradient(self, a: Tensor, b: Tensor, *more: Any) -> Tensor:
        return ops_cuda.conv2d_input_gradient_cuda(a.cuda(), b.cuda(), *more).cpu()

    def conv2d_weight_gradient(self, a: Tensor, b: Tensor, *more: Any) -> Tensor:
        return ops_cuda.conv2d_weight_gradient_cuda(a.cuda(), b.cuda(), *more).cpu()


@needs_gpu
def test_a_subnormal_sum_is_kept() -> None:
    """1.5 * 2^-126 - 2^-126; a compiler that flushes would make it zero."""
    a = torch.tensor([[[1.5 * 2.0**-63, -(2.0**-63)]]]).cuda()
    b = torch.full((1, 2, 33), 2.0**-63).cuda()
    result = ops_cuda.gemm_cuda(a, b, handle(table("exact", FLOATS[1])), False)
    assert torch.equal(result.cpu(), torch.full((1, 1, 33), 2.0**-127))


@needs_gpu
@pytest.mark.parametrize("name", [FLOATS[0], FLOATS[1], "int8"])
def test_a_graph_captures_a_product(name: str) -> None:
    lut = table("scramble", name)
    a = operands(70 * 300, lut.format, 1).reshape(1, 70, 300).cuda()
    b = operands(300 * 90, lut.format, 2).reshape(1, 300, 90).cuda()
    expected = ops_cuda.gemm_cuda(a, b, handle(lut), False)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = ops_cuda.gemm_cuda(a, b, handle(lut), False)
    graph.replay()
    assert_same_bits(captured.cpu(), expected.cpu())


@needs_gpu
def test_runs_on_the_stream_at_hand_and_waits_for_nothing() -> None:
    lut = table("scramble", "int8")
    a = operands(64 * 64, lut.format, 1).reshape(1, 64, 64).cuda()
    ops_cuda.gemm_cuda(a, a, handle(lut), False)
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        torch.cuda._sleep(200_000_000)
        ops_cuda.gemm_cuda(a, a, handle(lut), False)
        assert not stream.query()


def test_without_cupy_there_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(importlib, "import_module", missing)
    nvrtc._cupy.cache_clear()
    with pytest.raises(AxdseError, match=r"need CuPy.*No module named 'cupy'.*axdse\[cuda1\d\]"):
        nvrtc._cupy()
    nvrtc._cupy.cache_clear()


def test_cupy_compiles_once_and_says_what_it_refuses(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("cupy", reason="CuPy is not installed: its compiler was not tried")
    monkeypatch.setenv("AXDSE_CACHE", str(tmp_path))
    program = Program("add_parts", NARROW)
    path = nvrtc.compile_program(program, "sm_90")
    assert path.read_bytes().startswith(b"\x7fELF")
    assert nvrtc.compile_program(program, "sm_90") == path
    with pytest.raises(AxdseError, match=r"add_parts.cu must compile.*newer CuPy"):
        nvrtc.compile_program(program, "sm_1")
    with pytest.raises(AxdseError, match=r"add_parts.cu must compile.*\(1\): error"):
        nvrtc.compile_program(replace(program, model="wrong"), "sm_90")


def test_an_unknown_handle_is_refused() -> None:
    a = torch.zeros(1, 2, 2)
    with pytest.raises(AxdseError, match="handle"):
        ops_cuda.gemm_cuda(a, a, "none", False)


def test_only_one_file_imports_cupy() -> None:
    door = re.compile(r'(import|from) cupy|import_module\("cupy')
    folder = Path(ops_cuda.__file__).parents[1]
    assert [file.name for file in folder.rglob("*.py") if door.search(file.read_text())] == [
        "nvrtc.py"
    ]
