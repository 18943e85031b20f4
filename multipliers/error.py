"""Stage 3, error: how far a design is from the exact product, over its whole operand domain."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from axdse.multipliers.catalog import Multiplier
from axdse.multipliers.cmodel import tabulate, twos_complement

BLOCK_PAIRS = 1 << 20


@dataclass(frozen=True)
class ErrorMetrics:
    """Error over all operand pairs, each equally likely.

    The error of a pair is e = approximate - exact, in units of the last place of the exact
    product: 1 for an integer core, signed or not; 2^-2m for a significand core, whose products
    2^carry (1 + fraction) in [1, 4) are compared as integers, (2^m + x)(2^m + y) with
    2^carry (2^m + fraction) 2^m. Relative errors are e / max(1, |exact|), so that a pair with a
    zero operand counts, against 1; this is the convention of EvoApproxLib (Mrazek et al., DATE
    2017, doi 10.23919/DATE.2017.7926993). Names follow Liang, Han and Lombardi (IEEE
    Transactions on Computers, 2013, doi 10.1109/TC.2012.146).

    Attributes:
        error_rate: fraction of pairs with e != 0.
        med: mean error distance, the mean of |e|.
        nmed: med over the largest |exact| product.
        mred: mean relative error distance.
        wce: worst-case error, the largest |e|.
        wcre: worst-case relative error.
        bias: mean of e.
        relative_bias: mean relative error, with sign.
        variance: of e, in squared units.
    """

    error_rate: float
    med: float
    nmed: float
    mred: float
    wce: float
    wcre: float
    bias: float
    relative_bias: float
    variance: float


def error_metrics(multiplier: Multiplier) -> ErrorMetrics:
    """Measure a multiplier over its whole domain.

    Raises:
        AxdseError: as `tabulate`; the domain has more than 2^24 pairs, say.
    """
    sums = np.zeros(6)
    largest = np.zeros(2)
    for exact, error in _blocks(multiplier):
        relative = error / np.maximum(np.abs(exact), 1)
        sums += [
            np.count_nonzero(error),
            np.abs(error).sum(),
            np.abs(relative).sum(),
            error.sum(),
            relative.sum(),
            np.square(error, dtype=float).sum(),
        ]
        largest = np.maximum(largest, [np.abs(error).max(), np.abs(relative).max()])
    rate, med, mred, bias, relative_bias, square = (sums / multiplier.pairs).tolist()
    wce, wcre = largest.tolist()
    return ErrorMetrics(
        error_rate=rate,
        med=med,
        nmed=med / _largest_product(multiplier),
        mred=mred,
        wce=wce,
        wcre=wcre,
        bias=bias,
        relative_bias=relative_bias,
        variance=square - bias * bias,
    )


def _blocks(multiplier: Multiplier) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield exact products and errors, int64, a few rows at a time: 2^24 pairs need memory."""
    table = tabulate(multiplier)
    first, second = _operands(multiplier, 0), _operands(multiplier, 1)
    rows = max(1, BLOCK_PAIRS // len(second))
    for start in range(0, len(first), rows):
        exact = np.outer(first[start : start + rows], second)
        yield exact, _values(multiplier, table[start : start + rows]) - exact


def _operands(multiplier: Multiplier, side: int) -> np.ndarray:
    """The values of all codes of the first (side 0) or second (side 1) operand."""
    bits = (multiplier.a_bits, multiplier.b_bits)[side]
    codes = np.arange(1 << bits, dtype=np.int64)
    if multiplier.family.signed:
        return twos_complement(codes, bits)
    return codes if multiplier.family.kind == "integer" else (1 << bits) + codes


def _values(multiplier: Multiplier, products: np.ndarray) -> np.ndarray:
    if multiplier.family.signed:
        return twos_complement(products, multiplier.product_bits)
    products = products.astype(np.int64)
    if multiplier.family.kind == "integer":
        return products
    m = multiplier.operand_bits
    carry, fraction = products >> m, products & ((1 << m) - 1)
    return ((1 << m) + fraction) << (carry + m)


def _largest_product(multiplier: Multiplier) -> int:
    first, second = (np.abs(_operands(multiplier, side)).max() for side in (0, 1))
    return int(first) * int(second)
