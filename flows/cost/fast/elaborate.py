"""How does RTL of many designs become and-inverter graphs, with one Yosys for all?

Yosys reads each design into an empty memory and leaves it in words; `words.py` makes gates of
them. What it cannot take, Yosys does alone, with a process for each. Which of the two it is, and
what comes out, depends on the design's own RTL and not on what it is read with.
"""

from collections.abc import Sequence
from pathlib import Path

from axdse.flows.cost.fast.word_netlist import read_words
from axdse.flows.formal.aig import Aig
from axdse.flows.scripts import script_word, write_rtl
from axdse.flows.yosys import run_yosys
from axdse.multipliers.designs.rtl_text import Rtl
from axdse.multipliers.errors import AxdseError

TOGETHER_LIMIT_S = 60
WORDS = """\
design -reset
design -reset-vlog
read_verilog -defer {folder}rtl.v
hierarchy -check -top {top}
proc -noopt -norom
flatten
write_json {folder}words.json
"""
GATES = """\
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


def write_gates(rtls: Sequence[Rtl], folder: Path) -> list[AxdseError | None]:
    """Write `NUMBER/gates.aig` for each design; an error stands for one that has none."""
    refused = [_written_rtl(rtl, folder / str(number)) for number, rtl in enumerate(rtls)]
    together = len(rtls) > 1 and not any(refused) and _read_together(rtls, folder)
    return [
        error or _write_one(rtl, folder / str(number), is_read=together)
        for number, (rtl, error) in enumerate(zip(rtls, refused, strict=True))
    ]


def _written_rtl(rtl: Rtl, own: Path) -> AxdseError | None:
    """Write `rtl.v`; return why Yosys must not read it."""
    own.mkdir()
    try:
        write_rtl(rtl, own)
    except AxdseError as error:
        return error
    return None


def _words(rtl: Rtl, folder: str = "") -> str:
    return WORDS.format(folder=folder, top=script_word(rtl.top))


def _read_together(rtls: Sequence[Rtl], folder: Path) -> bool:
    """Whether one Yosys could read all of them."""
    script = (_words(rtl, f"{number}/") for number, rtl in enumerate(rtls))
    try:
        run_yosys("".join(script), folder, f"{len(rtls)} designs", TOGETHER_LIMIT_S)
    except AxdseError:
        return False  # some file may be cut short
    return True


def _write_one(rtl: Rtl, own: Path, *, is_read: bool) -> AxdseError | None:
    try:
        if not is_read:
            run_yosys(_words(rtl), own, rtl.top)
        graph = read_words(_written(own / "words.json", rtl), rtl)
        if graph is None:
            run_yosys(GATES.format(top=script_word(rtl.top)), own, rtl.top)
        else:
            (own / "gates.aig").write_bytes(graph.aiger() + _symbols(graph, rtl))
    except AxdseError as error:
        return error
    return None


def _written(path: Path, rtl: Rtl) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        rule = f"Yosys must write {path.name} for {rtl.top}"
        raise AxdseError(rule, error.strerror, "check its installation") from error


def _symbols(graph: Aig, rtl: Rtl) -> bytes:
    """The names of inputs and outputs, as ABC shall write them."""
    a, b, product = rtl.ports
    inputs = [*_bits(a, graph.a_bits), *_bits(b, graph.b_bits)]
    lines = [f"i{at} {name}\n" for at, name in enumerate(inputs)]
    lines += [f"o{at} {name}\n" for at, name in enumerate(_bits(product, len(graph.outputs)))]
    return "".join(lines).encode()


def _bits(name: str, width: int) -> list[str]:
    return [f"{name}[{bit}]" for bit in range(width)] if width > 1 else [name]
