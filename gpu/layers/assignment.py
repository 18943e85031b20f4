"""Which multiplication computes which product of which layer?

A trained layer has three products of tensors. T(a, b) is not commutative in general, so each has
a first and a second operand:

    product           a                  b
    forward           activation         weight
    input gradient    output gradient    weight
    weight gradient   output gradient    activation

`Product(lut, swap=True)` exchanges them. Where two activations are multiplied, as in attention,
the right one takes the place of the weight.
"""

from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from axdse.gpu.multiplication.call import Call
from axdse.gpu.multiplication.handles import Multiplication, handle


@dataclass(frozen=True)
class Product:
    """One product of tensors.

    Attributes:
        lut: the table that multiplies, or an inlined C model; None for native FP32.
        swap: exchange the operands, T(b, a).
        call: the same for operators.
    """

    lut: Multiplication | None = None
    swap: bool = False
    call: Call = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        call = Call(handle(self.lut), self.swap, self.lut.format) if self.lut else Call()
        object.__setattr__(self, "call", call)

    def __reduce__(self) -> tuple[type["Product"], tuple[Multiplication | None, bool]]:
        return Product, (self.lut, self.swap)  # handles are of a process: make another


NATIVE = Product()


@dataclass(frozen=True)
class LayerProducts:
    """The three products of one layer."""

    forward: Product = NATIVE
    input_gradient: Product = NATIVE
    weight_gradient: Product = NATIVE

    @classmethod
    def uniform(cls, lut: Multiplication | None) -> "LayerProducts":
        """The same multiplication in all three."""
        return cls(Product(lut), Product(lut), Product(lut))


@dataclass(frozen=True)
class Assignment:
    """The products of every layer of a model.

    Attributes:
        default: products of layers that no pattern matches.
        layers: (pattern, products) pairs; patterns are shell wildcards over module names such
            as "features.*", case-sensitive, and the first that matches wins.
    """

    default: LayerProducts
    layers: tuple[tuple[str, LayerProducts], ...] = ()

    @classmethod
    def uniform(cls, lut: Multiplication | None) -> "Assignment":
        """The same multiplication in every product of every layer; None for native FP32."""
        return cls(LayerProducts.uniform(lut))

    @property
    def designs(self) -> tuple[str, ...]:
        """Each design that multiplies somewhere, once."""
        layers = (self.default, *(products for _, products in self.layers))
        products = (
            p for of in layers for p in (of.forward, of.input_gradient, of.weight_gradient)
        )
        return tuple(dict.fromkeys(p.lut.multiplier for p in products if p.lut))

    def products(self, layer: str) -> LayerProducts:
        """Return the products of the layer of that name."""
        matching = (p for pattern, p in self.layers if fnmatchcase(layer, pattern))
        return next(matching, self.default)
