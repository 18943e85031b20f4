"""Plain statements of leading-one and approximate-compressor multipliers, over whole tables."""

from fractions import Fraction

import numpy as np


def roba(n):
    """The distances to the nearest powers of two are multiplied and subtracted."""
    powers = np.array([0, *(1 << np.arange(n + 1))])
    operands = np.arange(1 << n)
    rounded = [max(powers[abs(powers - a) == abs(powers - a).min()]) for a in operands]
    rounded[3] = 2
    distances = operands - rounded
    return np.outer(operands, operands) - np.outer(distances, distances)


def exponents(n):
    """The places of the leading ones, and the fractions behind them as floats (exact)."""
    operands = np.arange(1 << n)
    mantissas, places = np.frexp(operands)
    places = np.maximum(places - 1, 0)
    return places, np.where(operands, 2 * mantissas - 1, 0.0)


def scaled(n, significand):
    """The floors of 2^(i + j) times the significand; 0 for a zero operand."""
    places, _ = exponents(n)
    table = np.floor(significand * 2.0 ** np.add.outer(places, places)).astype(np.int64)
    table[0] = table[:, 0] = 0
    return table


def cut(fractions, bits):
    return np.floor(fractions * 2**bits) / 2**bits


def tosam(n, h, t):
    _, x = exponents(n)
    rounded = cut(x, h) + 2.0 ** -(h + 1)
    total = np.add.outer(cut(x, t), cut(x, t))
    return scaled(n, 1 + total + np.outer(rounded, rounded))


def letam(n, t):
    _, x = exponents(n)
    odd = 1 + cut(x, t - 1) + 2.0**-t
    return scaled(n, np.outer(odd, odd))


def scaletrim(n, h, m):
    """The constants are fitted here: per segment, the mean of what the line leaves to be added."""
    one = 1 << h
    missing = [[] for _ in range(1 << m)]
    for x in range(one):
        for y in range(one):
            mean = Fraction((2 * (one + x) + 1) * (2 * (one + y) + 1), 4 * one**2)
            line = 1 + Fraction(5, 4) * Fraction(x + y, one)
            missing[(x + y) >> (h + 1 - m)].append(mean - line)
    means = [sum(segment) / max(len(segment), 1) for segment in missing]
    means[0] = max(means[0], 0)
    constants = np.array([float(np.floor(4 * one * mean + Fraction(1, 2))) for mean in means])

    _, x = exponents(n)
    total = np.add.outer(cut(x, h), cut(x, h))
    segment = (total * 2.0 ** (m - 1)).astype(int)
    return scaled(n, 1 + 1.25 * total + constants[segment] / (4 * one))


def reduced(n, c, compressor):
    """Four rows of bits become two, level by level; rows are {column: bits} of all operand pairs.

    Four dots of a column go through the compressor, fewer are counted exactly. A group whose third
    and fourth rows have no dots is left as it is.
    """
    a, b = np.ogrid[: 1 << n, : 1 << n]
    product = 0
    rows = [{} for _ in range(n)]
    for i in range(n):
        for j in range(n):
            dot = (a >> j & 1) & (b >> i & 1)
            if i + j < c:
                rows[i][i + j] = dot
            else:
                product = product + (dot << (i + j))
    while len(rows) > 2:
        groups = [rows[i : i + 4] for i in range(0, len(rows), 4)]
        rows = []
        for group in groups:
            if not any(group[2:]):
                rows += group[:2]
                continue
            sums, carries = {}, {}
            for column in range(c):
                dots = [row[column] for row in group if column in row]
                if len(dots) == 4:
                    carries[column + 1], sums[column] = compressor(*dots)
                elif len(dots) > 1:
                    carries[column + 1], sums[column] = divmod(sum(dots), 2)
                elif dots:
                    sums[column] = dots[0]
            if c in carries:
                product = product + (carries.pop(c) << c)
            rows += [sums, carries]
    return product + sum(dots << column for row in rows for column, dots in row.items())


def momeni(n, c):
    """Design 2, by its table: the four inputs with errors are 0000, 0011, 1100 and 1111."""

    def compressor(*dots):
        pattern = dots[0] + 2 * dots[1] + 4 * dots[2] + 8 * dots[3]
        values = np.array([1, 1, 1, 1, 1, 2, 2, 3, 1, 2, 2, 3, 1, 3, 3, 3])
        return divmod(values[pattern], 2)

    return reduced(n, c, compressor)


def venkatachalam(n, c):
    """Two dots in different pairs count as one, four as three; all else is exact."""

    def compressor(*dots):
        first, second = dots[0] + dots[1], dots[2] + dots[3]
        lost = ((first == 1) & (second == 1)) | ((first == 2) & (second == 2))
        return divmod(first + second - lost, 2)

    return reduced(n, c, compressor)


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
