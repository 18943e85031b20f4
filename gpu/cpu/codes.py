"""How do tensors become the codes of the C kernels, in the order that those want?"""

import ctypes
import functools
import os

import torch
from torch import Tensor

from axdse.gpu.cpu.compile import load_kernel
from axdse.gpu.cpu.kernels import Engine
from axdse.gpu.operands.convolution import Convolution, Pair


class _Shape(ctypes.Structure):
    """`struct shape` of rounding.c."""

    _fields_ = (
        *((name, ctypes.c_int64 * 4) for name in ("size", "source", "target")),
        ("residue", ctypes.c_int64),
        *((name, ctypes.c_int32) for name in ("first", "split")),
        *((name, ctypes.c_int32) for name in ("fraction_bits", "nearest", "threads")),
    )


def codes_of(
    x: Tensor,
    engine: Engine,
    before: Pair = (0, 0),
    size: Pair | None = None,
    border: int = 0,
    channels_last: bool = False,
) -> Tensor:
    """Round [B, C, H, W] of any strides to codes with a border.

    Args:
        x: FP32, or int8; int16 are codes already, which are copied, without a border.
        engine: says how to round.
        before: rows and columns of border above and left.
        size: height and width with the border; None for no border.
        border: the code in it.
        channels_last: lay out [B, H, W, C].

    Returns:
        int32 for an inlined model, else int16; contiguous, [B, C, *size] or [B, *size, C].
    """
    if x.dtype == torch.int16:
        return x.contiguous()
    batch, channels, high, wide = x.shape
    rows, columns = size or (high, wide)
    shape = (batch, rows, columns, channels) if channels_last else (batch, channels, rows, columns)
    whole = (rows, columns) == (high, wide)
    dtype = _dtype(engine)
    if whole and not channels_last:
        codes = torch.empty(shape, dtype=dtype)
        if x.numel():
            _round(x, codes, engine)
        return codes
    codes = torch.empty(shape, dtype=dtype) if whole else torch.full(shape, border, dtype=dtype)
    inside = codes.permute(0, 3, 1, 2) if channels_last else codes
    inside = inside[:, :, before[0] : before[0] + high, before[1] : before[1] + wide]
    if x.numel():
        _round(x, inside, engine)
    return codes


def phases_of(x: Tensor, engine: Engine, shape: Convolution) -> Tensor:
    """Round [B, C, H, W] to codes [B, C, Sh, Sw, Qh, Qw] of the padded image, split by stride."""
    (down, right), (above, left) = shape.window.stride, shape.window.padding
    if (down, right) == (1, 1):
        return codes_of(x, engine, shape.window.padding, shape.phase)
    codes = torch.zeros((*x.shape[:2], down, right, *shape.phase), dtype=_dtype(engine))
    for residue in range(down):
        index = max(0, -((residue - above) // down))
        part = x[:, :, residue + index * down - above :: down]
        if not part.numel():
            continue
        if right == 1:  # in any order of the dimensions, which a split has to keep
            _round(part, codes[:, :, residue, 0, index:, left : left + x.shape[3]], engine)
        else:
            _round(part, codes[:, :, residue, 0, index:], engine, left, right, codes.stride(3))
    return codes


def _dtype(engine: Engine) -> torch.dtype:
    return torch.int32 if engine.is_inlined else torch.int16


def _round(
    x: Tensor, codes: Tensor, engine: Engine, first: int = 0, split: int = 1, residue: int = 0
) -> None:
    """Write the codes of x, [B, C, H, W]; `first`, `split` and `residue` as in rounding.c."""
    task = _shape(
        tuple(x.shape),
        x.stride(),
        codes.stride(),
        (residue, first, split),
        (engine.fraction_bits, engine.nearest, threads()),
    )
    library = load_kernel("rounding_words.c" if engine.is_inlined else "rounding.c")
    function = library.round_tensor if engine.is_float else library.widen_tensor
    function(ctypes.c_void_p(codes.data_ptr()), ctypes.c_void_p(x.data_ptr()), ctypes.byref(task))


@functools.lru_cache(maxsize=1024)
def _shape(
    size: tuple[int, ...],
    source: tuple[int, ...],
    target: tuple[int, ...],
    split: tuple[int, int, int],
    settings: tuple[int, int, int],
) -> _Shape:
    """Order the dimensions as rounding.c wants them; strides of a size of 1 have no meaning."""
    order = [0, 1, 2, 3]
    if split[2] == 1:
        order.sort(key=lambda i: -source[i] if size[i] > 1 else -(1 << 62))
        if target[order[3]] != 1:
            order[:3] = sorted(order[:3], key=lambda i: -target[i] if size[i] > 1 else -(1 << 62))
    sizes, sources, targets = (tuple(x[i] for i in order) for x in (size, source, target))
    return _Shape(sizes, sources, targets, *split, *settings)


_IN_FORK = False


def threads() -> int:
    """How many threads a kernel may use: torch's, but one in a forked process."""
    # OpenMP's threads do not survive a fork, and a child that asks for them waits for ever.
    return 1 if _IN_FORK else torch.get_num_threads()


def _enter_fork() -> None:
    global _IN_FORK
    _IN_FORK = True
    torch.set_num_threads(1)  # torch's own operators would wait likewise


os.register_at_fork(after_in_child=_enter_fork)
