"""How does a group of a Liberty file become a combinational cell, pin by pin?"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from axdse.flows.liberty.cells import Capacitance, Cell, Gates, Leakage, PowerArc, TimingArc
from axdse.flows.liberty.syntax import Group
from axdse.flows.liberty.tables import (
    Table,
    Units,
    number_of,
    read_constraint,
    read_table,
    size_of,
)

TABLES = ("cell_rise", "cell_fall", "rise_transition", "fall_transition")
ENERGIES = ("rise_power", "fall_power", "power")
CONSTRAINTS = ("rise_constraint", "fall_constraint")
MOST_INPUTS = 12  # of a cell: its states are counted


@dataclass(frozen=True)
class Head:
    """What the cells of one library share.

    Attributes:
        group: the library itself, with its defaults.
        templates: of tables, by name.
        units: of the file.
    """

    group: Group
    templates: Mapping[str, Group]
    units: Units


def capacitance_of(pin: Group, head: Head) -> Capacitance:
    """To a rise, to a fall, and either, pF."""
    either = pin.attribute("capacitance", head.group.attribute("default_input_pin_cap"))
    texts = (
        pin.attribute("rise_capacitance", either),
        pin.attribute("fall_capacitance", either),
        either,
    )
    rise, fall, both = (number_of(text) * head.units.capacitance_pf for text in texts)
    return rise, fall, both


def timing_arcs(name: str, pin: Group, head: Head, kind: str) -> Iterator[TimingArc]:
    """The arcs to an output whose timing_type begins with `kind`; none given: combinational."""
    for arc in pin.all("timing"):
        if not arc.attribute("timing_type", "combinational").startswith(kind):
            continue
        found = {
            table.name: read_table(table, head.templates, head.units, head.units.time_ns)
            for table in arc.groups
            if table.name in TABLES
        }
        tables = [found.get(table) for table in TABLES]
        sense = arc.attribute("timing_sense", "non_unate")
        for related in arc.attribute("related_pin").split():
            yield TimingArc(related, name, sense, arc.attribute("when"), *tables)


def power_arcs(name: str, pin: Group, head: Head) -> Iterator[PowerArc]:
    """The internal energies of a pin."""
    for arc in pin.all("internal_power"):
        found = {
            table.name: read_table(table, head.templates, head.units, head.units.energy_fj)
            for table in arc.groups
            if table.name in ENERGIES
        }
        either = found.get("power")
        rise, fall = found.get("rise_power", either), found.get("fall_power", either)
        for related in arc.attribute("related_pin").split() or [""]:
            yield PowerArc(name, related, arc.attribute("when"), rise, fall)


def setup_tables(pin: Group, head: Head) -> Iterator[tuple[Table | None, Table | None]]:
    """For each setup check against a rising clock: of a rise and of a fall of the data."""
    for arc in pin.all("timing"):
        if arc.attribute("timing_type") == "setup_rising":
            found = {
                table.name: read_constraint(table, head.templates, head.units)
                for table in arc.groups
                if table.name in CONSTRAINTS
            }
            yield found.get("rise_constraint"), found.get("fall_constraint")


def leakage_of(cell: Group, head: Head) -> tuple[Leakage, ...]:
    """By state; values for several supply pins add up. Empty: the library does not tell."""
    if not head.units.leakage_nw:
        return ()
    sums: dict[str, float] = {}
    for entry in cell.all("leakage_power"):
        when = entry.attribute("when")
        sums[when] = sums.get(when, 0.0) + number_of(entry.attribute("value"))
    if "" not in sums and cell.attribute("cell_leakage_power"):
        sums[""] = number_of(cell.attribute("cell_leakage_power"))
    return tuple(Leakage(when, value * head.units.leakage_nw) for when, value in sums.items())


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
