"""How is a linear layer with approximate products used? As torch's, with `products` beside.

The same constructor and the same `state_dict`, both ways; its bias is FP32. Set `products` or
let `convert` do it.
"""

from torch import Tensor, nn

from axdse.gpu.layers.assignment import ApproxLayer
from axdse.gpu.layers.autograd import approx_linear
from axdse.gpu.recording.recorder import probes_of


class ApproxLinear(ApproxLayer, nn.Linear):
    """`nn.Linear` over inputs [..., in_features] with approximate products.

    Attributes:
        products: the multiplications of its three products.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Map [..., in_features] to [..., out_features], FP32."""
        output = approx_linear(input, self.weight, self.products, probes_of(self))
        return output if self.bias is None else output + self.bias
