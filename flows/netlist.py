"""Stage 6, cost: a mapped netlist, and its exact simulation on many vectors at once."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import numpy as np

from axdse.flows.liberty import Cell, Library
from axdse.flows.yosys import read_modules
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.verilog import Rtl

LANES = 64
# Yosys numbers nets from 2 in JSON, which leaves 0 and 1 to stand for themselves.
CONSTANTS = {"0": 0, "1": 1}
UNKNOWN = -1


@dataclass(frozen=True)
class Instance:
    """One cell in the netlist; `pins` are (pin, net) pairs, nets are numbers."""

    cell: Cell
    pins: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Port:
    """A port and its nets, least significant bit first."""

    name: str
    nets: tuple[int, ...]


@dataclass(frozen=True)
class Netlist:
    """A combinational netlist of library cells; net 0 is constant 0 and net 1 constant 1.

    Attributes:
        instances: the cells, each after those that drive it.
    """

    top: str
    a: Port
    b: Port
    product: Port
    instances: tuple[Instance, ...]

    @property
    def area_um2(self) -> float:
        """Sum of the areas of the cells; wires have none."""
        return math.fsum(instance.cell.area_um2 for instance in self.instances)

    def simulate(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the products of unsigned operand codes, uint64 of the shape of `a`."""
        nets = {0: np.zeros(-(-a.size // LANES), dtype=np.uint64)}
        nets[1] = ~nets[0]
        for port, codes in ((self.a, a), (self.b, b)):
            nets.update(zip(port.nets, lanes_of(codes.ravel(), len(port.nets)), strict=True))
        for instance in self.instances:
            pins = dict(instance.pins)
            operands = {pin: nets[pins[pin]] for pin, _ in instance.cell.inputs}
            for pin, value in instance.cell.evaluate(operands).items():
                if pin in pins:
                    nets[pins[pin]] = value
        return codes_of([nets[net] for net in self.product.nets], a.size).reshape(a.shape)

    def verilog(self) -> str:
        """Structural Verilog with one assignment for each bit, as OpenSTA 2.0 demands."""
        a, b, product = self.a, self.b, self.product
        names = {0: "1'b0", 1: "1'b1"}
        for port in (a, b):
            names.update({net: f"{port.name}[{bit}]" for bit, net in enumerate(port.nets)})
        wires = {net for cell in self.instances for _, net in cell.pins} - names.keys()
        names.update({net: f"n{net}" for net in wires})
        lines = [
            f"module {self.top} ({a.name}, {b.name}, {product.name});",
            f"  input [{len(a.nets) - 1}:0] {a.name};",
            f"  input [{len(b.nets) - 1}:0] {b.name};",
            f"  output [{len(product.nets) - 1}:0] {product.name};",
            *(f"  wire {names[net]};" for net in sorted(wires)),
        ]
        for number, instance in enumerate(self.instances):
            pins = ", ".join(f".{pin}({names[net]})" for pin, net in instance.pins)
            lines.append(f"  {instance.cell.name} u{number} ({pins});")
        for bit, net in enumerate(product.nets):
            lines.append(f"  assign {product.name}[{bit}] = {names[net]};")
        return "\n".join([*lines, "endmodule\n"])


def read_netlist(path: Path, rtl: Rtl, library: Library) -> Netlist:
    """Read what Yosys' `write_json` wrote for `rtl`.

    Raises:
        AxdseError: the ports differ from `rtl`, a bit has no driver, or the design is not
            combinational: a latch, a flip-flop, a loop.
    """
    module = read_modules(path, rtl.top)[rtl.top]
    known = {cell.name: cell for cell in library.cells}
    instances = [_instance(entry, known, rtl) for entry in module["cells"].values()]
    widths = (rtl.a_bits, rtl.b_bits, rtl.product_bits)
    a, b, product = (
        _port(module["ports"], name, width, rtl)
        for name, width in zip(rtl.ports, widths, strict=True)
    )
    netlist = Netlist(rtl.top, a, b, product, in_order(instances, rtl))
    _check_driven(netlist)
    return netlist


def _port(ports: dict[str, Any], name: str, width: int, rtl: Rtl) -> Port:
    bits = ports[name]["bits"] if name in ports else []
    if len(bits) != width or len(ports) != len(rtl.ports):
        found = ", ".join(f"{port}[{len(entry['bits'])}]" for port, entry in ports.items())
        raise AxdseError(
            f"{rtl.top} has ports {', '.join(rtl.ports)} and no others, {name} of {width} bits",
            found,
            "correct the port list",
        )
    return Port(name, tuple(map(net_of, bits)))


def _instance(entry: dict[str, Any], known: dict[str, Cell], rtl: Rtl) -> Instance:
    kind = entry["type"]
    if kind not in known:
        what = "a latch" if "LATCH" in kind.upper() else "no combinational cell of the library"
        raise AxdseError(
            f"{rtl.top} must be combinational logic",
            f"{kind} ({what})",
            "assign every output in every branch, without clocks",
        )
    return Instance(
        known[kind], tuple((pin, net_of(bits[0])) for pin, bits in entry["connections"].items())
    )


def in_order(instances: Sequence[Instance], rtl: Rtl) -> tuple[Instance, ...]:
    """Return the cells, each after those that drive it.

    Raises:
        AxdseError: there is a loop.
    """
    driver = {
        dict(instance.pins)[pin]: number
        for number, instance in enumerate(instances)
        for pin, _ in instance.cell.outputs
        if pin in dict(instance.pins)
    }
    graph = {
        number: [driver[net] for net in _input_nets(instance) if net in driver]
        for number, instance in enumerate(instances)
    }
    try:
        return tuple(instances[number] for number in TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise AxdseError(
            f"{rtl.top} must be combinational logic",
            f"a loop of {len(error.args[1]) - 1} cells",
            "remove the feedback",
        ) from error


def _input_nets(instance: Instance) -> list[int]:
    pins = dict(instance.pins)
    return [pins[pin] for pin, _ in instance.cell.inputs]


def _check_driven(netlist: Netlist) -> None:
    driven = {0, 1, *netlist.a.nets, *netlist.b.nets}
    needed = [(f"{netlist.product.name}[{i}]", net) for i, net in enumerate(netlist.product.nets)]
    for instance in netlist.instances:
        pins = dict(instance.pins)
        driven.update(pins[pin] for pin, _ in instance.cell.outputs if pin in pins)
        needed += [(f"{instance.cell.name}.{pin}", pins[pin]) for pin, _ in instance.cell.inputs]
    missing = [place for place, net in needed if net not in driven]
    if missing:
        raise AxdseError(
            f"every bit of {netlist.top} needs a driver", f"{missing[0]} has none", "assign it"
        )


def lanes_of(codes: np.ndarray, width: int) -> np.ndarray:
    """Transpose codes into bit planes, uint64 of shape (width, vectors / 64)."""
    shifts = np.arange(width, dtype=np.uint64)[:, None]
    bits = ((codes.astype(np.uint64) >> shifts) & np.uint64(1)).astype(np.uint8)
    packed = np.packbits(bits, axis=1, bitorder="little")
    return np.pad(packed, ((0, 0), (0, -packed.shape[1] % 8))).view(np.uint64)


def codes_of(lanes: Iterable[np.ndarray], count: int) -> np.ndarray:
    """Undo `lanes_of`."""
    codes = np.zeros(count, dtype=np.uint64)
    for bit, lane in enumerate(lanes):
        bits = np.unpackbits(lane.view(np.uint8), count=count, bitorder="little")
        codes |= bits.astype(np.uint64) << np.uint64(bit)
    return codes


def net_of(bit: int | str) -> int:
    """Return the net of one bit in Yosys' JSON; an undriven bit is `UNKNOWN`."""
    return bit if isinstance(bit, int) else CONSTANTS.get(bit, UNKNOWN)
