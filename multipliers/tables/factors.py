"""When is a table a few ordinary products? When its exact integer rank is small.

    table[a, b] = 2^shift * sum over r of left[a, r] * right[r, b]

in integers, entry by entry. An ordinary GEMM over the factors of the operands then computes what
the table does. Three roads lead to factors, and the cheapest result is taken:

- digits: where a table is linear in the bits of an operand, as those of truncated, broken-array
  and perforated arrays are, one side is the bits and the other the rows of single bits;
- lattice: a short basis of the lattice that the rows, or the columns, span;
- correction: the exact product less a table of small rank.

Ranks and bases come from numbers modulo a prime and in floating point, which only guide; integers
that might leave int64 are given up on, with None. Every result is multiplied out in int64 and
compared with the table before it is taken.
"""

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from axdse.multipliers.formats import FloatFormat, Format
from axdse.multipliers.tables.lut import Lut

PRIME = (1 << 31) - 1
_SAFE = 1 << 50
_LOVASZ, _MOST_STEPS = 0.99, 5000
MAX_RANK = 16
BF16_BITS = 8
_ENTRY_LIMIT = 1 << 24  # of factors: 16 products of two stay far within int64


def rank_modulo_prime(matrix: np.ndarray, limit: int) -> int:
    """The rank modulo a prime, counted up to the limit: never more than the true rank."""
    return len(_pivots(matrix, limit))


def row_basis(matrix: np.ndarray, rank: int) -> np.ndarray | None:
    """A short basis [rank, columns] of the lattice that the rows of a matrix of that rank span.

    Euclid's algorithm on the rows, then Lenstra, Lenstra, Lovasz, Math. Ann. 261, 1982.
    """
    rows, basis = matrix.copy(), []
    for _ in range(rank):
        column = int(np.argmax(np.any(rows != 0, axis=0)))
        while np.count_nonzero(rows[:, column]) > 1:
            entries = rows[:, column]
            pivot = int(np.argmin(np.where(entries == 0, _SAFE, abs(entries))))
            quotients = np.rint(entries / entries[pivot]).astype(np.int64)
            quotients[pivot] = 0
            if int(abs(rows[pivot]).max()) * int(abs(quotients).max()) >= _SAFE:
                return None
            rows -= np.multiply.outer(quotients, rows[pivot])
            rows = rows[np.any(rows != 0, axis=1)]
        pivot = int(np.argmax(rows[:, column] != 0))
        basis.append(rows[pivot].copy())
        rows = np.delete(rows, pivot, axis=0)
    return None if len(rows) else _short(np.array(basis))


def coordinates(matrix: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """The integers x with x @ basis == matrix, if there are such, of magnitude below 2^30."""
    pivots = _pivots(basis, len(basis))
    columns = [column for _, column in pivots]
    solution = matrix[:, columns] % PRIME
    inverse = _inverse(basis[:, columns] % PRIME)
    product = np.zeros_like(solution)
    for k in range(len(basis)):  # one term at a time: two would leave int64
        product = (product + np.multiply.outer(solution[:, k], inverse[k])) % PRIME
    return np.where(product > PRIME // 2, product - PRIME, product)


def _pivots(matrix: np.ndarray, limit: int) -> list[tuple[int, int]]:
    """(row, column) of the pivots of an elimination modulo the prime."""
    rest = matrix % PRIME
    pivots: list[tuple[int, int]] = []
    while len(pivots) < limit and rest.any():
        row, column = np.unravel_index(int(np.argmax(rest != 0)), rest.shape)
        inverse = pow(int(rest[row, column]), -1, PRIME)
        factors = rest[:, column] * inverse % PRIME
        rest = (rest - np.multiply.outer(factors, rest[row]) % PRIME) % PRIME
        pivots.append((int(row), int(column)))
    return pivots


def _inverse(matrix: np.ndarray) -> np.ndarray:
    """Gauss and Jordan modulo the prime."""
    size = len(matrix)
    rest = np.hstack((matrix, np.eye(size, dtype=np.int64)))
    for k in range(size):
        pivot = k + int(np.argmax(rest[k:, k] != 0))
        rest[[k, pivot]] = rest[[pivot, k]]
        rest[k] = rest[k] * pow(int(rest[k, k]), -1, PRIME) % PRIME
        factors = rest[:, k].copy()
        factors[k] = 0
        rest = (rest - np.multiply.outer(factors, rest[k]) % PRIME) % PRIME
    return rest[:, size:]


def _short(basis: np.ndarray) -> np.ndarray:
    """LLL with Gram-Schmidt in floating point: every step is unimodular, so none can be wrong."""
    k, steps = 1, 0
    while k < len(basis) and (steps := steps + 1) < _MOST_STEPS:  # floating point may go round
        lengths, mu = _gram_schmidt(basis, k)
        for j in range(k - 1, -1, -1):
            step = round(mu[j])
            if step:
                basis[k] -= step * basis[j]
                _, mu = _gram_schmidt(basis, k)
        if lengths[k] >= (_LOVASZ - mu[k - 1] ** 2) * lengths[k - 1]:
            k += 1
        else:
            basis[[k - 1, k]] = basis[[k, k - 1]]
            k = max(k - 1, 1)
    return basis


def _gram_schmidt(basis: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Squared lengths of the first k + 1 orthogonalised vectors, coordinates of the k-th."""
    r = np.linalg.qr(basis[: k + 1].T.astype(np.float64), mode="r")
    diagonal = np.diagonal(r)
    return diagonal**2, np.asarray(r)[:k, k] / diagonal[:k]


@dataclass(frozen=True, eq=False)
class Factors:
    """Exact integer factors of a table.

    Attributes:
        left: int64 [size, rank]; rows are indexed as the rows of the table.
        right: int64 [rank, size].
        shift: the products of `integer_table` are (left @ right) << shift.
        found_by: "digits", "lattice" or "correction".
    """

    left: np.ndarray = field(repr=False)
    right: np.ndarray = field(repr=False)
    shift: int = 0
    found_by: str = ""

    def __post_init__(self) -> None:
        self.left.flags.writeable = self.right.flags.writeable = False

    @property
    def rank(self) -> int:
        """The number of products."""
        return int(self.left.shape[1])

    @functools.cached_property
    def bits(self) -> int:
        """Significand bits, leading one included, that hold every factor exactly."""
        return max(significant_bits(self.left), significant_bits(self.right))

    @functools.cached_property
    def largest(self) -> int:
        """The largest magnitude of a factor."""
        return max(int(abs(part).max(initial=0)) for part in (self.left, self.right))

    @functools.cached_property
    def largest_sum(self) -> int:
        """The maximum of sum |left| |right|; it bounds every partial sum of one product."""
        return int((abs(self.left) @ abs(self.right)).max(initial=0))

    @functools.cached_property
    def cancellation(self) -> float:
        """The maximum over pairs of sum |left| |right| / |left @ right|; 1 where no terms cancel.

        Infinity where terms other than zero sum to zero.
        """
        sums, products = abs(self.left) @ abs(self.right), abs(self.left @ self.right)
        if sums[products == 0].any():
            return float("inf")
        return float((sums / np.maximum(products, 1)).max(initial=1.0))

    def longest_exact_sum(self, bits: int) -> int:
        """The largest K whose sums of K products are exact in so many bits, in any order.

        24 bits for FP32, 53 for FP64, 31 for int32 without wrapping.
        """
        return (1 << bits) // max(1, self.largest_sum)


def factorise(lut: Lut, limit: int = MAX_RANK) -> Factors | None:
    """Find the cheapest exact factors of a table; None where its rank exceeds the limit.

    Cheap means few products, in bf16 where the factors fit it, then with little cancellation. The
    rank of the result may exceed the table's where that makes the factors fit bf16.
    """
    key = lut.digest, limit
    if key not in _FOUND:
        _FOUND[key] = min(_candidates(lut, limit), key=_cost, default=None)
    return _FOUND[key]


_FOUND: dict[tuple[str, int], Factors | None] = {}


def integer_table(lut: Lut) -> np.ndarray:
    """The products as int64 [size, size]; of a float format in units of 2^-F.

    F is the format's product fraction, so the product of significands x, y in [1, 2) is
    `table * 2.0**-F`.
    """
    table = lut.entries.astype(np.int64)
    if isinstance(lut.format, FloatFormat):
        kept = lut.format.product_fraction_bits
        table = ((1 << kept) | (table & ((1 << kept) - 1))) << (table >> kept)
    return table


def significant_bits(values: np.ndarray) -> int:
    """The bits from the leading to the last one, of the entry that has most."""
    values = abs(values[values != 0])
    return int((values // (values & -values)).max(initial=0)).bit_length()


def _cost(factors: Factors) -> tuple[int, float, int]:
    """An FP32 product takes twice the time of a bf16 one."""
    width = 1 if factors.bits <= BF16_BITS else 2
    return factors.rank * width, factors.cancellation, factors.largest


def _candidates(lut: Lut, limit: int) -> Iterator[Factors]:
    table, digits = integer_table(lut), _digits(lut.format)
    rank = rank_modulo_prime(table, limit + 1)
    if rank > limit:
        return
    roads = {
        "digits": _by_digits(table, digits),
        "lattice": _by_lattice(table, rank),
        "correction": _by_correction(table, lut.format, rank),
    }
    for road, found in roads.items():
        for left, right in found:
            if left.shape[1] <= limit:
                yield from _exact(table, left, right, road)


def _exact(table: np.ndarray, left: np.ndarray, right: np.ndarray, road: str) -> Iterator[Factors]:
    """The factors, tidied, if their product is the table."""
    if max(abs(left).max(initial=0), abs(right).max(initial=0)) >= _ENTRY_LIMIT:
        return
    left, right, shift = _balanced(left, right)
    if np.array_equal((left @ right) << shift, table):
        yield Factors(left, right, shift, road)


def _by_digits(
    table: np.ndarray, digits: list[np.ndarray]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Take rows, then columns, to be sums over the digits of the operand; may be wrong."""
    for indicator in digits:
        for matrix, turned in ((table, False), (table.T, True)):
            left, right = _merged(indicator, _digit_rows(matrix, indicator))
            yield (right.T, left.T) if turned else (left, right)


def _digits(number_format: Format) -> list[np.ndarray]:
    """Ways to write an operand in digits: int64 [operand, digit] of -1, 0, 1."""
    width = number_format.operand_bits
    if isinstance(number_format, FloatFormat):
        return [_bits(_values(number_format), width)]
    values = _values(number_format)
    signs = np.sign(values)[:, None]
    return [_bits(abs(values), width) * signs, _bits(values, width)]


def _bits(values: np.ndarray, width: int) -> np.ndarray:
    return np.asarray(values[:, None] >> np.arange(width) & 1, dtype=np.int64)


def _digit_rows(table: np.ndarray, digits: np.ndarray) -> np.ndarray:
    """The rows [digit, column] that digits must stand for, if the table is linear in them."""
    count = digits.shape[1]
    if len(digits) == 1 << count:
        single = 1 << np.arange(count)
        return np.asarray(table[single] * digits[single, np.arange(count)][:, None])
    hidden = table[:1]  # the hidden one is always there
    return np.vstack((table[1 << np.arange(count - 1)] - hidden, hidden))


def _merged(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Add up the columns of `left` whose rows of `right` are multiples of one another."""
    columns: dict[bytes, np.ndarray] = {}
    rows: dict[bytes, np.ndarray] = {}
    for column, row in zip(left.T, right, strict=True):
        divisor = int(np.gcd.reduce(row))
        if divisor:
            divisor *= int(np.sign(row[np.argmax(row != 0)]))
            key = (row // divisor).tobytes()
            columns[key] = columns.get(key, 0) + column * divisor
            rows[key] = row // divisor
    if not rows:
        return left[:, :0], right[:0]
    return np.array(list(columns.values())).T, np.array(list(rows.values()))


def _by_lattice(table: np.ndarray, rank: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for matrix, turned in ((table, False), (table.T, True)):
        basis = row_basis(matrix, rank)
        if basis is not None:
            left = coordinates(matrix, basis)
            yield (basis.T, left.T) if turned else (left, basis)


def _by_correction(
    table: np.ndarray, number_format: Format, rank: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The exact product and what a table of smaller rank takes from it."""
    if isinstance(number_format, FloatFormat) and number_format.product == "narrow":
        return  # the exact product is no integer in its units
    operand = _values(number_format)
    scale = 2 if isinstance(number_format, FloatFormat) else 1
    rest = table - scale * np.multiply.outer(operand, operand)
    if not 0 < (rest_rank := rank_modulo_prime(rest, rank)) < rank:
        return
    found = _by_digits(rest, _digits(number_format)), _by_lattice(rest, rest_rank)
    for left, right in itertools.chain(*found):
        yield np.hstack((scale * operand[:, None], left)), np.vstack((operand, right))


def _values(number_format: Format) -> np.ndarray:
    """What operand codes mean as integers."""
    if isinstance(number_format, FloatFormat):
        hidden = 1 << number_format.fraction_bits
        return np.arange(hidden, 2 * hidden)
    codes = np.arange(1 << number_format.bits)
    return codes - ((codes >> (number_format.bits - 1)) << number_format.bits)


def _balanced(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Take common powers of two out, and share the rest so that both sides stay small."""
    left, right = left.copy(), right.copy()
    powers = [_twos(column) + _twos(row) for column, row in zip(left.T, right, strict=True)]
    shift = min(powers, default=0)
    for r, power in enumerate(powers):
        left[:, r] >>= _twos(left[:, r])
        right[r] >>= _twos(right[r])
        for _ in range(power - shift):
            smaller = left[:, r] if abs(left[:, r]).max() < abs(right[r]).max() else right[r]
            smaller <<= 1
    return left, right, shift


def _twos(values: np.ndarray) -> int:
    """The power of two that divides every entry."""
    bits = int(np.bitwise_or.reduce(values, axis=None))
    return (bits & -bits).bit_length() - 1 if bits else 0
