"""Layers with zero points against their statement: every pair of codes, in integers."""

import functools
import itertools

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from axdse.gpu.cpu.kernels import available_kernels, use_kernel
from axdse.gpu.layers.calibrate import calibrate
from axdse.gpu.layers.convert import convert
from axdse.gpu.multiplication.handles import handle
from axdse.gpu.operands.encode import encode
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.design_point import Candidate, parse_mac
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import IntFormat, Span, parse_format
from axdse.multipliers.model.unit_oracle import unit_products
from axdse.multipliers.sums.text import parse_sum
from axdse.multipliers.tables.lut import Lut

MACS = [
    "drum(n=8,k=4) in uint8",
    "broken_array(n=8,h=2,v=6) in uint8",  # neither commutative nor 0 at 0
    "truncated(n=8,t=6,c=1) in uint8",  # 12 at 0 x 0
    "exact(n=5) in uint5",
    "broken_array(n=8,h=2,v=6) in uint8xint8",
    "truncated(n=8,t=6,c=1) in int8xuint8",
]
Pairs = dict[tuple[int, ...], list[tuple[int, int]]]


def codes(x: Tensor, form: IntFormat) -> tuple[np.ndarray, Tensor, int]:
    """Codes as the core takes them, their scale, and the zero point: from the definition."""
    if form.signed:
        scale = x.abs().max() / form.largest
        return (x / scale).round().long().numpy(), scale, 0
    low, high = x.min().clamp(max=0), x.max().clamp(min=0)
    scale = high / form.largest - low / form.largest
    zero = int((-low / scale).round())
    q = ((x / scale).round() + zero).clamp(0, form.largest)
    return q.long().numpy(), scale, zero


def stated(candidate: Candidate, a: Tensor, b: Tensor, pairs: Pairs, size: list[int]) -> Tensor:
    """Sum over the pairs of each output of T(q, r) - w q - z r + z w; a place -1 is 0."""
    first, second = candidate.format.operands
    (q, q_scale, z), (r, r_scale, w) = codes(a, first), codes(b, second)
    q, r = np.append(q.ravel(), z), np.append(r.ravel(), w)
    result, products = torch.zeros(size), unit_table(candidate)
    for output, met in pairs.items():
        x, y = q[[i for i, _ in met]], r[[j for _, j in met]]
        made = products[x & ((1 << first.bits) - 1), y & ((1 << second.bits) - 1)]
        result[output] = float((made - w * x - z * y + z * w).sum())
    return result * q_scale * r_scale


@functools.cache
def unit_table(candidate: Candidate) -> np.ndarray:
    """The products of all pairs of codes, as integers."""
    form = candidate.format
    a, b = np.indices([1 << each.bits for each in form.operands])
    products = unit_products(candidate, a, b).astype(np.int64)
    if form.signed_product:
        products -= products >> (form.product_bits - 1) << form.product_bits
    return products


def convolution_pairs(layer: nn.Conv2d, x: Tensor, y: Tensor) -> tuple[Pairs, Pairs, Pairs]:
    """The pairs of the forward product and both gradients, by places in flattened tensors."""
    forward, to_image, to_weight = Pairs(), Pairs(), Pairs()
    (batch, _, *image), (_, outputs, *steps) = x.shape, y.shape
    inputs, kernel = layer.weight.shape[1], layer.kernel_size
    ranges = map(range, (batch, outputs, *steps, inputs, *kernel))
    for n, o, high, wide, c, i, j in itertools.product(*ranges):
        channel = o // (outputs // layer.groups) * inputs + c
        row, column = (
            place * layer.stride[axis] + tap * layer.dilation[axis] - layer.padding[axis]
            for axis, (place, tap) in enumerate(((high, i), (wide, j)))
        )
        there = 0 <= row < image[0] and 0 <= column < image[1]
        pixel = ((n * x.shape[1] + channel) * image[0] + row) * image[1] + column if there else -1
        weight = ((o * inputs + c) * kernel[0] + i) * kernel[1] + j
        step = ((n * outputs + o) * steps[0] + high) * steps[1] + wide
        forward.setdefault((n, o, high, wide), []).append((pixel, weight))
        to_weight.setdefault((o, c, i, j), []).append((step, pixel))
        if there:
            to_image.setdefault((n, channel, row, column), []).append((step, weight))
    return forward, to_image, to_weight


@pytest.mark.parametrize("text", MACS)
def test_all_three_products_of_a_convolution_are_those_of_the_statement(text: str) -> None:
    candidate = parse_mac(text, builtin_catalog()).candidate
    torch.manual_seed(0)
    native = nn.Conv2d(4, 6, (3, 2), (2, 1), (1, 2), (1, 2), groups=2, bias=False)
    layer = convert(native, text).model
    x = F.relu(torch.randn(2, 4, 5, 4)).requires_grad_()
    y = layer(x)
    grad = torch.randn(y.shape)
    y.backward(grad)
    image, weight = x.detach(), layer.weight.detach()
    forward, to_image, to_weight = convolution_pairs(native, x, y)
    assert torch.equal(y, stated(candidate, image, weight, forward, list(y.shape)))
    assert torch.equal(x.grad, stated(candidate, grad, weight, to_image, list(x.shape)))
    expected = stated(candidate, grad, image, to_weight, list(weight.shape))
    assert torch.equal(layer.weight.grad, expected)


@pytest.mark.parametrize("text", MACS)
def test_all_three_products_of_a_linear_layer_are_those_of_the_statement(text: str) -> None:
    candidate = parse_mac(text, builtin_catalog()).candidate
    torch.manual_seed(0)
    layer = convert(nn.Linear(33, 5, bias=False), text).model
    x = torch.randn(7, 33, requires_grad=True)
    y = layer(x)
    grad = torch.randn(7, 5)
    y.backward(grad)
    w = layer.weight.detach()
    for actual, a, b in ((y, x.detach(), w.T), (x.grad, grad, w),
                         (layer.weight.grad, grad.T, x.detach())):  # fmt: skip
        (rows, depth), columns = a.shape, b.shape[1]
        pairs = {(i, n): [(i * depth + k, k * columns + n) for k in range(depth)]
                 for i in range(rows) for n in range(columns)}  # fmt: skip
        assert torch.equal(actual, stated(candidate, a, b, pairs, [rows, columns]))


def test_a_transposed_convolution_has_the_zero_points_of_its_convolution() -> None:
    torch.manual_seed(0)
    native = nn.ConvTranspose2d(4, 6, 3, 2, 1, groups=2, bias=False)
    layer = convert(native, "exact(n=8) in uint8").model
    x, like = (torch.rand(2, 4, 3, 4).requires_grad_() for _ in range(2))
    like.data.copy_(x.data)
    for module, given in ((native, like), (layer, x)):
        module(given).square().sum().backward()
    for actual, expected in ((x.grad, like.grad), (layer.weight.grad, native.weight.grad)):
        assert (actual - expected).norm() < 0.02 * expected.norm()


@pytest.mark.parametrize("kernel", available_kernels(), ids=lambda kernel: kernel.name)
def test_every_kernel_gives_the_same_bits(kernel) -> None:
    layer = convert(nn.Conv2d(3, 5, 3, padding=1), "broken_array(n=8,h=2,v=6) in uint8").model
    x = torch.randn(2, 3, 6, 6, requires_grad=True)

    def all_three() -> list[Tensor]:
        y = layer(x)
        return [y.detach(), *torch.autograd.grad(y, (x, layer.weight), torch.ones_like(y))]

    expected = all_three()
    with use_kernel(kernel):
        assert all(map(torch.equal, all_three(), expected))


@pytest.mark.parametrize("low", [0.0, 0.3, -2.0, -5.0])
def test_codes_scale_and_zero_point_are_those_of_pytorch(low: float) -> None:
    x = low + 3 * torch.rand(1000, generator=torch.Generator().manual_seed(0))
    encoded = encode(x, parse_format("uint8"))
    observer = torch.ao.quantization.MinMaxObserver(torch.quint8)
    observer(x)
    scale, zero = observer.calculate_qparams()
    assert (encoded.scale, encoded.zero) == (pytest.approx(float(scale)), int(zero) - 128)
    theirs = torch.fake_quantize_per_tensor_affine(x, float(scale), int(zero), 0, 255)
    steps = (encoded.codes.int() - encoded.zero - theirs / encoded.scale).abs().round()
    assert steps.sum() <= 2  # where torch's reciprocal moves a tie
    assert encode(torch.zeros(1), parse_format("uint8"), span=Span(-1, 2)).codes == 85 - 128


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("span", [None, Span(-1.0, 1.0)])
def test_what_is_not_finite_is_not_hidden(bad: float, span: Span | None) -> None:
    assert encode(torch.tensor([1.0, bad]), parse_format("uint8"), span=span).scale.isnan()


def test_nothing_and_zeros_have_codes() -> None:
    form = parse_format("uint8")
    assert encode(torch.zeros(0, 3), form).codes.shape == (0, 3)
    encoded = encode(torch.zeros(4), form)
    assert encoded.codes.tolist() == [-128] * 4
    assert encoded.zero == -128


def test_a_calibrated_layer_saturates_at_both_ends_of_its_sample() -> None:
    layer = convert(nn.Linear(1, 1, bias=False), "exact(n=8) in uint8").model
    nn.init.ones_(layer.weight)
    with torch.no_grad():
        calibrate(layer, lambda: layer(torch.tensor([[-1.0], [3.0]])))
        assert layer.products.forward.span == Span(-1.0, 3.0)
        found = layer(torch.tensor([[-9.0], [9.0], [0.5]]))[:, 0].tolist()
    assert found == pytest.approx([-1.0, 3.0, 0.5], abs=0.02)


def test_a_core_too_far_off_is_refused() -> None:
    """255 x 255 is 65,025; 0 in its place does not fit what operators look up."""
    lut = Lut("zeros", parse_format("uint8"), np.zeros((256, 256), np.uint16))
    with pytest.raises(AxdseError, match=r"16 bits have room for: zeros gives 0 for 130 x 255"):
        handle(lut)


@pytest.mark.parametrize("text", ["int(12,overflow=saturate)", "int(13)"])
def test_signed_operands_of_two_widths_are_added_by_a_narrow_register(text: str) -> None:
    """One product off by one, in the order of k, to the ends of the register and back."""
    form, total = parse_format("int8xint4"), parse_sum(text)
    table = np.multiply.outer(*(np.r_[: n // 2, -n // 2 : 0] for n in (256, 16)))
    table[7, 5] += 1
    known = handle(Lut("two", form, table.astype(np.int16)), total)
    torch.manual_seed(0)
    a, b = (
        torch.randint(1 - n // 2, n // 2, shape) for n, shape in ((256, (3, 40)), (16, (40, 4)))
    )
    a[0, :20], b[:20, 0] = 7, 5
    made = torch.ops.axdse.gemm(a[None].to(torch.int8), b[None].to(torch.int8), known, False)
    products = table[a.numpy()[:, :, None], b.numpy()[None]]
    sums, low = np.zeros((3, 4), int), -1 << (11 if "saturate" in text else 12)
    for product in products.transpose(1, 0, 2):
        sums += product
        sums = sums.clip(low, ~low) if "saturate" in text else (sums - low) % (-2 * low) + low
    assert made[0].tolist() == sums.tolist()
    assert (sums != products.sum(1)).any()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("exact(n=8) in uint8 sum int(24)", "zero points out of int32"),
        ("exact(n=8) in int8xuint8 sum int(24)", "zero points out of int32"),
    ],
)
def test_zero_points_are_of_no_narrow_register(text: str, message: str) -> None:
    with pytest.raises(AxdseError, match=message):
        parse_mac(text)
