"""How does RTL become a netlist of library cells, the smallest that meets a clock?"""

import os
from pathlib import Path

from axdse.flows.c_library import native_file
from axdse.flows.liberty.library import Library, mappable
from axdse.flows.netlist.delays import delays_of
from axdse.flows.netlist.netlist import Netlist
from axdse.flows.netlist.reader import read_netlist
from axdse.flows.netlist.registers import flip_flop
from axdse.flows.scripts import is_plain, program_word, script_word, write_rtl
from axdse.flows.tools import find_tool
from axdse.flows.yosys import run_yosys
from axdse.multipliers.cache import temporary_folder
from axdse.multipliers.designs.rtl_text import Rtl
from axdse.multipliers.errors import AxdseError, MachineError

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
# ABC counts in whole ps, and in 32 bits.
SHORTEST_CLOCK_NS, LONGEST_CLOCK_NS = 0.001, 1e6
# Under a delay target, from the smallest to the fastest; ps stands for it.
TIMED_SCRIPTS = (
    ABC_SCRIPT,
    f"{ABC_SCRIPT};upsize,-D,{{ps}};dnsize,-D,{{ps}}",
    "strash;ifraig;scorr;dc2;strash;dch,-f;map,-B,0.9,-D,{ps};topo;buffer,-c;"
    "upsize,-D,{ps};dnsize,-D,{ps}",
    "strash;ifraig;scorr;dc2;strash;&get,-n;&syn3;&syn3;&put;dch,-f;map,-B,0.9;topo;buffer,-c;"
    "upsize;dnsize,-D,{ps}",
)


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


def timed_scripts(clock_ns: float | None) -> tuple[str, ...]:
    """The ABC scripts to try in turn; without a clock there is one.

    Raises:
        AxdseError: the clock is out of range.
    """
    if clock_ns is None:
        return (ABC_SCRIPT,)
    if not SHORTEST_CLOCK_NS <= clock_ns <= LONGEST_CLOCK_NS:
        rule = f"a clock period is above 0 ns, {SHORTEST_CLOCK_NS:g} to {LONGEST_CLOCK_NS:g}"
        raise AxdseError(rule, f"{clock_ns:g}", "give --clock in ns")
    return tuple(script.format(ps=round(clock_ns * 1000)) for script in TIMED_SCRIPTS)


def scripts_for(rtl: Rtl, library: Library, clock_ns: float | None) -> tuple[str, ...]:
    """The ABC scripts to try for a design; registers take their part of the clock.

    Raises:
        AxdseError: the clock is out of range, or there is no flip-flop for a pipeline.
    """
    scripts = timed_scripts(clock_ns)
    if clock_ns is None or not rtl.pipeline:
        return scripts
    register = flip_flop(library)
    logic_ns = clock_ns - register.setup_ns - register.clock_to_q_ns
    return timed_scripts(max(logic_ns, clock_ns / 10, SHORTEST_CLOCK_NS))


def synthesise_for(rtl: Rtl, library: Library, clock_ns: float | None) -> tuple[Netlist, str]:
    """The smallest netlist that meets the clock, else the fastest, and the script that made it.

    Without a clock the smallest that one script makes. A script of which ABC makes nothing in this
    library is passed over if another works.

    Raises:
        AxdseError: as `scripts_for`, the library lacks cells, or as `synthesise` of the last
            script if all fail.
    """
    mappable(library, timed=clock_ns is not None)
    best: tuple[tuple[float, float], Netlist, str] | None = None
    failure: AxdseError | None = None
    for script in scripts_for(rtl, library, clock_ns):
        try:
            netlist = synthesise(rtl, library, script)
        except MachineError:
            raise  # another script would hide it behind a worse netlist
        except AxdseError as error:
            failure = error
            continue
        late = 0.0
        if clock_ns is not None:
            late = max(0.0, delays_of(netlist).critical_path_ns(netlist) - clock_ns)
        rank = (late, netlist.area_um2)
        if best is None or rank < best[0]:
            best = rank, netlist, script
    if best is None:
        assert failure is not None
        raise failure
    return best[1], best[2]


def abc_environment() -> dict[str, str]:
    """Variables for a process that runs ABC, itself or in a child: see `quiet_clock.c`.

    Raises:
        AxdseError: the compiler is missing or fails.
    """
    clock, others = native_file("netlist/quiet_clock.c"), os.environ.get("LD_PRELOAD", "").split()
    # A list has no quotes: without the library ABC is slower, and right.
    own = [str(clock)] if is_plain(clock) else []
    return {**os.environ, "LD_PRELOAD": " ".join([*own, *others])}
