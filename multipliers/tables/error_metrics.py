"""How far is a design from the exact product, over its whole operand domain?

Or over the operand pairs that a network feeds it: see `axdse.multipliers.operands.recording`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from axdse.multipliers.designs.family import Multiplier
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.model.cmodel import table_of, twos_complement

BLOCK_PAIRS = 1 << 20


@dataclass(frozen=True)
class ErrorMetrics:
    """Error over all operand pairs, each equally likely unless weights are given.

    The error of a pair is e = approximate - exact, in units of the last place of the exact
    product: 1 for an integer core, signed or not; 2^-2m for a significand core, whose products
    2^carry (1 + fraction) in [1, 4) are compared as integers, (2^m + x)(2^m + y) with
    2^carry (2^m + fraction) 2^m. Relative errors are e / max(1, |exact|), so that a pair with a
    zero operand counts, against 1. Some leave such pairs out, as EvoApproxLib does in the figures
    that it publishes (Mrazek et al., DATE 2017, doi 10.23919/DATE.2017.7926993): give them no
    weight. Names follow Liang, Han and Lombardi (IEEE Transactions on Computers, 2013, doi
    10.1109/TC.2012.146).

    With weights, means are weighted, worst cases are over the pairs of positive weight, and nmed
    still refers to the largest product of the domain, so that distributions compare.

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


@dataclass(frozen=True, eq=False)
class ErrorTable:
    """The error of each operand pair, in the units of `ErrorMetrics`.

    Attributes:
        a: values of the first operand, in the order of its codes.
        b: values of the second operand.
        exact: exact products, int64 [len(a), len(b)].
        error: approximate - exact, int64, of that shape.
    """

    a: np.ndarray
    b: np.ndarray
    exact: np.ndarray
    error: np.ndarray


def error_table(multiplier: Multiplier) -> ErrorTable:
    """Tabulate the error over the whole domain.

    Raises:
        AxdseError: as `table_of`.
    """
    exact, error = map(np.concatenate, zip(*_blocks(multiplier), strict=True))
    return ErrorTable(_operands(multiplier, 0), _operands(multiplier, 1), exact, error)


def error_metrics(multiplier: Multiplier, weights: np.ndarray | None = None) -> ErrorMetrics:
    """Measure a multiplier over its whole domain.

    Args:
        multiplier: the core.
        weights: how often each operand pair occurs: counts or probabilities, of the shape of the
            core's table; the row is the first operand. None: each pair once.

    Raises:
        AxdseError: as `table_of`; the domain has more than 2^24 pairs, say. Or weights of
            another shape, negative, not finite or all zero.
    """
    shares = None if weights is None else _shares(multiplier, weights)
    sums = np.zeros(6)
    largest = np.zeros(2)
    row = 0
    for exact, error in _blocks(multiplier):
        share = np.ones(1, int) if shares is None else shares[row : row + len(error)]
        row += len(error)
        relative = error / np.maximum(np.abs(exact), 1)
        sums += [
            ((error != 0) * share).sum(),
            (np.abs(error) * share).sum(),
            (np.abs(relative) * share).sum(),
            (error * share).sum(),
            (relative * share).sum(),
            (np.square(error, dtype=float) * share).sum(),
        ]
        occurring = [np.abs(e).max(where=share > 0, initial=0) for e in (error, relative)]
        largest = np.maximum(largest, occurring)
    total = multiplier.pairs if shares is None else 1
    rate, med, mred, bias, relative_bias, square = (sums / total).tolist()
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
        variance=max(0.0, square - bias * bias),
    )


def _shares(multiplier: Multiplier, weights: np.ndarray) -> np.ndarray:
    """Weights as float64 probabilities."""
    shape = (1 << multiplier.a_bits, 1 << multiplier.b_bits)
    if weights.shape != shape:
        raise AxdseError(
            f"weights of {multiplier.spec} are {shape[0]} x {shape[1]}",
            weights.shape,
            "convert a histogram with axdse.multipliers.operands.recording.core_weights",
        )
    shares = weights.astype(float)
    total = float(shares.sum())
    if not 0 < total < np.inf or shares.min() < 0:
        raise AxdseError(
            "weights are finite, never negative, and not all zero",
            f"sum {total}, smallest {shares.min()}",
            "count again",
        )
    return shares / total


def _blocks(multiplier: Multiplier) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield exact products and errors, int64, a few rows at a time: 2^24 pairs need memory."""
    if multiplier.family.kind == "bits":
        raise AxdseError(
            "an error is that of a product",
            f"{multiplier.spec} gives patterns of {multiplier.product_bits} bits",
            "say what it is with --kind when it is imported",
        )
    table = table_of(multiplier)
    first, second = _operands(multiplier, 0), _operands(multiplier, 1)
    rows = max(1, BLOCK_PAIRS // len(second))
    for start in range(0, len(first), rows):
        exact = np.outer(first[start : start + rows], second)
        yield exact, _values(multiplier, table[start : start + rows]) - exact


def _operands(multiplier: Multiplier, side: int) -> np.ndarray:
    """The values of all codes of the first (side 0) or second (side 1) operand."""
    bits = (multiplier.a_bits, multiplier.b_bits)[side]
    codes = np.arange(1 << bits, dtype=np.int64)
    if multiplier.family.operand_signs[side]:
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
