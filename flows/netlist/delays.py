"""How late is a netlist? Its critical path by OpenSTA, and each arc by the tables of Liberty.

Our own reading of the tables is the static timing that OpenSTA does: inputs switch in no time,
wires have no load, transition times are the slowest that reach a net.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from axdse.flows.liberty.library import Library
from axdse.flows.netlist.flat import FALL, RISE
from axdse.flows.netlist.netlist import Netlist, Register
from axdse.flows.netlist.registers import setup_ns
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


@dataclass(frozen=True, eq=False)
class Delays:
    """What the tables say about every net and arc of one netlist.

    Attributes:
        nets: highest net number + 1.
        load_pf: float [nets, 3], of a rise, of a fall, and of either: pins, no wires.
        slew_ns: float [nets, 2], transition times of rise and fall.
        arrival_ns: float [nets, 2], latest rise and fall after operands switch, or the clock of
            the registers; -inf: there is none.
        arcs_ns: float, of each instance [outputs, inputs, states]: the delay of an output when
            that input has just changed and brought the cell into that state; inf: none told.
    """

    nets: int
    load_pf: np.ndarray
    slew_ns: np.ndarray
    arrival_ns: np.ndarray
    arcs_ns: np.ndarray

    @property
    def without_time(self) -> "Delays":
        """The same loads and transition times, but every cell follows at once: no glitches."""
        arcs, arrival = np.zeros_like(self.arcs_ns), np.zeros_like(self.arrival_ns)
        return replace(self, arcs_ns=arcs, arrival_ns=arrival)

    def critical_path_ns(self, netlist: Netlist) -> float:
        """Latest edge at an output, or at a register with its setup time."""
        latest = self.arrival_ns[list(netlist.product.nets)].max(initial=0.0)
        slew, arrival = self.slew_ns.tolist(), self.arrival_ns.tolist()
        ends = [
            setup_ns(each.flop, slew[each.data], arrival[each.data]) for each in netlist.registers
        ]
        return float(max(0.0, latest, *ends))


def delays_of(netlist: Netlist) -> Delays:
    """Compute loads, transition times and delays in one pass over the netlist."""
    load, slew = loads_pf(netlist), np.zeros((netlist.nets, 2))
    arrival = np.full((netlist.nets, 2), -math.inf)
    arrival[[*netlist.a.nets, *netlist.b.nets]] = 0.0
    for register in netlist.registers:
        _launch(register, load, slew, arrival)
    steps = netlist.flat.timing(load, slew, arrival)
    return Delays(netlist.nets, load, slew, arrival, netlist.flat.arcs_ns(steps))


def loads_pf(netlist: Netlist) -> np.ndarray:
    """Float [nets, 3]: capacitance of the pins on each net, to a rise, to a fall, and either."""
    load = netlist.flat.loads_pf()
    add_registers_pf(load, netlist.registers)
    return load


def add_registers_pf(load: np.ndarray, registers: Sequence[Register]) -> None:
    """Add the pins of registers to loads [nets, 3]."""
    for register in registers:
        pins = dict(register.pins)
        for pin, capacitance in zip(register.flop.inputs, register.flop.capacitances, strict=True):
            load[pins[pin]] += capacitance


def _launch(register: Register, load: np.ndarray, slew: np.ndarray, arrival: np.ndarray) -> None:
    """Outputs follow a clock that switches in no time."""
    pins = dict(register.pins)
    for arc in register.flop.timing:
        sink = pins.get(arc.output)
        if sink is None:
            continue
        tables = ((RISE, arc.rise, arc.rise_slew), (FALL, arc.fall, arc.fall_slew))
        for edge, delay, transition in tables:
            if delay is not None:
                arrival[sink][edge] = max(arrival[sink][edge], delay.point(0.0, load[sink][edge]))
            if transition is not None:
                slew[sink][edge] = max(slew[sink][edge], transition.point(0.0, load[sink][edge]))


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
