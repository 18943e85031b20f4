"""What does a sum compute, in C? `sum.h`, which the portable kernel is made of, too.

`axdse.multipliers.sums.reference` is its oracle: two texts by two roads that must agree.
"""

import ctypes
import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from axdse.multipliers.sandbox.compiler import OUR_C, Recipe, build_cached
from axdse.multipliers.sums.recipe import (
    FixedRegister,
    FloatRegister,
    IntRegister,
    LazyRegister,
    Sum,
)
from axdse.multipliers.sums.reference import Terms

HERE = Path(__file__).parent
SUM_MODEL = HERE / "sum.h"
SUM_STEPS = HERE / "sum_steps.h"
_SOURCE = HERE / "sum.c"
_FLAGS = ("-std=gnu11", "-O2", "-fwrapv", "-ffp-contract=off", "-fPIC")
_KINDS = (FloatRegister, LazyRegister, FixedRegister, IntRegister)


class SumTask(ctypes.Structure):
    """`struct sum` of sum.h."""

    _fields_ = tuple(
        (name, ctypes.c_int32)
        for name in (
            *("kind", "terms", "align", "down", "late", "nearest", "chunk", "saturate"),
            *("exponent_bits", "register_bits", "width", "lowest", "fraction_bits", "random"),
        )
    )


def sum_task(total: Sum, fraction_bits: int) -> SumTask:
    """A sum as C takes it, of terms with so many fraction bits."""
    held = total.register
    task = SumTask(
        kind=_KINDS.index(type(held)),
        terms=total.terms,
        align=-1 if total.align is None else total.align,
        down=total.cut == "down",
        late=total.carry == "late",
        nearest=total.rounding == "rne",
        random=total.random,
        chunk=total.chunk,
        fraction_bits=fraction_bits,
    )
    if isinstance(held, FloatRegister):
        task.exponent_bits, task.register_bits = held.exponent_bits, held.fraction_bits
        return task
    task.width = held.width
    if isinstance(held, FixedRegister):
        task.lowest = held.lowest
    if isinstance(held, FixedRegister | IntRegister):
        task.saturate = held.overflow == "saturate"
    return task


def sum_model(
    total: Sum,
    terms: Terms,
    start: np.ndarray | None = None,
    states: np.ndarray | None = None,
) -> np.ndarray:
    """Add terms along their last axis; as `axdse.multipliers.sums.reference.add_up`.

    Raises:
        AxdseError: there is no C compiler, or it fails.
    """
    shape, depth = terms.exponent.shape[:-1], terms.exponent.shape[-1]
    begin = np.zeros(shape, np.float32) if start is None else start
    random = np.zeros(shape, np.uint16) if states is None else np.array(states, np.uint16)
    signed = np.where(terms.negative, -terms.significand, terms.significand)
    result = np.empty(shape, np.float32)
    arrays: Sequence[np.ndarray] = [
        np.ascontiguousarray(array, dtype)
        for array, dtype in (
            (terms.exponent, np.int32),
            (signed, np.int64),
            (terms.special, np.float32),
            (begin, np.float32),
            (random, np.uint16),
        )
    ]
    task = sum_task(total, terms.fraction_bits)
    pointers = (ctypes.c_void_p(array.ctypes.data) for array in (*arrays, result))
    sizes = ctypes.c_int64(result.size), ctypes.c_int64(depth)
    _library().sum_rows(ctypes.byref(task), *sizes, *pointers)
    return result


def plain_steps(
    total: Sum, terms: Terms, exponent: np.ndarray, held: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """One step each of a lazy or fixed-point sum, from registers of an exponent and an integer.

    Args:
        total: the sum.
        terms: [rows, N].
        exponent: of the register, int64 [rows]; the integer is in units of 2^(exponent - align),
            or of a window's last bit.
        held: that integer, int64 [rows].

    Raises:
        AxdseError: as `sum_model`.
    """
    signed = np.where(terms.negative, -terms.significand, terms.significand)
    given = np.ascontiguousarray(terms.exponent, np.int32), np.ascontiguousarray(signed, np.int64)
    state = exponent.astype(np.int32), held.astype(np.int64)
    task = sum_task(total, terms.fraction_bits)
    pointers = (ctypes.c_void_p(array.ctypes.data) for array in (*given, *state))
    rows, depth = terms.exponent.shape
    _library().sum_plain_steps(
        ctypes.byref(task), ctypes.c_int64(rows), ctypes.c_int64(depth), *pointers
    )
    return state[0].astype(np.int64), state[1]


def sum_ends(total: Sum, exponent: np.ndarray, held: np.ndarray) -> np.ndarray:
    """FP32 [rows] of such registers, as they are converted once per output.

    Raises:
        AxdseError: as `sum_model`.
    """
    given = np.ascontiguousarray(exponent, np.int32), np.ascontiguousarray(held, np.int64)
    result, task = np.empty(held.shape, np.float32), sum_task(total, 0)
    pointers = (ctypes.c_void_p(array.ctypes.data) for array in (*given, result))
    _library().sum_ends(ctypes.byref(task), ctypes.c_int64(result.size), *pointers)
    return result


def integer_sum_model(total: Sum, products: np.ndarray) -> np.ndarray:
    """As `axdse.multipliers.sums.reference.add_up_integers`, in C.

    Raises:
        AxdseError: as `sum_model`.
    """
    values = np.ascontiguousarray(products, np.int64)
    result, task = np.empty(values.shape[:-1], np.int64), sum_task(total, 0)
    pointers = (ctypes.c_void_p(array.ctypes.data) for array in (values, result))
    sizes = ctypes.c_int64(result.size), ctypes.c_int64(values.shape[-1])
    _library().sum_integers(ctypes.byref(task), *sizes, *pointers)
    return result


@functools.cache
def _library() -> ctypes.CDLL:
    recipe = Recipe("native", ".so", _FLAGS, ("-shared",), _SOURCE.name, OUR_C)
    return ctypes.CDLL(str(build_cached(_SOURCE, recipe)))
