"""Plain PyTorch as an oracle of bf16 cores: operands of every product rounded, sums in FP32."""

from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
# Which arguments are operands; of addmm and baddbmm, the first is what the product is added to.
_OPERANDS = {
    aten.mm.default: (0, 1),
    aten.bmm.default: (0, 1),
    aten.addmm.default: (1, 2),
    aten.baddbmm.default: (1, 2),
    aten.convolution.default: (0, 1),
    aten.convolution_backward.default: (0, 1, 2),
}


class _Rounding(TorchDispatchMode):
    """Below autograd, so that both gradients of a product see it too."""

    def __init__(self, backwards: bool) -> None:
        super().__init__()
        self.backwards = backwards
        self.products = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func not in _OPERANDS:
            return func(*args, **(kwargs or {}))
        self.products += 1
        rounded = list(args)
        for index in _OPERANDS[func]:
            rounded[index] = args[index].bfloat16().float()
        results = self._compute(func, rounded, kwargs or {})
        if func is aten.convolution_backward.default and args[-1][2]:
            dimensions = [d for d in range(args[0].ndim) if d != 1]
            return (*results[:2], args[0].sum(dimensions))  # gradients of biases are no products
        return results

    def _compute(self, func: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """The product; `backwards`, of mirrored operands, which are added in another order."""
        if not self.backwards:
            return func(*args, **kwargs)
        indices = _OPERANDS[func]
        if "convolution" not in str(func):
            left, right = indices
            args[left], args[right] = args[left].flip(-1), args[right].flip(-2)
            return func(*args, **kwargs)
        for index in indices:
            args[index] = args[index].flip(2, 3)
        results = func(*args, **kwargs)
        if isinstance(results, Tensor):
            return results.flip(2, 3)
        image, weight, bias = results
        return image if image is None else image.flip(2, 3), weight.flip(2, 3), bias


class Bf16Operands:
    """A context in which torch, forward and backward, rounds what it multiplies to bf16.

    Fused kernels, which keep their operands to themselves, are off.

    Args:
        backwards: add in another order; convolutions are two-dimensional then, of stride 1.

    Attributes:
        products: how many matrix products and convolutions there were.
    """

    def __init__(self, backwards: bool = False) -> None:
        self._mode = _Rounding(backwards)
        self._stack = ExitStack()

    @property
    def products(self) -> int:
        return self._mode.products

    def __enter__(self) -> Self:
        self._stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        self._stack.callback(torch._C._set_mkldnn_enabled, torch._C._get_mkldnn_enabled())
        torch._C._set_mkldnn_enabled(False)
        self._stack.enter_context(self._mode)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)


def assert_rounded_alike(
    actual: list[Tensor], rounded: list[Tensor], native: list[Tensor]
) -> None:
    """Near the oracle, on the scale of what rounding to bf16 does to native FP32.

    Sums in another order differ in their last bits, and then, rarely, one operand that lies near
    a tie is rounded to the other side. That is far less than rounding all operands or none. What
    rounding leaves alone is the same to FP32.
    """
    for ours, theirs, plain in zip(actual, rounded, native, strict=True):
        assert ours.shape == theirs.shape
        assert torch.equal(ours.isnan(), theirs.isnan())
        difference = (ours - theirs).nan_to_num().norm()
        effect = (plain - theirs).nan_to_num().norm()
        assert difference <= effect / 3 + 1e-6 * theirs.nan_to_num().norm()
