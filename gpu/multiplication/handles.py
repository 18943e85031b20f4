"""Which multiplications does this process know, by the handle that operators take?

Callers hand over a design. It is multiplied with in whichever form is fastest: its table, or its
C model inlined into a kernel. A graph that torch compiles holds tensors, integers and the handle,
one string: tables, plans and compiled kernels stay outside.
"""

import functools
from dataclasses import dataclass
from typing import NamedTuple

from axdse.gpu.multiplication.inlined import Inlined
from axdse.multipliers.cache import digest
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import Format, IntFormat, Span
from axdse.multipliers.model.cmodel import model_digest
from axdse.multipliers.sums.feeds import brought_along, check_feeds
from axdse.multipliers.sums.recipe import Sum
from axdse.multipliers.tables.lut import Lut, build_lut, by_bytes

Form = Lut | Inlined
Design = Candidate | Form  # a table may be read from a file, and a model vouched for


@dataclass(frozen=True, eq=False)
class Multiplication:
    """A design, in each form that it has.

    Attributes:
        design: as it was handed over; of a table or an inlined model, that is its only form.
        sum: how its products are added; None: as the format says.
    """

    design: Design
    sum: Sum | None = None

    @property
    def format(self) -> Format:
        """Operands and product."""
        return self.design.format

    @property
    def multiplier(self) -> str:
        """Spec of the core, or the file of a table."""
        if isinstance(self.design, Candidate):
            return self.design.multiplier.spec
        return self.design.multiplier

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 (hex); equal digests multiply and add alike."""
        if self.sum is not None:
            return digest("sum", Multiplication(self.design).digest, self.sum.name)
        if not isinstance(self.design, Candidate):
            return self.design.digest
        core = self.design.multiplier
        swapped = str(core.family.swapped)
        return digest("design", core.spec, model_digest(core), swapped, self.format.name)

    @functools.cached_property
    def table(self) -> Lut | str:
        """All products as operators index them, or why there is no table."""
        if isinstance(self.design, Lut):
            return by_bytes(self.design)
        if isinstance(self.design, Inlined):
            return "its C model is compiled in, without a table"
        try:
            return by_bytes(build_lut(self.design))
        except AxdseError as error:
            return error.rule

    @functools.cached_property
    def inlined(self) -> Inlined | str:
        """The C model to be compiled into a kernel, or why it cannot be."""
        if isinstance(self.design, Inlined):
            return self.design
        if isinstance(self.design, Lut):
            return "the table is given, without its C model"
        try:
            return Inlined(self.design)
        except AxdseError as error:
            return error.rule

    @property
    def form(self) -> Form:
        """The table if it has one, else the inlined model.

        Raises:
            AxdseError: it has neither.
        """
        if isinstance(self.table, Lut):
            return self.table
        if isinstance(self.inlined, Inlined):
            return self.inlined
        name = f"{self.multiplier} in {self.format.name}"
        raise AxdseError(
            f"{name} has no table: {self.table}", self.inlined, "choose another format"
        )


_KNOWN: dict[str, Multiplication] = {}


def handle(design: Design, total: Sum | None = None) -> str:
    """Make a design known to the operators, and its sum or that of its format; its handle.

    Raises:
        AxdseError: it can be neither tabulated nor inlined, or the sum does not fit the format.
    """
    total = total or brought_along(design.format)
    if total is not None:
        check_feeds(design.format, total)
    known = Multiplication(design, total)
    if known.digest not in _KNOWN:
        _ = known.form
        _KNOWN[known.digest] = known
    return known.digest


def resolve(name: str) -> Multiplication:
    """Return the multiplication of a handle.

    Raises:
        AxdseError: this process knows none of that handle.
    """
    if name not in _KNOWN:
        raise AxdseError(
            "an operator takes the handle of a multiplication of this process",
            repr(name),
            "call handle(design) first",
        )
    return _KNOWN[name]


class Call(NamedTuple):
    """A product as operators take it: constants only, for graphs that torch compiles.

    Attributes:
        handle: of the multiplication; empty for native FP32.
        swap: exchange the operands.
        format: of the operands; None for native FP32.
        span: numbers that the scale of the first tensor, a calibrated activation, is made for;
            None: each tensor's own.
        random: its sum is rounded by chance, and takes a seed.
    """

    handle: str = ""
    swap: bool = False
    format: Format | None = None
    span: Span | None = None
    random: bool = False

    @property
    def has_zero_points(self) -> bool:
        """Whether either tensor's codes have one."""
        return isinstance(self.format, IntFormat) and self.format.has_zero_points

    @property
    def formats(self) -> tuple[Format, Format]:
        """Those of the operator's first and second tensor."""
        assert self.format is not None  # a native product has none
        first, second = self.format.operands
        return (second, first) if self.swap else (first, second)
