from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from axdse.gpu.factors.ops import native_products
from axdse.gpu.layers.assignment import LayerProducts, Product
from axdse.gpu.layers.autograd import (
    approx_conv2d,
    approx_conv_transpose2d,
    approx_linear,
    approx_matmul,
)
from axdse.gpu.operands.convolution import Convolution, Window
from axdse.gpu.operands.encode import encode
from axdse.gpu.recording.probes import LayerProbes
from axdse.gpu.reference import (
    conv2d_input_gradient_reference,
    conv2d_reference,
    conv2d_weight_gradient_reference,
    gemm_reference,
)
from axdse.gpu.testing.gemm import assert_same_bits, table
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import parse_format

NARROW, WIDE = "float(8,5,round=truncate,product=wide)", "float(8,4,round=nearest,product=narrow)"
FORWARD = Product(table("scramble", NARROW))
INPUT = Product(table("scramble", WIDE))
WEIGHT = Product(table("scramble", NARROW), swap=True)
PRODUCTS = LayerProducts(FORWARD, INPUT, WEIGHT)
NAMES = ("forward", "input_gradient", "weight_gradient")
BF16 = LayerProducts.uniform(table("exact", "bf16"))
PLAIN = Window((1, 1), (0, 0), (1, 1))
WINDOW = Window((2, 1), (1, 2), (1, 2), 2)
IMAGE, KERNEL, OUTPUT = (3, 4, 9, 8), (6, 2, 3, 2), (3, 6, 5, 10)
SHAPE = Convolution(3, 2, 3, IMAGE[2:], KERNEL[2:], WINDOW)


def leaf(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, generator=generator).requires_grad_()


def eighths(*shape: int) -> Tensor:
    """Small multiples of 1/8: bf16 holds them, FP32 their products and sums, without rounding."""
    generator = torch.Generator().manual_seed(sum(shape))
    return (torch.randint(-12, 13, shape, generator=generator) / 8).requires_grad_()


def results(function: Callable[..., Tensor], *inputs: Tensor) -> tuple[Tensor, ...]:
    """The output and the gradients of the inputs, for a gradient of the output that is random."""
    output = function(*inputs)
    gradient = eighths(*output.shape).detach()
    return output.detach(), *torch.autograd.grad(output, inputs, gradient)


def linear(x: Tensor, w: Tensor) -> Tensor:
    return approx_linear(x, w, PRODUCTS)


def convolution(x: Tensor, w: Tensor) -> Tensor:
    return approx_conv2d(x, w, WINDOW, PRODUCTS)


def transposed(x: Tensor, w: Tensor) -> Tensor:
    return approx_conv_transpose2d(x, w, IMAGE[2:], WINDOW, PRODUCTS)


def test_a_linear_layer_takes_each_multiplication_in_its_role() -> None:
    x, w, g = leaf(9, 13), leaf(6, 13), eighths(9, 6).detach()[None]
    expected = (
        gemm_reference(x[None], w.t()[None], *FORWARD.call[:2]),  # T(activation, weight)
        gemm_reference(g, w[None], *INPUT.call[:2]),  # T(output gradient, weight)
        gemm_reference(g.mT, x[None], *WEIGHT.call[:2]),  # T(output gradient, activation)
    )
    for actual, reference in zip(results(linear, x, w), expected, strict=True):
        assert_same_bits(actual, reference[0])


def assert_near(actual: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> None:
    for result, reference in zip(actual, expected, strict=True):
        assert result.shape == reference.shape
        assert torch.allclose(result, reference, rtol=1e-5, atol=1e-4)


def test_a_convolution_takes_each_multiplication_in_its_role() -> None:
    x, w, g = leaf(*IMAGE), leaf(*KERNEL), eighths(*OUTPUT).detach()
    expected = (
        conv2d_reference(x, w, *FORWARD.call[:2], SHAPE),
        conv2d_input_gradient_reference(g, w, *INPUT.call[:2], SHAPE),
        conv2d_weight_gradient_reference(g, x, *WEIGHT.call[:2], SHAPE),
    )
    assert_near(results(convolution, x, w), expected)


def test_a_transposed_convolution_takes_each_multiplication_in_its_role() -> None:
    x, w, g = leaf(*OUTPUT), leaf(*KERNEL), eighths(*IMAGE).detach()
    name, swap = WEIGHT.call[:2]
    expected = (
        conv2d_input_gradient_reference(x, w, *FORWARD.call[:2], SHAPE),
        conv2d_reference(g, w, *INPUT.call[:2], SHAPE),
        conv2d_weight_gradient_reference(x, g, name, not swap, SHAPE),
    )
    assert_near(results(transposed, x, w), expected)


@pytest.mark.parametrize("approximate", NAMES)
@pytest.mark.parametrize("layer", ["linear", "convolution", "transposed"])
def test_each_product_may_be_native(layer: str, approximate: str) -> None:
    products = LayerProducts(**{approximate: FORWARD})
    inputs, call, native = {
        "linear": (
            (leaf(9, 13), leaf(6, 13)),
            lambda x, w: approx_linear(x, w, products),
            lambda x, w: x @ w.t(),
        ),
        "convolution": (
            (leaf(*IMAGE), leaf(*KERNEL)),
            lambda x, w: approx_conv2d(x, w, WINDOW, products),
            lambda x, w: torch.conv2d(x, w, None, *WINDOW),
        ),
        "transposed": (
            (leaf(*OUTPUT), leaf(*KERNEL)),
            lambda x, w: approx_conv_transpose2d(x, w, IMAGE[2:], WINDOW, products),
            lambda x, w: torch.conv_transpose2d(x, w, None, (2, 1), (1, 2), (0, 0), 2, (1, 2)),
        ),
    }[layer]
    pairs = zip(NAMES, results(call, *inputs), results(native, *inputs), strict=True)
    exact = {name: torch.allclose(x, y, atol=1e-4) for name, x, y in pairs}
    assert exact == {name: name != approximate for name in NAMES}


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((5, 4), (4, 3)),
        ((2, 3, 5, 4), (2, 3, 4, 6)),
        ((3, 5, 4), (2, 3, 4, 6)),
        ((2, 1, 5, 4), (3, 4, 6)),
        ((2, 3, 5, 4), (4, 6)),
        ((5, 4), (3, 4, 6)),
        ((4,), (4, 6)),
        ((4,), (3, 4, 6)),
        ((2, 5, 4), (4,)),
        ((4,), (4,)),
        ((0, 5, 4), (0, 4, 3)),
        ((2, 5, 0), (2, 0, 3)),
    ],
)
def test_matmul_is_that_of_torch_at_every_rank(
    left: tuple[int, ...], right: tuple[int, ...]
) -> None:
    a, b = eighths(*left), eighths(*right)
    expected = results(torch.matmul, a, b)
    for actual, native in zip(
        results(lambda x, y: approx_matmul(x, y, BF16), a, b), expected, strict=True
    ):
        assert_same_bits(actual + 0, native + 0)


@pytest.mark.parametrize("scale", ["tensor", "channel"])
def test_int8_products_are_scaled_sums_of_codes(scale: str) -> None:
    lut = table("scramble", f"int8(scale={scale})")
    products, name = LayerProducts.uniform(lut), Product(lut).call.handle
    x, w = leaf(9, 30), leaf(6, 30)
    g = eighths(9, 6).detach()

    def reference(a: Tensor, a_axis: int | None, b: Tensor) -> Tensor:
        left, right = encode(a, lut.format, a_axis), encode(b, lut.format, 1)
        sums = gemm_reference(left.codes[None], right.codes[None], name, False)[0]
        assert left.scale is not None
        assert right.scale is not None
        return sums.float() * left.scale * right.scale

    expected = reference(x, None, w.t()), reference(g, None, w), reference(g.t(), 0, x)
    for actual, of_codes in zip(
        results(lambda a, b: approx_linear(a, b, products), x, w), expected, strict=True
    ):
        assert_same_bits(actual, of_codes.detach())


@pytest.mark.parametrize("layer", ["convolution", "transposed"])
@pytest.mark.parametrize("scale", ["tensor", "channel"])
def test_int8_convolutions_are_near_native(layer: str, scale: str) -> None:
    products = LayerProducts.uniform(table("exact", f"int8(scale={scale})"))
    if layer == "convolution":
        inputs = leaf(*IMAGE), leaf(*KERNEL)
        actual = results(lambda x, w: approx_conv2d(x, w, WINDOW, products), *inputs)
        native = results(lambda x, w: torch.conv2d(x, w, None, *WINDOW), *inputs)
    else:
        inputs = leaf(*OUTPUT), leaf(*KERNEL)
        actual = results(
            lambda x, w: approx_conv_transpose2d(x, w, IMAGE[2:], WINDOW, products), *inputs
        )
        native = results(
            lambda x, w: torch.conv_transpose2d(x, w, None, (2, 1), (1, 2), (0, 0), 2, (1, 2)),
            *inputs,
        )
    for result, expected in zip(actual, native, strict=True):
        assert (result - expected).norm() < 0.02 * expected.norm()


@pytest.mark.parametrize("scale", ["tensor", "channel"])
@pytest.mark.parametrize("which", ["weight", "image"])
def test_a_scale_for_each_channel_helps_channels_of_little_size(which: str, scale: str) -> None:
    """Weights of one output, or one channel of the image in the weights' gradient."""
    products = LayerProducts.uniform(table("exact", f"int8(scale={scale})"))
    x, w = leaf(*IMAGE), leaf(*KERNEL)
    with torch.no_grad():
        (w if which == "weight" else x.transpose(0, 1))[1] *= 1e-4
    actual = results(lambda x, w: approx_conv2d(x, w, WINDOW, products), x, w)
    native = results(lambda x, w: torch.conv2d(x, w, None, *WINDOW), x, w)
    part = (0, (slice(None), 1)) if which == "weight" else (2, (slice(0, 3), 1))
    small, exact = actual[part[0]][part[1]], native[part[0]][part[1]]
    assert ((small - exact).norm() < 0.02 * exact.norm()) == (scale == "channel")


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
@pytest.mark.parametrize("name", ["int8", NARROW])
def test_non_finite_operands_end_in_nan_or_infinity(name: str, bad: float) -> None:
    a, b = leaf(5, 30).detach(), leaf(8, 30)
    a[2, 3] = bad
    products = LayerProducts.uniform(table("exact", name))
    assert not approx_linear(a, b, products)[2].isfinite().any()


def test_frozen_weights_cost_no_product() -> None:
    def refuse(*_: object) -> None:
        pytest.fail("a gradient that nobody needs was computed")

    x, w = leaf(9, 13), leaf(6, 13).detach()
    approx_linear(x, w, PRODUCTS, LayerProbes(weight_gradient=refuse)).sum().backward()
    assert x.grad is not None
    x, w = x.detach(), w.requires_grad_()
    approx_linear(x, w, PRODUCTS, LayerProbes(input_gradient=refuse)).sum().backward()
    assert w.grad is not None


@pytest.mark.parametrize("products", [PRODUCTS, LayerProducts()], ids=["approximate", "native"])
def test_autocast_changes_no_bit(products: LayerProducts) -> None:
    def run(x: Tensor, w: Tensor, k: Tensor) -> Tensor:
        columns = approx_linear(x, w, products).reshape(OUTPUT)
        image = approx_conv_transpose2d(columns, k, IMAGE[2:], WINDOW, products)
        return approx_conv2d(image, k, WINDOW, products)

    inputs = leaf(3, 60, 7), leaf(5, 7), leaf(*KERNEL)
    plain = results(run, *inputs)
    with torch.autocast("cpu", torch.bfloat16):
        for actual, expected in zip(results(run, *inputs), plain, strict=True):
            assert_same_bits(actual, expected)


def test_autocast_may_have_made_the_input() -> None:
    x, w = leaf(4, 7), leaf(5, 7)
    with torch.autocast("cpu", torch.bfloat16):
        y = approx_linear(x.bfloat16(), w, BF16)
    assert y.dtype == torch.float32
    assert_same_bits(y, approx_linear(x.bfloat16().float(), w, BF16))


def test_autocast_makes_no_bf16_of_factors() -> None:
    x, w = leaf(4, 7), leaf(5, 7)
    with native_products():
        expected = approx_linear(x, w, BF16)
        with torch.autocast("cpu", torch.bfloat16):
            assert_same_bits(approx_linear(x, w, BF16), expected)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: approx_linear(leaf(3, 4), leaf(5, 6), BF16), r"\[\.\.\., 6\]: \(3, 4\)"),
        (lambda: approx_linear(leaf(3, 4).double(), leaf(5, 4), BF16), "FP32: torch.float64"),
        (lambda: approx_linear(leaf(3, 4).half(), leaf(5, 4), BF16), "FP32: torch.float16"),
        (lambda: approx_matmul(leaf(3, 4), leaf(5, 6), BF16), r"\(3, 4\) and \(5, 6\)"),
        (lambda: approx_matmul(leaf(2, 3, 4), leaf(3, 4, 6), BF16), r"\(2, 3, 4\) and"),
        (
            lambda: approx_conv2d(leaf(1, 3, 8, 8), leaf(*KERNEL), WINDOW, BF16),
            r"\[B, 4, H, W\].*\(1, 3, 8, 8\)",
        ),
        (
            lambda: approx_conv2d(leaf(1, 4, 8, 8), leaf(6, 2, 11, 3), WINDOW, BF16),
            r"kernel fits.*\(11, 3\) in \(8, 8\)",
        ),
    ],
)
def test_bad_operands_are_refused(call: Callable[[], Tensor], message: str) -> None:
    with pytest.raises(AxdseError, match=message):
        call()


def test_stochastic_rounding_is_drawn_from_the_generator_of_torch() -> None:
    lut = table("exact", "float(8,3,round=stochastic,product=wide)")
    x, w = leaf(20, 13), leaf(6, 13)
    outputs = []
    for seed in (1, 2, 1):
        torch.manual_seed(seed)
        outputs.append(approx_linear(x, w, LayerProducts.uniform(lut)))
    assert torch.equal(outputs[0], outputs[2])
    assert not torch.equal(outputs[0], outputs[1])


@pytest.mark.parametrize("name", ["fp8_e4m3", "fp8_e5m2"])
def test_small_formats_are_scaled_into_their_range(name: str) -> None:
    products = LayerProducts.uniform(table("exact", parse_format(name).name))
    x, w = leaf(20, 130), leaf(6, 130)
    native = results(torch.nn.functional.linear, x, w)
    for actual, expected in zip(
        results(lambda a, b: approx_linear(a * 1e-20, b, products) * 1e20, x, w),
        native,
        strict=True,
    ):
        assert (actual - expected).norm() < 0.15 * expected.norm()


@pytest.mark.parametrize(
    "compute",
    [
        lambda x, w: approx_linear(x.flatten(1), w.flatten(1), BF16),
        lambda x, w: approx_conv2d(x, w, PLAIN, BF16),
        lambda x, w: approx_conv_transpose2d(x, w.transpose(0, 1), (5, 5), PLAIN, BF16),
    ],
)
def test_a_gradient_of_a_gradient_is_one_line(compute: Callable[[Tensor, Tensor], Tensor]) -> None:
    x, w = leaf(2, 3, 3, 3), leaf(2, 3, 3, 3)
    (grad,) = torch.autograd.grad(compute(x, w).sum(), x, create_graph=True)
    with pytest.raises(AxdseError, match="have a gradient, and that has none"):
        grad.square().sum().backward()
