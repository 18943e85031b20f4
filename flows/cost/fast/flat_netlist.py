"""What does a mapped netlist compute, and how late is it? In half a millisecond."""

import functools
from dataclasses import dataclass

import numpy as np

from axdse.flows.formal.aig import lanes_of
from axdse.flows.netlist.flat import BLOCK, Flat, FlatLibrary
from axdse.flows.netlist.netlist import Netlist


@dataclass(frozen=True, eq=False)
class Mapped:
    """A combinational netlist in arrays."""

    netlist: Netlist
    flat: Flat

    def first_difference(self, expected: np.ndarray) -> int | None:
        """Compare with the products of all operand pairs.

        Args:
            expected: uint64 [2^a_bits, 2^b_bits].

        Returns:
            The first pair that differs, as an index into `expected.ravel()`.

        Raises:
            AxdseError: a cell has too many inputs.
        """
        operands = _operands(len(self.netlist.a.nets), len(self.netlist.b.nets))
        planes = np.empty((self.flat.nets, operands.shape[1]), dtype=np.uint64)
        planes[0], planes[1] = 0, ~np.uint64(0)
        planes[[*self.netlist.a.nets, *self.netlist.b.nets]] = operands
        self.flat.values(planes)
        return self.flat.first_difference(planes, self.netlist.product.nets, expected)

    def critical_path_ns(self) -> float:
        """Latest edge at an output after the inputs switch."""
        slew, arrival = np.zeros((self.flat.nets, 2)), np.full((self.flat.nets, 2), -np.inf)
        arrival[[*self.netlist.a.nets, *self.netlist.b.nets]] = 0.0
        self.flat.timing(self.flat.loads_pf(), slew, arrival)
        latest = arrival[list(self.netlist.product.nets)].max(initial=0.0)
        return float(max(0.0, latest))


def mapped(netlist: Netlist, library: FlatLibrary) -> Mapped:
    """Put a combinational netlist of a library's cells in arrays."""
    return Mapped(netlist, Flat(netlist.instances, netlist.nets, library))


@functools.lru_cache(4)
def _operands(a_bits: int, b_bits: int) -> np.ndarray:
    """The planes of all pairs, uint64 [bits, words]; the first operand changes last."""
    pairs = np.arange(1 << a_bits + b_bits, dtype=np.uint64)
    planes = lanes_of(pairs, a_bits + b_bits)
    planes = np.concatenate([planes[b_bits:], planes[:b_bits]])
    padded = np.pad(planes, ((0, 0), (0, -planes.shape[1] % BLOCK)))
    padded.setflags(write=False)
    return padded
