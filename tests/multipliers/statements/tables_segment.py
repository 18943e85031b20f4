"""Multipliers of segments, of small blocks and of approximate compressors."""

import numpy as np


def udm(n):
    """Every pair of digits 3 loses 2: 9 becomes 7."""
    operands = np.arange(1 << n)
    threes = sum((operands >> i & 3 == 3) << i for i in range(0, n, 2))
    return np.outer(operands, operands) - 2 * np.outer(threes, threes)


def drum(n, k):
    def kept(operand):
        cut = max(operand.bit_length() - k, 0)
        return (operand >> cut | (cut > 0)) << cut

    operands = np.array([kept(operand) for operand in range(1 << n)])
    return np.outer(operands, operands)


def ssm(n, s):
    operands = np.arange(1 << n)
    operands = np.where(operands < 1 << s, operands, operands & -(1 << (n - s)))
    return np.outer(operands, operands)


def dadda42(n, c):
    """Dots as arrays over all operand pairs; every column is carried through to the sum."""
    a, b = np.ogrid[: 1 << n, : 1 << n]
    columns = [[] for _ in range(2 * n)]
    for i in range(n):
        for j in range(n):
            columns[i + j].append((a >> j & 1) & (b >> i & 1))
    for target in (8, 4, 2):
        arriving = []
        for j in range(c):
            carries = []
            excess = len(columns[j]) + len(arriving) - target
            while excess > 0:
                taken, columns[j] = columns[j][: excess + 1][:4], columns[j][min(excess + 1, 4) :]
                count = np.minimum(sum(taken), 3)
                columns[j].append(count & 1)
                carries.append(count >> 1)
                excess -= 3
            columns[j] += arriving
            arriving = carries
        columns[c] += arriving
    assert all(len(column) <= 2 for column in columns[:c])
    return sum(dot << j for j, column in enumerate(columns) for dot in column)
