"""What is a design of the user's own? One Verilog file and one C file.

The files speak for themselves: ports, widths and registers come from the RTL, as Yosys reads it;
types and names from the C prototype. EvoApproxLib's and ApproxTrain's files fit unchanged.
"""

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from axdse.flows.evidence.report import Order
from axdse.flows.evidence.stimulus import MAX_OPERAND_BITS
from axdse.flows.formal.c_model import c_model, c_name
from axdse.flows.formal.gates import read_through
from axdse.flows.scripts import script_word
from axdse.flows.verify.c_source import CType, Prototype, find_prototype, published_figures
from axdse.flows.verify.module_ports import Module, ModulePort, Parameters, read_modules
from axdse.flows.verify.netlist_files import as_verilog
from axdse.flows.verilog.sources import Source, gather
from axdse.multipliers.designs.c_call import OPERANDS
from axdse.multipliers.designs.family import MOST_BITS, Family, Kind, Multiplier, Pipeline
from axdse.multipliers.designs.rtl_text import Rtl
from axdse.multipliers.errors import AxdseError, did_you_mean, printable
from axdse.multipliers.model.cmodel import products
from axdse.multipliers.names import check_name
from axdse.multipliers.tables.product_files import is_table, write_c_model
from axdse.multipliers.tables.product_tables import Index, ProductTable

CLOCK = re.compile(r"(i_)?(clk|clock|ck)(_i|_in)?", re.IGNORECASE)
RESET = re.compile(
    r"(i_)?(?P<not>n_?)?[as]?(rst|reset|clr|clear)(_?(?P<low>n|ni|b|l))?(_i|_in)?", re.IGNORECASE
)
ENABLE = re.compile(
    r"(i_)?(?P<not>n_)?(clk_?)?(c?en|ena|enable|ce)(_?(?P<low>n|ni|b|l))?(_i|_in)?", re.IGNORECASE
)
START = re.compile(
    r"(i_)?(start|go|(in|a|s|op|operands?|data_in|din)_?valid|valid_?(in|i|a)|valid)(_i|_in)?",
    re.IGNORECASE,
)
DONE = re.compile(
    r"(o_)?(done|finish(ed)?|(out|p|m|y|z|result|product|data_out|dout)_?valid"
    r"|valid_?(out|o|p)|valid)(_o|_out)?",
    re.IGNORECASE,
)
READY = re.compile(
    r"(o_)?((in|a|s|op|operands?)_?ready|ready_?(out|o)|ready)(_o|_out)?", re.IGNORECASE
)
# mul8s_1KV8: the only sign of signedness in EvoApproxLib files with unsigned prototypes.
SIGNED_NAME = re.compile(r"mul\d+(x\d+)?s(_|$)")
PRODUCT_RULE = "an integer product has as many bits as both operands, carry and fraction w + 1"


@dataclass(frozen=True)
class Pins:
    """What the user says of two files instead of leaving it to them; empty: left to them.

    Attributes:
        function: the C function.
        top: the Verilog module.
        order: which operand the C function takes first, see `RtlReport.order`.
        signed: whether each operand, and so the product, is two's complement.
        index: the order of a table's operands; None: found, see `product_table`.
        arguments: values of the function's parameters that are no operands, by name.
        parameters: values of the top module's parameters.
        ties: values of inputs that are no operands.
        ignored: outputs that are no product.
        clock, reset, enable, start, done, ready: ports, see `Pipeline`.
        latency: clock edges from operands to product.
        reset_level: the level that resets.
        enable_level: the level that enables.
        kind: what operands and product are, see `Family.kind`; empty: an integer product if it
            is as wide as both operands, else patterns of bits.
    """

    function: str = ""
    top: str = ""
    order: Order | None = None
    signed: tuple[bool, bool] | None = None
    index: Index | None = None
    arguments: tuple[tuple[str, int], ...] = ()
    parameters: Parameters = ()
    ties: tuple[tuple[str, int], ...] = ()
    ignored: tuple[str, ...] = ()
    clock: str = ""
    latency: int | None = None
    reset: str = ""
    reset_level: int | None = None
    enable: str = ""
    enable_level: int | None = None
    start: str = ""
    done: str = ""
    ready: str = ""
    kind: Kind | Literal[""] = ""


@dataclass(frozen=True)
class Design:
    """Two files as one design without parameters.

    Attributes:
        readings: the model, called with the RTL's first operand first, in each way that its
            files leave open: which operands are two's complement, what `char` is. The first is
            the likeliest.
        prototype: of its C function; None: there is none, and the model was made of the RTL.
        widest_net: bits of the RTL's widest net.
        levels: other levels of reset and enable that nobody pinned, to be tried if no product is
            right with those that their names suggest.
        assumed: what was taken for granted of the kind.
        order: of the operands, where it is pinned.
    """

    readings: tuple[Multiplier, ...]
    rtl: Rtl
    prototype: Prototype | None
    widest_net: int
    levels: tuple[Pipeline, ...] = ()
    assumed: str = ""
    order: Order | None = None

    @property
    def multiplier(self) -> Multiplier:
        """The likeliest reading."""
        return self.readings[0]

    def guesses(self, pins: Pins) -> tuple[str, ...]:
        """What its files only suggest, on which a verdict may hang, and what pins it."""
        found = []
        pipeline = self.rtl.pipeline
        if pipeline:
            found.append(
                f"driven by clock {pipeline.clock}, {control_text(pipeline)}; --clock, --reset, "
                "--reset-level, --enable, --enable-level and --latency pin them"
            )
        return tuple(found)


def control_text(pipeline: Pipeline) -> str:
    """How reset and enable of a pipeline are driven."""
    reset = f"{pipeline.reset} (resets at {pipeline.reset_level})" if pipeline.reset else "none"
    level = pipeline.enable_level
    enable = f"{pipeline.enable} (enables at {level})" if pipeline.enable else "none"
    handed = f", operands with {pipeline.start}, product with {pipeline.done}"
    return f"reset {reset}, enable {enable}{handed if pipeline.start else ''}"


def read_design(
    model: Path | None,
    rtl: Path | Sequence[Path],
    pins: Pins = Pins(),
    cells: Sequence[Path] = (),
    folder: Path | None = None,
) -> Design:
    """Read a C file and Verilog as one design.

    Args:
        model: the C file; None: it is made of the RTL, see `axdse.flows.formal.c_model`.
        rtl: the Verilog: files, lists of files, folders; netlists, see `as_verilog`.
        pins: what is said of them.
        cells: files with the modules of a library.
        folder: where a model is written, if it is made, and Verilog of other netlists.

    Raises:
        AxdseError: a file is missing; the RTL does not elaborate; its top module, or the
            function, cannot be told; ports or widths do not fit a multiplier; it has a latch.
    """
    paths = [rtl] if isinstance(rtl, Path) else rtl
    if folder:
        paths = [as_verilog(path, folder) for path in paths]
    source = gather(paths, pins.top, cells)
    told = ""
    if model and folder and is_table(model):
        model, table = as_c_model(model, pins, folder)
        pins, told = replace(pins, signed=(table.signed, table.signed)), table.told
    elif pins.index:
        raise AxdseError("--index is of a table of products", model, "leave it out")
    design = design_of(model or folder or Path(), source, _modules_of(source), pins)
    return replace(design, assumed="; ".join(filter(None, (told, design.assumed))))


def as_c_model(path: Path, pins: Pins, folder: Path) -> tuple[Path, ProductTable]:
    """A table of products as a C file, and how it was read.

    Raises:
        AxdseError: as `write_c_model`; or its operands are pinned to be of two signs.
    """
    if pins.signed and pins.signed[0] != pins.signed[1]:
        rule = "both operands of a table have the same sign"
        raise AxdseError(rule, f"{path.name}, signed x unsigned", "write a C model")
    signed = pins.signed[0] if pins.signed else None
    return write_c_model(path, folder, index=pins.index, signed=signed)


def _modules_of(source: Source, parameters: Parameters = ()) -> tuple[Module, ...]:
    modules = read_modules([source], parameters)[0]
    if isinstance(modules, AxdseError):
        raise modules
    return modules


def design_of(model: Path, source: Source, modules: Iterable[Module], pins: Pins) -> Design:
    """As `read_design`, for Verilog whose modules are known; a folder is for a model to make."""
    known = {module.name: module for module in modules}
    top = known[_top_module(source, known, pins.top)]
    if pins.parameters or pins.ties or pins.ignored:
        source = _pinned(replace(source, stem=top.name), pins)
        known = {module.name: module for module in _modules_of(source)}
        top = known[source.stem]
    used = _used(known, top)
    pipeline = _pipeline(top, used, pins)
    prototype = (
        None if model.is_dir() else find_prototype(model, pins.function, dict(pins.arguments))
    )
    device = _fitting(top, source.text, pipeline)
    kind, assumed = _kind(device, prototype, pins)
    if prototype is None:
        model = _made(device, model)
    function = prototype.function if prototype else model.stem
    family = Family(
        name=function,
        title=printable(f"{model.name} and {source.name}" if prototype else source.name),
        kind=kind,
        width=device.a_bits,
        width_b=device.b_bits,
        product=device.product_bits if kind == "bits" else None,
        model=model,
        rtl=source.files[0],
        parameters={},
        function=function,
        arguments=prototype.arguments if prototype else OPERANDS,
        takes_floats=prototype is not None and prototype.takes_floats,
        module=top.name,
        ports=device.ports,
        pipeline=pipeline,
        published=published_figures(model) if prototype else (),
        rtl_only=prototype is None,
    )
    readings = tuple(
        replace(
            family,
            signed=any(reading.signs),
            unsigned_operand=reading.unsigned_operand,
            unsigned_char=reading.unsigned_char,
            swapped=reading.swapped,
        ).bind()
        for reading in _readings(prototype, top, device, pins)
    )
    if pins.kind == "significand":
        _check_one(readings[0])
    widest = max(module.widest_net for module in used)
    return Design(
        readings, device, prototype, widest, _levels(pipeline, pins), assumed, pins.order
    )


def _made(device: Rtl, folder: Path) -> Path:
    """A C model of the RTL's gates, as Yosys reads them; registers of a pipeline are wires."""
    _, maybe = read_through(device).bounds()
    function = c_name(device.top)
    path = folder / f"{function}.c"
    path.write_text(c_model(maybe, function, f"Made of the gates of {device.top}."))
    return path


def _kind(device: Rtl, prototype: Prototype | None, pins: Pins) -> tuple[Kind, str]:
    """What operands and product are, and what was assumed of it.

    Raises:
        AxdseError: its widths do not fit the kind that is pinned, or a model of floats.
    """
    widths = f"{device.a_bits} x {device.b_bits} -> {device.product_bits}"
    is_integer = device.product_bits == device.a_bits + device.b_bits
    is_significand = 1 < device.a_bits == device.b_bits == device.product_bits - 1
    takes_floats = prototype is not None and prototype.takes_floats
    if takes_floats and not (is_significand and device.a_bits <= 7):
        raise AxdseError(
            "a model of floats needs a significand core: m bits and m bits to m + 1, m in 2..7",
            widths,
            "verify the core of the unit",
        )
    fits = {"integer": is_integer, "significand": is_significand, "bits": not takes_floats}
    if pins.kind:
        if not fits[pins.kind]:
            raise AxdseError(PRODUCT_RULE, f"--kind {pins.kind}, {widths}", "choose --kind bits")
        return pins.kind, ""
    if takes_floats:
        return "significand", ""
    if is_integer:
        return "integer", ""
    remedy = (
        "; --kind significand if it is {carry, fraction} of 1.a x 1.b" if is_significand else ""
    )
    return "bits", f"{widths}: taken as patterns of bits, no product of both operands{remedy}"


def _check_one(multiplier: Multiplier) -> None:
    """Refuse what cannot be {carry, fraction} of 1.a x 1.b.

    Raises:
        AxdseError: 1.0 x 1.0 is not 1.0; or the model does not run.
    """
    zero = np.zeros(1, dtype=np.uint64)
    product = int(products(multiplier, zero, zero)[0])
    if product:
        rule = "of a significand core 1.0 x 1.0 is 1.0: {carry, fraction} of 0 and 0 is 0"
        raise AxdseError(rule, f"{multiplier.spec} gives {product:#x}", "choose another --kind")


def _levels(pipeline: Pipeline | None, pins: Pins) -> tuple[Pipeline, ...]:
    """The pipeline with reset or enable at the other level, where nobody pinned it."""
    if pipeline is None:
        return ()
    others: list[Pipeline] = []
    resets = [pipeline.reset_level]
    if pipeline.reset and pins.reset_level is None:
        resets.append(0 if pipeline.reset_level else 1)
    enables = [pipeline.enable_level]
    if pipeline.enable and pins.enable_level is None:
        enables.append(0 if pipeline.enable_level else 1)
    others = [
        replace(pipeline, reset_level=reset, enable_level=enable)
        for enable in enables
        for reset in resets
    ]
    return tuple(others[1:])


@dataclass(frozen=True)
class _Reading:
    """One way to read a C model.

    Attributes:
        signs: whether the RTL's operands are two's complement.
        unsigned_char: a plain `char` has no sign.
        swapped: the function takes the RTL's second operand first; only told where one operand
            is two's complement and the other is not.
    """

    signs: tuple[bool, bool]
    unsigned_char: bool = False
    swapped: bool = False

    @property
    def unsigned_operand(self) -> Literal["", "a", "b"]:
        if self.signs[0] == self.signs[1]:
            return ""
        return "b" if self.signs[0] else "a"


def _readings(
    prototype: Prototype | None, top: Module, device: Rtl, pins: Pins
) -> tuple[_Reading, ...]:
    """The ways to read a model, the likeliest first: ports and types tell, or leave it open."""
    if prototype and prototype.takes_floats:
        return (_Reading((False, False)),)
    ports = {port.name: port for port in top.ports}
    a, b, product = (ports[name] for name in device.ports)
    # Who declares the product alone means all.
    every = product.signed and not (a.signed or b.signed)
    every |= bool(SIGNED_NAME.match(prototype.function if prototype else top.name))
    if prototype is None:  # its model takes patterns
        return (_Reading(pins.signed or (every or a.signed, every or b.signed)),)
    found: list[_Reading] = []
    for swapped in (False, True):
        types = prototype.operands[::-1] if swapped else prototype.operands
        first, second = (
            (pins.signed[side],) if pins.signed else _signs(kind, port, every)
            for side, (kind, port) in enumerate(zip(types, (a, b), strict=True))
        )
        # Operands of which the files say the same are alike.
        found += [
            _Reading((x, y), swapped=swapped and x != y)
            for x, y in itertools.product(first, second)
            if x == y or first != second
        ]
    if a.signed != b.signed:
        found.sort(key=lambda reading: reading.signs != (a.signed, b.signed))
    if any(kind.name == "char" for kind in prototype.operands):
        found = [
            replace(reading, unsigned_char=char)
            for reading in found
            for char in ((False, True) if not all(reading.signs) else (False,))
        ]
    return tuple(dict.fromkeys(found))


def _signs(kind: CType, port: ModulePort, every: bool) -> tuple[bool, ...]:
    """Whether an operand may be two's complement, the likelier first."""
    if port.signed or every:
        return (True,)
    if kind.is_signed and kind.bits == port.bits and kind.name != "char":
        return (True,)
    return (False, True) if kind.is_signed else (False,)


def _pinned(source: Source, pins: Pins) -> Source:
    """The design in a module that gives its parameters values and ties or leaves ports.

    Raises:
        AxdseError: it has no such parameter or port, or a value does not fit.
    """
    modules = {module.name: module for module in _modules_of(source, pins.parameters)}
    top = modules[source.stem]
    ports = {port.name: port for port in top.ports}
    for option, direction, names in (
        ("--tie", "input", [name for name, _ in pins.ties]),
        ("--ignore", "output", pins.ignored),
    ):
        fitting = [port.name for port in top.ports if port.direction == direction]
        for name in names:
            if name not in fitting:
                rule = f"{option} names an {direction} of {top.name}"
                raise AxdseError(rule, name, did_you_mean(name, fitting))
    connected = []
    for name, value in pins.ties:
        bits = ports[name].bits
        if not 0 <= value < 1 << bits:
            raise AxdseError(f"{name} has {bits} bits", value, "choose a value that fits")
        connected.append(f".{script_word(name)}({bits}'d{value})")
    kept = [port for port in top.ports if port.name not in {*dict(pins.ties), *pins.ignored}]
    connected += [f".{script_word(port.name)}({port.name})" for port in kept]
    connected += [f".{script_word(name)}()" for name in pins.ignored]
    values = ", ".join(f".{script_word(name)}({value})" for name, value in pins.parameters)
    name = f"{top.name}_pinned"
    header = ",\n    ".join(
        f"{port.direction} {'signed ' if port.signed else ''}[{port.bits - 1}:0] {port.name}"
        for port in kept
    )
    wrapper = (
        f"module {name} (\n    {header}\n);\n"
        f"  {script_word(top.name)} {f'#({values}) ' if values else ''}core "
        f"({', '.join(connected)});\nendmodule\n"
    )
    return replace(source, stem=name, text=f"{source.text.rstrip()}\n{wrapper}")


def _top_module(source: Source, modules: dict[str, Module], pinned: str) -> str:
    if pinned and pinned not in modules:
        rule = f"{source.name} has no such module"
        raise AxdseError(rule, pinned, did_you_mean(pinned, modules))
    if pinned or source.stem in modules:
        return pinned or source.stem
    used = {cell for module in modules.values() for cell in module.cells}
    tops = sorted(modules.keys() - used)
    if len(tops) != 1:
        raise AxdseError(
            f"{source.name} has a module {source.stem}, or just one that no other uses",
            ", ".join(tops) or "none found",
            "name it with --top",
        )
    return tops[0]


def _used(modules: dict[str, Module], top: Module) -> tuple[Module, ...]:
    """The top module and all below it."""
    found, todo = {top.name: top}, [top]
    while todo:
        below = [modules[cell] for cell in todo.pop().cells if cell in modules]
        todo += [module for module in below if module.name not in found]
        found |= {module.name: module for module in below}
    return tuple(found.values())


def _pipeline(top: Module, used: tuple[Module, ...], pins: Pins) -> Pipeline | None:
    """Clock, reset and enable by their usual names; refuses what remembers without a clock."""
    inputs = [port.name for port in top.ports if port.direction == "input" and port.bits == 1]
    clock = _control(pins.clock, inputs, CLOCK.fullmatch)
    latches = [cell for module in used for cell in module.latches]
    memory = latches or [cell for module in used for cell in module.registers]
    if memory and (latches or not clock):
        raise AxdseError(
            f"{top.name} must be combinational, or a pipeline with a clock",
            f"{memory[0]} (it remembers)",
            "assign every output in every branch, or name the clock with --clock",
        )
    reset = _control(pins.reset, inputs, RESET.fullmatch) if clock else ""
    _refuse_idle(top, clock, reset, pins)
    if not clock:
        return None
    enable = _control(pins.enable, inputs, ENABLE.fullmatch)
    outputs = [port.name for port in top.ports if port.direction == "output" and port.bits == 1]
    start = _control(pins.start, inputs, START.fullmatch)
    done = _control(pins.done, outputs, DONE.fullmatch)
    ready = _control(pins.ready, outputs, READY.fullmatch)
    if not (start and done):
        start = done = ready = ""
    return Pipeline(
        start=start,
        done=done,
        ready=ready,
        clock=clock,
        latency=pins.latency,
        reset=reset,
        reset_level=_level(pins.reset_level, RESET.fullmatch(reset)),
        enable=enable,
        enable_level=_level(pins.enable_level, ENABLE.fullmatch(enable)),
    )


def _refuse_idle(top: Module, clock: str, reset: str, pins: Pins) -> None:
    """Refuse what is said of a clock or a reset that is not there: nothing would come of it."""
    said = {
        "--latency": pins.latency and not clock,
        "--reset": pins.reset and not clock,
        "--enable": pins.enable and not clock,
        "--reset-level": pins.reset_level is not None and not reset,
        "--enable-level": pins.enable_level is not None and not clock,
        "--start": pins.start and not clock,
        "--done": pins.done and not clock,
        "--ready": pins.ready and not clock,
    }
    for option in filter(said.get, said):
        lacks = "reset" if clock else "clock"
        raise AxdseError(
            f"a design with {option} has a {lacks}",
            f"{top.name} has none that is known",
            f"leave it out, or name one with --{lacks}",
        )


def _level(pinned: int | None, named: re.Match[str] | None) -> Literal[0, 1]:
    """The level at which a control acts: low if its name ends so."""
    if pinned is not None:
        return 1 if pinned else 0
    return 0 if named and (named["not"] or named["low"]) else 1


def _control(pinned: str, inputs: list[str], named: Callable[[str], object]) -> str:
    if pinned and pinned not in inputs:
        raise AxdseError("no such 1-bit port", pinned, did_you_mean(pinned, inputs))
    return pinned or next(filter(named, inputs), "")


def _fitting(top: Module, text: str, pipeline: Pipeline | None) -> Rtl:
    control = pipeline.ports if pipeline else ()
    data = [port for port in top.ports if port.name not in control]
    inputs = [port for port in data if port.direction == "input"]
    outputs = [port for port in data if port.direction == "output"]
    shown = f"{top.name}({', '.join(map(str, top.ports))})"
    if (len(inputs), len(outputs), len(data)) != (2, 1, 3):
        raise AxdseError(
            "a multiplier has two inputs and one output",
            shown,
            "name its --clock, --reset and --enable, --tie inputs and --ignore outputs",
        )
    (a, b), (product,) = inputs, outputs
    if not all(1 <= port.bits <= MAX_OPERAND_BITS for port in (a, b)):
        rule = f"operands have up to {MAX_OPERAND_BITS} bits"
        raise AxdseError(rule, shown, "choose a narrower design")
    if product.bits > MOST_BITS:
        raise AxdseError(f"a product has up to {MOST_BITS} bits", shown, "leave some of them out")
    for name in (top.name, a.name, b.name, product.name, *control):
        check_name(name, "modules and ports", "Verilog")
    ports = (a.name, b.name, product.name)
    return Rtl(top.name, text, ports, a.bits, b.bits, product.bits, top.name, pipeline)
