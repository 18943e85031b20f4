"""What netlist did ABC write?"""

from dataclasses import replace
from pathlib import Path

from axdse.flows.liberty.cells import Cell
from axdse.flows.liberty.library import Library
from axdse.flows.netlist.flat import Instance
from axdse.flows.netlist.netlist import Netlist, Port, in_order
from axdse.multipliers.designs.rtl_text import Rtl
from axdse.multipliers.errors import AxdseError

AROUND = {".model", ".inputs", ".outputs", ".default_input_arrival", ".end"}
CONSTANTS = {"_const0_": 0, "_const1_": 1}


def read_blif(path: Path, rtl: Rtl, library: Library) -> Netlist:
    """Read a mapped netlist.

    Raises:
        AxdseError: it is no netlist of the library's cells with the ports of `rtl`.
    """
    try:
        lines = path.read_text().replace("\\\n", " ").splitlines()
    except OSError as error:
        raise AxdseError(
            f"ABC must map {rtl.top}", "it did not", f"check {library.path}"
        ) from error
    reader = _Blif(rtl, {cell.name: cell for cell in library.cells})
    for at, line in enumerate(lines):
        kind, *words = line.split() or [""]
        if kind == ".gate":
            reader.gate(words)
        elif kind == ".names":
            reader.names(words, lines[at + 1 : at + 2])
        elif kind.startswith(".") and kind not in AROUND:
            raise AxdseError(f"{rtl.top} must be combinational logic", line, "remove its state")
    return reader.netlist()


class _Blif:
    """Gives numbers to names; those of a constant or an alias come from elsewhere."""

    def __init__(self, rtl: Rtl, known: dict[str, Cell]) -> None:
        self._rtl, self._known = rtl, known
        self._nets: dict[str, int] = {}
        self._instances: list[Instance] = []
        self._alias: dict[str, str | int] = {}

    def _net(self, name: str) -> int:
        known = self._alias.get(name, name)
        if isinstance(known, int):
            return known
        if known != name:
            return self._net(known)
        return self._nets.setdefault(name, len(self._nets) + 2)

    def gate(self, words: list[str]) -> None:
        """`CELL PIN=NET ...`."""
        name, pins = words[0], [word.partition("=") for word in words[1:]]
        if name in CONSTANTS:
            self._alias[pins[0][2]] = CONSTANTS[name]
        elif name not in self._known:
            raise AxdseError("ABC must map to cells of the library", name, "check the library")
        else:
            nets = tuple((pin, self._net(net)) for pin, _, net in pins)
            self._instances.append(Instance(self._known[name], nets))

    def names(self, words: list[str], row: list[str]) -> None:
        """A constant, or a wire from an input to an output."""
        if len(words) == 1:
            self._alias[words[0]] = int(row == ["1"] or row == [" 1"])
        elif len(words) == 2 and row == ["1 1"]:
            self._alias[words[1]] = words[0]
        else:
            raise AxdseError("ABC must map all logic", " ".join(words), "check the library")

    def netlist(self) -> Netlist:
        """The whole, once all lines are read."""
        rtl = self._rtl
        a, b, p = (
            Port(name, tuple(self._net(bit) for bit in _bits(name, width)))
            for name, width in zip(
                rtl.ports, (rtl.a_bits, rtl.b_bits, rtl.product_bits), strict=True
            )
        )
        netlist = _without_wires(Netlist(rtl.top, a, b, p, tuple(self._instances)))
        if _first_undriven(netlist) is None:
            return netlist
        netlist = replace(netlist, instances=in_order(netlist.instances, rtl))
        if (net := _first_undriven(netlist)) is not None:
            name = next(name for name, number in self._nets.items() if number == net)
            raise AxdseError(f"every net of {rtl.top} needs a driver", name, "check the library")
        return netlist


def _without_wires(netlist: Netlist) -> Netlist:
    """Leave out the buffers by which ABC gives a product bit that is an operand bit a name."""
    operands = {*netlist.a.nets, *netlist.b.nets}
    wires = {}
    for instance in netlist.instances:
        cell, pins = instance.cell, dict(instance.pins)
        if len(cell.inputs) == len(cell.outputs) == 1 and cell.truth[0].tolist() == [False, True]:
            source, sink = pins[cell.inputs[0][0]], pins.get(cell.outputs[0][0])
            if source in operands and sink in netlist.product.nets:
                wires[sink] = source, instance
    drawn = {id(instance) for _, instance in wires.values()}
    used = {net for i in netlist.instances if id(i) not in drawn for _, net in i.pins}
    free = {sink: source for sink, (source, _) in wires.items() if sink not in used}
    kept = (i for i in netlist.instances if not any(i is wires[sink][1] for sink in free))
    nets = tuple(free.get(net, net) for net in netlist.product.nets)
    return replace(netlist, product=Port(netlist.product.name, nets), instances=tuple(kept))


def _first_undriven(netlist: Netlist) -> int | None:
    """A net that a cell or the product needs before anything drives it."""
    driven = {0, 1, *netlist.a.nets, *netlist.b.nets}
    for instance in netlist.instances:
        outputs = {pin for pin, _ in instance.cell.outputs}
        for pin, net in instance.pins:
            if net not in driven and pin not in outputs:
                return net
        driven.update(net for pin, net in instance.pins if pin in outputs)
    return next((net for net in netlist.product.nets if net not in driven), None)


def _bits(name: str, width: int) -> list[str]:
    return [f"{name}[{bit}]" for bit in range(width)] if width > 1 else [name]
