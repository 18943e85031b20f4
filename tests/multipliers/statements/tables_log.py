"""What the papers of the logarithmic families say, over whole tables: {carry, fraction}."""

import functools
import itertools

import numpy as np


def significands(m):
    """1 + x and 1 + y over all pairs, in units of 2^-m."""
    u = np.arange(1 << m) + (1 << m)
    return u[:, None], u[None, :]


def packed(value, m, unit):
    """{carry, fraction} of products in [1, 4), in units of 2^-unit, cut; all ones from 4 on."""
    carry = (value >= 2 << unit).astype(np.int64)
    fraction = (value >> (unit - m + carry)) - (1 << m)
    return np.where(value >= 4 << unit, (2 << m) - 1, carry << m | fraction)


def ilm(m):
    """(2^k + q)(2^l + r) less q r, the powers of two being the nearest."""
    u, v = significands(m)
    power_u, power_v = (np.where(2 * w < 3 << m, 1 << m, 2 << m) for w in (u, v))
    return packed(u * v - (u - power_u) * (v - power_v), m, 2 * m)


def bits(m):
    """The bits of x and y, from bit 0 up, each an array over all pairs."""
    operands = np.arange(1 << m)
    shape = np.zeros((1 << m, 1 << m), dtype=np.int64)
    return [((operands >> i & 1)[:, None] + shape, operands >> i & 1) for i in range(m)]


def added(m, t, cell):
    """A ripple of t cells (x, y, carry) -> (sum, carry), then of full adders."""
    total, carry = 0, 0
    for i, (x, y) in enumerate(bits(m)):
        if i < t:
            bit, carry = cell(x, y, carry, i == t - 1)
        else:
            bit, carry = (x + y + carry) % 2, (x + y + carry) // 2
        total = total + (bit << i)
    return total + (carry << m)


def alm_soa(m, t):
    return added(m, t, lambda x, y, carry, last: (1 + 0 * x * y, x * y * last))


def alm_loa(m, t):
    return added(m, t, lambda x, y, carry, last: (np.maximum(x, y), x * y * last))


def alm_maa(m, t):
    """Gupta et al. 2013, third approximation: rows x y carry = 000 .. 111 of its truth table."""
    carries = np.array([0, 0, 1, 1, 0, 1, 1, 1])

    def cell(x, y, carry, _):
        out = carries[4 * x + 2 * y + carry]
        return 1 - out, out

    return added(m, t, cell)


def mitch_w(m, w):
    operands = np.arange(1 << m) & -(1 << (m - w))
    return np.add.outer(operands, operands)


def lmul(m, l):  # noqa: E741 - the paper's name
    """Floats as bit patterns: exponent and fraction added as one integer, with the offset."""
    u, v = significands(m)
    pattern = u + v + (1 << (m - l))
    exponent, fraction = np.divmod(pattern - (2 << m), 1 << m)
    return np.where(exponent > 1, (2 << m) - 1, exponent << m | fraction)


def cfpu(m, t):
    u, v = significands(m)
    lowest, highest = v >> (m - t) == 1 << t, v >> (m - t) == (2 << t) - 1
    multiplicand = np.where(lowest, 1 << m, np.where(highest, 2 << m, v))
    return packed(u * multiplicand, m, 2 * m)


def log_mean(low, high):
    """The integral of 1 / (1 + x), and of x / (1 + x), from low to high."""
    log = np.log1p(high) - np.log1p(low)
    return log, high - low - log


def realm_factor(i, j, k):
    """Mean over segment (i, j) of k x k of what Mitchell's product lacks, weighed by 1 / product.

    The integrals are exact where all of the segment is on one side of x + y = 1; the segments
    on it are sums of strips so thin that their error is of no consequence to the rounding.
    """
    strips = 4096 if i + j == k - 1 else 1
    edges = i / k + np.arange(strips + 1) / (strips * k)
    lost = weight = 0.0
    for low, high in itertools.pairwise(edges):
        width_x, moment_x = log_mean(low, high)
        split = min(max(1 - (low + high) / 2, j / k), (j + 1) / k)
        width_low, moment_low = log_mean(j / k, split)
        width_high, moment_high = log_mean(split, (j + 1) / k)
        lost += moment_x * moment_low  # x y, and (1 - x)(1 - y) as 2 - (1 + x) of both
        lost += (width_x - moment_x) * (width_high - moment_high)
        weight += width_x * (width_low + width_high)
    return lost / weight


@functools.cache
def realm_factors(k):
    """The k x k factors in units of 1/64, rounded."""
    factors = [[realm_factor(i, j, k) for j in range(k)] for i in range(k)]
    return np.rint(64 * np.array(factors)).astype(np.int64)


def realm(m, s, t):
    """In units of 2^-(m+7): the linear product, plus the factor rounded to the result's unit."""
    kept = np.arange(1 << m) >> t << t
    x = kept | (1 << t) * (t > 0)
    total = np.add.outer(x, x)
    segment = np.arange(1 << m) >> (m - s)
    factor = realm_factors(1 << s)[np.ix_(segment, segment)]
    carry = total >= 1 << m
    linear = np.where(carry, 2 * total, (1 << m) + total) << 7
    unit = np.where(carry, 2, 1) << (t + 7)
    steps = ((factor << (m + 1)) + unit // 2) // unit
    value = linear + steps * unit
    return packed(value, m - t, m + 7) << t


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
