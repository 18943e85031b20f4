"""Is every product of tensors in a training step right? Slices of each, in float64.

Sums of whole batches would take minutes. So of every forward product and input gradient the first
and the last image are compared, and of every weight gradient the first and the last output.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

import axdse.gpu.ops  # noqa: F401  defines the operators
from axdse.gpu.bench_sums import Sums, exact_sums
from axdse.gpu.multiplication import resolve
from axdse.gpu.ops_reference import unfold

Operator = Callable[..., Any]


class StepCheck(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Watch the operators of this thread; use as a context manager around a step.

    Attributes:
        fault: the first that is wrong, and how; empty if none.
        products: how many the step made.
        calls: of operators.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.fault = ""
        self.products = self.calls = 0

    def __torch_dispatch__(
        self,
        func: Operator,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Compute, then compare."""
        result = func(*args, **(kwargs or {}))
        compare = _COMPARISONS.get(func)
        if compare:
            self.calls += 1
            count, fault = compare(result, *args)
            self.products += count
            if fault and not self.fault:
                self.fault = f"{func}: {fault}"
        return result


_ENDS = [0, -1]


def _gemm(result: Tensor, a: Tensor, b: Tensor, name: str, swap: bool) -> tuple[int, str]:
    sums = exact_sums(a[:, _ENDS], b, resolve(name), swap)
    return a.numel() * b.shape[2], sums.fault(result[:, _ENDS])


def _conv2d(
    result: Tensor,
    image: Tensor,
    weight: Tensor,
    name: str,
    swap: bool,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> tuple[int, str]:
    columns = unfold(image[_ENDS], weight.shape[2:], stride, padding, dilation, groups)
    sums = exact_sums(_rows(weight, groups), columns, resolve(name), not swap)
    found = _rows(result[_ENDS].transpose(0, 1), groups)
    return result.numel() * weight[0].numel(), sums.fault(found)


def _input_gradient(
    result: Tensor,
    grad: Tensor,
    weight: Tensor,
    name: str,
    swap: bool,
    image_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> tuple[int, str]:
    """Each tap of the kernel apart, its sums added where the image was under it."""
    columns = _rows(grad[_ENDS].transpose(0, 1), groups)
    padded = [size + 2 * border for size, border in zip(image_size, padding, strict=True)]
    totals = torch.zeros(2, result.shape[1], 2, *padded, dtype=torch.float64)
    for y in range(weight.shape[2]):
        for x in range(weight.shape[3]):
            tap = _rows(weight[:, :, y, x], groups).mT
            sums = exact_sums(tap, columns, resolve(name), not swap)
            under = totals[..., y * dilation[0] :: stride[0], x * dilation[1] :: stride[1]]
            part = torch.stack([sums.exact, sums.magnitude])
            high, wide = grad.shape[2:]
            under[..., :high, :wide] += part.reshape(2, -1, 2, high, wide)
    (down, right), (high, wide) = padding, image_size
    exact, magnitude = totals[..., down : down + high, right : right + wide].transpose(1, 2)
    depth = weight[:, 0].numel() // groups
    sums = Sums(exact, magnitude, depth, sums.is_int)
    return grad.numel() * weight[0].numel(), sums.fault(result[_ENDS])


def _weight_gradient(
    result: Tensor,
    grad: Tensor,
    image: Tensor,
    name: str,
    swap: bool,
    kernel_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> tuple[int, str]:
    columns = unfold(image, kernel_size, stride, padding, dilation, groups).mT
    rows = _rows(grad.transpose(0, 1), groups)[:, _ENDS]
    sums = exact_sums(rows, columns, resolve(name), swap)
    return grad.numel() * result[0].numel(), sums.fault(_rows(result, groups)[:, _ENDS])


def _rows(x: Tensor, groups: int) -> Tensor:
    """[G, X / G, -1] of [X, ...]."""
    return x.reshape(groups, x.shape[0] // groups, -1)


_COMPARISONS: dict[Operator, Callable[..., tuple[int, str]]] = {
    torch.ops.axdse.gemm.default: _gemm,
    torch.ops.axdse.conv2d.default: _conv2d,
    torch.ops.axdse.conv2d_input_gradient.default: _input_gradient,
    torch.ops.axdse.conv2d_weight_gradient.default: _weight_gradient,
}
