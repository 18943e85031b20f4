"""Logarithmic multipliers of significands."""

import numpy as np


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
