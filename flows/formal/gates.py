"""Which gates does a synthesiser read in RTL? An and-inverter graph, or a netlist with registers.

An x or z in the RTL becomes an unknown input before anything is optimised: a synthesiser may take
it for whatever suits it, a proof may not. So does what only a simulator takes for x: the quotient
by zero, the element beyond an end.
"""

from collections.abc import Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from axdse.flows.formal.aig import FALSE, TRUE, Aig, Builder
from axdse.flows.scripts import script_word, write_rtl
from axdse.flows.yosys import Bit, port_bits, read_modules, run_yosys
from axdse.multipliers.cache import temporary_folder
from axdse.multipliers.designs.family import Pipeline
from axdse.multipliers.designs.rtl_text import Rtl
from axdse.multipliers.errors import AxdseError

# techmap of its own accord takes a bit beyond a vector's end, and the quotient by zero, for
# whatever suits it.
BEYOND = """\
module \\$shiftx (A, B, Y);
  parameter A_SIGNED = 0, B_SIGNED = 0, A_WIDTH = 1, B_WIDTH = 1, Y_WIDTH = 1;
  input [A_WIDTH-1:0] A;
  input [B_WIDTH-1:0] B;
  output [Y_WIDTH-1:0] Y;
  wire [Y_WIDTH-1:0] value, inside, beyond;
  \\$shift #(.A_SIGNED(0), .B_SIGNED(B_SIGNED), .A_WIDTH(A_WIDTH), .B_WIDTH(B_WIDTH),
      .Y_WIDTH(Y_WIDTH)) shift (.A(A), .B(B), .Y(value));
  \\$shift #(.A_SIGNED(0), .B_SIGNED(B_SIGNED), .A_WIDTH(A_WIDTH), .B_WIDTH(B_WIDTH),
      .Y_WIDTH(Y_WIDTH)) bound (.A({A_WIDTH{1'b1}}), .B(B), .Y(inside));
  \\$anyseq #(.WIDTH(Y_WIDTH)) unknown (.Y(beyond));
  assign Y = inside & value | ~inside & beyond;
endmodule
""" + "".join(
    f"""\
module \\{cell} (A, B, Y);
  parameter A_SIGNED = 0, B_SIGNED = 0, A_WIDTH = 1, B_WIDTH = 1, Y_WIDTH = 1;
  input [A_WIDTH-1:0] A;
  input [B_WIDTH-1:0] B;
  output [Y_WIDTH-1:0] Y;
  wire [Y_WIDTH-1:0] value, beyond;
  \\$__div_mod_trunc #(.A_SIGNED(A_SIGNED), .B_SIGNED(B_SIGNED), .A_WIDTH(A_WIDTH),
      .B_WIDTH(B_WIDTH), .Y_WIDTH(Y_WIDTH)) divider (.A(A), .B(B), .{result}(value));
  \\$anyseq #(.WIDTH(Y_WIDTH)) unknown (.Y(beyond));
  assign Y = |B ? value : beyond;
endmodule
"""
    for cell, result in (("$div", "Y"), ("$mod", "R"))
)
# What `initial` writes into a register is no hardware. Yosys shapes a design without registers
# otherwise after this, so that its gates are hard to compare.
UNSET_INITIAL = "setattr -unset init w:*\n"
READ = """\
read_verilog -sv rtl.v
hierarchy -check -top {top}
proc
flatten
{registers}setundef -undef
setundef -anyseq
memory
opt_expr -keepdc
techmap -map beyond.v
"""
# Without opt_dff: a register that keeps its value holds what nobody knows, and is no constant.
SCRIPT = f"""\
{READ}{{words}}techmap
setundef -anyseq
opt -noff
aigmap
opt_clean -purge
check -assert
write_json aig.json
"""
# Of registers only those remain that load on an edge: an enable that is x must not hold a value.
# Names are left out: they may be anything.
REGISTERS = f"""\
{READ}async2sync
dffunmap
techmap
setundef -anyseq
opt_expr
opt_merge
aigmap
opt_clean -purge
check -assert
delete t:$anyseq
splitnets
rename -hide
write_verilog -noattr registers.v
"""
# As synthesis.py: products and sums of the same shape are proven equal in a moment, others hardly.
WORDS = """\
setundef -anyseq
opt_expr -keepdc
opt_clean
opt -keepdc -noff
wreduce -keepdc
peepopt
opt_clean
alumacc
share
opt -keepdc -noff
opt -fast -full -keepdc -noff
"""
# Registers load at every edge: what holds them, or resets them, is logic before them.
AS_WIRES = "async2sync\ndffunmap\n"
AND, NOT, UNKNOWN = "$_AND_", "$_NOT_", "$anyseq"
PINS = {AND: ("A", "B"), NOT: ("A",), UNKNOWN: ()}
FLIP_FLOPS = ("$_DFF", "$_SDFF", "$_ALDFF")
RUNNING = "_running"  # the end of the name of a module around a pipeline
Cell = dict[str, Any]


def read_gates(rtl: Rtl, words: str = "") -> Aig:
    """Return the gates of a combinational design, reset and enable at the level that lets it run.

    Args:
        rtl: the design.
        words: further commands of Yosys, before words become bits.

    Raises:
        AxdseError: Yosys refuses the RTL, a bit has no driver, the ports differ from `rtl`, or
            the design is not combinational: a latch, a flip-flop, a loop.
    """
    with temporary_folder() as folder:
        return _graph(_read(rtl, words, folder), rtl)


def read_through(rtl: Rtl) -> Aig:
    """Return the gates of a design that runs, each register of a pipeline a wire.

    That is what it computes if all its paths have as many registers, which only a simulation or
    the flow of data tells.

    Raises:
        AxdseError: as `read_gates`, but flip-flops without feedback are taken.
    """
    if rtl.pipeline is None:
        return read_gates(rtl)
    if rtl.pipeline.start:
        rule = "gates are read of designs that take operands at every edge"
        raise AxdseError(rule, f"{rtl.top} waits for {rtl.pipeline.start}", "give a C model of it")
    rtl = _running(rtl, rtl.pipeline)
    with temporary_folder() as folder:
        module = _read(rtl, AS_WIRES, folder)
        wires: dict[Bit, Bit] = {}
        for name, cell in list(module["cells"].items()):
            if cell["type"] in ("$_DFF_P_", "$_DFF_N_"):
                pins = module["cells"].pop(name)["connections"]
                wires[pins["Q"][0]] = pins["D"][0]
        read = [
            bits
            for cell in module["cells"].values()
            for pin, bits in cell["connections"].items()
            if pin != "Y"
        ]
        for bits in (*read, *(port["bits"] for port in module["ports"].values())):
            bits[:] = [_source(wires, bit, rtl) for bit in bits]
        return _graph(module, rtl)


def _running(rtl: Rtl, pipeline: Pipeline) -> Rtl:
    """A pipeline in a module that neither resets nor stalls it."""
    widths = zip(rtl.ports, (rtl.a_bits, rtl.b_bits, rtl.product_bits), strict=True)
    ports = [f"input {pipeline.clock}"]
    ports += [
        f"{'output' if name == rtl.ports[2] else 'input'} [{bits - 1}:0] {name}"
        for name, bits in widths
    ]
    pins = [f".{name}({name})" for name in (pipeline.clock, *rtl.ports)]
    levels = ((pipeline.reset, 1 - pipeline.reset_level), (pipeline.enable, pipeline.enable_level))
    pins += [f".{name}(1'b{level})" for name, level in levels if name]
    top = f"{rtl.top}{RUNNING}"
    body = f"  {rtl.top} core ({', '.join(pins)});\n"
    text = f"{rtl.text.rstrip()}\nmodule {top} ({', '.join(ports)});\n{body}endmodule\n"
    return replace(rtl, top=top, text=text, pipeline=Pipeline(clock=pipeline.clock))


def _source(wires: dict[Bit, Bit], bit: Bit, rtl: Rtl) -> Bit:
    """What drives a net, through all registers before it."""
    passed = 0
    while bit in wires:
        bit, passed = wires[bit], passed + 1
        if passed > len(wires):
            raise AxdseError(
                f"{rtl.top.removesuffix(RUNNING)} must be a pipeline",
                "a register that feeds itself",
                "give a C model",
            )
    return bit


def read_synthesised(rtl: Rtl) -> Aig | Rtl:
    """Return the gates of a combinational design, or a pipeline as gates and flip-flops.

    In the text of the latter, x and undriven nets are nets without a driver, and nothing tells
    them from one another.

    Raises:
        AxdseError: as `read_gates`, but flip-flops of a pipeline are taken.
    """
    with temporary_folder() as folder:
        module = _read(rtl, "", folder)
        kinds = {cell["type"] for cell in module["cells"].values()} - PINS.keys()
        if not rtl.pipeline or not kinds or not all(kind.startswith(FLIP_FLOPS) for kind in kinds):
            return _graph(module, rtl)
        script = REGISTERS.format(top=script_word(rtl.top), registers=UNSET_INITIAL)
        run_yosys(script, folder, rtl.top)
        return replace(rtl, text=(folder / "registers.v").read_text())


def _read(rtl: Rtl, words: str, folder: Path) -> dict[str, Any]:
    write_rtl(rtl, folder)
    (folder / "beyond.v").write_text(BEYOND)
    registers = UNSET_INITIAL if rtl.pipeline else ""
    script = SCRIPT.format(top=script_word(rtl.top), registers=registers, words=words)
    run_yosys(script, folder, rtl.top)
    module: dict[str, Any] = read_modules(folder / "aig.json", rtl.top)[rtl.top]
    return module


def _graph(module: dict[str, Any], rtl: Rtl) -> Aig:
    cells: list[Cell] = list(module["cells"].values())
    _check_combinational(cells, rtl)
    widths = (rtl.a_bits, rtl.b_bits, rtl.product_bits)
    a, b, product = (
        port_bits(module["ports"], name, width, rtl)
        for name, width in zip(rtl.ports, widths, strict=True)
    )
    unknowns = [bit for c in cells if c["type"] == UNKNOWN for bit in c["connections"]["Y"]]
    drivers = [cell for cell in cells if cell["type"] != UNKNOWN]
    unknowns += _name_undefined([*(c["connections"] for c in drivers), {"p": product}])
    literals: dict[Bit, int] = {"0": FALSE, "1": TRUE}
    if rtl.pipeline:
        unknowns += port_bits(module["ports"], rtl.pipeline.clock, 1, rtl)
        literals |= _held(module["ports"], rtl.pipeline, rtl)
    graph = Builder(len(a) + len(b), len(unknowns))
    literals |= {bit: 2 * n for n, bit in enumerate((*a, *b, *unknowns), 1)}
    for cell in _in_order(drivers, rtl):
        pins = [_literal(literals, cell["connections"][p][0], rtl) for p in PINS[cell["type"]]]
        literal = graph.both(*pins) if cell["type"] == AND else pins[0] ^ 1
        literals[cell["connections"]["Y"][0]] = literal
    outputs = [_literal(literals, bit, rtl) for bit in product]
    return graph.finish(len(a), len(b), outputs)


def _held(ports: dict[str, Any], pipeline: Pipeline, rtl: Rtl) -> dict[Bit, int]:
    """The levels of reset and enable in a design that runs."""
    levels = ((pipeline.reset, 1 - pipeline.reset_level), (pipeline.enable, pipeline.enable_level))
    return {port_bits(ports, name, 1, rtl)[0]: level for name, level in levels if name}


def _name_undefined(connections: Sequence[dict[str, list[Bit]]]) -> list[Bit]:
    """Give each constant x or z, which are z that setundef leaves, a name of its own."""
    names: list[Bit] = []
    for bits in (bits for pins in connections for bits in pins.values()):
        for at, bit in enumerate(bits):
            if bit in ("x", "z"):
                names.append(f"unknown {len(names)}")
                bits[at] = names[-1]
    return names


def _check_combinational(cells: Sequence[Cell], rtl: Rtl) -> None:
    for cell in cells:
        if cell["type"] not in PINS:
            raise AxdseError(
                f"{rtl.top} must be combinational logic",
                f"it has a cell {cell['type']}",
                "assign every output in every branch, without clocks",
            )


def _in_order(cells: Sequence[Cell], rtl: Rtl) -> list[Cell]:
    driver = {cell["connections"]["Y"][0]: number for number, cell in enumerate(cells)}
    graph = {
        number: [
            driver[bit]
            for pin in PINS[cell["type"]]
            if (bit := cell["connections"][pin][0]) in driver
        ]
        for number, cell in enumerate(cells)
    }
    try:
        return [cells[number] for number in TopologicalSorter(graph).static_order()]
    except CycleError as error:
        raise AxdseError(
            f"{rtl.top} must be combinational logic",
            f"a loop of {len(error.args[1]) - 1} gates",
            "remove the feedback",
        ) from error


def _literal(literals: dict[Bit, int], bit: Bit, rtl: Rtl) -> int:
    if bit not in literals:
        raise AxdseError(f"every bit of {rtl.top} needs a driver", f"net {bit}", "assign it")
    return literals[bit]
