"""Array multipliers, stated as sums over the cells of the partial-product array."""

import numpy as np


def _operands(n):
    return np.ogrid[: 1 << n, : 1 << n]


def _columns(n):
    """The bits of each column, as arrays over all operand pairs."""
    a, b = _operands(n)
    columns = [[] for _ in range(2 * n)]
    for i in range(n):
        for j in range(n):
            columns[i + j].append((a >> j & 1) & (b >> i & 1))
    return columns


def fixed_width(n, k):
    total = 0
    for weight, bits in enumerate(_columns(n)):
        if weight >= n - k:
            total = total + sum(bits) * 2**weight
        elif weight == n - k - 1:
            total = total + sum(bits) * 2 ** (weight + 1)
    rounding = sum(2**weight for weight in range(n - k, n - 1))
    return (total + rounding) // 2**n * 2**n


def lower_or(n, v):
    total = 0
    for weight, bits in enumerate(_columns(n)):
        digit = np.bitwise_or.reduce(bits) if weight < v and bits else sum(bits)
        total = total + digit * 2**weight
    return total


def etm(n, k):
    def entry(a, b):
        if a < 2**k and b < 2**k:
            return a * b
        either = (a | b) % 2**k
        return (a >> k) * (b >> k) * 4**k + 4 ** either.bit_length() - 1

    return np.array([[entry(a, b) for b in range(1 << n)] for a in range(1 << n)])


def or_rows(n, d):
    """Per cluster and column: is any bit set?"""
    a, b = _operands(n)
    total = 0
    for first in range(0, n, d):
        for weight in range(2 * n):
            cells = [(i, weight - i) for i in range(first, min(first + d, n))]
            bits = [(a >> j & 1) & (b >> i & 1) for i, j in cells if 0 <= j < n]
            total = total + (sum(bits) > 0) * 2**weight if bits else total
    return total


def dadda(n):
    a, b = _operands(n)
    return a * b


def wallace(n):
    return dadda(n)


def cells(n, kept):
    """The sum of the partial-product bits of row i (of b) and column i + j that are kept."""
    a, b = np.ogrid[: 1 << n, : 1 << n]
    bits = ((i, j) for i in range(n) for j in range(n) if kept(i, i + j))
    return sum(((a >> j & 1) & (b >> i & 1)) << (i + j) for i, j in bits)


def truncated(n, t, c):
    dropped = cells(n, lambda row, column: column < t) if t else np.zeros(1)
    constant = int(np.floor(dropped.mean() + 0.5))
    return cells(n, lambda row, column: column >= t) + c * constant


def broken_array(n, h, v):
    return cells(n, lambda row, column: row >= h and column >= v)


def perforated(n, s, k):
    return cells(n, lambda row, column: not s <= row < s + k)
