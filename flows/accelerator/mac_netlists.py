"""Is the netlist of a MAC right? Its modules, each mapped in the better way, put together."""

from dataclasses import dataclass

import numpy as np

from axdse.flows.accelerator.mac_activity import Stream
from axdse.flows.accelerator.mac_unit import MacUnit
from axdse.flows.liberty.library import Library
from axdse.flows.netlist.adders import Aim
from axdse.flows.netlist.check import NetlistProof, first_difference
from axdse.flows.netlist.compose import Composed, composed
from axdse.flows.netlist.mapped import Mapped, mapped_ways
from axdse.flows.netlist.netlist import Netlist
from axdse.flows.netlist.registers import plain_flop
from axdse.flows.power.activity import Transitions
from axdse.flows.power.choice import ranked
from axdse.multipliers.designs.datapath import Module
from axdse.multipliers.errors import AxdseError

CHOSEN_BY = 512  # transitions that tell which way takes less energy


@dataclass(frozen=True, eq=False)
class MacNetlist:
    """A MAC without its accumulator and the registers of its operands.

    Attributes:
        composed: its cells.
        ways: by the name of each module, how it is mapped.
        proof: how it was compared: with the model, and each module with its RTL.
    """

    composed: Composed
    ways: dict[str, Mapped]
    proof: NetlistProof


def mapped_unit(
    unit: MacUnit, library: Library, clock_ns: float | None, stream: Stream, aim: Aim
) -> MacNetlist:
    """The netlist of a unit, each module mapped in the way that takes less under a stream.

    Args:
        unit: what is mapped.
        library: with power tables, if the aim is energy; else area decides.
        clock_ns: see `synthesise_for`: each module is mapped for it alone.
        stream: of what the unit meets.
        aim: energy with glitches, of a module between settled inputs; or area.

    Raises:
        AxdseError: a tool fails, or the netlist differs from the model.
    """
    path, flop = unit.path, plain_flop(library)
    modules = {block.module.name: block.module for block in path.blocks}
    ways = {name: mapped_ways(each, library, clock_ns) for name, each in modules.items()}
    first = {name: options[0] for name, options in ways.items()}
    whole = composed(path, {name: way.netlist for name, way in first.items()}, flop)
    if any(len(options) > 1 for options in ways.values()):
        by_energy = aim == "energy" and not library.lacks
        given = _settled(unit, whole, stream) if by_energy else {}
        first = {
            name: ranked(options, _netlist, library, clock_ns, given.get(name))[0]
            for name, options in ways.items()
        }
        whole = composed(path, {name: way.netlist for name, way in first.items()}, flop)
    proven = all(way.proven for way in first.values())
    return MacNetlist(whole, first, _compared(unit, whole.netlist, proven=proven))


def module_netlist(module: Module, library: Library, clock_ns: float | None) -> Mapped:
    """A module alone, in the way that takes the least area."""
    return ranked(mapped_ways(module, library, clock_ns), _netlist, library, clock_ns, None)[0]


def _netlist(way: Mapped) -> Netlist:
    return way.netlist


def _settled(unit: MacUnit, whole: Composed, stream: Stream) -> dict[str, Transitions]:
    """What the first block of each module meets, from one settled state to the next."""
    every = stream.transitions
    here = np.s_[:CHOSEN_BY]
    before, after = (
        whole.netlist.waves(*sides)
        for sides in ((every.a[here], every.b[here]), (every.next_a[here], every.next_b[here]))
    )
    count, met = len(every.a[here]), {}
    for block, (a, b, _) in zip(unit.path.blocks, whole.nets, strict=True):
        if block.module.name not in met:
            codes = [_codes(waves, nets, count) for waves in (before, after) for nets in (a, b)]
            met[block.module.name] = Transitions(*codes)
    return met


def _codes(waves: np.ndarray, nets: tuple[int, ...], count: int) -> np.ndarray:
    """Codes of nets, uint64 [count], or [count, words] of more than 64 bits."""
    octets = np.ascontiguousarray(waves[list(nets)]).view(np.uint8)
    bits = np.unpackbits(octets, axis=1, count=count, bitorder="little")
    lanes = np.packbits(bits.T, axis=1, bitorder="little")
    words = np.pad(lanes, ((0, 0), (0, -lanes.shape[1] % 8)))
    codes = np.ascontiguousarray(words).view(np.uint64)
    return codes if len(nets) > 64 else codes[:, 0]


def _compared(unit: MacUnit, netlist: Netlist, *, proven: bool) -> NetlistProof:
    a, b, c = unit.stimulus()
    _, expected = unit.steps(a, b, c)
    found = first_difference(netlist, unit.packed(a, b), c, expected[:, 0])
    if found:
        ab, held, got, right = found
        raise AxdseError(
            f"the mapped netlist of {unit.mac.name} must add as its model does",
            f"ab={ab:#x}, c={held:#x} gives {got:#x}, not {right:#x}",
            "report it: the synthesis is at fault",
        )
    return NetlistProof("cec" if proven else "sampled", len(c))
