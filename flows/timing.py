"""Stage 6, cost: the critical path of a mapped netlist, with OpenSTA."""

import re

from axdse.flows.liberty import Library
from axdse.flows.netlist import Netlist
from axdse.flows.tools import find_tool
from axdse.multipliers.cache import temporary_folder
from axdse.multipliers.errors import AxdseError

TIME_LIMIT_S = 300
STEPS = (
    "read_liberty library.lib",
    "read_verilog netlist.v",
    "link_design {top}",
    "set_cmd_units -time ns",
    "set_max_delay 0 -from [all_inputs] -to [all_outputs]",
    "report_worst_slack -digits 6",
)
SLACK = re.compile(r"^worst slack (\S+)$", re.MULTILINE)
# OpenSTA goes on after an error, and takes a cell that it does not know for an empty box.
TROUBLE = re.compile(r"^(?:Error: .*|Warning: .*black box.*)$", re.MULTILINE)


def timing_script(top: str) -> str:
    """The OpenSTA commands, to be run beside `netlist.v` and `library.lib`."""
    return "".join(f"{step.format(top=top)}\n" for step in STEPS)


def critical_path_ns(netlist: Netlist, library: Library) -> float:
    """Return the longest delay from an input to an output, in ns.

    Inputs switch in no time, outputs drive no load and wires have none: the library's typical
    corner, before layout. A design without paths takes 0 ns.

    Raises:
        AxdseError: OpenSTA refuses the netlist or the library, crashes or hangs.
    """
    with temporary_folder() as folder:
        (folder / "netlist.v").write_text(netlist.verilog())
        (folder / "library.lib").symlink_to(library.plain_path)
        (folder / "timing.tcl").write_text(timing_script(netlist.top))
        command = ["-no_init", "-no_splash", "-exit", "timing.tcl"]
        result = find_tool("sta").run(command, folder=folder, limit_s=TIME_LIMIT_S)
    trouble, slack = TROUBLE.search(result.log), SLACK.search(result.log)
    if result.exit_code or trouble or not slack:
        reason = trouble[0] if trouble else f"exit code {result.exit_code}"
        raise AxdseError(
            f"OpenSTA must accept the netlist of {netlist.top}", reason, f"check {library.path}"
        )
    # Under a limit of 0 ns the worst slack is minus the delay; it is INF without any path.
    return 0.0 if slack[1] == "INF" else max(0.0, -float(slack[1]))
