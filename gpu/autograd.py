"""Stage 7, layers: matrix products whose forward and both gradients are approximate.

int8 products quantise both operands symmetrically, per tensor, at every call; the rounding is
passed straight through in the gradients (Bengio et al., arXiv:1308.3432), as that of the float
formats is.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from axdse.gpu.assignment import LayerProducts, Product
from axdse.gpu.ops import lut_gemm
from axdse.gpu.quantise import quantise_int8
from axdse.gpu.recording import SILENT, LayerProbes, Probe
from axdse.multipliers.formats import IntFormat


def matmul(
    a: Tensor, b: Tensor, product: Product, b_first: bool = False, probe: Probe | None = None
) -> Tensor:
    """Multiply FP32 matrices [M, K] and [K, N] with the table of a product; no gradient.

    Args:
        a: left matrix.
        b: right matrix.
        product: the table, or None in it for native FP32, and whether to swap operands.
        b_first: the elements of `b` are the first operands of the multiplier.
        probe: is told of the operands, unless they are native.

    Raises:
        AxdseError: as `lut_gemm`.
    """
    if product.lut is None:
        return a @ b
    swap = product.swap != b_first
    if not isinstance(product.lut.format, IntFormat):
        if probe:
            probe(a, b, product.lut, swap)
        return lut_gemm(a, b, product.lut, swap)
    (a_codes, a_scale), (b_codes, b_scale) = quantise_int8(a), quantise_int8(b)
    if probe:
        probe(a_codes, b_codes, product.lut, swap)
    return lut_gemm(a_codes, b_codes, product.lut, swap).float().mul_(a_scale).mul_(b_scale)


class _RowsTimesWeight(torch.autograd.Function):
    """y[M, O] = x[M, I] w[O, I]^T, as in a linear layer."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, products: LayerProducts, probes: LayerProbes
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.products, ctx.probes = products, probes
        return matmul(x, weight.t(), products.forward, probe=probes.forward)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, weight = ctx.saved_tensors
        products, probes = ctx.products, ctx.probes
        x_grad = weight_grad = None
        if ctx.needs_input_grad[0]:
            x_grad = matmul(grad, weight, products.input_gradient, probe=probes.input_gradient)
        if ctx.needs_input_grad[1]:
            weight_grad = matmul(
                grad.t(), x, products.weight_gradient, probe=probes.weight_gradient
            )
        return x_grad, weight_grad, None, None


class _WeightTimesColumns(torch.autograd.Function):
    """y[O, N] = w[O, I] x[I, N], as in a convolution over unfolded images."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, products: LayerProducts, probes: LayerProbes
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.products, ctx.probes = products, probes
        return matmul(weight, x, products.forward, b_first=True, probe=probes.forward)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, weight = ctx.saved_tensors
        products, probes = ctx.products, ctx.probes
        x_grad = weight_grad = None
        if ctx.needs_input_grad[0]:
            x_grad = matmul(
                weight.t(),
                grad,
                products.input_gradient,
                b_first=True,
                probe=probes.input_gradient,
            )
        if ctx.needs_input_grad[1]:
            weight_grad = matmul(
                grad, x.t(), products.weight_gradient, probe=probes.weight_gradient
            )
        return x_grad, weight_grad, None, None


def rows_times_weight(
    x: Tensor, weight: Tensor, products: LayerProducts, probes: LayerProbes = SILENT
) -> Tensor:
    """Return x [M, I] times weight [O, I] transposed, [M, O], differentiable in both."""
    product: Tensor = _RowsTimesWeight.apply(x, weight, products, probes)  # type: ignore[no-untyped-call]
    return product


def weight_times_columns(
    x: Tensor, weight: Tensor, products: LayerProducts, probes: LayerProbes = SILENT
) -> Tensor:
    """Return weight [O, I] times x [I, N], [O, N], differentiable in both."""
    product: Tensor = _WeightTimesColumns.apply(x, weight, products, probes)  # type: ignore[no-untyped-call]
    return product
