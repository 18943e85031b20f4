"""What does a sum compute? The obvious oracle: integers in numpy, one step after another.

`docs/sums.md` states it with examples. C model, Verilog and kernels are compared with this file.
A step takes the next N terms and the running sum c:

    M = the largest exponent of those that are not zero, c among them
    t = the sum of their significands in units of 2^(M - F), each cut to an integer
    c = t 2^(M - F), rounded once

and the generator of a sum that is rounded by chance goes on. Whatever is zero takes no part. The
result is FP32, which holds every number of float(E <= 8, R).
"""

import dataclasses
from dataclasses import dataclass

import numpy as np

from axdse.multipliers.formats import FloatFormat, IntFormat
from axdse.multipliers.sums.random_bits import next_states
from axdse.multipliers.sums.recipe import (
    FixedRegister,
    FloatRegister,
    IntRegister,
    LazyRegister,
    Rounding,
    Sum,
)

FP32 = FloatRegister()
_NONE = np.int64(-(1 << 40))  # the exponent of what is not there, below all others
_DEEPEST = 63  # a shift by more than a word has the same effect


@dataclass(frozen=True, eq=False)
class Terms:
    """Products as the sum takes them, (-1)^negative significand 2^(exponent - fraction_bits).

    Arrays are of one shape [..., K].

    Attributes:
        negative: bool.
        exponent: int64, that of both operands added: the product itself may be 4 times as large.
        significand: int64, within [1, 4) or 0, below 1 for subnormal operands, of integers in
            blocks any; 0 takes no part.
        special: FP32 infinities and NaN, where the product is one; 0 elsewhere.
        fraction_bits: of the significand, at most 46.
    """

    negative: np.ndarray
    exponent: np.ndarray
    significand: np.ndarray
    special: np.ndarray
    fraction_bits: int

    def part(self, first: int, count: int) -> "Terms":
        """Those of the positions from `first`, at most so many."""
        here = np.s_[..., first : first + count]
        return Terms(
            self.negative[here],
            self.exponent[here],
            self.significand[here],
            self.special[here],
            self.fraction_bits,
        )


def exact_terms(a: np.ndarray, b: np.ndarray) -> Terms:
    """The exact products of FP32 numbers, uint32 words of one shape [..., K]."""
    (sign_a, exponent_a, x), (sign_b, exponent_b, y) = _fields(a), _fields(b)
    with np.errstate(invalid="ignore", over="ignore"):
        native = a.view(np.float32) * b.view(np.float32)
    special = (exponent_a == 128) | (exponent_b == 128)
    return Terms(
        negative=sign_a ^ sign_b,
        exponent=exponent_a + exponent_b,
        significand=np.where(special, 0, x * y),
        special=np.where(special, native, np.float32(0)),
        fraction_bits=46,
    )


def format_terms(
    a: np.ndarray, b: np.ndarray, entries: np.ndarray, number_format: FloatFormat
) -> Terms:
    """The products of operands of a format, by what its core makes of their fractions.

    Args:
        a: codes of the format, uint64; subnormal operands are zero.
        b: likewise, of the same shape.
        entries: (carry << F) | fraction of each pair, F the fraction bits of the product.
        number_format: of the operands.
    """
    e, m = number_format.exponent_bits, number_format.fraction_bits
    kept, top = number_format.product_fraction_bits, (1 << e) - 1
    wide_a, wide_b, entry = (array.astype(np.int64) for array in (a, b, entries))
    exponent_a, exponent_b = wide_a >> m & top, wide_b >> m & top
    full_a, full_b = exponent_a == top, exponent_b == top
    zero = (exponent_a == 0) | (exponent_b == 0)
    fractions = (1 << m) - 1
    nan = (full_a & (wide_a & fractions != 0)) | (full_b & (wide_b & fractions != 0))
    nan |= zero & (full_a | full_b)
    negative = (wide_a ^ wide_b) >> (e + m) & 1 == 1
    infinite = np.where(full_a | full_b, np.where(negative, -np.inf, np.inf), 0)
    significand = ((1 << kept) | (entry & ((1 << kept) - 1))) << (entry >> kept)
    return Terms(
        negative=negative,
        exponent=exponent_a + exponent_b - 2 * number_format.bias,
        significand=np.where(zero | full_a | full_b, 0, significand),
        special=np.where(nan, np.nan, infinite).astype(np.float32),
        fraction_bits=kept,
    )


def block_terms(
    scales: tuple[np.ndarray, np.ndarray],
    products: np.ndarray,
    number_format: IntFormat,
    count: int,
) -> Terms:
    """Steps of integers in blocks: one term each, the sum of the step's products, which is exact.

    Args:
        scales: codes of both operands' ones, int64 that broadcast to [..., K]; the first of a step
            is that of all.
        products: int64 [..., K], what the core makes of both elements.
        number_format: of the operands.
        count: N, the products of a step.

    Returns:
        For `Sum.of_steps`, [..., K / N], the last step perhaps shorter; NaN where a scale is.
    """
    steps = np.arange(0, products.shape[-1], count)
    sums = np.add.reduceat(products, steps, axis=-1)
    first, second = (scale[..., ::count] for scale in scales)
    bias = number_format.scale_bias
    nan = (first > 2 * bias) | (second > 2 * bias)
    return Terms(
        negative=sums < 0,
        exponent=np.broadcast_to(first + second - 2 * bias, sums.shape),
        significand=np.where(nan, 0, np.abs(sums)),
        special=np.where(np.broadcast_to(nan, sums.shape), np.float32(np.nan), np.float32(0)),
        fraction_bits=2 * number_format.fraction_bits,
    )


def register_values(codes: np.ndarray, held: FloatRegister) -> np.ndarray:
    """FP32 of codes of float(E, R), as a register has them: uint64 of any shape."""
    e, r = held.exponent_bits, held.fraction_bits
    bias, top = (1 << (e - 1)) - 1, (1 << e) - 1
    wide = codes.astype(np.int64)
    exponent, fraction = wide >> r & top, wide & ((1 << r) - 1)
    significand = np.where(exponent > 0, fraction | 1 << r, fraction)
    size = np.ldexp(significand.astype(np.float64), np.maximum(exponent, 1) - bias - r)
    size = np.where(exponent == top, np.where(fraction != 0, np.nan, np.inf), size)
    return np.where(wide >> (e + r) == 1, -size, size).astype(np.float32)


def register_codes(values: np.ndarray, held: FloatRegister) -> np.ndarray:
    """Codes of float(E, R), uint64, of FP32 numbers that it has; NaN is the quiet NaN."""
    e, r = held.exponent_bits, held.fraction_bits
    bias, top = (1 << (e - 1)) - 1, (1 << e) - 1
    size = np.where(np.isfinite(values), np.abs(values), 0).astype(np.float64)
    exponent = np.maximum(np.frexp(size)[1] - 1, 1 - bias)
    # A hidden one adds 1 to the exponent.
    codes = np.ldexp(size, r - exponent).astype(np.int64) + ((exponent + bias - 1) << r)
    codes = np.where(size == 0, 0, codes)
    codes = np.where(np.isinf(values), top << r, codes) | np.signbit(values).astype(np.int64) << (
        e + r
    )
    return np.where(np.isnan(values), top << r | 1 << (r - 1), codes).astype(np.uint64)


def add_up(
    total: Sum,
    terms: Terms,
    start: np.ndarray | None = None,
    states: np.ndarray | None = None,
) -> np.ndarray:
    """Add terms along their last axis.

    Args:
        total: how; a sum of floats.
        terms: [..., K].
        start: FP32 [...], what is there before the first step; default: zeros. With chunks it is
            where the outer sum starts.
        states: of the generators before the first step, uint16 [...], of a sum that is random;
            default: zeros, which never round up. A chunk's end leaves them alone.

    Returns:
        FP32 [...]; NaN is the quiet NaN of sign 0.
    """
    shape, depth = terms.exponent.shape[:-1], terms.exponent.shape[-1]
    begin = np.zeros(shape, np.float32) if start is None else start.astype(np.float32)
    zeros = np.zeros(shape, np.float32)
    inner, outer = (zeros, begin) if total.chunk else (begin, zeros)
    chunk = total.chunk or max(depth, 1)
    random = np.zeros(shape, np.uint16) if states is None else states
    for first in range(0, max(depth, 1), chunk):
        inner, random = _chunk(total, terms.part(first, chunk), inner, random)
        if not total.chunk:
            return _plain_nan(inner)
        with np.errstate(invalid="ignore", over="ignore"):
            outer = outer + inner
        inner = zeros
    return _plain_nan(outer)


def add_up_integers(total: Sum, products: np.ndarray) -> np.ndarray:
    """Add integer products [..., K] in a sum int(W): int64 [...]."""
    held = total.register
    assert isinstance(held, IntRegister)
    result = np.zeros(products.shape[:-1], np.int64)
    for first in range(0, products.shape[-1], total.terms):
        result = result + products[..., first : first + total.terms].astype(np.int64).sum(-1)
        result = _held(result, held.width, held.overflow)
    return result


def _chunk(
    total: Sum, terms: Terms, start: np.ndarray, states: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The register after some terms, as FP32, and the generator."""
    steps = [terms.part(k, total.terms) for k in range(0, terms.exponent.shape[-1], total.terms)]
    if isinstance(total.register, FloatRegister):
        for step in steps:
            start = _float_step(total, total.register, step, start, states)
            states = next_states(states)
        return start, states
    special = _special(terms, start)
    if isinstance(total.register, LazyRegister):
        sums = _lazy(total, total.register, steps, start)
    else:
        assert isinstance(total.register, FixedRegister)
        sums = _fixed(total, total.register, steps, start)
    return np.where(special == 0, sums, special).astype(np.float32), states


def _float_step(
    total: Sum, held: FloatRegister, step: Terms, c: np.ndarray, states: np.ndarray
) -> np.ndarray:
    if total.carry == "with":
        special = _special(step, c)
        sums = _aligned_sum(total, held, step, c, states)
        return np.where(special == 0, sums, special).astype(np.float32)
    # As a step from zero, and an addition of IEEE 754 behind it.
    zeros = np.zeros_like(c)
    special = _special(step, zeros)
    products = np.where(special == 0, _aligned_sum(total, held, step, zeros, states), special)
    exact = dataclasses.replace(total, align=None, carry="with", rounding="rne")
    sums = _aligned_sum(exact, held, _as_terms(products.astype(np.float32)), c, states)
    with np.errstate(invalid="ignore", over="ignore"):
        native = products + c
    natively = ~np.isfinite(products) | ~np.isfinite(c) | (native == 0)
    return np.where(natively, native, sums).astype(np.float32)


def _aligned_sum(
    total: Sum, held: FloatRegister, step: Terms, c: np.ndarray, states: np.ndarray
) -> np.ndarray:
    """One step of finite numbers."""
    running = _as_terms(c)
    parts = (step, running)
    # A subnormal number has the exponent of the smallest normal one of its register.
    smallest = 2 - (1 << (held.exponent_bits - 1)) if total.align is not None else _NONE
    largest = _largest(parts, np.where(c == 0, _NONE, smallest))
    kept = total.align
    if kept is None:  # as many bits as keep all of them
        there = np.concatenate([p.exponent[p.significand != 0] for p in parts])
        spread = int(there.max() - there.min()) if there.size else 0
        kept = spread + max(p.fraction_bits for p in parts)
    sums = sum(_cut(p, largest, kept, total.cut).sum(-1) for p in parts)
    chance = states & np.uint16((1 << total.random) - 1)
    how = _Chance(chance, total.random) if total.is_random else total.rounding
    return _rounded(np.asarray(sums), largest - kept, held, how)


def _lazy(total: Sum, held: LazyRegister, steps: list[Terms], start: np.ndarray) -> np.ndarray:
    kept = total.align
    assert kept is not None
    running = _as_terms(start)
    exponent = _largest((running,), np.full(start.shape, _NONE))
    sums = _cut(running, exponent, kept, total.cut).sum(-1)
    for step in steps:
        risen = _largest((step,), exponent)
        sums = _shifted(sums, exponent - risen, total.cut)
        sums = _held(sums + _cut(step, risen, kept, total.cut).sum(-1), held.width, "wrap")
        exponent = risen
    return _rounded(sums, exponent - kept, FP32, total.rounding)


def _fixed(total: Sum, held: FixedRegister, steps: list[Terms], start: np.ndarray) -> np.ndarray:
    # In units of 2^lowest: the place of the window takes the largest exponent's.
    place = np.zeros(start.shape, np.int64)
    sums = np.zeros(start.shape, object)
    for step in (_as_terms(start), *steps):
        cut = _cut(step, place, -held.lowest, total.cut, whole=True)
        if held.overflow == "saturate":  # each before it is added, too
            cut = _held(cut, held.width, held.overflow)
        sums = _held(sums + cut.sum(-1), held.width, held.overflow)
    return _rounded(sums, place + held.lowest, FP32, total.rounding)


def _fields(words: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sign, exponent and significand in units of 2^-23 of FP32 words; 128: infinity or NaN."""
    wide = words.astype(np.int64)
    exponent, fraction = wide >> 23 & 0xFF, wide & 0x7F_FFFF
    significand = np.where(exponent > 0, fraction | 1 << 23, fraction)
    return wide >> 31 == 1, np.maximum(exponent, 1) - 127, significand


def _as_terms(c: np.ndarray) -> Terms:
    """Finite FP32 numbers [...] as one term each, [..., 1]; what is not finite as none."""
    negative, exponent, significand = _fields(c.view(np.uint32)[..., None])
    significand = np.where(exponent == 128, 0, significand)
    return Terms(negative, exponent, significand, np.zeros_like(c)[..., None], 23)


def _special(step: Terms, c: np.ndarray) -> np.ndarray:
    """Infinities and NaN added up, in any order the same: 0 where all is finite."""
    with np.errstate(invalid="ignore"):
        products = step.special.sum(-1, dtype=np.float32)
        return np.asarray(products + np.where(np.isfinite(c), np.float32(0), c))


def _largest(parts: tuple[Terms, ...], least: np.ndarray) -> np.ndarray:
    """The largest exponent of what is not zero, and at least so much."""
    for part in parts:
        there = np.where(part.significand != 0, part.exponent, _NONE)
        least = np.maximum(least, there.max(-1, initial=_NONE))
    return least


def _cut(
    part: Terms, largest: np.ndarray, kept: int, cut: str, *, whole: bool = False
) -> np.ndarray:
    """Terms in units of 2^(largest - kept), cut to integers; of any size if `whole`."""
    # A term that is not there is 0, whatever its exponent.
    up = np.where(part.significand != 0, part.exponent - largest[..., None], -_DEEPEST)
    up = up + (kept - part.fraction_bits)
    dtype = object if whole or kept > 52 else np.int64
    signed = np.where(part.negative, -part.significand, part.significand).astype(dtype)
    return _shifted(signed, up, cut)


def _shifted(values: np.ndarray, up: np.ndarray, cut: str) -> np.ndarray:
    """Integers times 2^up; what falls below 1 is cut toward zero, or down."""
    deepest = _DEEPEST if values.dtype != object else 1 << 20
    left, right = np.maximum(up, 0), np.minimum(np.maximum(-up, 0), deepest)
    left, right = left.astype(values.dtype), right.astype(values.dtype)
    if cut == "down":
        return np.asarray((values << left) >> right)
    return np.asarray(np.where(values < 0, -((-values << left) >> right), values << left >> right))


def _held(sums: np.ndarray, width: int, overflow: str) -> np.ndarray:
    """Two's complement of so many bits."""
    half = 1 << (width - 1)
    if overflow == "saturate":
        return np.asarray(np.clip(sums, -half, half - 1))
    return np.asarray(((sums + half) & (2 * half - 1)) - half)


@dataclass(frozen=True, eq=False)
class _Chance:
    """Rounding up by chance: integers below 2^bits, added to the first bits that are cut off."""

    added: np.ndarray
    bits: int


def _rounded(
    sums: np.ndarray, unit: np.ndarray, held: FloatRegister, rounding: Rounding | _Chance
) -> np.ndarray:
    """Integers times 2^unit, rounded once to float(E, R): FP32.

    Exponents below the smallest stay there, as in IEEE 754: subnormals. A sum that is not zero
    keeps its sign when it becomes zero; one beyond the largest number becomes infinity.
    """
    size = np.abs(sums)
    bias = (1 << (held.exponent_bits - 1)) - 1
    unit = np.where(size == 0, 0, unit)
    top = np.maximum(_bit_length(size) - 1 + unit, 1 - bias)  # the exponent
    drop = top - held.fraction_bits - unit
    deepest = _DEEPEST if size.dtype != object else 1 << 20
    down = np.clip(drop, 0, deepest).astype(size.dtype)
    kept = np.where(drop > 0, size >> down, size << np.maximum(-drop, 0).astype(size.dtype))
    if rounding == "rne":
        rest = size - (kept << down)
        half = np.where(drop > 0, size.dtype.type(1) << np.maximum(down - 1, 0), 1)
        kept = kept + ((drop > 0) & ((rest > half) | ((rest == half) & (kept & 1 == 1))))
    if isinstance(rounding, _Chance):
        further = np.clip(drop - rounding.bits, 0, deepest).astype(size.dtype)
        missing = np.clip(rounding.bits - drop, 0, rounding.bits).astype(size.dtype)
        first = (size - (kept << down) >> further << missing).astype(np.int64)
        kept = kept + ((drop > 0) & (first + rounding.added >= 1 << rounding.bits))
    place = top - held.fraction_bits
    value = np.ldexp(kept.astype(np.float64), np.asarray(place, np.int64))
    value = np.where(value >= 2.0 ** (bias + 1), np.inf, value)
    return np.asarray(np.where(sums < 0, -value, value).astype(np.float32))


def _bit_length(size: np.ndarray) -> np.ndarray:
    if size.dtype == object:
        return np.asarray(np.frompyfunc(int.bit_length, 1, 1)(size)).astype(np.int64)
    high, low = size >> 32, size & 0xFFFF_FFFF  # which FP64 holds exactly
    bits = np.where(high > 0, 32 + np.frexp(high)[1], np.frexp(low)[1])
    return np.asarray(bits, np.int64)


def _plain_nan(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.where(np.isnan(values), np.float32(np.nan), values))
