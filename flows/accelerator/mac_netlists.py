"""Are the netlists of unit and adder right, and what do they take?"""

from dataclasses import dataclass

import numpy as np

from axdse.flows.accelerator.accumulator import Accumulator, FloatAccumulator, accumulator_of
from axdse.flows.liberty.library import Library
from axdse.flows.netlist.check import NetlistProof, check_design, first_difference, is_mapped
from axdse.flows.netlist.delays import Delays, delays_of
from axdse.flows.netlist.netlist import Netlist
from axdse.flows.netlist.synthesis import synthesise_for
from axdse.flows.netlist.timing import critical_path_ns
from axdse.flows.power.activity import Transitions, simulate
from axdse.flows.power.power import Power, power_of
from axdse.flows.tools import find_tool
from axdse.multipliers.cache import cached, digest
from axdse.multipliers.designs.candidate import Candidate
from axdse.multipliers.designs.rtl_text import unit_rtl
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.provenance import code_digest

SAMPLE = 1 << 16  # sums with which a mapped adder is compared with its model
NEAR = 4  # exponents of half of them differ by less


@dataclass(frozen=True, eq=False)
class MacPart:
    """A combinational part of a MAC."""

    netlist: Netlist
    delays: Delays
    library: Library
    proof: NetlistProof

    @property
    def delay_ns(self) -> float:
        """Critical path."""
        return critical_path_ns(self.netlist, self.library)

    def power(self, transitions: Transitions) -> Power:
        """Power with glitches."""
        activity = simulate(self.netlist, self.delays, transitions)
        return power_of(self.netlist, self.delays, activity, self.library)


def mapped_unit(candidate: Candidate, library: Library, clock_ns: float | None) -> MacPart:
    """The multiplier unit.

    Raises:
        AxdseError: a tool fails, or the netlist differs from the C model.
    """
    netlist, _ = synthesise_for(unit_rtl(candidate), library, clock_ns)
    return MacPart(netlist, delays_of(netlist), library, check_design(netlist, candidate))


def mapped_adder(candidate: Candidate, library: Library, clock_ns: float | None) -> MacPart:
    """The adder behind the unit.

    Raises:
        AxdseError: a tool fails, or the netlist differs from the model.
    """
    accumulator = accumulator_of(candidate.format)
    netlist, _ = synthesise_for(accumulator.rtl, library, clock_ns)
    return MacPart(netlist, delays_of(netlist), library, check_adder(netlist, accumulator))


def check_adder(netlist: Netlist, accumulator: Accumulator) -> NetlistProof:
    """Compare a mapped adder with its model, on `SAMPLE` sums and products, and with its RTL.

    The proof takes seconds, and a search has few adders: it is cached under the netlist.

    Raises:
        AxdseError: they differ; operands are shown.
    """
    sums, products = addends(accumulator, SAMPLE, seed=0)
    found = first_difference(netlist, sums, products, accumulator.added(sums, products))
    if found:
        a, b, got, expected = found
        raise AxdseError(
            f"the mapped netlist of {netlist.top} must add as its model does",
            f"a={a:#x}, b={b:#x} gives {got:#x}, not {expected:#x}",
            "report it: the synthesis is at fault",
        )
    abc = find_tool("yosys-abc").version
    key = digest(accumulator.rtl.digest, netlist.verilog(), abc, code_digest(__name__))

    def prove() -> NetlistProof:
        proven = is_mapped(netlist, accumulator.rtl)
        return NetlistProof("cec" if proven else "sampled", SAMPLE)

    return cached("adder", key, NetlistProof, prove)


def addends(accumulator: Accumulator, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw codes of sums and of products, uint64 [count].

    Floats: one half uniform; one half with exponents near one another, at which bits cancel, and a
    quarter of these with the leading bits of the fraction alike. Products have no subnormals.
    """
    random = np.random.default_rng(seed)
    rtl = accumulator.rtl
    sums, products = (
        random.integers(0, 1 << bits, count, dtype=np.uint64) for bits in (rtl.a_bits, rtl.b_bits)
    )
    if not isinstance(accumulator, FloatAccumulator):
        return sums, products
    e, f = accumulator.product_exponent, accumulator.product_fraction
    width, r = accumulator.sum_exponent, accumulator.sum_fraction
    exponent = (products >> np.uint64(f)).astype(np.int64) & ((1 << e) - 1)
    sign = np.uint64(1 << (e + f))
    products = np.where(exponent == 0, products & sign, products)
    offset = (1 << (width - 1)) - (1 << (e - 1))
    near = exponent + offset + random.integers(1 - NEAR, NEAR, count)
    near = np.clip(near, 0, (1 << width) - 1).astype(np.uint64) << np.uint64(r)
    fraction = sums & np.uint64((1 << r) - 1)
    alike = (products & np.uint64((1 << f) - 1)) << np.uint64(max(0, r - f))
    alike = alike >> np.uint64(max(0, f - r)) ^ (fraction >> np.uint64(r - min(r, 4)))
    fraction = np.where(np.arange(count) % 4 == 1, alike, fraction)
    close = sums & np.uint64(1 << (width + r)) | near | fraction
    return np.where(np.arange(count) % 2, close, sums), products
