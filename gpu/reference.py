"""What must come out of every operator? The obvious oracle, in plain torch on any device.

It states what a kernel must compute: look up (or run the C model), assemble the product, add in
the order of k. Convolutions are matrix products over an unfolded tensor. There, k runs over
(channel, row, column) of the kernel for the outputs, (output, row, column) of the kernel for the
gradient of the image, and (image, row, column) of the outputs for that of the weights. The steps
of a sum with a recipe are consecutive k; in the gradient of the image k then has only the taps
that meet the pixel's residue of the stride. `seed` is of sums that are rounded by chance, whose
generators begin by the place of an output in the result; None of others.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from axdse.gpu.multiplication.handles import Form, Multiplication, resolve
from axdse.gpu.multiplication.inlined import Inlined
from axdse.gpu.operands.convolution import Convolution, unfold
from axdse.gpu.operands.encode import add_rounded, float_codes, float_values, round_float
from axdse.gpu.operands.shapes import Operation
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.formats import FloatFormat, Format, IntFormat
from axdse.multipliers.model.unit_oracle import significand_products, unit_products
from axdse.multipliers.sums.random_bits import first_states
from axdse.multipliers.sums.reference import (
    Terms,
    add_up,
    add_up_integers,
    block_terms,
    format_terms,
)
from axdse.multipliers.tables.lut import Lut

BLOCK_PRODUCTS = 1 << 20


def gemm_reference(
    a: Tensor, b: Tensor, multiplication: str, swap: bool, seed: int | None = None
) -> Tensor:
    """c[g, i, n] = sum over k of T(a[g, i, k], b[g, k, n]), added to +0 in the order of k."""
    states = _states(seed, (a.shape[0], a.shape[1], b.shape[2]))
    return _sums(a, b, multiplication, swap, None, states)


def conv2d_reference(
    image: Tensor,
    weight: Tensor,
    multiplication: str,
    swap: bool,
    shape: Convolution,
    seed: int | None = None,
) -> Tensor:
    """Weight times unfolded image; operands that pad it are zeros like others."""
    groups = shape.groups
    columns = unfold(image, shape.kernel, shape.window)
    rows = weight.reshape(groups, shape.outputs, columns.shape[1])
    states = _states(seed, shape.output_size)
    if states is not None:
        states = states.swapaxes(0, 1).reshape(groups, shape.outputs, columns.shape[2])
    result = _sums(rows, columns, multiplication, not swap, None, states)
    result = result.reshape(weight.shape[0], image.shape[0], *shape.output)
    return result.transpose(0, 1).contiguous()


def conv2d_input_gradient_reference(
    grad: Tensor,
    weight: Tensor,
    multiplication: str,
    swap: bool,
    shape: Convolution,
    seed: int | None = None,
) -> Tensor:
    """Weight times what each pixel sees of the gradient through each tap, if it sees any."""
    result = grad.new_zeros(shape.image_size, dtype=sum_type(resolve(multiplication).format))
    states = _states(seed, shape.image_size)
    for high, wide in _parts(shape, apart=resolve(multiplication).sum is not None):
        result[:, :, high.pixels[:, None], wide.pixels] = _gradient_part(
            grad, weight, multiplication, swap, shape, high, wide, states
        )
    return result


@dataclass(frozen=True)
class _Part:
    """Some pixels of an axis, and the taps that they may meet."""

    pixels: Tensor
    taps: Tensor


def _parts(shape: Convolution, *, apart: bool) -> Iterator[tuple[_Part, _Part]]:
    """All pixels and taps; or those of each residue of the stride, which meet no others."""
    axes = []
    for axis in (0, 1):
        stride, padding, dilation = (pair[axis] for pair in shape.window[:3])
        place = torch.arange(shape.image[axis]) + padding
        reach = torch.arange(shape.kernel[axis]) * dilation
        modulus = stride if apart else 1
        axes.append(
            [
                _Part(*((x % modulus == residue).nonzero()[:, 0] for x in (place, reach)))
                for residue in range(modulus)
            ]
        )
    yield from itertools.product(*axes)


def _gradient_part(
    grad: Tensor,
    weight: Tensor,
    multiplication: str,
    swap: bool,
    shape: Convolution,
    high: _Part,
    wide: _Part,
    states: np.ndarray | None,
) -> Tensor:
    """The gradient of some pixels, [B, C, rows, columns]."""
    groups, size = shape.groups, (len(high.pixels), len(wide.pixels))
    (row, row_exists), (column, column_exists) = (
        tuple(x[part.taps][:, part.pixels] for x in _seen(shape, axis))
        for axis, part in enumerate((high, wide))
    )
    seen = grad[:, :, row[:, None, :, None], column[:, None]].permute(1, 2, 3, 0, 4, 5)
    exists = (row_exists[:, None, :, None] & column_exists[:, None])[None, :, :, None]
    depth = shape.outputs * len(high.taps) * len(wide.taps)
    taps = weight[:, :, high.taps[:, None], wide.taps]
    rows = taps.reshape(groups, shape.outputs, shape.inputs, len(high.taps), len(wide.taps))
    pixels = shape.batch * size[0] * size[1]
    if states is not None:
        states = states[:, :, high.pixels[:, None].numpy(), wide.pixels.numpy()]
        states = states.swapaxes(0, 1).reshape(groups, shape.inputs, pixels)
    result = _sums(
        rows.transpose(1, 2).reshape(groups, shape.inputs, depth),
        seen.reshape(groups, depth, pixels),
        multiplication,
        not swap,
        exists.expand(seen.shape).reshape(groups, depth, pixels),
        states,
    )
    return result.reshape(groups * shape.inputs, shape.batch, *size).transpose(0, 1)


def conv2d_weight_gradient_reference(
    grad: Tensor,
    image: Tensor,
    multiplication: str,
    swap: bool,
    shape: Convolution,
    seed: int | None = None,
) -> Tensor:
    """Gradient times unfolded image, transposed."""
    columns = unfold(image, shape.kernel, shape.window)
    rows = grad.transpose(0, 1).reshape(shape.groups, shape.outputs, columns.shape[2])
    result = gemm_reference(rows, columns.mT, multiplication, swap, seed)
    return result.reshape(shape.weight_size)


def _seen(shape: Convolution, axis: int) -> tuple[Tensor, Tensor]:
    """Which output each pixel meets by each tap of an axis, [taps, pixels], and whether any."""
    stride, padding, dilation = (pair[axis] for pair in shape.window[:3])
    taps = torch.arange(shape.kernel[axis])[:, None]
    place = torch.arange(shape.image[axis]) + padding - dilation * taps
    exists = (place >= 0) & (place % stride == 0) & (place < shape.output[axis] * stride)
    return torch.where(exists, place // stride, 0), exists


def _states(seed: int | None, size: Sequence[int]) -> np.ndarray | None:
    """Those with which the generators of a result begin."""
    if seed is None:
        return None
    return first_states(seed, np.arange(math.prod(size)).reshape(size))


def _sums(
    a: Tensor,
    b: Tensor,
    multiplication: str,
    swap: bool,
    exists: Tensor | None,
    states: np.ndarray | None,
) -> Tensor:
    """`gemm_reference` of those products whose element of b `exists`; None: of all."""
    known = resolve(multiplication)
    if known.sum is not None:
        return _summed(a, b, known, swap, exists, states)
    multiply = _multiply(known.form, a.device)
    (count, rows, depth), columns = a.shape, b.shape[2]
    result = torch.zeros(count, rows, columns, dtype=sum_type(known.format), device=a.device)
    if isinstance(known.format, FloatFormat):
        a, b = round_float(a, known.format), round_float(b, known.format)
    step = max(1, BLOCK_PRODUCTS // max(1, result.numel()))
    for start in range(0, depth, step):
        part = slice(start, start + step)
        left, right = a[:, :, part, None], b[:, None, part]
        products = multiply(right, left) if swap else multiply(left, right)
        if exists is not None:
            products = torch.where(exists[:, None, part].to(a.device), products, 0)
        for product in products.unbind(2):
            result = _add(result, product, known.format)
    return result


def sum_type(number_format: Format) -> torch.dtype:
    """What the products of a format become when they are added."""
    is_int = isinstance(number_format, IntFormat) and not number_format.is_mx
    return torch.int32 if is_int else torch.float32


def _summed(
    a: Tensor,
    b: Tensor,
    known: Multiplication,
    swap: bool,
    exists: Tensor | None,
    states: np.ndarray | None,
) -> Tensor:
    """As `_sums`, of a recipe: `axdse.multipliers.sums.reference` on the terms of each output."""
    (count, rows, depth), columns = a.shape, b.shape[2]
    result = torch.zeros(count, rows, columns, dtype=sum_type(known.format))
    step = max(1, BLOCK_PRODUCTS // max(1, columns * depth))
    for group in range(count):
        right = b[group].T.cpu()[None]
        there = None if exists is None else exists[group].T.cpu()[None].numpy()
        for first in range(0, rows, step):
            part = slice(first, first + step)
            left = a[group, part].cpu()[:, None]
            pair = (right, left) if swap else (left, right)
            begin = None if states is None else states[group, part]
            result[group, part] = torch.from_numpy(_outputs(*pair, known, there, begin))
    return result.to(a.device)


def _outputs(
    a: Tensor,
    b: Tensor,
    known: Multiplication,
    there: np.ndarray | None,
    states: np.ndarray | None,
) -> np.ndarray:
    """The sums over the last axis, with broadcasting over the others."""
    assert known.sum is not None
    form = known.form
    if isinstance(form, Lut) and isinstance(form.format, IntFormat):
        table = torch.from_numpy(form.entries.astype("int32"))
        products = int_products(a, b, table).numpy()
        if known.format.is_mx:
            return add_up(known.sum.of_steps, _block_terms(a, b, products, known))
        products = products if there is None else np.where(there, products, 0)
        return add_up_integers(known.sum, products).astype(np.int32)
    number_format = known.format
    assert isinstance(number_format, FloatFormat)
    codes = (float_codes(x, number_format).numpy() for x in (a, b))
    terms = _terms(form, number_format, *np.broadcast_arrays(*codes))
    if there is not None:
        significand = np.where(there, terms.significand, 0)
        special = np.where(there, terms.special, np.float32(0))
        terms = replace(terms, significand=significand, special=special)
    return add_up(known.sum, terms, states=states)


def _block_terms(a: Tensor, b: Tensor, products: np.ndarray, known: Multiplication) -> Terms:
    """Of operands {scale, element}, int16 that broadcast to their products [..., K]."""
    assert isinstance(known.format, IntFormat)
    assert known.sum
    first, second = (x.numpy().astype(np.int64) >> 8 & 0xFF for x in (a, b))
    return block_terms((first, second), products.astype(np.int64), known.format, known.sum.terms)


def _terms(form: Form, number_format: FloatFormat, a: np.ndarray, b: np.ndarray) -> Terms:
    fractions = (1 << number_format.fraction_bits) - 1
    x, y = a & fractions, b & fractions
    if isinstance(form, Lut):
        entries = form.entries[x, y]
    else:
        core, pair = form.candidate.multiplier, (x.astype(np.uint64), y.astype(np.uint64))
        entries = significand_products(core, number_format, *pair)
    return format_terms(a, b, entries, number_format.in_fp32)


def _add(total: Tensor, product: Tensor, number_format: Format) -> Tensor:
    if isinstance(number_format, FloatFormat):
        return add_rounded(total, product, number_format)
    return total + product


def _multiply(form: Form, device: torch.device) -> Callable[[Tensor, Tensor], Tensor]:
    """Products of operands that are of the format already, with broadcasting."""
    if isinstance(form, Inlined):
        return lambda a, b: model_products(a, b, form)
    table = torch.from_numpy(form.entries.astype("int32")).to(device)
    number_format = form.format
    if isinstance(number_format, IntFormat):
        return lambda a, b: int_products(a, b, table)
    return lambda a, b: float_products(a, b, table, number_format)


def int_products(a: Tensor, b: Tensor, table: Tensor) -> Tensor:
    """Return T(a, b), int32; codes are indexed by their two's complement byte, the lowest."""
    return table[a.int() & 0xFF, b.int() & 0xFF]


def model_products(a: Tensor, b: Tensor, inlined: Inlined) -> Tensor:
    """Return the products that the C model gives, FP32, for operands of the format."""
    number_format = inlined.format
    candidate = Candidate(inlined.candidate.multiplier, number_format.in_fp32)
    size = torch.broadcast_shapes(a.shape, b.shape)  # type: ignore[no-untyped-call]
    codes = (float_codes(x.expand(size), number_format).cpu().numpy() for x in (a, b))
    products = torch.from_numpy(unit_products(candidate, *codes).astype("int64"))
    return float_values(products, number_format.product_fraction_bits).to(a.device)


def float_products(a: Tensor, b: Tensor, table: Tensor, number_format: FloatFormat) -> Tensor:
    """Return T(a, b) in FP32 for operands that are already float(8, m), with broadcasting.

    The exponent is ea + eb - 127 + carry: below 1 the product is zero, above 254 infinity, both
    signed. Subnormal operands are zero; 0 x infinity and NaN give NaN.
    """
    drop, kept = 23 - number_format.fraction_bits, number_format.product_fraction_bits
    a_bits, b_bits = a.view(torch.int32), b.view(torch.int32)
    mask = (1 << number_format.fraction_bits) - 1
    entry = table[(a_bits >> drop) & mask, (b_bits >> drop) & mask]
    carry, fraction = entry >> kept, entry & ((1 << kept) - 1)
    a_exponent, b_exponent = (a_bits >> 23) & 0xFF, (b_bits >> 23) & 0xFF
    exponent = a_exponent + b_exponent - 127 + carry
    size = (exponent << 23) | (fraction << (23 - kept))
    size = torch.where(exponent >= 255, 0x7F80_0000, torch.where(exponent <= 0, 0, size))
    product = (size | ((a_bits ^ b_bits) & -(1 << 31))).view(torch.float32)
    # With a zero, an infinity or a NaN the native product is right, whatever the fractions.
    special = (a_exponent % 255 == 0) | (b_exponent % 255 == 0)
    native = torch.where((a * b).isnan(), torch.nan, a * b)  # the NaN of sign 0
    return torch.where(special, native, product)


OPERATORS: dict[Operation, Callable[..., Tensor]] = {
    "gemm": gemm_reference,
    "conv2d": conv2d_reference,
    "conv2d_input_gradient": conv2d_input_gradient_reference,
    "conv2d_weight_gradient": conv2d_weight_gradient_reference,
}
