"""Each C model against a second, plain statement of what its paper says, over whole tables."""

import numpy as np
import pytest

from axdse.multipliers.catalog import builtin_catalog
from axdse.multipliers.cmodel import tabulate


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


def mitchell(m):
    """ApproxTrain's MIT_m."""
    x, y = np.ogrid[: 1 << m, : 1 << m]
    carry, mantissa = np.divmod(x + y, 1 << m)
    return carry << m | mantissa


def mbm(m):
    """ApproxTrain's MBM_m, step by step."""
    one = 1 << m
    without, with_carry = (int(0.078125 * one), int(0.0390625 * one)) if m >= 5 else (0, 0)

    def entry(x, y):
        carry, mantissa = divmod((x | 1) + (y | 1), one)
        corrected = mantissa + (with_carry if carry else without)
        if carry:
            return one | (corrected if corrected < one else mantissa)
        return corrected if corrected < one else one | (corrected - one) >> 1

    return np.array([[entry(x, y) for y in range(one)] for x in range(one)])


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


STATEMENTS = (truncated, broken_array, perforated, udm, drum, ssm, mitchell, mbm, dadda42)
WIDTHS = {"integer": {"n": (3, 4, 5, 8)}, "significand": {"m": (2, 4, 5, 6, 7)}}


def designs():
    """All values of all parameters at narrow widths; one design in five at 8 bits."""
    for statement in STATEMENTS:
        family = builtin_catalog().family(statement.__name__)
        for name, widths in WIDTHS[family.kind].items():
            for width in widths:
                yield from list(family.grid(**{name: width}))[:: 5 if width == 8 else 1]


@pytest.mark.parametrize("design", list(designs()), ids=lambda design: design.spec)
def test_the_model_is_what_its_paper_says(design):
    statement = next(s for s in STATEMENTS if s.__name__ == design.family.name)

    np.testing.assert_array_equal(tabulate(design), statement(**dict(design.values)))


def test_every_approximate_family_is_stated_twice():
    stated = {statement.__name__ for statement in STATEMENTS}

    assert stated | {"exact"} == set(builtin_catalog().families)
