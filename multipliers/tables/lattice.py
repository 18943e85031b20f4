"""What are ranks and bases of integer matrices, exactly and fast?

Numbers modulo a prime and in floating point only guide; integers that might leave int64 are
given up on, with None.
"""

import numpy as np

PRIME = (1 << 31) - 1
_SAFE = 1 << 50
_LOVASZ, _MOST_STEPS = 0.99, 5000


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
