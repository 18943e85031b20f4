"""Every build of the device kernels, compiled by NVRTC for the GPUs that we promise."""

from dataclasses import replace
from typing import Any

import pytest
from nvrtc import compile_for

from axdse.gpu.cuda.arithmetic import inlined_arithmetic
from axdse.gpu.cuda.task import INLINED, INT8, NARROW, SUM_BF16, SUM_FP16, SUM_FP32, WIDE, Program
from axdse.gpu.cuda.tiles import Shape, plan
from axdse.gpu.multiplication.inlined import Inlined
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.formats import parse_format

# One generation in every run, the others in the slow one: NVRTC takes seconds a kernel.
SLOW_ARCHITECTURES = tuple(pytest.param(number, marks=pytest.mark.slow) for number in (80, 100))
REGISTERS_OF_UNIT = 64 * 1024
SHAPES = (
    Shape(1, 64, 64, 4096),
    Shape(1, 64, 64, 512),
    Shape(1, 64, 64, 200),
    Shape(1, 64, 64, 50),
    Shape(8, 1, 9, 12544),
    Shape(8, 1, 9, 200),
    Shape(8, 1, 12544, 9),
)


def mitchell() -> Program:
    """On 23 bits; the catalogue offers fewer."""
    family = builtin_catalog().family("mitchell")
    wider = replace(family, parameters={"m": replace(family.parameters["m"], max=23)})
    design = Candidate(wider.bind({"m": 23}), parse_format("float(8,23)"))
    return inlined_arithmetic(Inlined(design, trusted=True), exchanged=False).base


def table_programs() -> list[Program]:
    bases = [Program("", kind) for kind in (NARROW, WIDE, INT8)]
    bases += [
        Program("", kind, total) for kind in (NARROW, WIDE) for total in (SUM_BF16, SUM_FP16)
    ]
    found = {plan(shape, base, 132).program: None for base in bases for shape in SHAPES}
    return list(found)


def other_programs() -> list[Program]:
    encode = [Program("encode", kind, shared_bytes=16) for kind in (NARROW, INT8, INLINED)]
    add = [Program("add_parts", kind) for kind in (NARROW, INT8)]
    base = mitchell()
    shapes = (Shape(1, 512, 512, 512), Shape(1, 50, 50, 50))
    inlined = [
        plan(shape, replace(base, total=total), 132).program
        for shape in shapes
        for total in (SUM_FP32, SUM_BF16)
    ]
    return encode + add + inlined


def name(program: Program) -> str:
    parts = (program.kind, program.total, program.threads, program.columns_of_thread)
    return f"{program.kernel}-{'-'.join(map(str, parts))}"


def cases() -> list[Any]:
    """Sums narrower than FP32 are for studies, and the same code but for their rounding."""
    return [
        pytest.param(program, marks=pytest.mark.slow if program.total != SUM_FP32 else ())
        for program in other_programs() + table_programs()
    ]


@pytest.mark.parametrize("architecture", [90, *SLOW_ARCHITECTURES])
@pytest.mark.parametrize("program", cases(), ids=name)
def test_compiles_and_spills_nothing(program: Program, architecture: int) -> None:
    usage = compile_for(program.text, program.options, architecture)
    assert usage.spilled == 0
    assert usage.stack == 0
    blocks = 2 if program.total == SUM_FP32 else 1
    assert blocks * usage.registers * program.threads <= REGISTERS_OF_UNIT
