"""Which module is the design, and which of its ports are operands and product?"""

import re
from collections.abc import Sequence

from axdse.flows.evidence.stimulus import MAX_OPERAND_BITS
from axdse.flows.verify.controls import READY, START
from axdse.flows.verify.module_ports import Module, ModulePort
from axdse.flows.verilog.sources import Source
from axdse.multipliers.designs.family import MOST_BITS, Pipeline
from axdse.multipliers.designs.rtl_text import Rtl
from axdse.multipliers.errors import AxdseError, did_you_mean
from axdse.multipliers.names import check_name

# Who takes the product says so with it, as `m_ready` or `out_tready` of a stream.
_TAKEN = re.compile(
    r"(i_)?((out|p|m|m_axis|y|z|result|product|data_out|dout)_?t?ready|ready_?(in|i)|ready)(_i|_in)?",
    re.IGNORECASE,
)
_CLOCK_LIKE = re.compile(r"clk|clock", re.IGNORECASE)


def top_module(source: Source, modules: dict[str, Module], pinned: str) -> tuple[str, str]:
    """The design's module, and what was assumed to find it.

    Raises:
        AxdseError: there is no module of that name, or there are several that may be meant.
    """
    if pinned and pinned not in modules:
        rule = f"{source.name} has no such module"
        raise AxdseError(rule, pinned, did_you_mean(pinned, modules))
    if pinned or source.stem in modules:
        return pinned or source.stem, ""
    used = {cell for module in modules.values() for cell in module.cells}
    tops = sorted(modules.keys() - used)
    if len(tops) == 1:
        return tops[0], ""
    # Generators leave in what they did not need, and libraries have more cells than a netlist.
    likely = [name for name in tops if _ways(modules[name]) == ["input", "input", "output"]]
    likely = [name for name in likely if modules[name].cells & modules.keys()] or likely
    if len(likely) != 1:
        raise AxdseError(
            f"{source.name} has a module {source.stem}, or just one that no other uses",
            ", ".join(tops) or "none found",
            "name it with --top",
        )
    why = "the only one of two operands, or of those the only one made of others"
    return likely[0], f"{likely[0]} is taken, of {len(tops)} modules {why}"


def _ways(module: Module) -> list[str]:
    return sorted(port.direction for port in module.ports)


def used_modules(modules: dict[str, Module], top: Module) -> tuple[Module, ...]:
    """The top module and all below it."""
    found, todo = {top.name: top}, [top]
    while todo:
        below = [modules[cell] for cell in todo.pop().cells if cell in modules]
        todo += [module for module in below if module.name not in found]
        found |= {module.name: module for module in below}
    return tuple(found.values())


def fitting_ports(top: Module, text: str, pipeline: Pipeline | None) -> Rtl:
    """A design with its operands and its product: what is left of its ports beside controls.

    Raises:
        AxdseError: these are not two inputs and one output; or their widths, or names, do not fit.
    """
    control = pipeline.ports if pipeline else ()
    data = [port for port in top.ports if port.name not in control]
    inputs = [port for port in data if port.direction == "input"]
    outputs = [port for port in data if port.direction == "output"]
    shown = f"{top.name}({', '.join(map(str, top.ports))})"
    if (len(inputs), len(outputs), len(data)) != (2, 1, 3):
        rule, remedy = "a multiplier has two inputs and one output", _remedy(data, pipeline)
        raise AxdseError(rule, shown, remedy)
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


def _remedy(data: Sequence[ModulePort], pipeline: Pipeline | None) -> str:
    """What would leave two inputs and one output, as far as names and widths tell."""
    if both := [port.name for port in data if port.direction == "inout"]:
        return f"declare {both[0]} an input or an output"
    narrow = [port for port in data if port.direction == "input" and port.bits == 1]
    flags = [port for port in data if port.direction == "output" and port.bits == 1]
    if len(data) - len(narrow) - len(flags) != 3 or not (narrow or flags):
        return "name its --clock, --reset and --enable, --tie inputs and --ignore outputs"
    clocks = [port.name for port in narrow if _CLOCK_LIKE.search(port.name)]
    if clocks and pipeline:
        return f"drive it by one clock, not by {pipeline.clock} and {clocks[0]}"
    options = [f"--tie {port.name}={_rest(port.name)}" for port in narrow]
    options += [f"--ignore {port.name}" for port in flags]
    return f"write {' '.join(options)}, or name controls with --clock, --reset, --enable, --start"


def _rest(name: str) -> str:
    """The level that lets a design go on; of what is not known by its name, the user knows it."""
    return "1" if any(each.fullmatch(name) for each in (_TAKEN, READY, START)) else "VALUE"
