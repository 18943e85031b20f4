"""Stage 7, layers: tell a recorder of the operands of a product, as matrices.

Operands are as operators take them. Only while a recorder is active is an image unfolded, and
then for it alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from axdse.gpu.assignment import Call
from axdse.gpu.multiplication import Multiplication, resolve
from axdse.gpu.ops_reference import unfold

Probe = Callable[[Tensor, Tensor, Multiplication, bool], None]


@dataclass(frozen=True)
class LayerProbes:
    """Who is told of the operands of a layer's products, with the arguments of `lut_gemm`."""

    forward: Probe | None = None
    input_gradient: Probe | None = None
    weight_gradient: Probe | None = None


SILENT = LayerProbes()


class Window(NamedTuple):
    """How a convolution slides, (height, width) each, and its groups."""

    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int


def probe_gemm(probe: Probe | None, a: Tensor, b: Tensor, call: Call) -> None:
    """Tell of [G, M, K] times [G, K, N], products T(a, b)."""
    if probe is not None and call.handle:
        _tell(probe, a, b, call, call.swap)


def probe_unfolded(
    probe: Probe | None, image: Tensor, weight: Tensor, call: Call, window: Window
) -> None:
    """Tell of a convolution, products T(image, weight)."""
    if probe is not None and call.handle:
        columns = unfold(image, weight.shape[2:], *window)
        rows = _grouped(weight, window.groups)
        _tell(probe, rows, columns, call, not call.swap)


def probe_weight_gradient(
    probe: Probe | None,
    grad: Tensor,
    image: Tensor,
    kernel_size: tuple[int, int],
    call: Call,
    window: Window,
) -> None:
    """Tell of the gradient of the weights, products T(grad, image)."""
    if probe is not None and call.handle:
        columns = unfold(image, kernel_size, *window)
        rows = _grouped(grad.transpose(0, 1), window.groups)
        _tell(probe, rows, columns.mT, call, call.swap)


def probe_input_gradient(
    probe: Probe | None,
    grad: Tensor,
    weight: Tensor,
    size: tuple[int, int],
    call: Call,
    window: Window,
) -> None:
    """Tell of the gradient of the image, products T(grad, weight): a tap at a time, those only."""
    if probe is None or not call.handle:
        return
    outward = grad.transpose(0, 1)
    groups, (outputs, inputs) = window.groups, weight.shape[:2]
    for y in range(weight.shape[2]):
        for x in range(weight.shape[3]):
            high, wide = (
                _under(axis, tap, size, grad.shape, window) for axis, tap in enumerate((y, x))
            )
            rows = weight[:, :, y, x].reshape(groups, outputs // groups, inputs).mT
            columns = _grouped(outward[:, :, high, wide], groups)
            _tell(probe, rows, columns, call, not call.swap)


def _under(axis: int, tap: int, size: tuple[int, int], grad: torch.Size, window: Window) -> slice:
    """Steps of the gradient whose tap lies on the image, not on its border."""
    before = window.padding[axis] - tap * window.dilation[axis]
    first = max(0, -(-before // window.stride[axis]))
    last = min(grad[2 + axis] - 1, (size[axis] - 1 + before) // window.stride[axis])
    return slice(first, max(first, last + 1))


def _grouped(x: Tensor, groups: int) -> Tensor:
    """[O, ...] to [G, O/G, -1]."""
    return x.reshape(groups, x.shape[0] // groups, -1)


def _tell(probe: Probe, a: Tensor, b: Tensor, call: Call, swap: bool) -> None:
    for left, right in zip(a, b, strict=True):
        probe(left, right, resolve(call.handle), swap)
