"""What adds the products of a MAC? Recipes, parsed once, with a text that is read back.

    float(8,7)                             an accumulator, rounded after each addition
    dot(terms=16,align=13)                 16 products aligned, added as integers, rounded once
    dot(terms=16,align=13,acc=float(8,10),round=rne,carry=late,chunk=128)
    lazy(10,24), fixed(44,-20)             sums that are normalised once per output
    int(24), int(16,overflow=saturate)     for integer formats
    hopper_fp8, hopper_fp8(chunk=128)      a preset of `catalog.yaml`
    fp32(order=k)                          FP32, one product after another: float(8,23)
    float(6,5,round=stochastic,random=13)  rounded up by chance, as 13 bits say

`docs/sums.md` says what each computes; `reference` computes it.
"""

import dataclasses
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from axdse.multipliers import strict_yaml
from axdse.multipliers.errors import AxdseError, did_you_mean
from axdse.multipliers.files import InputFile
from axdse.multipliers.sums.random_bits import STATE_BITS

Cut = Literal["zero", "down"]
Carry = Literal["with", "late"]
Rounding = Literal["rz", "rne", "stochastic"]
Overflow = Literal["wrap", "saturate"]

CATALOG = Path(__file__).with_name("catalog.yaml")
MOST_TERMS, MOST_ALIGN, MOST_CHUNK = 64, 48, 1 << 20
LONGEST = 200  # characters of a sum
_TEXT = re.compile(r"(\w+)(?:\((.*)\))?", re.ASCII)
_PARTS = re.compile(r"(?:[^,()]|\([^()]*\))+", re.ASCII)
_OPTION = re.compile(r"(\w+)=(-?\w+(?:\([^()]*\))?)", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,7}", re.ASCII)
_REMEDY = "write for example 'dot(terms=16,align=13)'; docs/sums.md has all"


@dataclass(frozen=True)
class FloatRegister:
    """A running sum in float(E, R), with subnormals; normalised and rounded after each step.

    Raises:
        AxdseError: E is not within 2..8 or R not within 1..23.
    """

    exponent_bits: int = 8
    fraction_bits: int = 23

    def __post_init__(self) -> None:
        _check("E of acc=float(E,R)", self.exponent_bits, 2, 8)
        _check("R of acc=float(E,R)", self.fraction_bits, 1, 23)

    @property
    def name(self) -> str:
        """Its text."""
        return f"float({self.exponent_bits},{self.fraction_bits})"

    @property
    def bits(self) -> int:
        """Width of the register."""
        return 1 + self.exponent_bits + self.fraction_bits


@dataclass(frozen=True)
class LazyRegister:
    """A raw exponent that only rises and V bits of two's complement, never normalised in between.

    Raises:
        AxdseError: V is not within 4..62.
    """

    width: int

    def __post_init__(self) -> None:
        _check("V of lazy(F,V)", self.width, 4, 62)


@dataclass(frozen=True)
class FixedRegister:
    """W bits of two's complement whose last has weight 2^L: a Kulisch window.

    Raises:
        AxdseError: W is not within 2..100 or L not within -300..300.
    """

    width: int
    lowest: int
    overflow: Overflow = "wrap"

    def __post_init__(self) -> None:
        _check("W of fixed(W,L)", self.width, 2, 100)
        _check("L of fixed(W,L)", self.lowest, -300, 300)

    @property
    def name(self) -> str:
        """Its text."""
        return f"fixed({self.width},{self.lowest})"


@dataclass(frozen=True)
class IntRegister:
    """W bits of two's complement, for integer formats.

    Raises:
        AxdseError: W is not within 4..32.
    """

    width: int
    overflow: Overflow = "wrap"

    def __post_init__(self) -> None:
        _check("W of int(W)", self.width, 4, 32)

    @property
    def name(self) -> str:
        """Its text."""
        return f"int({self.width})"


Register = FloatRegister | LazyRegister | FixedRegister | IntRegister


@dataclass(frozen=True)
class Sum:
    """How the products of an output are added.

    Attributes:
        register: what holds the running sum.
        terms: N, the products that one step takes; consecutive in k.
        align: F, the fraction bits that a step keeps below its largest exponent; None: all.
            Of fixed and integer registers it is None: they keep the bits that they have.
        cut: where bits below go: magnitudes toward zero, or two's complement down.
        carry: whether the running sum is aligned with the products, or added afterwards.
        rounding: to the register; of lazy and fixed ones to FP32, once per output or chunk.
        chunk: so many terms in, the register is added to an outer FP32 sum and cleared; 0: never.
        stages: registers inside the unit; no matter to what it computes.
        random: B, the bits by which stochastic rounding to float(E,R) goes up; 0 for the others.

    Raises:
        AxdseError: parameters are out of range, or do not go together.
    """

    register: Register
    terms: int = 1
    align: int | None = None
    cut: Cut = "zero"
    carry: Carry = "with"
    rounding: Rounding = "rz"
    chunk: int = 0
    stages: int = 0
    random: int = 0

    def __post_init__(self) -> None:
        _check("terms of a sum", self.terms, 1, MOST_TERMS)
        _check("stages of a sum", self.stages, 0, 1)
        if self.chunk:
            _check("chunk of a sum", self.chunk, 1, MOST_CHUNK)
        if self.chunk % self.terms:
            rule = f"chunk is a multiple of terms, here {self.terms}"
            raise AxdseError(
                rule, self.chunk, f"choose {-(-self.chunk // self.terms) * self.terms}"
            )
        if self.align is not None:
            _check("align of a sum", self.align, 1, MOST_ALIGN)
        self._check_random()
        self._check_register()

    def _check_random(self) -> None:
        if not self.is_random:
            if self.random:
                rule = "random bits are of round=stochastic"
                raise AxdseError(rule, f"random={self.random}", "leave random out")
            return
        _check("random of a sum", self.random, 1, STATE_BITS)
        if not isinstance(self.register, FloatRegister) or self.carry == "late":
            rule = "round=stochastic is of a float(E,R) that is added with its products"
            raise AxdseError(rule, self.name, "choose rz or rne")

    def _check_register(self) -> None:
        held = self.register
        if isinstance(held, FloatRegister):
            if self.align is not None and held.fraction_bits > self.align:
                rule = f"align={self.align} leaves an accumulator no more than {self.align} bits"
                raise AxdseError(rule, held.name, f"choose {held.exponent_bits},{self.align}")
            return
        if self.carry == "late":
            rule = "carry=late adds a rounded sum of products to an accumulator float(E,R)"
            raise AxdseError(rule, self.name, "leave carry out")
        if isinstance(held, LazyRegister):
            if self.align is None:
                raise AxdseError("a lazy sum has align=F", self.name, "give lazy(F,V)")
            # Products are below 4 and have a sign.
            least = self.align + 3 + (self.terms - 1).bit_length()
            if held.width < least:
                rule = f"{self.terms} terms of {self.align} fraction bits carry into {least} bits"
                raise AxdseError(rule, f"V={held.width}", f"choose V of {least} or more")
        elif self.align is not None:
            rule = f"{held.name} keeps the bits that it has, so align is of other sums"
            raise AxdseError(rule, f"align={self.align}", "leave align out")
        elif isinstance(held, IntRegister) and (self.chunk or self.cut != "zero"):
            rule = "integer sums are neither cut nor added to an FP32 sum"
            raise AxdseError(rule, self.name, "leave chunk and cut out")

    @property
    def of_steps(self) -> "Sum":
        """The same of terms that are whole steps already, as those of integers in blocks are."""
        return dataclasses.replace(self, terms=1, chunk=self.chunk // self.terms)

    @property
    def is_integer(self) -> bool:
        """Whether it adds products of an integer format."""
        return isinstance(self.register, IntRegister)

    @property
    def is_random(self) -> bool:
        """Whether it rounds by chance, and its register holds a generator beside the sum."""
        return self.rounding == "stochastic"

    @property
    def name(self) -> str:
        """The canonical text, which `parse_sum` reads back."""
        held, alone = self.register, self.terms == 1
        text = f"lazy({self.align},{held.width})" if isinstance(held, LazyRegister) else held.name
        if isinstance(held, FloatRegister):
            alone &= self.align is None and self.carry == "with" and self.cut == "zero"
        head, _, inner = text.partition("(")
        first = [inner.rstrip(")")]
        if not alone:
            head, first = "dot", [f"terms={self.terms}"]
            if isinstance(held, FloatRegister):
                first.append(f"align={'exact' if self.align is None else self.align}")
            first.append(f"acc={text}")
        overflow = held.overflow if isinstance(held, FixedRegister | IntRegister) else "wrap"
        options = {
            f"overflow={overflow}": overflow != "wrap",
            f"cut={self.cut}": self.cut != "zero",
            f"carry={self.carry}": self.carry != "with",
            f"round={self.rounding}": self.rounding != _rounding_of(head),
            f"random={self.random}": self.is_random and self.random != STATE_BITS,
            f"chunk={self.chunk}": bool(self.chunk),
            f"stages={self.stages}": bool(self.stages),
        }
        return f"{head}({','.join((*first, *(o for o, said in options.items() if said)))})"


@dataclass(frozen=True)
class Preset:
    """A sum that somebody has built.

    Attributes:
        sum: what it computes.
        what: the machine, and the operands that it takes.
        source: how that is known.
    """

    sum: Sum
    what: str
    source: str


@dataclass(frozen=True)
class _Entry:
    sum: str
    what: str
    source: str


@dataclass(frozen=True)
class _Options:
    """What a text says by name, as it is written; empty: nothing."""

    terms: str = ""
    align: str = ""
    acc: str = ""
    cut: str = ""
    carry: str = ""
    round: str = ""
    random: str = ""
    overflow: str = ""
    chunk: str = ""
    stages: str = ""
    order: str = ""


@functools.cache
def presets() -> Mapping[str, Preset]:
    """The sums of `catalog.yaml` by name.

    Raises:
        AxdseError: it is damaged.
    """
    text = InputFile(CATALOG, "sums are a readable catalog.yaml", strict_yaml.LARGEST).text()
    entries = strict_yaml.build(dict[str, _Entry], strict_yaml.load(text, str(CATALOG)), "sums")
    return {name: Preset(_read(e.sum), e.what, e.source) for name, e in entries.items()}


def parse_sum(text: str) -> Sum:
    """Read a sum's text, or the name of a preset; both take options, as `hopper(chunk=128)`.

    Raises:
        AxdseError: it is none, or its parameters are out of range.
    """
    head = "".join(text.split()).partition("(")[0]
    return _read(text, presets().get(head))


def _read(text: str, preset: Preset | None = None) -> Sum:
    match = _TEXT.fullmatch("".join(text.split()))
    if match is None or len(text) > LONGEST:
        raise AxdseError("a sum is written name(...)", repr(text), _REMEDY)
    head, inner = match[1], match[2] or ""
    parts = _PARTS.findall(inner)
    named = [m for m in map(_OPTION.fullmatch, parts) if m]
    plain = [part for part in parts if not _OPTION.fullmatch(part)]
    options = _options(named, text)
    if ",".join(parts) != inner or (plain and (preset or head == "dot")):
        raise AxdseError("a sum is written name(option=value,...)", repr(text), _REMEDY)
    if options.order or head == "fp32":
        return _completed(_ordered(head, options.order, text), options)
    if preset:
        return _completed(preset.sum, options)
    if head == "dot":
        if not options.terms:
            raise AxdseError("a dot has terms=N", repr(text), _REMEDY)
        kept = _align(options.align) if options.align else None
        return _completed(Sum(FloatRegister(8, min(23, kept or 23)), 1, kept), options)
    if head not in _WIDTHS:
        choices = ("fp32", "bf16", "fp16", "dot", *_WIDTHS, *presets())
        raise AxdseError("unknown sum", repr(text), did_you_mean(head, choices))
    register, align = _register(f"{head}({','.join(plain)})", None)
    return _completed(Sum(register, 1, align, rounding=_rounding_of(head)), options)


def _ordered(head: str, order: str, text: str) -> Sum:
    """The sum in FP32 whose order is fixed; without a recipe kernels choose theirs."""
    if head != "fp32":
        rule = "order is of fp32, as all other sums have that of k"
        raise AxdseError(rule, repr(text), "leave order out")
    if order != "k":
        raise AxdseError("fp32 has any order, or order=k", repr(text), "write 'fp32(order=k)'")
    return IN_ORDER


def _options(named: list[re.Match[str]], text: str) -> _Options:
    known = {field.name for field in dataclasses.fields(_Options)}
    given = {match[1]: match[2] for match in named}
    for name in given:
        if name not in known:
            raise AxdseError("unknown option of a sum", name, did_you_mean(name, known))
    if len(given) < len(named):
        raise AxdseError("each option of a sum is given once", repr(text), "leave one out")
    return _Options(**given)


def _completed(start: Sum, options: _Options) -> Sum:
    """The sum with what the options say otherwise."""
    register, align = start.register, start.align
    if options.align:
        align = _align(options.align)
    if options.acc:
        register, align = _register(options.acc, align)
    if options.overflow:
        if not isinstance(register, FixedRegister | IntRegister):
            rule = "overflow is of fixed(W,L) and int(W)"
            raise AxdseError(rule, f"overflow={options.overflow}", "leave it out")
        overflow = _choice("overflow", options.overflow, Overflow)
        register = dataclasses.replace(register, overflow=overflow)
    rounding = _choice("round", options.round, Rounding) if options.round else start.rounding
    return Sum(
        register=register,
        terms=_number("terms", options.terms, start.terms),
        align=align,
        cut=_choice("cut", options.cut, Cut) if options.cut else start.cut,
        carry=_choice("carry", options.carry, Carry) if options.carry else start.carry,
        rounding=rounding,
        random=_number("random", options.random, STATE_BITS if rounding == "stochastic" else 0),
        chunk=_number("chunk", options.chunk, start.chunk),
        stages=_number("stages", options.stages, start.stages),
    )


# Of each register that a text may name, what its plain numbers are.
_WIDTHS = {"float": "float(E,R)", "lazy": "lazy(F,V)", "fixed": "fixed(W,L)", "int": "int(W)"}


def _register(text: str, align: int | None) -> tuple[Register, int | None]:
    """A register and the fraction bits that terms keep in front of it."""
    head, _, inner = text.rstrip(")").partition("(")
    if head not in _WIDTHS:
        rule = "an accumulator is float(E,R), lazy(F,V), fixed(W,L) or int(W)"
        raise AxdseError(rule, repr(text), did_you_mean(head, _WIDTHS))
    form = _WIDTHS[head]
    numbers = [_number(form, part) for part in inner.split(",") if part]
    if len(numbers) != form.count(",") + 1:
        raise AxdseError(f"an accumulator is written {form}", repr(text), _REMEDY)
    if head == "float":
        return FloatRegister(*numbers), align
    if head == "fixed":
        return FixedRegister(numbers[0], numbers[1]), align
    if head == "int":
        return IntRegister(numbers[0]), align
    if align not in (None, numbers[0]):
        rule = "lazy(F,V) says how terms are aligned"
        raise AxdseError(rule, f"align={align}", f"choose align={numbers[0]}, or leave it out")
    return LazyRegister(numbers[1]), numbers[0]


def _rounding_of(head: str) -> Rounding:
    """What a text means that says nothing of it: ordinary adders round to nearest."""
    return "rne" if head == "float" else "rz"


def _align(text: str) -> int | None:
    return None if text == "exact" else _number("align", text)


def _number(name: str, text: str, otherwise: int = 0) -> int:
    if text and not _NUMBER.fullmatch(text):
        raise AxdseError(f"{name} is an integer", repr(text), _REMEDY)
    return int(text) if text else otherwise


def _choice(name: str, text: str, choices: Any) -> Any:
    if text not in get_args(choices):
        rule = f"{name} of a sum is {' or '.join(get_args(choices))}"
        raise AxdseError(rule, repr(text), did_you_mean(text, get_args(choices)))
    return text


def _check(what: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise AxdseError(f"{what} is within {least}..{most}", value, "choose within these")


IN_ORDER = Sum(FloatRegister(), rounding="rne")  # FP32, one product after another
