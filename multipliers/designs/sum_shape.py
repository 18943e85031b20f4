"""How wide is the unit of a sum? What its Verilog, its model on codes and its tests agree on."""

from dataclasses import dataclass

import numpy as np

from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import SCALE_BITS, FloatFormat, IntFormat
from axdse.multipliers.sums.random_bits import STATE_BITS
from axdse.multipliers.sums.recipe import (
    FixedRegister,
    FloatRegister,
    IntRegister,
    LazyRegister,
    Sum,
)

REGISTER_BITS = 64
WIDEST = 240  # bits of an aligned term
GUARD = 3  # bits below those of a sum of two, of which the last is sticky
SPECIAL_BITS = 2  # of a register without a format: 1 infinity, 2 minus infinity, 3 NaN


@dataclass(frozen=True)
class Pin:
    """Some bits of the code of an operand, of first ones and then of second ones."""

    operand: int
    low: int
    width: int


@dataclass(frozen=True)
class SumShape:
    """The widths of a sum's unit.

    Exponents of the unit are unsigned, those of operands and register meet in them, and 0 says
    that a term is not there.

    Attributes:
        candidate: core and format in front of the sum.
        sum: what it computes.
    """

    candidate: Candidate
    sum: Sum

    @property
    def format(self) -> FloatFormat:
        """Of the operands; of MX ones with their scale."""
        assert isinstance(self.candidate.format, FloatFormat)
        return self.candidate.format.in_fp32 if self.is_mx else self.candidate.format

    @property
    def is_mx(self) -> bool:
        """Whether an operand is a float with the scale of its block, {scale, element}."""
        form = self.candidate.format
        return isinstance(form, FloatFormat) and form.is_mx

    @property
    def blocks(self) -> IntFormat | None:
        """Of elements, where operands are integers in blocks, whose products are one term."""
        form = self.candidate.format
        return form if isinstance(form, IntFormat) and form.is_mx else None

    @property
    def lanes(self) -> int:
        """The terms that a step aligns."""
        return 1 if self.blocks else self.sum.terms

    @property
    def decoded(self) -> "SumShape":
        """The unit behind the decoders of MX operands."""
        return SumShape(Candidate(self.candidate.multiplier, self.format), self.sum)

    @property
    def format_word(self) -> str:
        """The format in names of modules."""
        form = self.candidate.format
        if not isinstance(form, FloatFormat):
            return f"mx{form.unit.name}_of{self.sum.terms}" if form.is_mx else form.unit.name
        kind = "mx" if form.is_mx else "float"
        return f"{kind}_e{form.exponent_bits}_m{form.fraction_bits}_{form.product}"

    @property
    def operand_bits(self) -> int:
        """Width of the code of one operand."""
        form = self.candidate.format
        if isinstance(form, IntFormat):
            return form.bits + (form.scale_bits if form.is_mx else 0)
        return form.bits + (SCALE_BITS if form.is_mx else 0)

    @property
    def port(self) -> tuple[Pin, ...]:
        """What the port `ab` is made of, from its lowest bit on.

        Of integers in blocks those of one side have one scale, that of the first.
        """
        n, form = self.sum.terms, self.blocks
        if form is None:
            return tuple(Pin(i, 0, self.operand_bits) for i in range(2 * n))
        sides = ([Pin(i, 0, form.bits) for i in range(first, first + n)] for first in (0, n))
        scales = (Pin(first, form.bits, form.scale_bits) for first in (0, n))
        return tuple(
            pin for side, scale in zip(sides, scales, strict=True) for pin in (*side, scale)
        )

    @property
    def port_bits(self) -> int:
        """Width of it."""
        return sum(pin.width for pin in self.port)

    def port_values(self, a: np.ndarray, b: np.ndarray) -> list[np.ndarray]:
        """What each pin of the port gets, uint64 [rows], of codes [rows, N]."""
        codes = np.concatenate([a, b], axis=1).astype(np.uint64)
        return [
            codes[:, pin.operand] >> np.uint64(pin.low) & np.uint64((1 << pin.width) - 1)
            for pin in self.port
        ]

    @property
    def fraction_bits(self) -> int:
        """f, those of a term's significand."""
        if self.blocks:
            return 2 * self.blocks.fraction_bits
        m = self.format.fraction_bits
        return m if self.format.product == "narrow" else 2 * m

    @property
    def whole_bits(self) -> int:
        """Those before its point: a product of floats is below 4."""
        if self.blocks:
            return 2 * self.blocks.bits + (self.sum.terms - 1).bit_length() - self.fraction_bits
        return 2

    @property
    def register_bits(self) -> int:
        """Width of the running sum as the unit has it, and of the generator above it."""
        held = self.sum.register
        if isinstance(held, FloatRegister):
            return held.bits + (STATE_BITS if self.sum.is_random else 0)
        if isinstance(held, IntRegister):
            return held.width
        exponent = self.exponent_bits if isinstance(held, LazyRegister) else 0
        return SPECIAL_BITS + exponent + held.width

    def parted(self, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Generator, uint16, and running sum of registers, uint64 of any shape."""
        if not self.sum.is_random:
            return np.zeros(c.shape, np.uint16), c
        place = np.uint64(self.register_bits - STATE_BITS)
        return (c >> place).astype(np.uint16), c & ((np.uint64(1) << place) - np.uint64(1))

    def joined(self, states: np.ndarray, sums: np.ndarray) -> np.ndarray:
        """What `parted` takes apart; without a generator the running sum alone."""
        if not self.sum.is_random:
            return sums
        place = np.uint64(self.register_bits - STATE_BITS)
        return np.asarray(states.astype(np.uint64) << place | sums)

    @property
    def bias(self) -> int:
        """What is added to an exponent inside the unit."""
        # The smallest term of blocks has scales of 0, and an exponent of 1.
        return max(self._term_bias + (self.blocks is not None), self._register_bias)

    @property
    def _term_bias(self) -> int:
        return 2 * (self.blocks.scale_bias if self.blocks else self.format.bias)

    @property
    def _operand_exponent_bits(self) -> int:
        return self.blocks.scale_bits if self.blocks else self.format.exponent_bits

    @property
    def _register_bias(self) -> int:
        held = self.sum.register
        return (1 << (held.exponent_bits - 1)) - 1 if isinstance(held, FloatRegister) else 0

    @property
    def term_offset(self) -> int:
        """From the sum of both operands' biased exponents to the unit's."""
        return self.bias - self._term_bias

    @property
    def register_offset(self) -> int:
        """From the register's biased exponent to the unit's."""
        return self.bias - self._register_bias

    @property
    def _range(self) -> tuple[int, int]:
        """The smallest and the largest exponent of a term, or of the running sum."""
        largest = 2 * ((1 << self._operand_exponent_bits) - 2) + self.term_offset
        smallest = (0 if self.blocks else 2) + self.term_offset
        held = self.sum.register
        if isinstance(held, FloatRegister) and self.sum.carry == "with":
            largest = max(largest, (1 << held.exponent_bits) - 2 + self.register_offset)
            smallest = min(smallest, 1 + self.register_offset)
        return smallest, largest

    @property
    def exponent_bits(self) -> int:
        """X, of an exponent inside the unit."""
        held = self.sum.register
        own = [self._operand_exponent_bits + 1, self._range[1].bit_length()]
        return max([*own, held.exponent_bits if isinstance(held, FloatRegister) else 0])

    @property
    def jams(self) -> bool:
        """Whether two terms are added exactly, by a sticky bit."""
        return self.is_rounded and self.sum.align is None and self.lanes == 1

    @property
    def keep(self) -> int:
        """F, the fraction bits of an aligned term; of a window, below its highest exponent."""
        if isinstance(self.sum.register, FixedRegister):
            return self.window_top - self.sum.register.lowest
        if self.sum.align is not None:
            return self.sum.align
        held = self.sum.register
        assert isinstance(held, FloatRegister)
        most = max(self.fraction_bits, held.fraction_bits + self.sum.random)
        if self.blocks:  # the first bit of a term may be its last
            most = self.fraction_bits + held.fraction_bits
        smallest, largest = self._range
        return most + (GUARD if self.jams else largest - smallest)

    @property
    def window_top(self) -> int:
        """The exponent to which the terms of a fixed-point sum are shifted.

        Terms above it leave nothing in a window that wraps, and saturate one that saturates.
        """
        held = self.sum.register
        assert isinstance(held, FixedRegister)
        beyond = held.lowest + held.width - 1
        beyond += 0 if held.overflow == "saturate" else self.fraction_bits
        return max(held.lowest + 1, min(beyond, self._range[1] - self.bias))

    @property
    def term_bits(self) -> int:
        """Width of an aligned term, with its sign where it is cut down."""
        return self.keep + self.whole_bits + (self.sum.cut == "down")

    @property
    def width(self) -> int:
        """W, of the sum in two's complement."""
        held = self.sum.register
        if isinstance(held, LazyRegister):
            return held.width
        if isinstance(held, FixedRegister):
            # What wraps is right modulo 2^W all along.
            return held.width + (self.sum.terms.bit_length() if held.overflow == "saturate" else 0)
        if isinstance(held, IntRegister):
            return held.width + (held.overflow == "saturate")
        return self.keep + 1 + self.whole_bits + self.lanes.bit_length()

    @property
    def is_deep(self) -> bool:
        """Whether a whole sum may lie below the register's smallest normal number."""
        first = self._range[0] + self.width - 2 - self.keep - self.register_offset
        return first < 1

    @property
    def is_rounded(self) -> bool:
        """Whether each step ends in a normaliser, before which a stage register may stand."""
        return isinstance(self.sum.register, FloatRegister)

    def check(self) -> None:
        """Look whether there is Verilog of it.

        Raises:
            AxdseError: there is none.
        """
        family, form = self.candidate.multiplier.family, self.candidate.format
        if family.pipeline or (isinstance(form, FloatFormat) and family.takes_floats):
            rule = "the unit of a sum is made of combinational cores in an integer or float format"
            raise AxdseError(rule, self.candidate.name, "choose another core or format")
        if isinstance(form, IntFormat) and len({each.bits for each in form.operands}) > 1:
            rule = "the Verilog of a sum takes operands of one width"
            remedy = "train with it, and verify and cost its core alone"
            raise AxdseError(rule, self.candidate.name, remedy)
        if self.sum.stages and not self.is_rounded:
            rule = "the register of stages=1 stands before a normaliser, which float(E,R) has"
            raise AxdseError(rule, self.sum.name, "leave stages out")
        if self.register_bits > REGISTER_BITS:
            rule = f"the register of a sum has up to {REGISTER_BITS} bits"
            raise AxdseError(
                rule, f"{self.register_bits} of {self.sum.name}", "choose a narrower one"
            )
        if isinstance(self.sum.register, FixedRegister):
            smallest, largest = self._range
            if not smallest <= self.window_top + self.bias <= largest:
                rule = f"products of {form.name} fall into the window of a fixed-point sum"
                raise AxdseError(rule, self.sum.name, "choose another L of fixed(W,L)")
        if not self.sum.is_integer and self.keep + self.whole_bits > WIDEST:
            rule = f"an aligned term has up to {WIDEST} bits"
            raise AxdseError(rule, f"{self.sum.name} behind {form.name}", "choose align=F")
