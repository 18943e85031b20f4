"""What do torch and a caller see? Four operators for every device.

    axdse::gemm(a, b, multiplication, swap)
        a [G, M, K] times b [G, K, N] is [G, M, N]; products are T(a, b)
    axdse::conv2d(image, weight, multiplication, swap, stride, padding, dilation, groups)
        image [B, C, H, W], weight [O, C/G, Kh, Kw] to [B, O, H', W']; T(image, weight)
    axdse::conv2d_input_gradient(grad, weight, multiplication, swap, image_size, ...)
        [B, O, H', W'] to [B, C, H, W]; T(grad, weight), of pairs that exist
    axdse::conv2d_weight_gradient(grad, image, multiplication, swap, kernel_size, ...)
        to [O, C/G, Kh, Kw]; T(grad, image)

`multiplication` is a handle of `axdse.gpu.multiplication`; with `swap`, products are T of the
exchanged operands. Float formats take FP32, round it to float(8, m), and give FP32; int8 takes
int8 codes and gives int32 sums modulo 2^32, exact up to K = 65,536; MXINT8 takes int16 codes
{scale, element}, of which a step has the scale of its first k, and gives FP32; only `gemm` takes
those. Zeros that pad an image are operands like others. Tensors may have any strides; results are
contiguous. Products are bit-equal on all devices. FP32 sums start at +0, their order is free but
fixed for a given shape, device and number of threads; those of formats with sum=bf16 or sum=fp16
are added in the order of k, as `axdse.gpu.reference` has it, and rounded after each addition. A
sum that is rounded by chance takes `seed`, an int64 tensor of one number, none being 0: the same
seed gives the same bits everywhere. What does not fit raises an AxdseError.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from axdse.gpu import reference
from axdse.gpu.multiplication.handles import Design, handle, resolve
from axdse.gpu.operands import shapes
from axdse.gpu.operands.convolution import Convolution, Size
from axdse.gpu.operands.shapes import Operation
from axdse.gpu.ops.plan import DeviceType, plan
from axdse.multipliers.errors import AxdseError

_SEED = "*, Tensor? seed=None"
_WINDOW = "int[] stride, int[] padding, int[] dilation, int groups"


@dataclass(frozen=True)
class _Operator:
    """One operator.

    Attributes:
        name: of it.
        operands: names of both tensors.
        settings: schema of what follows the multiplication and the order of operands.
        door: from tensors and settings, the size of the result, and what takes the place of the
            settings; refuses what does not fit.
    """

    name: Operation
    operands: tuple[str, str]
    settings: str
    door: Callable[..., tuple[Size, tuple[Convolution, ...]]]

    def define(self) -> None:
        name, (first, second) = self.name, self.operands
        arguments = f"Tensor {first}, Tensor {second}, str multiplication, bool swap"
        schema = f"({arguments}{self.settings}, {_SEED}) -> Tensor"
        torch.library.define(f"axdse::{name}", schema)
        torch.library.register_fake(f"axdse::{name}", self.traced)
        by_reference = partial(self.computed, lambda *_: reference.OPERATORS[name])
        by_plan = partial(self.computed, partial(plan, operation=name))
        torch.library.impl(f"axdse::{name}", "CompositeExplicitAutograd", by_reference)
        torch.library.impl(f"axdse::{name}", ["CPU", "CUDA"], by_plan)

    def traced(
        self,
        first: Tensor,
        second: Tensor,
        multiplication: str,
        swap: bool,
        *settings: object,
        seed: Tensor | None = None,
    ) -> Tensor:
        """An empty result."""
        size, _ = self._enter(first, second, multiplication, *settings)
        dtype = reference.sum_type(resolve(multiplication).format)
        return first.new_empty(size, dtype=dtype)

    def computed(
        self,
        chosen: Callable[[str, DeviceType], Callable[..., Tensor]],
        first: Tensor,
        second: Tensor,
        multiplication: str,
        swap: bool,
        *settings: object,
        seed: Tensor | None = None,
    ) -> Tensor:
        """The result, by what is chosen for a multiplication on a device."""
        _, shape = self._enter(first, second, multiplication, *settings)
        compute = chosen(multiplication, "cuda" if first.is_cuda else "cpu")
        number = _number(multiplication, seed)
        return compute(first, second, multiplication, swap, *shape, seed=number)

    def _enter(
        self, first: Tensor, second: Tensor, multiplication: str, *settings: object
    ) -> tuple[Size, tuple[Convolution, ...]]:
        known = resolve(multiplication)
        number_format = known.format
        if torch.onnx.is_in_onnx_export():
            rule = "ONNX has no operator for the products of a design"
            remedy = "export the exact network, with the design's name in metadata_props"
            raise AxdseError(rule, f"{known.multiplier} in {number_format.name}", remedy)
        shapes.check_operands(first, second, number_format)
        if self.name != "gemm" and first.dtype == torch.int16:
            rule = "a step of integers in blocks has one scale, so they are multiplied as matrices"
            raise AxdseError(rule, f"{number_format.name} in {self.name}", "choose another format")
        return self.door(first, second, *settings)


def _number(multiplication: str, seed: Tensor | None) -> int | None:
    """The seed of a sum that takes one."""
    total = resolve(multiplication).sum
    if total is None or not total.is_random:
        return None
    return 0 if seed is None else int(seed)


def _gemm(a: Tensor, b: Tensor) -> tuple[Size, tuple[Convolution, ...]]:
    return shapes.gemm_size(a, b), ()


def _conv2d(image: Tensor, weight: Tensor, *settings: object) -> tuple[Size, tuple[Convolution]]:
    shape = shapes.conv2d(image, weight, *settings)
    return shape.output_size, (shape,)


def _input_gradient(
    grad: Tensor, weight: Tensor, image_size: list[int], *settings: object
) -> tuple[Size, tuple[Convolution]]:
    shape = shapes.input_gradient(grad, weight, image_size, *settings)
    return shape.image_size, (shape,)


def _weight_gradient(
    grad: Tensor, image: Tensor, kernel_size: list[int], *settings: object
) -> tuple[Size, tuple[Convolution]]:
    shape = shapes.weight_gradient(grad, image, kernel_size, *settings)
    return shape.weight_size, (shape,)


_OPERATORS = (
    _Operator("gemm", ("a", "b"), "", _gemm),
    _Operator("conv2d", ("image", "weight"), f", {_WINDOW}", _conv2d),
    _Operator(
        "conv2d_input_gradient",
        ("grad", "weight"),
        f", int[] image_size, {_WINDOW}",
        _input_gradient,
    ),
    _Operator(
        "conv2d_weight_gradient",
        ("grad", "image"),
        f", int[] kernel_size, {_WINDOW}",
        _weight_gradient,
    ),
)
for _operator in _OPERATORS:
    _operator.define()


def lut_gemm(a: Tensor, b: Tensor, design: Design, swap: bool = False) -> Tensor:
    """Multiply matrices [M, K] and [K, N]; see the module's docstring.

    Raises:
        AxdseError: shapes, dtypes or devices do not fit.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        shapes = f"{tuple(a.shape)} and {tuple(b.shape)}"
        raise AxdseError("operands are [M, K] and [K, N]", shapes, "reshape or transpose them")
    result: Tensor = torch.ops.axdse.gemm(a[None], b[None], handle(design), swap)
    return result[0]
