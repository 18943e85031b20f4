"""Stage 6, ops: `axdse::lut_gemm`, one operator for every device, and the call that uses it.

    axdse::lut_gemm(Tensor a, Tensor b, Tensor table, str format, bool swap) -> Tensor

c[i, n] = sum over k of T(a[i, k], b[k, n]), or of T(b[k, n], a[i, k]) with swap. a is [M, K], b
[K, N], c [M, N]; `format` is the name of an `axdse.multipliers.formats` format and `table` the
entries of a `Lut` in it. Float formats take FP32, round it to the format, and give FP32; int8
takes int8 codes and gives int32 sums modulo 2^32, so they are exact up to K = 65,536. Products
are bit-equal on all devices. FP32 sums start at +0, their order is free but fixed for a given
shape, device and number of threads.
"""

import functools

import torch
from torch import Tensor

from axdse.gpu.ops_cpu import lut_gemm_cpu
from axdse.gpu.ops_reference import lut_gemm_reference
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import IntFormat, check_exponent_of_fp32, parse_format
from axdse.multipliers.lut import Lut

torch.library.define(
    "axdse::lut_gemm", "(Tensor a, Tensor b, Tensor table, str format, bool swap) -> Tensor"
)
torch.library.impl("axdse::lut_gemm", "CompositeExplicitAutograd", lut_gemm_reference)
torch.library.impl("axdse::lut_gemm", "CPU", lut_gemm_cpu)


def _lut_gemm_fake(a: Tensor, b: Tensor, table: Tensor, format: str, swap: bool) -> Tensor:  # noqa: A002
    is_int = isinstance(parse_format(format), IntFormat)
    return a.new_empty((a.shape[0], b.shape[1]), dtype=torch.int32 if is_int else torch.float32)


torch.library.register_fake("axdse::lut_gemm", _lut_gemm_fake)


def lut_gemm(a: Tensor, b: Tensor, lut: Lut, swap: bool = False) -> Tensor:
    """Multiply matrices with `lut` in place of every product; see the module's docstring.

    Raises:
        AxdseError: shapes, dtypes or devices do not fit, or a float format has not e = 8.
    """
    _check(a, b, lut)
    result: Tensor = torch.ops.axdse.lut_gemm(a, b, _table(lut, a.device), lut.format.name, swap)
    return result


@functools.lru_cache(maxsize=64)
def _table(lut: Lut, device: torch.device) -> Tensor:
    return torch.from_numpy(lut.entries.copy()).to(device)


def _check(a: Tensor, b: Tensor, lut: Lut) -> None:
    check_exponent_of_fp32(lut.format)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        shapes = f"{tuple(a.shape)} and {tuple(b.shape)}"
        raise AxdseError("operands are [M, K] and [K, N]", shapes, "reshape or transpose them")
    wanted = torch.int8 if isinstance(lut.format, IntFormat) else torch.float32
    if a.dtype != wanted or b.dtype != wanted:
        rule = f"{lut.format.name} multiplies {wanted} tensors"
        raise AxdseError(rule, f"{a.dtype} and {b.dtype}", f"convert both to {wanted}")
    if a.device != b.device:
        raise AxdseError("operands are on one device", f"{a.device} and {b.device}", "move one")
