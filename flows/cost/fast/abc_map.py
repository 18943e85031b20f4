"""How do and-inverter graphs become netlists of cells, with one ABC for all?"""

from collections.abc import Sequence
from pathlib import Path

from axdse.flows.liberty.library import Library
from axdse.flows.netlist.synthesis import ABC_SCRIPT, abc_environment, library_file
from axdse.flows.tools import find_tool
from axdse.multipliers.errors import AxdseError

TOGETHER_LIMIT_S = 60
ALONE_LIMIT_S = 300
READ = "read_lib -w library.lib\n"
MAP = "empty;read_aiger {own}/gates.aig;{script};write_blif {own}/map.blif\n"


def write_netlists(
    numbers: Sequence[int], library: Library, folder: Path
) -> dict[int, AxdseError]:
    """Write `NUMBER/map.blif` for each `NUMBER/gates.aig`; an error stands for one that has none.

    ABC reads the library once. Should it fail, each design gets an ABC of its own.
    """
    library_file(library, folder)
    if _error(numbers, folder, TOGETHER_LIMIT_S) is None:
        return {}
    alone = {number: _error([number], folder, ALONE_LIMIT_S) for number in numbers}
    return {number: error for number, error in alone.items() if error is not None}


def _error(numbers: Sequence[int], folder: Path, limit_s: float) -> AxdseError | None:
    try:
        _map(numbers, folder, limit_s)
    except AxdseError as error:
        return error
    return None


def _map(numbers: Sequence[int], folder: Path, limit_s: float) -> None:
    netlists = [folder / str(number) / "map.blif" for number in numbers]
    for netlist in netlists:
        netlist.unlink(missing_ok=True)  # it may be cut short
    script = ABC_SCRIPT.replace(",", " ")
    commands = "".join(MAP.format(own=number, script=script) for number in numbers)
    (folder / "map.abc").write_text(READ + commands)
    result = find_tool("yosys-abc").run(
        ["-q", "source map.abc"], folder=folder, limit_s=limit_s, environment=abc_environment()
    )
    if result.exit_code or not all(map(Path.exists, netlists)):
        lines = [line for line in result.log.splitlines() if "rror" in line]
        reason = lines[0] if lines else f"no netlist, exit code {result.exit_code}"
        raise AxdseError("ABC must map every design", reason, "check the library")
