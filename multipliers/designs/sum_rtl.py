"""What is the Verilog of a sum? The unit that takes N pairs of operands and the running sum.

Its top binds the parameters of modules in `rtl/unit`: a lane for each product, with a core and its
shifter, a tournament for the largest exponent, a carry-save tree, one normaliser. `docs/sums.md`
says what it computes, `axdse.multipliers.model.sum_model` computes it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from axdse.multipliers.designs.candidate import Candidate
from axdse.multipliers.designs.rtl_text import (
    UNIT_FOLDER,
    Rtl,
    core_instance,
    identifier,
    read_rtl,
)
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import FloatFormat
from axdse.multipliers.sums.recipe import FloatRegister, LazyRegister, Sum

PORTS = ("ab", "c", "d")
REGISTER_BITS = 64
WIDEST = 240  # bits of an aligned term
GUARD = 3  # bits below those of a sum of two, of which the last is sticky
SPECIAL_BITS = 2  # of a register without a format: 1 infinity, 2 minus infinity, 3 NaN


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
        """Of the operands."""
        assert isinstance(self.candidate.format, FloatFormat)
        return self.candidate.format

    @property
    def operand_bits(self) -> int:
        """Width of one operand."""
        return 1 + self.format.exponent_bits + self.format.fraction_bits

    @property
    def fraction_bits(self) -> int:
        """f, those of a term's significand, which has two bits before the point."""
        m = self.format.fraction_bits
        return m if self.format.product == "narrow" else 2 * m

    @property
    def register_bits(self) -> int:
        """Width of the running sum as the unit has it."""
        held = self.sum.register
        if isinstance(held, FloatRegister):
            return held.bits
        assert isinstance(held, LazyRegister)
        return SPECIAL_BITS + self.exponent_bits + held.width

    @property
    def bias(self) -> int:
        """What is added to an exponent inside the unit."""
        return max(2 * self.format.bias, self._register_bias)

    @property
    def _register_bias(self) -> int:
        held = self.sum.register
        return (1 << (held.exponent_bits - 1)) - 1 if isinstance(held, FloatRegister) else 0

    @property
    def term_offset(self) -> int:
        """From the sum of both operands' biased exponents to the unit's."""
        return self.bias - 2 * self.format.bias

    @property
    def register_offset(self) -> int:
        """From the register's biased exponent to the unit's."""
        return self.bias - self._register_bias

    @property
    def _range(self) -> tuple[int, int]:
        """The smallest and the largest exponent of a term, or of the running sum."""
        largest = 2 * ((1 << self.format.exponent_bits) - 2) + self.term_offset
        smallest = 2 + self.term_offset
        held = self.sum.register
        if isinstance(held, FloatRegister) and self.sum.carry == "with":
            largest = max(largest, (1 << held.exponent_bits) - 2 + self.register_offset)
            smallest = min(smallest, 1 + self.register_offset)
        return smallest, largest

    @property
    def exponent_bits(self) -> int:
        """X, of an exponent inside the unit."""
        held = self.sum.register
        own = [self.format.exponent_bits + 1, self._range[1].bit_length()]
        return max([*own, held.exponent_bits if isinstance(held, FloatRegister) else 0])

    @property
    def jams(self) -> bool:
        """Whether two terms are added exactly, by a sticky bit."""
        return self.sum.align is None and self.sum.terms == 1

    @property
    def keep(self) -> int:
        """F, the fraction bits of an aligned term."""
        if self.sum.align is not None:
            return self.sum.align
        held = self.sum.register
        assert isinstance(held, FloatRegister)
        most = max(self.fraction_bits, held.fraction_bits)
        smallest, largest = self._range
        return most + (GUARD if self.jams else largest - smallest)

    @property
    def term_bits(self) -> int:
        """Width of an aligned term, with its sign where it is cut down."""
        return self.keep + 2 + (self.sum.cut == "down")

    @property
    def width(self) -> int:
        """W, of the sum in two's complement."""
        if isinstance(self.sum.register, LazyRegister):
            return self.sum.register.width
        return self.keep + 3 + self.sum.terms.bit_length()

    @property
    def is_deep(self) -> bool:
        """Whether a whole sum may lie below the register's smallest normal number."""
        first = self._range[0] + self.width - 2 - self.keep - self.register_offset
        return first < 1

    @property
    def top(self) -> str:
        """Name of the top module."""
        core, m = identifier(self.candidate.multiplier.spec), self.format.fraction_bits
        form = f"float_e{self.format.exponent_bits}_m{m}_{self.format.product}"
        return f"sum_{core}_{form}_{identifier(self.sum.name)}"


def sum_rtl(candidate: Candidate, total: Sum) -> Rtl:
    """The Verilog of one step of a sum behind a core in a float format.

    Ports: `ab` has the second operands above the first ones, each with the first pair lowest; `c`
    is the running sum, `d` the next one. A register of a lazy sum is {special, exponent, sum}.

    Raises:
        AxdseError: the sum is not one of these, its terms are too wide, a Verilog file cannot be
            read, or the core is a pipeline.
    """
    shape = SumShape(candidate, total)
    _check(shape)
    files = ["sum_lane.v", "sum_align.v"]
    if isinstance(total.register, FloatRegister):
        files += ["sum_round.v"] + ["fp_add.v"] * (total.carry == "late")
    n, pins = total.terms, shape.operand_bits
    lines = (*_lanes(shape), *_register(shape), *_tree(shape), *_result(shape))
    text = (
        f"module {shape.top} (\n    input  [{2 * n * pins - 1}:0] ab,\n"
        f"    input  [{shape.register_bits - 1}:0] c,\n"
        f"    output [{shape.register_bits - 1}:0] d\n);\n"
        + "".join(f"  {line}\n" for line in lines)
        + f"endmodule\n\n{_lane_module(shape)}"
    )
    family = candidate.multiplier.family
    paths = (*(UNIT_FOLDER / name for name in files), family.rtl)
    text += "\n".join(read_rtl(path).rstrip() + "\n" for path in paths)
    widths = (2 * n * pins, shape.register_bits, shape.register_bits)
    return Rtl(shape.top, text, PORTS, *widths, family.module or family.name)


def _check(shape: SumShape) -> None:
    candidate, total = shape.candidate, shape.sum
    family = candidate.multiplier.family
    if not isinstance(candidate.format, FloatFormat) or family.takes_floats or family.pipeline:
        raise AxdseError(
            "the unit of a sum is made of combinational cores in a float format",
            candidate.name,
            "choose another core or format",
        )
    if not isinstance(total.register, FloatRegister | LazyRegister):
        rule = "there is Verilog of sums in float(E,R) and of lazy ones"
        raise AxdseError(rule, total.name, "choose one of these")
    if total.stages:
        rule = "the Verilog of a sum is combinational"
        raise AxdseError(rule, f"stages={total.stages}", "leave stages out")
    if shape.register_bits > REGISTER_BITS:
        rule = f"the register of a sum has up to {REGISTER_BITS} bits"
        raise AxdseError(rule, f"{shape.register_bits} of {total.name}", "choose a narrower one")
    if shape.keep + 2 > WIDEST:
        rule = f"an aligned term has up to {WIDEST} bits"
        raise AxdseError(rule, f"{total.name} behind {candidate.format.name}", "choose align=F")


def _lane_module(shape: SumShape) -> str:
    """A product with its exponent, aligned, and what is special: a module for all lanes."""
    e, m, f = shape.format.exponent_bits, shape.format.fraction_bits, shape.fraction_bits
    x, pins, multiplier = shape.exponent_bits, shape.operand_bits, shape.candidate.multiplier
    lines = [
        f"module {shape.top}_lane (",
        f"    input [{pins - 1}:0] a, b,",
        f"    input [{x - 1}:0] largest,",
        f"    output [{x - 1}:0] exponent,",
        "    output negative, nan, infinite,",
        f"    output [{shape.term_bits - 1}:0] term",
        ");",
        f"  wire [{m - 1}:0] x, y;",
        "  wire present;",
        f"  sum_lane #(.E({e}), .M({m}), .X({x}), .OFFSET({shape.term_offset})) operands (",
        "      .a(a), .b(b), .x(x), .y(y), .present(present), .negative(negative),",
        "      .exponent(exponent), .nan(nan), .infinite(infinite));",
        f"  wire [{f + 1}:0] significand;",
    ]
    if multiplier.family.kind == "significand":
        lines += [  # {carry, fraction}, of which the carry moves the point
            f"  wire [{m}:0] product;",
            f"  {core_instance(multiplier, 'x', 'y', 'product')}",
            f"  assign significand = product[{m}] ? {{1'b1, product[{m - 1}:0], 1'b0}}",
            f"      : {{2'b01, product[{m - 1}:0]}};",
        ]
    else:
        lines += [
            f"  wire [{2 * m + 1}:0] product;",
            "  " + core_instance(multiplier, "{1'b1, x}", "{1'b1, y}", "product"),
        ]
        if f == 2 * m:
            lines.append("  assign significand = product;")
        else:  # with a carry the last of the bits kept is one less
            lines += [
                f"  assign significand = {{product[{2 * m + 1}:{m + 1}],",
                f"      product[{m}] & ~product[{2 * m + 1}]}};",
            ]
    lines += [
        f"  {_align(shape, f + 2, f)} align (",
        "      .largest(largest), .exponent(exponent), .present(present), .negative(negative),",
        "      .significand(significand), .aligned(term));",
        "endmodule",
    ]
    return "\n".join(lines) + "\n\n"


def _lanes(shape: SumShape) -> Iterator[str]:
    """Lanes with wires of their own: of a net as wide as all a simulator follows each bit."""
    n, x, pins = shape.sum.terms, shape.exponent_bits, shape.operand_bits
    for name in ("negative", "nan", "infinite"):
        yield f"wire {', '.join(f'{name}{i}' for i in range(n))};"
    yield f"wire [{x - 1}:0] {', '.join(f'exponent{i}' for i in range(n))};"
    yield f"wire [{shape.term_bits - 1}:0] {', '.join(f'term{i}' for i in range(n))};"
    yield f"wire [{x - 1}:0] largest;"
    for i in range(n):
        a, b = i * pins, (n + i) * pins
        yield f"{shape.top}_lane lane{i} ("
        yield f"    .a(ab[{a + pins - 1}:{a}]), .b(ab[{b + pins - 1}:{b}]), .largest(largest),"
        yield f"    .exponent(exponent{i}), .negative(negative{i}), .nan(nan{i}),"
        yield f"    .infinite(infinite{i}), .term(term{i}));"


def _align(shape: SumShape, bits: int, fraction: int) -> str:
    down, jam = int(shape.sum.cut == "down"), int(shape.jams)
    out = shape.keep + bits - fraction + down
    return (
        f"sum_align #(.X({shape.exponent_bits}), .IN({bits}), .FRACTION({fraction}),"
        f" .KEEP({shape.keep}), .OUT({out}), .DOWN({down}), .JAM({jam}))"
    )


def _register(shape: SumShape) -> Iterator[str]:
    """The running sum, aligned, and the largest exponent of all."""
    x, held = shape.exponent_bits, shape.sum.register
    if isinstance(held, LazyRegister):
        v = held.width
        yield f"wire [{x - 1}:0] exponent_c = c[{v + x - 1}:{v}];"
        yield from _largest(shape, "exponent_c")
        yield f"wire signed [{v - 1}:0] sum = c[{v - 1}:0];"
        yield f"wire [{x - 1}:0] gap = largest - exponent_c;"
        # Beyond its own bits nothing but the sign is left.
        yield f"wire [{x - 1}:0] by = gap > {min(v, (1 << x) - 1)} ? {min(v, (1 << x) - 1)} : gap;"
        yield f"wire signed [{v - 1}:0] moved = sum >>> by;"
        yield f"wire lost = |(c[{v - 1}:0] & ~({{{v}{{1'b1}}}} << by));"
        return
    assert isinstance(held, FloatRegister)
    e, r = held.exponent_bits, held.fraction_bits
    yield f"wire [{e - 1}:0] field = c[{e + r - 1}:{r}];"
    yield f"wire full_c = &field, normal_c = |field, negative_c = c[{e + r}];"
    yield f"wire nan_c = full_c & (|c[{r - 1}:0]), infinite_c = full_c & ~nan_c;"
    if shape.sum.carry == "late":
        yield from _largest(shape)
        return
    yield f"wire present_c = ~full_c & (|c[{e + r - 1}:0]);"
    offset = shape.register_offset
    yield f"wire [{x - 1}:0] biased_c ="
    yield f"    {{{{{x}{{1'b0}}}}, field[{e - 1}:1], field[0] | ~normal_c}};"
    yield f"wire [{x - 1}:0] exponent_c = (biased_c + {x}'d{offset}) & {{{x}{{present_c}}}};"
    yield from _largest(shape, "exponent_c")
    out = shape.keep + 1 + (shape.sum.cut == "down")
    yield f"wire [{out - 1}:0] aligned_c;"
    yield f"{_align(shape, r + 1, r)} align_c ("
    yield "    .largest(largest), .exponent(exponent_c), .present(present_c),"
    yield f"    .negative(negative_c), .significand({{normal_c, c[{r - 1}:0]}}),"
    yield "    .aligned(aligned_c));"


def _largest(shape: SumShape, *others: str) -> Iterator[str]:
    """The largest exponent, as a tournament."""
    left = [*(f"exponent{i}" for i in range(shape.sum.terms)), *others]
    match = 0
    while len(left) > 1:
        pairs = list(zip(left[::2], left[1::2], strict=False))
        odd = left[2 * len(pairs) :]
        left = []
        for first, second in pairs:
            name = f"larger{match}"
            yield f"wire [{shape.exponent_bits - 1}:0] {name} ="
            yield f"    {first} > {second} ? {first} : {second};"
            left.append(name)
            match += 1
        left += odd
    yield f"assign largest = {left[0]};"


@dataclass(frozen=True)
class _Row:
    """A summand: a vector of W bits, and a bit that is added at its last place."""

    text: str
    carry: str = "1'b0"


def _rows(shape: SumShape) -> list[_Row]:
    """Summands whose signs are inverted, not extended, and a constant that makes up for it."""
    w, down = shape.width, shape.sum.cut == "down"
    rows, constant = [], 0

    def add(name: str, bits: int, negative: str) -> None:
        """A term of so many bits of magnitude."""
        nonlocal constant
        constant -= 1 << bits
        if down:
            text, carry = f"~{name}[{bits}], {name}[{bits - 1}:0]", "1'b0"
        else:
            text, carry = f"~{negative}, {name} ^ {{{bits}{{{negative}}}}}", negative
        if bits + 1 < w:
            text = f"{w - bits - 1}'d0, {text}"
        rows.append(_Row(f"{{{text}}}", carry))

    bits = shape.keep + 2
    for i in range(shape.sum.terms):
        add(f"term{i}", bits, f"negative{i}")
    held = shape.sum.register
    if isinstance(held, LazyRegister):
        rows.append(_Row("moved", "1'b0" if down else f"lost & c[{held.width - 1}]"))
    elif shape.sum.carry == "with":
        add("aligned_c", shape.keep + 1, "negative_c")
    rows.append(_Row(f"{w}'d{constant % (1 << w)}"))
    return rows


def _tree(shape: SumShape) -> Iterator[str]:
    """Rows to two by carry-save adders, then one addition: wire `total`."""
    w = shape.width
    given = _rows(shape)
    rows, carries = [], [row.carry for row in given if row.carry != "1'b0"]
    for number, row in enumerate(given):
        yield f"wire [{w - 1}:0] row{number} = {row.text};"
        rows.append(f"row{number}")
    # The constant's last bit is 0, as a carry's is.
    if carries:
        yield f"wire [{w - 1}:0] last = {{{rows[-1]}[{w - 1}:1], {carries.pop()}}};"
        rows[-1] = "last"
    number = 0
    while len(rows) > 2:
        taken = [rows[at : at + 3] for at in range(0, len(rows), 3)]
        rows = []
        for group in taken:
            if len(group) < 3:
                rows += group
                continue
            a, b, c = group
            yield f"wire [{w - 1}:0] half{number} = {a} ^ {b} ^ {c};"
            yield f"wire [{w - 1}:0] most{number} = {a} & {b} | {a} & {c} | {b} & {c};"
            carry = carries.pop() if carries else "1'b0"
            yield f"wire [{w - 1}:0] carry{number} = {{most{number}[{w - 2}:0], {carry}}};"
            rows += [f"half{number}", f"carry{number}"]
            number += 1
    into = carries.pop() if carries else "1'b0"
    assert not carries
    yield f"wire [{w - 1}:0] total = {rows[0]} + {rows[1]} + {{{w - 1}'d0, {into}}};"


def _result(shape: SumShape) -> Iterator[str]:
    held, late = shape.sum.register, shape.sum.carry == "late"
    lanes = range(shape.sum.terms)
    yield f"wire plus_p = {' | '.join(f'infinite{i} & ~negative{i}' for i in lanes)};"
    yield f"wire minus_p = {' | '.join(f'infinite{i} & negative{i}' for i in lanes)};"
    yield f"wire nan_p = {' | '.join(f'nan{i}' for i in lanes)};"
    if isinstance(held, LazyRegister):
        yield "wire [1:0] special = c[" + f"{shape.register_bits - 1}:{shape.register_bits - 2}];"
        yield "wire plus = plus_p | special == 2'd1, minus = minus_p | special == 2'd2;"
        yield "wire odd = nan_p | special == 2'd3 | (plus & minus);"
        yield "assign d = {odd ? 2'd3 : {minus, plus}, largest, total};"
        return
    assert isinstance(held, FloatRegister)
    e, r, w = held.exponent_bits, held.fraction_bits, shape.width
    yield f"wire [{e + r}:0] rounded;"
    own = (
        "" if late else " | (infinite_c & ~negative_c)",
        "" if late else " | (infinite_c & negative_c)",
    )
    yield (
        f"sum_round #(.W({w}), .KEEP({shape.keep}), .X({shape.exponent_bits}),"
        f" .OFFSET({shape.register_offset}),"
    )
    yield f"    .E({e}), .R({r}), .NEAREST({int(shape.sum.rounding == 'rne')}),"
    yield f"    .DEEP({int(shape.is_deep)})) normalise ("
    yield f"    .total(total), .largest(largest), .nan(nan_p{'' if late else ' | nan_c'}),"
    yield f"    .plus(plus_p{own[0]}), .minus(minus_p{own[1]}), .d(rounded));"
    if late:
        yield f"fp_add #(.E({e}), .M({r})) add (.a(c), .b(rounded), .p(d));"
    else:
        yield "assign d = rounded;"
