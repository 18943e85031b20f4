"""Stage 6, ops: the obvious oracle of `axdse::lut_gemm`, in plain torch on any device.

It states what a kernel must compute: look up, assemble the product, add in the order of k.
"""

import torch
from torch import Tensor

from axdse.gpu.quantise import round_float
from axdse.multipliers.formats import FloatFormat, IntFormat, parse_format


def lut_gemm_reference(a: Tensor, b: Tensor, table: Tensor, format: str, swap: bool) -> Tensor:  # noqa: A002
    """Return c[i, n] = sum over k of T(a[i, k], b[k, n]), added to +0 in the order of k.

    Operands, table and result as in `axdse.gpu.ops`.
    """
    number_format = parse_format(format)
    table = table.int()
    if isinstance(number_format, IntFormat):
        result = torch.zeros(a.shape[0], b.shape[1], dtype=torch.int32, device=a.device)
    else:
        result = torch.zeros(a.shape[0], b.shape[1], device=a.device)
        a, b = round_float(a, number_format), round_float(b, number_format)
    for k in range(a.shape[1]):
        column, row = a[:, k, None], b[None, k, :]
        first, second = (row, column) if swap else (column, row)
        if isinstance(number_format, IntFormat):
            result += int_products(first, second, table)
        else:
            result += float_products(first, second, table, number_format)
    return result


def int_products(a: Tensor, b: Tensor, table: Tensor) -> Tensor:
    """Return T(a, b), int32; int8 codes are indexed by their two's complement byte."""
    return table[a.int() & 0xFF, b.int() & 0xFF]


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
