"""Which modules and ports does a Verilog file have, as Yosys reads it?"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axdse.flows.scripts import script_word
from axdse.flows.tools import find_tool
from axdse.flows.verilog.safety import refuse_unsafe
from axdse.flows.verilog.sources import Source
from axdse.flows.yosys import run_yosys
from axdse.multipliers.cache import temporary_folder
from axdse.multipliers.errors import AxdseError, MachineError

MASK = (1 << 32) - 1  # of an integer
Parameters = tuple[tuple[str, int], ...]
TOGETHER_LIMIT_S = 120
# What a stranger's file may take before anything is known of it.
ALONE_LIMIT_S, ALONE_MEMORY_BYTES = 60, 1 << 30
_PRAGMA = re.compile(r"\b(?:synthesis|synopsys|pragma|rtl_synthesis)\s+translate_o(?:n|ff)\b")
# What remembers: flip-flops, latches and memories, as Yosys calls them after `proc`.
_REGISTERS = ("$dff", "$adff", "$sdff", "$aldff", "$dffe", "$adffe", "$sdffe", "$ff", "$memwr")
_LATCHES = ("$dlatch", "$adlatch", "$sr")


@dataclass(frozen=True)
class ModulePort:
    """A port: its direction, its width in bits, and whether it is declared signed."""

    name: str
    direction: str
    bits: int
    signed: bool

    def __str__(self) -> str:
        return f"{self.direction} {self.name}[{self.bits}]"


@dataclass(frozen=True)
class Module:
    """A module and the types of its cells.

    Attributes:
        widest_net: bits of its widest internal net.
        parameters: their names.
    """

    name: str
    ports: tuple[ModulePort, ...]
    cells: frozenset[str]
    widest_net: int
    parameters: frozenset[str] = frozenset()

    @property
    def registers(self) -> tuple[str, ...]:
        """Its flip-flops and memories."""
        return tuple(sorted(cell for cell in self.cells if cell.startswith(_REGISTERS)))

    @property
    def latches(self) -> tuple[str, ...]:
        """Its latches."""
        return tuple(sorted(cell for cell in self.cells if cell.startswith(_LATCHES)))


def read_modules(
    sources: Sequence[Source], parameters: Parameters = ()
) -> list[tuple[Module, ...] | AxdseError]:
    """Read Verilog of designs, each by itself, in one run of Yosys.

    Args:
        sources: the designs.
        parameters: of a single design's top module, names and values.

    Returns:
        for each design its modules, or why it cannot be read.

    Raises:
        AxdseError: Yosys is missing.
    """
    find_tool("yosys")
    try:
        return list(_read_together(sources, parameters))
    except AxdseError as error:
        if len(sources) == 1:
            return [error]
    return [_read_alone(source) for source in sources]


def _read_alone(source: Source) -> tuple[Module, ...] | AxdseError:
    try:
        return _read_together([source])[0]
    except AxdseError as error:
        return error


def _read_together(
    sources: Sequence[Source], parameters: Parameters = ()
) -> list[tuple[Module, ...]]:
    with temporary_folder() as folder:
        script = []
        for number, source in enumerate(sources):
            refuse_unsafe(source.text, source.name)
            _refuse_two_readings(source.text, source.name)
            (folder / f"{number}.v").write_text(source.text)
            script.append(
                "design -reset\ndesign -reset-vlog\n"
                f"read_verilog -sv {number}.v\n{_set(parameters, source)}"
                f"proc -norom\nwrite_json {number}.json\n"
            )
        limit_s, memory_bytes = TOGETHER_LIMIT_S, None
        if len(sources) == 1:
            limit_s, memory_bytes = ALONE_LIMIT_S, ALONE_MEMORY_BYTES
            _elaborate(folder, sources[0].name)
        subject = ", ".join(source.name for source in sources)
        try:
            run_yosys("".join(script), folder, subject, limit_s, memory_bytes=memory_bytes)
        except MachineError:
            raise
        except AxdseError as error:
            line = re.sub(r"^0\.v:", f"{subject}:", str(error.value))
            raise type(error)(error.rule, line, error.remedy) from error
        return [
            _modules(json.loads((folder / f"{number}.json").read_bytes()))
            for number in range(len(sources))
        ]


def _set(parameters: Parameters, source: Source) -> str:
    """The command that gives the top module's parameters their values."""
    if not parameters:
        return ""
    # chparam takes a minus for the end of its options.
    texts = {
        name: f"{value}" if value >= 0 else f"32'sh{value & MASK:x}" for name, value in parameters
    }
    values = " ".join(f"-set {script_word(name)} {text}" for name, text in texts.items())
    return f"chparam {values} {script_word(source.stem)}\n"


def _refuse_two_readings(text: str, name: str) -> None:
    """What a simulator reads must be what a synthesiser reads."""
    pragma = _PRAGMA.search(text)
    if pragma:
        rule = f"the RTL {name} is the same in simulation and synthesis"
        raise AxdseError(rule, " ".join(pragma[0].split()), "remove it")


def _elaborate(folder: Path, name: str) -> None:
    """Icarus has the better messages, so it reads the file before Yosys does."""
    command = ["-g2012", "-t", "null", "0.v"]
    result = find_tool("iverilog").run(
        command, folder=folder, limit_s=ALONE_LIMIT_S, memory_bytes=ALONE_MEMORY_BYTES
    )
    if result.exit_code:
        lines = result.log.splitlines()
        last = lines[-1] if lines else f"exit code {result.exit_code}"
        line = next((line for line in lines if "error" in line), last)
        line = name + line.removeprefix("0.v") if line.startswith("0.v") else line
        if unknown := re.search(r"Unknown module type: (\S+)", line):
            raise no_module(name, unknown[1])
        raise AxdseError(f"the RTL {name} must elaborate in Icarus", line, "correct that line")


def no_module(source: str, module: str) -> AxdseError:
    """A module, or a cell of a library, that Verilog names and nothing holds."""
    return AxdseError(
        f"{source} holds all modules that it names",
        f"{module} is not there",
        "give its file or folder with another --rtl, or a library's with --cells",
    )


def refuse_without_gates(modules: Iterable[Module]) -> None:
    """Refuse what a synthesiser reads and has no gates for.

    Raises:
        AxdseError: a design raises to a power, or asserts.
    """
    for module in modules:
        if "$pow" in module.cells:
            rule = "a synthesiser has gates for powers of constants, and of 2, alone"
            remedy = "write a product, or a case table"
            raise AxdseError(rule, f"{module.name} computes a ** b", remedy)
        if told := module.cells & {"$assert", "$assume", "$cover", "$live", "$fair"}:
            rule = "RTL computes; assertions are left out of .sv without macros"
            found = f"{module.name} has {min(told)[1:]}"
            raise AxdseError(rule, found, "remove it, or name the file .sv")


def missing_modules(modules: Sequence[Module]) -> list[str]:
    """Those of which a design has instances and nothing else, by name."""
    known = {module.name for module in modules}
    named = {cell for module in modules for cell in module.cells}
    return sorted(name for name in named - known if not name.startswith("$"))


def _modules(design: dict[str, Any]) -> tuple[Module, ...]:
    return tuple(
        Module(
            name,
            tuple(
                ModulePort(port, entry["direction"], len(entry["bits"]), bool(entry.get("signed")))
                for port, entry in module["ports"].items()
            ),
            frozenset(cell["type"] for cell in module["cells"].values()),
            max((len(net["bits"]) for net in module["netnames"].values()), default=0),
            frozenset(module.get("parameter_default_values", ())),
        )
        for name, module in design["modules"].items()
    )
