"""Which multiplication computes which product of which layer?

A trained layer has three products of tensors. T(a, b) is not commutative in general, so each has
a first and a second operand:

    product           a                  b
    forward           activation         weight
    input gradient    output gradient    weight
    weight gradient   output gradient    activation

`Product(design, swap=True)` exchanges them. Where two activations are multiplied, as in attention,
the right one takes the place of the weight.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from torch import nn

from axdse.gpu.multiplication.handles import Call, Design, handle, resolve
from axdse.multipliers.designs.design_point import NATIVE as FP32
from axdse.multipliers.designs.design_point import PRODUCTS, DesignPoint, Mac, ProductName
from axdse.multipliers.formats import Span
from axdse.multipliers.sums.recipe import Sum


@dataclass(frozen=True, repr=False)
class Product:
    """One product of tensors.

    Attributes:
        design: that multiplies; None for native FP32.
        swap: exchange the operands, T(b, a).
        span: numbers that the activation, a, is scaled for; None: those of each tensor.
        sum: how products are added; None: as the format says.
        call: the same for operators.
    """

    design: Design | None = None
    swap: bool = False
    span: Span | None = None
    sum: Sum | None = None
    call: Call = field(init=False, compare=False)

    def __post_init__(self) -> None:
        design = self.design
        call = Call()
        if design:
            random = self.sum is not None and self.sum.is_random
            call = Call(handle(design, self.sum), self.swap, design.format, self.span, random)
        object.__setattr__(self, "call", call)

    def __repr__(self) -> str:
        total = f", sum={self.sum.name}" if self.sum else ""
        return f"Product({self.multiplier}, {self.call.format}, swap={self.swap}{total})"

    def __reduce__(
        self,
    ) -> tuple[type["Product"], tuple[Design | None, bool, Span | None, Sum | None]]:
        # Handles are of a process: make another.
        return Product, (self.design, self.swap, self.span, self.sum)

    @property
    def multiplier(self) -> str:
        """Spec of the core, or the file of a table; empty for native FP32."""
        return resolve(self.call.handle).multiplier if self.design else ""

    @property
    def name(self) -> str:
        """As a design point writes it, such as `drum(n=8,k=4) in bf16 sum hopper`; or fp32."""
        if not self.design:
            return FP32
        total = f" sum {self.sum.name}" if self.sum else ""
        return f"{self.multiplier} in {self.design.format.name}{total}"


NATIVE = Product()


@dataclass(frozen=True)
class LayerProducts:
    """The three products of one layer.

    Attributes:
        forward: of activations and weights.
        input_gradient: of output gradients and weights.
        weight_gradient: of output gradients and activations.
        half_window: gradients are the slopes of the forward product, smoothed over so many codes
            on either side, and neither of both products is made; None: they are made.
    """

    forward: Product = NATIVE
    input_gradient: Product = NATIVE
    weight_gradient: Product = NATIVE
    half_window: int | None = None

    @classmethod
    def uniform(cls, design: Design | None, total: Sum | None = None) -> "LayerProducts":
        """The same design, and sum, in all three."""
        product = Product(design, sum=total)
        return cls(product, product, product)

    @property
    def name(self) -> str:
        """What multiplies, once where it is the same in all three."""
        names = (self.forward.name, self.input_gradient.name, self.weight_gradient.name)
        if len(set(names)) == 1:
            return names[0]
        return "; ".join(f"{each}={name}" for each, name in zip(PRODUCTS, names, strict=True))


class ApproxLayer(nn.Module):
    """A layer of torch with approximate products: a base beside that of torch.

    Attributes:
        products: the multiplications of its products.
    """

    products: LayerProducts = LayerProducts()

    def extra_repr(self) -> str:
        """What torch says of the layer, and what multiplies in it."""
        return ", ".join(filter(None, (super().extra_repr(), self.products.name)))


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
    def uniform(cls, design: Design | None, total: Sum | None = None) -> "Assignment":
        """The same design, and sum, in every product of every layer; None for native FP32."""
        return cls(LayerProducts.uniform(design, total))

    @classmethod
    def of(cls, point: DesignPoint, layers: Iterable[str]) -> "Assignment":
        """What a design point says of these layers."""
        made: dict[Mac | None, Product] = {None: NATIVE}

        def product(layer: str, name: ProductName) -> Product:
            mac = point.mac(layer, name)
            if mac not in made:
                made[mac] = Product(mac.candidate, sum=mac.recipe) if mac else NATIVE
            return made[mac]

        def products(layer: str) -> LayerProducts:
            forward, input_gradient, weight_gradient = (product(layer, name) for name in PRODUCTS)
            return LayerProducts(forward, input_gradient, weight_gradient)

        return cls(LayerProducts(), tuple((layer, products(layer)) for layer in layers))

    @property
    def designs(self) -> tuple[str, ...]:
        """Each design that multiplies somewhere, once."""
        layers = (self.default, *(products for _, products in self.layers))
        products = (
            p for of in layers for p in (of.forward, of.input_gradient, of.weight_gradient)
        )
        return tuple(dict.fromkeys(p.multiplier for p in products if p.design))

    def products(self, layer: str) -> LayerProducts:
        """Return the products of the layer of that name."""
        matching = (p for pattern, p in self.layers if fnmatchcase(layer, pattern))
        return next(matching, self.default)
