"""Stage 6, ops: each call of an operator to the fastest realisation that is exact for it.

`axdse.gpu.plan` chooses once for a multiplication and a device. Factors may decline operands
whose products could leave the range of exponents; look-ups and inlined models take any.
"""

import functools
from collections.abc import Sequence

from torch import Tensor

from axdse.gpu import ops_cpu, ops_cuda, ops_factors
from axdse.gpu.factor_sums import sums_are_plain
from axdse.gpu.host_kernels import kernel_is_forced
from axdse.gpu.plan import DeviceType, Operation, choose


def gemm(a: Tensor, b: Tensor, multiplication: str, swap: bool) -> Tensor:
    """Compute `axdse::gemm` on the device of `a`."""
    if _by_factors(a, multiplication, "gemm"):
        result = ops_factors.gemm(a, b, multiplication, swap)
        if result is not None:
            return result
    compute = ops_cuda.gemm_cuda if a.is_cuda else ops_cpu.gemm_cpu
    return compute(a, b, multiplication, swap)


def conv2d(
    image: Tensor,
    weight: Tensor,
    multiplication: str,
    swap: bool,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Tensor:
    """Compute `axdse::conv2d` on the device of `image`."""
    window = list(stride), list(padding), list(dilation), groups
    if _by_factors(image, multiplication, "conv2d"):
        result = ops_factors.conv2d(image, weight, multiplication, swap, *window)
        if result is not None:
            return result
    compute = ops_cuda.conv2d_cuda if image.is_cuda else ops_cpu.conv2d_cpu
    return compute(image, weight, multiplication, swap, *window)


def conv2d_input_gradient(
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
    """Compute `axdse::conv2d_input_gradient` on the device of `grad`."""
    window = list(image_size), list(stride), list(padding), list(dilation), groups
    if _by_factors(grad, multiplication, "conv2d_input_gradient"):
        result = ops_factors.conv2d_input_gradient(grad, weight, multiplication, swap, *window)
        if result is not None:
            return result
    on_gpu, on_cpu = ops_cuda.conv2d_input_gradient_cuda, ops_cpu.conv2d_input_gradient_cpu
    return (on_gpu if grad.is_cuda else on_cpu)(grad, weight, multiplication, swap, *window)


def conv2d_weight_gradient(
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
    """Compute `axdse::conv2d_weight_gradient` on the device of `grad`."""
    window = list(kernel_size), list(stride), list(padding), list(dilation), groups
    if _by_factors(grad, multiplication, "conv2d_weight_gradient"):
        result = ops_factors.conv2d_weight_gradient(grad, image, multiplication, swap, *window)
        if result is not None:
            return result
    on_gpu, on_cpu = ops_cuda.conv2d_weight_gradient_cuda, ops_cpu.conv2d_weight_gradient_cpu
    return (on_gpu if grad.is_cuda else on_cpu)(grad, image, multiplication, swap, *window)


def _by_factors(x: Tensor, multiplication: str, operation: Operation) -> bool:
    if kernel_is_forced():
        return False
    return _plans_factors(multiplication, x.device.type, operation, sums_are_plain(x.device))


@functools.lru_cache(maxsize=4096)
def _plans_factors(
    multiplication: str, device: DeviceType, operation: Operation, plain: bool
) -> bool:
    # A plan depends on `plain`, that torch may be told to change at any time.
    return choose(multiplication, device, operation).choice == "factors"
