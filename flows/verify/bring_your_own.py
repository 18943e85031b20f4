"""What is a design of the user's own? One Verilog file and one C file.

The files speak for themselves: ports, widths and registers come from the RTL, as Yosys reads it;
types and names from the C prototype. EvoApproxLib's and ApproxTrain's files fit unchanged.
"""

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from axdse.flows.evidence.report import Order
from axdse.flows.formal.c_model import c_model, c_name
from axdse.flows.formal.gates import read_through
from axdse.flows.verify.c_source import CType, Prototype, find_prototype, published_figures
from axdse.flows.verify.controls import control_text, other_levels, pipeline_of
from axdse.flows.verify.module_ports import (
    Module,
    ModulePort,
    Parameters,
    read_modules,
    refuse_without_gates,
)
from axdse.flows.verify.netlist_files import all_as_verilog, as_verilog
from axdse.flows.verify.pins import UNPINNED, Pins, options_of
from axdse.flows.verify.top_module import fitting_ports, top_module, used_modules
from axdse.flows.verify.wrapper import bundled, pinned
from axdse.flows.verilog.sources import Source, gather
from axdse.multipliers.designs.c_call import OPERANDS
from axdse.multipliers.designs.family import Family, Kind, Multiplier, Pipeline
from axdse.multipliers.designs.rtl_text import Rtl
from axdse.multipliers.errors import AxdseError, did_you_mean, printable
from axdse.multipliers.model.cmodel import products
from axdse.multipliers.tables.product_files import is_table, write_c_model
from axdse.multipliers.tables.product_tables import ProductTable

# mul8s_1KV8, add8se_8CL: the only sign of signedness in EvoApproxLib files with unsigned
# prototypes.
SIGNED_NAME = re.compile(r"(?:mul|add)\d+(?:x\d+)?se?(?:_|$)")
PRODUCT_RULE = "an integer product has as many bits as both operands, carry and fraction w + 1"


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
        options: what is pinned, as `axdse verify` takes it.
    """

    readings: tuple[Multiplier, ...]
    rtl: Rtl
    prototype: Prototype | None
    widest_net: int
    levels: tuple[Pipeline, ...] = ()
    assumed: str = ""
    order: Order | None = None
    options: str = ""

    @property
    def multiplier(self) -> Multiplier:
        """The likeliest reading."""
        return self.readings[0]

    def guesses(self, pins: Pins) -> tuple[str, ...]:
        """What its files only suggest, on which a verdict may hang, and what pins it."""
        found = []
        signs = {reading.family.operand_signs for reading in self.readings}
        if self.prototype and signs == {(True, True)} and pins.signed is None:
            found.append(
                f"operands are taken for two's complement, as {self.prototype}, the ports or the "
                "name say; --unsigned if they are not"
            )
        pipeline = self.rtl.pipeline
        if pipeline:
            found.append(
                f"driven by clock {pipeline.clock}, {control_text(pipeline)}; --clock, --reset, "
                "--reset-level, --enable, --enable-level and --latency pin them"
            )
        return tuple(found)


def read_design(
    model: Path | None,
    rtl: Path | Sequence[Path],
    pins: Pins = UNPINNED,
    cells: Sequence[Path] = (),
    folder: Path | None = None,
) -> Design:
    """Read a C file and Verilog as one design.

    Args:
        model: the C file; None: it is made of the RTL, see `axdse.flows.formal.c_model`.
        rtl: the Verilog: files, lists of files, folders; other languages, see `all_as_verilog`.
        pins: what is said of them.
        cells: files with the modules of a library, or Liberty files.
        folder: where a model is written, if it is made, and Verilog of other netlists.

    Raises:
        AxdseError: a file is missing; the RTL does not elaborate; its top module, or the
            function, cannot be told; ports or widths do not fit a multiplier; it has a latch.
    """
    paths = [rtl] if isinstance(rtl, Path) else rtl
    if folder:
        paths = all_as_verilog(paths, folder, pins.top)
        cells = [as_verilog(path, folder) for path in cells]
    source = gather(paths, pins.top, cells)
    if model and model.is_dir():
        raise AxdseError("a C model, or a table, is one file", model, "name the file")
    if model and folder and (is_table(model) or model.suffix in (".csv", ".tsv")):
        return design_with_table(model, source, _modules_of(source), pins, folder)
    if pins.index:
        raise AxdseError("--index is of a table of products", model, "leave it out")
    return design_of(model or folder or Path(), source, _modules_of(source), pins)


def design_with_table(
    path: Path, source: Source, modules: Iterable[Module], pins: Pins, folder: Path
) -> Design:
    """As `design_of`, with a table of products as the model, which is written into a folder.

    Raises:
        AxdseError: as `as_c_model` and `design_of`; or the table has not a product for each pair
            of the design's operands, in either order.
    """
    model, table = as_c_model(path, pins, folder)
    signed = replace(pins, signed=(table.signed, table.signed))
    design = design_of(model, source, modules, signed)
    widths = design.rtl.a_bits, design.rtl.b_bits
    if (table.a_bits, table.b_bits) not in (widths, widths[::-1]):
        rule = "a table has a product for each pair of the operands of its design, {} x {}"
        rows = f"{path.name} is {1 << table.a_bits} x {1 << table.b_bits}"
        raise AxdseError(rule.format(*(1 << bits for bits in widths)), rows, "write that many")
    return replace(design, assumed="; ".join(filter(None, (table.told, design.assumed))))


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
    module, told = top_module(source, known, pins.top)
    top = known[module]
    for name, _ in pins.parameters:
        if name not in top.parameters:
            rule = f"--parameter names one of {top.name}"
            raise AxdseError(rule, name, did_you_mean(name, top.parameters))
    if pins.parameters or pins.ties or pins.ignored:
        source = replace(source, stem=top.name)
        valued = {module.name: module for module in _modules_of(source, pins.parameters)}
        source = pinned(source, valued, pins)
        known = {module.name: module for module in _modules_of(source)}
        top = known[source.stem]
    if together := bundled(source, top):
        source = together
        known = {module.name: module for module in _modules_of(source)}
        top = known[source.stem]
    used = used_modules(known, top)
    refuse_without_gates(used)
    pipeline = pipeline_of(top, used, pins)
    prototype = (
        None if model.is_dir() else find_prototype(model, pins.function, dict(pins.arguments))
    )
    device = fitting_ports(top, source.text, pipeline)
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
    assumed = "; ".join(filter(None, (told, assumed)))
    return Design(
        readings,
        device,
        prototype,
        widest,
        other_levels(pipeline, pins),
        assumed,
        pins.order,
        options_of(pins),
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
