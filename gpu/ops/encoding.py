"""How does a tensor become operands, as fast as a device can? By `axdse::encode`, or torch alone.

    axdse::encode(x, exponent_bits, fraction_bits, nearest, scaled, largest)
        FP32 of any shape to codes in float(e < 8, m), and their scale: two passes over x on a CPU
        where a dozen pointwise operators take as many; elsewhere these
    axdse::encode_blocks(x, exponent_bits, fraction_bits, along)
        likewise to elements of OCP MX times the scales of their blocks

Stochastic rounding, integers, in blocks too, and float(8, m) go through
`axdse.gpu.operands.encode` as they are.
"""

import torch
from torch import Tensor

from axdse.gpu.cpu.encode import encode_blocks_cpu, encode_cpu
from axdse.gpu.operands import encode as plain
from axdse.gpu.operands.encode import Encoded
from axdse.multipliers.formats import FloatFormat, Format, Span

_ELEMENT = "int exponent_bits, int fraction_bits"
_SETTINGS = f"{_ELEMENT}, bool nearest, bool scaled, float? largest"


def encode(
    x: Tensor,
    number_format: Format,
    axis: int | None = None,
    span: Span | None = None,
    along: int | None = None,
) -> Encoded:
    """Make operands of a tensor, exactly as `axdse.gpu.operands.encode.encode` does."""
    if isinstance(number_format, FloatFormat) and number_format.is_mx and x.numel():
        along = plain.check_blocks(x, number_format, along)
        element = number_format.exponent_bits, number_format.fraction_bits
        return Encoded(torch.ops.axdse.encode_blocks(x, *element, along), None)
    if (
        not isinstance(number_format, FloatFormat)
        or number_format.exponent_bits == 8
        or number_format.rounding == "stochastic"
        or not x.numel()
    ):
        return plain.encode(x, number_format, axis, span, along)
    widths = number_format.exponent_bits, number_format.fraction_bits
    is_nearest, is_scaled = number_format.rounding == "nearest", number_format.scale != "none"
    largest = span.largest if span and is_scaled else None
    codes, scale = torch.ops.axdse.encode(x, *widths, is_nearest, is_scaled, largest)
    return Encoded(codes, scale if is_scaled else None)


def _by_torch(
    x: Tensor,
    exponent_bits: int,
    fraction_bits: int,
    nearest: bool,
    scaled: bool,
    largest: float | None,
) -> tuple[Tensor, Tensor]:
    number_format = FloatFormat(
        exponent_bits,
        fraction_bits,
        rounding="nearest" if nearest else "truncate",
        scale="tensor" if scaled else "none",
    )
    span = None if largest is None else Span(-largest, largest)
    encoded = plain.encode(x, number_format, span=span)
    return encoded.codes, x.new_ones(()) if encoded.scale is None else encoded.scale


def _blocks_by_torch(x: Tensor, exponent_bits: int, fraction_bits: int, along: int) -> Tensor:
    number_format = FloatFormat(exponent_bits, fraction_bits, scale="block32")
    return plain.encode_blocks(x, number_format, along)


def _traced(x: Tensor, *settings: object) -> tuple[Tensor, Tensor]:
    return torch.empty_like(x), x.new_empty(())


torch.library.define("axdse::encode", f"(Tensor x, {_SETTINGS}) -> (Tensor, Tensor)")
torch.library.register_fake("axdse::encode", _traced)
torch.library.impl("axdse::encode", "CompositeExplicitAutograd", _by_torch)
torch.library.impl("axdse::encode", "CPU", encode_cpu)

torch.library.define("axdse::encode_blocks", f"(Tensor x, {_ELEMENT}, int along) -> Tensor")
torch.library.register_fake("axdse::encode_blocks", lambda x, *_: torch.empty_like(x))
torch.library.impl("axdse::encode_blocks", "CompositeExplicitAutograd", _blocks_by_torch)
torch.library.impl("axdse::encode_blocks", "CPU", encode_blocks_cpu)
