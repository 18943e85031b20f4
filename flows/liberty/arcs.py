"""What does Liberty say of the pins of a cell? Loads, times, energies, leakage."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from axdse.flows.liberty.cells import Capacitance, Leakage, PowerArc, TimingArc
from axdse.flows.liberty.syntax import Group
from axdse.flows.liberty.tables import Table, read_constraint, read_table
from axdse.flows.liberty.units import Units, number_of

TABLES = ("cell_rise", "cell_fall", "rise_transition", "fall_transition")
ENERGIES = ("rise_power", "fall_power", "power")
CONSTRAINTS = ("rise_constraint", "fall_constraint")


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
