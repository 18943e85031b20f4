"""Which image tasks ship? Classification by each network, and an autoencoder that separates."""

import functools
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from axdse.dse.training.datasets import Splits, load
from axdse.dse.training.examples import Arrays, Batch
from axdse.dse.training.images import images
from axdse.dse.training.networks import NETWORKS, Network, Normalise
from axdse.dse.training.records import TrainSettings
from axdse.dse.training.task import ACCURACY, Metric, Task, log10_mse
from axdse.multipliers.errors import AxdseError, did_you_mean

DEFAULT = "fashion-mnist-14k"
SHIFT = 2  # pixels that augmentation moves an image by, at most, of 28; 4 of 32 is CIFAR's usual
Scored = Literal["accuracy", "loss"]


def cross_entropies(outputs: Tensor, targets: Tensor) -> Tensor:
    """Cross entropy of each image: [n, classes] and [n] -> [n], nats."""
    return F.cross_entropy(outputs, targets, reduction="none")


# Loss resolves what top-1 of 2,000 images cannot.
LOSS = Metric("cross entropy", "nats", "lower", 0.02, cross_entropies)
METRICS = {"accuracy": ACCURACY, "loss": LOSS}
SGD = TrainSettings()
ADAMW = TrainSettings(
    learning_rate=1e-3, weight_decay=0.05, optimiser="adamw", schedule="cosine", warmup=0.05
)


def classification(
    network: Network,
    dataset: str = DEFAULT,
    score: Scored = "accuracy",
    label_smoothing: float = 0.0,
    augment: bool = False,
    size: int = 64,
    settings: TrainSettings = SGD,
    threads: int | None = None,
) -> Task:
    """A network tells what is in an image.

    Args:
        network: makes the layers.
        dataset: name, or the path of a user's: see `axdse.dse.training.datasets.images`.
        score: by accuracy or by loss.
        label_smoothing: part 0..1 of each label that all classes share (Szegedy et al., 2016).
        augment: shift each training image by up to two pixels of 28, and flip half of them.
        size: that pictures of folders are brought to.
        settings: how it is trained.
        threads: as in `Task`.

    Raises:
        AxdseError: there is no such dataset or score, or its images are not square.
    """
    if score not in METRICS:
        raise AxdseError("a score is accuracy or loss", score, did_you_mean(score, METRICS))
    if not 0 <= label_smoothing < 1:
        raise AxdseError("label_smoothing is a part 0..1", label_smoothing, "choose 0.1, say")
    given = images(dataset, size)
    channels, height, width = given.shape
    if height != width:
        rule = "networks for images take square ones"
        raise AxdseError(rule, f"{height} x {width} of {dataset}", "pad or cut them")

    def model(seed: int) -> nn.Module:
        layers = network(channels, height, given.classes)
        normalise = Normalise(given.mean, given.deviation)
        return nn.Sequential(OrderedDict(normalise=normalise, **layers))

    return Task(
        model=model,
        splits=lambda: given.splits,
        loss=functools.partial(F.cross_entropy, label_smoothing=label_smoothing),
        metric=METRICS[score],
        settings=settings,
        classes=given.classes,
        augment=shifted if augment else None,
        threads=threads,
        loss_is_metric=score == "loss" and not label_smoothing,
    )


def shifted(pictures: Tensor, chance: torch.Generator) -> Tensor:
    """Move each image of [n, (C,) H, W] by up to a fourteenth of its side, and flip half."""
    side = pictures.shape[-1]
    most = max(1, SHIFT * side // 28)
    moves = torch.randint(-most, most + 1, (2, len(pictures), 1), generator=chance)
    flips = torch.rand(len(pictures), 1, generator=chance) < 0.5
    places = torch.arange(side)
    rows, columns = places + moves[0], places + moves[1]
    columns = torch.where(flips, side - 1 - columns, columns)
    outside = (rows < 0) | (rows >= side), (columns < 0) | (columns >= side)
    flat = pictures.reshape(len(pictures), -1, side, side)
    n = torch.arange(len(pictures))[:, None, None]
    taken = flat.permute(0, 2, 3, 1)[
        n, rows.clamp(0, side - 1)[:, :, None], columns.clamp(0, side - 1)[:, None, :]
    ]
    taken[outside[0][:, :, None] | outside[1][:, None, :]] = 0
    return taken.permute(0, 3, 1, 2).reshape(pictures.shape)


def lenet_300_100(dataset: str = DEFAULT, score: Scored = "accuracy") -> Task:
    """Two hidden layers."""
    return classification(NETWORKS["lenet-300-100"], dataset, score, threads=1)


def lenet_5(dataset: str = DEFAULT, score: Scored = "accuracy") -> Task:
    """Two convolutions, then three layers."""
    return classification(NETWORKS["lenet-5"], dataset, score)


def _factory(name: str, settings: TrainSettings) -> Callable[..., Task]:
    def factory(
        dataset: str = DEFAULT,
        score: Scored = "accuracy",
        label_smoothing: float = 0.0,
        augment: bool = False,
        size: int = 64,
    ) -> Task:
        return classification(
            NETWORKS[name], dataset, score, label_smoothing, augment, size, settings
        )

    factory.__doc__ = f"{name}: as `classification`."
    return factory


resnet_8 = _factory("resnet-8", SGD)
resnet_20 = _factory("resnet-20", SGD)
resnet_18 = _factory("resnet-18", SGD)
resnet_50 = _factory("resnet-50", SGD)
vit = _factory("vit", ADAMW)
depthwise_cnn = _factory("depthwise-cnn", SGD)

AUTOENCODED = 4_000  # images that are trained on


@dataclass(frozen=True, eq=False)
class Itself:
    """Inputs [n, ...] that are their own targets: a batch is gathered once, and is both."""

    inputs: Tensor

    def __len__(self) -> int:
        return len(self.inputs)

    def batches(
        self, size: int, order: np.random.Generator | None = None, most: int | None = None
    ) -> Iterator[Batch]:
        """As `Examples.batches`."""
        none = torch.empty(len(self), 0)
        for batch, _ in Arrays(self.inputs, none).batches(size, order, most):
            assert isinstance(batch, Tensor)
            yield batch, batch


def autoenc(dataset: str = DEFAULT, code: int = 32) -> Task:
    """An autoencoder, 784-128-code-128-784 with ReLU: the variance that it loses, log10.

    Args:
        dataset: name of it.
        code: numbers that an image becomes.
    """
    given = load(dataset)
    mean, deviation = float(given.train.images.mean()), float(given.train.images.std())

    def scaled(pictures: np.ndarray) -> Itself:
        flat = torch.from_numpy(pictures).flatten(1)
        return Itself((flat.float() - mean) / deviation)

    train = given.train.images[:AUTOENCODED]
    splits = Splits(*map(scaled, (train, given.validation.images, given.test.images)))
    pixels = splits.train.inputs.shape[1]
    return Task(
        model=lambda seed: nn.Sequential(
            OrderedDict(
                fc1=nn.Linear(pixels, 128),
                relu1=nn.ReLU(),
                fc2=nn.Linear(128, code),
                fc3=nn.Linear(code, 128),
                relu3=nn.ReLU(),
                fc4=nn.Linear(128, pixels),
            )
        ),
        splits=lambda: splits,
        loss=F.mse_loss,
        metric=log10_mse(resolution=0.004),
        settings=TrainSettings(
            epochs=6, batch_size=100, learning_rate=1e-3, weight_decay=0.0, optimiser="adam"
        ),
        threads=1,
        loss_is_metric=True,
    )
