"""Two's complement multipliers, stated on values; rows and columns are indexed by bit pattern."""

import numpy as np


def _values(n):
    codes = np.arange(1 << n)
    return codes - ((codes >> (n - 1)) << n)


def baugh_wooley(n):
    return np.outer(_values(n), _values(n))


def booth(n):
    return baugh_wooley(n)


def _digits(n):
    """Radix-4 digits, -2..2, of all values of b, least significant first."""
    b = np.arange(1 << n) * 2
    b = b | (b >> n & 1) << (n + 1)
    triplets = [b >> i & 7 for i in range(0, n, 2)]
    return [((t + 1) >> 1) - 4 * (t >> 2) for t in triplets], triplets


def booth_approx(n, v, d):
    """Exact rows, then the cells below column v changed one at a time."""
    a = _values(n)[:, None]
    total = np.zeros((1 << n, 1 << n), dtype=np.int64)
    for i, (digit, triplet) in enumerate(zip(*_digits(n), strict=True)):
        negative = digit < 0
        row = a * np.abs(digit)
        row = np.where(negative, ~row, row)
        for j in range(max(0, v - 2 * i)):
            exact = row >> j & 1
            cell = (a >> j & 1) ^ (triplet >> 2)
            approximate = np.where((digit == 0) & (d == 1), 0, cell)
            total += (approximate - exact) << (2 * i + j)
        total += (row + negative) << (2 * i)
    return _wrapped(total, 2 * n)


def broken_booth(n, v):
    """Rows and their ones, each rounded down to a multiple of 2^v."""
    a, unit = _values(n)[:, None], 1 << v
    total = np.zeros((1 << n, 1 << n), dtype=np.int64)
    for i, digit in enumerate(_digits(n)[0]):
        magnitude = a * np.abs(digit)
        row = np.where(digit < 0, -magnitude - 1, magnitude) * 4**i
        total += row // unit * unit + (digit < 0) * (4**i // unit * unit)
    return _wrapped(total, 2 * n)


def _wrapped(values, bits):
    half = 1 << (bits - 1)
    return (values + half) % (2 * half) - half


def broken_array_signed(n, h, v):
    """The exact product with b cut to a multiple of 2^h, less the cells that are omitted."""
    a, b = _values(n)[:, None], _values(n)[None, :]
    total = a * (b - b % 2**h)
    for i in range(h, n):
        for j in range(max(0, v - i)):
            total = total - ((a >> j & 1) * (b >> i & 1) << (i + j))
    return total


def drum_signed(n, k):
    def kept(value):
        magnitude = abs(value)
        cut = max(magnitude.bit_length() - k, 0)
        return (1 if value >= 0 else -1) * ((magnitude >> cut | (cut > 0)) << cut)

    operands = np.array([kept(int(value)) for value in _values(n)])
    return np.outer(operands, operands)
