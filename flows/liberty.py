"""Stage 6, cost: the combinational cells of a Liberty library, as Yosys reads them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import numpy as np

from axdse.flows.tools import find_tool
from axdse.flows.yosys import read_modules, run_yosys
from axdse.multipliers.cache import cached, digest, temporary_folder
from axdse.multipliers.errors import AxdseError

DEFAULT_LIBRARY = Path("/usr/share/qflow/tech/osu018/osu018_stdcells.lib")
READ_CELLS = """\
read_liberty -ignore_miss_func -ignore_miss_dir -ignore_miss_data_latch library.lib
write_json cells.json
"""
# Yosys tells areas of designs, not of cells: a design of one cell each gives them.
READ_AREAS = """\
read_liberty -lib library.lib
read_verilog one_cell_each.v
stat -liberty library.lib
"""
AREA = re.compile(r"Chip area for module '\\one_(\S+)': (\S+)")
OPERATORS = {
    "$_AND_": np.bitwise_and,
    "$_OR_": np.bitwise_or,
    "$_XOR_": np.bitwise_xor,
}
INVERTER = "$_NOT_"
# Yosys numbers nets from 2 in JSON, which leaves 0 and 1 to stand for themselves.
CONSTANTS = {"0": 0, "1": 1}
UNKNOWN = -1


@dataclass(frozen=True)
class Gate:
    """One operator of a cell's function: `kind` is a Yosys gate, nets are numbers."""

    kind: str
    inputs: tuple[int, ...]
    output: int


@dataclass(frozen=True)
class Cell:
    """A combinational library cell.

    Attributes:
        area_um2: area, in the unit of the library (um2 in every library known to us).
        inputs: (pin, net) pairs.
        outputs: (pin, net) pairs.
        gates: the function, in an order that can be evaluated; net 0 is 0 and net 1 is 1.
    """

    name: str
    area_um2: float
    inputs: tuple[tuple[str, int], ...]
    outputs: tuple[tuple[str, int], ...]
    gates: tuple[Gate, ...]

    def evaluate(self, operands: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the value of each output pin; every bit of the (uint) arrays is one vector."""
        some = next(iter(operands.values()), np.zeros(1, dtype=np.uint64))
        nets = {0: np.zeros_like(some), 1: ~np.zeros_like(some)}
        nets.update((net, operands[pin]) for pin, net in self.inputs)
        for gate in self.gates:
            first = nets[gate.inputs[0]]
            if gate.kind == INVERTER:
                nets[gate.output] = ~first
            else:
                nets[gate.output] = OPERATORS[gate.kind](first, nets[gate.inputs[1]])
        return {pin: nets[net] for pin, net in self.outputs}

    @property
    def is_nand2(self) -> bool:
        """Whether the function is a 2-input NAND."""
        if len(self.inputs) != 2 or len(self.outputs) != 1:
            return False
        truth = np.array([0b1010], dtype=np.uint8), np.array([0b1100], dtype=np.uint8)
        operands = {pin: value for (pin, _), value in zip(self.inputs, truth, strict=True)}
        (output,) = self.evaluate(operands).values()
        return int(output[0]) & 0b1111 == 0b0111


@dataclass(frozen=True)
class Library:
    """The combinational cells of one Liberty file.

    Attributes:
        path: where it was read.
        digest: SHA-256 (hex) of the file.
    """

    path: Path
    digest: str
    cells: tuple[Cell, ...]

    @property
    def name(self) -> str:
        """The file's stem, such as `osu018_stdcells`."""
        return self.path.stem

    @property
    def nand2_area_um2(self) -> float:
        """Area of the smallest 2-input NAND: one gate equivalent.

        Raises:
            AxdseError: the library has none.
        """
        areas = [cell.area_um2 for cell in self.cells if cell.is_nand2]
        if not areas:
            raise AxdseError(
                "gate equivalents need a 2-input NAND with an area in the library",
                self.path,
                "choose a complete standard-cell library",
            )
        return min(areas)


def read_library(path: Path | None = None) -> Library:
    """Read a Liberty file (default: OSU 0.18 um), cached by its content.

    Raises:
        AxdseError: it is missing, is no Liberty, or has no combinational cell.
    """
    path = path or DEFAULT_LIBRARY
    try:
        content = digest(path.read_bytes())
    except OSError as error:
        raise AxdseError(
            "synthesis needs a Liberty library",
            f"{path} ({error.strerror})",
            "apt-get install qflow-tech-osu018, or name another .lib",
        ) from error
    key = digest(content, str(path), find_tool("yosys").version, READ_CELLS, READ_AREAS)
    return cached("liberty", key, Library, lambda: Library(path, content, _read_cells(path)))


def _read_cells(path: Path) -> tuple[Cell, ...]:
    with temporary_folder() as folder:
        (folder / "library.lib").symlink_to(path.resolve())
        run_yosys(READ_CELLS, folder, str(path))
        modules = read_modules(folder / "cells.json", str(path))
        areas = _areas(modules, folder, path)
    cells = (_cell(name, module, areas[name]) for name, module in modules.items() if name in areas)
    combinational = tuple(filter(None, cells))
    if not combinational:
        raise AxdseError(
            "a Liberty library has combinational cells", path, "choose a standard-cell library"
        )
    return combinational


def _areas(names: Iterable[str], folder: Path, path: Path) -> dict[str, float]:
    designs = "".join(f"module one_{name}; {name} cell (); endmodule\n" for name in names)
    (folder / "one_cell_each.v").write_text(designs)
    log = run_yosys(READ_AREAS, folder, str(path))
    return {name: float(area) for name, area in AREA.findall(log)}


def _cell(name: str, module: dict[str, Any], area: float) -> Cell | None:
    """Return None for a cell with state, or without a function."""
    pins: dict[str, list[tuple[str, int]]] = {"input": [], "output": [], "inout": []}
    for pin, port in module["ports"].items():
        pins[port["direction"]].append((pin, net_of(port["bits"][0])))
    gates = {gate.output: gate for gate in map(_gate, module["cells"].values())}
    if not {gate.kind for gate in gates.values()} <= {INVERTER, *OPERATORS}:
        return None
    inputs, outputs = tuple(pins["input"]), tuple(pins["output"])
    known = {0, 1, *gates, *(net for _, net in inputs)}
    used = {net for _, net in outputs}.union(*(gate.inputs for gate in gates.values()))
    # A pin outside the function is the enable of a three-state output.
    if not outputs or not {net for _, net in inputs} <= used <= known:
        return None
    order = TopologicalSorter({gate.output: gate.inputs for gate in gates.values()})
    ordered = tuple(gates[net] for net in order.static_order() if net in gates)
    return Cell(name, area, inputs, outputs, ordered)


def _gate(cell: dict[str, Any]) -> Gate:
    nets = {pin: net_of(bits[0]) for pin, bits in cell["connections"].items()}
    output = nets.pop("Y", UNKNOWN)
    return Gate(cell["type"], tuple(nets.values()), output)


def net_of(bit: int | str) -> int:
    """Return the net of one bit in Yosys' JSON; an undriven bit is `UNKNOWN`."""
    return bit if isinstance(bit, int) else CONSTANTS.get(bit, UNKNOWN)
