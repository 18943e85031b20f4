"""What is the shape of a convolution, and of its unfolded image?"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

Pair = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """How a convolution slides: stride, zero padding and dilation, (height, width) each."""

    stride: Pair
    padding: Pair
    dilation: Pair

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
        groups: independent convolutions.
        inputs: channels of the image in a group.
        outputs: channels of the output in a group.
        image: height and width, without padding.
        kernel: height and width.
        window: stride, padding, dilation.
    """

    batch: int
    groups: int
    inputs: int
    outputs: int
    image: Pair
    kernel: Pair
    window: Window

    @property
    def output(self) -> Pair:
        """Height and width of the output."""
        return self.window.output(self.image, self.kernel)

    @property
    def phase(self) -> Pair:
        """Height and width of what one residue of the stride sees of the padded image."""
        (high, wide), (down, right) = self.window.padded(self.image), self.window.stride
        return -(-high // down), -(-wide // right)


def unfold(
    image: Tensor,
    kernel_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Tensor:
    """[G, C/G * Kh * Kw, B * H' * W'] of an image [B, C, H, W] of any dtype."""
    down, right = padding
    padded = F.pad(image, (right, right, down, down))
    high, wide = steps_of(image.shape[2:], kernel_size, stride, padding, dilation)
    taps = [
        padded[:, :, y * dilation[0] :: stride[0], x * dilation[1] :: stride[1]][
            :, :, :high, :wide
        ]
        for y in range(kernel_size[0])
        for x in range(kernel_size[1])
    ]
    stacked = torch.stack(taps, 2).permute(1, 2, 0, 3, 4)
    depth = image.shape[1] // groups * kernel_size[0] * kernel_size[1]
    return stacked.reshape(groups, depth, image.shape[0] * high * wide)


def steps_of(
    image: Sequence[int],
    kernel_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> Pair:
    """Height and width of the output."""
    high, wide = (
        (size + 2 * border - reach * (taps - 1) - 1) // step + 1
        for size, taps, step, border, reach in zip(
            image, kernel_size, stride, padding, dilation, strict=True
        )
    )
    return high, wide
