"""Stage 6, cost: area and delay of many designs at once: a short Yosys each, one ABC, no OpenSTA.

What it says means the same as `cost.py`: the same commands of ABC map the same RTL to the same
library, the netlist is compared with the C model, and the delay is that of `delays.py`, which
agrees with OpenSTA. Only what Yosys does before ABC is shorter, so that areas differ by some per
cent; see benchmarks/cost_speed.py. Power takes the full cost.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count, islice, repeat
from pathlib import Path

from axdse.flows.activity_source import Design
from axdse.flows.delays import delays_of
from axdse.flows.liberty import Cell, Library, read_library
from axdse.flows.netlist import Instance, Netlist, Port, in_order
from axdse.flows.netlist_check import check_design
from axdse.flows.synthesis import ABC_SCRIPT, library_file
from axdse.flows.tools import find_tool
from axdse.flows.yosys import run_yosys
from axdse.multipliers.cache import digest, load, store, temporary_folder
from axdse.multipliers.candidate import Candidate
from axdse.multipliers.cmodel import model_digest
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.verilog import Rtl, core_rtl, unit_rtl

TOOLS = ("yosys", "yosys-abc")
BATCH = 32  # designs in one process
TIME_LIMIT_S = 300
READ = """\
read_verilog rtl.v
hierarchy -check -top {top}
proc
flatten
opt_expr
opt_clean
alumacc
opt -fast
techmap
opt -fast
check -assert
setundef -zero
aigmap
opt_clean -purge
write_aiger -symbols gates.aig
"""
MAP = "read_aiger {number}/gates.aig;{script};write_blif {number}.blif\n"


@dataclass(frozen=True)
class FastCost:
    """Area and delay of a combinational design; the fields are those of `Cost`."""

    design: str
    area_um2: float
    gate_equivalents: float
    delay_ns: float
    cells: int
    library: str
    library_digest: str
    tools: tuple[str, ...]
    recipe: str
    rtl_digest: str
    date: str


def fast_costs(
    designs: Sequence[Design], library: Path | None = None
) -> Iterator[FastCost | AxdseError]:
    """Yield the cost of each design in order, cached; a batch at a time.

    An error stands for a design that has no cost: RTL that Yosys refuses, or a netlist that is
    not the C model.

    Raises:
        AxdseError: a tool or the library is missing.
    """
    cells = read_library(library)
    tools = tuple(find_tool(name).version for name in TOOLS)
    waiting = iter(designs)
    while batch := tuple(islice(waiting, BATCH)):
        keys = [_key(design, cells, tools) for design in batch]
        known = {key: load("fast_cost", key, FastCost) for key in keys}
        missing = [(d, k) for d, k in zip(batch, keys, strict=True) if known[k] is None]
        found = dict(_computed(missing, cells, tools))
        for key in keys:
            yield found.get(key) or known[key] or AxdseError("unreachable", key, "report it")


def _key(design: Design, library: Library, tools: tuple[str, ...]) -> str:
    core = design.multiplier if isinstance(design, Candidate) else design
    recipe = (READ, MAP, ABC_SCRIPT)
    return digest(
        _name(design), model_digest(core), _rtl(design).digest, library.digest, *recipe, *tools
    )


def _name(design: Design) -> str:
    return design.name if isinstance(design, Candidate) else design.spec


def _rtl(design: Design) -> Rtl:
    return unit_rtl(design) if isinstance(design, Candidate) else core_rtl(design)


def _computed(
    missing: Sequence[tuple[Design, str]], library: Library, tools: tuple[str, ...]
) -> Iterator[tuple[str, FastCost | AxdseError]]:
    if not missing:
        return
    with temporary_folder() as folder, ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        rtls = [_rtl(design) for design, _ in missing]
        refused = list(pool.map(_read, rtls, repeat(folder), count()))
        _map([number for number, error in enumerate(refused) if error is None], library, folder)
        for number, ((design, key), error) in enumerate(zip(missing, refused, strict=True)):
            yield key, error or _cost(design, key, folder / f"{number}.blif", library, tools)


def _read(rtl: Rtl, folder: Path, number: int) -> AxdseError | None:
    """Write the gates of a design, with a Yosys of its own.

    What it did before changes the names that it gives, their order, and with that the result.
    """
    own = folder / str(number)
    own.mkdir()
    (own / "rtl.v").write_text(rtl.text)
    try:
        run_yosys(READ.format(top=rtl.top), own, rtl.top)
    except AxdseError as error:
        return error
    return None


def _map(numbers: Sequence[int], library: Library, folder: Path) -> None:
    """Map all designs in one ABC, which reads the library once."""
    library_file(library, folder)
    steps = ABC_SCRIPT.replace(",", " ")
    commands = "".join(MAP.format(number=number, script=steps) for number in numbers)
    (folder / "map.abc").write_text(f"read_lib -w library.lib\n{commands}")
    find_tool("yosys-abc").run(["-q", "source map.abc"], folder=folder, limit_s=TIME_LIMIT_S)


def _cost(
    design: Design, key: str, mapped: Path, library: Library, tools: tuple[str, ...]
) -> FastCost | AxdseError:
    try:
        cost = _measured(design, mapped, library, tools)
    except AxdseError as error:
        return error
    store("fast_cost", key, cost)
    return cost


def _measured(design: Design, mapped: Path, library: Library, tools: tuple[str, ...]) -> FastCost:
    rtl = _rtl(design)
    netlist = read_blif(mapped, rtl, library)
    check_design(netlist, design)
    area = netlist.area_um2
    return FastCost(
        design=_name(design),
        area_um2=area,
        gate_equivalents=area / library.nand2_area_um2,
        delay_ns=delays_of(netlist).critical_path_ns(netlist),
        cells=len(netlist.instances),
        library=library.name,
        library_digest=library.digest,
        tools=tools,
        recipe=f"# Yosys\n{READ}# ABC\n{ABC_SCRIPT}",
        rtl_digest=rtl.digest,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def read_blif(path: Path, rtl: Rtl, library: Library) -> Netlist:
    """Read a mapped netlist that ABC wrote.

    Raises:
        AxdseError: it is no netlist of the library's cells with the ports of `rtl`.
    """
    try:
        lines = path.read_text().replace("\\\n", " ").splitlines()
    except OSError as error:
        raise AxdseError(
            f"ABC must map {rtl.top}", "it did not", f"check {library.path}"
        ) from error
    known = {cell.name: cell for cell in library.cells}
    reader = _Blif(rtl)
    for at, line in enumerate(lines):
        kind, *words = line.split() or [""]
        if kind == ".gate":
            reader.gate(words, known)
        elif kind == ".names":
            reader.names(words, lines[at + 1 : at + 2])
    return reader.netlist()


class _Blif:
    """Gives numbers to names; those of a constant or an alias come from elsewhere."""

    def __init__(self, rtl: Rtl) -> None:
        self._rtl = rtl
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

    def gate(self, words: list[str], known: dict[str, Cell]) -> None:
        """`CELL PIN=NET ...`."""
        pins = dict(word.split("=", 1) for word in words[1:])
        if words[0] in ("_const0_", "_const1_"):
            self._alias[next(iter(pins.values()))] = int(words[0] == "_const1_")
        elif words[0] not in known:
            raise AxdseError("ABC must map to cells of the library", words[0], "check the library")
        else:
            nets = tuple((pin, self._net(net)) for pin, net in pins.items())
            self._instances.append(Instance(known[words[0]], nets))

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
        return Netlist(rtl.top, a, b, p, in_order(self._instances, rtl))


def _bits(name: str, width: int) -> list[str]:
    return [f"{name}[{bit}]" for bit in range(width)] if width > 1 else [name]
