"""Number formats as value objects: what the operands and the product of a unit look like."""

import re
from dataclasses import dataclass
from typing import Literal

from axdse.multipliers.errors import AxdseError

Rounding = Literal["truncate", "nearest"]
Product = Literal["narrow", "wide"]


@dataclass(frozen=True)
class FloatFormat:
    """A binary floating-point format with an implied leading one.

    Attributes:
        exponent_bits: width of the biased exponent.
        fraction_bits: m, the stored fraction; the significand has m + 1 bits.
        rounding: how FP32 operands become this format: "truncate" (as ApproxTrain) or
            "nearest" (ties to even).
        product: "narrow" keeps m fraction bits of the product (as ApproxTrain); "wide" keeps
            all 2m + 1, as a MAC with a wider accumulator does.

    Raises:
        AxdseError: e is not within 2..8 or m not within 1..23.
    """

    exponent_bits: int = 8
    fraction_bits: int = 7
    rounding: Rounding = "nearest"
    product: Product = "narrow"

    def __post_init__(self) -> None:
        if not (2 <= self.exponent_bits <= 8 and 1 <= self.fraction_bits <= 23):
            raise AxdseError(
                "a float format has e in 2..8 and m in 1..23", self.name, "choose within these"
            )

    @property
    def name(self) -> str:
        """The canonical text, which `parse_format` reads back."""
        widths = f"e={self.exponent_bits},m={self.fraction_bits}"
        return f"float({widths},round={self.rounding},product={self.product})"

    @property
    def bias(self) -> int:
        """Exponent bias, 2^(e-1) - 1."""
        return (1 << (self.exponent_bits - 1)) - 1

    @property
    def product_fraction_bits(self) -> int:
        """F, the fraction bits of a product."""
        return self.fraction_bits if self.product == "narrow" else 2 * self.fraction_bits + 1

    @property
    def operand_bits(self) -> int:
        """Width of the core's integer operands: the significand with its hidden one."""
        return self.fraction_bits + 1


@dataclass(frozen=True)
class IntFormat:
    """Two's complement integers; the core multiplies magnitudes, the sign is an xor.

    Raises:
        AxdseError: bits is not within 2..8.
    """

    bits: int = 8

    def __post_init__(self) -> None:
        if not 2 <= self.bits <= 8:
            raise AxdseError("an integer format has 2..8 bits", self.name, "choose int8")

    @property
    def name(self) -> str:
        """The canonical text, which `parse_format` reads back."""
        return f"int{self.bits}"

    @property
    def operand_bits(self) -> int:
        """Width of the core's unsigned operands: a magnitude up to 2^(bits-1)."""
        return self.bits


Format = FloatFormat | IntFormat

_ALIASES: dict[str, Format] = {
    "bf16": FloatFormat(8, 7, "nearest", "wide"),
    "approxtrain": FloatFormat(8, 7, "truncate", "narrow"),
    "int8": IntFormat(8),
}
_FLOAT = re.compile(
    r"float\((?:e=)?8,(?:m=)?(?P<m>\d{1,2})"
    r"(?:,round=(?P<rounding>truncate|nearest))?(?:,product=(?P<product>narrow|wide))?\)",
    re.ASCII,
)


def parse_format(text: str) -> Format:
    """Read `float(8,5)`, `float(e=8,m=5,round=truncate,product=wide)`, `bf16`, `int8`, ...

    `bf16` is float(8,7) with nearest-even operands and a wide product; `approxtrain` is
    float(8,7) with truncated operands and a narrow product.

    Raises:
        AxdseError: the text is none of these, or m is not within 1..23.
    """
    plain = text.replace(" ", "").lower()
    if plain in _ALIASES:
        return _ALIASES[plain]
    match = _FLOAT.fullmatch(plain)
    if match is None or not 1 <= int(match["m"]) <= 23:
        raise AxdseError(
            "a format is int8, bf16, approxtrain or float(8,m,round=..,product=..), m in 1..23",
            repr(text),
            "write for example float(8,5,round=nearest,product=wide)",
        )
    return FloatFormat(
        8,
        int(match["m"]),
        "truncate" if match["rounding"] == "truncate" else "nearest",
        "wide" if match["product"] == "wide" else "narrow",
    )
