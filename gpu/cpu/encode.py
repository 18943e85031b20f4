"""How does a CPU round a tensor into a narrow float format, in one pass and one for its scale?"""

import ctypes

import torch
from torch import Tensor

from axdse.gpu.cpu.codes import threads
from axdse.gpu.cpu.compile import load_kernel
from axdse.multipliers.formats import MX_LARGEST

SERIAL = 1 << 15  # elements that are not worth threads


class _Blocks(ctypes.Structure):
    """`struct blocks` of encode_blocks.c."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("outer", "depth", "inner")),
        *((name, ctypes.c_int32) for name in ("fraction_bits", "bias", "threads")),
        ("highest", ctypes.c_float),
    )


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


def encode_blocks_cpu(x: Tensor, exponent_bits: int, fraction_bits: int, along: int) -> Tensor:
    """Elements of OCP MX times their scales, FP32, as `axdse.gpu.operands.encode` has them.

    Args:
        x: FP32, any shape and strides.
        exponent_bits: of an element.
        fraction_bits: likewise.
        along: a dimension that blocks of 32 fill.

    Raises:
        AxdseError: there is no C compiler.
    """
    if x.ndim > 1 and not x.is_contiguous() and x.mT.is_contiguous():
        turned = {x.ndim - 1: x.ndim - 2, x.ndim - 2: x.ndim - 1}.get(along, along)
        return encode_blocks_cpu(x.mT, exponent_bits, fraction_bits, turned).mT
    x = x.contiguous()
    codes = torch.empty_like(x)
    how = _Blocks(
        x.shape[:along].numel(),
        x.shape[along],
        x.shape[along + 1 :].numel(),
        fraction_bits,
        (1 << (exponent_bits - 1)) - 1,
        threads() if x.numel() > SERIAL else 1,
        MX_LARGEST[exponent_bits, fraction_bits],
    )
    addresses = (ctypes.c_void_p(y.data_ptr()) for y in (codes, x))
    load_kernel("encode_blocks.c").encode_blocks(*addresses, ctypes.byref(how))
    return codes
