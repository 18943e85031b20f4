"""Dot products that tensor cores gave: MATLAB-tensor-core, model_validation, as one .npz.

The data are not part of axdse. `AXDSE_TENSOR_CORES=FILE.npz` names them; without it what reads
them is skipped, and says so. `cases` of the file has "GPU_format N F R c": c "with" is in the
alignment, "late" is added behind it, "out" is not in d.
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from axdse.multipliers.sums.recipe import FloatRegister, Sum
from axdse.multipliers.sums.text import parse_sum

Words = NDArray[np.uint32]
RECORDED = os.environ.get("AXDSE_TENSOR_CORES", "")
# Exponent and fraction bits of a format that has all its numbers, subnormal ones as normal.
FORMATS = {"fp16": (6, 10), "bf16": (8, 7), "tf32": (8, 10), "E4M3": (5, 3)}
CASES = (
    "V100_fp16",
    "A100_bf16",
    "A100_fp16",
    "A100_tf32",
    "Ada_E4M3",
    "H100_bf16",
    "H100_fp16",
    "H100_E4M3",
    "B200_E4M3",
)


@dataclass(frozen=True, eq=False)
class RecordedDots:
    """What one GPU gave for operands of one format, as uint32 words of FP32 numbers.

    Attributes:
        name: GPU and format.
        sum: the definition that is to give them.
        has_c: whether c is in d.
        a: [rows, K].
        b: likewise.
        c: [rows]; zeros where it is not in d.
        d: [rows].
    """

    name: str
    sum: Sum
    has_c: bool
    a: Words
    b: Words
    c: Words
    d: Words

    @property
    def exponent_bits(self) -> int:
        """Of operands."""
        return FORMATS[self.name.partition("_")[2]][0]

    @property
    def fraction_bits(self) -> int:
        """m, of operands."""
        return FORMATS[self.name.partition("_")[2]][1]

    @property
    def register(self) -> FloatRegister:
        """What holds the running sum."""
        assert isinstance(self.sum.register, FloatRegister)
        return self.sum.register

    @property
    def held_c(self) -> Words:
        """c as a register has it: what alignment cuts from it does not matter to the step."""
        return self.c & np.uint32(-1 << (23 - self.register.fraction_bits) & 0xFFFF_FFFF)

    def first(self, rows: int | None) -> "RecordedDots":
        """At most so many; None: all."""
        a, b, c, d = (array[:rows] for array in (self.a, self.b, self.c, self.d))
        return replace(self, a=a, b=b, c=c, d=d)

    @property
    def behind_c(self) -> tuple[Words, Words]:
        """Operands whose sum from zero is d: a step before them adds up to c, exactly.

        Its terms are c in pieces of m + 1 bits, times one.
        """
        left = self.held_c.view(np.float32)
        loads = np.zeros((2, self.d.size, self.sum.terms), np.uint32)
        loads[1] = np.float32(1).view(np.uint32)
        kept = np.uint32(-1 << (23 - self.fraction_bits) & 0xFFFF_FFFF)
        for place in range(-(-(self.register.fraction_bits + 1) // (self.fraction_bits + 1))):
            loads[0, :, place] = left.view(np.uint32) & kept
            left = left - loads[0, :, place].view(np.float32)
        assert not left.any()
        return np.hstack([loads[0], self.a]), np.hstack([loads[1], self.b])


def recorded_dots(name: str) -> RecordedDots:
    """One of `CASES`; the test is skipped where there are no data."""
    if not RECORDED:
        pytest.skip("AXDSE_TENSOR_CORES names no file of recorded dot products: NOT COMPARED")
    with np.load(Path(RECORDED)) as file:
        texts = {str(text).partition(" ")[0]: str(text) for text in file["cases"]}
        assert tuple(texts) == CASES
        _, terms, align, fraction, carry = texts[name].split()
        a, b, c, d = (file[f"{name}_{key}"] for key in "abcd")
    late = ",carry=late" if carry == "late" else ""
    total = parse_sum(f"dot(terms={terms},align={align},acc=float(8,{fraction}){late})")
    c = np.zeros_like(c) if carry == "out" else c
    return RecordedDots(name, total, carry != "out", a, b, c, d)
