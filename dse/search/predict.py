"""How much will a MAC hurt a place? Guessed in milliseconds, from its table and what operands met.

What arithmetic adds to a loss goes by the relative error of the sums that it makes, less any
common gain, which training takes up. It is measured on the operands that the exact network met,
rounded to the format, so that what underflows counts as what it is: lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from axdse.dse.run.survey import Harm
from axdse.multipliers.formats import FloatFormat, IntFormat
from axdse.multipliers.operands.encoding import operand_codes, operand_scales
from axdse.multipliers.operands.recording import OperandTrace, code_bits
from axdse.multipliers.tables.lut import Lut

WHOLE = 8  # exponent bits, those of FP32
MOST_PRODUCTS = 4096  # of each layer and product; the error's own error is then some per cent


def harms(lut: Lut, traces: Sequence[OperandTrace]) -> tuple[Harm, ...]:
    """What a MAC does to each product of each layer of a recording.

    Args:
        lut: its table; how it adds is not looked at.
        traces: of the operands of the exact network.
    """
    return tuple(_harm(lut, trace) for trace in traces)


def _harm(lut: Lut, trace: OperandTrace) -> Harm:
    rows = max(1, MOST_PRODUCTS // trace.a.shape[1])
    a, b = trace.a[:rows], trace.b[:rows]
    there = np.arange(a.shape[1]) < trace.lengths[:rows, None]
    exact = np.where(there, a.astype(np.float64) * b, 0.0)
    ours = products(lut, a, b, trace.a_peak[:rows, None], trace.b_peak[:rows, None])
    ours = np.where(there, np.nan_to_num(ours, posinf=0.0, neginf=0.0), 0.0)
    met = exact != 0
    size = np.abs(exact).sum()
    return Harm(
        layer=trace.layer,
        product=trace.product,
        error=_short(_unlike(exact.sum(1), ours.sum(1))),
        bias=_short(float((np.abs(ours) - np.abs(exact)).sum() / size) if size else 0.0),
        lost=_short(float((met & (ours == 0)).sum() / max(1, met.sum()))),
    )


def _short(value: float) -> float:
    """Five digits are more than a sample tells, and files of thousands of MACs stay small."""
    return float(f"{value:.5g}")


def _unlike(exact: np.ndarray, ours: np.ndarray) -> float:
    """Smallest |g ours - exact| / |exact| over all gains g."""
    sizes = float(exact @ exact) * float(ours @ ours)
    if sizes == 0:
        return float(np.any(exact))
    return float(np.sqrt(max(0.0, 1.0 - float(exact @ ours) ** 2 / sizes)))


def products(
    lut: Lut, a: np.ndarray, b: np.ndarray, a_peak: np.ndarray, b_peak: np.ndarray
) -> np.ndarray:
    """The products of two arrays by a table, as numbers.

    Args:
        lut: of the core in its format.
        a: float32, first operands before rounding.
        b: likewise second ones, of the same shape.
        a_peak: float32 that broadcasts to `a`: the largest magnitudes in the tensors.
        b_peak: likewise.

    Returns:
        float64 of that shape; what is beyond the format is infinite.
    """
    number_format = lut.format
    if isinstance(number_format, IntFormat):
        of_a, of_b = number_format.operands
        return _products(lut, _integers(a, a_peak, of_a), _integers(b, b_peak, of_b))
    first, second = number_format.operands
    x, y = operand_codes(a, a_peak, first), operand_codes(b, b_peak, second)
    scales = operand_scales(a_peak, first), operand_scales(b_peak, second)
    scale = np.multiply(*(each.astype(float) for each in scales))
    return np.asarray(_floats(lut, number_format, x.astype(np.int64), y.astype(np.int64)) * scale)


@dataclass(frozen=True, eq=False)
class _Integers:
    """Operands of one kind of integers.

    Attributes:
        words: int64, as cores take them.
        zero: the word of 0.0.
        scale: what a unit stands for.
    """

    words: np.ndarray
    zero: np.ndarray
    scale: np.ndarray


def _integers(values: np.ndarray, peaks: np.ndarray, form: IntFormat) -> _Integers:
    """Of unsigned ones the range ends at a peak on each side where the trace has a number."""
    if form.signed:
        codes = operand_codes(values, peaks, form).astype(np.int64)
        words = codes - (codes >> (form.bits - 1) << form.bits)
        return _Integers(words, np.zeros(1, np.int64), operand_scales(peaks, form).astype(float))
    below, above = (peaks * np.float32(np.any(side)) for side in (values < 0, values > 0))
    top = np.float32(form.largest)
    scale = np.maximum(above / top + below / top, np.finfo(np.float32).tiny)
    zero = np.rint(below / scale).astype(np.int64)
    near = np.rint(np.nan_to_num(values / scale, nan=0.0, posinf=0.0, neginf=0.0))
    words = np.clip(near.astype(np.int64) + zero, 0, form.largest)
    return _Integers(words, zero, scale.astype(float))


def _products(lut: Lut, a: _Integers, b: _Integers) -> np.ndarray:
    """Those of the numbers, with what the core is off for the words that stand for them."""
    rows, columns = (1 << bits for bits in code_bits(lut.format))
    off = lut.entries[a.words % rows, b.words % columns].astype(np.int64) - a.words * b.words
    exact = (a.words - a.zero) * (b.words - b.zero)
    return np.asarray((exact + off) * (a.scale * b.scale))


def _floats(lut: Lut, form: FloatFormat, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    e, m = form.exponent_bits, form.fraction_bits
    top, low = (1 << e) - 1, (1 << m) - 1
    fields = [((code >> m) & top, code & low, code >> (e + m)) for code in (x, y)]
    (a, a_fraction, a_sign), (b, b_fraction, b_sign) = fields
    entries = lut.entries[a_fraction, b_fraction].astype(np.int64)
    bits = 2 * m + 1 if form.product == "wide" else m
    carry, fraction = entries >> bits, entries & ((1 << bits) - 1)
    exponent = a + b - form.bias + carry
    size = np.ldexp(1 + fraction / (1 << bits), (exponent - form.bias).astype(np.int32))
    if e == WHOLE:  # products of narrower exponents have all of FP32's
        size = np.where(exponent < 1, 0.0, size)
        size = np.where(exponent >= top, np.inf, size)
    size = np.where((a == 0) | (b == 0), 0.0, size)
    return np.asarray(np.where(a_sign == b_sign, size, -size))
