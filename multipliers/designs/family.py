"""What is a family of multipliers, and one of them with its parameters bound?"""

import ast
import functools
import operator
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from axdse.multipliers.designs.c_call import IntegerCall
from axdse.multipliers.errors import AxdseError, did_you_mean
from axdse.multipliers.names import (
    Line,
    Name,
    OptionalCName,
    OptionalVerilogName,
    ParameterName,
    VerilogName,
)

Expression = int | str
Kind = Literal["integer", "significand", "bits"]

LARGEST = 10**9 - 1  # of any number; specs have up to nine digits
LONGEST = 200
_WORDS = re.compile(r"(?:\d++(?!\w)|[A-Za-z_]\w*+|//|[-+*() \t])*+", re.ASCII)
_OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
}
MOST_BITS = 64  # C models take and return uint64_t
MOST_DESIGNS = 100_000
MOST_LATENCY = 64
STRICT = ConfigDict(extra="forbid")
Finite = Annotated[float, Field(allow_inf_nan=False)]


def evaluate(expression: Expression, values: Mapping[str, int]) -> int:
    """Evaluate an integer expression of + - * // over the named values.

    Raises:
        AxdseError: it is anything else, too long, divides by zero, or a number on the way has
            more than nine digits.
    """
    if isinstance(expression, int):
        return _bounded(expression)
    # Python parses by recursion, and warns of what it may refuse one day.
    if len(expression) > LONGEST or not _WORDS.fullmatch(expression):
        raise _bad_bound(expression)
    try:
        return _evaluate(_parsed(expression), values)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, MemoryError) as error:
        raise _bad_bound(expression) from error


def _bounded(number: int) -> int:
    if abs(number) > LARGEST:
        rule = "numbers of a catalogue have up to nine digits"
        raise AxdseError(rule, f"{number:.3e}", "correct catalog.yaml")
    return number


@functools.cache
def _parsed(expression: str) -> ast.expr:
    return ast.parse(expression, mode="eval").body


def _evaluate(node: ast.AST, values: Mapping[str, int]) -> int:
    match node:
        case ast.Constant(value=int(number)) if number is not True and number is not False:
            return _bounded(number)
        case ast.Name(id=name) if name in values:
            return values[name]
        case ast.BinOp(left, op, right) if type(op) in _OPERATORS:
            return _bounded(
                _OPERATORS[type(op)](_evaluate(left, values), _evaluate(right, values))
            )
    raise _bad_bound(ast.unparse(node))


def _bad_bound(expression: str) -> AxdseError:
    return AxdseError(
        "bounds are + - * // over integers and earlier parameters",
        repr(expression),
        "correct catalog.yaml",
    )


@dataclass(frozen=True, config=STRICT)
class Parameter:
    """One parameter of a family; bounds are integers or expressions of earlier parameters."""

    min: Expression
    max: Expression
    default: Expression
    meaning: Line


@dataclass(frozen=True, config=STRICT)
class Paper:
    """Where a family was published."""

    authors: Line
    title: Line
    venue: Line
    year: Annotated[int, Field(ge=1800, le=2200)]
    doi: Line = ""


@dataclass(frozen=True, config=STRICT)
class Fact:
    """A known value of an error metric, which the tests compare with the table.

    Attributes:
        at: the bound multiplier, as a spec.
        metric: a field of `axdse.multipliers.tables.error_metrics.ErrorMetrics`.
        value: the published or derived value, in the metric's unit.
        tolerance: largest accepted absolute difference.
        source: where the value comes from.
    """

    at: Line
    metric: Line
    value: Finite
    tolerance: Finite
    source: Line


@dataclass(frozen=True, config=STRICT)
class Pipeline:
    """How a module with registers is run; operands are taken at each rising edge.

    Attributes:
        clock: its port.
        latency: rising edges from operands to product; None: found by the RTL check.
        reset: its port; empty: none.
        reset_level: the level that resets.
        enable: the port that lets the registers load; empty: none.
        enable_level: the level that does.
        start: the port that, 1 at an edge, hands over operands; empty: every edge does.
        done: the output that is 1 while the product is there; one with `start`.
        ready: the output that is 1 where operands are taken; empty: always.
    """

    clock: VerilogName
    latency: Annotated[int, Field(ge=0, le=MOST_LATENCY)] | None = None
    reset: OptionalVerilogName = ""
    reset_level: Literal[0, 1] = 1
    enable: OptionalVerilogName = ""
    enable_level: Literal[0, 1] = 1
    start: OptionalVerilogName = ""
    done: OptionalVerilogName = ""
    ready: OptionalVerilogName = ""

    @property
    def ports(self) -> tuple[str, ...]:
        """The ports beside operands and product."""
        return tuple(
            filter(None, (self.clock, self.reset, self.enable, self.start, *self.outputs))
        )

    @property
    def outputs(self) -> tuple[str, ...]:
        """Those that are outputs."""
        return tuple(filter(None, (self.done, self.ready)))


@dataclass(frozen=True, config=STRICT)
class Published:
    """A figure that a design's author states, such as PDK45_AREA = 709.6 um2.

    Attributes:
        step: a unit of the last digit that is printed, 0.1 in 709.6; 0: not known.
    """

    name: Line
    value: Finite
    unit: Line
    step: Finite = 0.0


@dataclass(frozen=True, config=STRICT)
class Family:
    """A parametric multiplier: a C model and a Verilog module with the same parameters.

    Attributes:
        name: file stem, C function and Verilog module.
        kind: "integer" cores map two n-bit operands to a 2n-bit product; "significand" cores
            map two m-bit fractions (hidden one implied) to {carry, fraction}, m + 1 bits; "bits"
            are patterns in and out, of which nothing more is known: other products, whole units.
        width: width of the first operand in bits, an expression of the parameters.
        width_b: width of the second operand; empty: the same.
        signed: operands and product are two's complement; tables hold their bit patterns.
        unsigned_operand: the one that is not, of a signed family; empty: none.
        error_sign: what is known of (approximate - exact) over the whole domain.
        commutative: whether f(a, b) = f(b, a) for all operands.
        keeps_zero: whether a zero operand always gives zero.
        function: the C function; empty: the family's name.
        swapped: the C function takes the second operand first.
        arguments: of the C function, in its order: a and b, where it is not swapped, and
            constants such as `int 3`.
        unsigned_char: a plain `char` of the C file has no sign.
        takes_floats: it is `float f(float, float)`, see `axdse.multipliers.model.float_model`.
        module: the Verilog module; empty: the family's name.
        ports: of the module: first operand, second operand, product; empty: see `port_names`.
        product: bits of the result, of patterns; an expression of the parameters.
        pipeline: of a module with registers.
        rtl_only: the C model was made of the Verilog's gates; nobody else says what it computes.
        table_only: the C model was made of a table of products; there is no Verilog.
        published: what the author states, in words of the author.
    """

    name: Name
    title: Line
    kind: Kind
    width: Expression
    model: Path
    rtl: Path
    parameters: dict[ParameterName, Parameter]
    paper: Paper | None = None
    error_sign: Literal["exact", "never_positive", "never_negative", "any"] = "any"
    commutative: bool = True
    keeps_zero: bool = True
    facts: tuple[Fact, ...] = ()
    width_b: Expression | None = None
    signed: bool = False
    unsigned_operand: Literal["", "a", "b"] = ""
    function: OptionalCName = ""
    swapped: bool = False
    arguments: tuple[Line, ...] = ("a", "b")
    unsigned_char: bool = False
    takes_floats: bool = False
    module: OptionalVerilogName = ""
    ports: tuple[VerilogName, VerilogName, VerilogName] | None = None
    product: Expression | None = None
    pipeline: Pipeline | None = None
    rtl_only: bool = False
    table_only: bool = False
    published: tuple[Published, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """Its model, and its Verilog if it has any."""
        return (self.model,) if self.table_only else (self.model, self.rtl)

    @property
    def verilog(self) -> Path:
        """The Verilog file.

        Raises:
            AxdseError: it is a table alone.
        """
        if self.table_only:
            raise AxdseError(
                "a cost, a verdict and an export need Verilog",
                f"{self.name} is a table alone",
                f"put {self.name}.v beside the table and import both",
            )
        return self.rtl

    @property
    def port_names(self) -> tuple[str, str, str]:
        """The module's ports: first operand, second operand, product."""
        return self.ports or (("x", "y", "p") if self.kind == "significand" else ("a", "b", "p"))

    @property
    def operand_signs(self) -> tuple[bool, bool]:
        """Whether first and second operand are two's complement."""
        return self.signed and self.unsigned_operand != "a", (
            self.signed and self.unsigned_operand != "b"
        )

    @property
    def call(self) -> IntegerCall:
        """How its function is called with the RTL's operands.

        Raises:
            AxdseError: its arguments are none.
        """
        exchanged = {"a": "b", "b": "a"} if self.swapped else {}
        arguments = tuple(exchanged.get(each, each) for each in self.arguments)
        extends = self.signed and self.kind == "integer"
        return IntegerCall(arguments, self.operand_signs, self.unsigned_char, extends)

    def __hash__(self) -> int:
        """Equal families have equal names and files; the dict of parameters has no hash."""
        return hash((self.name, self.model, self.rtl))

    def bind(self, values: Mapping[str, int] | None = None) -> "Multiplier":
        """Bind parameters; those left out take their defaults.

        Raises:
            AxdseError: a parameter is unknown or out of range.
        """
        given = dict(values or {})
        self._check_known(given)
        bound: dict[str, int] = {}
        for name in self.parameters:
            low, high = self.bounds(name, bound)
            default = evaluate(self.parameters[name].default, bound)
            value = given.get(name, min(max(default, low), high))
            if not low <= value <= high:
                rule = f"{self.name} needs {name} in {low}..{high}"
                raise AxdseError(rule, f"{name}={value}", f"choose {name} within the range")
            bound[name] = value
        return self._multiplier(bound)

    def bounds(self, parameter: str, earlier: Mapping[str, int]) -> tuple[int, int]:
        """Return the inclusive range of a parameter, given the earlier ones."""
        entry = self.parameters[parameter]
        return evaluate(entry.min, earlier), evaluate(entry.max, earlier)

    def grid(self, **fixed: int) -> Iterator["Multiplier"]:
        """Yield every bound multiplier that has the `fixed` parameter values.

        Raises:
            AxdseError: a fixed parameter is unknown, or there are too many designs.
        """
        self._check_known(fixed)
        partial: list[dict[str, int]] = [{}]
        for name in self.parameters:
            ranges = [self._values(name, earlier, fixed) for earlier in partial]
            if sum(map(len, ranges)) > MOST_DESIGNS:
                rule = f"a family has at most {MOST_DESIGNS} designs in its grid"
                raise AxdseError(rule, self.name, f"fix {name}, or narrow it in catalog.yaml")
            partial = [
                {**earlier, name: value}
                for earlier, values in zip(partial, ranges, strict=True)
                for value in values
            ]
        return map(self._multiplier, partial)

    def _multiplier(self, values: Mapping[str, int]) -> "Multiplier":
        multiplier = Multiplier(self, tuple(values.items()))
        widths = multiplier.a_bits, multiplier.b_bits
        if min(widths) < 1 or sum(widths) > MOST_BITS:
            rule = f"operands have at least 1 bit each, and {MOST_BITS} together"
            raise AxdseError(
                rule, f"{multiplier.spec}: {widths[0]} x {widths[1]}", "choose others"
            )
        if not 1 <= multiplier.product_bits <= MOST_BITS:
            rule = f"a product has 1 to {MOST_BITS} bits"
            raise AxdseError(
                rule, f"{multiplier.spec}: {multiplier.product_bits}", "choose others"
            )
        return multiplier

    def _values(self, name: str, earlier: Mapping[str, int], fixed: Mapping[str, int]) -> range:
        low, high = self.bounds(name, earlier)
        value = fixed.get(name)
        if value is None:
            return range(low, high + 1)
        return range(value, value + 1) if low <= value <= high else range(0)

    def _check_known(self, names: Iterable[str]) -> None:
        for name in names:
            if name not in self.parameters:
                remedy = did_you_mean(name, self.parameters)
                raise AxdseError(f"unknown parameter of {self.name}", name, remedy)


@dataclass(frozen=True)
class Multiplier:
    """A family with its parameters bound: one design.

    Attributes:
        values: (parameter, value) pairs in the family's order.
    """

    family: Family
    values: tuple[tuple[str, int], ...] = ()

    @property
    def spec(self) -> str:
        """Canonical text such as `drum(n=8,k=4)`."""
        inner = ",".join(f"{name}={value}" for name, value in self.values)
        return f"{self.family.name}({inner})" if inner else self.family.name

    @property
    def bindings(self) -> dict[str, int]:
        """C macros and Verilog parameters: upper-case name -> value."""
        return {name.upper(): value for name, value in self.values}

    @property
    def a_bits(self) -> int:
        """Width of the first operand: n of an integer core, m of a significand core."""
        return evaluate(self.family.width, dict(self.values))

    @property
    def b_bits(self) -> int:
        """Width of the second operand."""
        width = self.family.width if self.family.width_b is None else self.family.width_b
        return evaluate(width, dict(self.values))

    @property
    def operand_bits(self) -> int:
        """Width of both operands, for number formats, whose operands are alike.

        Raises:
            AxdseError: the two differ.
        """
        if self.a_bits != self.b_bits:
            rule = "both operands of a number format have the same width"
            raise AxdseError(
                rule, f"{self.spec} is {self.a_bits} x {self.b_bits}", "choose a square multiplier"
            )
        return self.a_bits

    @property
    def product_bits(self) -> int:
        """Width of the result: the sum of the operands', or m + 1 for {carry, fraction}."""
        if self.family.kind == "bits" and self.family.product is not None:
            return evaluate(self.family.product, dict(self.values))
        return self.a_bits + 1 if self.family.kind == "significand" else self.a_bits + self.b_bits

    @property
    def pairs(self) -> int:
        """Number of operand pairs in the whole domain."""
        return int(1 << (self.a_bits + self.b_bits))
