"""Which operands has a product, as matrices? Told to a recorder.

Operands are as operators take them, but unsigned codes as the core does. Only while a recorder is
active is an image unfolded, and then for it alone. The second matrix is the weight, or in the
gradient of the weights the activation: what a weight-stationary array keeps.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from axdse.gpu.multiplication.handles import Call, Multiplication, resolve
from axdse.gpu.operands.convolution import Pair, Window, unfold
from axdse.gpu.operands.encode import block_values
from axdse.multipliers.formats import Format, IntFormat


@dataclass(frozen=True, eq=False)
class Operands:
    """The operands of a product of matrices [G, M, K] and [G, K, N].

    Attributes:
        a: as `axdse.gpu.ops.gemm` takes it; unsigned codes as they are, in int16.
        b: likewise.
        multiplication: what multiplies.
        swap: products are T(b, a), not T(a, b).
        a_peak: of no dimensions, the largest magnitude of the tensor that `a` is made of.
        b_peak: likewise.
    """

    a: Tensor
    b: Tensor
    multiplication: Multiplication
    swap: bool
    a_peak: Tensor
    b_peak: Tensor

    @property
    def numbers(self) -> "Operands":
        """The same with numbers in place of codes {scale, element}, which kernels alone take."""
        form = self.multiplication.format
        if not (isinstance(form, IntFormat) and form.is_mx):
            return self
        a, b = block_values(self.a, form), block_values(self.b, form)
        return replace(self, a=a, b=b, a_peak=_largest(a), b_peak=_largest(b))


Probe = Callable[[Operands], None]


@dataclass(frozen=True)
class LayerProbes:
    """Who is told of the operands of a layer's products."""

    forward: Probe | None = None
    input_gradient: Probe | None = None
    weight_gradient: Probe | None = None


SILENT = LayerProbes()


def probe_gemm(probe: Probe | None, a: Tensor, b: Tensor, call: Call) -> None:
    """Tell of [G, M, K] times [G, K, N], products T(a, b)."""
    if probe is not None and call.handle:
        _tell(probe, call, (a, b), _peaks(a, b, call))


def probe_unfolded(
    probe: Probe | None, image: Tensor, weight: Tensor, call: Call, window: Window
) -> None:
    """Tell of a convolution, products T(image, weight)."""
    if probe is not None and call.handle:
        pixels = unfold(image, (weight.shape[2], weight.shape[3]), window).mT
        weights = _grouped(weight, window.groups).mT
        _tell(probe, call, (pixels, weights), _peaks(image, weight, call))


def probe_weight_gradient(
    probe: Probe | None,
    grad: Tensor,
    image: Tensor,
    kernel_size: Pair,
    call: Call,
    window: Window,
) -> None:
    """Tell of the gradient of the weights, products T(grad, image)."""
    if probe is not None and call.handle:
        pixels = unfold(image, kernel_size, window).mT
        rows = _grouped(grad.transpose(0, 1), window.groups)
        _tell(probe, call, (rows, pixels), _peaks(grad, image, call))


def probe_input_gradient(
    probe: Probe | None,
    grad: Tensor,
    weight: Tensor,
    size: Pair,
    call: Call,
    window: Window,
) -> None:
    """Tell of the gradient of the image, products T(grad, weight): a tap at a time, those only."""
    if probe is None or not call.handle:
        return
    outward, peaks = grad.transpose(0, 1), _peaks(grad, weight, call)
    groups, (outputs, inputs) = window.groups, weight.shape[:2]
    for y in range(weight.shape[2]):
        for x in range(weight.shape[3]):
            high, wide = (
                _under(axis, tap, size, grad.shape, window) for axis, tap in enumerate((y, x))
            )
            weights = weight[:, :, y, x].reshape(groups, outputs // groups, inputs)
            pixels = _grouped(outward[:, :, high, wide], groups).mT
            _tell(probe, call, (pixels, weights), peaks)


def _under(axis: int, tap: int, size: Pair, grad: torch.Size, window: Window) -> slice:
    """Steps of the gradient whose tap lies on the image, not on its border."""
    before = window.padding[axis] - tap * window.dilation[axis]
    first = max(0, -(-before // window.stride[axis]))
    last = min(grad[2 + axis] - 1, (size[axis] - 1 + before) // window.stride[axis])
    return slice(first, max(first, last + 1))


def _grouped(x: Tensor, groups: int) -> Tensor:
    """[O, ...] to [G, O/G, -1]."""
    return x.reshape(groups, x.shape[0] // groups, -1)


def _tell(
    probe: Probe, call: Call, matrices: tuple[Tensor, Tensor], peaks: tuple[Tensor, Tensor]
) -> None:
    a, b = (_as_met(x, form) for x, form in zip(matrices, call.formats, strict=True))
    probe(Operands(a, b, resolve(call.handle), call.swap, *peaks))


def _as_met(x: Tensor, number_format: Format) -> Tensor:
    if isinstance(number_format, IntFormat) and not number_format.signed:
        return x.short() + number_format.middle
    return x


def _peaks(a: Tensor, b: Tensor, call: Call) -> tuple[Tensor, Tensor]:
    first, second = (_peak(x, form) for x, form in zip((a, b), call.formats, strict=True))
    return first, second


def _peak(tensor: Tensor, number_format: Format) -> Tensor:
    """The largest finite magnitude; integer codes count as if their tensor reached the largest."""
    if isinstance(number_format, IntFormat):
        return torch.tensor(float(number_format.largest), device=tensor.device)
    return _largest(tensor)


def _largest(tensor: Tensor) -> Tensor:
    if not tensor.numel():
        return tensor.new_zeros(())
    return tensor.nan_to_num(0.0, 0.0, 0.0).abs().amax()
