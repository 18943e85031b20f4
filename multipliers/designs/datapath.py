"""How do the modules of a MAC hang together? One Verilog text, pieces that can be mapped alone.

A datapath takes operands `ab` and the running sum `c` and gives the next one, `d`. Its blocks are
combinational; a stage register may stand on some of its buses, and delays what it computes by one
clock, nothing else.
"""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from axdse.multipliers.designs.family import Pipeline
from axdse.multipliers.designs.rtl_text import Rtl, read_rtl

PORTS = ("ab", "c", "d")
CLOCK = "clk"
# Whose figure a block is: of the core, of what else multiplies, or of what adds.
Role = Literal["core", "multiplier", "sum"]
Wires = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Slice:
    """Neighbouring bits of a bus, of which `low` is the lowest."""

    bus: str
    low: int
    width: int

    @property
    def text(self) -> str:
        """As Verilog has it."""
        return f"{self.bus}[{self.low + self.width - 1}:{self.low}]"


@dataclass(frozen=True)
class Module:
    """A combinational module.

    Attributes:
        name: in Verilog.
        inputs: names and widths of at least two ports.
        outputs: likewise, at least one.
        body: what stands behind its ports.
        files: Verilog files of the modules that it instantiates.
        adds: whether full adders are looked for in it: shifters, comparisons and normalisers have
            none that would help.
    """

    name: str
    inputs: Wires
    outputs: Wires
    body: str
    files: tuple[Path, ...] = ()
    adds: bool = True

    @property
    def text(self) -> str:
        """The module alone."""
        ports = [f"    input  [{width - 1}:0] {name}" for name, width in self.inputs]
        ports += [f"    output [{width - 1}:0] {name}" for name, width in self.outputs]
        return f"module {self.name} (\n" + ",\n".join(ports) + f"\n);\n{self.body}endmodule\n\n"

    @property
    def rtl(self) -> Rtl:
        """The module between three ports: its first input, its other ones and all its outputs.

        The first of several is lowest.
        """
        (_, a_bits), *others = self.inputs
        b_bits, product_bits = (sum(w for _, w in wires) for wires in (others, self.outputs))
        pins = [f".{self.inputs[0][0]}(a)"]
        for bus, wires in (("b", tuple(others)), ("p", self.outputs)):
            low = 0
            for name, width in wires:
                pins.append(f".{name}({bus}[{low + width - 1}:{low}])")
                low += width
        top = f"{self.name}_alone"
        text = (
            f"module {top} (\n    input  [{a_bits - 1}:0] a,\n    input  [{b_bits - 1}:0] b,\n"
            f"    output [{product_bits - 1}:0] p\n);\n"
            f"  {self.name} inner ({', '.join(pins)});\nendmodule\n\n"
        )
        text += self.text + "\n".join(_file(path) for path in dict.fromkeys(self.files))
        return Rtl(top, text, ("a", "b", "p"), a_bits, b_bits, product_bits, self.name)


@dataclass(frozen=True)
class Block:
    """A module between buses; `pins` says what each of its ports is connected to."""

    role: Role
    module: Module
    pins: tuple[tuple[str, Slice], ...]

    @property
    def behind_stage(self) -> "Block":
        """The same block, its inputs taken from the stage register."""
        inputs = {port for port, _ in self.module.inputs}
        pins = tuple(
            (port, replace(each, bus=then(each.bus)) if port in inputs else each)
            for port, each in self.pins
        )
        return replace(self, pins=pins)

    def pin(self, port: str) -> Slice:
        """What a port is connected to."""
        return dict(self.pins)[port]


@dataclass(frozen=True)
class Datapath:
    """The unit of a MAC.

    Attributes:
        top: name of its module.
        blocks: its parts.
        operands: width of `ab`: the second operands above the first ones, first pair lowest.
        register: width of `c` and `d`.
        stage: buses on which the stage register stands; empty: it is combinational.
        core: name of the core's module.
        core_file: its file.
    """

    top: str
    blocks: tuple[Block, ...]
    operands: int
    register: int
    stage: Wires
    core: str
    core_file: Path

    @property
    def stage_bits(self) -> int:
        """Width of the stage register."""
        return sum(width for _, width in self.stage)

    @functools.cached_property
    def buses(self) -> Mapping[str, int]:
        """Widths of the buses inside, by name; behind the stage they end in `_then`."""
        own = {
            slice_.bus: width
            for block in self.blocks
            for port, width in block.module.outputs
            for slice_ in (block.pin(port),)
            if slice_.bus not in PORTS
        }
        return own | {then(name): width for name, width in self.stage}

    @property
    def rtl(self) -> Rtl:
        """All of it, complete in itself."""
        modules = "".join(module.text for module in self._modules)
        text = self._top_text + modules + "\n".join(map(_file, self._paths))
        widths = (self.operands, self.register, self.register)
        pipeline = Pipeline(CLOCK, 1) if self.stage else None
        return Rtl(self.top, text, PORTS, *widths, self.core, pipeline)

    @property
    def files(self) -> tuple[tuple[str, str], ...]:
        """Names and texts of files of the same but for the core's own: its top first."""
        own = (f"{self.top}.v", self._top_text), *((f"{m.name}.v", m.text) for m in self._modules)
        shared = (path for path in self._paths if path != self.core_file)
        return (*own, *((path.name, _file(path)) for path in shared))

    @property
    def _top_text(self) -> str:
        clock = f"    input  {CLOCK},\n" if self.stage else ""
        lines = [f"wire [{width - 1}:0] {name};" for name, width in self._wires()]
        lines += [
            line for number, block in enumerate(self.blocks) for line in _placed(number, block)
        ]
        return (
            f"module {self.top} (\n{clock}    input  [{self.operands - 1}:0] ab,\n"
            f"    input  [{self.register - 1}:0] c,\n    output [{self.register - 1}:0] d\n);\n"
            + "".join(f"  {line}\n" for line in (*lines, *self._stage_lines()))
            + "endmodule\n\n"
        )

    @property
    def _modules(self) -> tuple[Module, ...]:
        """Each once."""
        return tuple(dict.fromkeys(block.module for block in self.blocks))

    @property
    def _paths(self) -> list[Path]:
        """Files of their modules; the core's goes last: its directives then reach no other one."""
        files = dict.fromkeys(path for module in self._modules for path in module.files)
        return sorted(files, key=lambda path: path == self.core_file)

    def _wires(self) -> Iterator[tuple[str, int]]:
        behind = {then(name) for name, _ in self.stage}
        return ((name, width) for name, width in self.buses.items() if name not in behind)

    def _stage_lines(self) -> Iterator[str]:
        if not self.stage:
            return
        for name, width in self.stage:
            yield f"reg [{width - 1}:0] {then(name)};"
        yield f"always @(posedge {CLOCK}) begin"
        for name, width in self.stage:
            yield f"  {then(name)} <= {name}[{width - 1}:0];"
        yield "end"


def then(bus: str) -> str:
    """The name of a bus behind the stage register."""
    return f"{bus}_then"


def whole(bus: str, width: int) -> Slice:
    """All bits of a bus."""
    return Slice(bus, 0, width)


def _placed(number: int, block: Block) -> Iterator[str]:
    pins = ", ".join(f".{port}({slice_.text})" for port, slice_ in block.pins)
    yield f"{block.module.name} part{number} ({pins});"


def _file(path: Path) -> str:
    return read_rtl(path).rstrip() + "\n"
