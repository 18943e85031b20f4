"""Stage 7, layers: which table multiplies which product of which layer.

A trained layer has three matrix products. T(a, b) is not commutative in general, so each has a
first and a second operand:

    product           a                  b
    forward           activation         weight
    input gradient    output gradient    weight
    weight gradient   output gradient    activation

`Product(lut, swap=True)` exchanges them.
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase

from axdse.multipliers.lut import Lut


@dataclass(frozen=True)
class Product:
    """One matrix product.

    Attributes:
        lut: the table that multiplies; None for native FP32.
        swap: exchange the operands, T(b, a).
    """

    lut: Lut | None = None
    swap: bool = False


NATIVE = Product()


@dataclass(frozen=True)
class LayerProducts:
    """The three products of one layer."""

    forward: Product = NATIVE
    input_gradient: Product = NATIVE
    weight_gradient: Product = NATIVE

    @classmethod
    def uniform(cls, lut: Lut | None) -> "LayerProducts":
        """The same table in all three."""
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
    def uniform(cls, lut: Lut | None) -> "Assignment":
        """The same table in every product of every layer; None for native FP32."""
        return cls(LayerProducts.uniform(lut))

    def products(self, layer: str) -> LayerProducts:
        """Return the products of the layer of that name."""
        matching = (p for pattern, p in self.layers if fnmatchcase(layer, pattern))
        return next(matching, self.default)
