"""What does the unit of a sum compute on bit patterns? The C model on the ports of its Verilog."""

import dataclasses

import numpy as np

from axdse.multipliers.cache import digest
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.designs.sum_shape import SumShape
from axdse.multipliers.formats import FloatFormat, IntFormat
from axdse.multipliers.model.cmodel import model_digest
from axdse.multipliers.model.mx_codes import mx_numbers
from axdse.multipliers.model.sum_model import (
    SUM_MODEL,
    integer_sum_model,
    plain_steps,
    sum_ends,
    sum_model,
)
from axdse.multipliers.model.unit_oracle import significand_products, unit_products
from axdse.multipliers.sums.random_bits import next_states
from axdse.multipliers.sums.recipe import (
    FixedRegister,
    FloatRegister,
    IntRegister,
    LazyRegister,
    Sum,
)
from axdse.multipliers.sums.reference import (
    Terms,
    block_terms,
    format_terms,
    register_codes,
    register_values,
)


def sum_unit(
    candidate: Candidate, total: Sum, a: np.ndarray, b: np.ndarray, c: np.ndarray
) -> np.ndarray:
    """One step: what `axdse.multipliers.designs.sum_rtl.sum_rtl` gives.

    Args:
        candidate: core and format in front of the sum.
        total: the sum; where a chunk ends is not the unit's matter.
        a: codes of first operands, uint64 [rows, N].
        b: of second operands, likewise.
        c: the register as its port has it, uint64 [rows].

    Returns:
        The register after the step, uint64 [rows].

    Raises:
        AxdseError: there is no C compiler, or the core's model fails.
    """
    return sum_steps(candidate, total, a, b, c)[:, -1]


def sum_steps(
    candidate: Candidate, total: Sum, a: np.ndarray, b: np.ndarray, c: np.ndarray
) -> np.ndarray:
    """One step after another; as `sum_unit`, which has one.

    Args:
        candidate: core and format in front of the sum.
        total: the sum.
        a: codes of first operands, uint64 [rows, steps x N].
        b: of second operands, likewise.
        c: the register before them, uint64 [rows].

    Returns:
        The register after each step, uint64 [rows, steps].

    Raises:
        AxdseError: as `sum_unit`.
    """
    shape = SumShape(candidate, dataclasses.replace(total, chunk=0, stages=0))
    states, n = [c.astype(np.uint64)], total.terms
    if total.is_integer:
        products = unit_products(candidate, a, b)
        for k in range(0, a.shape[-1], n):
            states.append(_integer_unit(shape, products[:, k : k + n], states[-1]))
        return np.stack(states[1:], axis=1)
    terms = core_terms(candidate, a, b, n)
    for first in range(0, terms.exponent.shape[-1], shape.lanes):
        states.append(_unit(shape, terms.part(first, shape.lanes), states[-1]))
    return np.stack(states[1:], axis=1)


def _unit(shape: SumShape, terms: Terms, c: np.ndarray) -> np.ndarray:
    held = shape.sum.register
    if isinstance(held, FloatRegister):
        total = shape.sum.of_steps if shape.blocks else shape.sum
        states, own = shape.parted(c)
        sums = sum_model(total, terms, register_values(own, held), states)
        return shape.joined(next_states(states), register_codes(sums, held))
    return _plain_unit(shape, terms, c)


def converted(shape: SumShape, c: np.ndarray) -> np.ndarray:
    """FP32 words, uint64, of registers of a lazy or fixed-point sum: uint64 [rows].

    Raises:
        AxdseError: as `sum_unit`.
    """
    special, exponent, sums = _parts(shape, c)
    values = sum_ends(shape.sum, exponent - shape.bias, sums).view(np.uint32)
    words = np.array([0, 0x7F80_0000, 0xFF80_0000, 0x7FC0_0000], np.uint32)[special]
    return np.where(special == 0, values, words).astype(np.uint64)


def sum_digest(candidate: Candidate, total: Sum) -> str:
    """SHA-256 (hex) of the models of core and sum.

    Raises:
        AxdseError: the core's cannot be read.
    """
    core, form = model_digest(candidate.multiplier), candidate.format.plain
    return digest(core, form, total.name, SUM_MODEL.read_bytes())


def core_terms(candidate: Candidate, a: np.ndarray, b: np.ndarray, count: int = 1) -> Terms:
    """The products of operand codes, uint64 [..., K], by the core's C model.

    Args:
        candidate: core and format.
        a: codes of first operands, of MX ones {scale, element}.
        b: of second operands.
        count: N, how many products of integers in blocks make a term.

    Raises:
        AxdseError: the model fails.
    """
    form = candidate.format
    if isinstance(form, IntFormat):
        elements = (x.astype(np.uint64) & np.uint64((1 << form.bits) - 1) for x in (a, b))
        unit = Candidate(candidate.multiplier, form.unit)
        products = _signed(unit_products(unit, *elements), 2 * form.bits)
        first, second = (x.astype(np.int64) >> form.bits for x in (a, b))
        return block_terms((first, second), products, form, count)
    shape = SumShape(candidate, Sum(FloatRegister()))
    number_format = shape.format
    ones = np.uint64((1 << number_format.fraction_bits) - 1)
    a, b = a.astype(np.uint64), b.astype(np.uint64)
    if shape.is_mx:
        assert isinstance(candidate.format, FloatFormat)
        a, b = mx_numbers(a, candidate.format), mx_numbers(b, candidate.format)
    entries = significand_products(candidate.multiplier, number_format, a & ones, b & ones)
    return format_terms(a, b, entries, number_format)


def _parts(shape: SumShape, c: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What a register without a format holds: special, exponent and integer, int64."""
    held = shape.sum.register
    assert isinstance(held, LazyRegister | FixedRegister)
    v, wide = held.width, c.astype(np.uint64)
    x = shape.exponent_bits if isinstance(held, LazyRegister) else 0
    special = (wide >> np.uint64(x + v)).astype(np.int64)
    exponent = (wide >> np.uint64(v)).astype(np.int64) & ((1 << x) - 1)
    half = 1 << (v - 1)
    return special, exponent, ((wide & np.uint64(2 * half - 1)).astype(np.int64) ^ half) - half


def _plain_unit(shape: SumShape, terms: Terms, c: np.ndarray) -> np.ndarray:
    """A step of a sum that is not normalised."""
    held = shape.sum.register
    assert isinstance(held, LazyRegister | FixedRegister)
    special, exponent, sums = _parts(shape, c)
    exponent, sums = plain_steps(shape.sum, terms, exponent - shape.bias, sums)
    plus = (special == 1) | (terms.special == np.inf).any(-1)
    minus = (special == 2) | (terms.special == -np.inf).any(-1)
    nan = (special == 3) | np.isnan(terms.special).any(-1) | (plus & minus)
    special = np.where(nan, 3, 2 * minus + 1 * plus)
    x = shape.exponent_bits if isinstance(held, LazyRegister) else 0
    exponent = exponent + shape.bias if x else np.zeros_like(exponent)
    parts = (special << x | exponent).astype(np.uint64)
    ones = (1 << held.width) - 1
    return np.asarray(parts << np.uint64(held.width) | (sums & ones).astype(np.uint64))


def _integer_unit(shape: SumShape, products: np.ndarray, c: np.ndarray) -> np.ndarray:
    """A step of integers: codes of products [rows, N] and of the register [rows]."""
    held, bits = shape.sum.register, 2 * shape.operand_bits
    assert isinstance(held, IntRegister)
    given = _signed(products, bits)
    given[:, 0] += _signed(c, held.width)  # only the sum of a step is limited
    return integer_sum_model(shape.sum, given).astype(np.uint64) & np.uint64((1 << held.width) - 1)


def _signed(codes: np.ndarray, bits: int) -> np.ndarray:
    half = 1 << (bits - 1)
    return (codes.astype(np.int64) ^ half) - half
