"""How do codes become bit planes, 64 codes a word, and back?"""

from collections.abc import Iterable

import numpy as np


def lanes_of(codes: np.ndarray, width: int) -> np.ndarray:
    """Transpose codes into bit planes, uint64 of shape (width, vectors / 64)."""
    shifts = np.arange(width, dtype=np.uint64)[:, None]
    bits = ((codes.astype(np.uint64) >> shifts) & np.uint64(1)).astype(np.uint8)
    packed = np.packbits(bits, axis=1, bitorder="little")
    return np.pad(packed, ((0, 0), (0, -packed.shape[1] % 8))).view(np.uint64)


def codes_of(lanes: Iterable[np.ndarray], count: int) -> np.ndarray:
    """Undo `lanes_of`."""
    codes = np.zeros(count, dtype=np.uint64)
    for bit, lane in enumerate(lanes):
        bits = np.unpackbits(lane.view(np.uint8), count=count, bitorder="little")
        codes |= bits.astype(np.uint64) << np.uint64(bit)
    return codes
