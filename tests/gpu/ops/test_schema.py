"""The operators as torch sees them; what they compute is in the contracts and their tests."""

import pickle
import subprocess
import sys

import pytest
import torch
from torch import Tensor

from axdse.gpu import reference
from axdse.gpu.layers.assignment import Product
from axdse.gpu.multiplication.handles import handle
from axdse.gpu.multiplication.inlined import Inlined
from axdse.gpu.operands import shapes
from axdse.gpu.ops.schema import lut_gemm
from axdse.gpu.testing.conv import ConvContract
from axdse.gpu.testing.gemm import FLOATS, GemmContract, assert_same_bits, operands, table
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import parse_format

NARROW, BF16 = "float(8,4,round=nearest,product=narrow)", "float(8,7,round=nearest,product=wide)"
WINDOW = ([2, 1], [1, 2], [1, 2], 2)  # stride, padding, dilation, groups
IMAGE, WEIGHT, OUTPUT = (2, 4, 7, 6), (6, 2, 3, 2), (2, 6, 4, 8)
CALLS = {
    "gemm": ((2, 6, 5), (2, 5, 7), ()),
    "conv2d": (IMAGE, WEIGHT, WINDOW),
    "conv2d_input_gradient": (OUTPUT, WEIGHT, ([7, 6], *WINDOW)),
    "conv2d_weight_gradient": (OUTPUT, IMAGE, ([3, 2], *WINDOW)),
}


def tensors(operator: str, name: str) -> list[Tensor]:
    return [
        operands(torch.Size(size).numel(), parse_format(name), seed).reshape(size)
        for seed, size in enumerate(CALLS[operator][:2])
    ]


class TestGemm(GemmContract):
    def gemm(self, a: Tensor, b: Tensor, multiplication: str, swap: bool = False) -> Tensor:
        return torch.ops.axdse.gemm(a[None], b[None], multiplication, swap)[0]


class TestConvolution(ConvContract):
    def conv2d(self, *arguments: object) -> Tensor:
        *given, shape = arguments
        return torch.ops.axdse.conv2d(*given, *shape.window)

    def conv2d_input_gradient(self, *arguments: object) -> Tensor:
        *given, shape = arguments
        return torch.ops.axdse.conv2d_input_gradient(*given, shape.image, *shape.window)

    def conv2d_weight_gradient(self, *arguments: object) -> Tensor:
        *given, shape = arguments
        return torch.ops.axdse.conv2d_weight_gradient(*given, shape.kernel, *shape.window)


DOORS = {
    "gemm": lambda *_: (),
    "conv2d": lambda *given: (shapes.conv2d(*given),),
    "conv2d_input_gradient": lambda *given: (shapes.input_gradient(*given),),
    "conv2d_weight_gradient": lambda *given: (shapes.weight_gradient(*given),),
}


def by_reference(operator: str, first: Tensor, second: Tensor, known: str) -> Tensor:
    shape = DOORS[operator](first, second, *CALLS[operator][2])
    return getattr(reference, f"{operator}_reference")(first, second, known, False, *shape)


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("name", [NARROW, BF16, "int8"])
@pytest.mark.parametrize("operator", CALLS)
def test_torch_accepts_the_operators(operator: str, name: str, swap: bool) -> None:
    known = handle(table("scramble", name))
    call = getattr(torch.ops.axdse, operator).default
    torch.library.opcheck(call, (*tensors(operator, name), known, swap, *CALLS[operator][2]))


@pytest.mark.parametrize("name", [NARROW, "int8"])
@pytest.mark.parametrize("operator", CALLS)
def test_meta_tensors_give_shape_and_type(operator: str, name: str) -> None:
    call, known = getattr(torch.ops.axdse, operator), handle(table("exact", name))
    real = tensors(operator, name)
    result = call(*(x.to("meta") for x in real), known, False, *CALLS[operator][2])
    expected = call(*real, known, False, *CALLS[operator][2])
    assert (result.shape, result.dtype) == (expected.shape, expected.dtype)


@pytest.mark.parametrize("name", [NARROW, "int8"])
def test_swap_exchanges_the_operands(name: str) -> None:
    lut = table("scramble", name)
    a, b = (x[0] for x in tensors("gemm", name))
    straight = lut_gemm(a, b, lut)
    assert_same_bits(lut_gemm(b.t(), a.t(), lut, swap=True).t(), straight)
    assert not torch.equal(lut_gemm(a, b, lut, swap=True), straight)


@pytest.mark.parametrize("operator", CALLS)
def test_inlined_models_multiply_in_every_operator(operator: str) -> None:
    number_format = parse_format("float(8,15,round=nearest,product=narrow)")
    multiplier = builtin_catalog().family("mitchell").bind({"m": 15})
    known = handle(Inlined(Candidate(multiplier, number_format)))
    arguments = (*tensors(operator, number_format.name), known, False, *CALLS[operator][2])
    actual = getattr(torch.ops.axdse, operator)(*arguments)
    expected = by_reference(operator, *arguments[:3])
    assert torch.allclose(actual, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("total", ["bf16", "fp16"])
@pytest.mark.parametrize("operator", CALLS)
def test_narrow_accumulators_add_in_the_order_of_k(operator: str, total: str) -> None:
    name = f"float(8,7,round=nearest,product=wide,sum={total})"
    known = handle(table("scramble", name))
    arguments = (*tensors(operator, name), known, False, *CALLS[operator][2])
    expected = by_reference(operator, *arguments[:3])
    assert_same_bits(getattr(torch.ops.axdse, operator)(*arguments), expected)


def test_bf16_core_follows_torch_bf16_operands() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(65, 200, generator=generator), torch.randn(200, 90, generator=generator)
    rounded_a, rounded_b = a.bfloat16().float(), b.bfloat16().float()
    exact = rounded_a.double() @ rounded_b.double()
    bound = 200 * 2.0**-24 * (rounded_a.abs().double() @ rounded_b.abs().double())
    actual = lut_gemm(a, b, table("exact", BF16)).double()
    assert bool(((actual - exact).abs() <= 1.001 * bound).all())


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (torch.zeros(2, 3), torch.zeros(4, 5), r"\[M, K\] and \[K, N\]: \(2, 3\) and \(4, 5\)"),
        (torch.zeros(3), torch.zeros(3, 5), r"\[M, K\] and \[K, N\]: \(3,\) and"),
        (torch.zeros(2, 3).double(), torch.zeros(3, 5), "float32 tensors: torch.float64"),
        (torch.zeros(2, 3).to(torch.int8), torch.zeros(3, 5), "float32 tensors: torch.int8"),
        (torch.zeros(2, 3, device="meta"), torch.zeros(3, 5), "one device: meta and cpu"),
    ],
)
def test_bad_matrices_are_refused(a: Tensor, b: Tensor, message: str) -> None:
    with pytest.raises(AxdseError, match=message):
        lut_gemm(a, b, table("exact", NARROW))


ONES = (1, 1)


@pytest.mark.parametrize(
    ("operator", "sizes", "settings", "message"),
    [
        ("gemm", ((2, 3, 4), (3, 4, 5)), (), r"\[G, M, K\].*\(2, 3, 4\) and \(3, 4, 5\)"),
        ("gemm", ((2, 3, 4), (2, 5, 4)), (), r"\[G, M, K\]"),
        ("conv2d", (IMAGE, (6, 3, 3, 2)), WINDOW, r"\[B, C, H, W\] and \[O, C/G, Kh, Kw\]"),
        ("conv2d", (IMAGE, (5, 2, 3, 2)), WINDOW, "G divides O"),
        ("conv2d", (IMAGE[1:], WEIGHT), WINDOW, r"\(4, 7, 6\) and"),
        ("conv2d", (IMAGE, (4, 4, 8, 1)), (ONES, (0, 0), ONES, 1), r"fits.*\(8, 1\) in \(7, 6\)"),
        ("conv2d", (IMAGE, (4, 4, 2, 1)), ((0, 1), (0, 0), ONES, 1), "are at least 1"),
        ("conv2d", (IMAGE, (4, 4, 2, 1)), (ONES, (0, -1), ONES, 1), "of padding 0"),
        ("conv2d", (IMAGE, (4, 4, 2, 1)), ((1,), (0, 0), ONES, 1), r"\(height, width\)"),
        ("conv2d_input_gradient", (OUTPUT, WEIGHT), ((9, 6), *WINDOW), r"give outputs of \(5, 8"),
        ("conv2d_input_gradient", (OUTPUT, (4, 2, 3, 2)), ((7, 6), *WINDOW), "input gradient"),
        ("conv2d_weight_gradient", (OUTPUT, IMAGE), ((3, 3), *WINDOW), r"give outputs of \(4, 6"),
        ("conv2d_weight_gradient", (OUTPUT[:3], IMAGE), ((3, 2), *WINDOW), "weight gradient"),
    ],
)
def test_operators_refuse_what_does_not_fit(
    operator: str, sizes: tuple[tuple[int, ...], ...], settings: tuple[object, ...], message: str
) -> None:
    first, second = (torch.zeros(size) for size in sizes)
    with pytest.raises(AxdseError, match=message):
        getattr(torch.ops.axdse, operator)(
            first, second, handle(table("exact", NARROW)), False, *settings
        )


def test_an_unknown_handle_is_refused() -> None:
    a = torch.zeros(1, 2, 2)
    with pytest.raises(AxdseError, match="handle of a multiplication of this process: 'none'"):
        torch.ops.axdse.gemm(a, a, "none", False)


LOAD = """
import pickle, sys
import torch
import axdse.gpu.layers.products  # whoever makes layers has the operators
product = pickle.load(sys.stdin.buffer)
a = torch.full((1, 2, 2), 1.5)
print(torch.ops.axdse.gemm(a, a, product.call.handle, product.swap).flatten().tolist())
"""


def test_a_product_makes_its_handle_known_in_another_process() -> None:
    product = Product(table("exact", FLOATS[0]), swap=True)
    call = [sys.executable, "-c", LOAD]
    done = subprocess.run(call, input=pickle.dumps(product), capture_output=True, check=True)
    assert done.stdout == b"[4.5, 4.5, 4.5, 4.5]\n"
