"""Does a sum give the dot products that somebody recorded, and which sum does?"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from axdse.multipliers.errors import AxdseError
from axdse.multipliers.files import MIB, InputFile
from axdse.multipliers.npz import open_npz
from axdse.multipliers.sums.recipe import (
    MOST_ALIGN,
    MOST_TERMS,
    Carry,
    Cut,
    FloatRegister,
    Rounding,
    Sum,
)
from axdse.multipliers.sums.reference import add_up, exact_terms

LARGEST = 512 * MIB  # unpacked
_RULE = "vectors are an .npz of uint32 FP32 words: a, b [rows, K] and c, d [rows]"
_REMEDY = "see docs/sums.md, Recorded vectors"
_BLOCK = 1 << 20  # products at once
# Most sums are refuted by a few rows; each round looks at more.
_ROUNDS = (16, 256)


@dataclass(frozen=True, eq=False)
class Vectors:
    """Recorded dot products d = c + a . b, as uint32 words of FP32 numbers.

    Attributes:
        a: [rows, K], at least one row and K at least 1.
        b: likewise.
        c: [rows].
        d: [rows].
    """

    a: np.ndarray
    b: np.ndarray
    c: np.ndarray
    d: np.ndarray

    @property
    def rows(self) -> int:
        """How many."""
        return int(self.d.size)

    @property
    def depth(self) -> int:
        """K, the products of each."""
        return int(self.a.shape[1])

    def first(self, rows: int) -> "Vectors":
        """At most so many."""
        return Vectors(self.a[:rows], self.b[:rows], self.c[:rows], self.d[:rows])

    @property
    def without_c(self) -> "Vectors":
        """The same dot products, said to have no c in them."""
        return Vectors(self.a, self.b, np.zeros_like(self.c), self.d)


def read_vectors(path: Path) -> Vectors:
    """Read a file of vectors.

    Raises:
        AxdseError: it is none, an array is missing, or shapes or types do not fit.
    """
    file = InputFile(path, _RULE, LARGEST, _REMEDY)
    archive = open_npz(file, LARGEST)
    arrays = {}
    for name, dimensions in (("a", 2), ("b", 2), ("c", 1), ("d", 1)):
        array = archive.array(name)
        if array.dtype.kind != "u" or array.dtype.itemsize != 4:
            raise file.refusal(f"{name} is of {array.dtype}, not uint32")
        if array.ndim != dimensions:
            raise file.refusal(f"{name} has {array.ndim} dimensions, not {dimensions}")
        arrays[name] = np.ascontiguousarray(array, np.uint32)
    vectors = Vectors(**arrays)
    shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in arrays.items())
    rows = {len(array) for array in arrays.values()}
    if vectors.a.shape != vectors.b.shape or len(rows) > 1:
        raise file.refusal(f"shapes do not fit: {shapes}")
    if not vectors.a.size:
        raise file.refusal(f"there is nothing in it: {shapes}")
    return vectors


def equal_rows(total: Sum, vectors: Vectors) -> int:
    """How many of the recorded dot products a sum gives, bit for bit; any NaN is as any other.

    Raises:
        AxdseError: it is a sum of integers, or rounded by chance.
    """
    if total.is_integer:
        raise AxdseError("recorded vectors are of floats", f"sum {total.name}", "choose another")
    if total.is_random:
        rule = "recorded vectors do not say by which random bits a sum was rounded"
        raise AxdseError(rule, f"sum {total.name}", "choose round=rz or rne")
    step, equal = max(1, _BLOCK // vectors.depth), 0
    for at in range(0, vectors.rows, step):
        part = np.s_[at : at + step]
        terms = exact_terms(vectors.a[part], vectors.b[part])
        found = add_up(total, terms, vectors.c[part].view(np.float32))
        recorded = vectors.d[part]
        both_nan = np.isnan(found) & np.isnan(recorded.view(np.float32))
        equal += int(np.count_nonzero((found.view(np.uint32) == recorded) | both_nan))
    return equal


@dataclass(frozen=True)
class Fit:
    """A sum that gives all recorded dot products.

    Attributes:
        sum: of a step, without chunks.
        has_c: whether c is in them.
    """

    sum: Sum
    has_c: bool


def identify(vectors: Vectors) -> tuple[Fit, ...]:
    """Find each dot(terms, align, cut, carry, acc=float(8,R), round) that gives all of them.

    R is that of the longest fraction in d. Terms are powers of two up to K, and K. Where no
    alignment of N terms can be told from another, all of them are found.

    Returns:
        Fewest terms, narrowest alignment first; none: no such sum gives them.
    """
    found = [Fit(total, has_c) for total in _candidates(vectors) for has_c in (True, False)]
    # Where there is no c it does not matter how it is carried.
    found = [fit for fit in found if fit.has_c or fit.sum.carry == "with"]
    if not vectors.c.view(np.float32).any():
        found = [fit for fit in found if fit.sum.carry == "with" and fit.has_c]
    for rows in (*_ROUNDS, vectors.rows):
        some = vectors.first(rows)
        plain = some.without_c
        found = [
            fit for fit in found if equal_rows(fit.sum, some if fit.has_c else plain) == some.rows
        ]
    return tuple(found)


def _candidates(vectors: Vectors) -> Iterator[Sum]:
    register = FloatRegister(8, _fraction_bits(vectors.d))
    powers = {1 << power for power in range(MOST_TERMS.bit_length())}
    counts = sorted(n for n in powers | {vectors.depth} if n <= min(vectors.depth, MOST_TERMS))
    aligns = (*range(register.fraction_bits, MOST_ALIGN + 1), None)
    cuts: tuple[Cut, ...] = ("zero", "down")
    carries: tuple[Carry, ...] = ("with", "late")
    roundings: tuple[Rounding, ...] = ("rz", "rne")
    for terms, align, cut, carry, rounding in itertools.product(
        counts, aligns, cuts, carries, roundings
    ):
        if align is not None or cut == "zero":
            yield Sum(register, terms, align, cut, carry, rounding)


def _fraction_bits(words: np.ndarray) -> int:
    """Of the longest fraction of finite normal numbers; at least 1."""
    exponent = words >> 23 & 0xFF
    used = int(np.bitwise_or.reduce(words[(exponent > 0) & (exponent < 255)] & 0x7F_FFFF))
    return max(1, 23 - ((used & -used).bit_length() - 1)) if used else 1
