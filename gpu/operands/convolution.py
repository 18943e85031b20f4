"""What is the shape of a convolution, and of its unfolded image? Its native gradients."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

Pair = tuple[int, int]
Size = tuple[int, ...]


class Window(NamedTuple):
    """How a convolution slides, (height, width) each, and its groups: as torch takes them."""

    stride: Pair
    padding: Pair
    dilation: Pair
    groups: int = 1

    def padded(self, image: Pair) -> Pair:
        """Size of the image with its padding."""
        return image[0] + 2 * self.padding[0], image[1] + 2 * self.padding[1]

    def output(self, image: Pair, kernel: Pair) -> Pair:
        """Size of the output, as in `torch.nn.Conv2d`."""
        return (
            self._steps(0, self.padded(image)[0], kernel[0]),
            self._steps(1, self.padded(image)[1], kernel[1]),
        )

    def _steps(self, axis: int, size: int, taps: int) -> int:
        return (size - self.dilation[axis] * (taps - 1) - 1) // self.stride[axis] + 1


@dataclass(frozen=True)
class Convolution:
    """The shape of a convolution.

    Attributes:
        batch: images.
        inputs: channels of the image in a group.
        outputs: channels of the output in a group.
        image: height and width, without padding.
        kernel: height and width.
        window: stride, padding, dilation, groups.
    """

    batch: int
    inputs: int
    outputs: int
    image: Pair
    kernel: Pair
    window: Window

    @property
    def groups(self) -> int:
        """Independent convolutions."""
        return self.window.groups

    @property
    def output(self) -> Pair:
        """Height and width of the output."""
        return self.window.output(self.image, self.kernel)

    @property
    def phase(self) -> Pair:
        """Height and width of what one residue of the stride sees of the padded image."""
        (high, wide), (down, right) = self.window.padded(self.image), self.window.stride
        return -(-high // down), -(-wide // right)

    @property
    def image_size(self) -> Size:
        """[B, C, H, W]."""
        return self.batch, self.groups * self.inputs, *self.image

    @property
    def weight_size(self) -> Size:
        """[O, C/G, Kh, Kw]."""
        return self.groups * self.outputs, self.inputs, *self.kernel

    @property
    def output_size(self) -> Size:
        """[B, O, H', W']."""
        return self.batch, self.groups * self.outputs, *self.output


def unfold(image: Tensor, kernel: Pair, window: Window) -> Tensor:
    """[G, C/G * Kh * Kw, B * H' * W'] of an image [B, C, H, W] of any dtype."""
    (batch, channels), (down, right) = image.shape[:2], window.padding
    padded = F.pad(image, (right, right, down, down))
    high, wide = window.output((image.shape[2], image.shape[3]), kernel)
    rows, columns = (
        [slice(tap * reach, None, step) for tap in range(taps)]
        for taps, reach, step in zip(kernel, window.dilation, window.stride, strict=True)
    )
    taps = [padded[:, :, row, column][:, :, :high, :wide] for row in rows for column in columns]
    stacked = torch.stack(taps, 2).permute(1, 2, 0, 3, 4)
    depth = channels // window.groups * len(taps)
    return stacked.reshape(window.groups, depth, batch * high * wide)


def native_gradient(
    grad: Tensor, image: Tensor, weight: Tensor, window: Window, *, of_image: bool
) -> Tensor:
    """Torch's gradient of the image, or of the weight; of what is asked for, the shape is read."""
    stride, padding, dilation, groups = window
    wanted = [of_image, not of_image, False]
    gradients = torch.ops.aten.convolution_backward(
        grad, image, weight, None, stride, padding, dilation, False, [0, 0], groups, wanted
    )
    result: Tensor = gradients[0 if of_image else 1]
    return result
