"""How does a mapped netlist become an and-inverter graph, for proofs?"""

from collections.abc import Mapping

from axdse.flows.formal.aig import FALSE, TRUE, Aig, Builder
from axdse.flows.liberty.function import Gate
from axdse.flows.netlist.netlist import MOST_STAGES, Instance, Netlist
from axdse.multipliers.errors import AxdseError

Literals = dict[int, int]  # by net


def netlist_gates(netlist: Netlist) -> Aig:
    """Return the function of a netlist, cell by cell, as the library states it.

    That of a pipeline is what it gives in the end if its operands stay.

    Raises:
        AxdseError: a pipeline has feedback.
    """
    a, b, product = netlist.a.nets, netlist.b.nets, netlist.product.nets
    graph = Builder(len(a) + len(b))
    still = {0: FALSE, 1: TRUE} | {net: 2 * n for n, net in enumerate((*a, *b), 1)}
    still |= {net: held.level for held in netlist.held for net in held.port.nets}
    shown = {net: int(flip) for reg in netlist.registers for net, flip in reg.outputs}
    for _ in range(MOST_STAGES + 1):
        literals = _settled(graph, netlist, still | shown)
        after = _shown(netlist, literals)
        if after == shown:
            return graph.finish(len(a), len(b), [literals[net] for net in product])
        shown = after
    raise AxdseError(
        f"{netlist.top} must be a pipeline without feedback",
        f"its registers do not come to rest within {MOST_STAGES} cycles",
        "accumulators and sequential multipliers have no cost",
    )


def _shown(netlist: Netlist, literals: Mapping[int, int]) -> Literals:
    """The outputs of the registers, one cycle later."""
    return {
        net: literals[register.data] ^ flip
        for register in netlist.registers
        for net, flip in register.outputs
    }


def _settled(graph: Builder, netlist: Netlist, literals: Literals) -> Literals:
    for instance in netlist.instances:
        literals.update(_outputs(graph, instance, literals))
    return literals


def _outputs(graph: Builder, instance: Instance, literals: Mapping[int, int]) -> Literals:
    """Literals of the nets that a cell drives."""
    cell, pins = instance.cell, dict(instance.pins)
    inner = {0: FALSE, 1: TRUE} | {net: literals[pins[pin]] for pin, net in cell.inputs}
    for gate in cell.gates:
        inner[gate.output] = _literal(graph, gate, [inner[net] for net in gate.inputs])
    return {pins[pin]: inner[net] for pin, net in cell.outputs if pin in pins}


def _literal(graph: Builder, gate: Gate, pins: list[int]) -> int:
    if gate.kind == "$_AND_":
        return graph.both(*pins)
    if gate.kind == "$_OR_":
        return graph.both(pins[0] ^ 1, pins[1] ^ 1) ^ 1
    return graph.differ(*pins) if gate.kind == "$_XOR_" else pins[0] ^ 1
