"""What do the operands and the product of a unit look like? Number formats as value objects."""

import dataclasses
import functools
import re
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from axdse.multipliers.errors import AxdseError

Rounding = Literal["truncate", "nearest", "stochastic"]
Product = Literal["narrow", "wide"]
Sum = Literal["fp32", "bf16", "fp16"]
FloatScale = Literal["tensor", "none", "block32"]
IntScale = Literal["tensor", "channel", "block32"]
BLOCK = 32  # operands along k that share a scale, in the formats of OCP MX
SCALE_BITS = 8  # of that scale: a power of two by its exponent, the largest code being NaN
# Of each element of OCP MX 1.0, by its widths: its largest number.
MX_LARGEST = {(4, 3): 448.0, (5, 2): 57344.0, (3, 2): 28.0, (2, 3): 7.5, (2, 1): 6.0}


@dataclass(frozen=True)
class FloatFormat:
    """A binary floating-point format with an implied leading one, as in IEEE 754.

    The largest exponent holds infinity and NaN. Units take subnormal operands as zeros.

    Attributes:
        exponent_bits: width of the biased exponent.
        fraction_bits: m, the stored fraction; the significand has m + 1 bits.
        rounding: how FP32 operands become this format: "truncate" (as ApproxTrain), "nearest"
            (ties to even) or "stochastic" (up with the probability of the part cut off).
        product: "narrow" keeps m fraction bits of the product (as ApproxTrain); "wide" keeps
            all 2m + 1, as a MAC with a wider accumulator does.
        sum: the accumulator of a matrix product. "bf16" and "fp16" round it, nearest-even,
            after each addition.
        scale: how operands come into the range of e < 8: "tensor" divides each tensor by a power
            of two, "none" lets them overflow and underflow. With e = 8 there is nothing to scale.
            "block32" is OCP MX 1.0: 32 operands along k share a power of two, and elements have
            subnormals and, but for float(5,2), no infinities.

    Raises:
        AxdseError: e is not within 2..8 or m not within 1..23; or e = 8 with scale "none"; or
            with "block32" it is no element of OCP MX.
    """

    exponent_bits: int = 8
    fraction_bits: int = 7
    rounding: Rounding = "nearest"
    product: Product = "narrow"
    sum: Sum = "fp32"
    scale: FloatScale = "tensor"

    def __post_init__(self) -> None:
        if not (2 <= self.exponent_bits <= 8 and 1 <= self.fraction_bits <= 23):
            rule, text = "a float format has e in 2..8 and m in 1..23", self.spelled_out
            raise AxdseError(rule, text, "choose within these")
        if self.exponent_bits == 8 and self.scale == "none":
            raise AxdseError(
                "e=8 has the range of FP32 and is never scaled", self.name, "leave scale out"
            )
        if self.is_mx:
            self._check_mx()

    def _check_mx(self) -> None:
        if (self.exponent_bits, self.fraction_bits) not in MX_LARGEST:
            known = ", ".join(f"float({e},{m})" for e, m in MX_LARGEST)
            rule = f"scale=block32 is of the elements of OCP MX: {known}"
            raise AxdseError(rule, self.name, "choose one of these")
        if self.rounding != "nearest":
            rule = "elements of OCP MX are rounded to nearest"
            raise AxdseError(rule, self.name, "leave round out")

    @property
    def is_mx(self) -> bool:
        """Whether blocks of 32 operands along k share a scale."""
        return self.scale == "block32"

    @property
    def name(self) -> str:
        """The shortest text that `parse_format` reads back: `bf16`, `float(8,5)`."""
        return _shortest(self)

    @property
    def plain(self) -> str:
        """The text without known names, which digests of recordings and certificates hold."""
        e, m = self.exponent_bits, self.fraction_bits
        return _relative(self, f"float({e},{m})", FloatFormat(e, m))

    @property
    def spelled_out(self) -> str:
        """The text with each option of its first version, which digests of tables hold."""
        widths = f"e={self.exponent_bits},m={self.fraction_bits}"
        total = "" if self.sum == "fp32" else f",sum={self.sum}"
        scale = "" if self.scale == "tensor" else f",scale={self.scale}"
        return f"float({widths},round={self.rounding},product={self.product}{total}{scale})"

    @property
    def unit(self) -> "FloatFormat":
        """The format as a multiplier unit sees it: rounded operands in, one product out."""
        return FloatFormat(self.exponent_bits, self.fraction_bits, product=self.product)

    @property
    def in_fp32(self) -> "FloatFormat":
        """The float(8, m) whose FP32 words operators multiply, once operands are rounded."""
        return dataclasses.replace(self, exponent_bits=8, scale="tensor")

    @property
    def operands(self) -> tuple["FloatFormat", "FloatFormat"]:
        """First and second operands, which are alike."""
        return self, self

    @property
    def bits(self) -> int:
        """Width of a code: sign, exponent and fraction."""
        return 1 + self.exponent_bits + self.fraction_bits

    @property
    def bias(self) -> int:
        """Exponent bias, 2^(e-1) - 1; the largest exponent of a number, too."""
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
    """Integers: two's complement, symmetric about zero, or unsigned with a zero point.

    An unsigned core multiplies magnitudes of signed operands, and the sign is an xor; a core in
    two's complement is the whole unit. An unsigned core is the whole unit of unsigned operands,
    and multiplies their codes.

    Attributes:
        bits: width of a code.
        scale: what shares a scale: "tensor", or each "channel", a row or column that one product
            of matrices does not sum over. "block32" is MXINT8 of OCP MX 1.0, and the same of
            other widths: 32 operands along k share a power of two, and a code q stands for
            q 2^-(bits - 2) of it. Unsigned operands have one, and a zero point, a tensor.
        signed: two's complement; else a code q stands for scale * (q - zero point).
        second: of the second operands, the weights, where they are of another kind.

    Raises:
        AxdseError: bits is not within 2..8, or operands have no such scale.
    """

    bits: int = 8
    scale: IntScale = "tensor"
    signed: bool = True
    second: "IntFormat | None" = None

    def __post_init__(self) -> None:
        if not 2 <= self.bits <= 8:
            raise AxdseError("an integer format has 2..8 bits", self.name, "choose int8")
        if self.scale != "tensor" and not self.signed_product:
            rule = "unsigned operands have one scale and zero point a tensor"
            raise AxdseError(rule, self.name, "leave scale out")
        if self.is_mx and self.second:
            rule = "a block has the scale of one kind of integers"
            raise AxdseError(rule, self.name, f"choose {self._word}(scale=block32)")

    @property
    def operands(self) -> tuple["IntFormat", "IntFormat"]:
        """First and second operands, each alone."""
        first, second = (
            IntFormat(each.bits, self.scale if each.signed else "tensor", each.signed)
            for each in (self, self.second or self)
        )
        return first, second

    @property
    def has_zero_points(self) -> bool:
        """Whether some operand is unsigned."""
        return not all(each.signed for each in self.operands)

    @property
    def signed_product(self) -> bool:
        """Whether a product is in two's complement: that of unsigned operands is not."""
        return self.signed or (self.second is not None and self.second.signed)

    @property
    def product_bits(self) -> int:
        """Width of a product."""
        return sum(each.bits for each in self.operands)

    @property
    def name(self) -> str:
        """The canonical text, which `parse_format` reads back."""
        if self == _ALIASES["mxint8"]:
            return "mxint8"
        word = self._word + (f"x{self.second._word}" if self.second else "")
        return word + ("" if self.scale == "tensor" else f"(scale={self.scale})")

    @property
    def _word(self) -> str:
        return f"{'' if self.signed else 'u'}int{self.bits}"

    @property
    def plain(self) -> str:
        """The same: integers have no other names."""
        return self.name

    @property
    def spelled_out(self) -> str:
        """The text that digests of tables hold."""
        return self.name

    @property
    def is_mx(self) -> bool:
        """Whether blocks of 32 operands along k share a scale, and so products are scaled ones."""
        return self.scale == "block32"

    @property
    def fraction_bits(self) -> int:
        """Of an element in a block: largest numbers are just below 2."""
        return self.bits - 2

    @property
    def scale_bits(self) -> int:
        """Width of the scale of a block, whose codes are {scale, element}."""
        return SCALE_BITS

    @property
    def scale_bias(self) -> int:
        """What its code exceeds its exponent by; the code of NaN is twice that and one."""
        return (1 << (self.scale_bits - 1)) - 1

    @property
    def unit(self) -> "IntFormat":
        """The format as a multiplier unit sees it: codes, without a scale."""
        return dataclasses.replace(self, scale="tensor")

    @property
    def operand_bits(self) -> int:
        """Width of the core's first operands; a magnitude is up to 2^(bits-1)."""
        return self.bits

    @property
    def largest(self) -> int:
        """The largest code; of signed ones its negative is the smallest in use."""
        return (1 << (self.bits - self.signed)) - 1

    @property
    def middle(self) -> int:
        """What is taken from a code to make it signed, as operators take it: 0 if it is."""
        return 0 if self.signed else 1 << (self.bits - 1)


Format = FloatFormat | IntFormat


class Span(NamedTuple):
    """The numbers that a scale is made for; others saturate."""

    lowest: float
    highest: float

    @property
    def largest(self) -> float:
        """The largest magnitude."""
        return max(-self.lowest, self.highest)


_ALIASES: dict[str, Format] = {
    "int8": IntFormat(8),
    "mxint8": IntFormat(8, "block32"),
    **{f"int{bits}": IntFormat(bits) for bits in range(4, 8)},
    "uint8": IntFormat(8, signed=False),
    **{f"uint{bits}": IntFormat(bits, signed=False) for bits in range(4, 8)},
    "bf16": FloatFormat(8, 7, "nearest", "wide"),
    "approxtrain": FloatFormat(8, 7, "truncate", "narrow"),
    "fp16": FloatFormat(5, 10),
    "fp8_e5m2": FloatFormat(5, 2),
    "fp8_e4m3": FloatFormat(4, 3),
    **{
        f"mxfp{1 + e + m}_e{e}m{m}": FloatFormat(e, m, product="wide", scale="block32")
        for e, m in MX_LARGEST
    },
}


@functools.cache
def _shortest(number_format: FloatFormat) -> str:
    """Its widths, or a known name of the same widths, and the options that differ from that."""
    e, m = number_format.exponent_bits, number_format.fraction_bits
    known = (
        _relative(number_format, name, alias)
        for name, alias in _ALIASES.items()
        if isinstance(alias, FloatFormat) and (alias.exponent_bits, alias.fraction_bits) == (e, m)
    )
    return min((number_format.plain, *known), key=len)


def _relative(number_format: FloatFormat, name: str, known: FloatFormat) -> str:
    options = {"round": "rounding", "product": "product", "sum": "sum", "scale": "scale"}
    changes = ",".join(
        f"{option}={getattr(number_format, field)}"
        for option, field in options.items()
        if getattr(known, field) != getattr(number_format, field)
    )
    opened = f"{name[:-1]}," if name.endswith(")") else f"{name}("
    return f"{opened}{changes})" if changes else name


_FLOAT_OPTIONS = {
    "round": get_args(Rounding),
    "product": get_args(Product),
    "sum": get_args(Sum),
    "scale": get_args(FloatScale),
}
_INT_OPTIONS = {"scale": get_args(IntScale)}
_INTEGERS = re.compile(r"(u?)int([4-8])x(u?)int([4-8])", re.ASCII)
_WIDE = re.compile(r"u?int(?:9|[1-9]\d)", re.ASCII)
_TEXT = re.compile(r"(?P<head>\w+)(?:\((?P<options>[^()]*)\))?", re.ASCII)
_EXPONENT = re.compile(r"(?:e=)?([2-8])", re.ASCII)
_FRACTION = re.compile(r"(?:m=)?([1-9]|1\d|2[0-3])", re.ASCII)


def parse_format(text: str) -> Format:
    """Read `float(8,5)`, `float(e=5,m=2,round=truncate,product=wide)`, `bf16`, `int8`, ...

    `bf16` is float(8,7) with nearest-even operands and a wide product; `approxtrain` is
    float(8,7) with truncated operands and a narrow product; `fp16`, `fp8_e5m2` and `fp8_e4m3`
    are float(5,10), float(5,2) and float(4,3). A name takes options, too: `bf16(sum=bf16)`,
    `fp8_e4m3(product=wide)`, `int8(scale=channel)`. `int4` to `int7` are
    integers as `int8` is, `uint4` to `uint8` unsigned ones with a zero point; `int8xint4` has
    first operands in int8 and second ones, the weights, in int4.

    `mxfp8_e4m3`, `mxfp8_e5m2`, `mxfp6_e3m2`, `mxfp6_e2m3`, `mxfp4_e2m1` and `mxint8` are of OCP
    MX 1.0.

    The E4M3 of the Open Compute Project, `fp8_e4m3fn`, is refused: it has no infinity and takes
    that exponent for finite numbers up to 448, which the units here take for infinities and NaN.
    The largest number of float(4,3) is 240.

    Raises:
        AxdseError: the text is none of these, e is not within 2..8 or m not within 1..23.
    """
    plain = text.replace(" ", "").lower()
    match = _TEXT.fullmatch(plain)
    if match is None:
        raise _unknown(text)
    head, options = match["head"], (match["options"] or "").split(",")
    if head == "fp8_e4m3fn":
        raise AxdseError(
            "units take the largest exponent for infinity and NaN, fp8_e4m3fn for numbers",
            repr(text),
            "choose fp8_e4m3, whose largest number is 240",
        )
    if _WIDE.match(head):
        rule = "integers are those whose products have a table, of up to 8 bits"
        raise AxdseError(rule, repr(text), "choose int8, or cost the core with --core")
    if head == "float":
        if len(options) < 2 or not (e := _EXPONENT.fullmatch(options[0])):
            raise _unknown(text)
        if not (m := _FRACTION.fullmatch(options[1])):
            raise _unknown(text)
        return _with_options(FloatFormat(int(e[1]), int(m[1])), options[2:], text)
    known = _ALIASES.get(head) or _pair(head)
    if known is None or match["options"] == "":
        raise _unknown(text)
    return _with_options(known, options if match["options"] else [], text)


def _pair(head: str) -> IntFormat | None:
    """Integers of two kinds, such as `int8xint4`."""
    pair = _INTEGERS.fullmatch(head)
    if pair is None:
        return None
    first, second = (IntFormat(int(pair[i + 1]), signed=not pair[i]) for i in (1, 3))
    return first if first == second else dataclasses.replace(first, second=second)


def _with_options(number_format: Format, options: list[str], text: str) -> Format:
    known = _FLOAT_OPTIONS if isinstance(number_format, FloatFormat) else _INT_OPTIONS
    chosen = dict(option.partition("=")[::2] for option in options)
    for name, choice in chosen.items():
        if choice not in known.get(name, ()) or len(chosen) < len(options):
            raise _unknown(text)
    if "round" in chosen:
        chosen["rounding"] = chosen.pop("round")
    # The choices were compared with the literals above, which mypy cannot know.
    return dataclasses.replace(number_format, **chosen)  # type: ignore[arg-type]


def _unknown(text: str) -> AxdseError:
    return AxdseError(
        f"a format is {', '.join(_ALIASES)} or float(e,m,round=..,product=..,sum=..), "
        "e in 2..8, m in 1..23",
        repr(text),
        "write for example float(8,5,round=nearest,product=wide); docs/formats.md has all",
    )
