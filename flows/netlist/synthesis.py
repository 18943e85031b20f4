"""How does RTL become a netlist of library cells? With Yosys and ABC."""

from pathlib import Path

from axdse.flows.liberty.library import Library
from axdse.flows.netlist.abc import abc_environment
from axdse.flows.netlist.netlist import Netlist
from axdse.flows.netlist.reader import read_netlist
from axdse.flows.netlist.registers import flip_flop
from axdse.flows.scripts import program_word, script_word, write_rtl
from axdse.flows.tools import find_tool
from axdse.flows.yosys import run_yosys
from axdse.multipliers.cache import temporary_folder
from axdse.multipliers.designs.rtl_text import Rtl

# Area first: structural choices (dch) let amap cover arithmetic with the library's complex cells;
# about 17% smaller than Yosys' own ABC script on an 8x8 array in osu018.
ABC_SCRIPT = "strash;ifraig;scorr;dc2;strash;dch,-f;amap,-m;topo"
STEPS = (
    "read_verilog rtl.v",
    "hierarchy -check -top {top}",
    "synth -flatten -noabc",
    "check -assert",
    "abc -exe {abc} -liberty library.lib -script +{script}",
    "opt_clean -purge",
    "write_json netlist.json",
)
REGISTERS = "dfflibmap -liberty registers.lib"


def synthesis_script(
    top: str, abc: str = "yosys-abc", script: str = ABC_SCRIPT, *, registers: bool = False
) -> str:
    """The Yosys commands, to be run beside `rtl.v` and `library.lib`; `abc` runs ABC.

    With `registers` there is `registers.lib` too, which has flip-flops.
    """
    place = STEPS.index("check -assert") + 1
    steps = (*STEPS[:place], *((REGISTERS,) if registers else ()), *STEPS[place:])
    return "".join(
        f"{step.format(top=script_word(top), abc=abc, script=script)}\n" for step in steps
    )


def synthesise(rtl: Rtl, library: Library, script: str = ABC_SCRIPT) -> Netlist:
    """Map a design to the cells of a library; `script` is for ABC.

    Raises:
        AxdseError: Yosys refuses the RTL, the design has a loop, other ports, or state that is no
            pipeline, or there are no flip-flops for one.
    """
    pipeline = rtl.pipeline is not None
    if pipeline:
        flip_flop(library)
    with temporary_folder() as folder:
        write_rtl(rtl, folder)
        library_file(library, folder)
        if pipeline:
            (folder / "registers.lib").symlink_to(library.registered_path)
        abc = program_word(find_tool("yosys-abc").path, folder)
        commands = synthesis_script(rtl.top, abc, script, registers=pipeline)
        run_yosys(commands, folder, rtl.top, environment=abc_environment())
        return read_netlist(folder / "netlist.json", rtl, library)


def library_file(library: Library, folder: Path) -> None:
    """Put the library where scripts look for it, `library.lib`."""
    (folder / "library.lib").symlink_to(library.plain_path)
