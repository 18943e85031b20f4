"""How does a CPU round a tensor into a narrow float format, in one pass and one for its scale?"""

import ctypes

import torch
from torch import Tensor

from axdse.gpu.cpu.codes import threads
from axdse.gpu.cpu.compile import load_kernel

SERIAL = 1 << 15  # elements that are not worth threads


class _Encoding(ctypes.Structure):
    """`struct encoding` of encode.c."""

    _fields_ = (
        ("count", ctypes.c_int64),
        *((name, ctypes.c_int32) for name in ("fraction_bits", "bias", "nearest", "is_scaled")),
        *((name, ctypes.c_int32) for name in ("has_largest", "threads")),
        ("largest", ctypes.c_float),
    )


def encode_cpu(
    x: Tensor,
    exponent_bits: int,
    fraction_bits: int,
    nearest: bool,
    scaled: bool,
    largest: float | None,
) -> tuple[Tensor, Tensor]:
    """Codes of x, FP32 of its shape, and their scale, as `axdse.gpu.operands.encode` has them.

    Args:
        x: FP32, any shape and strides.
        exponent_bits: e of the format, below 8.
        fraction_bits: m.
        nearest: round to nearest even, else truncate.
        scaled: there is a scale; else it is 1, and what is too large saturates.
        largest: as there.

    Raises:
        AxdseError: there is no C compiler.
    """
    codes = torch.empty_like(x)
    if codes.stride() != x.stride():  # it has gaps, or elements that share a place
        x = x.contiguous()
        codes = torch.empty_like(x)
    scale = torch.empty((), dtype=torch.float32)
    how = _Encoding(
        x.numel(),
        *(fraction_bits, (1 << (exponent_bits - 1)) - 1, nearest, scaled, largest is not None),
        threads() if x.numel() > SERIAL else 1,
        largest or 0.0,
    )
    addresses = (ctypes.c_void_p(y.data_ptr()) for y in (codes, scale, x))
    load_kernel("encode.c").encode_tensor(*addresses, ctypes.byref(how))
    return codes, scale
