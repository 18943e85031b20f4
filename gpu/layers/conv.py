"""How is a convolution with approximate products used? As torch's, with `products` beside.

The same constructors and the same `state_dict`, both ways; biases are FP32. Set `products` or
let `convert` do it.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from axdse.gpu.layers.assignment import ApproxLayer
from axdse.gpu.layers.autograd import approx_conv2d, approx_conv_transpose2d
from axdse.gpu.operands.convolution import Window
from axdse.gpu.recording.recorder import probes_of
from axdse.multipliers.errors import AxdseError


class ApproxConv2d(ApproxLayer, nn.Conv2d):
    """`nn.Conv2d` with approximate products: every stride, padding, dilation and group.

    Attributes:
        products: the multiplications of its three products.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Map [B, C, H, W] (or [C, H, W]) to [B, O, H', W'], FP32."""
        if input.ndim == 3:
            return ApproxConv2d.forward(self, input[None])[0]
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
            return ApproxConv1d.forward(self, input[None])[0]
        image, window = _bordered(self, input)
        kernel = self.weight[:, :, None]
        output = approx_conv2d(image[:, :, None], kernel, window, self.products, probes_of(self))[
            :, :, 0
        ]
        return output if self.bias is None else output + self.bias[:, None]


class ApproxConv3d(ApproxLayer, nn.Conv3d):
    """`nn.Conv3d` with approximate products: a sum is over (channel, depth, row, column).

    Each depth of the output is a convolution of two dimensions whose channels are those of all its
    depths of the input: gradients that meet at one of these are added in FP32.

    Attributes:
        products: the multiplications of its three products.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Map [B, C, D, H, W] (or [C, D, H, W]) to [B, O, D', H', W'], FP32."""
        if input.ndim == 4:
            return ApproxConv3d.forward(self, input[None])[0]
        if input.ndim != 5 or input.shape[1] != self.in_channels:
            rule = f"volumes are [B, {self.in_channels}, D, H, W], or without B"
            raise AxdseError(rule, tuple(input.shape), "reshape them")
        volume, padding = _bordered_volume(self, input)
        taps, stride, dilation = self.kernel_size[0], self.stride[0], self.dilation[0]
        count = (volume.shape[2] - dilation * (taps - 1) - 1) // stride + 1
        if count < 1:
            found = f"{taps} of dilation {dilation} in {volume.shape[2]}"
            raise AxdseError("a kernel fits into the padded volume", found, "pad more")
        depths = torch.arange(taps) * dilation + torch.arange(count)[:, None] * stride
        # [B, C, D', taps, H, W], and a batch of B D' images of C taps channels.
        parts = volume[:, :, depths.to(volume.device)].transpose(1, 2)
        images = parts.flatten(2, 3).flatten(0, 1)
        window = Window(
            (self.stride[1], self.stride[2]),
            padding,
            (self.dilation[1], self.dilation[2]),
            self.groups,
        )
        kernel = self.weight.flatten(1, 2)
        output = approx_conv2d(images, kernel, window, self.products, probes_of(self))
        output = output.reshape(len(volume), count, *output.shape[1:]).transpose(1, 2)
        return output if self.bias is None else output + self.bias[:, None, None, None]


class ApproxConvTranspose2d(ApproxLayer, nn.ConvTranspose2d):
    """`nn.ConvTranspose2d` with approximate products.

    Attributes:
        products: the multiplications of its three products.
    """

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:  # noqa: A002
        """Map [B, C, H, W] (or [C, H, W]) to [B, O, H', W'], FP32; sizes as in torch."""
        if input.ndim == 3:
            return ApproxConvTranspose2d.forward(self, input[None], output_size)[0]
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
            return ApproxConvTranspose1d.forward(self, input[None], output_size)[0]
        extra = _extra(self, input, output_size)
        images, kernel = input[:, :, None], self.weight[:, :, None]
        output = _transposed(self, images, kernel, extra)[:, :, 0]
        return output if self.bias is None else output + self.bias[:, None]


class ApproxConvTranspose3d(ApproxLayer, nn.ConvTranspose3d):
    """`nn.ConvTranspose3d` with approximate products: a sum is over (channel, depth, row, column).

    Depths of the output that the same taps of the kernel reach are one transposed convolution of
    two dimensions, whose channels are those of the depths of the input that they reach from, with
    scales of its own; where these meet, gradients are added in FP32.

    Attributes:
        products: the multiplications of its three products.
    """

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:  # noqa: A002
        """Map [B, C, D, H, W] (or [C, D, H, W]) to [B, O, D', H', W'], FP32; sizes as in torch."""
        if input.ndim == 4:
            return ApproxConvTranspose3d.forward(self, input[None], output_size)[0]
        if input.ndim != 5 or input.shape[1] != self.in_channels:
            rule = f"volumes are [B, {self.in_channels}, D, H, W], or without B"
            raise AxdseError(rule, tuple(input.shape), "reshape them")
        extra = _extra(self, input, output_size)
        groups = _reaching(self, input.shape[2], extra[0])
        parts, depths = [], []
        for taps, (reached, sources) in groups.items():
            if not taps:
                continue
            # [B, C, places, taps, H, W], and a batch of B places images of C taps channels.
            images = input[:, :, torch.tensor(sources, device=input.device)].transpose(1, 2)
            kernel = self.weight[:, :, list(taps)].transpose(1, 2).flatten(0, 1)
            made = _transposed(self, images.flatten(2, 3).flatten(0, 1), kernel, extra[1:])
            parts.append(made.reshape(len(input), len(reached), *made.shape[1:]))
            depths += reached
        found, count = torch.cat(parts, 1), sum(len(reached) for reached, _ in groups.values())
        output = found.new_zeros(len(found), count, *found.shape[2:])
        output = output.index_copy(1, torch.tensor(depths, device=input.device), found)
        output = output.transpose(1, 2)
        return output if self.bias is None else output + self.bias[:, None, None, None]


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


def _bordered_volume(layer: nn.Conv3d, volume: Tensor) -> tuple[Tensor, tuple[int, int]]:
    """The volume with its border in depth, and what is left to pad of height and width."""
    if layer.padding_mode == "zeros" and not isinstance(layer.padding, str):
        depth, high, wide = layer.padding
        return F.pad(volume, (0, 0, 0, 0, depth, depth)), (high, wide)
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    return F.pad(volume, layer._reversed_padding_repeated_twice, mode), (0, 0)


def _pair(values: tuple[int, ...], before: int) -> tuple[int, int]:
    """(height, width) of what a layer of one dimension says, or of more."""
    return (before, values[0]) if len(values) == 1 else (values[-2], values[-1])


def _transposed(
    layer: "ApproxConvTranspose1d | ApproxConvTranspose2d | ApproxConvTranspose3d",
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


def _reaching(
    layer: nn.ConvTranspose3d, depth: int, extra: int
) -> dict[tuple[int, ...], tuple[list[int], list[list[int]]]]:
    """For taps in depth: the depths of the output that just they reach, and from which ones."""
    taps, stride, dilation = layer.kernel_size[0], layer.stride[0], layer.dilation[0]
    first = -_numbers(layer)[0]
    found: dict[tuple[int, ...], tuple[list[int], list[list[int]]]] = {}
    for place in range((depth - 1) * stride + 2 * first + dilation * (taps - 1) + extra + 1):
        met = {tap: divmod(place - first - dilation * tap, stride) for tap in range(taps)}
        from_ = {tap: at for tap, (at, rest) in met.items() if not rest and 0 <= at < depth}
        reached, sources = found.setdefault(tuple(from_), ([], []))
        reached.append(place)
        sources.append(list(from_.values()))
    return found


def _extra(
    layer: nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d,
    x: Tensor,
    output_size: list[int] | None,
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


def _numbers(
    layer: nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d,
) -> tuple[int, ...]:
    assert not isinstance(layer.padding, str)  # transposed layers take numbers only
    return tuple(layer.padding)
