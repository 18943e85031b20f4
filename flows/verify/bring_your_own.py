"""What is a design of the user's own? One Verilog file and one C file.

The files speak for themselves: ports, widths and registers come from the RTL, as Yosys reads it;
types and names from the C prototype. EvoApproxLib's and ApproxTrain's files fit unchanged.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from axdse.flows.evidence.report import Order
from axdse.flows.evidence.stimulus import MAX_OPERAND_BITS
from axdse.flows.verify.c_source import Prototype, find_prototype, published_figures
from axdse.flows.verify.module_ports import Module, ModulePort, read_modules
from axdse.multipliers.designs.family import Family, Multiplier, Pipeline
from axdse.multipliers.designs.rtl_text import Rtl, read_rtl
from axdse.multipliers.errors import AxdseError, did_you_mean, printable
from axdse.multipliers.names import check_name

CLOCK = re.compile(r"(i_)?(clk|clock|ck)(_i|_in)?", re.IGNORECASE)
RESET = re.compile(
    r"(i_)?(?P<not>n_?)?[as]?(rst|reset|clr|clear)(_?(?P<low>n|ni|b|l))?(_i|_in)?", re.IGNORECASE
)
ENABLE = re.compile(r"(i_)?(clk_?)?(en|ena|enable|ce)(_i|_in)?", re.IGNORECASE)
# mul8s_1KV8: the only sign of signedness in EvoApproxLib files with unsigned prototypes.
SIGNED_NAME = re.compile(r"mul\d+(x\d+)?s(_|$)")
PRODUCT_RULE = "the product has as many bits as both operands (or w + 1: carry, fraction)"


@dataclass(frozen=True)
class Pins:
    """What the user says of two files instead of leaving it to them; empty: left to them.

    Attributes:
        function: the C function.
        top: the Verilog module.
        order: which operand the C function takes first, see `RtlReport.order`.
        signed: whether operands and product are two's complement.
        clock, reset, enable: input ports.
        latency: clock edges from operands to product.
        reset_level: the level that resets.
    """

    function: str = ""
    top: str = ""
    order: Order | None = None
    signed: bool | None = None
    clock: str = ""
    latency: int | None = None
    reset: str = ""
    reset_level: int | None = None
    enable: str = ""


@dataclass(frozen=True)
class Design:
    """Two files as one design without parameters.

    Attributes:
        multiplier: the model, called with the RTL's first operand first.
        prototype: of its C function.
        widest_net: bits of the RTL's widest net.
    """

    multiplier: Multiplier
    rtl: Rtl
    prototype: Prototype
    widest_net: int

    def guesses(self, pins: Pins) -> tuple[str, ...]:
        """What its files only suggest, on which a verdict may hang, and what pins it."""
        found = []
        signed = self.prototype.signed and not self.prototype.takes_floats
        if signed and pins.signed is None:
            found.append(
                f"operands are taken for two's complement, as {self.prototype} has signed ones; "
                "--unsigned if they are not"
            )
        pipeline = self.rtl.pipeline
        if pipeline:
            level = f", which resets at {pipeline.reset_level}" if pipeline.reset else ""
            found.append(
                f"driven by clock {pipeline.clock}, reset {pipeline.reset or 'none'}{level}, "
                f"enable {pipeline.enable or 'none'}; "
                "--clock, --reset, --reset-level, --enable and --latency pin them"
            )
        return tuple(found)


def read_design(model: Path, rtl: Path, pins: Pins = Pins()) -> Design:
    """Read both files as one design.

    Raises:
        AxdseError: a file is missing; the RTL does not elaborate; its top module, or the
            function, cannot be told; ports or widths do not fit a multiplier; it has a latch.
    """
    modules = read_modules([rtl])[0]
    if isinstance(modules, AxdseError):
        raise modules
    return design_of(model, rtl, modules, pins)


def design_of(model: Path, rtl: Path, modules: Iterable[Module], pins: Pins) -> Design:
    """As `read_design`, for a Verilog file whose modules are known."""
    known = {module.name: module for module in modules}
    top = known[_top_module(rtl, known, pins.top)]
    used = _used(known, top)
    pipeline = _pipeline(top, used, pins)
    text = read_rtl(rtl)
    device = _fitting(top, text, pipeline)
    prototype = find_prototype(model, pins.function)
    if prototype.takes_floats and not (_is_significand(device) and device.a_bits <= 7):
        raise AxdseError(
            "a model of floats needs a significand core: m bits and m bits to m + 1, m in 2..7",
            f"{device.a_bits} x {device.b_bits} -> {device.product_bits}",
            "verify the core of the unit",
        )
    family = Family(
        name=prototype.function,
        title=printable(f"{model.name} and {rtl.name}"),
        kind="significand" if _is_significand(device) else "integer",
        width=device.a_bits,
        width_b=device.b_bits,
        model=model,
        rtl=rtl,
        parameters={},
        signed=_signed(prototype, top, pins),
        function=prototype.function,
        takes_floats=prototype.takes_floats,
        module=top.name,
        ports=device.ports,
        pipeline=pipeline,
        published=published_figures(model),
    )
    return Design(family.bind(), device, prototype, max(module.widest_net for module in used))


def _is_significand(device: Rtl) -> bool:
    return 1 < device.a_bits == device.b_bits == device.product_bits - 1


def _signed(prototype: Prototype, top: Module, pins: Pins) -> bool:
    if pins.signed is not None:
        return pins.signed
    declared = any(port.signed for port in top.ports)
    return prototype.signed or declared or bool(SIGNED_NAME.match(prototype.function))


def _top_module(path: Path, modules: dict[str, Module], pinned: str) -> str:
    if pinned and pinned not in modules:
        raise AxdseError(f"{path.name} has no such module", pinned, did_you_mean(pinned, modules))
    if pinned or path.stem in modules:
        return pinned or path.stem
    used = {cell for module in modules.values() for cell in module.cells}
    tops = sorted(modules.keys() - used)
    if len(tops) != 1:
        raise AxdseError(
            f"{path.name} has a module {path.stem}, or just one that no other uses",
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
    return Pipeline(
        clock=clock,
        latency=pins.latency,
        reset=reset,
        reset_level=_reset_level(reset, pins),
        enable=_control(pins.enable, inputs, ENABLE.fullmatch),
    )


def _refuse_idle(top: Module, clock: str, reset: str, pins: Pins) -> None:
    """Refuse what is said of a clock or a reset that is not there: nothing would come of it."""
    said = {
        "--latency": pins.latency and not clock,
        "--reset": pins.reset and not clock,
        "--enable": pins.enable and not clock,
        "--reset-level": pins.reset_level is not None and not reset,
    }
    for option in filter(said.get, said):
        lacks = "reset" if clock else "clock"
        raise AxdseError(
            f"a design with {option} has a {lacks}",
            f"{top.name} has none that is known",
            f"leave it out, or name one with --{lacks}",
        )


def _reset_level(reset: str, pins: Pins) -> Literal[0, 1]:
    if pins.reset_level is not None:
        return 1 if pins.reset_level else 0
    named = RESET.fullmatch(reset)
    return 0 if named and (named["not"] or named["low"]) else 1


def _control(pinned: str, inputs: list[str], named: Callable[[str], object]) -> str:
    if pinned and pinned not in inputs:
        raise AxdseError("no such 1-bit input", pinned, did_you_mean(pinned, inputs))
    return pinned or next(filter(named, inputs), "")


def _fitting(top: Module, text: str, pipeline: Pipeline | None) -> Rtl:
    control = pipeline.ports if pipeline else ()
    data = [port for port in top.ports if port.name not in control]
    inputs = [port for port in data if port.direction == "input"]
    outputs = [port for port in data if port.direction == "output"]
    shown = f"{top.name}({', '.join(map(str, top.ports))})"
    if (len(inputs), len(outputs), len(data)) != (2, 1, 3):
        raise AxdseError(
            "a multiplier has two inputs and one output", shown, "wrap it in a module"
        )
    (a, b), (product,) = inputs, outputs
    if not all(1 <= port.bits <= MAX_OPERAND_BITS for port in (a, b)):
        rule = f"operands have up to {MAX_OPERAND_BITS} bits"
        raise AxdseError(rule, shown, "choose a narrower design")
    if not _fits(a, b, product):
        raise AxdseError(PRODUCT_RULE, shown, "wrap it in a module of those widths")
    for name in (top.name, a.name, b.name, product.name, *control):
        check_name(name, "modules and ports", "Verilog")
    ports = (a.name, b.name, product.name)
    return Rtl(top.name, text, ports, a.bits, b.bits, product.bits, top.name, pipeline)


def _fits(a: ModulePort, b: ModulePort, product: ModulePort) -> bool:
    return product.bits == a.bits + b.bits or a.bits == b.bits == product.bits - 1
