"""What are the gradients of products by a table, taken from its slopes? In plain torch.

A product T(q, r) of operands a = s (q - z) and b = t (r - w) has the gradient t (dT/dq - w) in a
and s (dT/dr - z) in b; rounding is passed straight through. Slopes depend on both operands, so a
gradient is a sum over all products of a layer, each looked up: no matrix product, and slow.
"""

import functools
import itertools
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from axdse.gpu.multiplication.handles import Call, resolve
from axdse.gpu.operands.convolution import Window, unfold
from axdse.gpu.operands.encode import Encoded, encode
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import IntFormat
from axdse.multipliers.tables.lut import Lut
from axdse.multipliers.tables.slopes import slopes

BLOCK_PRODUCTS = 1 << 19
Wanted = tuple[bool, bool]
Gradients = tuple[Tensor | None, Tensor | None]


def gemm_gradients(
    grad: Tensor, a: Tensor, b: Tensor, call: Call, half_window: int, wanted: Wanted
) -> Gradients:
    """The gradients of a [G, M, K] and b [G, K, N] from that of their product [G, M, N], all FP32.

    Raises:
        AxdseError: the product is not of integers by a table, or is too narrow for the window.
    """
    a_format, b_format = call.formats
    left, right = encode(a, a_format), encode(b, b_format, 2)
    return _gradients(grad, left, right, call, half_window, wanted)


def conv2d_gradients(
    grad: Tensor,
    image: Tensor,
    weight: Tensor,
    window: Window,
    call: Call,
    half_window: int,
    wanted: Wanted,
) -> Gradients:
    """The gradients of image [B, C, H, W] and weight [O, C/G, Kh, Kw] from grad [B, O, H', W'].

    Raises:
        AxdseError: as `gemm_gradients`.
    """
    (down, right), flat = window.padding, window._replace(padding=(0, 0))
    bordered, groups = F.pad(image, (right, right, down, down)), window.groups
    image_format, weight_format = call.formats
    x, w = encode(bordered, image_format), encode(weight, weight_format, 0)
    kernel = weight.shape[2], weight.shape[3]
    pixels = replace(x, codes=unfold(x.codes, kernel, flat).mT)
    taps = replace(w, codes=_rows(w.codes, groups).mT)
    if w.scale is not None and w.scale.ndim:
        taps = replace(taps, scale=_rows(w.scale, groups).mT)
    outputs = _rows(grad.transpose(0, 1), groups).mT
    to_pixels, to_taps = _gradients(outputs, pixels, taps, call, half_window, wanted)
    to_image = None
    if to_pixels is not None:
        columns = to_pixels.mT.reshape(-1, image.shape[0], grad[0, 0].numel()).transpose(0, 1)
        folded = F.fold(columns, bordered.shape[2:], kernel, window.dilation, stride=window.stride)
        to_image = folded[:, :, down : down + image.shape[2], right : right + image.shape[3]]
    return to_image, None if to_taps is None else to_taps.mT.reshape(weight.shape)


def _rows(x: Tensor, groups: int) -> Tensor:
    """[O, ...] to [G, O/G, -1]."""
    return x.reshape(groups, x.shape[0] // groups, -1)


def _gradients(
    grad: Tensor, a: Encoded, b: Encoded, call: Call, half_window: int, wanted: Wanted
) -> Gradients:
    along_a, along_b = (each.to(grad.device) for each in _tables(call, half_window))
    first, second = (
        x.codes.long() + size // 2 for x, size in zip((a, b), along_a.shape, strict=True)
    )
    by_b, by_a = grad * _or_one(b.scale), grad * _or_one(a.scale)
    groups, rows, depth = a.codes.shape
    to_a = grad.new_zeros(groups, rows, depth) if wanted[0] else None
    to_b = grad.new_zeros(groups, depth, grad.shape[2]) if wanted[1] else None
    step = max(1, BLOCK_PRODUCTS // max(1, depth * grad.shape[2]))
    for group, start in itertools.product(range(groups), range(0, rows, step)):
        part = group, slice(start, start + step)
        pairs = first[part][:, :, None] * along_a.shape[1] + second[group]
        if to_a is not None:
            to_a[part] = (along_a.take(pairs) @ by_b[part][:, :, None])[:, :, 0]
        if to_b is not None:
            to_b[group] += (along_b.take(pairs) * by_a[part][:, None]).sum(0)
    if to_a is not None and b.zero is not None:
        to_a -= b.zero * by_b.sum(2, keepdim=True)
    if to_b is not None and a.zero is not None:
        to_b -= a.zero * by_a.sum(1, keepdim=True)
    return to_a, to_b


def _or_one(scale: Tensor | None) -> Tensor | float:
    return 1.0 if scale is None else scale


@functools.lru_cache(maxsize=16)
def _tables(call: Call, half_window: int) -> tuple[Tensor, Tensor]:
    """FP32, by codes of the operator's first and second tensor as it takes them, the lowest first.

    A zero point is that of these, and the slopes are of what operators look up: T with the product
    of codes moved along, as `axdse.multipliers.tables.lut.by_bytes` has it.
    """
    known = resolve(call.handle)
    form = known.format
    if not (isinstance(form, IntFormat) and isinstance(known.table, Lut)) or known.sum:
        rule = "slopes are those of tables of integers, summed in int32"
        raise AxdseError(rule, form.name, "choose a format such as int8 or uint8")
    halves = [1 << (each.bits - 1) for each in form.operands]
    codes = [np.arange(-half, half) & 0xFF for half in halves]
    products = known.table.entries[np.ix_(*codes)]
    along_a, along_b = slopes(products.T if call.swap else products, half_window)
    return torch.from_numpy(along_a).float(), torch.from_numpy(along_b).float()
