"""Does a realisation give the sums that it must? In float64."""

from dataclasses import dataclass

import torch
from torch import Tensor

from axdse.gpu.multiplication.handles import Form
from axdse.gpu.multiplication.inlined import Inlined
from axdse.gpu.operands.encode import round_float
from axdse.gpu.reference import float_products, int_products, model_products
from axdse.multipliers.formats import IntFormat

ROUNDOFF = 2.0**-24
_AT_ONCE = 1 << 20  # products; a C model takes more, since each run of it starts a process
_MODELLED_AT_ONCE = 1 << 22


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums of exact products.

    Attributes:
        exact: float64.
        magnitude: sums of the absolute products, float64, same shape.
        depth: products in each sum.
        is_int: sums are exact modulo 2^32.
    """

    exact: Tensor
    magnitude: Tensor
    depth: int
    is_int: bool

    def at(self, index: tuple[slice, ...]) -> "Sums":
        """Some of the sums."""
        return Sums(self.exact[index], self.magnitude[index], self.depth, self.is_int)

    def fault(self, result: Tensor) -> str:
        """Say what is wrong with a result; empty if it is right.

        Sums of K products in FP32 lie within gamma_K * sum|p| of the exact ones (N. J. Higham:
        Accuracy and Stability of Numerical Algorithms, 2002, (3.5)), integer ones are equal.
        """
        wanted = torch.int32 if self.is_int else torch.float32
        if result.dtype != wanted or result.shape != self.exact.shape:
            shape = tuple(result.shape)
            return f"{result.dtype} of {shape}, not {wanted} of {tuple(self.exact.shape)}"
        gamma = 0.0 if self.is_int else self.depth * ROUNDOFF / (1 - self.depth * ROUNDOFF)
        found = result.cpu().double()
        near = self.exact.isfinite() & ((found - self.exact).abs() <= gamma * self.magnitude)
        right = near | (found == self.exact) | (found.isnan() & self.exact.isnan())
        count = int((~right).sum())
        return f"{count} of {right.numel()} sums are out of bounds" if count else ""


def exact_sums(a: Tensor, b: Tensor, multiplication: Form, swap: bool) -> Sums:
    """Sum T(a, b), or T(b, a) with `swap`, as `axdse::gemm` does, in float64.

    Args:
        a: [G, M, K], as the operator takes it.
        b: [G, K, N].
        multiplication: a table, or an inlined model.
        swap: exchange the operands.
    """
    is_int = isinstance(multiplication.format, IntFormat)
    if not isinstance(multiplication.format, IntFormat):
        a, b = (round_float(x, multiplication.format) for x in (a, b))
    size = (a.shape[0], a.shape[1], b.shape[2])
    exact, magnitude = (torch.zeros(size, dtype=torch.float64) for _ in range(2))
    at_once = _MODELLED_AT_ONCE if isinstance(multiplication, Inlined) else _AT_ONCE
    step = max(1, at_once // max(1, exact.numel()))
    for first in range(0, a.shape[2], step):
        left, right = a[:, :, first : first + step, None], b[:, None, first : first + step]
        pair = (right, left) if swap else (left, right)
        products = _products(*pair, multiplication).double()
        exact += products.sum(2)
        magnitude += products.abs_().sum(2)
    return Sums(exact, magnitude, a.shape[2], is_int)


def _products(a: Tensor, b: Tensor, multiplication: Form) -> Tensor:
    if isinstance(multiplication, Inlined):
        return model_products(a, b, multiplication)
    table = torch.from_numpy(multiplication.entries.astype("int32"))
    if isinstance(multiplication.format, IntFormat):
        return int_products(a, b, table)
    return float_products(a, b, table, multiplication.format)
