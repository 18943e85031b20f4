"""What is the netlist of a datapath? The mapped ones of its blocks, side by side, and the stage.

Nothing is optimised across blocks: a tool that maps the whole at once saves a little more.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from axdse.flows.liberty.flop import Flop
from axdse.flows.netlist.flat import Instance
from axdse.flows.netlist.netlist import Netlist, Port, Register, in_order
from axdse.multipliers.designs.datapath import CLOCK, Block, Datapath, Role, then
from axdse.multipliers.errors import AxdseError

Bit = tuple[str, int]  # of a bus


@dataclass(frozen=True, eq=False)
class Composed:
    """A netlist, and whose its cells are.

    Attributes:
        netlist: with ports ab, c and d; with a stage register its latency is 1.
        blocks: for each instance the number of its block.
        nets: of each block: those of the first input, of the other ones and of all outputs.
    """

    netlist: Netlist
    blocks: tuple[int, ...]
    nets: tuple[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]], ...]

    def of_role(self, path: Datapath, role: Role) -> tuple[int, ...]:
        """The numbers of the instances of all blocks of a role."""
        roles = [block.role for block in path.blocks]
        return tuple(at for at, block in enumerate(self.blocks) if roles[block] == role)


def composed(path: Datapath, mapped: Mapping[str, Netlist], flop: Flop) -> Composed:
    """Put the netlists of a datapath's modules together.

    Args:
        path: the datapath.
        mapped: the netlist of each module's `rtl`, by the module's name.
        flop: the cell that the stage register is made of.

    Raises:
        AxdseError: there is a loop, or the flip-flop has no output that is not inverted.
    """
    made = _Nets()
    operands = tuple(made.of(("ab", bit)) for bit in range(path.operands))
    sums = tuple(made.of(("c", bit)) for bit in range(path.register))
    found: list[tuple[int, Instance]] = []
    for number, block in enumerate(path.blocks):
        placed = made.placed(block, mapped[block.module.name])
        found += ((number, instance) for instance in placed)
    clock = Port(CLOCK, (made.fresh(),)) if path.stage else None
    registers = tuple(made.stage(path, flop, clock.nets[0])) if clock else ()
    instances = [made.resolved(instance) for _, instance in found]
    owner = {id(instance): number for instance, (number, _) in zip(instances, found, strict=True)}
    rtl = path.rtl
    ordered = in_order(instances, rtl)
    product = Port("d", tuple(made.at(("d", bit)) for bit in range(path.register)))
    netlist = Netlist(
        rtl.top,
        Port("ab", operands),
        Port("c", sums),
        product,
        ordered,
        registers,
        clock,
        latency=1 if clock else 0,
    )
    ports = tuple(made.ports(block) for block in path.blocks)
    return Composed(netlist, tuple(owner[id(each)] for each in ordered), ports)


@dataclass
class _Nets:
    """Numbers for nets: 0 and 1 are constants, bits of buses have one before they are driven."""

    _next: int = 2
    _bits: dict[Bit, int] = field(default_factory=dict)
    _same: dict[int, int] = field(default_factory=dict)

    def fresh(self) -> int:
        self._next += 1
        return self._next - 1

    def of(self, bit: Bit) -> int:
        if bit not in self._bits:
            self._bits[bit] = self.fresh()
        return self._bits[bit]

    def at(self, bit: Bit) -> int:
        """The net that drives a bit."""
        return self._root(self.of(bit))

    def placed(self, block: Block, netlist: Netlist) -> Iterator[Instance]:
        """The cells of a block, whose ports meet its buses."""
        first, *others = (bits for bits in self._pins(block, block.module.inputs))
        own = {0: 0, 1: 1} | dict(zip(netlist.a.nets, first, strict=True))
        rest = [bit for bits in others for bit in bits]
        own |= dict(zip(netlist.b.nets, rest, strict=True))

        def net(number: int) -> int:
            if number not in own:
                own[number] = self.fresh()
            return own[number]

        instances = [
            Instance(each.cell, tuple((pin, net(inner)) for pin, inner in each.pins))
            for each in netlist.instances
        ]
        outer = (bit for bits in self._pins(block, block.module.outputs) for bit in bits)
        for bit, inner in zip(outer, netlist.product.nets, strict=True):
            self._same[bit] = net(inner)
        yield from instances

    def stage(self, path: Datapath, flop: Flop, clock: int) -> Iterator[Register]:
        """Flip-flops; none for what is constant."""
        output = next((pin for pin, inverted in flop.outputs if not inverted), None)
        if output is None:
            rule = "a stage register takes a D flip-flop with an output that is not inverted"
            raise AxdseError(rule, flop.name, "choose another library")
        for bus, width in path.stage:
            for bit in range(width):
                data, shown = self.at((bus, bit)), self.of((then(bus), bit))
                if data < 2:
                    self._same[shown] = data
                else:
                    pins = ((flop.data, data), (flop.clock, clock), (output, shown))
                    yield Register(flop, pins)

    def resolved(self, instance: Instance) -> Instance:
        return Instance(instance.cell, tuple((pin, self._root(net)) for pin, net in instance.pins))

    def ports(self, block: Block) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        first, *others = self._pins(block, block.module.inputs)
        outputs = self._pins(block, block.module.outputs)
        sides = (
            first,
            [n for bits in others for n in bits],
            [n for bits in outputs for n in bits],
        )
        a, b, product = (tuple(map(self._root, side)) for side in sides)
        return a, b, product

    def _pins(self, block: Block, wires: tuple[tuple[str, int], ...]) -> list[list[int]]:
        slices = (block.pin(port) for port, _ in wires)
        return [[self.of((s.bus, s.low + bit)) for bit in range(s.width)] for s in slices]

    def _root(self, net: int) -> int:
        while net in self._same:
            net = self._same[net]
        return net
