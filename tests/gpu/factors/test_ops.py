"""Products of factors: bit-equal to the table at K = 1, within the bound beyond, or refused."""

import functools
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from axdse.gpu.cpu.compile import cpu_flags
from axdse.gpu.factors import ops as ops_factors
from axdse.gpu.factors.bf16 import FACTORS, has_bf16
from axdse.gpu.factors.maps import factors_of, sides_of
from axdse.gpu.factors.ops import sums_are_plain
from axdse.gpu.multiplication.handles import handle
from axdse.gpu.operands import shapes
from axdse.gpu.operands.encode import round_float
from axdse.gpu.reference import float_products, int_products
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.formats import FloatFormat, parse_format
from axdse.multipliers.tables.lut import Lut, build_lut

CPU = torch.device("cpu")
WIDE = "float(8,7,round=nearest,product=wide)"
ROUNDOFF = 2.0**-24
FLOATS = (
    ("exact(n=8)", WIDE),
    ("exact(n=6)", "float(8,5,round=truncate,product=wide)"),
    ("truncated(n=8,t=3,c=0)", WIDE),
    ("udm(n=8)", WIDE),  # cancellation 1.6
    ("scaletrim(n=8,h=5,m=0)", WIDE),  # cancellation 2.2
    ("scaletrim(n=8,h=4,m=1)", WIDE),  # cancellation 6.8, rank 16
    ("etm(n=8,k=2)", WIDE),  # factors of 14 bits
    ("mitch_w(m=7,w=2)", "float(8,7,round=truncate,product=narrow)"),
    ("exact(n=4)", "float(8,3,round=nearest,product=narrow)"),
)
INTS = (
    "exact(n=8)",
    "truncated(n=8,t=3,c=0)",
    "truncated(n=8,t=7,c=1)",
    "drum(n=8,k=4)",  # factors beyond int8
    "broken_booth(n=8,v=4,t=0)",  # cancels to zero
    "tosam(n=8,h=1,t=5)",
    "booth_approx(n=8,v=9,d=2)",
)
WINDOWS = (
    ((1, 1), (0, 0), (1, 1), 1),
    ((2, 1), (1, 2), (1, 1), 1),
    ((1, 2), (2, 1), (2, 1), 2),
    ((1, 1), (1, 1), (1, 1), 4),
)


@functools.cache
def lut_of(spec: str, format_name: str) -> Lut:
    return build_lut(Candidate(builtin_catalog().multiplier(spec), parse_format(format_name)))


def products(a: Tensor, b: Tensor, lut: Lut, swap: bool = False) -> Tensor:
    """T(a, b) element by element: FP32 or int32."""
    table = torch.from_numpy(lut.entries.astype("int32"))
    number_format = lut.format
    if swap:
        a, b = b, a
    if not isinstance(number_format, FloatFormat):
        return int_products(a, b, table)
    a, b = torch.broadcast_tensors(round_float(a, number_format), round_float(b, number_format))
    return float_products(a.contiguous(), b.contiguous(), table, number_format) + 0.0


def operands(lut: Lut, exponent: int) -> Tensor:
    """One number of either sign for each fraction, or all codes."""
    if not isinstance(lut.format, FloatFormat):
        return torch.arange(256, dtype=torch.uint8).view(torch.int8)
    size = 1 << lut.format.fraction_bits
    numbers = (1 + torch.arange(size) / size) * 2.0**exponent
    return torch.cat((numbers, -numbers, torch.tensor([0.0, -0.0])))


def random(shape: tuple[int, ...], lut: Lut, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    if isinstance(lut.format, FloatFormat):
        return torch.randn(shape, generator=generator)
    return torch.randint(-128, 128, shape, generator=generator, dtype=torch.int8)


def assert_sums(found: Tensor | None, terms: Tensor, dims: tuple[int, ...], depth: int) -> None:
    """Float sums are within gamma_K sum |p| of the exact ones, int8 sums equal modulo 2^32."""
    assert found is not None
    assert found.is_contiguous()
    if terms.dtype == torch.int32:
        assert found.dtype == torch.int32
        assert torch.equal(found, terms.long().sum(dims).to(torch.int32))
        return
    bound = depth * ROUNDOFF / (1 - depth * ROUNDOFF) * terms.double().abs().sum(dims)
    assert found.dtype == torch.float32
    assert ((found.double() - terms.double().sum(dims)).abs() <= bound).all()


@pytest.fixture(autouse=True, params=["native products", "bf16 kernel"])
def realisation(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run each test with and without `kernel_factors.c`."""
    if request.param == "bf16 kernel":
        if missing := FACTORS.needs - cpu_flags():
            pytest.skip(f"this CPU lacks {', '.join(sorted(missing))}")
        yield request.param
    else:
        with ops_factors.native_products():
            yield request.param


CASES = [*FLOATS, *((spec, "int8") for spec in INTS)]


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("exponents", [(0, 0), (-60, -40), (63, 60), (-126, 30), (100, -100)])
@pytest.mark.parametrize(("spec", "format_name"), CASES)
def test_single_products_are_bit_equal(
    spec: str, format_name: str, exponents: tuple[int, int], swap: bool
) -> None:
    lut = lut_of(spec, format_name)
    a, b = operands(lut, exponents[0]), operands(lut, exponents[1])
    found = ops_factors.gemm(a[None, :, None], b[None, None], handle(lut), swap)
    if found is None:  # the smallest normal operand and a factor below its unit
        assert -126 in exponents
        return
    expected = products(a[:, None], b[None], lut, swap)
    bits = torch.int32
    assert torch.equal(found[0].view(bits), expected.view(bits))


@pytest.mark.parametrize("exponents", [(-70, -60), (-126, 0), (64, 63), (127, 1), (127, -125)])
@pytest.mark.parametrize(("spec", "format_name"), FLOATS)
def test_products_beyond_the_normal_numbers_are_refused_or_bit_equal(
    spec: str, format_name: str, exponents: tuple[int, int]
) -> None:
    lut = lut_of(spec, format_name)
    a, b = operands(lut, exponents[0]), operands(lut, exponents[1])
    found = ops_factors.gemm(a[None, :, None], b[None, None], handle(lut), False)
    expected = products(a[:, None], b[None], lut)
    assert found is None or torch.equal(found[0], expected)
    nonzero = expected[a != 0][:, b != 0]
    if nonzero.isinf().any() or (nonzero == 0).any():
        assert (found is not None) == ops_factors.by_bf16(handle(lut), CPU)


@pytest.mark.parametrize("special", [float("inf"), float("nan"), 3.4e38])
def test_specials_and_what_rounds_to_infinity(special: float) -> None:
    lut = lut_of("truncated(n=8,t=3,c=0)", WIDE)
    a, b = torch.ones(1, 3, 4), torch.zeros(1, 4, 2)
    a[0, 1, 2], b[0, 2, 1] = special, -1.5
    for x, y in ((a, b), (b.mT, a.mT)):
        found = ops_factors.gemm(x, y, handle(lut), False)
        assert (found is not None) == ops_factors.by_bf16(handle(lut), CPU)
        if found is not None:
            expected = products(x[:, :, :, None], y[:, None], lut).sum(2)
            assert torch.equal(found.nan_to_num(nan=7), expected.nan_to_num(nan=7))


def test_operands_over_the_whole_range() -> None:
    lut = lut_of("truncated(n=8,t=3,c=0)", WIDE)
    exponents = random((1, 96, 300), lut, 4) * 60
    a = random((1, 96, 300), lut) * exponents.clamp(-126, 126).exp2()
    b = random((1, 300, 1), lut, 1) * 2.0**-40
    found = ops_factors.gemm(a, b, handle(lut), False)
    if ops_factors.by_bf16(handle(lut), CPU):
        terms = products(a[:, :, :, None], b[:, None], lut)
        assert (terms == 0).any()
        assert_sums(found, terms, (2,), 300)
    else:
        assert found is None


def test_a_format_that_rounds_its_sums_is_refused() -> None:
    lut = lut_of("exact(n=8)", "float(8,7,product=wide,sum=bf16)")
    assert factors_of(handle(lut)) is None
    assert ops_factors.gemm(torch.ones(1, 1, 1), torch.ones(1, 1, 1), lut.digest, False) is None


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize(
    "shape", [(1, 2, 1, 3), (2, 3, 2, 5), (1, 4, 3, 4), (3, 5, 67, 3), (1, 9, 1031, 7)]
)
@pytest.mark.parametrize(("spec", "format_name"), CASES)
def test_gemm(spec: str, format_name: str, shape: tuple[int, ...], swap: bool) -> None:
    lut = lut_of(spec, format_name)
    groups, rows, depth, columns = shape
    a, b = random((groups, rows, depth), lut), random((groups, depth, columns), lut, 1)
    found = ops_factors.gemm(a, b, handle(lut), swap)
    terms = products(a[:, :, :, None], b[:, None], lut, swap)
    assert_sums(found, terms, (2,), depth)
    turned = ops_factors.gemm(a.mT.contiguous().mT, b.mT.contiguous().mT, handle(lut), swap)
    assert_sums(turned, terms, (2,), depth)


@pytest.mark.parametrize("depth", [2, 3, 8])
@pytest.mark.parametrize(("spec", "format_name"), FLOATS)
def test_short_sums_of_many_shapes_of_operands(spec: str, format_name: str, depth: int) -> None:
    """Where rounding by rank would show most."""
    lut = lut_of(spec, format_name)
    a, b = random((1, 400, depth), lut, 2), random((1, depth, 400), lut, 3)
    found = ops_factors.gemm(a, b.exp(), handle(lut), False)
    assert_sums(found, products(a[:, :, :, None], b.exp()[:, None], lut), (2,), depth)


@pytest.mark.parametrize("shape", [(0, 3, 5), (3, 0, 5), (3, 5, 0)])
@pytest.mark.parametrize(("spec", "format_name"), CASES)
def test_empty(spec: str, format_name: str, shape: tuple[int, int, int]) -> None:
    lut = lut_of(spec, format_name)
    rows, depth, columns = shape
    a, b = random((1, rows, depth), lut), random((1, depth, columns), lut)
    found = ops_factors.gemm(a, b, handle(lut), False)
    assert found is not None
    assert torch.equal(found, torch.zeros(1, rows, columns, dtype=found.dtype))


@pytest.mark.parametrize("format_name", [WIDE, "int8"])
def test_operands_of_any_stride(format_name: str) -> None:
    lut = lut_of("truncated(n=8,t=3,c=0)", format_name)
    a, b = random((3, 14, 10), lut)[:, ::2, 1::3], random((3, 1, 9), lut).expand(3, 3, 9)
    found = ops_factors.gemm(a, b, handle(lut), False)
    assert_sums(found, products(a[:, :, :, None], b[:, None], lut), (2,), 3)


@pytest.mark.parametrize("sums", [(1 << 18) + 3])
def test_int8_sums_wrap(sums: int) -> None:
    lut = lut_of("exact(n=8)", "int8")
    a = torch.full((1, 1, sums), -128, dtype=torch.int8)
    found = ops_factors.gemm(a, a.mT, handle(lut), False)
    expected = (sums * 16384 + (1 << 31)) % (1 << 32) - (1 << 31)
    assert found is not None
    assert found.item() == expected


def windows(image: Tensor, kernel: tuple[int, int], window: tuple, zero: int = 0) -> Tensor:
    """[B, C, Kh, Kw, H', W'] views of a padded image."""
    (down, right), (top, left), (tall, wide), _ = window
    padded = torch.nn.functional.pad(image, (left, left, top, top))
    height = (padded.shape[2] - tall * (kernel[0] - 1) - 1) // down + 1
    width = (padded.shape[3] - wide * (kernel[1] - 1) - 1) // right + 1
    b, c, h, w = padded.stride()
    size = (*padded.shape[:2], *kernel, height, width)
    return padded.as_strided(size, (b, c, tall * h, wide * w, down * h, right * w))


def convolution(lut: Lut, window: tuple) -> tuple[Tensor, Tensor, Tensor]:
    """An image, a weight and a gradient that fit."""
    groups = window[3]
    image, weight = random((2, 8, 7, 9), lut), random((4, 8 // groups, 3, 2), lut, 1)
    shape = windows(image, (3, 2), window).shape
    return image, weight, random((2, 4, *shape[4:]), lut, 2)


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize(("spec", "format_name"), CASES)
def test_conv2d(spec: str, format_name: str, window: tuple, swap: bool) -> None:
    lut = lut_of(spec, format_name)
    image, weight, _ = convolution(lut, window)
    shape = shapes.conv2d(image, weight, *window)
    found = ops_factors.conv2d(image, weight, handle(lut), swap, shape)
    groups = window[3]
    x = windows(image, (3, 2), window).unflatten(1, (groups, -1))  # B g c kh kw H W
    w = weight.unflatten(0, (groups, -1))  # g o c kh kw
    terms = products(x[:, :, None], w[None, :, :, :, :, :, None, None], lut, swap)
    terms = terms.flatten(1, 2)
    assert_sums(found, terms, (2, 3, 4), weight[0].numel())


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize(("spec", "format_name"), CASES)
def test_conv2d_weight_gradient(spec: str, format_name: str, window: tuple, swap: bool) -> None:
    lut = lut_of(spec, format_name)
    image, _, grad = convolution(lut, window)
    shape = shapes.weight_gradient(grad, image, (3, 2), *window)
    found = ops_factors.conv2d_weight_gradient(grad, image, handle(lut), swap, shape)
    groups = window[3]
    x = windows(image, (3, 2), window).unflatten(1, (groups, -1))  # B g c kh kw H W
    g = grad.unflatten(1, (groups, -1))  # B g o H W
    terms = products(g[:, :, :, None, None, None], x[:, :, None], lut, swap).flatten(1, 2)
    assert_sums(found, terms, (0, 5, 6), grad[:, 0].numel())


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize(("spec", "format_name"), CASES)
def test_conv2d_input_gradient(spec: str, format_name: str, window: tuple, swap: bool) -> None:
    lut = lut_of(spec, format_name)
    image, weight, grad = convolution(lut, window)
    shape = shapes.input_gradient(grad, weight, (7, 9), *window)
    found = ops_factors.conv2d_input_gradient(grad, weight, handle(lut), swap, shape)
    groups = window[3]
    g = grad.unflatten(1, (groups, -1))  # B g o H W
    w = weight.unflatten(0, (groups, -1))  # g o c kh kw
    terms = products(g[:, :, :, None, None, None], w[None, :, :, :, :, :, None, None], lut, swap)
    total, sizes = (scattered(part, image, window) for part in (terms, terms.abs()))
    assert found is not None
    if found.dtype == torch.int32:
        assert torch.equal(found, total.to(torch.int32))
        return
    depth = weight.shape[0] // groups * 6
    assert ((found - total).abs() <= depth * ROUNDOFF / (1 - depth * ROUNDOFF) * sizes).all()


def scattered(terms: Tensor, image: Tensor, window: tuple) -> Tensor:
    """Terms [B, g, o, c, kh, kw, H', W'] added where they belong in the image: FP64."""
    columns = terms.double().sum(2).flatten(1, 2).flatten(1, 3).flatten(2)
    shape, settings = (
        image.shape[2:],
        dict(zip(("stride", "padding", "dilation"), window[:3], strict=True)),
    )
    return torch.nn.functional.fold(columns, shape, (3, 2), **settings)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_memory_formats(memory_format: torch.memory_format) -> None:
    lut = lut_of("truncated(n=8,t=3,c=0)", WIDE)
    image, weight, _ = convolution(lut, WINDOWS[0])
    image = image.contiguous(memory_format=memory_format)
    shape = shapes.conv2d(image, weight, *WINDOWS[0])
    found = ops_factors.conv2d(image, weight, handle(lut), False, shape)
    terms = products(
        windows(image, (3, 2), WINDOWS[0])[:, None], weight[None, :, :, :, :, None, None], lut
    )
    assert_sums(found, terms, (2, 3, 4), weight[0].numel())


def test_lower_precision_of_native_products_is_refused() -> None:
    lut, a = lut_of("etm(n=8,k=2)", WIDE), torch.ones(1, 2, 2)  # not of bfloat16 factors
    torch.set_float32_matmul_precision("medium")
    try:
        assert not sums_are_plain(CPU)
        assert ops_factors.gemm(a, a, handle(lut), False) is None
    finally:
        torch.set_float32_matmul_precision("highest")
    assert sums_are_plain(CPU)
    assert ops_factors.gemm(a, a, handle(lut), False) is not None


def test_a_table_of_high_rank_is_refused() -> None:
    lut = lut_of("mitchell(m=7)", "float(8,7)")
    assert factors_of(handle(lut)) is None
    assert sides_of(handle(lut), False, CPU) is None
    assert ops_factors.gemm(torch.ones(1, 1, 1), torch.ones(1, 1, 1), lut.digest, False) is None


@pytest.mark.parametrize(("spec", "format_name"), FLOATS)
def test_what_the_bf16_kernel_takes(spec: str, format_name: str) -> None:
    fits = spec != "etm(n=8,k=2)"
    assert has_bf16(handle(lut_of(spec, format_name))) == (fits and cpu_flags() >= FACTORS.needs)
