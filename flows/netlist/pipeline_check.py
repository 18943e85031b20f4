"""Is a netlist with registers a pipeline, and how long does a product take?"""

from dataclasses import replace

import numpy as np

from axdse.flows.formal.aig import codes_of
from axdse.flows.netlist.netlist import MOST_STAGES, Netlist, Register
from axdse.multipliers.designs.family import Pipeline
from axdse.multipliers.errors import AxdseError

APART = 2 * MOST_STAGES  # cycles between two changes of the operands
CHANGES = 64


def checked(netlist: Netlist, pipeline: Pipeline) -> Netlist:
    """Return the netlist with its latency.

    Raises:
        AxdseError: the clock drives more than clock pins, a set or a reset is active while the
            design runs, there is feedback, or products come after another number of cycles.
    """
    _check_clock(netlist)
    _check_held(netlist)
    found = _latencies(netlist)
    if len(found) > 1 or (found and pipeline.latency not in (None, *found)):
        wanted = (
            "one and the same" if pipeline.latency is None else f"{pipeline.latency}, the stated"
        )
        raise AxdseError(
            f"products of {netlist.top} follow their operands after {wanted} number of cycles",
            " and ".join(map(str, found)),
            "balance the stages, or correct the latency",
        )
    return replace(netlist, latency=found[0] if found else pipeline.latency or 0)


def _check_clock(netlist: Netlist) -> None:
    clock = netlist.clock.nets[0] if netlist.clock else -1
    used = [pin for cell in netlist.instances for pin in cell.pins if pin[1] == clock]
    used += [pin for reg in netlist.registers for pin in reg.pins if _astray(reg, pin, clock)]
    if used or clock in netlist.product.nets:
        raise AxdseError(
            f"the clock of {netlist.top} drives every register, and nothing else",
            used[0][0] if used else netlist.product.name,
            "use one edge of one clock, without gates",
        )


def _astray(register: Register, pin: tuple[str, int], clock: int) -> bool:
    """Whether a pin is a clock pin without the clock, or the other way round."""
    return (pin[0] == register.flop.clock) != (pin[1] == clock)


def _check_held(netlist: Netlist) -> None:
    a, b = _operands(netlist, np.random.default_rng(0), APART)
    nets = netlist.waves(a, b)
    for register in netlist.registers:
        flop, pins = register.flop, dict(register.pins)
        bits = [
            codes_of([nets[pins[pin]]], APART) if pin != flop.clock else 0 for pin in flop.inputs
        ]
        states = sum(bit << np.uint64(number) for number, bit in enumerate(bits))
        for condition in filter(None, (flop.clear, flop.preset)):
            if flop.holds(condition)[np.asarray(states, dtype=np.int64)].any():
                raise AxdseError(
                    f"no register of {netlist.top} is set or reset while the design runs",
                    f"{flop.name} with {condition}",
                    "reset with the reset port alone, and name its level",
                )


def _latencies(netlist: Netlist) -> list[int]:
    """After how many cycles the products show that single pairs of operands are others."""
    random = np.random.default_rng(1)
    cycles = APART * CHANGES
    a, b = _operands(netlist, random, cycles)
    changed = np.arange(cycles) % APART == 0
    others = (
        np.where(changed, *pair)
        for pair in zip(_operands(netlist, random, cycles), (a, b), strict=True)
    )
    wrong = netlist.simulate(a, b) != netlist.simulate(*others)
    return sorted({int(cycle) % APART for cycle in np.flatnonzero(wrong)})


def _operands(
    netlist: Netlist, random: np.random.Generator, cycles: int
) -> tuple[np.ndarray, np.ndarray]:
    a, b = (
        random.integers(0, 1 << len(port.nets), cycles, dtype=np.uint64)
        for port in (netlist.a, netlist.b)
    )
    return a, b
