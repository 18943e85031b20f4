"""Stage 6, cost: RTL -> netlist of library cells, with Yosys and ABC."""

from axdse.flows.liberty import Library
from axdse.flows.netlist import Netlist, read_netlist
from axdse.flows.tools import find_tool
from axdse.flows.yosys import run_yosys
from axdse.multipliers.cache import temporary_folder
from axdse.multipliers.verilog import Rtl

# Area first: structural choices (dch) let amap cover arithmetic with the library's complex cells;
# about 17% smaller than Yosys' own ABC script on an 8x8 array in osu018.
ABC_SCRIPT = "strash;ifraig;scorr;dc2;strash;dch,-f;amap,-m;topo"
STEPS = (
    "read_verilog rtl.v",
    "hierarchy -check -top {top}",
    "synth -flatten -noabc",
    "check -assert",
    f"abc -exe {{abc}} -liberty library.lib -script +{ABC_SCRIPT}",
    "opt_clean -purge",
    "write_json netlist.json",
)


def synthesis_script(top: str, abc: str = "yosys-abc") -> str:
    """The Yosys commands, to be run beside `rtl.v` and `library.lib`; `abc` runs ABC."""
    return "".join(f"{step.format(top=top, abc=abc)}\n" for step in STEPS)


def synthesise(rtl: Rtl, library: Library) -> Netlist:
    """Map a combinational design to the cells of a library.

    Raises:
        AxdseError: Yosys refuses the RTL, or the design has state, a loop, or other ports.
    """
    with temporary_folder() as folder:
        (folder / "rtl.v").write_text(rtl.text)
        (folder / "library.lib").symlink_to(library.path.resolve())
        script = synthesis_script(rtl.top, abc=str(find_tool("yosys-abc").path))
        run_yosys(script, folder, rtl.top)
        return read_netlist(folder / "netlist.json", rtl, library)
