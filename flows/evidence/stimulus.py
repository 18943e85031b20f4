"""Which operand pairs is a design tried with?"""

from dataclasses import dataclass

import numpy as np

from axdse.flows.evidence.report import Covered

EXHAUSTIVE_BITS = 16
MAX_OPERAND_BITS = 32
# 20,000 and more remain of these when repeated pairs are dropped, from 9 bits on.
RANDOM_PAIRS = 24_000


@dataclass(frozen=True, eq=False)
class Stimulus:
    """Distinct operand pairs in counting order, of whole operands or of one field after another.

    Simulators are slow on a random one.

    Attributes:
        a: first operands, uint64 of shape [vectors].
        b: second operands, likewise.
        exhaustive: these are all pairs that exist.
    """

    a: np.ndarray
    b: np.ndarray
    exhaustive: bool

    @property
    def vectors(self) -> int:
        """Number of pairs."""
        return int(self.a.size)

    def some(self, count: int) -> "Stimulus":
        """That many of the pairs, or all if there are fewer, drawn at random."""
        if self.vectors <= count:
            return self
        drawn = np.sort(np.random.default_rng(0).choice(self.vectors, count, replace=False))
        return Stimulus(self.a[drawn], self.b[drawn], exhaustive=False)


def core_stimulus(a_bits: int, b_bits: int, seed: int) -> Stimulus:
    """All pairs up to 8 x 8 bits; beyond, pairs of corners and 20,000 or more random ones."""
    if a_bits + b_bits <= EXHAUSTIVE_BITS:
        return every_pair(a_bits, b_bits)
    return _sampled(corners(a_bits), corners(b_bits), (a_bits, b_bits), seed)


def core_coverage(a_bits: int, b_bits: int, stimulus: Stimulus) -> tuple[Covered, ...]:
    """How many of all pairs, and of the pairs of corners, a stimulus has."""
    a_corner, b_corner = corners(a_bits), corners(b_bits)
    met = np.count_nonzero(np.isin(stimulus.a, a_corner) & np.isin(stimulus.b, b_corner))
    return (
        Covered("operand pairs", stimulus.vectors, 1 << (a_bits + b_bits)),
        Covered("pairs of corners", int(met), a_corner.size * b_corner.size),
    )


def corners(bits: int) -> np.ndarray:
    """The two smallest and largest, powers of two, their neighbours, alternating bits: uint64."""
    top = (1 << bits) - 1
    powers = [1 << k for k in range(bits + 1)]
    # As two's complement the latter are the negative ones.
    near = {power + step for power in powers for step in (-1, 0, 1)}
    near |= {top + 1 - power + step for power in powers for step in (-1, 0, 1)}
    near |= {top - 1, 0x5555_5555_5555_5555 & top, 0xAAAA_AAAA_AAAA_AAAA & top}
    return np.array(sorted(value for value in near if 0 <= value <= top), dtype=np.uint64)


def every_pair(a_bits: int, b_bits: int) -> Stimulus:
    """All pairs that exist."""
    pairs = np.arange(1 << (a_bits + b_bits), dtype=np.uint64)
    return Stimulus(pairs >> np.uint64(b_bits), pairs & np.uint64((1 << b_bits) - 1), True)


def _sampled(
    special_a: np.ndarray, special_b: np.ndarray, bits: tuple[int, int], seed: int
) -> Stimulus:
    a, b = np.meshgrid(special_a, special_b, indexing="ij")
    generator = np.random.default_rng(seed)
    random = [generator.integers(0, 1 << n, RANDOM_PAIRS, dtype=np.uint64) for n in bits]
    return _distinct([(a.ravel(), b.ravel()), (random[0], random[1])])


def _distinct(parts: list[tuple[np.ndarray, np.ndarray]]) -> Stimulus:
    a, b = (np.concatenate(operands) for operands in zip(*parts, strict=True))
    pairs = np.unique((a << np.uint64(MAX_OPERAND_BITS)) | b)
    low = np.uint64((1 << MAX_OPERAND_BITS) - 1)
    return Stimulus(pairs >> np.uint64(MAX_OPERAND_BITS), pairs & low, False)
