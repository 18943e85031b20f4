"""How does RTL become a netlist of library cells, and the smallest that meets a clock?"""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from axdse.flows.liberty.library import Library, mappable
from axdse.flows.netlist.adders import FILE as ADDER_RULES
from axdse.flows.netlist.adders import Adders, rules
from axdse.flows.netlist.adders import steps as adder_steps
from axdse.flows.netlist.delays import delays_of
from axdse.flows.netlist.flat import Instance
from axdse.flows.netlist.netlist import Held, Netlist, Port, Register, in_order
from axdse.flows.netlist.pipeline_check import checked
from axdse.flows.netlist.registers import flip_flop
from axdse.flows.scripts import is_plain, program_word, script_word, write_rtl
from axdse.flows.tools import find_tool
from axdse.flows.yosys import port_bits, read_modules, run_yosys
from axdse.multipliers.cache import temporary_folder
from axdse.multipliers.designs.rtl_text import Rtl
from axdse.multipliers.errors import AxdseError, MachineError
from axdse.multipliers.sandbox.compiler import native_file

# Yosys numbers nets from 2 in JSON, which leaves 0 and 1 to stand for themselves.
CONSTANTS = {"0": 0, "1": 1}
UNKNOWN = -1
# Area first: structural choices (dch) let amap cover arithmetic with the library's complex cells;
# about 17% smaller than Yosys' own ABC script on an 8x8 array in osu018.
ABC_SCRIPT = "strash;ifraig;scorr;dc2;strash;dch,-f;amap,-m;topo"
SYNTH = "synth -flatten -noabc"
STEPS = (
    "read_verilog rtl.v",
    "hierarchy -check -top {top}",
    SYNTH,
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


def read_netlist(path: Path, rtl: Rtl, library: Library) -> Netlist:
    """Read what Yosys' `write_json` wrote for `rtl`.

    Raises:
        AxdseError: the ports differ from `rtl`, a bit has no driver, or the design is neither
            combinational nor the pipeline that `rtl` announces: a latch, a loop, a second clock.
    """
    if rtl.pipeline and rtl.pipeline.start:
        rule = "a cost is of designs that take operands at every edge"
        raise AxdseError(rule, f"{rtl.top} waits for {rtl.pipeline.start}", "verify it alone")
    module = read_modules(path, rtl.top)[rtl.top]
    entries, ports = list(module["cells"].values()), module["ports"]
    cells = {cell.name: cell for cell in library.cells}
    flops = {flop.name: flop for flop in library.flops} if rtl.pipeline else {}
    instances = [
        Instance(cells[entry["type"]], _pins(entry)) for entry in entries if entry["type"] in cells
    ]
    registers = tuple(
        Register(flops[entry["type"]], _pins(entry)) for entry in entries if entry["type"] in flops
    )
    for entry in entries:
        if entry["type"] not in cells.keys() | flops.keys():
            raise _unknown(entry["type"], rtl)
    widths = (rtl.a_bits, rtl.b_bits, rtl.product_bits)
    a, b, product = (
        _port(ports, name, width, rtl) for name, width in zip(rtl.ports, widths, strict=True)
    )
    netlist = Netlist(rtl.top, a, b, product, in_order(instances, rtl), registers)
    if rtl.pipeline:
        clock = _port(ports, rtl.pipeline.clock, 1, rtl)
        netlist = replace(netlist, clock=clock, held=tuple(_held(ports, rtl)))
    _check_driven(netlist)
    return checked(netlist, rtl.pipeline) if rtl.pipeline else netlist


def _held(ports: dict[str, Any], rtl: Rtl) -> Iterator[Held]:
    assert rtl.pipeline
    for name, level in (
        (rtl.pipeline.reset, 1 - rtl.pipeline.reset_level),
        (rtl.pipeline.enable, rtl.pipeline.enable_level),
    ):
        if name:
            yield Held(_port(ports, name, 1, rtl), level)


def _port(ports: dict[str, Any], name: str, width: int, rtl: Rtl) -> Port:
    return Port(name, tuple(map(net_of, port_bits(ports, name, width, rtl))))


def _pins(entry: dict[str, Any]) -> tuple[tuple[str, int], ...]:
    return tuple((pin, net_of(bits[0])) for pin, bits in entry["connections"].items())


def _unknown(kind: str, rtl: Rtl) -> AxdseError:
    latch = "LATCH" in kind.upper()
    if rtl.pipeline:
        what = "a latch" if latch else "the library has none with a rising clock"
        return AxdseError(
            f"{rtl.top} must be a pipeline of flip-flops",
            f"{kind} ({what})",
            "assign every output in every branch, and load registers at rising edges",
        )
    what = "a latch" if latch else "no combinational cell of the library"
    return AxdseError(
        f"{rtl.top} must be combinational logic",
        f"{kind} ({what})",
        "assign every output in every branch, without clocks",
    )


def _check_driven(netlist: Netlist) -> None:
    driven = {
        0,
        1,
        *netlist.a.nets,
        *netlist.b.nets,
        *(netlist.clock.nets if netlist.clock else ()),
    }
    driven.update(net for held in netlist.held for net in held.port.nets)
    driven.update(net for register in netlist.registers for net, _ in register.outputs)
    needed = [(f"{netlist.product.name}[{i}]", net) for i, net in enumerate(netlist.product.nets)]
    for instance in netlist.instances:
        pins = dict(instance.pins)
        driven.update(pins[pin] for pin, _ in instance.cell.outputs if pin in pins)
        needed += [(f"{instance.cell.name}.{pin}", pins[pin]) for pin, _ in instance.cell.inputs]
    for register in netlist.registers:
        pins = dict(register.pins)
        needed += [(f"{register.flop.name}.{pin}", pins[pin]) for pin in register.flop.inputs]
    missing = [place for place, net in needed if net not in driven]
    if missing:
        raise AxdseError(
            f"every bit of {netlist.top} needs a driver", f"{missing[0]} has none", "assign it"
        )


def net_of(bit: int | str) -> int:
    """Return the net of one bit in Yosys' JSON; an undriven bit is `UNKNOWN`."""
    return bit if isinstance(bit, int) else CONSTANTS.get(bit, UNKNOWN)


def abc_environment() -> dict[str, str]:
    """Variables for a process that runs ABC, itself or in a child: see `quiet_clock.c`.

    Raises:
        AxdseError: the compiler is missing or fails.
    """
    clock, others = (
        native_file(Path(__file__).with_name("quiet_clock.c")),
        os.environ.get("LD_PRELOAD", "").split(),
    )
    # A list has no quotes: without the library ABC is slower, and right.
    own = [str(clock)] if is_plain(clock) else []
    return {**os.environ, "LD_PRELOAD": " ".join([*own, *others])}


def synthesis_script(
    top: str,
    abc: str = "yosys-abc",
    script: str = ABC_SCRIPT,
    *,
    registers: bool = False,
    adders: Adders = "none",
) -> str:
    """The Yosys commands, to be run beside `rtl.v` and `library.lib`; `abc` runs ABC.

    With `registers` there is `registers.lib` too, which has flip-flops; with `adders` what
    `adders.rules` gives.
    """
    place = STEPS.index("check -assert") + 1
    synth = STEPS.index(SYNTH)
    steps = (
        *(*STEPS[:synth], *adder_steps(SYNTH, adders), *STEPS[synth + 1 : place]),
        *(*((REGISTERS,) if registers else ()), *STEPS[place:]),
    )
    return "".join(
        f"{step.format(top=script_word(top), abc=abc, script=script)}\n" for step in steps
    )


def synthesise(
    rtl: Rtl, library: Library, script: str = ABC_SCRIPT, adders: Adders = "none"
) -> Netlist:
    """Map a design to the cells of a library; `script` is for ABC.

    Args:
        rtl: the design.
        library: with a full adder, if `adders` is not "none".
        script: for ABC.
        adders: where cells that add come from.

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
        if adders != "none":
            (folder / ADDER_RULES).write_text(rules(library))
        commands = synthesis_script(rtl.top, abc, script, registers=pipeline, adders=adders)
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


def synthesise_for(
    rtl: Rtl, library: Library, clock_ns: float | None, adders: Adders = "none"
) -> tuple[Netlist, str]:
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
            netlist = synthesise(rtl, library, script, adders)
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
