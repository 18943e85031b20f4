"""Stage 7, layers: Linear and Conv2d whose products are approximate; the bias is exact FP32.

They are `nn.Linear` and `nn.Conv2d` with one attribute more, `products`: the same constructor
and the same `state_dict`, both ways. Set `products` or let `convert` do it.
"""

from itertools import repeat

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from axdse.gpu.assignment import LayerProducts
from axdse.gpu.autograd import rows_times_weight, weight_times_columns
from axdse.gpu.recording import probes_of


class ApproxLinear(nn.Linear):
    """`nn.Linear` over inputs [..., in_features] with approximate products.

    Attributes:
        products: the tables of its three products.
    """

    products: LayerProducts = LayerProducts()

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Map [..., in_features] to [..., out_features], FP32."""
        rows = input.reshape(-1, self.in_features)
        output = rows_times_weight(rows, self.weight, self.products, probes_of(self))
        output = output.reshape(*input.shape[:-1], self.out_features)
        return output if self.bias is None else output + self.bias


class ApproxConv2d(nn.Conv2d):
    """`nn.Conv2d` with approximate products: every stride, padding, dilation and group.

    Attributes:
        products: the tables of its three products.
    """

    products: LayerProducts = LayerProducts()

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Map [B, C, H, W] (or [C, H, W]) to [B, O, H', W'], FP32."""
        if input.ndim == 3:
            return self.forward(input[None])[0]
        mode = "constant" if self.padding_mode == "zeros" else self.padding_mode
        padded = F.pad(input, self._reversed_padding_repeated_twice, mode)
        columns = F.unfold(padded, self.kernel_size, self.dilation, stride=self.stride)
        batch, size, positions = columns.shape
        columns = columns.reshape(batch, self.groups, size // self.groups, positions)
        columns = columns.permute(1, 2, 0, 3).flatten(2)
        weight = self.weight.reshape(self.groups, self.out_channels // self.groups, -1)
        settings = repeat(self.products), repeat(probes_of(self))
        parts = map(weight_times_columns, columns, weight, *settings)
        output = torch.cat(tuple(parts)).reshape(self.out_channels, batch, positions)
        output = output.transpose(0, 1).reshape(
            batch, self.out_channels, *self._output_size(padded)
        )
        return output if self.bias is None else output + self.bias[:, None, None]

    def _output_size(self, padded: Tensor) -> tuple[int, ...]:
        return tuple(
            (size - reach * (kernel - 1) - 1) // step + 1
            for size, reach, kernel, step in zip(
                padded.shape[2:], self.dilation, self.kernel_size, self.stride, strict=True
            )
        )
