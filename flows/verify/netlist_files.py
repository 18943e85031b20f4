"""Which Verilog is a design of another language? Yosys writes that of netlists, GHDL of VHDL."""

import re
from collections.abc import Sequence
from pathlib import Path

from axdse.flows.scripts import script_word
from axdse.flows.tools import find_tool
from axdse.flows.verilog.sources import VHDL
from axdse.flows.yosys import run_yosys
from axdse.multipliers.cache import temporary_folder
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.files import LARGEST_SOURCE, MIB, InputFile

READERS = {
    ".blif": "read_blif -wideports",
    ".json": "read_json",
    ".lib": "read_liberty -ignore_miss_func -ignore_miss_dir",
}
LARGEST_NETLIST = 64 * MIB  # Liberty files have tables of delays
LIMIT_S, MEMORY_BYTES = 60, 1 << 30
# Comments, strings, characters and extended names, of VHDL 2008.
_QUIET = re.compile(
    r"--[^\n]*|/\*.*?(?:\*/|\Z)|\"(?:[^\"\n]|\"\")*+\"|'.'|\\[^\\\n]*+\\", re.DOTALL
)
_REACHING = re.compile(r"\b(?:file|file_open|textio|std_logic_textio|foreign|env|vhpi\w*)\b", re.I)


def all_as_verilog(paths: Sequence[Path], folder: Path, top: str = "") -> list[Path]:
    """Write what is not Verilog as Verilog, into a folder.

    Args:
        paths: of one design; VHDL in the order of its analysis, the top entity last.
        folder: where to.
        top: the entity; empty: the one named as the last file.

    Raises:
        AxdseError: as `as_verilog`; VHDL stands beside Verilog, reaches out, or GHDL is missing
            or refuses it.
    """
    vhdl = [path for path in paths if path.suffix in VHDL]
    if not vhdl:
        return [as_verilog(path, folder) for path in paths]
    if len(vhdl) < len(paths):
        other = next(path for path in paths if path.suffix not in VHDL)
        rule, remedy = "a design is in one language", "translate the VHDL with ghdl first"
        raise AxdseError(rule, f"{vhdl[0].name}, {other.name}", remedy)
    return [_of_vhdl(vhdl, folder, top or vhdl[-1].stem)]


def as_verilog(path: Path, folder: Path) -> Path:
    """Write a netlist, or the cells of a Liberty file, as Verilog of the same name into a folder.

    Verilog stays where it is.

    Raises:
        AxdseError: it cannot be read, or Yosys refuses it.
    """
    reader = READERS.get(path.suffix)
    if reader is None:
        return path
    data = InputFile(path, "a netlist is a readable file", LARGEST_NETLIST).read()
    if path.suffix == ".blif":
        data = _with_constants(data)
    with temporary_folder() as work:
        name = f"netlist{path.suffix}"
        (work / name).write_bytes(data)
        # Tables of BLIF have no Verilog of their own.
        script = f"{reader} {name}\nproc\ntechmap\nsimplemap\nwrite_verilog -noattr netlist.v\n"
        run_yosys(script, work, path.name, LIMIT_S, memory_bytes=MEMORY_BYTES)
        written = folder / f"{path.stem}.v"
        written.write_bytes((work / "netlist.v").read_bytes())
    return written


def _with_constants(blif: bytes) -> bytes:
    """The constants that Yosys names in BLIF, where whoever wrote it anew left them out."""
    models = re.split(rb"(?m)^(?=\.model\b)", blif)
    for name, rows in ((b"false", b""), (b"true", b"1\n")):
        used = re.compile(rb"(?m)^\.names[ \t](?:.*[ \t])?\$%b[ \t]" % name)
        driven = re.compile(rb"(?m)^\.names[ \t]+\$%b[ \t\r]*$" % name)
        for number, model in enumerate(models):
            if used.search(model) and not driven.search(model):
                head, first, rest = model.partition(b"\n.names")
                models[number] = b"%b\n.names $%b\n%b%b%b" % (head, name, rows, first[1:], rest)
    return b"".join(models)


def _of_vhdl(paths: Sequence[Path], folder: Path, top: str) -> Path:
    """What GHDL makes of VHDL: Verilog of registers and logic."""
    with temporary_folder() as work:
        names = []
        for number, path in enumerate(paths):
            text = InputFile(path, "VHDL is a readable file", LARGEST_SOURCE).text()
            _refuse_reaching(text, path.name)
            names.append(f"{number}.vhd")
            (work / names[-1]).write_text(text)
        command = ["--synth", "--std=08", "--out=verilog", *names, "-e", script_word(top)]
        result = find_tool("ghdl").run(
            command, folder=work, limit_s=LIMIT_S, memory_bytes=MEMORY_BYTES
        )
        lines = result.log.splitlines()
        if result.exit_code or not any(line.startswith("module ") for line in lines):
            said = next((line for line in lines if ":" in line), f"exit code {result.exit_code}")
            raise AxdseError(f"GHDL must accept {paths[-1].name}", said, "correct what it names")
        start = next(number for number, line in enumerate(lines) if line.startswith("module "))
        written = folder / f"{top}.v"
        written.write_text("\n".join(lines[start:]) + "\n")
    return written


def _refuse_reaching(text: str, name: str) -> None:
    """Refuse VHDL that could read files or call foreign code when it is elaborated."""
    reaching = _REACHING.search(_QUIET.sub(" ", text))
    if reaching:
        rule = f"the VHDL {name} computes and does nothing else"
        raise AxdseError(rule, reaching[0], "remove it")
