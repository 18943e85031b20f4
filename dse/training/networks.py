"""What are the networks for images made of? Layers by name, from FP32 images to logits.

Sizes follow the images: channels, side and classes.
"""

import functools
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn

from axdse.dse.training.resnet import imagenet_resnet, resnet
from axdse.dse.training.transformer import VisionTransformer
from axdse.multipliers.errors import AxdseError

CLASSES = 10
Layers = OrderedDict[str, nn.Module]


class Network(Protocol):
    """Makes named layers, weights drawn from torch's global generator."""

    def __call__(self, channels: int, size: int, classes: int) -> Layers:
        """Layers for square images of `size` pixels."""
        ...


class Normalise(nn.Module):
    """Bytes to FP32 of zero mean and unit variance, with a channel dimension.

    Args:
        mean: of all bytes, or of each channel.
        deviation: likewise.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: tuple[float, ...], deviation: tuple[float, ...]) -> None:
        super().__init__()
        for name, values in (("mean", mean), ("deviation", deviation)):
            whole = torch.tensor(values[0] if len(values) == 1 else values)
            self.register_buffer(name, whole if len(values) == 1 else whole[:, None, None])

    def forward(self, images: Tensor) -> Tensor:
        """uint8 [n, H, W] -> float32 [n, 1, H, W]; [n, C, H, W] -> the same shape."""
        scaled = (images.float() - self.mean) / self.deviation
        return scaled.unsqueeze(1) if images.ndim == 3 else scaled


def lenet_300_100(channels: int, size: int, classes: int) -> Layers:
    """LeCun et al., 1998; with ReLU, as is usual today."""
    return OrderedDict(
        flatten=nn.Flatten(),
        fc1=nn.Linear(channels * size * size, 300),
        relu1=nn.ReLU(),
        fc2=nn.Linear(300, 100),
        relu2=nn.ReLU(),
        fc3=nn.Linear(100, classes),
    )


def lenet_5(channels: int, size: int, classes: int) -> Layers:
    """LeCun et al., 1998; with ReLU and max pooling.

    Raises:
        AxdseError: the images are so small that nothing of them would be left.
    """
    side = (size // 2 - 4) // 2
    if side < 1:
        raise AxdseError("images for lenet-5 have 12 x 12 pixels or more", size, "enlarge them")
    return OrderedDict(
        conv1=nn.Conv2d(channels, 6, 5, padding=2),
        relu1=nn.ReLU(),
        pool1=nn.MaxPool2d(2),
        conv2=nn.Conv2d(6, 16, 5),
        relu2=nn.ReLU(),
        pool2=nn.MaxPool2d(2),
        flatten=nn.Flatten(),
        fc1=nn.Linear(16 * side * side, 120),
        relu3=nn.ReLU(),
        fc2=nn.Linear(120, 84),
        relu4=nn.ReLU(),
        fc3=nn.Linear(84, classes),
    )


def small_resnet(depth: int, channels: int, size: int, classes: int) -> Layers:
    """6n + 2 layers, for images of any size."""
    return resnet(depth, channels, classes)


def vit(channels: int, size: int, classes: int) -> Layers:
    """Four blocks 64 wide of four heads; patches of a quarter of the side, at most 8."""
    patch = max(p for p in range(1, 9) if size % p == 0 and (p <= size // 4 or p == 1))
    return OrderedDict(vit=VisionTransformer(channels, size, classes, patch, 64, 4, 4))


def depthwise_cnn(channels: int, size: int, classes: int) -> Layers:
    """MobileNet (Howard et al., 2017) at a quarter of its width, with fewer blocks and strides."""
    layers = _normed(nn.Conv2d(channels, 16, 3, padding=1, bias=False))
    blocks = (((16, 32), 1), ((32, 64), 2), ((64, 64), 1), ((64, 128), 2), ((128, 128), 1))
    for (inputs, outputs), stride in blocks:
        depthwise = nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False)
        pointwise = nn.Conv2d(inputs, outputs, 1, bias=False)
        layers += [nn.Sequential(*_normed(depthwise), *_normed(pointwise))]
    return OrderedDict(
        features=nn.Sequential(*layers),
        pool=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(),
        fc=nn.Linear(128, classes),
    )


def _normed(layer: nn.Conv2d) -> list[nn.Module]:
    return [layer, nn.BatchNorm2d(layer.out_channels), nn.ReLU()]


NETWORKS: dict[str, Network] = {
    "lenet-300-100": lenet_300_100,
    "lenet-5": lenet_5,
    "resnet-8": functools.partial(small_resnet, 8),
    "resnet-20": functools.partial(small_resnet, 20),
    "resnet-18": functools.partial(imagenet_resnet, 18),
    "resnet-50": functools.partial(imagenet_resnet, 50),
    "vit": vit,
    "depthwise-cnn": depthwise_cnn,
}
# Those of 28 x 28 grey images of ten classes.
LAYERS: dict[str, Callable[[], Layers]] = {
    name: functools.partial(network, 1, 28, CLASSES) for name, network in NETWORKS.items()
}
