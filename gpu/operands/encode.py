"""How do FP32 tensors become the operands of a format, and these FP32 again?

`encode` makes operands of a tensor; the operators then see float(8, m) in FP32 words, or integer
codes. Float codes are sign, exponent and fraction as one integer, as in
`axdse.multipliers.model.unit_oracle`. With e = 8 they are the upper bits of the FP32 word.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import BLOCK, MX_LARGEST, FloatFormat, Format, IntFormat, Span

_SIGN, _SIZE = -(1 << 31), (1 << 31) - 1
_INFINITY, _QUIET_NAN, _SMALLEST_NORMAL = 0x7F80_0000, 0x7FC0_0000, 0x0080_0000
_TINY = torch.finfo(torch.float32).tiny
_SUMS = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Encoded:
    """A tensor as operands.

    Attributes:
        codes: of the tensor's shape. FP32 in a float format, int8 in an integer one; of unsigned
            integers of N bits the code less 2^(N-1). int16 in an integer format with blocks:
            {scale, element}, a byte each.
        scale: what `codes` are to be multiplied by to give the tensor again, rounded, and so is
            any product of them: FP32, of no dimensions, or, per channel, of the tensor's
            dimensions with 1 for all but one. None: there is nothing to multiply by.
        zero: int32, of no dimensions: of unsigned integers, what `codes` have for 0, which is to
            be taken from them first; None: 0.
    """

    codes: Tensor
    scale: Tensor | None
    zero: Tensor | None = None


def encode(
    x: Tensor,
    number_format: Format,
    axis: int | None = None,
    span: Span | None = None,
    along: int | None = None,
) -> Encoded:
    """Make operands of a tensor; nothing to do, and nothing done, in most float(8, m).

    float(8, m): truncation and nearest-even are left to the operators, so the codes are `x`
    itself. Stochastic rounding is done here, with torch's generator of the tensor's device: a
    number goes up with the probability of the part that is cut off, so its mean is `x`.

    float(e < 8, m): `x` is divided by the power of two that brings the largest exponent of the
    tensor, after rounding, to the largest of the format (the per-tensor scaling of
    arXiv:2209.05433, exact but for what underflows), then rounded. What rounds below the
    smallest normal number becomes zero, as units have no subnormals; stochastic rounding makes
    it zero or the smallest normal number, with mean `x`. With scale=none the tensor is not
    divided, and what is too large becomes infinite, or the largest number by truncation, as in
    IEEE 754: then the user scales the loss.

    OCP MX: each 32 operands along k are divided by the power of two that takes the exponent of
    the largest of them to the largest of the format, are rounded to nearest even, with subnormals,
    saturate, and are multiplied by that power again: the codes are these numbers, in FP32.
    Integers are divided by the exponent of the largest of them and stay so: the codes are
    {scale, element}, and what is subnormal in FP32 is zero.

    Signed integers: symmetric; x is about codes * scale, with scale max|x| / (2^(bits-1) - 1).

    Unsigned integers: q = clamp(round(x / scale) + z), with scale (max x - min x) / (2^bits - 1)
    and the zero point z = round(-min x / scale), by which 0 has a code of its own (Jacob et al.,
    CVPR 2018); min and max are taken with 0.

    Scales are at least the smallest normal FP32, so zeros work. A non-finite element makes
    its scale NaN: the loss turns NaN, as in FP32, and the training loop sees it without a
    synchronisation here.

    Args:
        x: FP32, any shape and strides.
        number_format: what it becomes; of integers, that of one operand.
        axis: the dimension that the product does not sum over, used by scale=channel only; None
            scales the whole tensor. In a layer y[M, O] = x[M, I] w[O, I]^T:

            - forward, x w^T, sums over I: w per output channel, its axis 0; x as a whole
            - input gradient, g w, sums over O: w per input channel, 1; g as a whole
            - weight gradient, g^T x, sums over M: g per output channel, 1; x per input channel, 1
        span: numbers that the scale is made for, and beyond which others saturate; None: those
            of the tensor, or of each of its slices. A scale that is the same for all tensors
            makes the result for one example independent of the others in its batch.
        along: the dimension that the product sums over, for scale=block32.

    Raises:
        AxdseError: there is no dimension for blocks of 32 to lie along, or they do not fill it.

    Returns:
        Operands and scale. Under `torch.compile` and checkpointing as any pointwise operation.
    """
    if number_format.is_mx:
        along = check_blocks(x, number_format, along)
        if isinstance(number_format, IntFormat):
            return Encoded(_encode_integer_blocks(x, number_format, along), None)
        return Encoded(encode_blocks(x, number_format, along), None)
    if isinstance(number_format, IntFormat):
        if not number_format.signed:
            return _encode_unsigned(x, number_format, span)
        return _encode_integer(x, number_format, axis, span)
    if number_format.exponent_bits < 8:
        return _encode_in_range(x, number_format, span)
    if number_format.rounding == "stochastic":
        rounded = _up_by_chance(x, number_format.fraction_bits, torch.rand_like(x))
        # The word of a NaN may not be one's any more; a maximum passes NaN on.
        size = torch.maximum(rounded.abs_(), x.abs().mul_(0.5))
        return Encoded(torch.copysign(size, x), None)
    return Encoded(x, None)


def _encode_integer(
    x: Tensor, number_format: IntFormat, axis: int | None, span: Span | None
) -> Encoded:
    size = _largest(x, axis if number_format.scale == "channel" else None)
    if span is not None:
        x = x.clamp(-span.largest, span.largest)
        size = torch.where(size.isfinite(), span.largest, size)
    scale = (size / number_format.largest).clamp_min(_TINY)
    # In place, for speed. No clamp: |x / scale| is 127 (1 + 2^-23) at most.
    codes = (x / scale).nan_to_num_(nan=0.0).round_().to(torch.int8)
    return Encoded(codes, torch.where(size.isfinite(), scale, torch.nan))


def _encode_unsigned(x: Tensor, number_format: IntFormat, span: Span | None) -> Encoded:
    low, high = torch.aminmax(x) if x.numel() else (x.new_zeros(()), x.new_zeros(()))
    finite = low.isfinite() & high.isfinite()
    low, high = low.clamp_max(0.0), high.clamp_min(0.0)
    if span is not None:
        low, high = (torch.full_like(low, end) for end in (min(span[0], 0.0), max(span[1], 0.0)))
    top = number_format.largest
    scale = (high / top - low / top).clamp_min(_TINY)
    zero = (-low / scale).nan_to_num(0.0).round_().clamp_(0, top)
    codes = (x / scale).nan_to_num_(nan=0.0).round_().add_(zero).clamp_(0, top)
    return Encoded(
        codes.sub_(number_format.middle).to(torch.int8),
        torch.where(finite, scale, torch.nan),
        zero.sub(number_format.middle).int(),
    )


def _largest(x: Tensor, axis: int | None) -> Tensor:
    """The largest magnitude, of each slice along `axis` if there is one; 0 if there is none."""
    if x.numel() == 0:
        shape = [size if axis in (d, d - x.ndim) else 1 for d, size in enumerate(x.shape)]
        return x.new_zeros(shape if axis is not None else ())
    if axis is None:
        low, high = torch.aminmax(x)  # one pass, where abs().amax() takes two
    elif x.ndim == 1:
        return x.abs()
    else:
        others = [d for d in range(x.ndim) if d != axis % x.ndim]
        low, high = torch.amin(x, others, keepdim=True), torch.amax(x, others, keepdim=True)
    return torch.maximum(-low, high)


def _encode_in_range(x: Tensor, number_format: FloatFormat, span: Span | None) -> Encoded:
    if number_format.scale == "none":
        return Encoded(_saturated(_in_range(x, number_format), x, number_format), None)
    size = _largest(x, None)
    if span is not None:
        x = x.clamp(-span.largest, span.largest)
        size = torch.where(size.isfinite(), span.largest, size)
    scale = _power_of_two(size, number_format)
    return Encoded(_in_range(x / scale, number_format), scale)


def check_blocks(x: Tensor, number_format: Format, along: int | None) -> int:
    """The dimension along which blocks of a tensor lie.

    Raises:
        AxdseError: there is none, or they do not fill it.
    """
    if along is None:
        rule = "blocks of scale=block32 lie along the k of a product"
        raise AxdseError(rule, number_format.name, "say which dimension that is")
    depth = x.shape[along]
    if depth % BLOCK:
        rule = f"K of MX operands, in convolutions channels or pixels, is a multiple of {BLOCK}"
        remedy = "give this product of this layer another format by its place"
        raise AxdseError(rule, f"K = {depth} in {number_format.name}", remedy)
    return along % x.ndim


def encode_blocks(x: Tensor, number_format: FloatFormat, along: int) -> Tensor:
    """Numbers of OCP MX, each with the scale of its block; a block with an odd one is NaN.

    Args:
        x: FP32, any shape.
        number_format: of the elements.
        along: a dimension that blocks of 32 fill.
    """
    if not x.numel():
        return x
    blocks = x.unflatten(along, (x.shape[along] // BLOCK, BLOCK))  # type: ignore[no-untyped-call]
    size = blocks.abs().amax(along + 1, keepdim=True)
    e, m = number_format.exponent_bits, number_format.fraction_bits
    highest = MX_LARGEST[e, m]
    top = math.frexp(highest)[1] + 126  # its biased exponent
    # Lower scales have no numbers that FP32 holds as normal ones.
    power = ((size.view(torch.int32) >> 23) - top).clamp_min(-126)
    near = blocks * _two_to(-power)
    exponent = (near.view(torch.int32) >> 23 & 0xFF) - 127
    place = exponent.clamp_min(1 - number_format.bias) - m
    rounded = ((near * _two_to(-place)).round() * _two_to(place)).clamp(-highest, highest)
    found = functional.hardshrink(rounded * _two_to(power), _TINY * (1 - 2.0**-23))
    return torch.where(size.isfinite(), found, torch.nan).flatten(along, along + 1)


def _encode_integer_blocks(x: Tensor, number_format: IntFormat, along: int) -> Tensor:
    """Codes {scale, element}, int16; a block with an odd number has the scale NaN, and zeros."""
    if not x.numel():
        return x.to(torch.int16)
    blocks = x.unflatten(along, (x.shape[along] // BLOCK, BLOCK))  # type: ignore[no-untyped-call]
    blocks = functional.hardshrink(blocks, _TINY * (1 - 2.0**-23))
    size = blocks.abs().amax(along + 1, keepdim=True)
    scale = (size.view(torch.int32) >> 23).clamp_min(1)
    near = (
        blocks
        / (scale.clamp_max(254) << 23).view(torch.float32)
        * 2.0**number_format.fraction_bits
    )
    most = number_format.largest
    element = near.nan_to_num(0.0, 0.0, 0.0).round_().clamp_(-most, most).int()
    element = torch.where(scale == 255, 0, element)
    return (scale << 8 | element & 0xFF).to(torch.int16).flatten(along, along + 1)


def block_values(codes: Tensor, number_format: IntFormat) -> Tensor:
    """The FP32 numbers of codes {scale, element}, int16, NaN where a scale is."""
    scale, element = codes.int() >> 8 & 0xFF, codes.to(torch.int8).float()
    values = element * 2.0**-number_format.fraction_bits * (scale << 23).view(torch.float32)
    return torch.where(scale == 255, torch.nan, values)


def _two_to(power: Tensor) -> Tensor:
    """2^power, for powers of normal numbers, -126..127."""
    return ((power + 127) << 23).view(torch.float32)


def _power_of_two(largest: Tensor, number_format: FloatFormat) -> Tensor:
    """The scale for a tensor of that largest magnitude; any rounding of it stays in range."""
    bits = largest.view(torch.int32)
    rounded_up = bits + ((1 << (23 - number_format.fraction_bits)) - 1)
    exponent = (rounded_up & _INFINITY) - (number_format.bias << 23)
    scale = exponent.clamp_min(_SMALLEST_NORMAL).view(torch.float32)
    return torch.where(largest.isfinite(), scale, torch.nan)


def _in_range(x: Tensor, number_format: FloatFormat) -> Tensor:
    """Round to m bits, and what is then below the smallest normal number to zero."""
    m, smallest = number_format.fraction_bits, 2.0 ** (1 - number_format.bias)
    below = smallest * (1 - 2.0**-24)  # the FP32 before it
    if number_format.rounding != "stochastic":
        return functional.hardshrink(_round_word(x, m, number_format.rounding == "nearest"), below)
    chance = torch.rand_like(x)
    normal = functional.hardshrink(x, below)
    steps = torch.floor((x - normal) / smallest + chance)  # -1, 0 or 1; one of the terms is 0
    return _up_by_chance(normal + steps * smallest, m, chance)


def _round_word(x: Tensor, fraction_bits: int, nearest: bool) -> Tensor:
    # Signs stay: a word is sign and magnitude, and no carry of a number reaches the sign.
    drop = 23 - fraction_bits
    bits = x.view(torch.int32)
    if nearest and drop:
        bits = ((bits >> drop) & 1).add_(bits).add_((1 << (drop - 1)) - 1)
    return (bits & -(1 << drop)).view(torch.float32)


def _up_by_chance(x: Tensor, fraction_bits: int, chance: Tensor) -> Tensor:
    """Truncate after adding a part of the last place, uniform in [0, 1)."""
    drop = 23 - fraction_bits
    added = (chance * (1 << drop)).int()  # exact and uniform: chance is a multiple of 2^-24
    return (added.add_(x.view(torch.int32)) & -(1 << drop)).view(torch.float32)


def _saturated(rounded: Tensor, x: Tensor, number_format: FloatFormat) -> Tensor:
    """What is beyond the largest number, as IEEE 754 has it; infinities and NaN stay."""
    largest = (2 - 2.0**-number_format.fraction_bits) * 2.0**number_format.bias
    beyond = largest if number_format.rounding == "truncate" else torch.inf
    rounded = torch.where(
        rounded.abs() > largest, torch.copysign(rounded.new_tensor(beyond), x), rounded
    )
    return torch.where(x.isfinite(), rounded, x)


def round_float(x: Tensor, number_format: FloatFormat) -> Tensor:
    """Round to float(8, m), kept as FP32, as the operators do.

    Rounding is truncation or nearest-even as the format says; stochastic rounding is done by
    `encode` and truncated here, which changes nothing in what is rounded. Nor does the range of
    e < 8 matter here. Nearest may reach infinity, as in IEEE 754. Subnormals of FP32 become zero
    of their sign, NaN the quiet NaN.

    Args:
        x: FP32, any shape.
        number_format: any e, only m and rounding count.

    Returns:
        FP32 of the same shape.
    """
    bits = x.contiguous().view(torch.int32)
    sign, size = bits & _SIGN, bits & _SIZE
    drop = 23 - number_format.fraction_bits
    rounded = size
    if number_format.rounding == "nearest" and drop:
        rounded = size + ((1 << (drop - 1)) - 1 + ((size >> drop) & 1))
    rounded = rounded & -(1 << drop)
    rounded = torch.where(size < _SMALLEST_NORMAL, 0, rounded)
    rounded = torch.where(size > _INFINITY, _QUIET_NAN, rounded)
    return (sign | rounded).view(torch.float32)


def float_codes(x: Tensor, number_format: FloatFormat) -> Tensor:
    """Round FP32 to float(8, m) and return its codes, int64 of 9 + m bits."""
    bits = round_float(x, number_format).view(torch.int32).long() & 0xFFFF_FFFF
    return bits >> (23 - number_format.fraction_bits)


def float_values(codes: Tensor, fraction_bits: int) -> Tensor:
    """Return the FP32 values of float(8, fraction_bits) codes (int64), fraction_bits <= 23."""
    bits = codes << (23 - fraction_bits)
    return torch.where(bits > _SIZE, bits - (1 << 32), bits).int().view(torch.float32)


def add_rounded(total: Tensor, product: Tensor, number_format: FloatFormat) -> Tensor:
    """Add a product to a running sum as the accumulator of a format does.

    The sum is an FP32 addition, rounded again, nearest-even, for sum=bf16 and sum=fp16, with the
    subnormals and infinities of these; it is kept as FP32.

    Args:
        total: FP32, numbers of the accumulator.
        product: FP32, broadcasts with `total`.
        number_format: its `sum`.
    """
    result = total + product
    if number_format.sum == "fp32":
        return result
    return result.to(_SUMS[number_format.sum]).float()
