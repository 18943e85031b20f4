"""Stage 6, ops: each call of an operator to the fastest realisation that is exact for it.

`axdse.gpu.plan` chooses once for a multiplication and a device. Factors may decline operands
whose products could leave the range of exponents; look-ups and inlined models take any.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from axdse.gpu import ops_cpu, ops_cuda, ops_factors
from axdse.gpu.factor_sums import sums_are_plain
from axdse.gpu.host_kernels import kernel_is_forced
from axdse.gpu.plan import DeviceType, Operation, choose


@dataclass(frozen=True)
class Dispatch:
    """The realisations of one operator; each takes the arguments of its schema.

    Attributes:
        operation: its name.
        by_factors: gives None if it declines.
        on_cpu: looks up, or runs the C model.
        on_gpu: likewise.
    """

    operation: Operation
    by_factors: Callable[..., Tensor | None]
    on_cpu: Callable[..., Tensor]
    on_gpu: Callable[..., Tensor]

    def __call__(
        self, first: Tensor, second: Tensor, multiplication: str, swap: bool, *settings: object
    ) -> Tensor:
        """Compute the operator on the device of its operands."""
        if _plans_factors(first, multiplication, self.operation):
            result = self.by_factors(first, second, multiplication, swap, *settings)
            if result is not None:
                return result
        compute = self.on_gpu if first.is_cuda else self.on_cpu
        return compute(first, second, multiplication, swap, *settings)


gemm = Dispatch("gemm", ops_factors.gemm, ops_cpu.gemm_cpu, ops_cuda.gemm_cuda)
conv2d = Dispatch("conv2d", ops_factors.conv2d, ops_cpu.conv2d_cpu, ops_cuda.conv2d_cuda)
conv2d_input_gradient = Dispatch(
    "conv2d_input_gradient",
    ops_factors.conv2d_input_gradient,
    ops_cpu.conv2d_input_gradient_cpu,
    ops_cuda.conv2d_input_gradient_cuda,
)
conv2d_weight_gradient = Dispatch(
    "conv2d_weight_gradient",
    ops_factors.conv2d_weight_gradient,
    ops_cpu.conv2d_weight_gradient_cpu,
    ops_cuda.conv2d_weight_gradient_cuda,
)


def _plans_factors(x: Tensor, multiplication: str, operation: Operation) -> bool:
    if kernel_is_forced():
        return False
    device: DeviceType = "cuda" if x.is_cuda else "cpu"
    return _choice(multiplication, device, operation, sums_are_plain(x.device)) == "factors"


@functools.lru_cache(maxsize=4096)
def _choice(multiplication: str, device: DeviceType, operation: Operation, plain: bool) -> str:
    # A plan depends on `plain`, that torch may be told to change at any time.
    return choose(multiplication, device, operation).choice
