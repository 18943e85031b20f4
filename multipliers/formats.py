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
    "int8": IntFormat(8),
    "bf16": FloatFormat(8, 7, "nearest", "wide"),
    "approxtrain": FloatFormat(8, 7, "truncate", "narrow"),
    "fp16": FloatFormat(5, 10),
    "fp8_e5m2": FloatFormat(5, 2),
    "fp8_e4m3": FloatFormat(4, 3),
}
_FLOAT = re.compile(
    r"float\((?:e=)?(?P<e>[2-8]),(?:m=)?(?P<m>[1-9]|1\d|2[0-3])"
    r"(?:,round=(?P<rounding>truncate|nearest))?(?:,product=(?P<product>narrow|wide))?\)",
    re.ASCII,
)


def parse_format(text: str) -> Format:
    """Read `float(8,5)`, `float(e=5,m=2,round=truncate,product=wide)`, `bf16`, `int8`, ...

    `bf16` is float(8,7) with nearest-even operands and a wide product; `approxtrain` is
    float(8,7) with truncated operands and a narrow product. `fp16`, `fp8_e5m2` and `fp8_e4m3`
    are float(5,10), float(5,2) and float(4,3), whose largest exponent holds infinity and NaN,
    as in IEEE 754. The E4M3 of the Open Compute Project is another format: it has no infinity,
    takes that exponent for finite numbers up to 448 and keeps one code for NaN, while the
    largest number of float(4,3) is 240.

    Raises:
        AxdseError: the text is none of these, e is not within 2..8 or m not within 1..23.
    """
    plain = text.replace(" ", "").lower()
    if plain in _ALIASES:
        return _ALIASES[plain]
    match = _FLOAT.fullmatch(plain)
    if match is None:
        raise AxdseError(
            f"a format is {', '.join(_ALIASES)} or float(e,m,round=..,product=..), "
            "e in 2..8, m in 1..23",
            repr(text),
            "write for example float(8,5,round=nearest,product=wide)",
        )
    return FloatFormat(
        int(match["e"]),
        int(match["m"]),
        "truncate" if match["rounding"] == "truncate" else "nearest",
        "wide" if match["product"] == "wide" else "narrow",
    )


def check_exponent_of_fp32(number_format: Format) -> None:
    """Refuse what tables and training cannot do: their float operands are cut FP32 words.

    Raises:
        AxdseError: a float format with e other than 8.
    """
    if isinstance(number_format, FloatFormat) and number_format.exponent_bits != 8:
        raise AxdseError(
            "tables and training take float formats with the exponent of FP32, e=8",
            number_format.name,
            f"choose float(8,{number_format.fraction_bits}); verify --unit and cost take any e",
        )
