"""Do operands fit, and what is the size of what an operator gives?

Kernels trust their arguments, so each call of an operator comes by here, real or traced.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import Format, IntFormat

Size = tuple[int, ...]


def check_operands(first: Tensor, second: Tensor, number_format: Format) -> None:
    """Refuse operands of another dtype than the format's, and those of two devices.

    Raises:
        AxdseError: not FP32 for a float format, not int8 for an integer one; or two devices.
    """
    wanted = torch.int8 if isinstance(number_format, IntFormat) else torch.float32
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


def conv2d_size(
    image: Tensor,
    weight: Tensor,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Size:
    """[B, O, H', W'] of [B, C, H, W] and [O, C/G, Kh, Kw].

    Raises:
        AxdseError: they do not fit, or the kernel is larger than the padded image.
    """
    rule = "a convolution takes [B, C, H, W] and [O, C/G, Kh, Kw], G divides O"
    fits = image.ndim == weight.ndim == 4 and image.shape[1] == groups * weight.shape[1]
    if not fits or weight.shape[0] % groups:
        raise _misfit(rule, image, weight)
    outputs = output_size(image.shape[2:], weight.shape[2:], stride, padding, dilation)
    return image.shape[0], weight.shape[0], *outputs


def input_gradient_size(
    grad: Tensor,
    weight: Tensor,
    image_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Size:
    """[B, C, *image_size] of [B, O, H', W'] and [O, C/G, Kh, Kw].

    Raises:
        AxdseError: they do not fit, or no convolution of images of that size gives H' and W'.
    """
    rule = "an input gradient takes [B, O, H', W'] and [O, C/G, Kh, Kw], G divides O"
    fits = grad.ndim == weight.ndim == 4 and grad.shape[1] == weight.shape[0]
    if not fits or weight.shape[0] % groups:
        raise _misfit(rule, grad, weight)
    outputs = output_size(image_size, weight.shape[2:], stride, padding, dilation)
    _check_outputs(grad, outputs, image_size)
    return grad.shape[0], groups * weight.shape[1], *image_size


def weight_gradient_size(
    grad: Tensor,
    image: Tensor,
    kernel_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Size:
    """[O, C/G, *kernel_size] of [B, O, H', W'] and [B, C, H, W].

    Raises:
        AxdseError: they do not fit, or the convolution with such weights does not give H' and W'.
    """
    rule = "a weight gradient takes [B, O, H', W'] and [B, C, H, W], G divides O and C"
    fits = grad.ndim == image.ndim == 4 and grad.shape[0] == image.shape[0]
    if not fits or grad.shape[1] % groups or image.shape[1] % groups:
        raise _misfit(rule, grad, image)
    outputs = output_size(image.shape[2:], kernel_size, stride, padding, dilation)
    _check_outputs(grad, outputs, image.shape[2:])
    return grad.shape[1], image.shape[1] // groups, *kernel_size


def output_size(
    image: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> tuple[int, int]:
    """(H', W') of a convolution.

    Raises:
        AxdseError: the kernel is larger than the padded image, or a setting is out of range.
    """
    settings = (stride, padding, dilation)
    if any(len(pair) != 2 for pair in (image, kernel, *settings)) or not (
        min(*stride, *dilation, *kernel) >= 1 and min(padding) >= 0
    ):
        rule = "(height, width) of kernel, stride and dilation are at least 1, of padding 0"
        raise AxdseError(rule, (tuple(kernel), *map(tuple, settings)), "choose others")
    spans = [image[i] + 2 * padding[i] - dilation[i] * (kernel[i] - 1) for i in (0, 1)]
    if min(spans) < 1:
        raise AxdseError(
            "a kernel fits into the padded image",
            f"{tuple(kernel)} in {tuple(image)}",
            "pad more, or choose a smaller kernel",
        )
    return (spans[0] - 1) // stride[0] + 1, (spans[1] - 1) // stride[1] + 1


def _check_outputs(grad: Tensor, outputs: tuple[int, int], image: Sequence[int]) -> None:
    if (grad.shape[2], grad.shape[3]) != outputs:
        raise AxdseError(
            f"images of {tuple(image)} give outputs of {outputs}",
            tuple(grad.shape[2:]),
            "choose sizes that fit",
        )


def _misfit(rule: str, first: Tensor, second: Tensor) -> AxdseError:
    sizes = f"{tuple(first.shape)} and {tuple(second.shape)}"
    return AxdseError(rule, sizes, "reshape or transpose them")
