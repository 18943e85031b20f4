"""What is a multiplication to the device kernels? Codes, table, model text."""

import functools
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from axdse.gpu.cuda.model_text import model_text
from axdse.gpu.cuda.task import BLOCKS, INLINED, INT8, NARROW, WIDE, Program
from axdse.gpu.multiplication.handles import Form, Multiplication
from axdse.gpu.multiplication.inlined import Inlined
from axdse.multipliers.formats import FloatFormat, IntFormat
from axdse.multipliers.model.sum_model import sum_task
from axdse.multipliers.sums.recipe import Sum
from axdse.multipliers.tables.lut import Lut

TABLE_BITS = 7
SUMMED_BITS = 14  # of fraction, in significands of sum_gemm.cu
FLOAT_COLUMNS = 1 << TABLE_BITS
_TOTALS = {"fp32": 0, "bf16": 1, "fp16": 2}


@dataclass(frozen=True, eq=False)
class Arithmetic:
    """One multiplication, with its operands in the order of the kernels: rows first.

    Attributes:
        base: kind, total and model of its programs.
        fraction_bits: m; 0 of integers.
        nearest: operands are rounded to nearest-even, else truncated.
        table: entries [rows, columns] as `thin_gemm` and `dot_gemm` read them, significands of a
            float sum with a recipe, or None.
        turned_table: the same as `table_gemm` reads it, or None.
    """

    base: Program
    fraction_bits: int
    nearest: bool
    table: Tensor | None
    turned_table: Tensor | None

    @property
    def code_type(self) -> torch.dtype:
        """Dtype that has the size of a code; its values mean nothing to torch."""
        return torch.int32 if self.base.kind == INLINED else torch.int16

    @property
    def sum_type(self) -> torch.dtype:
        """Dtype of results."""
        return torch.int32 if self.base.kind == INT8 else torch.float32

    @property
    def missing(self) -> int:
        """The code of no operand at all; `MISSING` of device.cuh."""
        return 0x100 if self.base.kind == INT8 else 1

    @property
    def drop(self) -> int:
        """How many low bits of a code's fraction are always zero; tables only."""
        return TABLE_BITS - self.fraction_bits if self.base.kind in (NARROW, WIDE) else 0


def arithmetic_of(
    multiplication: Form | Multiplication, exchanged: bool, device: torch.device
) -> Arithmetic:
    """What the kernels need of a multiplication; `exchanged`: rows are its second operand."""
    if isinstance(multiplication, Multiplication):
        if multiplication.sum is not None:
            return summed_arithmetic(multiplication, exchanged, device)
        multiplication = multiplication.form
    if isinstance(multiplication, Inlined):
        return inlined_arithmetic(multiplication, exchanged)
    return table_arithmetic(multiplication, exchanged, device)


@functools.lru_cache(maxsize=128)
def inlined_arithmetic(inlined: Inlined, exchanged: bool) -> Arithmetic:
    """The arithmetic of a C model; arguments as `arithmetic_of`."""
    number_format = inlined.format
    base = Program(
        "",
        INLINED,
        _total(number_format),
        model=model_text(inlined, exchanged),
        fraction_bits=number_format.fraction_bits,
        product_bits=number_format.product_fraction_bits,
    )
    return Arithmetic(base, number_format.fraction_bits, _is_nearest(number_format), None, None)


def _total(number_format: FloatFormat) -> int:
    return _TOTALS[number_format.sum]


def _is_nearest(number_format: FloatFormat) -> bool:
    """Stochastic rounding comes first; cutting what it left changes nothing."""
    return number_format.rounding == "nearest"


@functools.lru_cache(maxsize=128)
def table_arithmetic(lut: Lut, exchanged: bool, device: torch.device) -> Arithmetic:
    """The arithmetic of a table, uploaded once a device.

    Args:
        lut: the table.
        exchanged: rows are the second operand of the multiplier.
        device: where the kernels run.
    """
    entries = lut.entries.T if exchanged else lut.entries
    if isinstance(lut.format, IntFormat):
        padded = np.zeros((257, 256), np.int16)
        padded[:256] = entries
        kind = BLOCKS if lut.format.is_mx else INT8
        base, fraction_bits, nearest = Program("", kind), 0, False
    else:
        kind = NARROW if lut.format.product_fraction_bits < 8 else WIDE
        padded = _normalised(entries, lut.format)
        base = Program("", kind, _total(lut.format))
        fraction_bits, nearest = lut.format.fraction_bits, _is_nearest(lut.format)
    return Arithmetic(
        base,
        fraction_bits,
        nearest,
        torch.from_numpy(padded.view(np.uint8).copy()).to(device),
        torch.from_numpy(turned(padded).view(np.uint8)).to(device),
    )


@functools.lru_cache(maxsize=128)
def summed_arithmetic(known: Multiplication, exchanged: bool, device: torch.device) -> Arithmetic:
    """The arithmetic of a multiplication that adds by a recipe; arguments as `arithmetic_of`."""
    assert known.sum is not None
    form = known.form
    plain = arithmetic_of(form, exchanged, device)
    if isinstance(form, Inlined):
        return replace(plain, base=_with_recipe(plain.base, known.sum, plain.base.product_bits))
    if isinstance(form.format, IntFormat):
        assert isinstance(known.format, IntFormat)
        kept = 2 * known.format.fraction_bits if known.format.is_mx else 0
        return replace(plain, base=_with_recipe(plain.base, known.sum, kept))
    entries = form.entries.T if exchanged else form.entries
    kept = form.format.product_fraction_bits
    fraction, carry = entries & ((1 << kept) - 1), entries >> kept
    whole = (1 << kept | fraction.astype(np.int64)) << carry
    # Of 15 bits of a wide one the last is 0.
    significands = (whole << (SUMMED_BITS + 1 - kept) >> 1).astype(np.uint16)
    table = torch.from_numpy(np.ascontiguousarray(significands).view(np.uint8)).to(device)
    return replace(plain, base=_with_recipe(plain.base, known.sum, SUMMED_BITS), table=table)


def _with_recipe(base: Program, total: Sum, fraction_bits: int) -> Program:
    task = sum_task(total, fraction_bits)
    return replace(base, recipe=tuple(getattr(task, field[0]) for field in task._fields_))


def _normalised(entries: np.ndarray, number_format: FloatFormat) -> np.ndarray:
    """Carry in the top bit, the fraction right below it; as many columns as for m = 7."""
    fraction_bits = number_format.product_fraction_bits
    dtype, top = (np.uint8, 7) if fraction_bits < 8 else (np.uint16, 15)
    padded = np.zeros((entries.shape[0], FLOAT_COLUMNS), np.uint16)
    padded[:, : entries.shape[1]] = entries.astype(np.uint16) << (top - fraction_bits)
    return padded.astype(dtype)


def turned(entries: np.ndarray) -> np.ndarray:
    """Put columns w, w + W, ... into word w of a row of W words.

    So lane w of a warp reads a word of each row without conflict, and writes what it turns them
    into, columns w, w + W, ... of its rows side by side, without conflict too.
    """
    rows, columns = entries.shape
    words = columns * entries.itemsize // 4
    return np.ascontiguousarray(entries.reshape(rows, columns // words, words).swapaxes(1, 2))
