"""Which Verilog is a netlist of another format? What Yosys writes of BLIF and of its own JSON."""

from pathlib import Path

from axdse.flows.yosys import run_yosys
from axdse.multipliers.cache import temporary_folder
from axdse.multipliers.files import LARGEST_SOURCE, InputFile

READERS = {".blif": "read_blif -wideports", ".json": "read_json"}
LIMIT_S, MEMORY_BYTES = 60, 1 << 30


def as_verilog(path: Path, folder: Path) -> Path:
    """Write a netlist as Verilog, of the same name, into a folder; Verilog stays where it is.

    Raises:
        AxdseError: it cannot be read, or Yosys refuses it.
    """
    reader = READERS.get(path.suffix)
    if reader is None:
        return path
    data = InputFile(path, "a netlist is a readable file", LARGEST_SOURCE).read()
    with temporary_folder() as work:
        name = f"netlist{path.suffix}"
        (work / name).write_bytes(data)
        # Tables of BLIF have no Verilog of their own.
        script = f"{reader} {name}\nproc\ntechmap\nsimplemap\nwrite_verilog -noattr netlist.v\n"
        run_yosys(script, work, path.name, LIMIT_S, memory_bytes=MEMORY_BYTES)
        written = folder / f"{path.stem}.v"
        written.write_bytes((work / "netlist.v").read_bytes())
    return written
