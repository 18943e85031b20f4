"""Do the error figures that an author prints come true?

EvoApproxLib's headers have them (Mrazek et al., DATE 2017, doi 10.23919/DATE.2017.7926993). Its
relative errors are over the pairs whose exact result is not zero, those of adders over the pairs
whose sum fits the result.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from axdse.multipliers.designs.family import Multiplier
from axdse.multipliers.model.cmodel import MAX_TABLE_BITS, products, table_of, twos_complement

BLOCK_PAIRS = 1 << 20
SAMPLED_PAIRS = 1 << 18
# A sample tells nothing of means if few of its pairs are wrong; else they are within this many
# standard errors.
LEAST_WRONG, STANDARD_ERRORS = 1000, 6
# Relative errors are largest where operands are small, which a sample hardly meets: each octave of
# both has as many pairs at least.
LEAST_OF_OCTAVES = 256
LEAST_CORRELATION = 0.5
WIDEST = 62  # operands together, and results: values are int64


class Misprint(NamedTuple):
    """A figure that differs by more than half a unit of its last printed digit.

    Attributes:
        measured: over all pairs up to 24 operand bits, else over a sample of 2^18, for relative
            errors with more of small operands.
    """

    name: str
    published: float
    measured: float


def misprints(multiplier: Multiplier) -> tuple[Misprint, ...]:
    """The published figures of an integer product, or of an adder, that are not its own.

    Raises:
        AxdseError: the model does not run.
    """
    figures = {figure.name: figure for figure in multiplier.family.published}
    is_sum = is_adder(multiplier)
    is_product = multiplier.family.kind == "integer"
    if not (figures and (is_product or is_sum)) or _is_wide(multiplier):
        return ()
    measured = _measured(multiplier, is_sum)
    found = []
    for name, figure in figures.items():
        value = measured.values.get(name)
        if value is None or (is_sum and name in ("MAE%", "WCE%")):  # of what, is not said
            continue
        beyond = value - figure.value
        if not (measured.sampled and name.startswith("WC")):  # a sample has a part of the worst
            beyond = abs(beyond)
        rounding = figure.step / 2 + 1e-9 * abs(value)
        if name in ("MAE%", "WCE%") and name[:-1] in figures:  # some are of what is rounded
            rounding += 50 * figures[name[:-1]].step / (1 << multiplier.product_bits)
        if beyond > rounding + measured.tolerance.get(name, 0.0):
            found.append(Misprint(name, figure.value, value))
    return tuple(found)


def is_adder(multiplier: Multiplier) -> bool:
    """Whether patterns of bits are nearer to the sum of both operands than to any product.

    Upper and lower halves of a product follow the sum too, and so do saturated ones and floats.

    Raises:
        AxdseError: as `misprints`.
    """
    bits = multiplier.product_bits
    if multiplier.family.kind != "bits" or _is_wide(multiplier):
        return False
    a, b, own = next(_blocks(multiplier, sampled=True))
    exact, fits = _sum(multiplier, a, b)
    a, b, own, exact = a[fits], b[fits], own[fits], exact[fits]
    if not (own.size and own.std() and exact.std()):
        return False
    product, largest = a * b, (1 << bits - multiplier.family.signed) - 1
    dropped = max(multiplier.a_bits + multiplier.b_bits - bits, 0)
    products_of = [product >> dropped, product & largest, np.minimum(product, largest)]
    if multiplier.a_bits == multiplier.b_bits == bits and not multiplier.family.signed:
        # Floats and posits are nearly their logarithms; 1.0 is half of the positive ones.
        products_of.append(np.maximum(exact - (1 << bits >> 2), 0))
    distance = np.abs(own - exact).mean()
    nearest = all(distance < np.abs(own - other).mean() for other in products_of)
    return nearest and bool(np.corrcoef(exact, own)[0, 1] > LEAST_CORRELATION)


def _is_wide(multiplier: Multiplier) -> bool:
    return max(multiplier.a_bits + multiplier.b_bits, multiplier.product_bits) > WIDEST


@dataclass(frozen=True)
class _Measured:
    """Figures under EvoApproxLib's names; by how much a sample's means may differ from them."""

    values: dict[str, float]
    tolerance: dict[str, float]
    sampled: bool


def _measured(multiplier: Multiplier, is_sum: bool) -> _Measured:
    sampled = multiplier.a_bits + multiplier.b_bits > MAX_TABLE_BITS
    pairs, nonzero = 0, 0
    sums, squares, worst = np.zeros(4), np.zeros(4), np.zeros(2)
    for a, b, own in _blocks(multiplier, sampled):
        exact = a * b
        if is_sum:
            exact, fits = _sum(multiplier, a, b)
            exact, own = exact[fits], own[fits]
        error, relative = _errors(own, exact)
        each = np.stack([error > 0, error, error * error, relative])
        pairs, nonzero = pairs + error.size, nonzero + int(np.count_nonzero(exact))
        sums, squares = sums + each.sum(axis=1), squares + (each * each).sum(axis=1)
        worst = np.maximum(worst, [error.max(), relative.max()])
    counts = np.array([pairs, pairs, pairs, max(nonzero, 1)])
    means = sums / counts
    deviations = np.sqrt(np.maximum(squares / counts - means * means, 0) / counts)
    scale = np.array([100, 1, 1, 100])
    names = ("EP%", "MAE", "MSE", "MRE%")
    values = dict(zip(names, (scale * means).tolist(), strict=True))
    tolerance: dict[str, float] = {}
    if sampled:
        values["MRE%"], deviations[3] = _relative_by_octaves(multiplier, is_sum)
        few = sums[0] < LEAST_WRONG
        allowed = STANDARD_ERRORS * scale * deviations
        tolerance = dict(zip(names, (allowed + (np.inf if few else 0)).tolist(), strict=True))
    values |= {"WCE": float(worst[0]), "WCRE%": 100 * float(worst[1])}
    whole = 100 / (1 << multiplier.product_bits)
    values |= {"MAE%": whole * values["MAE"], "WCE%": whole * values["WCE"]}
    tolerance |= {"MAE%": whole * tolerance["MAE"]} if sampled else {}
    return _Measured(values, tolerance, sampled)


def _relative_by_octaves(multiplier: Multiplier, is_sum: bool) -> tuple[float, float]:
    """The mean relative error in percent, and its standard deviation as a fraction.

    A sample of each octave of both operands (stratified sampling; Cochran, "Sampling
    Techniques", 1977, chapter 5).
    """
    random = np.random.default_rng(1)
    widths = multiplier.a_bits, multiplier.b_bits
    sides = tuple(zip(widths, multiplier.family.operand_signs, strict=True))
    first, second = (_octaves(bits - signed) for bits, signed in sides)
    weights = np.outer(first[1], second[1]).ravel()
    counts = LEAST_OF_OCTAVES + (SAMPLED_PAIRS * weights).astype(int)
    place = np.repeat(np.arange(weights.size), counts)
    places = np.divmod(place, second[1].size)
    a, b = (
        _drawn(random, low[at], bits, signed)
        for (low, _), at, (bits, signed) in zip((first, second), places, sides, strict=True)
    )
    a, b, own = _values(multiplier, a, b, products(multiplier, a, b))
    exact = a * b
    if is_sum:
        total, fits = _sum(multiplier, a, b)
        exact = np.where(fits, total, 0)
    _, relative = _errors(own, exact)
    sums, squares, known = (
        np.bincount(place, each, weights.size) / counts
        for each in (relative, relative * relative, (exact != 0).astype(float))
    )
    share = float(weights @ known) or 1.0
    variance = weights**2 @ (np.maximum(squares - sums * sums, 0) / counts)
    return 100 * float(weights @ sums) / share, float(np.sqrt(variance)) / share


def _errors(own: np.ndarray, exact: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Absolute errors, and relative ones, which are 0 where 0 is exact; float64."""
    error = np.abs(own - exact).astype(float)
    return error, np.divide(error, np.abs(exact), where=exact != 0, out=np.zeros_like(error))


def _octaves(bits: int) -> tuple[np.ndarray, np.ndarray]:
    """The lowest magnitude of each octave, 0 first, and its share of all."""
    low = np.concatenate([[0], 1 << np.arange(bits)])
    return low, np.maximum(low, 1) / (1 << bits)


def _drawn(random: np.random.Generator, low: np.ndarray, bits: int, signed: bool) -> np.ndarray:
    """Bit patterns of the octaves that begin at `low`; with a sign ~0 is of that of 0."""
    magnitude = low + (random.random(low.size) * low).astype(np.int64)
    if signed:
        magnitude = np.where(random.integers(0, 2, low.size), ~magnitude, magnitude)
    patterns: np.ndarray = (magnitude & ((1 << bits) - 1)).astype(np.uint64)
    return patterns


def _blocks(
    multiplier: Multiplier, sampled: bool
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Values of both operands and of the result, int64, a block of pairs at a time."""
    a_bits, b_bits = multiplier.a_bits, multiplier.b_bits
    every = 1 << (a_bits + b_bits)
    if sampled and every > SAMPLED_PAIRS:
        random = np.random.default_rng(0)
        a, b = (
            random.integers(0, 1 << bits, SAMPLED_PAIRS, dtype=np.uint64)
            for bits in (a_bits, b_bits)
        )
        yield _values(multiplier, a, b, products(multiplier, a, b))
        return
    table = table_of(multiplier).ravel()
    for start in range(0, every, BLOCK_PAIRS):
        index = np.arange(start, min(start + BLOCK_PAIRS, every))
        yield _values(multiplier, index >> b_bits, index & ((1 << b_bits) - 1), table[index])


def _values(
    multiplier: Multiplier, a: np.ndarray, b: np.ndarray, patterns: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    family = multiplier.family
    signs = (*family.operand_signs, family.signed)
    widths = (multiplier.a_bits, multiplier.b_bits, multiplier.product_bits)
    first, second, result = (
        twos_complement(codes, bits) if signed else codes.astype(np.int64)
        for codes, bits, signed in zip((a, b, patterns), widths, signs, strict=True)
    )
    return first, second, result


def _sum(multiplier: Multiplier, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sums, and which of them fit the result."""
    exact, signed = a + b, multiplier.family.signed
    largest = (1 << multiplier.product_bits - signed) - 1
    return exact, (exact <= largest) & (exact >= (-largest - 1 if signed else 0))
