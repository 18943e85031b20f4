"""How late is a netlist? Its critical path by OpenSTA, and each arc by the tables of Liberty.

Our own reading of the tables is the static timing that OpenSTA does: inputs switch in no time,
wires have no load, transition times are the slowest that reach a net.
"""

import functools
import math
import re
from dataclasses import dataclass, replace

import numpy as np

from axdse.flows.liberty.cells import Cell
from axdse.flows.liberty.library import Library
from axdse.flows.liberty.tables import Table
from axdse.flows.netlist.netlist import Instance, Netlist, Register
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
RISE, FALL = 0, 1
Edges = list[list[float]]  # for each net: of a rise, of a fall


@dataclass(frozen=True, eq=False)
class Delays:
    """What the tables say about every net and arc of one netlist.

    Attributes:
        nets: highest net number + 1.
        load_pf: float [nets, 3], of a rise, of a fall, and of either: pins, no wires.
        slew_ns: float [nets, 2], transition times of rise and fall.
        arrival_ns: float [nets, 2], latest rise and fall after operands switch, or the clock of
            the registers; -inf: there is none.
        arcs_ns: for each instance, float [outputs, inputs, states]: the delay of an output when
            that input has just changed and brought the cell into that state; inf: none told.
    """

    nets: int
    load_pf: np.ndarray
    slew_ns: np.ndarray
    arrival_ns: np.ndarray
    arcs_ns: tuple[np.ndarray, ...]

    @property
    def without_time(self) -> "Delays":
        """The same loads and transition times, but every cell follows at once: no glitches."""
        arcs = tuple(np.zeros_like(arcs) for arcs in self.arcs_ns)
        return replace(self, arcs_ns=arcs, arrival_ns=np.zeros_like(self.arrival_ns))

    def critical_path_ns(self, netlist: Netlist) -> float:
        """Latest edge at an output, or at a register with its setup time."""
        latest = self.arrival_ns[list(netlist.product.nets)].max(initial=0.0)
        slew, arrival = self.slew_ns.tolist(), self.arrival_ns.tolist()
        ends = [
            setup_ns(each.flop, slew[each.data], arrival[each.data]) for each in netlist.registers
        ]
        return float(max(0.0, latest, *ends))


def net_count(netlist: Netlist) -> int:
    """Highest net number + 1."""
    ports = [netlist.a, netlist.b, netlist.product, *(held.port for held in netlist.held)]
    used = [net for port in ports for net in port.nets]
    used += [net for instance in netlist.instances for _, net in instance.pins]
    used += [net for register in netlist.registers for _, net in register.pins]
    return max([1, *used]) + 1


def loads_pf(netlist: Netlist, nets: int) -> np.ndarray:
    """Float [nets, 3]: capacitance of the pins on each net, to a rise, to a fall, and either."""
    load = np.zeros((nets, 3))
    for instance in netlist.instances:
        pins = dict(instance.pins)
        for (pin, _), capacitance in zip(
            instance.cell.inputs, instance.cell.capacitances, strict=True
        ):
            load[pins[pin]] += capacitance
    for register in netlist.registers:
        pins = dict(register.pins)
        for pin, capacitance in zip(register.flop.inputs, register.flop.capacitances, strict=True):
            load[pins[pin]] += capacitance
    return load


def delays_of(netlist: Netlist) -> Delays:
    """Compute loads, transition times and delays in one pass over the netlist."""
    nets = net_count(netlist)
    load = loads_pf(netlist, nets)
    # Lists: one number at a time, they are several times faster than arrays.
    slew = [[0.0, 0.0] for _ in range(nets)]
    arrival = [[-math.inf, -math.inf] for _ in range(nets)]
    for net in (*netlist.a.nets, *netlist.b.nets):
        arrival[net] = [0.0, 0.0]
    rows = load.tolist()
    for register in netlist.registers:
        _launch(register, rows, slew, arrival)
    arcs = [_instance(instance, rows, slew, arrival) for instance in netlist.instances]
    return Delays(nets, load, np.array(slew), np.array(arrival), tuple(arcs))


def _launch(register: Register, load: Edges, slew: Edges, arrival: Edges) -> None:
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


def _instance(instance: Instance, load: Edges, slew: Edges, arrival: Edges) -> np.ndarray:
    pins, plan = dict(instance.pins), _planned(_ByIdentity(instance.cell))
    values = [math.inf] * (len(plan.steps) + 1)
    for number, step in enumerate(plan.steps):
        sink, edge = pins.get(step.output), step.output_edge
        if sink is None:
            continue
        source = pins[step.input]
        point = slew[source][step.input_edge], load[sink][edge]
        place = step.delay.place(*point)
        values[number] = delay = step.delay.value(place)
        arrival[sink][edge] = max(arrival[sink][edge], arrival[source][step.input_edge] + delay)
        if step.slew is not None:
            after = step.slew.value(place) if step.same_axes else step.slew.point(*point)
            slew[sink][edge] = max(slew[sink][edge], after)
    return np.asarray(np.array(values)[plan.number])


@dataclass(frozen=True)
class _Step:
    """One look-up: an arc, and the edges at both ends."""

    input: str
    output: str
    input_edge: int
    output_edge: int
    delay: Table
    slew: Table | None
    same_axes: bool


@dataclass(frozen=True, eq=False)
class _Plan:
    """`number` int [outputs, inputs, states]: the step that gives the delay, or one too many."""

    steps: tuple[_Step, ...]
    number: np.ndarray


@functools.lru_cache(4096)
def _planned(cell: "_ByIdentity") -> _Plan:
    return _make_plan(cell.cell)


class _ByIdentity:
    """A key that spares hashing all tables of a cell."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell

    def __hash__(self) -> int:
        return id(self.cell)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByIdentity) and other.cell is self.cell


def _make_plan(cell: Cell) -> _Plan:
    inputs = tuple(pin for pin, _ in cell.inputs)
    outputs = [pin for pin, _ in cell.outputs]
    states = np.arange(1 << len(inputs))
    steps: list[_Step] = []
    number = np.full((len(outputs), len(inputs), states.size), -1)
    for arc in sorted(cell.timing, key=lambda arc: not arc.when):
        if arc.input not in inputs or arc.output not in outputs:
            continue
        i, o = inputs.index(arc.input), outputs.index(arc.output)
        # Bit i of the state that it came into tells the input's edge.
        input_edges = np.where(states >> i & 1, RISE, FALL)
        output_edges = np.where(cell.truth[o], RISE, FALL)
        holds = cell.holds(arc.when)
        for input_edge, output_edge in _edges(arc.sense):
            delay, slew = (arc.fall, arc.fall_slew) if output_edge else (arc.rise, arc.rise_slew)
            if delay is None:
                continue
            same = slew is not None and delay.same_axes(slew)
            number_of = len(steps)
            steps.append(_Step(arc.input, arc.output, input_edge, output_edge, delay, slew, same))
            free = (number[o, i] < 0) & holds
            here = free & (input_edges == input_edge) & (output_edges == output_edge)
            number[o, i][here] = number_of
    number[number < 0] = len(steps)
    return _Plan(tuple(steps), number)


def _edges(sense: str) -> tuple[tuple[int, int], ...]:
    if sense == "positive_unate":
        return (RISE, RISE), (FALL, FALL)
    if sense == "negative_unate":
        return (FALL, RISE), (RISE, FALL)
    return (RISE, RISE), (FALL, FALL), (FALL, RISE), (RISE, FALL)


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
