"""Plain statements of the two's complement multipliers, over whole tables.

Rows and columns are the codes of the operands, values the signed products.
"""

import numpy as np


def operands(n):
    """The values of all n-bit codes."""
    codes = np.arange(1 << n)
    return np.where(codes < 1 << (n - 1), codes, codes - (1 << n))


def wrapped(table, n):
    """2n-bit patterns read as two's complement."""
    half = 1 << (2 * n - 1)
    return (table + half) % (2 * half) - half


def digits(n):
    """Radix-4 digits, -2..2, of all codes, the least significant first; b = sum d_i 4^i.

    Digits 2 and 3 of the base 4 are 4 less, which the next one makes up for.
    """
    found, carry = [], 0
    for i in range((n + 1) // 2):
        digit = operands(n) >> 2 * i & 3
        found.append(np.where(digit < 2, digit, digit - 4) + carry)
        carry = digit >> 1
    return found


def triples(n):
    """b[2i+1] b[2i] b[2i-1] of all codes for each row i; b[-1] = 0."""
    doubled = 2 * operands(n)
    return [doubled >> (2 * i) & 7 for i in range((n + 1) // 2)]


def baugh_wooley(n):
    """The array bit by bit: inverted where just one of the bits is a sign, plus two ones."""
    a, b = np.ogrid[: 1 << n, : 1 << n]
    total = (1 << n) + (1 << (2 * n - 1))
    for i in range(n):
        for j in range(n):
            bit = (a >> j & 1) & (b >> i & 1)
            total = total + (((bit ^ 1) if (i == n - 1) != (j == n - 1) else bit) << (i + j))
    return wrapped(total, n)


def booth(n):
    return sum(np.outer(operands(n), digit) * 4**i for i, digit in enumerate(digits(n)))


# Bit j of a row: a line for each triple 000 to 111, a column for a[j] a[j-1] = 00, 01, 10, 11.
EXACT = np.array(
    [
        [0, 0, 0, 0],
        [0, 0, 1, 1],
        [0, 0, 1, 1],
        [0, 1, 0, 1],
        [1, 0, 1, 0],
        [1, 1, 0, 0],
        [1, 1, 0, 0],
        [0, 0, 0, 0],
    ]
)
R4ABE1 = np.array(
    [
        [0, 0, 0, 0],
        [0, 0, 1, 1],
        [0, 0, 1, 1],
        [0, 0, 0, 0],
        [0, 0, 0, 0],
        [1, 1, 0, 0],
        [1, 1, 0, 0],
        [0, 0, 0, 0],
    ]
)
R4ABE2 = np.array([[0, 0, 1, 1]] * 4 + [[1, 1, 0, 0]] * 4)


def booth_approx(n, v, d):
    """The exact product and what the approximate bits differ from the exact ones by."""
    assert ((EXACT != R4ABE1).sum(), (EXACT != R4ABE2).sum()) == (4, 8)
    wrong = (R4ABE1, R4ABE2)[d - 1] - EXACT
    total = np.outer(operands(n), operands(n))
    for i, triple in enumerate(triples(n)):
        for j in range(min(n, v - 2 * i)):
            pair = 2 * operands(n) >> j & 3
            total = total + wrong[triple[None, :], pair[:, None]] * (1 << (2 * i + j))
    return total


def negated(value, s):
    """Minus the value, exactly (s = 0) or by one's complement, which is one lower."""
    return -value - s


def sign_and_magnitude(n, s, table):
    """A table of magnitudes 0..2^(n-1), looked up and given the sign of the product."""
    values = operands(n)
    magnitudes = np.where(values < 0, negated(values, s), values)
    unlike = np.logical_xor.outer(values < 0, values < 0)
    found = table[np.ix_(magnitudes, magnitudes)]
    return np.where(unlike, negated(found, s), found)


def drum_signed(n, k, s):
    def kept(magnitude):
        cut = max(magnitude.bit_length() - k, 0)
        if cut == 0 or magnitude == 1 << (n - 1):
            return magnitude
        return (magnitude >> cut | 1) << cut

    segments = [kept(magnitude) for magnitude in range((1 << (n - 1)) + 1)]
    return sign_and_magnitude(n, s, np.outer(segments, segments))


def roba_signed(n, s):
    """The distances of the magnitudes to the nearest powers of two are multiplied."""
    powers = np.array([0, *(1 << np.arange(n))])
    magnitudes = np.arange((1 << (n - 1)) + 1)
    rounded = [max(powers[abs(powers - a) == abs(powers - a).min()]) for a in magnitudes]
    rounded[3] = 2
    rest = magnitudes - rounded
    return sign_and_magnitude(n, s, np.outer(magnitudes, magnitudes) - np.outer(rest, rest))


def broken_booth(n, v, t):
    """Type 0 rounds the rows' values down; type 1 adds the bits that stay, one by one."""
    if t == 0:
        rows = [np.outer(operands(n), digit) * 4**i for i, digit in enumerate(digits(n))]
        return sum(row // 2**v * 2**v for row in rows)
    total = 0
    for i, digit in enumerate(digits(n)):
        multiple = np.outer(operands(n), abs(digit))
        dots = np.where(digit < 0, ~multiple, multiple)
        for column in range(max(v, 2 * i), 2 * n):
            total = total + ((dots >> (column - 2 * i) & 1) << column)
        total = total + (digit < 0) * (4**i if 2 * i >= v else 0)
    return wrapped(total, n)


def broken_array_signed(n, h, v):
    """The exact product with b cut to a multiple of 2^h, less the cells that are omitted."""
    a, b = operands(n)[:, None], operands(n)[None, :]
    total = a * (b - b % 2**h)
    for i in range(h, n):
        for j in range(max(0, v - i)):
            total = total - ((a >> j & 1) * (b >> i & 1) << (i + j))
    return total
