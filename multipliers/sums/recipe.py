"""What adds the products of a MAC? Recipes: a register, and how a step comes into it.

`docs/sums.md` says what each computes, `reference` computes it; `text` reads what `Sum.name` has.
"""

import dataclasses
from dataclasses import dataclass
from typing import Literal

from axdse.multipliers.errors import AxdseError
from axdse.multipliers.sums.random_bits import STATE_BITS

Cut = Literal["zero", "down"]
Carry = Literal["with", "late"]
Rounding = Literal["rz", "rne", "stochastic"]
Overflow = Literal["wrap", "saturate"]

MOST_TERMS, MOST_ALIGN, MOST_CHUNK = 64, 48, 1 << 20


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
            f"round={self.rounding}": self.rounding != usual_rounding(head),
            f"random={self.random}": self.is_random and self.random != STATE_BITS,
            f"chunk={self.chunk}": bool(self.chunk),
            f"stages={self.stages}": bool(self.stages),
        }
        return f"{head}({','.join((*first, *(o for o, said in options.items() if said)))})"


def usual_rounding(head: str) -> Rounding:
    """What a text means that says nothing of it: ordinary adders round to nearest."""
    return "rne" if head == "float" else "rz"


def _check(what: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise AxdseError(f"{what} is within {least}..{most}", value, "choose within these")


IN_ORDER = Sum(FloatRegister(), rounding="rne")  # FP32, one product after another
