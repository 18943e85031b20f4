"""What must come out of every operator? The obvious oracle, in plain torch on any device.

It states what a kernel must compute: look up (or run the C model), assemble the product, add in
the order of k. Convolutions are matrix products over an unfolded tensor. There, k runs over
(channel, row, column) of the kernel for the outputs, (output, row, column) of the kernel for the
gradient of the image, and (image, row, column) of the outputs for that of the weights.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from axdse.gpu.multiplication.handles import Form, resolve
from axdse.gpu.multiplication.inlined import Inlined
from axdse.gpu.operands.convolution import Convolution, unfold
from axdse.gpu.operands.encode import add_rounded, float_codes, float_values, round_float
from axdse.gpu.operands.shapes import Operation
from axdse.multipliers.designs.candidate import Candidate
from axdse.multipliers.formats import FloatFormat, Format, IntFormat
from axdse.multipliers.model.unit_oracle import unit_products

BLOCK_PRODUCTS = 1 << 20


def gemm_reference(a: Tensor, b: Tensor, multiplication: str, swap: bool) -> Tensor:
    """c[g, i, n] = sum over k of T(a[g, i, k], b[g, k, n]), added to +0 in the order of k."""
    return _sums(a, b, multiplication, swap, None)


def conv2d_reference(
    image: Tensor,
    weight: Tensor,
    multiplication: str,
    swap: bool,
    shape: Convolution,
) -> Tensor:
    """Weight times unfolded image; operands that pad it are zeros like others."""
    groups = shape.groups
    columns = unfold(image, shape.kernel, shape.window)
    rows = weight.reshape(groups, shape.outputs, columns.shape[1])
    result = gemm_reference(rows, columns, multiplication, not swap)
    result = result.reshape(weight.shape[0], image.shape[0], *shape.output)
    return result.transpose(0, 1).contiguous()


def conv2d_input_gradient_reference(
    grad: Tensor,
    weight: Tensor,
    multiplication: str,
    swap: bool,
    shape: Convolution,
) -> Tensor:
    """Weight times what each pixel sees of the gradient through each tap, if it sees any."""
    groups, (high, wide), size = shape.groups, shape.kernel, shape.image
    (row, row_exists), (column, column_exists) = (_seen(shape, axis) for axis in (0, 1))
    seen = grad[:, :, row[:, None, :, None], column[:, None]].permute(1, 2, 3, 0, 4, 5)
    exists = (row_exists[:, None, :, None] & column_exists[:, None])[None, :, :, None]
    depth = shape.outputs * high * wide
    rows = weight.reshape(groups, shape.outputs, shape.inputs, high, wide).transpose(1, 2)
    pixels = shape.batch * size[0] * size[1]
    result = _sums(
        rows.reshape(groups, shape.inputs, depth),
        seen.reshape(groups, depth, pixels),
        multiplication,
        not swap,
        exists.expand(seen.shape).reshape(groups, depth, pixels),
    )
    result = result.reshape(groups * shape.inputs, shape.batch, *size)
    return result.transpose(0, 1).contiguous()


def conv2d_weight_gradient_reference(
    grad: Tensor,
    image: Tensor,
    multiplication: str,
    swap: bool,
    shape: Convolution,
) -> Tensor:
    """Gradient times unfolded image, transposed."""
    columns = unfold(image, shape.kernel, shape.window)
    rows = grad.transpose(0, 1).reshape(shape.groups, shape.outputs, columns.shape[2])
    result = gemm_reference(rows, columns.mT, multiplication, swap)
    return result.reshape(shape.weight_size)


def _seen(shape: Convolution, axis: int) -> tuple[Tensor, Tensor]:
    """Which output each pixel meets by each tap of an axis, [taps, pixels], and whether any."""
    stride, padding, dilation = (pair[axis] for pair in shape.window[:3])
    taps = torch.arange(shape.kernel[axis])[:, None]
    place = torch.arange(shape.image[axis]) + padding - dilation * taps
    exists = (place >= 0) & (place % stride == 0) & (place < shape.output[axis] * stride)
    return torch.where(exists, place // stride, 0), exists


def _sums(a: Tensor, b: Tensor, multiplication: str, swap: bool, exists: Tensor | None) -> Tensor:
    """`gemm_reference` of those products whose element of b `exists`; None: of all."""
    known = resolve(multiplication)
    multiply = _multiply(known.form, a.device)
    (count, rows, depth), columns = a.shape, b.shape[2]
    dtype = torch.int32 if isinstance(known.format, IntFormat) else torch.float32
    result = torch.zeros(count, rows, columns, dtype=dtype, device=a.device)
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
    """Return T(a, b), int32; int8 codes are indexed by their two's complement byte."""
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
