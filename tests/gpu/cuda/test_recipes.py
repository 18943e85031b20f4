"""Products added by a recipe, by the device kernels run on the host: the reference's bits."""

import importlib.util
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from cuda_on_host import HostDevice
from nvrtc import compile_for
from torch import Tensor

from axdse.gpu import reference
from axdse.gpu.cuda import gemms
from axdse.gpu.cuda import ops as cuda_ops
from axdse.gpu.cuda.arithmetic import arithmetic_of
from axdse.gpu.cuda.task import Program
from axdse.gpu.cuda.tiles import Shape, plan
from axdse.gpu.multiplication.handles import handle, resolve
from axdse.gpu.multiplication.inlined import Inlined
from axdse.gpu.operands.convolution import Convolution, Window
from axdse.gpu.operands.encode import encode
from axdse.gpu.ops.plan import explain
from axdse.gpu.testing.gemm import assert_same_bits, operands, table, wild_operands
from axdse.multipliers.designs.design_point import parse_mac
from axdse.multipliers.formats import FloatFormat, parse_format
from axdse.multipliers.sums.text import parse_sum

# Each way of the kernel, and each kind of table: 1, 3 and 7 bits, narrow and wide.
FLOAT_SUMS = (
    ("dot(terms=16,align=13)", "float(8,3)"),
    ("dot(terms=8,align=12,acc=float(8,7),cut=down,round=rne)", "bf16"),
    ("hopper", "approxtrain"),
    ("dot(terms=4,align=28,acc=float(5,20),round=rne,chunk=12)", "float(8,6,product=wide)"),
    ("blackwell_fp8(chunk=32)", "float(8,1)"),
    ("dot(terms=40,align=45)", "bf16"),
    ("dot(terms=2,align=9,acc=float(3,4),round=rne)", "float(8,3)"),  # subnormal sums
    ("dot(terms=4,align=exact,acc=float(6,9))", "float(8,3)"),  # by the model of the sum alone
    ("float(8,7)", "bf16"),
    ("float(4,3,round=rz)", "approxtrain"),
    ("float(6,22,chunk=10)", "float(8,6,product=wide)"),
    ("dot(terms=4,acc=lazy(10,24))", "float(8,3)"),
    ("dot(terms=3,acc=lazy(40,62),cut=down,round=rne,chunk=9)", "bf16"),
    ("dot(terms=4,acc=fixed(20,-10),overflow=saturate)", "float(8,3)"),  # likewise
    ("dot(terms=1,align=exact,acc=float(5,7),carry=late,round=rne)", "bf16"),
    ("float(3,2,round=stochastic,random=13,chunk=16)", "bf16"),  # subnormal sums
    ("dot(terms=5,align=20,cut=down,acc=float(4,6),round=stochastic,random=3)", "approxtrain"),
    ("dot(terms=3,align=exact,acc=float(6,9),round=stochastic)", "float(8,1)"),  # by the model
)
INT_SUMS = ("int(24)", "dot(terms=5,acc=int(19),overflow=saturate)", "dot(terms=40,acc=int(22))")
BLOCK_SUMS = (
    ("float(8,23)", "mxint8"),
    ("dot(terms=32,align=exact,acc=float(8,10),carry=late,round=rne)", "mxint8"),
    ("dot(terms=4,align=9,acc=float(5,7),cut=down,round=rne,chunk=8)", "int4(scale=block32)"),
    ("dot(terms=8,align=20,acc=float(8,10),carry=late,chunk=32)", "mxint8"),
)
SEED = 0xFEDC_BA98_7654_3210
ROWS, DEPTH, COLUMNS = 10, 85, 131  # more than a tile each way, and than is loaded at once


def sparse_operands(count: int, number_format: FloatFormat, seed: int) -> Tensor:
    """A third of them not zero, over 24 binades."""
    generator = torch.Generator().manual_seed(seed)
    scale = torch.exp2(torch.randint(-12, 13, (count,), generator=generator).float())
    x = operands(count, number_format, seed) * scale
    return torch.where(torch.rand(count, generator=generator) < 0.3, x, 0.0)


def known(text: str, name: str) -> str:
    return handle(table("scramble", parse_format(name).name), parse_sum(text))


def seed_of(text: str) -> int | None:
    """One, of a sum that takes one."""
    return SEED if parse_sum(text).is_random else None


@pytest.mark.parametrize("make", [operands, sparse_operands, wild_operands])
@pytest.mark.parametrize(("text", "name"), FLOAT_SUMS)
def test_gemm(
    host_device: HostDevice,
    text: str,
    name: str,
    make: Callable[[int, FloatFormat, int], Tensor],
) -> None:
    number_format = parse_format(name)
    assert isinstance(number_format, FloatFormat)
    a = make(ROWS * DEPTH, number_format, 1).reshape(1, ROWS, DEPTH)
    b = make(DEPTH * COLUMNS, number_format, 2).reshape(1, DEPTH, COLUMNS)
    multiplication, seed = known(text, name), seed_of(text)
    found = gemms.gemm(host_device, a, b, resolve(multiplication), False, seed)
    assert_same_bits(found, reference.gemm_reference(a, b, multiplication, False, seed))


@pytest.mark.parametrize("text", INT_SUMS)
def test_int8_gemm(host_device: HostDevice, text: str) -> None:
    a, b = (operands(n, parse_format("int8"), n) for n in (2 * 9 * 70, 2 * 70 * 33))
    a, b = a.reshape(2, 9, 70), b.reshape(2, 70, 33)
    multiplication = known(text, "int8")
    for swap in (False, True):
        found = gemms.gemm(host_device, a, b, resolve(multiplication), swap)
        assert_same_bits(found, reference.gemm_reference(a, b, multiplication, swap))


@pytest.mark.parametrize(("text", "name"), BLOCK_SUMS)
def test_gemm_of_integers_in_blocks(host_device: HostDevice, text: str, name: str) -> None:
    """With scales far apart, of NaN and of a product of infinity; both orders of a tile."""
    number_format, generator = parse_format(name), torch.Generator().manual_seed(0)
    a, b = (torch.randn(2, n, 96, generator=generator) for n in (9, 5))
    a *= torch.exp2(torch.randint(-6, 6, a.shape, generator=generator).float())
    a[0, 0, 3], a[1, 2, 70], a[1, 3, :32], a[0, 4] = torch.nan, torch.inf, 0.0, -1e38
    b[0, 4], b[1] = 1e38, b[1] * 1e-38
    first, second = (
        encode(a, number_format, along=2).codes,
        encode(b, number_format, along=2).codes,
    )
    multiplication = known(text, name)
    for left, right in ((first, second.mT), (second, first.mT)):
        for swap in (False, True):
            found = gemms.gemm(host_device, left, right, resolve(multiplication), swap)
            expected = reference.gemm_reference(left, right, multiplication, swap)
            assert_same_bits(found, expected)


WINDOWS = {
    "padded": Window((1, 1), (1, 1), (1, 1), 1),
    "odd, in groups": Window((2, 1), (1, 2), (1, 2), 2),
    "larger than its kernel": Window((4, 3), (0, 1), (1, 1), 2),
}


@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("dot(terms=3,align=9,chunk=6)", "float(8,3)"),
        ("float(6,5,round=stochastic)", "float(8,3)"),
        (INT_SUMS[1], "int8"),
    ],
)
def test_convolutions(host_device: HostDevice, text: str, name: str, window: Window) -> None:
    """All three products, whose steps are those of the reference's order of k."""
    shape = Convolution(2, 4 // window.groups, 6 // window.groups, (7, 6), (3, 2), window)
    image, weight, grad = (
        operands(torch.Size(size).numel(), parse_format(name), seed).reshape(size)
        for seed, size in enumerate((shape.image_size, shape.weight_size, shape.output_size))
    )
    multiplication, seed = known(text, name), seed_of(text)
    for operation, function, first, second in (
        ("conv2d", gemms.conv2d, image, weight),
        ("conv2d_input_gradient", gemms.conv2d_input_gradient, grad, weight),
        ("conv2d_weight_gradient", gemms.conv2d_weight_gradient, grad, image),
    ):
        for swap in (False, True):
            found = function(
                host_device, first, second, resolve(multiplication), swap, shape, seed
            )
            compute = reference.OPERATORS[operation]  # type: ignore[index]
            expected = compute(first, second, multiplication, swap, shape, seed=seed)
            assert_same_bits(found, expected)


@pytest.mark.parametrize(
    "text",
    [
        "dot(terms=4,align=20)",
        "float(8,10)",
        "lazy(12,26)",
        "float(6,5,round=stochastic,random=9)",
    ],
)
def test_inlined_models(host_device: HostDevice, text: str) -> None:
    mac, number_format = parse_mac(f"mitchell(m=10) in float(8,10) sum {text}"), FloatFormat(8, 10)
    multiplication = handle(Inlined(mac.candidate), mac.recipe)
    a = sparse_operands(3 * 9, number_format, 1).reshape(1, 3, 9)
    b = wild_operands(9 * 5, number_format, 2).reshape(1, 9, 5)
    seed = seed_of(text)
    found = gemms.gemm(host_device, a, b, resolve(multiplication), False, seed)
    assert_same_bits(found, reference.gemm_reference(a, b, multiplication, False, seed))


def programs() -> list[Program]:
    floats = (FLOAT_SUMS[number] for number in (0, 1, 2, 8, 11, 13, 15, 16))
    cases = (*floats, BLOCK_SUMS[3], (INT_SUMS[0], "int8"))
    bases = (
        arithmetic_of(resolve(known(*case)), False, torch.device("cpu")).base for case in cases
    )
    return [plan(Shape(1, 64, 64, 4096), base, 132).program for base in bases]


@pytest.mark.parametrize(
    ("number", "architecture"),
    [
        pytest.param(
            number,
            architecture,
            marks=() if number >= 8 and architecture == 90 else pytest.mark.slow,
        )
        for number in range(10)
        for architecture in (80, 90, 100)
    ],
)
def test_compiles(number: int, architecture: int) -> None:
    program = programs()[number]
    usage = compile_for(program.text, program.options, architecture)
    assert 2 * usage.registers * program.threads <= 64 * 1024


def test_k_is_never_split() -> None:
    shape = Shape(1, 4, 1 << 16, 64)
    base = programs()[0]
    assert plan(shape, base, 132).parts == 1
    assert plan(shape, replace(base, recipe=()), 132).parts > 1


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("hopper_fp8", "float(8,3)"),
        ("float(6,5,round=stochastic)", "float(8,3)"),
        BLOCK_SUMS[0],
    ],
)
def test_the_plan_says_that_they_run_and_runs_them(
    host_device: HostDevice, monkeypatch: pytest.MonkeyPatch, text: str, name: str
) -> None:
    multiplication, seed = known(text, name), seed_of(text)
    lacking = explain(multiplication, "cuda")
    assert lacking.choice == "reference"
    assert "no GPU" in next(r.why for r in lacking.alternatives if r.name == "cuda sums")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(cuda_ops, "_device", lambda x: host_device)
    found = explain(multiplication, "cuda")
    assert found.choice == found.fallback == "cuda sums"
    number_format = parse_format(name)
    a, b = (encode(torch.randn(1, n, 64), number_format, along=2).codes for n in (3, 5))
    expected = reference.gemm_reference(a, b.mT, multiplication, False, seed)
    assert_same_bits(found(a, b.mT, multiplication, False, seed=seed), expected)
