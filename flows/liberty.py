"""Stage 6, cost: the combinational cells of a Liberty library: function, area, timing, power."""

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from axdse.flows.liberty_function import Gate, Gates, evaluate
from axdse.flows.liberty_syntax import Group, read_groups
from axdse.flows.liberty_tables import Table, Units, read_table
from axdse.flows.liberty_writer import plain_text
from axdse.multipliers.cache import cache_dir, cached, digest, write_atomically
from axdse.multipliers.errors import AxdseError

DEFAULT_LIBRARY = Path("/usr/share/qflow/tech/osu018/osu018_stdcells.lib")
MOST_INPUTS = 12  # of a cell: its states are counted
LAYOUT_VERSION = "2"  # of the cached form
TABLES = ("cell_rise", "cell_fall", "rise_transition", "fall_transition")
ENERGIES = ("rise_power", "fall_power", "power")
TEMPLATES = ("lu_table_template", "power_lut_template")
STATE = ("ff", "latch", "ff_bank", "latch_bank", "statetable")
WANTED = frozenset(
    {
        "cell",
        "pin",
        "bus",
        "bundle",
        "timing",
        "internal_power",
        "leakage_power",
        "operating_conditions",
    }
    | {*STATE, *TEMPLATES, *TABLES, *ENERGIES}
)
PREFIXES = {"": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15, "a": 1e-18}
UNIT = re.compile(r"\s*([0-9.eE+-]*[0-9.])\s*([munpfa]?)(s|V|W|f|F)\s*", re.IGNORECASE)


@dataclass(frozen=True)
class TimingArc:
    """How an input drives an output.

    Attributes:
        input: pin.
        output: pin.
        sense: positive_unate, negative_unate or non_unate.
        when: condition on the other inputs; empty: always.
        rise: delay of the output's rise, ns; None: there is none.
        fall: likewise.
        rise_slew: transition time of the output's rise, ns.
        fall_slew: likewise.
    """

    input: str
    output: str
    sense: str
    when: str
    rise: Table | None
    fall: Table | None
    rise_slew: Table | None
    fall_slew: Table | None


@dataclass(frozen=True)
class PowerArc:
    """Energy inside the cell, beyond that of the load, when a pin switches.

    Attributes:
        pin: whose rise and fall it is.
        input: pin that caused it; empty: whatever the cause.
        when: condition on the inputs; empty: always.
        rise: energy, fJ; None: none.
        fall: likewise.
    """

    pin: str
    input: str
    when: str
    rise: Table | None
    fall: Table | None


@dataclass(frozen=True)
class Leakage:
    """Leakage power, nW, in the states that meet `when`; empty: in all others."""

    when: str
    nw: float


@dataclass(frozen=True)
class Cell:
    """A combinational library cell.

    Attributes:
        area_um2: area, in the unit of the library (um2 in every library known to us).
        inputs: (pin, net) pairs.
        outputs: (pin, net) pairs.
        gates: the function, in an order that can be evaluated; net 0 is 0 and net 1 is 1.
        capacitances: (rise, fall, either) of each input, pF.
        timing: arcs from inputs to outputs.
        power: arcs with internal energy; empty: the library does not tell.
        leakage: by state; empty: the library does not tell.
    """

    name: str
    area_um2: float
    inputs: tuple[tuple[str, int], ...]
    outputs: tuple[tuple[str, int], ...]
    gates: tuple[Gate, ...]
    capacitances: tuple[tuple[float, float, float], ...] = ()
    timing: tuple[TimingArc, ...] = ()
    power: tuple[PowerArc, ...] = ()
    leakage: tuple[Leakage, ...] = ()

    def evaluate(self, operands: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the value of each output pin; every bit of the (uint) arrays is one vector."""
        some = next(iter(operands.values()), np.zeros(1, dtype=np.uint64))
        nets = {0: np.zeros_like(some), 1: ~np.zeros_like(some)}
        nets.update((net, operands[pin]) for pin, net in self.inputs)
        evaluate(self.gates, nets)
        return {pin: nets[net] for pin, net in self.outputs}

    @functools.cached_property
    def truth(self) -> np.ndarray:
        """Bool [outputs, 2^inputs]; bit i of a state is the value of input i."""
        states = np.arange(1 << len(self.inputs))
        operands = {pin: states >> i & 1 for i, (pin, _) in enumerate(self.inputs)}
        values = self.evaluate(operands).values() if self.inputs else []
        rows = [np.broadcast_to(value & 1, states.shape) for value in values]
        return np.array(rows, dtype=bool).reshape(-1, states.size)

    def holds(self, condition: str) -> np.ndarray:
        """Bool [2^inputs]: the states that meet an expression of the pins; all meet an empty one.

        Raises:
            AxdseError: it does not parse, or names another pin.
        """
        states = np.arange(1 << len(self.inputs))
        if not condition:
            return np.ones(states.size, dtype=bool)
        pins = [pin for pin, _ in (*self.inputs, *self.outputs)]
        nets = {0: np.zeros(states.size, dtype=bool), 1: np.ones(states.size, dtype=bool)}
        for number, _ in enumerate(self.inputs):
            nets[2 + number] = (states >> number & 1).astype(bool)
        nets.update(enumerate(self.truth, 2 + len(self.inputs)))
        builder = Gates({pin: number for number, pin in enumerate(pins, 2)})
        net = builder.add(condition)
        evaluate(builder.gates, nets)
        return nets[net]

    @property
    def is_nand2(self) -> bool:
        """Whether the function is a 2-input NAND."""
        if len(self.inputs) != 2 or len(self.outputs) != 1:
            return False
        return bool(self.truth.tolist() == [[True, True, True, False]])


@dataclass(frozen=True)
class Library:
    """The combinational cells of one Liberty file.

    Attributes:
        path: where it was read.
        digest: SHA-256 (hex) of the file, and of those that it includes.
        cells: in the order of the file.
        voltage_v: nominal supply.
    """

    path: Path
    digest: str
    cells: tuple[Cell, ...]
    voltage_v: float = 0.0

    @property
    def plain_path(self) -> Path:
        """The same cells for Yosys, ABC and OpenSTA; see `liberty_writer`.

        Raises:
            AxdseError: the library cannot be read again.
        """
        plain = _plain_path(self.path, self.digest)
        if not plain.exists():  # the cache may have been cleared
            _library(self.path, self.digest)
        return plain

    @property
    def name(self) -> str:
        """The file's stem, such as `osu018_stdcells`."""
        return self.path.stem

    @functools.cached_property
    def lacks(self) -> str:
        """What the estimate of power misses in it; empty: nothing."""
        if not self.voltage_v:
            return "a supply voltage"
        if not any(cell.power for cell in self.cells):
            return "internal_power tables"
        if not any(cell.leakage for cell in self.cells):
            return "leakage power"
        return ""

    @functools.cached_property
    def nand2_area_um2(self) -> float:
        """Area of the smallest 2-input NAND: one gate equivalent.

        Raises:
            AxdseError: the library has none.
        """
        areas = [cell.area_um2 for cell in self.cells if cell.is_nand2 and cell.area_um2]
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
        status = path.stat()
        return _read(path, status.st_mtime_ns, status.st_size)
    except OSError as error:
        raise AxdseError(
            "synthesis needs a Liberty library",
            f"{path} ({error.strerror})",
            "apt-get install qflow-tech-osu018, or name another .lib",
        ) from error


@functools.lru_cache(8)
def _read(path: Path, modified_ns: int, size: int) -> Library:
    """`modified_ns` and `size` are a part of the key: another file is read again."""
    content = _digest(path)
    key = digest(content, str(path), LAYOUT_VERSION)
    return cached("liberty", key, Library, lambda: _library(path, content))


def _digest(path: Path, depth: int = 0) -> str:
    """Of a file and what it includes."""
    content = path.read_bytes()
    names = re.findall(rb'include_file\s*\(\s*"?([^")]+?)"?\s*\)', content) if depth < 8 else []
    inner = [path.parent / name.decode("latin-1") for name in names]
    return digest(content, *(_digest(file, depth + 1) for file in inner if file.is_file()))


def _library(path: Path, content: str) -> Library:
    cells: list[Cell] = []
    conditions: dict[str, Group] = {}
    head, groups = _kept(path)
    units = _units(head, path)
    templates = {group.arguments[0]: group for group in groups if group.name in TEMPLATES}
    for group in groups:
        if group.name == "operating_conditions" and group.arguments:
            conditions[group.arguments[0]] = group
        cell = _cell(group, templates, units, head) if group.name == "cell" else None
        cells += [cell] if cell else []
    if not cells:
        raise AxdseError(
            "a Liberty library has combinational cells", path, "choose a standard-cell library"
        )
    _write_plain(path, content, head, groups, cells)
    return Library(path, content, tuple(cells), _voltage(head, conditions))


def _kept(path: Path) -> tuple[Group, list[Group]]:
    """The library itself, and the groups in it; cells with state are dropped as they come."""
    groups = [g for g in read_groups(path, WANTED) if g.name != "cell" or _is_combinational(g)]
    return groups.pop(), groups


def _is_combinational(cell: Group) -> bool:
    return not any(inner.name in STATE for inner in cell.groups)


def _plain_path(path: Path, content: str) -> Path:
    return cache_dir("library") / f"{digest(content, str(path), LAYOUT_VERSION)}.lib"


def _write_plain(
    path: Path, content: str, head: Group, groups: list[Group], cells: list[Cell]
) -> None:
    text = plain_text(head, groups, frozenset(cell.name for cell in cells))
    write_atomically(_plain_path(path, content), text.encode("latin-1"))


def _voltage(head: Group, conditions: Mapping[str, Group]) -> float:
    chosen = conditions.get(head.attribute("default_operating_conditions"))
    return _number(chosen.attribute("voltage") if chosen else head.attribute("nom_voltage")) or (
        _number(head.attribute("nom_voltage"))
    )


def _units(head: Group, path: Path) -> Units:
    def unit(name: str, default: str, quantity: str) -> float:
        text = head.attribute(name, default)
        found = UNIT.fullmatch(text)
        if not found or found[3].lower() != quantity:
            raise AxdseError(
                f"{name} of a Liberty library is a number and a unit, such as {default}",
                f"{text!r} in {path}",
                "correct the library",
            )
        return float(found[1]) * PREFIXES[found[2].lower()]

    number, symbol = (head.values("capacitive_load_unit") or ("1", "pf"))[:2]
    capacitance = UNIT.fullmatch(f"{number}{symbol}")
    if not capacitance or capacitance[3].lower() != "f":
        rule = "capacitive_load_unit of a Liberty library is a number and a unit, such as (1,pf)"
        raise AxdseError(rule, f"({number},{symbol}) in {path}", "correct the library")
    farads = float(capacitance[1]) * PREFIXES[capacitance[2].lower()]
    volts = unit("voltage_unit", "1V", "v")
    tells_leakage = head.attribute("leakage_power_unit")
    return Units(
        time_ns=_exact(unit("time_unit", "1ns", "s") * 1e9),
        capacitance_pf=_exact(farads * 1e12),
        energy_fj=_exact(farads * volts * volts * 1e15),
        leakage_nw=_exact(unit("leakage_power_unit", "1nW", "w") * 1e9) if tells_leakage else 0.0,
    )


def _exact(value: float) -> float:
    """Without the noise of products of powers of ten."""
    return float(f"{value:.12g}")


def _cell(group: Group, templates: dict[str, Group], units: Units, head: Group) -> Cell | None:
    """Return None for a cell with state, without a function, or with a three-state output."""
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
        _number(group.attribute("area")),
        tuple(numbers.items()),
        tuple(zip(outputs, nets, strict=True)),
        tuple(builder.gates),
        tuple(_capacitance(pins[name], head, units) for name in inputs),
        tuple(arc for name, pin in drawn for arc in _timing(name, pin, templates, units)),
        tuple(arc for name, pin in energies for arc in _power(name, pin, templates, units)),
        tuple(_leakage(group, units)) if units.leakage_nw else (),
    )
    conditions = {arc.when for arc in cell.timing} | {arc.when for arc in cell.power}
    for condition in conditions | {entry.when for entry in cell.leakage}:
        cell.holds(condition)  # now rather than when a design uses it
    return cell


def _number(text: str) -> float:
    try:
        return float(text.split()[0]) if text else 0.0
    except ValueError as error:
        rule = "an attribute of a Liberty library must be a number"
        raise AxdseError(rule, text, "correct the library") from error


def _capacitance(pin: Group, head: Group, units: Units) -> tuple[float, float, float]:
    default = head.attribute("default_input_pin_cap")
    either = pin.attribute("capacitance", default)
    texts = (
        pin.attribute("rise_capacitance", either),
        pin.attribute("fall_capacitance", either),
        either,
    )
    rise, fall, both = (_number(text) * units.capacitance_pf for text in texts)
    return rise, fall, both


def _timing(
    name: str, pin: Group, templates: dict[str, Group], units: Units
) -> Iterator[TimingArc]:
    for arc in pin.all("timing"):
        if not arc.attribute("timing_type", "combinational").startswith("combinational"):
            continue
        found = {
            table.name: read_table(table, templates, units, units.time_ns)
            for table in arc.groups
            if table.name in TABLES
        }
        tables = [found.get(table) for table in TABLES]
        sense = arc.attribute("timing_sense", "non_unate")
        for related in arc.attribute("related_pin").split():
            yield TimingArc(related, name, sense, arc.attribute("when"), *tables)


def _power(name: str, pin: Group, templates: dict[str, Group], units: Units) -> Iterator[PowerArc]:
    for arc in pin.all("internal_power"):
        found = {
            table.name: read_table(table, templates, units, units.energy_fj)
            for table in arc.groups
            if table.name in ENERGIES
        }
        either = found.get("power")
        rise, fall = found.get("rise_power", either), found.get("fall_power", either)
        for related in arc.attribute("related_pin").split() or [""]:
            yield PowerArc(name, related, arc.attribute("when"), rise, fall)


def _leakage(group: Group, units: Units) -> Iterator[Leakage]:
    """Values for several supply pins add up."""
    sums: dict[str, float] = {}
    for entry in group.all("leakage_power"):
        when = entry.attribute("when")
        sums[when] = sums.get(when, 0.0) + _number(entry.attribute("value"))
    if "" not in sums and group.attribute("cell_leakage_power"):
        sums[""] = _number(group.attribute("cell_leakage_power"))
    for when, value in sums.items():
        yield Leakage(when, value * units.leakage_nw)
