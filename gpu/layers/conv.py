"""How is a convolution with approximate products used? As torch's, with `products` beside.

The same constructors and the same `state_dict`, both ways; biases are FP32. Set `products` or
let `convert` do it.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from axdse.gpu.layers.assignment import ApproxLayer
from axdse.gpu.layers.autograd import approx_conv2d, approx_conv_transpose2d
from axdse.gpu.operands.convolution import Window
from axdse.gpu.recording.recorder import probes_of


class ApproxConv2d(ApproxLayer, nn.Conv2d):
    """`nn.Conv2d` with approximate products: every stride, padding, dilation and group.

    Attributes:
        products: the multiplications of its three products.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Map [B, C, H, W] (or [C, H, W]) to [B, O, H', W'], FP32."""
        if input.ndim == 3:
            return self.forward(input[None])[0]
        image, window = _bordered(self, input)
        output = approx_conv2d(image, self.weight, window, self.products, probes_of(self))
        return output if self.bias is None else output + self.bias[:, None, None]


class ApproxConv1d(ApproxLayer, nn.Conv1d):
    """`nn.Conv1d` with approximate products.

    Attributes:
        products: the multiplications of its three products.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Map [B, C, L] (or [C, L]) to [B, O, L'], FP32."""
        if input.ndim == 2:
            return self.forward(input[None])[0]
        image, window = _bordered(self, input)
        kernel = self.weight[:, :, None]
        output = approx_conv2d(image[:, :, None], kernel, window, self.products, probes_of(self))[
            :, :, 0
        ]
        return output if self.bias is None else output + self.bias[:, None]


class ApproxConvTranspose2d(ApproxLayer, nn.ConvTranspose2d):
    """`nn.ConvTranspose2d` with approximate products.

    Attributes:
        products: the multiplications of its three products.
    """

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:  # noqa: A002
        """Map [B, C, H, W] (or [C, H, W]) to [B, O, H', W'], FP32; sizes as in torch."""
        if input.ndim == 3:
            return self.forward(input[None], output_size)[0]
        extra = _extra(self, input, output_size)
        output = _transposed(self, input, self.weight, extra)
        return output if self.bias is None else output + self.bias[:, None, None]


class ApproxConvTranspose1d(ApproxLayer, nn.ConvTranspose1d):
    """`nn.ConvTranspose1d` with approximate products.

    Attributes:
        products: the multiplications of its three products.
    """

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:  # noqa: A002
        """Map [B, C, L] (or [C, L]) to [B, O, L'], FP32; sizes as in torch."""
        if input.ndim == 2:
            return self.forward(input[None], output_size)[0]
        extra = _extra(self, input, output_size)
        images, kernel = input[:, :, None], self.weight[:, :, None]
        output = _transposed(self, images, kernel, extra)[:, :, 0]
        return output if self.bias is None else output + self.bias[:, None]


def _bordered(layer: nn.Conv1d | nn.Conv2d, image: Tensor) -> tuple[Tensor, Window]:
    """The window of a layer, and the image with any border that is not as wide on both sides."""
    stride, dilation = _pair(layer.stride, 1), _pair(layer.dilation, 1)
    if layer.padding_mode == "zeros" and not isinstance(layer.padding, str):
        return image, Window(stride, _pair(layer.padding, 0), dilation, layer.groups)
    border = layer._reversed_padding_repeated_twice
    if layer.padding_mode == "zeros" and border[::2] == border[1::2]:
        padding = _pair(tuple(border[-2::-2]), 0)
        return image, Window(stride, padding, dilation, layer.groups)
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    return F.pad(image, border, mode), Window(stride, (0, 0), dilation, layer.groups)


def _pair(values: tuple[int, ...], before: int) -> tuple[int, int]:
    """(height, width) of what a layer of one or two dimensions says."""
    return (before, values[0]) if len(values) == 1 else (values[0], values[1])


def _transposed(
    layer: "ApproxConvTranspose1d | ApproxConvTranspose2d",
    x: Tensor,
    weight: Tensor,
    extra: list[int],
) -> Tensor:
    stride, padding = _pair(layer.stride, 1), _pair(_numbers(layer), 0)
    dilation, more = _pair(layer.dilation, 1), _pair(tuple(extra), 0)
    # A convolution of stride s cannot tell s sizes of its image apart; what is beyond is zero.
    rest = [max(0, more[i] - stride[i] + 1) for i in (0, 1)]
    high, wide = (
        (x.shape[2 + i] - 1) * stride[i]
        - 2 * padding[i]
        + dilation[i] * (weight.shape[2 + i] - 1)
        + more[i]
        - rest[i]
        + 1
        for i in (0, 1)
    )
    window = Window(stride, padding, dilation, layer.groups)
    output = approx_conv_transpose2d(
        x, weight, (high, wide), window, layer.products, probes_of(layer)
    )
    return F.pad(output, (0, rest[1], 0, rest[0])) if any(rest) else output


def _extra(
    layer: nn.ConvTranspose1d | nn.ConvTranspose2d, x: Tensor, output_size: list[int] | None
) -> list[int]:
    """The output padding by which a transposed convolution of a batch has that size."""
    return layer._output_padding(
        x,
        output_size,
        list(layer.stride),
        list(_numbers(layer)),
        list(layer.kernel_size),
        x.ndim - 2,
        list(layer.dilation),
    )


def _numbers(layer: nn.ConvTranspose1d | nn.ConvTranspose2d) -> tuple[int, ...]:
    assert not isinstance(layer.padding, str)  # transposed layers take numbers only
    return tuple(layer.padding)
