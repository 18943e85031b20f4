"""C models compiled into the kernel of sums: the reference's bits, without a table."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from axdse.gpu import reference
from axdse.gpu.cpu import ops as cpu_ops
from axdse.gpu.cpu.kernels import INLINED_SUMS, torch_threads
from axdse.gpu.multiplication.handles import handle
from axdse.gpu.multiplication.inlined import Inlined
from axdse.gpu.operands.convolution import Convolution, Window
from axdse.gpu.ops import schema
from axdse.gpu.ops.plan import plan
from axdse.gpu.testing.gemm import assert_same_bits, operands, wild_operands
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.design_point import Candidate, parse_mac
from axdse.multipliers.formats import FloatFormat, parse_format
from axdse.multipliers.sums.text import parse_sum

# A core of significands, and integer ones: narrow, as long as FP32, and wide.
CORES = (
    ("mitchell", {"m": 10}, "float(8,10,round=truncate)"),
    ("exact", {"n": 24}, "float(8,23)"),
    ("exact", {"n": 12}, "float(8,11,product=wide)"),
)
SUMS = (
    "dot(terms=4,align=20)",
    "dot(terms=2,align=9,acc=float(3,4),round=rne)",  # subnormal sums
    "dot(terms=8,align=12,acc=float(8,7),cut=down,round=rne,chunk=16)",
    "blackwell_fp8",
    "dot(terms=3,align=exact,acc=float(6,9))",
    "float(8,23)",
    "float(5,10,round=rz,chunk=5)",
    "dot(terms=4,acc=lazy(10,24))",
    "fixed(40,-20)",
    "float(6,9,round=stochastic,random=13)",
    "dot(terms=4,align=20,round=stochastic)",
)


def inlined(name: str, parameters: dict[str, int], format_name: str) -> Inlined:
    family = builtin_catalog().family(name)
    wider = replace(family.parameters[str(family.width)], max=24)
    family = replace(family, parameters={**family.parameters, str(family.width): wider})
    return Inlined(Candidate(family.bind(parameters), parse_format(format_name)), trusted=True)


def sparse_operands(count: int, number_format: FloatFormat, seed: int) -> Tensor:
    """A third of them not zero, over 24 binades."""
    generator = torch.Generator().manual_seed(seed)
    scale = torch.exp2(torch.randint(-12, 13, (count,), generator=generator).float())
    x = operands(count, number_format, seed) * scale
    return torch.where(torch.rand(count, generator=generator) < 0.3, x, 0.0)


@pytest.mark.parametrize("make", [sparse_operands, wild_operands])
@pytest.mark.parametrize("core", CORES, ids=lambda core: core[2])
def test_gemm(
    core: tuple[str, dict[str, int], str], make: Callable[[int, FloatFormat, int], Tensor]
) -> None:
    unit = inlined(*core)
    a = make(2 * 21, unit.format, 1).reshape(1, 2, 21)
    b = make(21 * 17, unit.format, 2).reshape(1, 21, 17)
    for number, text in enumerate(SUMS):
        total = parse_sum(text)
        call = handle(unit, total), number % 2 == 1, 3 if total.is_random else None
        found = cpu_ops.gemm_cpu(INLINED_SUMS, a, b, *call)
        assert_same_bits(found, reference.gemm_reference(a, b, *call))


def test_convolutions() -> None:
    shape = Convolution(1, 2, 3, (6, 5), (3, 2), Window((2, 1), (1, 2), (1, 1), 2))
    unit = inlined(*CORES[0])
    image, weight, grad = (
        operands(torch.Size(size).numel(), unit.format, seed).reshape(size)
        for seed, size in enumerate((shape.image_size, shape.weight_size, shape.output_size))
    )
    multiplication = handle(unit, parse_sum("dot(terms=3,align=9,chunk=6)"))
    for name, pair in (
        ("conv2d", (image, weight)),
        ("conv2d_input_gradient", (grad, weight)),
        ("conv2d_weight_gradient", (grad, image)),
    ):
        call = *pair, multiplication, False, shape
        found = cpu_ops.OPERATORS[name](INLINED_SUMS, *call)  # type: ignore[index]
        assert_same_bits(found, reference.OPERATORS[name](*call))  # type: ignore[index]


def test_the_plan_runs_it_on_any_number_of_threads() -> None:
    mac = parse_mac("mitchell(m=12) in float(8,12) sum dot(terms=4,align=20)")
    multiplication = handle(mac.candidate, mac.recipe)
    assert plan(multiplication).choice == "inlined sums"
    a = torch.randn(1, 30, 300)
    found = []
    for count in (1, 2):
        with torch_threads(count):
            found.append(schema.torch.ops.axdse.gemm(a, a.mT, multiplication, False))
    assert_same_bits(found[1], found[0])
    assert torch.allclose(found[0], a @ a.mT, rtol=0.15, atol=20)
