"""Do operands fit, and what is the size of what an operator gives? The operators' door.

Kernels trust their arguments, so each call of an operator comes by here, real or traced, and the
settings of a convolution become one `Convolution`.
"""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from axdse.gpu.operands.convolution import Convolution, Pair, Size, Window
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import Format, IntFormat

Operation = Literal["gemm", "conv2d", "conv2d_input_gradient", "conv2d_weight_gradient"]


def check_operands(first: Tensor, second: Tensor, number_format: Format) -> None:
    """Refuse operands of another dtype than the format's, and those of two devices.

    Raises:
        AxdseError: not FP32 for a float format, not int8 for an integer one, int16 if it has
            blocks; or two devices.
    """
    wanted = torch.float32
    if isinstance(number_format, IntFormat):
        wanted = torch.int16 if number_format.is_mx else torch.int8
    if first.dtype != wanted or second.dtype != wanted:
        rule = f"{number_format.name} multiplies {wanted} tensors"
        raise AxdseError(rule, f"{first.dtype} and {second.dtype}", f"convert both to {wanted}")
    if first.device != second.device:
        both = f"{first.device} and {second.device}"
        raise AxdseError("operands are on one device", both, "move one")


def gemm_size(a: Tensor, b: Tensor) -> Size:
    """[G, M, N] of [G, M, K] and [G, K, N].

    Raises:
        AxdseError: they do not fit.
    """
    if a.ndim != 3 or b.ndim != 3 or a.shape[0] != b.shape[0] or a.shape[2] != b.shape[1]:
        raise _misfit("operands are [G, M, K] and [G, K, N]", a, b)
    return a.shape[0], a.shape[1], b.shape[2]


def conv2d(image: Tensor, weight: Tensor, *settings: Any) -> Convolution:
    """The convolution of [B, C, H, W] by [O, C/G, Kh, Kw].

    Args:
        image: to be convolved.
        weight: by this.
        *settings: stride, padding, dilation, groups.

    Raises:
        AxdseError: they do not fit, or the kernel is larger than the padded image.
    """
    rule, groups = (
        "a convolution takes [B, C, H, W] and [O, C/G, Kh, Kw], G divides O",
        settings[3],
    )
    fits = image.ndim == weight.ndim == 4 and image.shape[1] == groups * weight.shape[1]
    if not fits or weight.shape[0] % groups:
        raise _misfit(rule, image, weight)
    return _convolution(image.shape[0], image.shape[2:], weight.shape, settings)


def input_gradient(
    grad: Tensor, weight: Tensor, image_size: Sequence[int], *settings: Any
) -> Convolution:
    """The convolution by [O, C/G, Kh, Kw] whose output gradient is [B, O, H', W'].

    Args:
        grad: of the output.
        weight: of the convolution.
        image_size: height and width.
        *settings: as of `conv2d`.

    Raises:
        AxdseError: they do not fit, or no convolution of images of that size gives H' and W'.
    """
    rule = "an input gradient takes [B, O, H', W'] and [O, C/G, Kh, Kw], G divides O"
    fits = grad.ndim == weight.ndim == 4 and grad.shape[1] == weight.shape[0]
    if not fits or weight.shape[0] % settings[3]:
        raise _misfit(rule, grad, weight)
    return _checked(grad, _convolution(grad.shape[0], image_size, weight.shape, settings))


def weight_gradient(
    grad: Tensor, image: Tensor, kernel_size: Sequence[int], *settings: Any
) -> Convolution:
    """The convolution of [B, C, H, W] whose output gradient is [B, O, H', W'].

    Args:
        grad: of the output.
        image: of the convolution.
        kernel_size: height and width.
        *settings: as of `conv2d`.

    Raises:
        AxdseError: they do not fit, or the convolution with such weights does not give H' and W'.
    """
    rule = "a weight gradient takes [B, O, H', W'] and [B, C, H, W], G divides O and C"
    groups = settings[3]
    fits = grad.ndim == image.ndim == 4 and grad.shape[0] == image.shape[0]
    if not fits or grad.shape[1] % groups or image.shape[1] % groups:
        raise _misfit(rule, grad, image)
    weight = grad.shape[1], image.shape[1] // groups, *kernel_size
    return _checked(grad, _convolution(image.shape[0], image.shape[2:], weight, settings))


def _convolution(
    batch: int, image: Sequence[int], weight: Sequence[int], settings: tuple[Any, ...]
) -> Convolution:
    outputs, inputs, *kernel = weight
    *pairs, groups = settings
    if any(len(pair) != 2 for pair in (image, kernel, *pairs)) or not (
        min(*pairs[0], *pairs[2], *kernel) >= 1 and min(pairs[1]) >= 0
    ):
        rule = "(height, width) of kernel, stride and dilation are at least 1, of padding 0"
        raise AxdseError(rule, (tuple(kernel), *map(tuple, pairs)), "choose others")
    stride, padding, dilation = map(_pair, pairs)
    window = Window(stride, padding, dilation, groups)
    shape = Convolution(batch, inputs, outputs // groups, _pair(image), _pair(kernel), window)
    if min(shape.output) < 1:
        raise AxdseError(
            "a kernel fits into the padded image",
            f"{shape.kernel} in {shape.image}",
            "pad more, or choose a smaller kernel",
        )
    return shape


def _pair(sizes: Sequence[int]) -> Pair:
    return sizes[0], sizes[1]


def _checked(grad: Tensor, shape: Convolution) -> Convolution:
    if (grad.shape[2], grad.shape[3]) != shape.output:
        raise AxdseError(
            f"images of {shape.image} give outputs of {shape.output}",
            tuple(grad.shape[2:]),
            "choose sizes that fit",
        )
    return shape


def _misfit(rule: str, first: Tensor, second: Tensor) -> AxdseError:
    sizes = f"{tuple(first.shape)} and {tuple(second.shape)}"
    return AxdseError(rule, sizes, "reshape or transpose them")
