"""Sums stated a second time: one output, rational numbers, no bits."""

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np

from axdse.multipliers.sums.recipe import FixedRegister, FloatRegister, LazyRegister, Sum

NONE = Fraction(0)
Value = Fraction | float  # finite; infinity or NaN


def stated(
    total: Sum,
    a: Sequence[np.float32],
    b: Sequence[np.float32],
    c: np.float32,
    state: int = 0,
) -> float:
    """c plus the products of both, in order, rounded by chance from this state on."""
    pairs = list(zip(map(float, a), map(float, b), strict=True))
    chances = _chances(total, state)
    if not total.chunk:
        return _as_float(_register(total, pairs, _value(float(c)), chances))
    outer = np.float32(c)
    with np.errstate(all="ignore"):
        for at in range(0, max(len(pairs), 1), total.chunk):
            inner = _register(total, pairs[at : at + total.chunk], Fraction(0), chances)
            outer = np.float32(outer + np.float32(_as_float(inner)))
    return float(outer)


def stated_blocks(
    total: Sum, products: Sequence[int], exponents: Sequence[int], fraction_bits: int, c: float
) -> float:
    """c plus integers of so many fraction bits, each times the two to its exponent.

    Those of a step have one exponent, the first one's, and are one term.
    """
    held = total.register
    assert isinstance(held, FloatRegister)
    chunk = total.chunk or len(products)
    outer = np.float32(0 if total.chunk else c)
    for start in range(0, len(products), chunk):
        sums: Value = Fraction(0) if total.chunk else Fraction(c)
        for k in range(start, start + chunk, total.terms):
            term = sum(products[k : k + total.terms]) * _two(exponents[k] - fraction_bits)
            terms = [(term, exponents[k])] if term else []
            if total.carry == "late":
                sums = _late_step(total, 0.0, terms, sums)
            elif isinstance(sums, Fraction):  # else it is infinite, and stays
                sums = _float_step(total, held, terms, sums, NONE)
        with np.errstate(invalid="ignore"):
            outer = np.float32(outer + np.float32(_as_float(sums))) if total.chunk else sums
    return _as_float(outer)


def _chances(total: Sum, state: int) -> Iterator[Fraction]:
    """Of each step the part of a place that is added before what is below is cut off."""
    while True:
        yield Fraction(state % (1 << total.random), 1 << total.random)
        for left, by in ((True, 7), (False, 9), (True, 8)):
            state ^= (state << by if left else state >> by) % (1 << 16)


def _register(
    total: Sum, pairs: list[tuple[float, float]], start: Value, chances: Iterator[Fraction]
) -> Value:
    steps = [pairs[k : k + total.terms] for k in range(0, len(pairs), total.terms)]
    held, special = total.register, 0.0 if isinstance(start, Fraction) else start
    sums = start if isinstance(start, Fraction) else Fraction(0)
    exponent = _exponent(float(sums)) if sums else None
    if isinstance(held, LazyRegister) and exponent is not None:
        assert total.align is not None
        sums = _cut(sums, exponent - total.align, total.cut)
    if isinstance(held, FixedRegister):
        sums = _window(_cut(sums, held.lowest, total.cut), held)
    for step in steps:
        chance = next(chances)
        products = [x * y for x, y in step if not math.isfinite(x * y) and _odd(x, y)]
        terms = [
            (Fraction(x) * Fraction(y), _exponent(x) + _exponent(y))
            for x, y in step
            if not _odd(x, y) and x and y
        ]
        if total.carry == "late":
            result = _late_step(total, sum(products), terms, special if special != 0 else sums)
            special, sums = (0.0, result) if isinstance(result, Fraction) else (result, sums)
            continue
        special = special + sum(products)
        if special != 0:
            continue
        if isinstance(held, FloatRegister):
            result = _float_step(total, held, terms, sums, chance)
            special, sums = (0.0, result) if isinstance(result, Fraction) else (result, sums)
        elif isinstance(held, LazyRegister):
            assert total.align is not None
            exponent = max(
                [e for _, e in terms] + ([] if exponent is None else [exponent]), default=None
            )
            if exponent is not None:
                unit = exponent - total.align
                sums = sum(
                    (_cut(p, unit, total.cut) for p, _ in terms), _cut(sums, unit, total.cut)
                )
                sums = _wrapped(sums / _two(unit), held.width) * _two(unit)
        else:
            assert isinstance(held, FixedRegister)
            cut = [_cut(p, held.lowest, total.cut) for p, _ in terms]
            if held.overflow == "saturate":
                cut = [_window(x, held) for x in cut]
            sums = _window(sums + sum(cut), held)
    if special != 0:
        return special
    return (
        sums
        if isinstance(held, FloatRegister)
        else _rounded(sums, FloatRegister(), total.rounding)
    )


def _float_step(
    total: Sum,
    held: FloatRegister,
    terms: list[tuple[Fraction, int]],
    c: Fraction,
    chance: Fraction,
) -> Value:
    # A subnormal number has the exponent of the smallest normal one of its register.
    smallest = 2 - (1 << (held.exponent_bits - 1))
    parts = [*terms, (c, max(_exponent(float(c)), smallest))] if c else terms
    if not parts:
        return c
    if total.align is None:
        exact = sum((p for p, _ in parts), Fraction(0))
    else:
        unit = max(e for _, e in parts) - total.align
        exact = sum((_cut(p, unit, total.cut) for p, _ in parts), Fraction(0))
    return _rounded(exact, held, total.rounding, chance, total.random)


def _late_step(total: Sum, special: float, terms: list[tuple[Fraction, int]], c: Value) -> Value:
    held = total.register
    assert isinstance(held, FloatRegister)
    products: Value = special
    if special == 0:
        products = _float_step(total, held, terms, Fraction(0), Fraction(0))
    if isinstance(products, Fraction) and isinstance(c, Fraction):
        return _rounded(products + c, held, "rne")
    return float(products) + float(c)


def _rounded(
    x: Fraction, held: FloatRegister, rounding: str, chance: Fraction = NONE, bits: int = 0
) -> Value:
    bias = (1 << (held.exponent_bits - 1)) - 1
    if not x:
        return Fraction(0)
    exponent = math.floor(math.log2(abs(x)))  # a guess
    while abs(x) >= _two(exponent + 1):
        exponent += 1
    while abs(x) < _two(exponent):
        exponent -= 1
    unit = _two(max(exponent, 1 - bias) - held.fraction_bits)
    size = abs(x) / unit
    if rounding == "stochastic":
        size = Fraction(math.floor(size * (1 << bits)), 1 << bits) + chance
    whole = round(size) if rounding == "rne" else math.floor(size)
    if whole * unit >= _two(bias + 1):
        return math.copysign(math.inf, x)
    return whole * unit * (1 if x > 0 else -1)


def _cut(x: Fraction, unit: int, cut: str) -> Fraction:
    size = x / _two(unit)
    return (math.floor(size) if cut == "down" else math.trunc(size)) * _two(unit)


def _window(x: Fraction, held: FixedRegister) -> Fraction:
    whole, half = x / _two(held.lowest), 1 << (held.width - 1)
    if held.overflow == "saturate":
        return max(-half, min(half - 1, whole)) * _two(held.lowest)
    return _wrapped(whole, held.width) * _two(held.lowest)


def _wrapped(whole: Fraction, width: int) -> Fraction:
    half = 1 << (width - 1)
    return (whole + half) % (2 * half) - half


def _odd(x: float, y: float) -> bool:
    return not (math.isfinite(x) and math.isfinite(y))


def _exponent(x: float) -> int:
    """Of an FP32 number; subnormals have that of the smallest normal one."""
    return max(math.frexp(x)[1] - 1, -126)


def _two(power: int) -> Fraction:
    return Fraction(2) ** power


def _value(x: float) -> Value:
    return Fraction(x) if math.isfinite(x) else x


def _as_float(x: Value) -> float:
    return float(x)
