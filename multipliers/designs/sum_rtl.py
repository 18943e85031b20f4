"""What is the Verilog of a sum? The unit that takes N pairs of operands and the running sum.

Its blocks bind the parameters of modules in `rtl/unit`: for each product a core, what reads its
operands and a shifter; a tournament for the largest exponent, a carry-save tree, one normaliser.
`docs/sums.md` says what it computes, `axdse.multipliers.model.sum_model` computes it.
"""

from collections.abc import Iterator
from dataclasses import replace

from axdse.multipliers.designs.carry_save import Row, Rows, saturated, tree
from axdse.multipliers.designs.datapath import Block, Datapath, Module, Slice, Wires, whole
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.designs.rtl_text import Rtl, identifier, unit_of
from axdse.multipliers.designs.sum_lanes import (
    Parts,
    aligner,
    block_lane,
    core_module,
    lane,
    term_width,
)
from axdse.multipliers.designs.sum_shape import SumShape
from axdse.multipliers.sums.random_bits import STATE_BITS
from axdse.multipliers.sums.recipe import (
    FixedRegister,
    FloatRegister,
    IntRegister,
    LazyRegister,
    Sum,
)


def sum_rtl(candidate: Candidate, total: Sum) -> Rtl:
    """The Verilog of one step of a sum, as `sum_datapath` has it; with stages=1 a clock later.

    Raises:
        AxdseError: as `sum_datapath`.
    """
    return sum_datapath(candidate, total).rtl


def sum_datapath(candidate: Candidate, total: Sum) -> Datapath:
    """One step of a sum behind a core.

    The running sum is the register's code, of one that is rounded by chance {state, code}; that of
    a lazy or fixed-point sum is {special, exponent, sum} without a format, of an integer one two's
    complement. A chunk's outer sum is not in it.

    Raises:
        AxdseError: there is no Verilog of it, its terms are too wide, a Verilog file cannot be
            read, or the core is a pipeline.
    """
    shape = SumShape(candidate, replace(total, chunk=0))
    shape.check()
    blocks = tuple(_integer_blocks(shape) if total.is_integer else _float_blocks(shape))
    stage: Wires = ()
    if total.stages:
        buses = ("total", "largest", "nan", "plus", "minus")
        widths = {"total": shape.width, "largest": shape.exponent_bits}
        stage = tuple((name, widths.get(name, 1)) for name in buses)
        if total.carry == "late":
            stage += (("c", shape.register_bits),)
        if total.is_random:
            stage += (("state", STATE_BITS),)
    family = candidate.multiplier.family
    core, recipe = identifier(candidate.multiplier.spec), identifier(shape.sum.name)
    top = f"sum_{core}_{shape.format_word}_{recipe}"
    return Datapath(
        top,
        blocks,
        shape.port_bits,
        shape.register_bits,
        stage,
        family.module or family.name,
        family.verilog,
    )


def _float_blocks(shape: SumShape) -> Iterator[Block]:
    make, n, x = Parts(shape), shape.lanes, shape.exponent_bits
    if shape.blocks:
        unit = unit_module(Candidate(shape.candidate.multiplier, shape.blocks.unit))
        yield from block_lane(shape, make, unit)
    else:
        core = core_module(shape)
        for i in range(n):
            yield from lane(shape, make, core, i)
    c = ("c", whole("c", shape.register_bits))
    exponents = tuple((f"exponent{i}", whole(f"exponent{i}", x)) for i in range(n))
    held, with_c = shape.sum.register, shape.sum.carry == "with"
    largest = ("largest", whole("largest", x))
    exponent_c = ("exponent_c", whole("exponent_c", x))
    if not isinstance(held, FixedRegister):
        own = (exponent_c,) if with_c else ()
        inputs = (*exponents, *((c,) if with_c else ()))
        if len(inputs) == 1:  # one term, added late: nothing to compare
            inputs += (("c", whole("c", shape.register_bits)),)
        yield make.block("sum", "largest", inputs, (largest, *own), _largest(shape))
    terms = tuple(
        (f"{name}{i}", whole(f"{name}{i}", width))
        for name, width in (
            ("term", term_width(shape)),
            *(("negative", 1), ("nan", 1), ("infinite", 1)),
        )
        for i in range(n)
    )
    inputs = (*terms, c)
    if not isinstance(held, FixedRegister):
        inputs += (largest, exponent_c) if with_c else (largest,)
    if not isinstance(held, FloatRegister):
        d = (("d", whole("d", shape.register_bits)),)
        body = (*_lazy_register(shape), *tree(shape.width, _rows(shape)), *_plain_result(shape))
        yield make.block("sum", "add", inputs, d, iter(body))
        return
    flags = tuple((name, whole(name, 1)) for name in ("nan", "plus", "minus"))
    total = ("total", whole("total", shape.width))
    state = (("state", whole("state", STATE_BITS)),) if shape.sum.is_random else ()
    body = (*_float_register(shape), *tree(shape.width, _rows(shape)), *_specials(shape))
    outputs = (total, *flags, *state)
    yield make.block("sum", "add", inputs, outputs, iter(body), ("sum_align.v",))
    late = () if with_c else (c,)
    inputs = (total, largest, *flags, *state, *late)
    files = ("sum_round.v", *(() if with_c else ("fp_add.v", "fp_add_align.v", "fp_add_round.v")))
    d = (("d", whole("d", shape.register_bits)),)
    last = make.block("sum", "round", inputs, d, _rounded(shape), files)
    yield last.behind_stage if shape.sum.stages else last


def _largest(shape: SumShape) -> Iterator[str]:
    """The exponent of the running sum, and a tournament for the largest of all."""
    x, held = shape.exponent_bits, shape.sum.register
    left = [f"exponent{i}" for i in range(shape.lanes)]
    if isinstance(held, LazyRegister):
        yield f"assign exponent_c = c[{held.width + x - 1}:{held.width}];"
        left.append("exponent_c")
    elif shape.sum.carry == "with":
        assert isinstance(held, FloatRegister)
        e, r = held.exponent_bits, held.fraction_bits
        yield f"wire [{e - 1}:0] field = c[{e + r - 1}:{r}];"
        yield f"wire present_c = ~(&field) & (|c[{e + r - 1}:0]);"
        yield f"wire [{x - 1}:0] biased_c ="
        yield f"    {{{{{x}{{1'b0}}}}, field[{e - 1}:1], field[0] | ~(|field)}};"
        offset = f"{x}'d{shape.register_offset}"
        yield f"assign exponent_c = (biased_c + {offset}) & {{{x}{{present_c}}}};"
        left.append("exponent_c")
    match = 0
    while len(left) > 1:
        pairs = list(zip(left[::2], left[1::2], strict=False))
        odd = left[2 * len(pairs) :]
        left = []
        for first, second in pairs:
            name = f"larger{match}"
            yield f"wire [{x - 1}:0] {name} ="
            yield f"    {first} > {second} ? {first} : {second};"
            left.append(name)
            match += 1
        left += odd
    yield f"assign largest = {left[0]};"


def _lazy_register(shape: SumShape) -> Iterator[str]:
    """The running sum of a lazy sum, moved to the exponent that has risen."""
    held, x = shape.sum.register, shape.exponent_bits
    if not isinstance(held, LazyRegister):
        return
    v = held.width
    yield f"wire signed [{v - 1}:0] sum = c[{v - 1}:0];"
    yield f"wire [{x - 1}:0] gap = largest - exponent_c;"
    # Beyond its own bits nothing but the sign is left.
    most = min(v, (1 << x) - 1)
    yield f"wire [{x - 1}:0] by = gap > {most} ? {most} : gap;"
    yield f"wire signed [{v - 1}:0] moved = sum >>> by;"
    yield f"wire lost = |(c[{v - 1}:0] & ~({{{v}{{1'b1}}}} << by));"


def _float_register(shape: SumShape) -> Iterator[str]:
    """The running sum of a float register, aligned."""
    held, x = shape.sum.register, shape.exponent_bits
    if shape.sum.carry == "late":
        return
    assert isinstance(held, FloatRegister)
    e, r = held.exponent_bits, held.fraction_bits
    yield f"wire [{e - 1}:0] field = c[{e + r - 1}:{r}];"
    yield f"wire full_c = &field, normal_c = |field, negative_c = c[{e + r}];"
    yield f"wire nan_c = full_c & (|c[{r - 1}:0]), infinite_c = full_c & ~nan_c;"
    out = shape.keep + 1 + (shape.sum.cut == "down")
    yield f"wire [{out - 1}:0] aligned_c;"
    yield f"{aligner(shape, r + 1, r)} align_c ("
    # Its exponent is 0 where it is not there.
    yield f"    .largest(largest), .exponent(exponent_c), .present(|exponent_c[{x - 1}:0]),"
    yield f"    .negative(negative_c), .significand({{normal_c, c[{r - 1}:0]}}),"
    yield "    .aligned(aligned_c));"


def _rows(shape: SumShape) -> list[Row]:
    rows, down, held = Rows(shape.width), shape.sum.cut == "down", shape.sum.register
    bits = term_width(shape)
    for i in range(shape.lanes):
        if down or (isinstance(held, FixedRegister) and held.overflow == "saturate"):
            rows.signed(f"term{i}", bits)
        else:
            rows.magnitude(f"term{i}", bits, f"negative{i}")
    if isinstance(held, LazyRegister):
        rows.plain("moved", "1'b0" if down else f"lost & c[{held.width - 1}]")
    elif isinstance(held, FixedRegister):
        rows.signed("c", held.width)
    elif shape.sum.carry == "with":
        if down:
            rows.signed("aligned_c", shape.keep + 2)
        else:
            rows.magnitude("aligned_c", shape.keep + 1, "negative_c")
    return rows.all()


def _specials(shape: SumShape) -> Iterator[str]:
    """What is special among the products, and in a float register with them."""
    lanes = range(shape.lanes)
    with_c = isinstance(shape.sum.register, FloatRegister) and shape.sum.carry == "with"
    plus = [f"infinite{i} & ~negative{i}" for i in lanes]
    minus = [f"infinite{i} & negative{i}" for i in lanes]
    nan = [f"nan{i}" for i in lanes]
    if with_c:
        plus.append("infinite_c & ~negative_c")
        minus.append("infinite_c & negative_c")
        nan.append("nan_c")
    yield "assign total = added;"
    yield f"assign plus = {' | '.join(plus)};"
    yield f"assign minus = {' | '.join(minus)};"
    yield f"assign nan = {' | '.join(nan)};"
    if shape.sum.is_random:
        yield f"assign state = c[{shape.register_bits - 1}:{shape.register_bits - STATE_BITS}];"


def _plain_result(shape: SumShape) -> Iterator[str]:
    """The register of a lazy or fixed-point sum after a step."""
    lanes, top, held = range(shape.lanes), shape.register_bits - 1, shape.sum.register
    yield f"wire [1:0] special = c[{top}:{top - 1}];"
    plus = " | ".join(f"infinite{i} & ~negative{i}" for i in lanes)
    minus = " | ".join(f"infinite{i} & negative{i}" for i in lanes)
    yield f"wire plus = {plus} | special == 2'd1, minus = {minus} | special == 2'd2;"
    odd = " | ".join(f"nan{i}" for i in lanes)
    yield f"wire odd = {odd} | special == 2'd3 | (plus & minus);"
    sum_ = "added"
    if isinstance(held, FixedRegister) and held.overflow == "saturate":
        yield from saturated(shape.width, held.width)
        sum_ = "kept"
    parts = (*(("largest",) if isinstance(held, LazyRegister) else ()), sum_)
    yield f"assign d = {{odd ? 2'd3 : {{minus, plus}}, {', '.join(parts)}}};"


def _rounded(shape: SumShape) -> Iterator[str]:
    held, late = shape.sum.register, shape.sum.carry == "late"
    assert isinstance(held, FloatRegister)
    e, r, w = held.exponent_bits, held.fraction_bits, shape.width
    yield f"wire [{e + r}:0] rounded;"
    yield (
        f"sum_round #(.W({w}), .KEEP({shape.keep}), .X({shape.exponent_bits}),"
        f" .OFFSET({shape.register_offset}),"
    )
    nearest, random = int(shape.sum.rounding == "rne"), shape.sum.random
    chance = f"state[{random - 1}:0]" if random else "1'b0"
    yield f"    .E({e}), .R({r}), .NEAREST({nearest}), .RANDOM({random}),"
    yield f"    .DEEP({int(shape.is_deep)})) normalise ("
    yield "    .total(total), .largest(largest), .nan(nan),"
    yield f"    .plus(plus), .minus(minus), .chance({chance}), .d(rounded));"
    if random:
        yield f"wire [{STATE_BITS - 1}:0] left = state ^ (state << 7);"
        yield f"wire [{STATE_BITS - 1}:0] right = left ^ (left >> 9);"
        yield "assign d = {right ^ (right << 8), rounded};"
    elif late:
        yield f"fp_add #(.E({e}), .M({r})) add (.a(c), .b(rounded), .p(d));"
    else:
        yield "assign d = rounded;"


def _integer_blocks(shape: SumShape) -> Iterator[Block]:
    """Integer units, and a tree of their products."""
    held, n, pins = shape.sum.register, shape.sum.terms, shape.operand_bits
    assert isinstance(held, IntRegister)
    unit = unit_module(shape.candidate)
    products = []
    for i in range(n):
        a, b = Slice("ab", i * pins, pins), Slice("ab", (n + i) * pins, pins)
        products.append((f"p{i}", whole(f"p{i}", 2 * pins)))
        yield Block("multiplier", unit, (("a", a), ("b", b), ("p", products[-1][1])))
    rows = Rows(shape.width)
    for i in range(n):
        rows.signed(f"p{i}", 2 * pins)
    rows.signed("c", held.width)
    body = list(tree(shape.width, rows.all()))
    if held.overflow == "saturate":
        body += [*saturated(shape.width, held.width), "assign d = kept;"]
    else:
        body.append("assign d = added;")
    c, d = (name_and_bus(name, held.width) for name in "cd")
    yield Parts(shape).block("sum", "add", (*products, c), (d,), iter(body))


def name_and_bus(name: str, width: int) -> tuple[str, Slice]:
    """A port on the bus of its name."""
    return name, whole(name, width)


def unit_module(candidate: Candidate) -> Module:
    """The whole unit of a format as a block of a datapath: ports a, b and p.

    Raises:
        AxdseError: as `unit_of`.
    """
    unit = unit_of(candidate)
    a, b, p = unit.widths
    files = (*unit.around, candidate.multiplier.family.verilog)
    return Module(unit.top, (("a", a), ("b", b)), (("p", p),), unit.body, files)
