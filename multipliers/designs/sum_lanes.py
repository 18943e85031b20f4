"""What is in a lane of a sum's unit? A core, what reads its operands, and a shifter.

`axdse.multipliers.designs.sum_rtl` puts the lanes of a step together.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from axdse.multipliers.designs.carry_save import Rows, tree
from axdse.multipliers.designs.datapath import Block, Module, Role, Slice, whole
from axdse.multipliers.designs.rtl_text import UNIT_FOLDER, core_instance, identifier
from axdse.multipliers.designs.sum_shape import SumShape
from axdse.multipliers.formats import SCALE_BITS, FloatFormat
from axdse.multipliers.sums.recipe import FixedRegister

Pins = tuple[tuple[str, Slice], ...]


@dataclass(frozen=True)
class Parts:
    """Makes blocks whose modules are named after what they depend on, so that MACs share them."""

    shape: SumShape

    def block(
        self,
        role: Role,
        name: str,
        inputs: Pins,
        outputs: Pins,
        body: Iterator[str],
        files: tuple[str, ...] = (),
    ) -> Block:
        """A block; what the name says no more of is the sum's own."""
        part, _, rest = name.partition(" ")
        own = rest or identifier(replace(self.shape.sum, stages=0).name)
        module = Module(
            f"sum_{part}_{self.shape.format_word}_{own}",
            tuple((port, slice_.width) for port, slice_ in inputs),
            tuple((port, slice_.width) for port, slice_ in outputs),
            "".join(f"  {line}\n" for line in body),
            tuple(UNIT_FOLDER / name for name in files),
            adds=part in ("operands", "add", "products"),
        )
        return Block(role, module, (*inputs, *outputs))

    @property
    def operands(self) -> str:
        """What reads operands depends on the exponents of the unit."""
        return f"operands x{self.shape.exponent_bits}_offset{self.shape.term_offset}"

    @property
    def align(self) -> str:
        """A shifter depends on core and cut, that of a window on all."""
        shape = self.shape
        kind = "_significand" if shape.candidate.multiplier.family.kind == "significand" else ""
        if isinstance(shape.sum.register, FixedRegister):
            return f"align {identifier(replace(shape.sum, stages=0).name)}{kind}"
        jam = "_jam" if shape.jams else ""
        return f"align x{shape.exponent_bits}_keep{shape.keep}_{shape.sum.cut}{jam}{kind}"


def core_module(shape: SumShape) -> Module:
    """The core between the fractions of operands and the product of significands."""
    m, multiplier = shape.format.fraction_bits, shape.candidate.multiplier
    hidden = multiplier.family.kind == "integer"
    width = 2 * m + 2 if hidden else m + 1
    x, y = ("{1'b1, x}", "{1'b1, y}") if hidden else ("x", "y")
    name = f"product_{identifier(multiplier.spec)}_m{m}"
    body = f"  {core_instance(multiplier, x, y, 'product')}\n"
    return Module(
        name, (("x", m), ("y", m)), (("product", width),), body, (multiplier.family.verilog,)
    )


def lane(shape: SumShape, make: Parts, core: Module, i: int) -> Iterator[Block]:
    """A core, what reads its operands, and a shifter."""
    n, x, pins, e = shape.sum.terms, shape.exponent_bits, shape.operand_bits, shape.format
    m, width = e.fraction_bits, core.outputs[0][1]
    a, b = Slice("ab", i * pins, pins), Slice("ab", (n + i) * pins, pins)
    if shape.is_mx:
        yield from (_decoder(shape, side, f"{name}{i}") for name, side in (("a", a), ("b", b)))
        a, b = (whole(f"{name}{i}", e.bits) for name in "ab")
    bits = {
        name: (name, whole(f"{name}{i}", 1)) for name in ("present", "negative", "nan", "infinite")
    }
    exponent = ("exponent", whole(f"exponent{i}", x))
    product = ("product", whole(f"product{i}", width))
    fractions = (("x", Slice(a.bus, a.low, m)), ("y", Slice(b.bus, b.low, m)))
    yield Block("core", core, (*fractions, product))
    reads = (
        f"sum_lane #(.E({e.exponent_bits}), .M({m}), .X({x}),",
        f"    .OFFSET({shape.term_offset})) read (",
        "    .a(a), .b(b), .x(), .y(), .present(present), .negative(negative),",
        "    .exponent(exponent), .nan(nan), .infinite(infinite));",
    )
    outputs = (*bits.values(), exponent)
    yield make.block(
        "multiplier", make.operands, (("a", a), ("b", b)), outputs, iter(reads), ("sum_lane.v",)
    )
    yield _shifter(shape, make, i, product)


def block_lane(shape: SumShape, make: Parts, unit: Module) -> Iterator[Block]:
    """Integer units, what adds their products, what reads their scales, and one shifter."""
    n, form, x = shape.sum.terms, shape.blocks, shape.exponent_bits
    assert form
    (_, width), total_bits = unit.outputs[0], shape.whole_bits + shape.fraction_bits
    lows = [sum(pin.width for pin in shape.port[:at]) for at in range(len(shape.port))]
    pins = [Slice("ab", low, pin.width) for low, pin in zip(lows, shape.port, strict=True)]
    (*a, scale_a), (*b, scale_b) = pins[: n + 1], pins[n + 1 :]
    products = tuple((f"p{i}", whole(f"p{i}", width)) for i in range(n))
    for i, (_, product) in enumerate(products):
        yield Block("multiplier", unit, (("a", a[i]), ("b", b[i]), ("p", product)))
    total = products[0][1]
    if n > 1:
        total, rows = whole("products", total_bits), Rows(total_bits)
        for name, _ in products:
            rows.signed(name, width)
        body = (*tree(total_bits, rows.all()), "assign total = added;")
        yield make.block("sum", "products tree", products, (("total", total),), iter(body))
    significand = ("significand", whole("significand0", total_bits))
    bits = ("present", "negative", "nan", "infinite")
    outputs = (
        significand,
        *((name, whole(f"{name}0", 1)) for name in bits),
        ("exponent", whole("exponent0", x)),
    )
    reads = (
        f"sum_block #(.S({form.scale_bits}), .TOTAL({total_bits}), .X({x}),",
        f"    .OFFSET({shape.term_offset})) read (",
        "    .scale_a(scale_a), .scale_b(scale_b), .total(total), .significand(significand),",
        "    .present(present), .negative(negative), .exponent(exponent), .nan(nan),",
        "    .infinite(infinite));",
    )
    inputs = (("scale_a", scale_a), ("scale_b", scale_b), ("total", total))
    yield make.block("sum", make.operands, inputs, outputs, iter(reads), ("sum_block.v",))
    yield _shifter(shape, make, 0, significand)


def _shifter(shape: SumShape, make: Parts, i: int, product: tuple[str, Slice]) -> Block:
    """What moves the point of a term to where all are."""
    x = shape.exponent_bits
    inputs: Pins = (
        product,
        ("exponent", whole(f"exponent{i}", x)),
        *((name, whole(f"{name}{i}", 1)) for name in ("present", "negative")),
    )
    if not isinstance(shape.sum.register, FixedRegister):
        inputs = (*inputs, ("largest", whole("largest", x)))
    term = (("term", whole(f"term{i}", term_width(shape))),)
    return make.block("sum", make.align, inputs, term, _aligned(shape), ("sum_align.v",))


def _decoder(shape: SumShape, code: Slice, bus: str) -> Block:
    """What adds the scale of a block to the exponent of one of its elements."""
    form = shape.candidate.format
    assert isinstance(form, FloatFormat)
    e, m = form.exponent_bits, form.fraction_bits
    element, scale = form.bits, SCALE_BITS
    body = (
        f"  mx_decode #(.E({e}), .M({m}), .IEEE({int(e == 5)}), .FULL({int(e == 4)})) decode (\n"
        "      .element(element), .scale(scale), .number(number));\n"
    )
    inputs, outputs = (("element", element), ("scale", scale)), (("number", 9 + m),)
    files = (UNIT_FOLDER / "mx_decode.v",)
    module = Module(f"sum_decode_{shape.format_word}", inputs, outputs, body, files)
    pins = (
        ("element", Slice(code.bus, code.low, element)),
        ("scale", Slice(code.bus, code.low + element, scale)),
        ("number", whole(bus, 9 + m)),
    )
    return Block("multiplier", module, pins)


def term_width(shape: SumShape) -> int:
    """Bits of a term as it is added."""
    held = shape.sum.register
    saturates = isinstance(held, FixedRegister) and held.overflow == "saturate"
    return held.width if isinstance(held, FixedRegister) and saturates else shape.term_bits


def _aligned(shape: SumShape) -> Iterator[str]:
    """A product, its point moved to where all are."""
    f = shape.fraction_bits
    if not shape.blocks:
        yield from _significand(shape)
    held = shape.sum.register
    if isinstance(held, FixedRegister):
        yield from _in_window(shape, held)
        return
    yield f"{aligner(shape, f + shape.whole_bits, f)} align ("
    yield "    .largest(largest), .exponent(exponent), .present(present), .negative(negative),"
    yield "    .significand(significand), .aligned(term));"


def _significand(shape: SumShape) -> Iterator[str]:
    m, f = shape.format.fraction_bits, shape.fraction_bits
    yield f"wire [{f + 1}:0] significand;"
    if shape.candidate.multiplier.family.kind == "significand":
        # {carry, fraction}, of which the carry moves the point
        yield f"assign significand = product[{m}] ? {{1'b1, product[{m - 1}:0], 1'b0}}"
        yield f"    : {{2'b01, product[{m - 1}:0]}};"
    elif f == 2 * m:
        yield "assign significand = product;"
    else:  # with a carry the last of the bits kept is one less
        yield f"assign significand = {{product[{2 * m + 1}:{m + 1}],"
        yield f"    product[{m}] & ~product[{2 * m + 1}]}};"


def _in_window(shape: SumShape, held: FixedRegister) -> Iterator[str]:
    """A term of a fixed-point sum: what is above the window falls away, or saturates."""
    f, w, x = shape.fraction_bits, held.width, shape.exponent_bits
    top = f"{x}'d{shape.window_top + shape.bias}"
    bits, down = shape.term_bits, shape.sum.cut == "down"
    yield f"wire above = exponent > {top};"
    yield f"wire [{bits - 1}:0] placed;"
    yield f"{aligner(shape, f + 2, f)} align ("
    yield f"    .largest({top}), .exponent(exponent), .present(present & ~above),"
    yield "    .negative(negative), .significand(significand), .aligned(placed));"
    if held.overflow == "wrap":
        yield "assign term = placed;"
        return
    size = bits - down
    if down:
        beyond = (
            f"~(&placed[{size}:{w - 1}]) & (|placed[{size}:{w - 1}])" if size >= w - 1 else "1'b0"
        )
        inside = f"{{{{{w}{{placed[{size}]}}}}, placed}}"
    else:
        beyond = f"|placed[{size - 1}:{w - 1}]" if size > w - 1 else "1'b0"
        inside = (
            f"({{{w}'d0, placed}} ^ {{{w + size}{{negative}}}}) + {{{w + size - 1}'d0, negative}}"
        )
    yield f"wire beyond = above | ({beyond});"
    yield f"wire [{w + bits - 1}:0] moved = {inside};"
    yield f"assign term = beyond ? {{negative, {{{w - 1}{{~negative}}}}}} : moved[{w - 1}:0];"


def aligner(shape: SumShape, bits: int, fraction: int) -> str:
    """The shifter of a significand of so many bits, of which so many are behind the point."""
    down, jam = int(shape.sum.cut == "down"), int(shape.jams)
    out = shape.keep + bits - fraction + down
    return (
        f"sum_align #(.X({shape.exponent_bits}), .IN({bits}), .FRACTION({fraction}),"
        f" .KEEP({shape.keep}), .OUT({out}), .DOWN({down}), .JAM({jam}))"
    )
