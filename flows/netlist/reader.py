"""What netlist did Yosys write, and is it sound?"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from axdse.flows.liberty.library import Library
from axdse.flows.netlist.netlist import Held, Instance, Netlist, Port, Register, in_order
from axdse.flows.netlist.pipeline_check import checked
from axdse.flows.yosys import read_modules
from axdse.multipliers.designs.rtl_text import Rtl
from axdse.multipliers.errors import AxdseError

# Yosys numbers nets from 2 in JSON, which leaves 0 and 1 to stand for themselves.
CONSTANTS = {"0": 0, "1": 1}
UNKNOWN = -1


def read_netlist(path: Path, rtl: Rtl, library: Library) -> Netlist:
    """Read what Yosys' `write_json` wrote for `rtl`.

    Raises:
        AxdseError: the ports differ from `rtl`, a bit has no driver, or the design is neither
            combinational nor the pipeline that `rtl` announces: a latch, a loop, a second clock.
    """
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
        (rtl.pipeline.enable, 1),
    ):
        if name:
            yield Held(_port(ports, name, 1, rtl), level)


def _port(ports: dict[str, Any], name: str, width: int, rtl: Rtl) -> Port:
    known = (*rtl.ports, *(rtl.pipeline.ports if rtl.pipeline else ()))
    bits = ports[name]["bits"] if name in ports else []
    if len(bits) != width or len(ports) != len(known):
        found = ", ".join(f"{port}[{len(entry['bits'])}]" for port, entry in ports.items())
        raise AxdseError(
            f"{rtl.top} has ports {', '.join(known)} and no others, {name} of {width} bits",
            found,
            "correct the port list",
        )
    return Port(name, tuple(map(net_of, bits)))


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
