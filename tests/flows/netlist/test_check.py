"""Right netlists are proven; wrong ones are caught, however rare their mistake."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from axdse.flows.evidence.stimulus import core_stimulus, unit_stimulus
from axdse.flows.liberty.library import Library, read_library
from axdse.flows.netlist.check import (
    CEC_LIMIT_S,
    NetlistProof,
    check_design,
    is_mapped,
    netlist_gates,
)
from axdse.flows.netlist.flat import Instance
from axdse.flows.netlist.netlist import Netlist, Port
from axdse.flows.netlist.synthesis import synthesise, timed_scripts
from axdse.flows.power.activity_source import Design
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.designs.family import Multiplier, Pipeline
from axdse.multipliers.designs.rtl_text import Rtl, core_rtl, unit_rtl
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import FloatFormat, parse_format

Edit = Callable[[Netlist], Netlist]
CORE, WIDE, UNIT = "exact(n=12)", "exact(n=16)", "exact(n=8) in bf16"


def design(text: str) -> Design:
    spec, _, number_format = text.partition(" in ")
    multiplier = builtin_catalog().multiplier(spec)
    return Candidate(multiplier, parse_format(number_format)) if number_format else multiplier


def rtl_of(what: Design) -> Rtl:
    return unit_rtl(what) if isinstance(what, Candidate) else core_rtl(what)


def small(body: str) -> Rtl:
    text = f"module top (input [1:0] a, input [1:0] b, output [3:0] p);\n{body}\nendmodule\n"
    return Rtl("top", text, ("a", "b", "p"), 2, 2, 4, "top")


@pytest.fixture(scope="module")
def library() -> Library:
    return read_library()


@pytest.fixture(scope="module")
def mapped(library: Library) -> Callable[[str], Netlist]:
    """The right netlist of a design, made once."""
    known: dict[str, Netlist] = {}

    def netlist(text: str) -> Netlist:
        if text not in known:
            known[text] = synthesise(rtl_of(design(text)), library)
        return known[text]

    return netlist


# Right ones.


@pytest.mark.parametrize(
    ("text", "proof"),
    [
        ("exact(n=4)", NetlistProof("exhaustive", 1 << 8)),
        ("mitchell(m=7)", NetlistProof("exhaustive", 1 << 14)),
        ("perforated(n=9,k=2,s=1)", NetlistProof("exhaustive", 1 << 18)),
        ("baugh_wooley(n=10)", NetlistProof("exhaustive", 1 << 20)),
        (CORE, NetlistProof("exhaustive", 1 << 24)),
        ("exact(n=4) in fp8_e4m3", NetlistProof("exhaustive", 1 << 16)),
        ("exact(n=8) in int8", NetlistProof("exhaustive", 1 << 16)),
    ],
)
def test_every_pair_is_compared_where_there_are_few(
    text: str, proof: NetlistProof, mapped: Callable[[str], Netlist]
) -> None:
    assert check_design(mapped(text), design(text)) == proof
    assert proof.proven
    assert proof.text == f"equal to the C model on all {proof.vectors:,} operand pairs"


@pytest.mark.parametrize("text", [WIDE, "mitchell(m=13)", UNIT, "exact(n=11) in fp16"])
def test_beyond_the_rtl_is_proven_equal(text: str, mapped: Callable[[str], Netlist]) -> None:
    proof = check_design(mapped(text), design(text))
    assert proof.method == "cec"
    assert proof.vectors > 20_000
    assert proof.text.endswith("and proven equal to its RTL")


@pytest.mark.parametrize("script", timed_scripts(2.0)[1:])
def test_what_a_clock_makes_of_a_unit_is_proven(script: str, library: Library) -> None:
    candidate = design("drum(n=8,k=4) in bf16")
    netlist = synthesise(rtl_of(candidate), library, script)
    assert check_design(netlist, candidate).method == "cec"


def test_operands_are_paired_by_position_not_by_name(mapped: Callable[[str], Netlist]) -> None:
    right = mapped(WIDE)
    crossed = replace(right, a=replace(right.a, name="b"), b=replace(right.b, name="a"))
    assert check_design(crossed, design(WIDE)).method == "cec"


def test_every_cell_is_read_as_it_simulates(library: Library) -> None:
    fresh, bits, instances = count(18), np.random.default_rng(0), []
    outputs: list[int] = []
    for cell in library.cells:
        pins = [(pin, int(bits.integers(2, 18))) for pin, _ in cell.inputs]
        driven = [(pin, next(fresh)) for pin, _ in cell.outputs]
        instances.append(Instance(cell, (*pins, *driven)))
        outputs += [net for _, net in driven]
    a, b = Port("a", tuple(range(2, 10))), Port("b", tuple(range(10, 18)))
    netlist = Netlist("all", a, b, Port("p", tuple(outputs)), tuple(instances))
    x, y = bits.integers(0, 256, (2, 1000), dtype=np.uint64)
    got = netlist_gates(netlist).simulate(x, y)
    np.testing.assert_array_equal(got, netlist.simulate(x, y))


# Wrong ones.


def cell_edit(library: Library, kinds: dict[str, str]) -> Edit:
    """Put another cell with the same pins in place of the last one of some kind."""
    cells = {cell.name: cell for cell in library.cells}

    def edit(netlist: Netlist) -> Netlist:
        names = [instance.cell.name for instance in netlist.instances]
        at = max(number for number, name in enumerate(names) if name in kinds)
        wrong = replace(netlist.instances[at], cell=cells[kinds[names[at]]])
        return with_instance(netlist, at, wrong)

    return edit


def with_instance(netlist: Netlist, at: int, instance: Instance) -> Netlist:
    instances = (*netlist.instances[:at], instance, *netlist.instances[at + 1 :])
    return replace(netlist, instances=instances)


def permute_pins(netlist: Netlist) -> Netlist:
    """Exchange the first and the last input of a cell to which that matters."""
    names = [instance.cell.name for instance in netlist.instances]
    at = max(n for n, name in enumerate(names) if name in ("AOI21X1", "OAI21X1", "MUX2X1"))
    cell, pins = netlist.instances[at].cell, dict(netlist.instances[at].pins)
    first, last = cell.inputs[0][0], cell.inputs[-1][0]
    pins[first], pins[last] = pins[last], pins[first]
    return with_instance(netlist, at, Instance(cell, tuple(pins.items())))


def exchange_outputs(netlist: Netlist) -> Netlist:
    *nets, last, top = netlist.product.nets
    return replace(netlist, product=replace(netlist.product, nets=(*nets, top, last)))


def reverse_operand(netlist: Netlist) -> Netlist:
    return replace(netlist, a=replace(netlist.a, nets=netlist.a.nets[::-1]))


def rarely_wrong(library: Library, a: int, b: int) -> Edit:
    """Flip the lowest bit of one product: a comparator on both operands, and an xor."""
    cells = {cell.name: cell for cell in library.cells}

    def edit(netlist: Netlist) -> Netlist:
        used = {net for instance in netlist.instances for _, net in instance.pins}
        fresh = count(1 + max(used))
        added: list[Instance] = []

        def gate(name: str, *inputs: int) -> int:
            cell = cells[name]
            nets = zip([pin for pin, _ in cell.inputs], inputs, strict=True)
            added.append(Instance(cell, (*nets, (cell.outputs[0][0], next(fresh)))))
            return added[-1].pins[-1][1]

        operands = zip((*netlist.a.nets, *netlist.b.nets), bits(netlist, a, b), strict=True)
        first, *others = (net if bit else gate("INVX1", net) for net, bit in operands)
        for other in others:
            first = gate("AND2X2", first, other)
        lowest = gate("XOR2X1", netlist.product.nets[0], first)
        product = replace(netlist.product, nets=(lowest, *netlist.product.nets[1:]))
        return replace(netlist, product=product, instances=(*netlist.instances, *added))

    return edit


def bits(netlist: Netlist, a: int, b: int) -> Iterator[int]:
    for port, value in ((netlist.a, a), (netlist.b, b)):
        yield from (value >> at & 1 for at in range(len(port.nets)))


SAMPLED = (CORE, WIDE, UNIT)


@pytest.mark.parametrize("text", SAMPLED)
@pytest.mark.parametrize(
    "kinds",
    [
        {"NAND2X1": "NOR2X1", "NOR2X1": "NAND2X1"},
        {"XOR2X1": "XNOR2X1", "XNOR2X1": "XOR2X1"},
        {"INVX1": "BUFX2"},
    ],
    ids=["another gate", "another parity", "no inverter"],
)
def test_a_wrong_cell_is_caught(
    text: str, kinds: dict[str, str], library: Library, mapped: Callable[[str], Netlist]
) -> None:
    wrong = cell_edit(library, kinds)(mapped(text))
    with pytest.raises(AxdseError, match=r"a=0x\w+, b=0x\w+ gives 0x\w+, not 0x\w+"):
        check_design(wrong, design(text))


@pytest.mark.parametrize("text", SAMPLED)
@pytest.mark.parametrize("edit", [permute_pins, exchange_outputs, reverse_operand])
def test_wrong_wires_are_caught(text: str, edit: Edit, mapped: Callable[[str], Netlist]) -> None:
    with pytest.raises(AxdseError, match=r"must compute what the C model does: a=0x"):
        check_design(edit(mapped(text)), design(text))


@pytest.mark.parametrize(
    ("text", "a", "b", "other"),
    [
        (CORE, 0x5A3, 0x6C9, "C model"),
        (WIDE, 0x5A39, 0x6C97, "RTL"),
        (UNIT, 0x3E9B, 0xC2D5, "RTL"),
    ],
)
def test_one_wrong_product_is_caught_that_no_sample_meets(
    text: str,
    a: int,
    b: int,
    other: str,
    library: Library,
    mapped: Callable[[str], Netlist],
) -> None:
    what = design(text)
    assert not met(what, a, b)
    wrong = rarely_wrong(library, a, b)(mapped(text))
    with pytest.raises(AxdseError, match=f"what the {other} does: a={a:#x}, b={b:#x} gives"):
        check_design(wrong, what)


def met(what: Design, a: int, b: int) -> bool:
    """Whether the sample of a design has a pair."""
    if isinstance(what, Candidate):
        assert isinstance(what.format, FloatFormat)
        stimulus = unit_stimulus(what.format, 0)
    else:
        stimulus = core_stimulus(what.a_bits, what.b_bits, 0)
    return bool(np.any((stimulus.a == a) & (stimulus.b == b)))


# Pipelines.


def pipeline(bits: int) -> Multiplier:
    """Exact, with registers before and behind the product."""
    exact = builtin_catalog().family("exact")
    return replace(exact, pipeline=Pipeline("clk")).bind({"n": bits})


@pytest.fixture
def staged(library: Library) -> Callable[[int], Netlist]:
    def netlist(bits: int) -> Netlist:
        text = (
            f"module top (input clk, input [{bits - 1}:0] a, b,\n"
            f"output reg [{2 * bits - 1}:0] p);\n"
            f"reg [{bits - 1}:0] x, y;\n"
            "always @(posedge clk) begin x <= a; y <= b; p <= x * y; end\nendmodule\n"
        )
        ports, control = ("a", "b", "p"), Pipeline("clk")
        rtl = Rtl("top", text, ports, bits, bits, 2 * bits, "top", control)
        return synthesise(rtl, library)

    return netlist


@pytest.mark.parametrize("bits", [4, 9])
def test_a_pipeline_is_compared_on_all_pairs(bits: int, staged: Callable[[int], Netlist]) -> None:
    proof = check_design(staged(bits), pipeline(bits))
    # All pairs are not all pasts.
    assert proof == NetlistProof("sampled", 1 << (2 * bits))


def test_a_wide_pipeline_is_no_proof(staged: Callable[[int], Netlist]) -> None:
    assert check_design(staged(13), pipeline(13)).method == "sampled"


def test_a_pipeline_that_is_rarely_wrong_is_caught(
    library: Library, staged: Callable[[int], Netlist]
) -> None:
    wrong = rarely_wrong(library, 0x1A3, 0x0C9)(staged(9))
    assert not met(pipeline(9), 0x1A3, 0x0C9)
    with pytest.raises(AxdseError, match="what the C model does: a=0x1a3, b=0xc9 gives"):
        check_design(wrong, pipeline(9))


# ABC fails, or the RTL leaves something open.


def test_a_proof_that_takes_too_long_is_none(
    fake_tool: Callable[[str, str], Path],
    monkeypatch: pytest.MonkeyPatch,
    mapped: Callable[[str], Netlist],
) -> None:
    netlist = mapped(WIDE)
    monkeypatch.setenv("AXDSE_YOSYS_ABC", str(fake_tool("yosys-abc", "sleep 60")))
    proof = check_design(netlist, design(WIDE), limit_s=1.0)
    assert proof.method == "sampled"
    assert not proof.proven
    assert proof.text.endswith("not proven equal to its RTL")


def test_two_multipliers_of_other_shape_are_not_proven_in_a_second(
    mapped: Callable[[str], Netlist],
) -> None:
    assert not is_mapped(mapped(WIDE), swapped_rows(), limit_s=1.0)


def swapped_rows() -> Rtl:
    """The same function, summed the other way round."""
    text = (
        "module top (input [15:0] a, input [15:0] b, output reg [31:0] p);\n"
        "integer i;\n"
        "always @* begin p = 0;\n"
        "for (i = 15; i >= 0; i = i - 1) p = (p << 1) + (a[i] ? b : 32'd0); end\n"
        "endmodule\n"
    )
    return Rtl("top", text, ("a", "b", "p"), 16, 16, 32, "top")


@pytest.mark.parametrize("script", ["exit 3", "kill -SEGV $$"])
def test_an_abc_that_crashes_is_one_line(
    script: str,
    fake_tool: Callable[[str, str], Path],
    monkeypatch: pytest.MonkeyPatch,
    mapped: Callable[[str], Netlist],
) -> None:
    netlist = mapped(WIDE)
    monkeypatch.setenv("AXDSE_YOSYS_ABC", str(fake_tool("yosys-abc", script)))
    with pytest.raises(AxdseError, match="yosys-abc must not crash"):
        check_design(netlist, design(WIDE))


def test_an_x_that_reaches_the_product_is_refused(library: Library) -> None:
    rtl = small("assign p = a == 3 && b == 2 ? 4'b1x10 : a * b;")
    with pytest.raises(AxdseError, match=r"no x or z of top.*a=0x3, b=0x2 leaves bits 0x4 open"):
        is_mapped(synthesise(rtl, library), rtl)


def test_an_x_that_stays_inside_is_none(library: Library) -> None:
    rtl = small("wire [3:0] q = b[0] ? a * b : 4'bx; assign p = b[0] ? q : a * b;")
    assert is_mapped(synthesise(rtl, library), rtl, CEC_LIMIT_S)


def test_a_difference_from_the_rtl_says_both_products(library: Library) -> None:
    netlist = synthesise(small("assign p = a + b;"), library)
    with pytest.raises(AxdseError, match=r"what the RTL does: a=0x\d, b=0x\d gives 0x\d, not"):
        is_mapped(netlist, small("assign p = a * b;"))
