"""Stage 1, candidate: a design of the user's own, from one Verilog file and one C file.

The files speak for themselves: ports and widths come from the RTL, as Yosys reads it; module and
function are named as their file, or are the only ones there. EvoApproxLib's files fit unchanged.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axdse.flows.stimulus import MAX_OPERAND_BITS
from axdse.flows.tools import find_tool
from axdse.flows.yosys import run_yosys
from axdse.multipliers.cache import temporary_folder
from axdse.multipliers.catalog import Family, Multiplier
from axdse.multipliers.errors import AxdseError, unreadable
from axdse.multipliers.verilog import COMMENT, Rtl

TIME_LIMIT_S = 120
READ_MODULES = """\
read_verilog -sv design.v
proc
write_json modules.json
"""
IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
FUNCTION = re.compile(
    r"(?<!static\s)(?<!inline\s)\buint(?:16|32|64)_t\s+(\w+)\s*"
    r"\(\s*(?:const\s+)?uint(?:8|16|32|64)_t\b[^,()]*,\s*(?:const\s+)?uint(?:8|16|32|64)_t\b[^,()]*\)"
    r"\s*\{"
)
PRODUCT_RULE = "the product has 2w bits for operands of w bits (or w + 1: carry, fraction)"


@dataclass(frozen=True)
class Port:
    """A port of the user's module."""

    name: str
    direction: str
    bits: int

    def __str__(self) -> str:
        return f"{self.direction} {self.name}[{self.bits}]"


def read_design(model: Path, rtl: Path) -> tuple[Multiplier, Rtl]:
    """Read both files as one design without parameters.

    Raises:
        AxdseError: a file is missing; the RTL does not elaborate; its top module, or the
            function, cannot be told; ports or widths do not fit a multiplier.
    """
    design = read_rtl(rtl)
    function = find_function(model)
    significand = design.product_bits == design.operand_bits + 1
    family = Family(
        name=function,
        title=f"{model.name} and {rtl.name}",
        kind="significand" if significand else "integer",
        width=design.operand_bits,
        model=model,
        rtl=rtl,
        parameters={},
    )
    return family.bind(), design


def read_rtl(path: Path) -> Rtl:
    """Find the top module of a Verilog file, its ports and their widths.

    Raises:
        AxdseError: see `read_design`.
    """
    text = _read(path, "RTL is a readable Verilog file")
    with temporary_folder() as folder:
        (folder / path.name).write_text(text)
        _elaborate(path.name, folder)
        (folder / "design.v").write_text(text)
        run_yosys(READ_MODULES, folder, path.name)
        modules = json.loads((folder / "modules.json").read_bytes())["modules"]
    top = _top_module(path, modules)
    return _fitting(top, text, _ports(modules[top]))


def find_function(path: Path) -> str:
    """Return the C function that is named as its file, else the only one that fits.

    Raises:
        AxdseError: there is none, or there are several.
    """
    text = _read(path, "a C model is a readable file")
    found = FUNCTION.findall(COMMENT.sub(" ", text))
    if path.stem in found:
        return path.stem
    if len(found) != 1:
        raise AxdseError(
            f"{path.name} defines uint64_t {path.stem}(uint64_t a, uint64_t b), or just one such",
            ", ".join(found) or "none found",
            "rename the file or the function",
        )
    return str(found[0])


def _read(path: Path, rule: str) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(rule, path, error) from error


def _elaborate(file_name: str, folder: Path) -> None:
    """Icarus has the better messages, so it reads the file before Yosys does."""
    command = ["-g2012", "-t", "null", file_name]
    result = find_tool("iverilog").run(command, folder=folder, limit_s=TIME_LIMIT_S)
    if result.exit_code:
        lines = result.log.splitlines()
        last = lines[-1] if lines else f"exit code {result.exit_code}"
        line = next((line for line in lines if "error" in line), last)
        raise AxdseError(
            f"the RTL {file_name} must elaborate in Icarus", line, "correct that line"
        )


def _top_module(path: Path, modules: dict[str, Any]) -> str:
    if path.stem in modules:
        return path.stem
    used = {cell["type"] for module in modules.values() for cell in module["cells"].values()}
    tops = sorted(modules.keys() - used)
    if len(tops) != 1:
        raise AxdseError(
            f"{path.name} has a module {path.stem}, or just one that no other uses",
            ", ".join(tops) or "none found",
            "rename the file or the module",
        )
    return tops[0]


def _ports(module: dict[str, Any]) -> tuple[Port, ...]:
    return tuple(
        Port(name, port["direction"], len(port["bits"])) for name, port in module["ports"].items()
    )


def _fitting(top: str, text: str, ports: tuple[Port, ...]) -> Rtl:
    inputs = [port for port in ports if port.direction == "input"]
    outputs = [port for port in ports if port.direction == "output"]
    shown = f"{top}({', '.join(map(str, ports))})"
    if (len(inputs), len(outputs), len(ports)) != (2, 1, 3):
        raise AxdseError(
            "a multiplier has two inputs and one output", shown, "wrap it in a module"
        )
    (a, b), (product,) = inputs, outputs
    width = a.bits
    if a.bits != b.bits or width > MAX_OPERAND_BITS:
        rule = f"both operands have the same width, up to {MAX_OPERAND_BITS} bits"
        raise AxdseError(rule, shown, "wrap it in a module that pads the narrower one with zeros")
    if product.bits not in (2 * width, width + 1):
        raise AxdseError(PRODUCT_RULE, shown, "wrap it in a module of those widths")
    names = (top, a.name, b.name, product.name)
    if not all(map(IDENTIFIER.fullmatch, names)):
        raise AxdseError("names are plain Verilog identifiers", " ".join(names), "rename them")
    return Rtl(top, text, (a.name, b.name, product.name), width, product.bits, top)
