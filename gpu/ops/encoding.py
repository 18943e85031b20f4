"""How does a tensor become operands, as fast as a device can? By `axdse::encode`, or torch alone.

    axdse::encode(x, exponent_bits, fraction_bits, nearest, scaled, largest)
        FP32 of any shape to codes in float(e < 8, m), and their scale: two passes over x on a CPU
        where a dozen pointwise operators take as many; elsewhere these

Stochastic rounding, integers, float(8, m) and OCP MX go through `axdse.gpu.operands.encode` as
they are.
"""

import torch
from torch import Tensor

from axdse.gpu.cpu.encode import encode_cpu
from axdse.gpu.operands import encode as plain
from axdse.gpu.operands.encode import Encoded
from axdse.multipliers.formats import FloatFormat, Format

_SETTINGS = "int exponent_bits, int fraction_bits, bool nearest, bool scaled, float? largest"


def encode(
    x: Tensor,
    number_format: Format,
    axis: int | None = None,
    largest: float | None = None,
    along: int | None = None,
) -> Encoded:
    """Make operands of a tensor, exactly as `axdse.gpu.operands.encode.encode` does."""
    if (
        not isinstance(number_format, FloatFormat)
        or number_format.exponent_bits == 8
        or number_format.rounding == "stochastic"
        or number_format.is_mx
        or not x.numel()
    ):
        return plain.encode(x, number_format, axis, largest, along)
    widths = number_format.exponent_bits, number_format.fraction_bits
    is_nearest, is_scaled = number_format.rounding == "nearest", number_format.scale != "none"
    codes, scale = torch.ops.axdse.encode(
        x, *widths, is_nearest, is_scaled, largest if is_scaled else None
    )
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
    encoded = plain.encode(x, number_format, largest=largest)
    return encoded.codes, x.new_ones(()) if encoded.scale is None else encoded.scale


def _traced(x: Tensor, *settings: object) -> tuple[Tensor, Tensor]:
    return torch.empty_like(x), x.new_empty(())


torch.library.define("axdse::encode", f"(Tensor x, {_SETTINGS}) -> (Tensor, Tensor)")
torch.library.register_fake("axdse::encode", _traced)
torch.library.impl("axdse::encode", "CompositeExplicitAutograd", _by_torch)
torch.library.impl("axdse::encode", "CPU", encode_cpu)
