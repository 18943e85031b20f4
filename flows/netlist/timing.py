"""How long is the critical path of a netlist, or a pipeline's least period? By OpenSTA."""

import re

from axdse.flows.liberty.library import Library
from axdse.flows.netlist.netlist import Netlist
from axdse.flows.scripts import script_word
from axdse.flows.tools import find_tool
from axdse.multipliers.cache import temporary_folder
from axdse.multipliers.errors import AxdseError

TIME_LIMIT_S = 300
LINK = (
    "read_liberty library.lib",
    "read_verilog netlist.v",
    "link_design {top}",
    "set_cmd_units -time ns",
)
STEPS = (
    *LINK,
    "set_max_delay 0 -from [all_inputs] -to [all_outputs]",
    "report_worst_slack -digits 6",
)
PERIOD_NS = 1.0  # asked for; what its worst slack lacks is lacking in every period
# Controls are still: without an input delay no path begins there.
CLOCKED_STEPS = (
    *LINK,
    f"create_clock -name clock -period {PERIOD_NS:g} [get_ports {{clock}}]",
    "set_input_delay 0 -clock clock [get_ports {{{operands}}}]",
    "set_output_delay 0 -clock clock [all_outputs]",
    "report_worst_slack -digits 6",
)
SLACK = re.compile(r"^worst slack (\S+)$", re.MULTILINE)
# OpenSTA goes on after an error, and takes a cell that it does not know for an empty box.
TROUBLE = re.compile(r"^(?:Error: .*|Warning: .*black box.*)$", re.MULTILINE)


def timing_script(top: str, clock: str = "", operands: tuple[str, ...] = ()) -> str:
    """The OpenSTA commands, to be run beside `netlist.v` and `library.lib`.

    Args:
        top: the module.
        clock: its port; empty: it is combinational.
        operands: ports whose bits arrive with the clock's edge.
    """
    bits = " ".join(f"{script_word(name)}[*]" for name in operands)
    steps, clock = (CLOCKED_STEPS, script_word(clock)) if clock else (STEPS, "")
    top = script_word(top)
    return "".join(f"{step.format(top=top, clock=clock, operands=bits)}\n" for step in steps)


def critical_path_ns(netlist: Netlist, library: Library) -> float:
    """Return the longest delay from an input to an output, in ns; of a pipeline its least period.

    A period takes the longest way from an operand or a register to a register or a product,
    clock-to-output and setup times included. Inputs and the clock switch in no time, outputs drive
    no load and wires have none: the library's typical corner, before layout. A design without
    paths takes 0 ns.

    Raises:
        AxdseError: OpenSTA refuses the netlist or the library, crashes or hangs.
    """
    clock, operands = "", (netlist.a.name, netlist.b.name)
    if netlist.clock:
        clock = netlist.clock.name
    with temporary_folder() as folder:
        (folder / "netlist.v").write_text(netlist.verilog())
        plain = library.registered_path if clock else library.plain_path
        (folder / "library.lib").symlink_to(plain)
        (folder / "timing.tcl").write_text(timing_script(netlist.top, clock, operands))
        command = ["-no_init", "-no_splash", "-exit", "timing.tcl"]
        result = find_tool("sta").run(command, folder=folder, limit_s=TIME_LIMIT_S)
    trouble, slack = TROUBLE.search(result.log), SLACK.search(result.log)
    if result.exit_code or trouble or not slack:
        reason = trouble[0] if trouble else f"exit code {result.exit_code}"
        raise AxdseError(
            f"OpenSTA must accept the netlist of {netlist.top}", reason, f"check {library.path}"
        )
    # Under a limit of 0 ns the worst slack is minus the delay; it is INF without any path.
    limit = PERIOD_NS if clock else 0.0
    return 0.0 if slack[1] == "INF" else max(0.0, limit - float(slack[1]))
