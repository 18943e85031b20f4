"""Which images does a network learn? Those of a dataset, or of a user's files, and their shape."""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from axdse.dse.training.datasets import (
    DATASETS,
    SPLIT_SEED,
    Split,
    Splits,
    check_name,
    divided,
    load,
    read_mnist_files,
)
from axdse.dse.training.examples import Indexed
from axdse.dse.training.pictures import ImageFolder
from axdse.dse.training.readers import read_cifar_batch, read_npz
from axdse.multipliers.cores import cores
from axdse.multipliers.errors import AxdseError

MOST_CLASSES = 1 << 17  # a network has an output for each


@dataclass(frozen=True, eq=False)
class Images:
    """Labelled images, and what a network for them needs to know.

    Attributes:
        splits: (images, labels), or what decodes them; uint8 [n, H, W], or [n, channels, H, W].
        classes: labels are 0..classes-1.
        shape: channels, height, width.
        mean: of each channel, or of all.
        deviation: likewise.
    """

    splits: Splits[Any]
    classes: int
    shape: tuple[int, int, int]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]


@functools.cache
def images(source: str, size: int = 64) -> Images:
    """Images by the name of a dataset, or by the path of a user's.

    A path is an `.npz` of `train_images`, `train_labels` and so on for validation and test; a
    folder of CIFAR-10 or CIFAR-100, "python version"; a folder with the IDX files of MNIST; or a
    folder with `train` and `val` of ImageNet, each with a folder of pictures for each class, which
    are decoded when they are needed. Where there is no validation split, a seeded sixth of the
    training images, or a tenth of pictures, is one; without a test split, it is validation.

    Args:
        source: name or path.
        size: that pictures of folders are brought to.

    Raises:
        AxdseError: it is neither, or not as laid out.
    """
    if source in DATASETS:
        return _in_memory(source, load(source), 10)
    path = Path(source)
    if not (path.exists() or "/" in source or source.endswith(".npz")):
        check_name(source)
    if path.suffix == ".npz":
        return _npz(path)
    if (path / "data_batch_1").exists():
        return _cifar(path, [f"data_batch_{i}" for i in range(1, 6)], "test_batch", "labels", 10)
    if (path / "train").is_dir():
        return _folder(path, size)
    if (path / "train").exists():
        return _cifar(path, ["train"], "test", "fine_labels", 100)
    for ending in ("", ".gz"):
        if (path / f"train-images-idx3-ubyte{ending}").exists():
            return _in_memory(source, read_mnist_files(path, ending))
    rule = "images are those of a dataset, or a folder or .npz of a known layout"
    raise AxdseError(rule, source, f"choose from {', '.join(sorted(DATASETS))}, or a path")


def _in_memory(source: object, splits: Splits[Split], classes: int | None = None) -> Images:
    train = splits.train
    if not len(train.images):
        raise AxdseError("images are trained on", f"{source} has none", "check the dataset")
    shape = train.images.shape[1:]
    if not all(shape):
        raise AxdseError("images have pixels", f"{source}: {shape}", "check the dataset")
    for part in (splits.validation, splits.test):
        if part.images.shape[1:] != shape:
            value = f"{source}: {shape} and {part.images.shape[1:]}"
            raise AxdseError("images of all splits have one size", value, "bring them to one")
    channels = int(shape[0]) if len(shape) == 3 else 1
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    if channels == 1:
        mean = (float(train.images.mean()),)
        deviation = (float(train.images.std()),)
    else:
        mean = tuple(float(train.images[:, c].mean()) for c in range(channels))
        deviation = tuple(float(train.images[:, c].std()) for c in range(channels))
    deviation = tuple(each or 1.0 for each in deviation)  # a channel of one value has none
    known = classes or int(train.labels.max()) + 1
    if known > MOST_CLASSES:
        rule = f"labels are 0..{MOST_CLASSES - 1} at most"
        raise AxdseError(rule, f"{source}: {known - 1}", "count classes from 0")
    pairs = ((part.images, part.labels) for part in (train, splits.validation, splits.test))
    return Images(
        Splits(*pairs), known, (channels, int(shape[-2]), int(shape[-1])), mean, deviation
    )


def _cifar(folder: Path, names: list[str], test: str, labels: str, classes: int) -> Images:
    batches = [read_cifar_batch(folder / name, labels) for name in names]
    train = Split(*(np.concatenate(each) for each in zip(*batches, strict=True)))
    parts = divided(train, Split(*read_cifar_batch(folder / test, labels)))
    return _in_memory(folder, parts, classes)


def _npz(path: Path) -> Images:
    arrays = read_npz(path)
    rule = "an .npz of images has train_images and train_labels, and may have others"
    parts = {}
    for name in ("train", "validation", "test"):
        pixels, labels = arrays.get(f"{name}_images"), arrays.get(f"{name}_labels")
        if pixels is None or labels is None:
            continue
        if pixels.dtype != np.uint8 or pixels.ndim not in (3, 4) or len(pixels) != len(labels):
            value = f"{path}: {name}_images is {pixels.dtype} {pixels.shape}"
            raise AxdseError(rule, value, "store uint8 [n, H, W] or [n, channels, H, W]")
        if labels.ndim != 1 or labels.dtype.kind not in "iu":
            raise AxdseError(rule, f"{path}: {name}_labels is {labels.dtype}", "store integers")
        parts[name] = Split(pixels, labels)
    if "train" not in parts:
        raise AxdseError(rule, f"{path} has {', '.join(sorted(arrays)) or 'none'}", "name them so")
    if "validation" in parts:
        validation = parts["validation"]
        return _in_memory(path, Splits(parts["train"], validation, parts.get("test", validation)))
    parted = divided(parts["train"], parts.get("test", parts["train"]))
    test = parts.get("test", parted.validation)
    return _in_memory(path, Splits(parted.train, parted.validation, test))


def _folder(path: Path, size: int) -> Images:
    train = ImageFolder.find(path / "train", size)
    order = np.random.default_rng(SPLIT_SEED).permutation(len(train))
    bound = max(1, len(order) // 10)
    validation, rest = train.take(order[:bound]), train.take(np.sort(order[bound:]))
    other = next((path / name for name in ("val", "test") if (path / name).is_dir()), None)
    test = ImageFolder.find(other, size, classes=train.classes) if other else validation
    workers = cores()
    # Of ImageNet (Krizhevsky et al., 2012), as is usual for pictures of any kind.
    mean, deviation = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
    parts = (Indexed(each, workers) for each in (rest, validation, test))
    return Images(Splits(*parts), len(train.classes), (3, size, size), mean, deviation)
