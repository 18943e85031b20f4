"""What is a mapped netlist, and what does it compute, on many vectors at once?"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

import numpy as np

from axdse.flows.formal.aig import codes_of, lanes_of
from axdse.flows.liberty.flop import Flop
from axdse.flows.netlist.flat import BLOCK, Flat, Instance
from axdse.multipliers.designs.rtl_text import Rtl
from axdse.multipliers.errors import AxdseError

LANES = 64
MOST_STAGES = 64  # of a pipeline


@dataclass(frozen=True)
class Register:
    """One flip-flop in the netlist; `pins` are (pin, net) pairs, its clock among them."""

    flop: Flop
    pins: tuple[tuple[str, int], ...]

    @property
    def data(self) -> int:
        """The net that it loads."""
        return dict(self.pins)[self.flop.data]

    @property
    def outputs(self) -> tuple[tuple[int, bool], ...]:
        """(net, whether it is inverted) of each output that is connected."""
        pins = dict(self.pins)
        return tuple((pins[pin], flip) for pin, flip in self.flop.outputs if pin in pins)


@dataclass(frozen=True)
class Port:
    """A port and its nets, least significant bit first."""

    name: str
    nets: tuple[int, ...]


@dataclass(frozen=True)
class Held:
    """A control port and the level that lets a pipeline run."""

    port: Port
    level: int


@dataclass(frozen=True)
class Netlist:
    """A netlist of library cells; net 0 is constant 0 and net 1 constant 1.

    Attributes:
        instances: the combinational cells, each after those that drive it.
        registers: the flip-flops of a pipeline, all on one clock.
        clock: its port; None: the netlist is combinational.
        held: reset and enable.
        latency: clock edges from operands to product.
    """

    top: str
    a: Port
    b: Port
    product: Port
    instances: tuple[Instance, ...]
    registers: tuple[Register, ...] = ()
    clock: Port | None = None
    held: tuple[Held, ...] = ()
    latency: int = 0

    @property
    def area_um2(self) -> float:
        """Sum of the areas of the cells; wires have none."""
        areas = [instance.cell.area_um2 for instance in self.instances]
        return math.fsum([*areas, *(register.flop.area_um2 for register in self.registers)])

    @property
    def cells(self) -> int:
        """How many there are, flip-flops included."""
        return len(self.instances) + len(self.registers)

    def simulate(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the products of unsigned operand codes, uint64 of the shape of `a`.

        A pipeline takes one pair a cycle. Operands of more than 64 bits are [vectors, words], see
        `lanes_of`, and the products then [vectors].

        Raises:
            AxdseError: a pipeline has feedback.
        """
        sides = [
            codes if len(port.nets) > LANES else codes.ravel()
            for port, codes in ((self.a, a), (self.b, b))
        ]
        cycles = len(sides[0]) + self.latency
        ends = [(0, self.latency), (0, 0)]
        nets = self.waves(*(np.pad(codes, ends[: codes.ndim]) for codes in sides))
        codes = codes_of([nets[net] for net in self.product.nets], cycles)[self.latency :]
        return codes if len(self.a.nets) > LANES else codes.reshape(a.shape)

    def waves(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the values of all nets in each cycle, as `lanes_of` packs them: [nets, words].

        Registers begin with 0. Each pass gives one more stage of a pipeline what it loads, until
        no stage changes any more: the outcome is exact for any netlist for which there is one.

        Args:
            a: uint64 [cycles], first operands, or [cycles, words]; one pair enters in each cycle.
            b: likewise second ones.

        Raises:
            AxdseError: a pipeline has feedback.
        """
        words = -(-len(a) // LANES)
        planes = np.zeros((self.nets, words + -words % BLOCK), dtype=np.uint64)
        planes[1] = ~planes[0]
        for port, codes in ((self.a, a), (self.b, b)):
            planes[list(port.nets), :words] = lanes_of(codes, len(port.nets))
        for held in self.held:
            planes[list(held.port.nets)] = planes[held.level]
        outputs = [(reg.data, net, flip) for reg in self.registers for net, flip in reg.outputs]
        data, nets, flips = ([row[at] for row in outputs] for at in range(3))
        inverted = planes[np.array(flips, np.int64)]
        planes[nets] = inverted
        for _ in range(MOST_STAGES + 1):
            self.flat.values(planes)
            late = planes[data] << np.uint64(1)
            late[:, 1:] |= planes[data, :-1] >> np.uint64(LANES - 1)
            late ^= inverted
            if np.array_equal(planes[nets, :words], late[:, :words]):
                return planes[:, :words]
            planes[nets] = late
        raise AxdseError(
            f"{self.top} must be a pipeline without feedback",
            f"its registers depend on more than {MOST_STAGES} earlier cycles",
            "accumulators and sequential multipliers have no cost",
        )

    @functools.cached_property
    def flat(self) -> Flat:
        """Its combinational cells in arrays."""
        return Flat(self.instances, self.nets)

    @functools.cached_property
    def nets(self) -> int:
        """Highest net number + 1."""
        ports = [self.a, self.b, self.product, *(held.port for held in self.held)]
        used = [net for port in ports for net in port.nets]
        used += [net for instance in self.instances for _, net in instance.pins]
        used += [net for register in self.registers for _, net in register.pins]
        return max([1, *used]) + 1

    def verilog(self) -> str:
        """Structural Verilog with one assignment for each bit, as OpenSTA 2.0 demands."""
        a, b, product = self.a, self.b, self.product
        controls = [held.port for held in self.held] + ([self.clock] if self.clock else [])
        names = {0: "1'b0", 1: "1'b1"}
        for port in (a, b):
            names.update({net: f"{port.name}[{bit}]" for bit, net in enumerate(port.nets)})
        names.update({port.nets[0]: port.name for port in controls})
        placed = [(instance.cell.name, instance.pins) for instance in self.instances]
        placed += [(register.flop.name, register.pins) for register in self.registers]
        wires = {net for _, pins in placed for _, net in pins} - names.keys()
        names.update({net: f"n{net}" for net in wires})
        ports = ", ".join(port.name for port in (*controls, a, b, product))
        lines = [
            f"module {self.top} ({ports});",
            *(f"  input {port.name};" for port in controls),
            f"  input [{len(a.nets) - 1}:0] {a.name};",
            f"  input [{len(b.nets) - 1}:0] {b.name};",
            f"  output [{len(product.nets) - 1}:0] {product.name};",
            *(f"  wire {names[net]};" for net in sorted(wires)),
        ]
        for number, (cell, connected) in enumerate(placed):
            pins = ", ".join(f".{pin}({names[net]})" for pin, net in connected)
            lines.append(f"  {cell} u{number} ({pins});")
        for bit, net in enumerate(product.nets):
            lines.append(f"  assign {product.name}[{bit}] = {names[net]};")
        return "\n".join([*lines, "endmodule\n"])


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
