"""Where does fashion_mnist_14k.npz.xz come from? Debian's `dataset-fashion-mnist`.

A stratified subset, equal numbers per class: 8,000 + 2,000 of the 60,000 training images for
training and validation, 4,000 of the 10,000 test images for testing. Seeded: running it again
gives the same bytes.
"""

import io
import lzma
from pathlib import Path

import numpy as np

from axdse.dse.training.readers import read_idx

SOURCE = Path("/usr/share/datasets/fashion-mnist")
SEED = 20170828
SIZES = {"train": 8_000, "validation": 2_000, "test": 4_000}
CLASSES = 10


def stratified(labels: np.ndarray, total: int, generator: np.random.Generator) -> np.ndarray:
    """Indices of `total` images, equally many of each class, in random order."""
    picks = [
        generator.choice(np.flatnonzero(labels == label), total // CLASSES, replace=False)
        for label in range(CLASSES)
    ]
    return generator.permutation(np.concatenate(picks))


def main() -> None:
    """Write the file beside this script."""
    generator = np.random.default_rng(SEED)
    arrays = {}
    labels = read_idx(SOURCE / "train-labels-idx1-ubyte.gz")
    images = read_idx(SOURCE / "train-images-idx3-ubyte.gz")
    both = stratified(labels, SIZES["train"] + SIZES["validation"], generator)
    within = stratified(labels[both], SIZES["validation"], generator)
    parts = {"train": np.delete(both, within), "validation": both[within]}
    for name, indices in parts.items():
        arrays[f"{name}_images"], arrays[f"{name}_labels"] = images[indices], labels[indices]
    labels = read_idx(SOURCE / "t10k-labels-idx1-ubyte.gz")
    images = read_idx(SOURCE / "t10k-images-idx3-ubyte.gz")
    indices = stratified(labels, SIZES["test"], generator)
    arrays["test_images"], arrays["test_labels"] = images[indices], labels[indices]
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    target = Path(__file__).with_name("fashion_mnist_14k.npz.xz")
    target.write_bytes(lzma.compress(buffer.getvalue(), preset=9 | lzma.PRESET_EXTREME))


if __name__ == "__main__":
    main()
