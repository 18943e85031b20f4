"""What are the networks made of? The layers of each workload, and its model for its images."""

import functools
from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor, nn

from axdse.dse.training.datasets import Split
from axdse.dse.training.resnet import resnet
from axdse.dse.training.workloads import Workload

CLASSES = 10
Layers = OrderedDict[str, nn.Module]


def build(workload: Workload, train: Split, seed: int) -> nn.Sequential:
    """Make the model: uint8 images [n, 28, 28] in, logits [n, 10] out.

    Args:
        workload: whose network.
        train: gives the mean and deviation that normalise all images.
        seed: of the initial weights; torch's global generator is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = LAYERS[workload.name]()
    return nn.Sequential(OrderedDict(normalise=_normalise(train), **layers))


class Normalise(nn.Module):
    """Bytes to FP32 of zero mean and unit variance, with a channel dimension."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: float, deviation: float) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("deviation", torch.tensor(deviation))

    def forward(self, images: Tensor) -> Tensor:
        """[n, 28, 28] uint8 -> [n, 1, 28, 28] float32."""
        return ((images.float() - self.mean) / self.deviation).unsqueeze(1)


def _normalise(train: Split) -> Normalise:
    return Normalise(float(train.images.mean()), float(train.images.std()))


def _lenet_300_100() -> Layers:
    return OrderedDict(
        flatten=nn.Flatten(),
        fc1=nn.Linear(28 * 28, 300),
        relu1=nn.ReLU(),
        fc2=nn.Linear(300, 100),
        relu2=nn.ReLU(),
        fc3=nn.Linear(100, CLASSES),
    )


def _lenet_5() -> Layers:
    return OrderedDict(
        conv1=nn.Conv2d(1, 6, 5, padding=2),
        relu1=nn.ReLU(),
        pool1=nn.MaxPool2d(2),
        conv2=nn.Conv2d(6, 16, 5),
        relu2=nn.ReLU(),
        pool2=nn.MaxPool2d(2),
        flatten=nn.Flatten(),
        fc1=nn.Linear(16 * 5 * 5, 120),
        relu3=nn.ReLU(),
        fc2=nn.Linear(120, 84),
        relu4=nn.ReLU(),
        fc3=nn.Linear(84, CLASSES),
    )


# Each makes its named layers, weights drawn from torch's global generator.
LAYERS: dict[str, Callable[[], Layers]] = {
    # LeCun et al., 1998; with ReLU and max pooling, as is usual today.
    "lenet-300-100": _lenet_300_100,
    "lenet-5": _lenet_5,
    "resnet-8": functools.partial(resnet, 8, 1, CLASSES),
    "resnet-20": functools.partial(resnet, 20, 1, CLASSES),
}
