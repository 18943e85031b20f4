"""What is a residual network? 6n + 2 layers for small images, 18 to 50 for large ones.

K. He et al.: Deep Residual Learning for Image Recognition, CVPR 2016. Section 4.2, with the
shortcuts without parameters (option A) that it has there; and 4.1, with projections (option B).
"""

from collections import OrderedDict

from torch import Tensor, nn
from torch.nn import functional as F

WIDTHS = (16, 32, 64)


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut, which takes every other pixel where they stride."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.stride, self.extra = stride, outputs - inputs

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, inputs, H, W] to [B, outputs, ceil(H / stride), ceil(W / stride)]."""
        y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        shortcut = x[:, :, :: self.stride, :: self.stride]
        if self.extra:
            shortcut = F.pad(shortcut, (0, 0, 0, 0, 0, self.extra))
        return F.relu(y + shortcut)


def resnet(depth: int, channels: int, classes: int) -> OrderedDict[str, nn.Module]:
    """The named layers of ResNet-`depth`, images [B, channels, H, W] in, logits out.

    Args:
        depth: 6n + 2, such as 8 or 20.
        channels: of an image.
        classes: of the logits.
    """
    layers = OrderedDict[str, nn.Module](
        conv=nn.Conv2d(channels, WIDTHS[0], 3, padding=1, bias=False),
        norm=nn.BatchNorm2d(WIDTHS[0]),
        relu=nn.ReLU(),
    )
    before = WIDTHS[0]
    for stage, width in enumerate(WIDTHS, 1):
        strides = (2 if stage > 1 else 1, *(1 for _ in range((depth - 2) // 6 - 1)))
        blocks = []
        for stride in strides:
            blocks.append(Block(before, width, stride))
            before = width
        layers[f"stage{stage}"] = nn.Sequential(*blocks)
    head = OrderedDict(
        pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), fc=nn.Linear(before, classes)
    )
    return OrderedDict([*layers.items(), *head.items()])


# Blocks of each stage, and whether they are bottlenecks: table 1 of the paper.
STAGES = {18: ((2, 2, 2, 2), False), 34: ((3, 4, 6, 3), False), 50: ((3, 4, 6, 3), True)}
EXPANSION = 4  # of a bottleneck's width, to its output
LARGE = 64  # pixels from which on the first layers reduce an image to a quarter of its side


class Projected(nn.Module):
    """Two 3x3 convolutions, or a bottleneck 1x1, 3x3, 1x1, and a projection where shapes differ.

    The stride is that of the 3x3 convolution, as in torchvision.
    """

    def __init__(self, inputs: int, width: int, stride: int, bottleneck: bool) -> None:
        super().__init__()
        outputs = EXPANSION * width if bottleneck else width
        if bottleneck:
            convolutions = [
                nn.Conv2d(inputs, width, 1, bias=False),
                nn.Conv2d(width, width, 3, stride, padding=1, bias=False),
                nn.Conv2d(width, outputs, 1, bias=False),
            ]
        else:
            convolutions = [
                nn.Conv2d(inputs, width, 3, stride, padding=1, bias=False),
                nn.Conv2d(width, outputs, 3, padding=1, bias=False),
            ]
        layers: list[nn.Module] = []
        for layer in convolutions:
            layers += [layer, nn.BatchNorm2d(layer.out_channels), nn.ReLU()]
        self.residual = nn.Sequential(*layers[:-1])
        self.shortcut = nn.Sequential()
        if stride > 1 or inputs != outputs:
            projection = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, inputs, H, W] to [B, outputs, ceil(H / stride), ceil(W / stride)]."""
        return F.relu(self.residual(x) + self.shortcut(x))


def imagenet_resnet(
    depth: int, channels: int, size: int, classes: int
) -> OrderedDict[str, nn.Module]:
    """The named layers of ResNet-18, 34 or 50.

    Args:
        depth: of these.
        channels: of an image.
        size: of an image; below 64 pixels the first layer is a 3x3 convolution, as is usual for
            CIFAR, in place of 7x7 with stride 2 and pooling.
        classes: of the logits.
    """
    blocks, bottleneck = STAGES[depth]
    large = size >= LARGE
    stem = nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
    if not large:
        stem = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
    layers = OrderedDict[str, nn.Module](conv=stem, norm=nn.BatchNorm2d(64), relu=nn.ReLU())
    if large:
        layers["shrink"] = nn.MaxPool2d(3, 2, padding=1)
    before = 64
    for stage, count in enumerate(blocks):
        width, made = 64 << stage, []
        for number in range(count):
            stride = 2 if stage and not number else 1
            made.append(Projected(before, width, stride, bottleneck))
            before = EXPANSION * width if bottleneck else width
        layers[f"stage{stage + 1}"] = nn.Sequential(*made)
    layers |= OrderedDict(
        pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), fc=nn.Linear(before, classes)
    )
    return layers
