"""What every kernel of the convolution operators must do: inherit `ConvContract`."""

from dataclasses import dataclass

import pytest
import torch
from gemm_contract import ROUNDOFF, assert_same_bits, operands, table
from torch import Tensor

from axdse.gpu import ops_reference
from axdse.gpu.multiplication import handle
from axdse.multipliers.formats import IntFormat, parse_format

NARROW = "float(8,7,round=truncate,product=narrow)"
WIDE = "float(8,5,round=nearest,product=wide)"


@dataclass(frozen=True)
class Case:
    """A convolution: image [B, C, H, W], weight [O, C/G, Kh, Kw] and how it slides."""

    image: tuple[int, int, int, int]
    outputs: int
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    @property
    def window(self) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int], int]:
        return self.stride, self.padding, self.dilation, self.groups

    @property
    def output(self) -> tuple[int, int, int, int]:
        high, wide = (
            (self.image[2 + i] + 2 * self.padding[i] - self.dilation[i] * (self.kernel[i] - 1) - 1)
            // self.stride[i]
            + 1
            for i in (0, 1)
        )
        return self.image[0], self.outputs, high, wide

    @property
    def weight(self) -> tuple[int, int, int, int]:
        return self.outputs, self.image[1] // self.groups, *self.kernel


CASES = {
    "3x3": Case((2, 3, 9, 11), 5, (3, 3), padding=(1, 1)),
    "1x1": Case((2, 7, 5, 5), 6, (1, 1)),
    "1x1 stride 2": Case((2, 7, 6, 5), 6, (1, 1), stride=(2, 2)),
    "5x5 without padding": Case((3, 2, 12, 12), 4, (5, 5)),
    "stride 2": Case((2, 3, 10, 9), 4, (3, 3), stride=(2, 2), padding=(1, 1)),
    "stride 3 leaves rows out": Case((1, 2, 11, 13), 3, (2, 3), stride=(3, 2), padding=(0, 1)),
    "stride above the kernel": Case((1, 2, 9, 9), 3, (2, 2), stride=(4, 3)),
    "dilation": Case((2, 2, 13, 9), 3, (3, 3), padding=(2, 0), dilation=(2, 3)),
    "dilation and stride": Case((1, 3, 14, 11), 2, (3, 2), (2, 3), (1, 2), (3, 2)),
    "groups": Case((2, 6, 8, 7), 4, (3, 3), (1, 2), (1, 1), (1, 1), 2),
    "depthwise": Case((2, 5, 9, 8), 5, (3, 3), padding=(1, 1), groups=5),
    "depthwise, stride 2": Case((2, 4, 9, 8), 8, (3, 3), (2, 2), (1, 1), (1, 1), 4),
    "kernel as large as the padded image": Case((2, 2, 3, 2), 3, (5, 6), padding=(1, 2)),
    "padding beyond the kernel": Case((1, 2, 4, 4), 2, (2, 2), padding=(3, 3)),
    "one dimension": Case((3, 4, 1, 37), 6, (1, 5), (1, 2), (0, 2)),
    "many pixels": Case((5, 2, 17, 19), 3, (3, 3), padding=(1, 1)),
    "many channels": Case((1, 70, 4, 4), 67, (3, 3), padding=(1, 1)),
    "no images": Case((0, 3, 6, 6), 4, (3, 3), padding=(1, 1)),
}
FORMATS = (NARROW, WIDE, "int8")


def tensor(size: tuple[int, ...], name: str, seed: int) -> Tensor:
    """Operands, a third of the floats zeros as after a ReLU."""
    number_format = parse_format(name)
    x = operands(int(torch.Size(size).numel()), number_format, seed).reshape(size)
    return x if isinstance(number_format, IntFormat) else torch.where(x < -0.5, 0.0, x)


def assert_close(actual: Tensor, expected: Tensor, sizes: Tensor, depth: int) -> None:
    """Within the error of two orders of FP32 sums of `depth` products; int32 sums are exact."""
    assert actual.shape == expected.shape
    assert actual.is_contiguous()
    if actual.dtype == torch.int32:
        assert torch.equal(actual, expected)
        return
    bound = 2 * (depth + 1) * ROUNDOFF * sizes.double()
    assert bool(((actual.double() - expected.double()).abs() <= bound).all())


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
class ConvContract:
    """Inherit as `class TestMyKernel(ConvContract)`; the table has no regularity."""

    def conv2d(self, *arguments: object) -> Tensor:
        raise NotImplementedError

    def conv2d_input_gradient(self, *arguments: object) -> Tensor:
        raise NotImplementedError

    def conv2d_weight_gradient(self, *arguments: object) -> Tensor:
        raise NotImplementedError

    def test_conv2d(self, case: Case, name: str, swap: bool) -> None:
        image, weight = tensor(case.image, name, 1), tensor(case.weight, name, 2)
        arguments = handle(table("scramble", name)), swap, *case.window
        expected = ops_reference.conv2d_reference(image, weight, *arguments)
        sizes = _sizes(ops_reference.conv2d_reference, image, weight, name, swap, *case.window)
        depth = weight[0].numel()
        assert_close(self.conv2d(image, weight, *arguments), expected, sizes, depth)
        last = image.contiguous(memory_format=torch.channels_last)
        assert_same_bits(
            self.conv2d(last, weight, *arguments), self.conv2d(image, weight, *arguments)
        )

    def test_input_gradient(self, case: Case, name: str, swap: bool) -> None:
        grad, weight = tensor(case.output, name, 3), tensor(case.weight, name, 2)
        more = case.image[2:], *case.window
        arguments = handle(table("scramble", name)), swap, *more
        reference = ops_reference.conv2d_input_gradient_reference
        expected = reference(grad, weight, *arguments)
        sizes = _sizes(reference, grad, weight, name, swap, *more)
        depth = weight.numel() // weight.shape[1]
        actual = self.conv2d_input_gradient(grad, weight, *arguments)
        assert_close(actual, expected, sizes, depth)

    def test_weight_gradient(self, case: Case, name: str, swap: bool) -> None:
        grad, image = tensor(case.output, name, 3), tensor(case.image, name, 1)
        more = case.kernel, *case.window
        arguments = handle(table("scramble", name)), swap, *more
        reference = ops_reference.conv2d_weight_gradient_reference
        expected = reference(grad, image, *arguments)
        sizes = _sizes(reference, grad, image, name, swap, *more)
        depth = grad.numel() // grad.shape[1]
        actual = self.conv2d_weight_gradient(grad, image, *arguments)
        assert_close(actual, expected, sizes, depth)


def _sizes(reference: object, a: Tensor, b: Tensor, name: str, swap: bool, *more: object) -> Tensor:
    """Sums of the sizes of the products: their signs are those of the operands."""
    if a.dtype == torch.int8:
        return torch.zeros(())
    assert callable(reference)
    result = reference(a.abs(), b.abs(), handle(table("scramble", name)), swap, *more)
    assert isinstance(result, Tensor)
    return result
