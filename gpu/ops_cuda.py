"""Stage 6, ops: the operators of `axdse.gpu.ops` for tensors on a GPU; the door to CuPy.

Kernels are compiled by NVRTC on first use, for the GPU at hand, and kept in the cache. They run
on torch's current stream with raw pointers of torch's own memory. Nothing waits for the GPU, and
after a first call, which loads the kernel and uploads the table, nothing is copied to it either:
CUDA graphs may capture the rest.
"""

import ctypes
import functools
import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from axdse.gpu import device_ops
from axdse.gpu.convolution import Convolution, Window
from axdse.gpu.device_task import CUDA_OPTIONS, Program, Task
from axdse.gpu.multiplication import resolve
from axdse.multipliers.cache import cached_file, digest
from axdse.multipliers.errors import AxdseError


@dataclass(frozen=True)
class CudaDevice:
    """One GPU, by its index; an `axdse.gpu.device_task.Device`."""

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


def gemm_cuda(a: Tensor, b: Tensor, multiplication: str, swap: bool) -> Tensor:
    """Compute `axdse::gemm`.

    Raises:
        AxdseError: unknown handle, too large a product, or CuPy cannot be used.
    """
    return device_ops.gemm(_device(a), a, b, resolve(multiplication), swap)


def conv2d_cuda(
    image: Tensor,
    weight: Tensor,
    multiplication: str,
    swap: bool,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Tensor:
    """Compute `axdse::conv2d`.

    Raises:
        AxdseError: as `gemm_cuda`.
    """
    shape = convolution(image.shape, weight.shape, _window(stride, padding, dilation), groups)
    known = resolve(multiplication)
    return device_ops.conv2d(_device(image), image, weight, known, swap, shape)


def conv2d_input_gradient_cuda(
    grad: Tensor,
    weight: Tensor,
    multiplication: str,
    swap: bool,
    image_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Tensor:
    """Compute `axdse::conv2d_input_gradient`.

    Raises:
        AxdseError: as `gemm_cuda`.
    """
    image = (grad.shape[0], weight.shape[1] * groups, *image_size)
    shape = convolution(image, weight.shape, _window(stride, padding, dilation), groups)
    known = resolve(multiplication)
    return device_ops.conv2d_input_gradient(_device(grad), grad, weight, known, swap, shape)


def conv2d_weight_gradient_cuda(
    grad: Tensor,
    image: Tensor,
    multiplication: str,
    swap: bool,
    kernel_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Tensor:
    """Compute `axdse::conv2d_weight_gradient`.

    Raises:
        AxdseError: as `gemm_cuda`.
    """
    weight = (grad.shape[1], image.shape[1] // groups, *kernel_size)
    shape = convolution(image.shape, weight, _window(stride, padding, dilation), groups)
    known = resolve(multiplication)
    return device_ops.conv2d_weight_gradient(_device(grad), grad, image, known, swap, shape)


def convolution(
    image: Sequence[int], weight: Sequence[int], window: Window, groups: int
) -> Convolution:
    """The shape of a convolution of an image [B, C, H, W] by weights [O, C / groups, Kh, Kw]."""
    return Convolution(
        batch=image[0],
        groups=groups,
        inputs=weight[1],
        outputs=weight[0] // groups,
        image=(image[2], image[3]),
        kernel=(weight[2], weight[3]),
        window=window,
    )


def _window(stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int]) -> Window:
    return Window((stride[0], stride[1]), (padding[0], padding[1]), (dilation[0], dilation[1]))


def _device(x: Tensor) -> CudaDevice:
    return CudaDevice(x.device.index)
