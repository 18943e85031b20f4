"""Operands of every training format, against torch's own types and plain loops."""

import itertools
import math

import pytest
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from axdse.gpu.operands.encode import Encoded, encode, round_float
from axdse.multipliers.formats import FloatFormat, IntFormat, parse_format

TINY = torch.finfo(torch.float32).tiny
SCALED = ["fp16", "fp8_e5m2", "fp8_e4m3", "float(2,1)", "float(7,5)"]
SCALED += [f"{name}(round={how})" for name in SCALED[:3] for how in ("truncate", "stochastic")]
EVERY = [*SCALED, "bf16", "bf16(round=stochastic)", "fp16(scale=none)", "int8"]
TYPES = {"fp16": torch.float16, "fp8_e5m2": torch.float8_e5m2, "fp8_e4m3": torch.float8_e4m3fn}


def float_format(name: str) -> FloatFormat:
    number_format = parse_format(name)
    assert isinstance(number_format, FloatFormat)
    return number_format


def largest(number_format: FloatFormat) -> float:
    return (2 - 2.0**-number_format.fraction_bits) * 2.0**number_format.bias


def smallest(number_format: FloatFormat) -> float:
    return 2.0 ** (1 - number_format.bias)


def normal_numbers(number_format: FloatFormat) -> Tensor:
    """Every positive normal number, ascending."""
    m, bias = number_format.fraction_bits, number_format.bias
    significands = 1 + torch.arange(1 << m) / (1 << m)
    exponents = torch.arange(1 - bias, bias + 1).float()
    return (torch.exp2(exponents)[:, None] * significands).flatten()


def decisions(number_format: FloatFormat) -> Tensor:
    """Every number, subnormals included, every midpoint, and their neighbours in FP32."""
    fraction = torch.arange(1 << number_format.fraction_bits) / (1 << number_format.fraction_bits)
    numbers = torch.cat([fraction * smallest(number_format), normal_numbers(number_format)])
    midpoints = (numbers[1:] + numbers[:-1]) / 2
    here = torch.cat([numbers, midpoints])
    up = here.nextafter(torch.tensor(torch.inf))
    near = torch.cat([here, up, here.nextafter(torch.tensor(0.0))])
    return torch.cat([near, -near])


def same_bits(a: Tensor, b: Tensor) -> bool:
    return torch.equal(a.view(torch.int32), b.view(torch.int32))


def decoded(encoded: Encoded) -> Tensor:
    return encoded.codes if encoded.scale is None else encoded.codes * encoded.scale


# Deterministic rounding.


@pytest.mark.parametrize("name", ["bf16", "approxtrain", "float(8,23)", "float(8,1)"])
def test_formats_with_the_exponent_of_fp32_need_no_pass(name: str) -> None:
    x = torch.randn(3, 4)
    encoded = encode(x, parse_format(name), axis=0)
    assert encoded.codes is x
    assert encoded.scale is None


@pytest.mark.parametrize("name", TYPES)
def test_nearest_is_the_conversion_of_torch_without_subnormals(name: str) -> None:
    """All decisions; torch keeps subnormals, and rounds to them what is just below the rest."""
    number_format = float_format(f"{name}(scale=none)")
    x = decisions(number_format)
    low, m = smallest(number_format), number_format.fraction_bits
    x = x[(x.abs() >= low) | (x.abs() < low * (1 - 2.0 ** -(m + 1)))]
    kept = x.to(TYPES[name]).float()
    expected = torch.where(kept.abs() < low, 0, kept)
    assert torch.equal(encode(x, number_format).codes, expected)


@pytest.mark.parametrize("name", TYPES)
def test_what_rounds_below_the_smallest_normal_number_is_zero(name: str) -> None:
    number_format = float_format(f"{name}(scale=none)")
    low = smallest(number_format)
    tie = torch.tensor(low * (1 - 2.0 ** -(number_format.fraction_bits + 2)))
    x = torch.stack([tie.nextafter(torch.tensor(0.0)), tie, torch.tensor(low / 2)])
    expected = torch.tensor([0, low, 0])
    assert torch.equal(encode(x, number_format).codes, expected)
    assert torch.equal(encode(-x, number_format).codes, -expected)


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("rounding", ["truncate", "nearest", "stochastic"])
def test_numbers_of_the_format_stay(name: str, rounding: str) -> None:
    number_format = float_format(f"{name}(round={rounding})")
    x = normal_numbers(number_format)
    x = torch.cat([x, -x, torch.zeros(1)])
    encoded = encode(x, number_format)
    assert encoded.scale == 1
    assert torch.equal(encoded.codes, x)


@pytest.mark.parametrize("name", ["fp16", "fp8_e5m2", "fp8_e4m3"])
def test_truncation_drops_all_below_the_last_bit(name: str) -> None:
    number_format = float_format(f"{name}(round=truncate,scale=none)")
    x = decisions(number_format)
    m, low = number_format.fraction_bits, smallest(number_format)
    expected = [
        math.copysign(
            math.trunc(abs(v) / (unit := 2.0 ** (math.frexp(v)[1] - 1 - m))) * unit, v
        ) if abs(v) >= low else 0.0
        for v in x.tolist()
    ]  # fmt: skip
    assert torch.equal(encode(x, number_format).codes, torch.tensor(expected))


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("rounding", ["truncate", "nearest", "stochastic"])
def test_unscaled_numbers_overflow_as_in_ieee_754(name: str, rounding: str) -> None:
    number_format = float_format(f"{name}(round={rounding},scale=none)")
    top = largest(number_format)
    above = 2.0 ** (number_format.bias + 1)
    x = torch.tensor([top, above, 1e30, 3.4e38, torch.inf, torch.nan])
    beyond = top if rounding == "truncate" else torch.inf
    expected = torch.tensor([top, beyond, beyond, beyond, torch.inf, torch.nan])
    for sign in (1, -1):
        codes = encode(sign * x, number_format).codes
        torch.testing.assert_close(codes, sign * expected, rtol=0, atol=0, equal_nan=True)


# Scales.


@pytest.mark.parametrize("name", SCALED)
@pytest.mark.parametrize("size", [1.0, 3.0, 1e-20, 3e38, 1.9999999, 255.9, 2.0**-100])
def test_scaled_tensors_fill_the_range_and_never_leave_it(name: str, size: float) -> None:
    number_format = float_format(name)
    x = torch.cat([torch.tensor([size]), (torch.rand(2000) - 0.5) * 2 * size])
    encoded = encode(x, number_format)
    assert encoded.scale is not None
    assert math.frexp(float(encoded.scale))[0] == 0.5
    top = float(encoded.codes.abs().max())
    assert top <= largest(number_format)
    assert top > 2.0 ** (number_format.bias - 1) or encoded.scale == TINY
    assert same_bits(round_float(encoded.codes, number_format), encoded.codes)


@pytest.mark.parametrize("name", SCALED)
def test_a_scaled_number_is_within_a_unit_of_its_last_place(name: str) -> None:
    number_format = float_format(name)
    x = torch.randn(5000)
    encoded = encode(x, number_format)
    assert encoded.scale is not None
    steps = 0.5 if number_format.rounding == "nearest" else 1.0
    _, exponent = torch.frexp(x / encoded.scale)
    unit = torch.exp2(exponent.float() - 1 - number_format.fraction_bits)
    flushed = torch.full_like(unit, smallest(number_format))
    error = (encoded.codes.double() - x.double() / encoded.scale.double()).abs()
    normal = (x / encoded.scale).abs() >= smallest(number_format)
    assert (error <= torch.where(normal, steps * unit, flushed)).all()


@pytest.mark.parametrize("name", [*SCALED, "int8", "int8(scale=channel)"])
@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_non_finite_numbers_make_the_scale_nan(name: str, bad: float) -> None:
    encoded = encode(torch.tensor([[1.0, bad, -2.0]]), parse_format(name), axis=0)
    assert encoded.scale is not None
    assert encoded.scale.isnan().all()


@pytest.mark.parametrize("name", [*SCALED, "int8"])
@pytest.mark.parametrize("x", [torch.zeros(3, 4), torch.zeros(0, 4), torch.full((2,), 1e-45)])
def test_nearly_nothing_is_zero(name: str, x: Tensor) -> None:
    encoded = encode(x, parse_format(name))
    assert encoded.codes.shape == x.shape
    assert encoded.scale is not None
    assert float((encoded.codes * encoded.scale).abs().sum()) <= float(x.sum())
    assert encoded.scale.isfinite()
    assert encoded.scale > 0


@pytest.mark.parametrize("largest", [1.0, 3e38, 1e-30, TINY])
def test_int8_is_within_half_a_step(largest: float) -> None:
    x = torch.cat([torch.tensor([-largest]), (torch.rand(1000) - 0.5) * largest])
    encoded = encode(x, IntFormat(), axis=0)
    assert encoded.scale is not None
    assert encoded.scale.shape == ()
    assert encoded.codes.dtype == torch.int8
    assert int(encoded.codes.abs().max()) <= 127
    error = (encoded.codes.double() * encoded.scale.double() - x.double()).abs().max()
    assert float(error) <= 0.5000001 * float(encoded.scale)
    if largest > TINY:
        assert int(encoded.codes[0]) == -127


@pytest.mark.parametrize("bits", range(2, 9))
def test_integers_are_symmetric(bits: int) -> None:
    codes = encode(torch.linspace(-1, 1, 4001), IntFormat(bits)).codes
    limit = (1 << (bits - 1)) - 1
    assert codes.unique().tolist() == list(range(-limit, limit + 1))


@pytest.mark.parametrize(
    ("shape", "axis"), [((5, 7), 0), ((5, 7), 1), ((5, 7), -1), ((4, 3, 2, 5), 1), ((6,), 0)]
)
def test_a_channel_is_scaled_as_if_it_were_alone(shape: tuple[int, ...], axis: int) -> None:
    x = torch.randn(shape) * torch.logspace(-3, 3, math.prod(shape)).reshape(shape)
    encoded = encode(x, IntFormat(8, "channel"), axis)
    assert encoded.scale is not None
    for index in range(shape[axis]):
        alone = encode(x.select(axis, index), IntFormat())
        assert torch.equal(encoded.codes.select(axis, index), alone.codes)
        scale = encoded.scale.select(axis, index)
        assert scale.numel() == 1
        assert scale.flatten()[0] == alone.scale


def test_channels_have_a_scale_each_even_without_elements() -> None:
    encoded = encode(torch.zeros(3, 0, 2), IntFormat(8, "channel"), axis=0)
    assert encoded.scale is not None
    assert encoded.scale.shape == (3, 1, 1)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_zero_channel_stays_zero(axis: int) -> None:
    x = torch.randn(4, 4)
    x.select(axis, 2).zero_()
    encoded = encode(x, IntFormat(8, "channel"), axis)
    assert not encoded.codes.select(axis, 2).any()
    assert encoded.codes.select(axis, 1).any()


def test_products_of_channels_are_scaled_by_both() -> None:
    """The weight gradient of a layer, g^T x: each operand per channel."""
    grad, x = torch.randn(9, 4) * torch.tensor([1e-3, 1, 1e3, 10]), torch.randn(9, 5)
    g, a = (encode(t, IntFormat(8, "channel"), axis=1) for t in (grad, x))
    assert g.scale is not None
    assert a.scale is not None
    actual = (g.codes.float().t() @ a.codes.float()) * g.scale.t() * a.scale
    expected = grad.t() @ x
    bound = 9 * (grad.abs().amax(0)[:, None] * x.abs().amax(0)) / 127 * 1.01
    assert ((actual - expected).abs() <= bound).all()
    assert torch.equal(actual, torch.stack([
        torch.stack([
            (p.codes.float() @ q.codes.float()) * p.scale * q.scale
            for q in (encode(column, IntFormat()) for column in x.t())
        ])
        for p in (encode(column, IntFormat()) for column in grad.t())
    ]))  # fmt: skip


# Stochastic rounding.

COUNT = 100_000


def chances(name: str, value: float) -> Tensor:
    """Roundings of one number, in a tensor whose largest number needs no scale."""
    number_format = float_format(name)
    x = torch.full((COUNT + 1,), value)
    x[0] = 2.0**number_format.bias if number_format.exponent_bits < 8 else 1
    encoded = encode(x, number_format)
    assert encoded.scale is None or encoded.scale == 1
    return encoded.codes[1:]


@pytest.mark.parametrize(
    "name", [f"{n}(round=stochastic)" for n in ("bf16", "fp16", "fp8_e5m2", "fp8_e4m3")]
)
@pytest.mark.parametrize("part", [0.001, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("exponent", [0, -3])
@pytest.mark.parametrize("sign", [1, -1])
def test_chance_has_the_mean_and_the_variance_of_a_coin(
    name: str, part: float, exponent: int, sign: int
) -> None:
    torch.manual_seed(1)
    unit = 2.0 ** (exponent - float_format(name).fraction_bits)
    value = sign * float(torch.tensor(2.0**exponent + 2 * unit + part * unit))
    ups = (chances(name, value).double() - sign * (2.0**exponent + 2 * unit)) / (sign * unit)
    assert set(ups.unique().tolist()) == {0.0, 1.0}
    exact = (abs(value) - 2.0**exponent) / unit - 2
    deviation = math.sqrt(exact * (1 - exact))
    assert abs(float(ups.mean()) - exact) < 5 * deviation / math.sqrt(COUNT)
    fourth = abs(1 - 2 * exact) * deviation  # of the sample variance of a coin, to first order
    tolerance = 5 * fourth / math.sqrt(COUNT) + 25 / COUNT
    assert abs(float(ups.var()) - deviation**2) < tolerance


@pytest.mark.parametrize("name", [f"{n}(round=stochastic)" for n in TYPES])
@pytest.mark.parametrize("part", [0.002, 0.3, 0.97])
@pytest.mark.parametrize("sign", [1, -1])
def test_below_the_smallest_normal_number_chance_keeps_the_mean(
    name: str, part: float, sign: int
) -> None:
    torch.manual_seed(2)
    low = sign * smallest(float_format(name))
    ups = chances(name, part * low).double() / low
    assert set(ups.unique().tolist()) == {0.0, 1.0}
    assert abs(float(ups.mean()) - part) < 5 * math.sqrt(part * (1 - part) / COUNT)


@pytest.mark.parametrize("word", [0x7F80_0001, 0x7FBF_FFFF, 0x7FFF_FFFF, -1, -0x7F_FFFF])
@pytest.mark.parametrize("name", ["bf16(round=stochastic)", "fp16(round=stochastic,scale=none)"])
def test_every_nan_stays_nan(word: int, name: str) -> None:
    x = torch.full((100,), word, dtype=torch.int32).view(torch.float32)
    assert encode(x, parse_format(name)).codes.isnan().all()


def test_chance_leaves_infinities_zeros_and_signs() -> None:
    x = torch.tensor([torch.inf, -torch.inf, 0.0, -0.0, 1.0, -1.5, TINY, 255 * 2.0**120])
    assert same_bits(encode(x, float_format("bf16(round=stochastic)")).codes, x)


def test_chances_are_independent() -> None:
    torch.manual_seed(3)
    x = torch.full((COUNT,), 1 + 2.0**-8)
    first, again = (encode(x, float_format("bf16(round=stochastic)")).codes for _ in range(2))
    up = [(codes > 1).double() - 0.5 for codes in (first, again)]
    for a, b in [(up[0], up[1]), (up[0][1:], up[0][:-1])]:
        assert abs(float((a * b).mean()) * 4) < 5 / math.sqrt(COUNT)


@pytest.mark.parametrize("name", [n for n in EVERY if "stochastic" in n])
def test_the_seed_decides(name: str) -> None:
    number_format, x, results = parse_format(name), torch.randn(1000), []
    for seed in (7, 7, 8):
        torch.manual_seed(seed)
        results.append(encode(x, number_format).codes)
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


# Strides, graphs, checkpoints.


@pytest.mark.parametrize("name", [n for n in EVERY if "stochastic" not in n])
def test_strides_do_not_matter(name: str) -> None:
    number_format, x = parse_format(name), torch.randn(6, 8, 2)
    expected = encode(x, number_format)
    views = itertools.permutations(range(3))
    for order in views:
        actual = encode(x.permute(order), number_format)
        assert torch.equal(actual.codes, expected.codes.permute(order))
    spread = encode(x[:, :1].expand(6, 8, 2), number_format)
    assert torch.equal(decoded(spread)[:, 0], decoded(encode(x[:, 0], number_format)))


@pytest.mark.parametrize("name", [*EVERY, "int8(scale=channel)"])
def test_it_compiles_into_one_graph(name: str) -> None:
    torch._dynamo.reset()  # a limited number of graphs for one function
    number_format, x = parse_format(name), torch.randn(16, 8)

    def run(x: Tensor) -> Tensor:
        return decoded(encode(x, number_format, axis=0))

    compiled = torch.compile(run, fullgraph=True, backend="aot_eager")
    torch.manual_seed(4)
    expected = run(x)
    torch.manual_seed(4)
    assert torch.equal(compiled(x), expected)


def test_a_checkpoint_rounds_again_as_before() -> None:
    number_format, seen = parse_format("bf16(round=stochastic)"), []

    def run(x: Tensor) -> Tensor:
        seen.append(encode(x.detach(), number_format).codes)
        return x * seen[-1]

    x = torch.randn(1000, requires_grad=True)
    checkpoint(run, x, use_reentrant=False).sum().backward()
    assert len(seen) == 2
    assert torch.equal(seen[0], seen[1])
