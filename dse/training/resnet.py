"""What is a residual network for small images? 6n + 2 layers.

K. He et al.: Deep Residual Learning for Image Recognition, CVPR 2016, section 4.2, with the
shortcuts without parameters (option A) that it has there.
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
