"""How does a group of a Liberty file become a combinational cell?"""

from axdse.flows.liberty.arcs import Head, capacitance_of, leakage_of, power_arcs, timing_arcs
from axdse.flows.liberty.cells import Cell
from axdse.flows.liberty.function import Gates
from axdse.flows.liberty.syntax import Group
from axdse.flows.liberty.units import size_of

MOST_INPUTS = 12  # of a cell: its states are counted


def read_cell(group: Group, head: Head) -> Cell | None:
    """Read a cell; None: it has no function, a three-state output, or pins of other kinds.

    Raises:
        AxdseError: an expression, a table or a number in it does not parse.
    """
    pins = {name: pin for pin in group.all("pin") for name in pin.arguments}
    inputs = [name for name, pin in pins.items() if pin.attribute("direction") == "input"]
    outputs = [name for name, pin in pins.items() if pin.attribute("direction") == "output"]
    functions = [pins[name].attribute("function") for name in outputs]
    if not outputs or not all(functions) or len(inputs) + len(outputs) < len(pins):
        return None
    if len(inputs) > MOST_INPUTS or any(inner.name in ("bus", "bundle") for inner in group.groups):
        return None
    if any(pins[name].attribute("three_state") for name in outputs):
        return None
    numbers = {pin: net for net, pin in enumerate(inputs, 2)}
    builder = Gates(numbers)
    nets = [builder.add(function) for function in functions]
    used = set(nets).union(*(gate.inputs for gate in builder.gates))
    if not set(numbers.values()) <= used:
        return None
    drawn = [(name, pins[name]) for name in outputs]
    energies = [(name, pin) for name, pin in pins.items() if name in numbers or name in outputs]
    cell = Cell(
        group.arguments[0],
        size_of(group, "area"),
        tuple(numbers.items()),
        tuple(zip(outputs, nets, strict=True)),
        tuple(builder.gates),
        tuple(capacitance_of(pins[name], head) for name in inputs),
        tuple(arc for name, pin in drawn for arc in timing_arcs(name, pin, head, "combinational")),
        tuple(arc for name, pin in energies for arc in power_arcs(name, pin, head)),
        leakage_of(group, head),
    )
    conditions = {arc.when for arc in cell.timing} | {arc.when for arc in cell.power}
    for condition in conditions | {entry.when for entry in cell.leakage}:
        cell.holds(condition)  # now rather than when a design uses it
    return cell
