"""How is attention computed whose five products are approximate?

Both projections and both products of activations take the layer's multiplications. In scores
Q K^T the query is the activation and the key in the place of the weight; in the weighted sum the
attention weights are the activation and the value in the place of the weight. Softmax, masks,
scaling and biases are FP32.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from axdse.gpu.layers.assignment import ApproxLayer, LayerProducts
from axdse.gpu.layers.autograd import approx_linear, approx_matmul
from axdse.gpu.recording.probes import SILENT, LayerProbes
from axdse.gpu.recording.recorder import probes_of
from axdse.multipliers.errors import AxdseError


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    products: LayerProducts,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """`torch.nn.functional.scaled_dot_product_attention` with approximate products.

    Args:
        query: FP32 [..., L, E].
        key: FP32 [..., S, E].
        value: FP32 [..., S, V].
        products: of both matrix products.
        attn_mask: broadcastable to [..., L, S]; booleans keep where True, floats are added.
        dropout_p: probability of dropping an attention weight, whether training or not.
        is_causal: mask what is above the diagonal.
        scale: of the scores; None for 1 / sqrt(E).

    Returns:
        FP32 [..., L, V].

    Raises:
        AxdseError: both a mask and `is_causal`.
    """
    scores = _scores(query, key, products, attn_mask, is_causal, scale, SILENT)
    weights = _softmax(scores, attn_mask is not None)
    return approx_matmul(F.dropout(weights, dropout_p), value, products)


def _scores(
    query: Tensor,
    key: Tensor,
    products: LayerProducts,
    mask: Tensor | None,
    is_causal: bool,
    scale: float | None,
    probes: LayerProbes,
) -> Tensor:
    if is_causal:
        if mask is not None:
            raise AxdseError("attention is causal or takes a mask", "both", "leave one out")
        size = query.shape[-2], key.shape[-2]
        mask = torch.ones(size, dtype=torch.bool, device=query.device).tril()
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = approx_matmul(query, key.mT, products, probes) * factor
    if mask is not None:
        scores = (
            scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
        )
    return scores


def _softmax(scores: Tensor, may_hide_all: bool) -> Tensor:
    """Where a mask leaves a query no key, weights are zero, not NaN, as in torch's function."""
    if not may_hide_all:
        return scores.softmax(-1)
    hidden = (scores == -torch.inf).all(-1, keepdim=True)
    return scores.masked_fill(hidden, 0).softmax(-1).masked_fill(hidden, 0)


class ApproxMultiheadAttention(ApproxLayer, nn.MultiheadAttention):
    """`nn.MultiheadAttention` with approximate products; never on torch's fused fast path.

    Attributes:
        products: the multiplications of its projections and of its attention.
    """

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend as `nn.MultiheadAttention` does, with its arguments and results."""
        if is_causal and attn_mask is None:
            raise AxdseError(
                "is_causal is a hint about attn_mask", "no attn_mask", "give the causal mask"
            )
        is_batched, batch_first = query.ndim == 3, self.batch_first
        _check_sequences(query, key, value)
        inputs = [_batched(x, is_batched, batch_first) for x in (query, key, value)]
        if key_padding_mask is not None and not is_batched:
            key_padding_mask = key_padding_mask[None]
        _check_masks(inputs[0], inputs[1], self.num_heads, attn_mask, key_padding_mask)
        probes = probes_of(self)
        q, k, v = self._projected(inputs, probes)
        k, v, attn_mask, key_padding_mask = self._extended(k, v, attn_mask, key_padding_mask)
        q, k, v = (self._heads(x) for x in (q, k, v))
        mask = _merged(
            _additive(attn_mask), _additive(key_padding_mask), q.shape[0], self.num_heads
        )
        scores = _scores(q, k, self.products, mask, False, None, probes)
        # As in torch, a query without a key is NaN if the weights are asked for, else zero, and
        # the weights shown are those that dropout leaves.
        weights = _softmax(scores, mask is not None and not need_weights)
        weights = F.dropout(weights, self.dropout, self.training)
        heads = approx_matmul(weights, v, self.products, probes).transpose(1, 2).flatten(2)
        output = approx_linear(heads, self.out_proj.weight, self.products, probes)
        if "bias" in dict(self.out_proj.named_parameters()):
            output = output + self.out_proj.bias
        if not need_weights:
            return _unbatched(output, is_batched, batch_first), None
        shown = weights.mean(1) if average_attn_weights else weights
        return _unbatched(output, is_batched, batch_first), shown if is_batched else shown[0]

    def _projected(self, inputs: list[Tensor], probes: LayerProbes) -> list[Tensor]:
        """Project [B, L, E] each to the embedding."""
        if self._qkv_same_embed_dim:
            weights = self.in_proj_weight.chunk(3)
        else:
            weights = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
        projected = [
            approx_linear(x, weight, self.products, probes)
            for x, weight in zip(inputs, weights, strict=True)
        ]
        bias = dict(self.named_parameters(recurse=False)).get("in_proj_bias")
        if bias is None:
            return projected
        return [x + part for x, part in zip(projected, bias.chunk(3), strict=True)]

    def _extended(
        self, k: Tensor, v: Tensor, mask: Tensor | None, padding: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
        """Add the learned and the zero position to keys and values, and let masks pass them."""
        batch, added = k.shape[0], 0
        if self.bias_k is not None and self.bias_v is not None:
            k = torch.cat([k, self.bias_k.expand(batch, 1, -1)], 1)
            v = torch.cat([v, self.bias_v.expand(batch, 1, -1)], 1)
            added += 1
        if self.add_zero_attn:
            k, v = (F.pad(x, (0, 0, 0, 1)) for x in (k, v))
            added += 1
        mask, padding = (x if x is None else F.pad(x, (0, added)) for x in (mask, padding))
        return k, v, mask, padding

    def _heads(self, x: Tensor) -> Tensor:
        """[B, L, E] to [B, heads, L, E / heads]."""
        return x.reshape(*x.shape[:2], self.num_heads, self.head_dim).transpose(1, 2)


def _batched(x: Tensor, is_batched: bool, batch_first: bool) -> Tensor:
    """[B, L, E], from what the caller gave."""
    if not is_batched:
        return x[None]
    return x if batch_first else x.transpose(0, 1)


def _unbatched(x: Tensor, is_batched: bool, batch_first: bool) -> Tensor:
    if not is_batched:
        return x[0]
    return x if batch_first else x.transpose(0, 1)


def _check_sequences(query: Tensor, key: Tensor, value: Tensor) -> None:
    shapes = tuple(query.shape), tuple(key.shape), tuple(value.shape)
    if query.ndim not in (2, 3) or key.ndim != query.ndim or shapes[1][:-1] != shapes[2][:-1]:
        rule = "query, key and value are sequences alike, key and value of one length"
        raise AxdseError(rule, shapes, "reshape them")


def _check_masks(
    query: Tensor, key: Tensor, heads: int, mask: Tensor | None, padding: Tensor | None
) -> None:
    """Check the shapes of masks, which would broadcast otherwise; of query and key [B, L, E]."""
    batch, size = query.shape[0], (query.shape[1], key.shape[1])
    if key.shape[0] != batch:
        raise AxdseError(f"keys come in a batch of {batch}", key.shape[0], "repeat or expand them")
    if mask is not None and tuple(mask.shape) not in (size, (batch * heads, *size)):
        rule = f"attn_mask is {size} or {(batch * heads, *size)}"
        raise AxdseError(rule, tuple(mask.shape), "expand it")
    if padding is not None and tuple(padding.shape) != (batch, size[1]):
        rule = f"key_padding_mask is {(batch, size[1])}"
        raise AxdseError(rule, tuple(padding.shape), "expand it")


def _additive(mask: Tensor | None) -> Tensor | None:
    """Masks of `nn.MultiheadAttention` drop where True; sums of scores take -inf there."""
    if mask is None or mask.dtype != torch.bool:
        return mask
    zeros = torch.zeros(mask.shape, dtype=torch.float32, device=mask.device)
    return zeros.masked_fill(mask, -torch.inf)


def _merged(mask: Tensor | None, padding: Tensor | None, batch: int, heads: int) -> Tensor | None:
    """The sum of both, broadcastable to [B, heads, L, S]."""
    if mask is not None and mask.ndim == 3:
        mask = mask.reshape(batch, heads, *mask.shape[1:])
    if padding is None:
        return mask
    columns = padding[:, None, None, :]
    return columns if mask is None else mask + columns
