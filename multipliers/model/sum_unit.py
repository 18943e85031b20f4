"""What does the unit of a sum compute on bit patterns? The C model on the ports of its Verilog."""

import numpy as np

from axdse.multipliers.cache import digest
from axdse.multipliers.designs.candidate import Candidate
from axdse.multipliers.designs.sum_rtl import SumShape
from axdse.multipliers.model.cmodel import model_digest
from axdse.multipliers.model.sum_model import SUM_MODEL, lazy_steps, sum_model
from axdse.multipliers.model.unit_oracle import significand_products
from axdse.multipliers.sums.recipe import FloatRegister, LazyRegister, Sum
from axdse.multipliers.sums.reference import Terms, format_terms, register_codes, register_values


def sum_unit(
    candidate: Candidate, total: Sum, a: np.ndarray, b: np.ndarray, c: np.ndarray
) -> np.ndarray:
    """One step: what `axdse.multipliers.designs.sum_rtl.sum_rtl` gives.

    Args:
        candidate: core and format in front of the sum.
        total: the sum, of a register float(E,R) or lazy(F,V).
        a: codes of first operands, uint64 [rows, N].
        b: of second operands, likewise.
        c: the register as its port has it, uint64 [rows].

    Returns:
        The register after the step, uint64 [rows].

    Raises:
        AxdseError: there is no C compiler, or the core's model fails.
    """
    shape = SumShape(candidate, total)
    terms = core_terms(candidate, a, b)
    held = total.register
    if isinstance(held, FloatRegister):
        return register_codes(sum_model(total, terms, register_values(c, held)), held)
    assert isinstance(held, LazyRegister)
    return _lazy_unit(shape, held, terms, c)


def sum_digest(candidate: Candidate, total: Sum) -> str:
    """SHA-256 (hex) of the models of core and sum.

    Raises:
        AxdseError: the core's cannot be read.
    """
    core, form = model_digest(candidate.multiplier), candidate.format.name
    return digest(core, form, total.name, SUM_MODEL.read_bytes())


def core_terms(candidate: Candidate, a: np.ndarray, b: np.ndarray) -> Terms:
    """The products of operand codes, uint64 of one shape, by the core's C model.

    Raises:
        AxdseError: the model fails.
    """
    number_format = SumShape(candidate, Sum(FloatRegister())).format
    ones = np.uint64((1 << number_format.fraction_bits) - 1)
    a, b = a.astype(np.uint64), b.astype(np.uint64)
    entries = significand_products(candidate.multiplier, number_format, a & ones, b & ones)
    return format_terms(a, b, entries, number_format)


def _lazy_unit(shape: SumShape, held: LazyRegister, terms: Terms, c: np.ndarray) -> np.ndarray:
    x, v = shape.exponent_bits, held.width
    wide = c.astype(np.uint64)
    special = (wide >> np.uint64(x + v)).astype(np.int64)
    exponent = (wide >> np.uint64(v)).astype(np.int64) & ((1 << x) - 1)
    half = 1 << (v - 1)
    sums = ((wide & np.uint64(2 * half - 1)).astype(np.int64) ^ half) - half
    exponent, sums = lazy_steps(shape.sum, terms, exponent - shape.bias, sums)
    plus = (special == 1) | (terms.special == np.inf).any(-1)
    minus = (special == 2) | (terms.special == -np.inf).any(-1)
    nan = (special == 3) | np.isnan(terms.special).any(-1) | (plus & minus)
    special = np.where(nan, 3, 2 * minus + 1 * plus)
    parts = (special << x | (exponent + shape.bias)).astype(np.uint64)
    return np.asarray(parts << np.uint64(v) | (sums & (2 * half - 1)).astype(np.uint64))
