"""Do kernels that add by a recipe give the reference's bits, whatever operator and threads?"""

import contextlib
import ctypes
import itertools
import pickle
import platform
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import torch
from compiled_with import AVX2, PORTABLE, compiled_with
from torch import Tensor

from axdse.gpu import reference
from axdse.gpu.cpu import ops as cpu_ops
from axdse.gpu.cpu.compile import cpu_flags
from axdse.gpu.cpu.kernels import (
    CAREFUL_SUMS,
    SUMS,
    VBMI,
    Kernel,
    engine_for,
    torch_threads,
    use_kernel,
)
from axdse.gpu.layers.assignment import Assignment, Product
from axdse.gpu.multiplication.handles import handle
from axdse.gpu.operands.convolution import Convolution, Window
from axdse.gpu.ops import schema
from axdse.gpu.ops.plan import explain, plan
from axdse.gpu.testing.gemm import assert_same_bits, operands, table, wild_operands
from axdse.multipliers.designs.design_point import parse_mac
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import FloatFormat, parse_format
from axdse.multipliers.sums.text import parse_sum

FORMATS = {
    "narrow of 3 bits": "float(8,3)",
    "wide of 7 bits": "bf16",
    "narrow of 7 bits, truncated": "approxtrain",
    "wide of 6 bits": "float(8,6,product=wide)",
    "narrow of 1 bit": "float(8,1)",
}
FLOAT_SUMS = (
    "dot(terms=16,align=13)",
    "dot(terms=16,align=13,cut=down,round=rne)",
    "dot(terms=8,align=12,acc=float(8,7),round=rne)",
    "hopper_fp8",
    "hopper",
    "ampere",
    "dot(terms=4,align=28,acc=float(8,20),round=rne)",
    "blackwell_fp8",
    "blackwell_fp8(chunk=32)",
    "deepseek(chunk=32)",
    "dot(terms=3,align=9,chunk=6)",
    "dot(terms=4,align=30)",  # too wide for the vectors
    "dot(terms=4,align=9,acc=float(5,7))",  # with subnormal sums that steps are aligned to
    "float(8,7)",
    "float(8,9)",
    "float(8,22)",
    "float(8,23)",
    "float(8,10,round=rz,chunk=8)",
    "ibm(chunk=16)",
    "float(4,3,round=rz)",
    "float(6,22)",
    "float(5,10)",
    "dot(terms=4,acc=lazy(10,24))",
    "dot(terms=4,acc=lazy(10,18),cut=down,round=rne,chunk=16)",
    "dot(terms=5,acc=lazy(13,32),chunk=35)",
    "lazy(25,31,round=rne)",
    "dot(terms=5,acc=lazy(20,40))",  # too wide for the vectors
    "fixed(40,-30)",
    "dot(terms=4,acc=fixed(20,-10),overflow=saturate)",
    "float(8,7,round=stochastic,random=8)",
    "float(6,5,round=stochastic,random=13,chunk=16)",
    "float(3,2,round=stochastic)",  # with subnormal sums
    "dot(terms=16,align=13,round=stochastic)",
    "dot(terms=5,align=20,cut=down,acc=float(4,6),round=stochastic,random=3)",
    "dot(terms=3,align=exact,acc=float(6,9),round=stochastic)",  # too wide for the vectors
)
INT_SUMS = (
    "int(24)",
    "int(16,overflow=saturate)",
    "int(24,overflow=saturate)",
    "int(32,overflow=saturate)",
    "dot(terms=4,acc=int(32))",
    "dot(terms=5,acc=int(19),overflow=saturate)",
)
KERNELS = {"sums": SUMS, "careful": CAREFUL_SUMS}
Operands = Callable[[int, FloatFormat, int], Tensor]


def known(text: str, format_name: str, design: str = "scramble") -> str:
    """The handle of a table without any regularity behind a sum."""
    plain = parse_format(format_name).name
    return handle(table(design, plain), parse_sum(text))


def spread_operands(count: int, number_format: FloatFormat, seed: int) -> Tensor:
    """Normal numbers over 40 binades, a third of them zero."""
    x = operands(count, number_format, seed)
    generator = torch.Generator().manual_seed(seed)
    scale = torch.exp2(torch.randint(-20, 20, (count,), generator=generator).float())
    return torch.where(torch.rand(count, generator=generator) < 0.3, 0.0, x * scale)


def mixed_operands(count: int, number_format: FloatFormat, seed: int) -> Tensor:
    """Ordinary operands, and a few of any bit pattern."""
    x, wild = operands(count, number_format, seed), wild_operands(count, number_format, seed)
    generator = torch.Generator().manual_seed(seed)
    return torch.where(torch.rand(count, generator=generator) < 0.02, wild, x)


def ends_operands(count: int, number_format: FloatFormat, seed: int) -> Tensor:
    """Products about both ends of the range of FP32."""
    x = operands(count, number_format, seed)
    generator = torch.Generator().manual_seed(seed)
    high = torch.rand(count, generator=generator) < 0.2
    return x * torch.where(high, 2.0 ** (62 + seed % 2), 2.0 ** -(60 + 4 * (seed % 2)))


def tiny_operands(count: int, number_format: FloatFormat, seed: int) -> Tensor:
    """Products about the subnormal numbers of FP32."""
    return operands(count, number_format, seed) * 2.0**-66


def sparse_operands(count: int, number_format: FloatFormat, seed: int) -> Tensor:
    """One in ten not zero, over 24 binades."""
    x = operands(count, number_format, seed)
    generator = torch.Generator().manual_seed(seed)
    scale = torch.exp2(torch.randint(-12, 13, (count,), generator=generator).float())
    return torch.where(torch.rand(count, generator=generator) < 0.1, x * scale, 0.0)


def operands_with_special_lanes(count: int, number_format: FloatFormat, seed: int) -> Tensor:
    """Ordinary operands, and columns of b (rows of a, less often) of infinities and NaN."""
    x = operands(count, number_format, seed)
    x[7::COLUMNS] = torch.inf
    x[11 :: 2 * COLUMNS] = torch.nan
    x[64 :: 3 * COLUMNS] = -torch.inf
    return x


MAKERS: dict[str, Operands] = {
    "ordinary": operands,
    "ends of the range": ends_operands,
    "spread": spread_operands,
    "mixed": mixed_operands,
    "wild": wild_operands,
    "sparse": sparse_operands,
    "lanes of specials": operands_with_special_lanes,
}
ROWS, DEPTH, COLUMNS = 5, 37, 67  # more than a tile of rows and a register of columns


def seed_of(text: str) -> int | None:
    """Any, of a sum that takes one."""
    return 0xFEDC_BA98_7654_3210 if parse_sum(text).is_random else None


def assert_gemm(kernel: Kernel, text: str, make: Operands, names: tuple[str, ...]) -> None:
    for number, name in enumerate(names):
        number_format = parse_format(name)
        assert isinstance(number_format, FloatFormat)
        multiplication, swap = known(text, name), number % 2 == 1
        a = make(ROWS * DEPTH, number_format, 1).reshape(1, ROWS, DEPTH)
        b = make(DEPTH * COLUMNS, number_format, 2).reshape(1, DEPTH, COLUMNS)
        call = multiplication, swap, seed_of(text)
        expected = reference.gemm_reference(a, b, *call)
        assert_same_bits(cpu_ops.gemm_cpu(kernel, a, b, *call), expected)
        turned = a.mT.contiguous().mT
        assert_same_bits(cpu_ops.gemm_cpu(kernel, turned, b, *call), expected)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("text", FLOAT_SUMS)
def test_gemm(text: str, make: str) -> None:
    """Two formats each, so that each two of sum, format and kind of operands meet.

    By the sum the source and its ways are chosen, by the format how a table is packed.
    """
    formats, first = tuple(FORMATS.values()), FLOAT_SUMS.index(text) + list(MAKERS).index(make)
    names = (formats[(first + step) % len(formats)] for step in (0, 2))
    assert_gemm(SUMS, text, MAKERS[make], tuple(names))


@pytest.mark.slow
@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("text", FLOAT_SUMS)
def test_gemm_of_every_format(text: str, make: Operands) -> None:
    assert_gemm(SUMS, text, make, tuple(FORMATS.values()))


@pytest.mark.parametrize("text", FLOAT_SUMS)
def test_gemm_by_the_model(text: str) -> None:
    assert_gemm(CAREFUL_SUMS, text, mixed_operands, ("bf16", "float(8,3)"))


@contextlib.contextmanager
def careful_blocks(multiplication: str) -> Iterator[Callable[[], int]]:
    """How many blocks a kernel has not added the fast way since it was entered."""
    library = engine_for(SUMS, multiplication, False).library
    count = ctypes.c_int64.in_dll(library, "careful_blocks")
    before = count.value
    yield lambda: count.value - before


@pytest.mark.skipif(not VBMI.needs <= cpu_flags(), reason="the fast ways are of AVX-512")
@pytest.mark.parametrize("odd", [torch.inf, 2.0**-120, 2.0**120], ids=["inf", "small", "large"])
@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("dot(terms=16,align=13)", "float(8,3)"),
        ("hopper", "bf16"),
        ("blackwell_fp8", "approxtrain"),
        ("float(8,10)", "float(8,3)"),
        ("float(5,10)", "approxtrain"),
        ("float(6,9)", "bf16"),
    ],
)
def test_both_ways_are_taken_and_agree(text: str, name: str, odd: float) -> None:
    multiplication, number_format = known(text, name), parse_format(name)
    a = operands(ROWS * 64, number_format, 1).reshape(1, ROWS, 64)
    b = operands(64 * COLUMNS, number_format, 2).reshape(1, 64, COLUMNS)
    with careful_blocks(multiplication) as careful:
        cpu_ops.gemm_cpu(SUMS, a, b, multiplication, False)
        assert careful() == 0
        b[0, 32:, 5] = odd
        found = cpu_ops.gemm_cpu(SUMS, a, b, multiplication, False)
        # At most twice each: by the next way and, lanes of it, by the model.
        assert 0 < careful() <= 8 * ROWS
    assert_same_bits(found, reference.gemm_reference(a, b, multiplication, False))


@pytest.mark.skipif(not VBMI.needs <= cpu_flags(), reason="the fast ways are of AVX-512")
@pytest.mark.parametrize("name", ["float(8,3)", "bf16"])
def test_lazy_sums_whose_first_products_lie_deep_below_the_largest(name: str) -> None:
    """Both ways agree, and the careful one is taken where it must be."""
    number_format = parse_format(name)
    multiplication = known("dot(terms=4,acc=lazy(10,24))", name)
    a = operands(ROWS * 64, number_format, 1).reshape(1, ROWS, 64)
    b = operands(64 * COLUMNS, number_format, 2).reshape(1, 64, COLUMNS)
    with careful_blocks(multiplication) as careful:
        cpu_ops.gemm_cpu(SUMS, a, b, multiplication, False)
        assert careful() == 0
        a[0, 1, 9], b[0, 9, 5] = 2.0**60, 0.0
        b[0, 20, 7] = -torch.inf
        found = cpu_ops.gemm_cpu(SUMS, a, b, multiplication, False)
        # Of one row the first block, of all of them those from the infinity on.
        assert ROWS < careful() <= 5 * ROWS
    assert_same_bits(found, reference.gemm_reference(a, b, multiplication, False))


@pytest.mark.parametrize("text", ["float(6,9,round=rz)", "float(8,10)", "hopper"])
@pytest.mark.parametrize("extreme", [2.0**-80, 2.0**127])
def test_extreme_operands_and_zeros_have_no_products(extreme: float, text: str) -> None:
    number_format = parse_format("float(8,3)")
    a, b = (operands(n, number_format, n) for n in (ROWS * DEPTH, DEPTH * COLUMNS))
    a, b = a.reshape(1, ROWS, DEPTH), b.reshape(1, DEPTH, COLUMNS)
    a[0, 1], a[0, 2] = 0.0, extreme
    b[0, :, 3], b[0, :, 4] = 0.0, extreme
    multiplication = known(text, number_format.name)
    expected = reference.gemm_reference(a, b, multiplication, False)
    assert_same_bits(cpu_ops.gemm_cpu(SUMS, a, b, multiplication, False), expected)


@pytest.mark.parametrize("flushes", [False, True])
@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
@pytest.mark.parametrize("make", [tiny_operands, ends_operands, sparse_operands])
@pytest.mark.parametrize("name", ["float(8,3,product=wide)", "bf16"])
def test_fp32_in_order_is_one_fused_addition_after_another(
    name: str, make: Operands, kernel: Kernel, flushes: bool
) -> None:
    """Those of C, with subnormal sums, whatever torch does with them."""
    number_format, fmaf = parse_format(name), ctypes.CDLL("libm.so.6").fmaf
    fmaf.argtypes, fmaf.restype = [ctypes.c_float] * 3, ctypes.c_float
    a, b = (make(DEPTH * n, number_format, n) for n in (ROWS, COLUMNS))
    a, b = a.reshape(1, ROWS, DEPTH), b.reshape(1, DEPTH, COLUMNS)
    x, y = (reference.round_float(side[0], number_format).tolist() for side in (a, b))
    expected = torch.zeros(ROWS, COLUMNS)
    for row, column in itertools.product(range(ROWS), range(COLUMNS)):
        total = 0.0
        for k in range(DEPTH):
            total = fmaf(x[row][k], y[k][column], total)
        expected[row, column] = total
    torch.set_flush_denormal(flushes)
    try:
        found = cpu_ops.gemm_cpu(kernel, a, b, known("fp32(order=k)", name, "exact"), False)[0]
    finally:
        torch.set_flush_denormal(False)
    # A sum that underflowed to -0 is +0 after a step without products; they are equal.
    assert_same_bits(
        torch.where(found == 0, 0.0, found), torch.where(expected == 0, 0.0, expected)
    )
    if make is tiny_operands:
        assert ((expected != 0) & (expected.abs() < torch.finfo().tiny)).any()


def test_both_ways_of_saturating_are_taken_and_agree() -> None:
    multiplication = known("int(20,overflow=saturate)", "int8", "exact")
    a, b = (operands(n, parse_format("int8"), n) for n in (ROWS * 300, 300 * COLUMNS))
    a, b = a.reshape(1, ROWS, 300), b.reshape(1, 300, COLUMNS)
    with careful_blocks(multiplication) as careful:
        cpu_ops.gemm_cpu(SUMS, a // 8, b, multiplication, False)
        assert careful() == 0
        a[0, 2] = torch.where(torch.arange(300) < 150, 127, -128)
        b[0, :, 3] = 127
        found = cpu_ops.gemm_cpu(SUMS, a, b, multiplication, False)
        assert 0 < careful() < 2 * ROWS
    assert_same_bits(found, reference.gemm_reference(a, b, multiplication, False))


@pytest.mark.parametrize("text", INT_SUMS)
def test_int8_gemm(text: str) -> None:
    for design in ("scramble", "exact"):
        multiplication = known(text, "int8", design)
        a, b = (operands(2 * n, parse_format("int8"), n) for n in (3 * 300, 300 * 35))
        a, b = a.reshape(2, 3, 300), b.reshape(2, 300, 35)
        for swap in (False, True):
            expected = reference.gemm_reference(a, b, multiplication, swap)
            assert_same_bits(cpu_ops.gemm_cpu(SUMS, a, b, multiplication, swap), expected)


@pytest.mark.parametrize("shape", [(1, 1, 1), (0, 3, 2), (2, 0, 3), (3, 5, 0), (1, 64, 33)])
def test_gemm_of_odd_shapes(shape: tuple[int, int, int]) -> None:
    rows, depth, columns = shape
    number_format = parse_format("float(8,3)")
    a = operands(rows * depth, number_format, 1).reshape(1, rows, depth)
    b = operands(depth * columns, number_format, 2).reshape(1, depth, columns)
    multiplication = known("dot(terms=16,align=13)", "float(8,3)")
    expected = reference.gemm_reference(a, b, multiplication, False)
    assert_same_bits(cpu_ops.gemm_cpu(SUMS, a, b, multiplication, False), expected)


WINDOWS = {
    "plain": Window((1, 1), (1, 1), (1, 1), 1),
    "strided": Window((2, 2), (1, 1), (1, 1), 1),
    "odd, in groups": Window((2, 1), (1, 2), (1, 2), 2),
    "larger than its kernel": Window((4, 3), (0, 1), (1, 1), 2),
}
CONV_SUMS = (
    "float(6,5,round=stochastic)",
    "dot(terms=4,align=13)",
    "dot(terms=3,align=9,cut=down,chunk=6)",
    "float(6,9,chunk=5)",
    "lazy(9,20)",
)


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
@pytest.mark.parametrize("text", [*CONV_SUMS, "int(24)", INT_SUMS[-1]])
def test_convolutions(text: str, window: Window, kernel: Kernel) -> None:
    number_format = parse_format("int8" if "int" in text else "float(8,3)")
    multiplication = known(text, number_format.name)
    shape = Convolution(2, 4 // window.groups, 6 // window.groups, (7, 6), (3, 2), window)
    image, weight, grad = (
        operands(torch.Size(size).numel(), number_format, seed).reshape(size)
        for seed, size in enumerate((shape.image_size, shape.weight_size, shape.output_size))
    )
    calls: dict[str, tuple[Tensor, Tensor]] = {
        "conv2d": (image, weight),
        "conv2d_input_gradient": (grad, weight),
        "conv2d_weight_gradient": (grad, image),
    }
    for name, (first, second) in calls.items():
        for swap in (False, True):
            pair = first, second, multiplication, swap, shape, seed_of(text)
            found = cpu_ops.OPERATORS[name](kernel, *pair)  # type: ignore[index]
            expected = reference.OPERATORS[name](*pair)  # type: ignore[index]
            assert_same_bits(found, expected)


def test_steps_of_an_input_gradient_are_of_the_taps_that_a_pixel_meets() -> None:
    """Stride 2: of 3 taps even pixels meet two, odd ones one, and steps count those alone."""
    shape = Convolution(1, 1, 3, (5, 1), (3, 1), Window((2, 1), (1, 0), (1, 1), 1))
    total = parse_sum("dot(terms=2,align=4,acc=float(8,4))")
    multiplication = handle(table("exact", "float(8,3,round=nearest,product=wide)"), total)
    grad, weight = torch.ones(shape.output_size), torch.ones(shape.weight_size)
    weight[0, 0, :, 0] = torch.tensor([1.0, 2.0**-4, 1.0])
    weight[1] = weight[2] = weight[0] * 2.0**-3
    found = reference.conv2d_input_gradient_reference(grad, weight, multiplication, False, shape)
    # Odd pixels, of the padded image even ones, meet taps 0 and 2: 2, then 1/4, then 1/4. Even
    # ones meet tap 1 of each output: (2^-4 + 2^-7), then 2^-7.
    expected = torch.tensor([2.0**-4 + 2.0**-6, 2.5, 2.0**-4 + 2.0**-6, 2.5, 2.0**-4 + 2.0**-6])
    assert_same_bits(found[0, 0, :, 0], expected)


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
def test_an_infinite_weight_meets_zeros_of_the_image_but_nothing_beyond_the_output(
    kernel: Kernel,
) -> None:
    multiplication = known("dot(terms=2,align=4)", "float(8,3)", "exact")
    weight = torch.tensor([torch.inf, 1.0]).reshape(1, 1, 1, 2)
    padded = Convolution(1, 1, 1, (1, 2), (1, 2), Window((1, 1), (0, 1), (1, 1), 1))
    plain = Convolution(1, 1, 1, (1, 2), (1, 2), Window((1, 1), (0, 0), (1, 1), 1))
    outputs = torch.ones(padded.image_size), weight, multiplication, False, padded
    gradient = torch.ones(plain.output_size), weight, multiplication, False, plain
    for by in (partial(cpu_ops.OPERATORS["conv2d"], kernel), reference.OPERATORS["conv2d"]):
        assert_same_bits(by(*outputs)[0, 0, 0], torch.tensor([torch.nan, torch.inf, torch.inf]))
    name = "conv2d_input_gradient"
    for by in (partial(cpu_ops.OPERATORS[name], kernel), reference.OPERATORS[name]):
        assert_same_bits(by(*gradient)[0, 0, 0], torch.tensor([torch.inf, 1.0]))


@pytest.mark.parametrize(
    "text",
    [
        *("hopper_fp8", "deepseek", "lazy(10,24)", "float(8,7)", "fixed(40,-20)"),
        "float(6,5,round=stochastic)",
    ],
)
def test_threads_change_no_bit(text: str) -> None:
    number_format = parse_format("float(8,3)")
    multiplication = known(text, number_format.name)
    for rows, depth, columns in ((7, 700, 9), (33, 64, 300), (1, 5000, 1)):
        a = operands(rows * depth, number_format, 1).reshape(1, rows, depth)
        b = operands(depth * columns, number_format, 2).reshape(1, depth, columns)
        found = []
        for count in (1, 2, 3):
            with torch_threads(count):
                found.append(cpu_ops.gemm_cpu(SUMS, a, b, multiplication, False, seed_of(text)))
        assert_same_bits(found[1], found[0])
        assert_same_bits(found[2], found[0])


@pytest.mark.skipif(platform.machine() != "x86_64", reason="flags of x86")
@pytest.mark.parametrize(
    "flags",
    [
        (AVX2, "-O1"),  # the same text, compiled in a quarter of the time
        (PORTABLE, "-O1"),
        *(
            pytest.param((flag,), marks=pytest.mark.slow)
            for flag in ("-mno-avx512vbmi", AVX2, PORTABLE)
        ),
    ],
    ids=" ".join,
)
def test_instruction_sets_change_no_bit(flags: tuple[str, ...]) -> None:
    with compiled_with(*flags):
        for text in FLOAT_SUMS:
            assert_gemm(
                SUMS, text, spread_operands, ("float(8,3)", "bf16", FORMATS["wide of 6 bits"])
            )
        for text in INT_SUMS:
            test_int8_gemm(text)


PLANNED = {"sums": contextlib.nullcontext, "careful sums": partial(use_kernel, CAREFUL_SUMS)}


@pytest.mark.parametrize("name", PLANNED)
@pytest.mark.parametrize(
    "mac", ["exact(n=8) in bf16 sum hopper", "exact(n=8) in int8 sum int(24)"]
)
def test_the_plan_is_what_runs(mac: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = parse_mac(mac)
    multiplication = handle(parsed.candidate, parsed.recipe)
    ran: list[str] = []
    real = cpu_ops.engine_for

    def noted(kernel: Kernel, *arguments: Any) -> Any:
        ran.append(kernel.name)
        return real(kernel, *arguments)

    monkeypatch.setattr(cpu_ops, "engine_for", noted)
    a = operands(12, parsed.format, 1).reshape(1, 3, 4)
    with PLANNED[name]():
        assert plan(multiplication).choice == name
        schema.torch.ops.axdse.gemm(a, a.mT, multiplication, False)
    assert ran == [name]


def test_no_other_kernel_adds_by_a_recipe() -> None:
    multiplication = known("hopper", "bf16")
    with use_kernel(VBMI) if VBMI.needs <= cpu_flags() else contextlib.nullcontext():
        assert plan(multiplication).choice == "sums"
    names = {r.name for r in explain(multiplication).alternatives}
    assert names == {"sums", "careful sums", "reference"}
    assert plan(multiplication, "cuda").choice == "reference"


def test_handles_tell_sums_apart_and_refuse_misfits() -> None:
    lut = table("exact", "float(8,3,round=nearest,product=wide)")
    handles = {handle(lut), *(handle(lut, parse_sum(text)) for text in FLOAT_SUMS)}
    assert len(handles) == len(FLOAT_SUMS) + 1
    with pytest.raises(AxdseError, match="summed in"):
        handle(lut, parse_sum("int(24)"))


def test_products_keep_their_sum() -> None:
    mac = parse_mac("exact(n=4) in float(8,3) sum hopper_fp8")
    product = Product(mac.candidate, sum=mac.recipe)
    assert pickle.loads(pickle.dumps(product)) == product
    assert product.call.handle != Product(mac.candidate).call.handle
    assert "terms=32" in repr(Assignment.uniform(mac.candidate, mac.recipe))
