"""Is our activity right? Icarus on the gates, with the delays of OpenSTA.

Nothing here is shared with `activity.py`: the cells are the library's own Verilog, the delays come
from OpenSTA as SDF, and toggles are read from a VCD. It is slow, and serves as a check.
"""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from axdse.flows.liberty.library import Library
from axdse.flows.netlist.netlist import Netlist
from axdse.flows.power.activity import Transitions
from axdse.flows.scripts import script_word
from axdse.flows.tools import find_tool
from axdse.multipliers.cache import temporary_folder
from axdse.multipliers.errors import AxdseError

TIME_LIMIT_S = 300
SDF = """\
read_liberty library.lib
read_verilog netlist.v
link_design {top}
write_sdf -divider . -digits 6 netlist.sdf
"""
TIMESCALE = re.compile(r"^`timescale.*$", re.MULTILINE)
PRECISE = "`timescale 1ns/1ps"
BENCH = """\
`timescale 1ns/1ps
module bench;
  reg [{a}:0] a; reg [{b}:0] b; wire [{p}:0] p;
  reg [{pair}:0] pairs [0:{last}];
  reg clock = 0;
  integer i;
  {top} dut ({controls}.{port_a}(a), .{port_b}(b), .{port_p}(p));
  task cycle(input integer pair);
    begin
      clock = 1;
      {{a, b}} <= pairs[pair];
      #{half};
      clock = 0;
      #{half};
    end
  endtask
  initial begin
    $sdf_annotate("netlist.sdf", dut);
    $readmemh("pairs.hex", pairs);
    for (i = 0; i <= {rest}; i = i + 1) cycle(0);
    $dumpfile("toggles.vcd");
    $dumpvars(1, dut);
    for (i = 1; i <= {last}; i = i + 1) cycle(i);
    for (i = 0; i < {rest}; i = i + 1) cycle({last});
    $finish;
  end
endmodule
"""
WIRE = re.compile(rb"\$var wire\s+1 (\S+) n(\d+) \$end")


@dataclass(frozen=True)
class GateToggles:
    """Toggles of the nets that cells drive, by number."""

    nets: tuple[int, ...]
    toggles: tuple[int, ...]


def gate_toggles(
    netlist: Netlist, library: Library, transitions: Transitions, period_ns: float
) -> GateToggles:
    """Count toggles in Icarus; each transition must start where the last one ended.

    A pipeline rests before and after, as in `activity`; operands come with the clock.

    Raises:
        AxdseError: a tool or the library's Verilog is missing or fails.
    """
    cells = library.path.with_suffix(".v")
    try:
        models = TIMESCALE.sub(PRECISE, cells.read_text())
    except OSError as error:
        rule = "a gate-level simulation needs the Verilog of the cells beside their Liberty file"
        raise AxdseError(rule, f"{cells} ({error.strerror})", "take its path") from error
    with temporary_folder() as folder:
        plain = library.registered_path if netlist.clock else library.plain_path
        (folder / "library.lib").symlink_to(plain)
        (folder / "cells.v").write_text(models)
        (folder / "netlist.v").write_text(f"{PRECISE}\n{netlist.verilog()}")
        (folder / "bench.v").write_text(_bench(netlist, transitions, period_ns))
        (folder / "pairs.hex").write_text(_pairs(netlist, transitions))
        (folder / "sdf.tcl").write_text(SDF.format(top=script_word(netlist.top)))
        _run("sta", ["-no_init", "-no_splash", "-exit", "sdf.tcl"], folder)
        sources = ["bench.v", "netlist.v", "cells.v"]
        flags = ["-g2012", "-gspecify", "-Tmax", "-s", "bench", "-o", "bench.vvp"]
        _run("iverilog", [*flags, *sources], folder)
        _run("vvp", ["-n", "bench.vvp"], folder)
        return _count((folder / "toggles.vcd").read_bytes())


def _run(tool: str, arguments: list[str], folder: Path) -> None:
    result = find_tool(tool).run(arguments, folder=folder, limit_s=TIME_LIMIT_S)
    # vvp goes on without delays when it cannot read them.
    if result.exit_code or "error" in result.log.lower():
        lines = [line for line in result.log.splitlines() if "rror" in line]
        reason = (lines or [f"exit code {result.exit_code}"])[0]
        raise AxdseError(f"{tool} must simulate the mapped netlist", reason, "check the library")


def _bench(netlist: Netlist, transitions: Transitions, period_ns: float) -> str:
    a, b, p = (len(port.nets) for port in (netlist.a, netlist.b, netlist.product))
    controls = [(held.port.name, f"1'b{held.level}") for held in netlist.held]
    controls += [(netlist.clock.name, "clock")] if netlist.clock else []
    return BENCH.format(
        controls="".join(f".{script_word(port)}({value}), " for port, value in controls),
        half=period_ns / 2,
        rest=netlist.latency + 1 if netlist.clock else 0,
        a=a - 1,
        b=b - 1,
        p=p - 1,
        pair=a + b - 1,
        last=transitions.count,
        top=script_word(netlist.top),
        port_a=script_word(netlist.a.name),
        port_b=script_word(netlist.b.name),
        port_p=script_word(netlist.product.name),
    )


def _pairs(netlist: Netlist, transitions: Transitions) -> str:
    bits = len(netlist.b.nets)
    a = np.append(transitions.a, transitions.next_a[-1:]).tolist()
    b = np.append(transitions.b, transitions.next_b[-1:]).tolist()
    return "".join(f"{x << bits | y:x}\n" for x, y in zip(a, b, strict=True))


def _count(vcd: bytes) -> GateToggles:
    names = {found[1]: int(found[2]) for found in WIRE.finditer(vcd)}
    body = vcd[vcd.index(b"$end", vcd.index(b"$dumpvars")) :]
    changes = Counter(line[1:] for line in body.split(b"\n") if line[:1] in (b"0", b"1"))
    nets = sorted((net, changes[name]) for name, net in names.items())
    return GateToggles(tuple(net for net, _ in nets), tuple(count for _, count in nets))
