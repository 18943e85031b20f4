"""Networks that tests train: LeNet-5, and ResNet-20 of any width (He et al., 2016, 4.2)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from axdse.dse.training.networks import LAYERS
from axdse.gpu.layers.assignment import Assignment
from axdse.gpu.layers.convert import convert
from axdse.gpu.testing.gemm import table

Batch = tuple[Tensor, Tensor]


class Block(nn.Module):
    """Two convolutions and a shortcut, which is padded with zeros where the width doubles."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.stride = outputs // inputs
        self.conv1 = nn.Conv2d(inputs, outputs, 3, self.stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        more = inner.shape[1] - x.shape[1]
        shortcut = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, more))
        return F.relu(inner + shortcut)


def resnet20(width: int = 16) -> nn.Module:
    """Images [B, 3, H, W] to logits [B, 10]; 16 channels at first in the paper."""
    torch.manual_seed(0)
    widths = [width] * 3 + [2 * width] * 3 + [4 * width] * 3
    blocks = (Block(i, o) for i, o in zip([width, *widths], widths, strict=False))
    stem = nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
    head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, 10)
    return nn.Sequential(*stem, *blocks, *head)


def lenet5() -> nn.Module:
    """Images [B, 1, 28, 28] to logits [B, 10]."""
    torch.manual_seed(0)
    return nn.Sequential(LAYERS["lenet-5"]())


def approximate(model: nn.Module, design: str, format_name: str) -> nn.Module:
    return convert(model, Assignment.uniform(table(design, format_name))).model


def batch(count: int, channels: int, size: int, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(count, channels, size, size, generator=generator)
    return images, torch.randint(0, 10, (count,), generator=generator)


def loss_of(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(model(images), labels)


def train(
    model: nn.Module,
    batches: list[Batch],
    loss: Callable[[nn.Module, Tensor, Tensor], Tensor] = loss_of,
    rate: float = 0.05,
) -> list[float]:
    """The losses of one SGD step a batch."""
    optimiser = torch.optim.SGD(model.parameters(), rate)
    losses = []
    for images, labels in batches:
        optimiser.zero_grad()
        value = loss(model, images, labels)
        value.backward()
        optimiser.step()
        losses.append(value.item())
    return losses
