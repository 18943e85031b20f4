"""How does a network compute with a candidate? Operators, gradients, layers, on a CPU or GPU."""

from typing import TYPE_CHECKING

from axdse.multipliers.reexports import lazily

if TYPE_CHECKING:
    from axdse.gpu.layers.assignment import Assignment, LayerProducts, Product
    from axdse.gpu.layers.attention import scaled_dot_product_attention
    from axdse.gpu.layers.autograd import approx_matmul
    from axdse.gpu.layers.convert import Conversion, convert
    from axdse.gpu.recording.recorder import Recorder

__all__ = [
    "Assignment",
    "Conversion",
    "LayerProducts",
    "Product",
    "Recorder",
    "approx_matmul",
    "convert",
    "scaled_dot_product_attention",
]
__getattr__, __dir__ = lazily(
    __name__,
    {
        **dict.fromkeys(("Assignment", "LayerProducts", "Product"), "axdse.gpu.layers.assignment"),
        **dict.fromkeys(("Conversion", "convert"), "axdse.gpu.layers.convert"),
        "Recorder": "axdse.gpu.recording.recorder",
        "approx_matmul": "axdse.gpu.layers.autograd",
        "scaled_dot_product_attention": "axdse.gpu.layers.attention",
    },
)
