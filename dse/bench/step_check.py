"""Is every product of tensors in a training step right? Slices of each, in float64.

Sums of whole batches would take minutes. So of every forward product and input gradient the first
and the last image are compared, and of every weight gradient the first and the last output.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

import axdse.gpu.ops.schema  # noqa: F401  defines the operators
from axdse.gpu.bench.sums import Sums, exact_sums
from axdse.gpu.multiplication.handles import resolve
from axdse.gpu.operands import shapes
from axdse.gpu.operands.convolution import unfold

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
    sums = exact_sums(a[:, _ENDS], b, resolve(name).form, swap)
    return a.numel() * b.shape[2], sums.fault(result[:, _ENDS])


def _conv2d(
    result: Tensor, image: Tensor, weight: Tensor, name: str, swap: bool, *settings: Any
) -> tuple[int, str]:
    shape = shapes.conv2d(image, weight, *settings)
    columns = unfold(image[_ENDS], shape.kernel, shape.window)
    sums = exact_sums(_rows(weight, shape.groups), columns, resolve(name).form, not swap)
    found = _rows(result[_ENDS].transpose(0, 1), shape.groups)
    return result.numel() * weight[0].numel(), sums.fault(found)


def _input_gradient(
    result: Tensor, grad: Tensor, weight: Tensor, name: str, swap: bool, *settings: Any
) -> tuple[int, str]:
    """Each tap of the kernel apart, its sums added where the image was under it."""
    shape = shapes.input_gradient(grad, weight, *settings)
    window, (high, wide) = shape.window, shape.output
    columns = _rows(grad[_ENDS].transpose(0, 1), shape.groups)
    padded = window.padded(shape.image)
    totals = torch.zeros(2, result.shape[1], 2, *padded, dtype=torch.float64)
    for y in range(shape.kernel[0]):
        for x in range(shape.kernel[1]):
            tap = _rows(weight[:, :, y, x], shape.groups).mT
            sums = exact_sums(tap, columns, resolve(name).form, not swap)
            rows, steps = y * window.dilation[0], x * window.dilation[1]
            under = totals[..., rows :: window.stride[0], steps :: window.stride[1]]
            part = torch.stack([sums.exact, sums.magnitude])
            under[..., :high, :wide] += part.reshape(2, -1, 2, high, wide)
    down, right = window.padding
    inside = totals[..., down : down + shape.image[0], right : right + shape.image[1]]
    exact, magnitude = inside.transpose(1, 2)
    depth = weight[:, 0].numel() // shape.groups
    sums = Sums(exact, magnitude, depth, sums.is_int)
    return grad.numel() * weight[0].numel(), sums.fault(result[_ENDS])


def _weight_gradient(
    result: Tensor, grad: Tensor, image: Tensor, name: str, swap: bool, *settings: Any
) -> tuple[int, str]:
    shape = shapes.weight_gradient(grad, image, *settings)
    columns = unfold(image, shape.kernel, shape.window).mT
    rows = _rows(grad.transpose(0, 1), shape.groups)[:, _ENDS]
    sums = exact_sums(rows, columns, resolve(name).form, swap)
    return grad.numel() * result[0].numel(), sums.fault(_rows(result, shape.groups)[:, _ENDS])


def _rows(x: Tensor, groups: int) -> Tensor:
    """[G, X / G, -1] of [X, ...]."""
    return x.reshape(groups, x.shape[0] // groups, -1)


_COMPARISONS: dict[Operator, Callable[..., tuple[int, str]]] = {
    torch.ops.axdse.gemm.default: _gemm,
    torch.ops.axdse.conv2d.default: _conv2d,
    torch.ops.axdse.conv2d_input_gradient.default: _input_gradient,
    torch.ops.axdse.conv2d_weight_gradient.default: _weight_gradient,
}
