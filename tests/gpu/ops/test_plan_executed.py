"""What the plan says is what runs: for every realisation of this machine, format and operator."""

import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from axdse.gpu import reference
from axdse.gpu.cpu import ops as cpu_ops
from axdse.gpu.cpu.kernels import KERNELS, available_kernels, use_kernel
from axdse.gpu.factors import ops as factors_ops
from axdse.gpu.factors.ops import native_products
from axdse.gpu.multiplication.handles import Design, handle
from axdse.gpu.multiplication.inlined import Inlined
from axdse.gpu.operands.shapes import Operation
from axdse.gpu.ops import schema
from axdse.gpu.ops.plan import explain, plan
from axdse.gpu.testing.gemm import FLOATS, operands, table
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.formats import Format, parse_format
from axdse.multipliers.tables.lut import build_lut

WIDE = "float(8,7,round=nearest,product=wide)"
WINDOW = ([2, 1], [1, 2], [1, 2], 2)
IMAGE, WEIGHT, OUTPUT = (2, 4, 7, 6), (6, 2, 3, 2), (2, 6, 4, 8)
CALLS: dict[Operation, tuple[Any, ...]] = {
    "gemm": ((2, 6, 5), (2, 5, 7)),
    "conv2d": (IMAGE, WEIGHT, *WINDOW),
    "conv2d_input_gradient": (OUTPUT, WEIGHT, [7, 6], *WINDOW),
    "conv2d_weight_gradient": (OUTPUT, IMAGE, [3, 2], *WINDOW),
}


def core(spec: str, format_name: str) -> Candidate:
    return Candidate(builtin_catalog().multiplier(spec), parse_format(format_name))


DESIGNS: dict[str, Callable[[], Design]] = {
    "a table of high rank, narrow": lambda: table("scramble", FLOATS[0]),
    "a table of high rank, wide": lambda: table("scramble", FLOATS[1]),
    "a table of high rank, int8": lambda: table("scramble", "int8"),
    "factors in bfloat16": lambda: core("exact(n=8)", WIDE),
    "factors beyond bfloat16": lambda: core("etm(n=8,k=2)", WIDE),
    "factors of int8": lambda: core("exact(n=8)", "int8"),
    "factors beyond int8": lambda: core("drum(n=8,k=4)", "int8"),
    "a design that has both forms": lambda: core("mitchell(m=7)", "float(8,7,product=narrow)"),
    "a small float": lambda: core("mitchell(m=2)", "float(5,2,product=narrow)"),
    "fp4": lambda: core("mitchell(m=1)", "float(2,1)"),
    "a design without a table": lambda: core("mitchell(m=15)", "float(8,15,product=narrow)"),
    "an inlined model": lambda: Inlined(core("mitchell(m=15)", "float(8,15,product=narrow)")),
    "sums in bf16": lambda: table("exact", WIDE.replace(")", ",sum=bf16)")),
    "sums in bf16, high rank": lambda: table("scramble", WIDE.replace(")", ",sum=bf16)")),
    "sums in fp16": lambda: core("mitchell(m=7)", "float(8,7,product=narrow,sum=fp16)"),
    "sums in bf16 without a table": lambda: core(
        "mitchell(m=12)", "float(8,12,product=narrow,sum=bf16)"
    ),
}


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of what has computed, noted where it does."""
    found: list[str] = []

    def note(module: object, function: str, name_of: Callable[..., str]) -> None:
        real = getattr(module, function)

        def noted(*arguments: Any) -> Any:
            result = real(*arguments)
            if result is not None:
                found.append(name_of(*arguments))
            return result

        monkeypatch.setattr(module, function, noted)

    note(cpu_ops, "engine_for", lambda kernel, *_: kernel.name)
    note(factors_ops, "_sums", lambda *_: "factors")
    note(factors_ops, "_int8_gemm", lambda *_: "factors")
    note(reference, "_sums", lambda *_: "reference")
    return found


def tensors(operation: Operation, number_format: Format) -> list[Tensor]:
    return [
        operands(torch.Size(size).numel(), number_format, seed).reshape(size)
        for seed, size in enumerate(CALLS[operation][:2])
    ]


def compute(operation: Operation, parts: list[Tensor], design: Design) -> Tensor:
    operator = getattr(schema.torch.ops.axdse, operation)
    result: Tensor = operator(*parts, handle(design), False, *CALLS[operation][2:])
    return result


Context = Callable[[], contextlib.AbstractContextManager[None]]
COMPARISONS: dict[str, Context] = {
    "free choice": contextlib.nullcontext,
    "native products": native_products,
    **{kernel.name: partial(use_kernel, kernel) for kernel in available_kernels()},
}


@pytest.mark.parametrize("comparison", COMPARISONS)
@pytest.mark.parametrize("operation", CALLS)
@pytest.mark.parametrize("case", DESIGNS)
def test_the_choice_is_what_computes(
    case: str, operation: Operation, comparison: str, executed: list[str]
) -> None:
    design = DESIGNS[case]()
    with COMPARISONS[comparison]():
        expected = plan(design, operation=operation).choice
        compute(operation, tensors(operation, design.format), design)
    assert executed[0] == expected


@pytest.mark.parametrize("operation", CALLS)
@pytest.mark.parametrize("case", [case for case in DESIGNS if "int8" not in case])
def test_the_fallback_takes_what_the_choice_declines(
    case: str, operation: Operation, executed: list[str]
) -> None:
    design = DESIGNS[case]()
    parts = tensors(operation, design.format)
    parts[0].view(-1)[0], parts[1].view(-1)[0] = torch.inf, 2.0**-120
    with native_products():
        found = plan(design, operation=operation)
        compute(operation, parts, design)
    declines = next(r.declines for r in found.alternatives if r.name == found.choice)
    assert executed[0] == (found.fallback if declines else found.choice)


@pytest.mark.parametrize("case", DESIGNS)
def test_looking_into_every_alternative_changes_no_choice(case: str) -> None:
    design = DESIGNS[case]()
    chosen, explained = plan(design), explain(design)
    assert (chosen.choice, chosen.fallback) == (explained.choice, explained.fallback)
    assert {r.name for r in explained.alternatives} == {
        *("factors", "inlined", "reference"),
        *(kernel.name for kernel in KERNELS),
    }


def test_every_realisation_of_a_cpu_is_chosen_somewhere() -> None:
    chosen = set()
    for comparison in COMPARISONS.values():
        with comparison():
            chosen |= {plan(make()).choice for make in DESIGNS.values()}
    names = {kernel.name for kernel in available_kernels()}
    assert chosen == {"factors", "inlined", "reference", *names}


def test_a_design_is_multiplied_with_as_its_table_is() -> None:
    design = core("mitchell(m=7)", "float(8,7,product=narrow)")
    parts = tensors("gemm", design.format)
    by_design, by_table = (compute("gemm", parts, x) for x in (design, build_lut(design)))
    assert torch.allclose(by_design, by_table, rtol=1e-6)
