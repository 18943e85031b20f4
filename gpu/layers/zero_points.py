"""What do zero points add to a sum of products of codes?

A sum of (a - z)(b - w) is that of a b, less w times the sum of the a, less z times that of the b,
plus z w for each pair (Jacob et al., CVPR 2018, section 2.3). A core makes the first; these are
the others, exact in integers. Where the pairs of an output are those of a convolution, its sums
of codes are convolutions in FP64, exact below 2^53, of codes added up over channels before: torch
has none of integers.
"""

import torch
from torch import Tensor

from axdse.gpu.operands.convolution import Pair, Window, native_gradient
from axdse.gpu.operands.encode import Encoded


def gemm_terms(a: Encoded, b: Encoded) -> Tensor:
    """What [G, M, K] times [G, K, N] lacks: int64, broadcasts to [G, M, N]."""
    rows, columns = a.codes.sum(2, keepdim=True), b.codes.sum(1, keepdim=True)
    return _terms(a, b, rows, columns, a.codes.shape[2])


def conv2d_terms(image: Encoded, weight: Encoded, window: Window) -> Tensor:
    """What a convolution of an image with its border lacks: int64, [B, O, H', W']."""
    (outputs, *one), groups = weight.codes.shape, window.groups
    pixels = _by_group(image.codes, groups)
    taps = pixels.new_ones(groups, 1, *one[1:])
    seen = torch.conv2d(pixels, taps, None, *window).repeat_interleave(outputs // groups, 1)
    weights = weight.codes.sum((1, 2, 3))[:, None, None]
    return _terms(image, weight, seen, weights, weight.codes[0].numel())


def input_gradient_terms(grad: Encoded, weight: Encoded, size: Pair, window: Window) -> Tensor:
    """What the gradient [B, C, *size] of an image lacks, of pairs that exist: int64."""
    (outputs, inputs, *taps), groups = weight.codes.shape, window.groups

    def outward(x: Tensor, w: Tensor) -> Tensor:
        image = x.new_empty(()).expand(x.shape[0], groups * w.shape[1], *size)
        return native_gradient(x, image, w, window, of_image=True)

    grads = _by_group(grad.codes, groups)
    weights = weight.codes.reshape(groups, -1, inputs, *taps).sum(1).double()
    step, tap = grads.new_ones(1, *grads.shape[1:]), grads.new_ones(groups, 1, *taps)
    met, there = (outward(x, tap).repeat_interleave(inputs, 1) for x in (grads, step))
    return _terms(grad, weight, met, outward(step, weights), there * (outputs // groups))


def weight_gradient_terms(grad: Encoded, image: Encoded, taps: Pair, window: Window) -> Tensor:
    """What the gradient [O, C/G, *taps] of weights lacks, the image with its border: int64."""
    (batch, outputs, *steps), groups = grad.codes.shape, window.groups
    pixels = image.codes.sum(0, keepdim=True).double()
    weight = pixels.new_empty(()).expand(groups, pixels.shape[1] // groups, *taps)
    step = pixels.new_ones(1, groups, *steps)
    met = native_gradient(step, pixels, weight, window, of_image=False)
    met = met.repeat_interleave(outputs // groups, 0)
    grads = grad.codes.sum((0, 2, 3))[:, None, None, None]
    return _terms(grad, image, grads, met, batch * steps[0] * steps[1])


def _by_group(codes: Tensor, groups: int) -> Tensor:
    """Sums over the channels of each group, FP64 [B, G, H, W]."""
    batch, _, *image = codes.shape
    return codes.reshape(batch, groups, -1, *image).sum(2).double()


def _terms(a: Encoded, b: Encoded, a_sums: Tensor, b_sums: Tensor, pairs: Tensor | int) -> Tensor:
    z, w = (0 if each.zero is None else each.zero.long() for each in (a, b))
    counted = pairs.long() if isinstance(pairs, Tensor) else pairs
    return z * w * counted - w * a_sums.long() - z * b_sums.long()
