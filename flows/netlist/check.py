"""Does a mapped netlist compute what the C model says? Else its cost is void.

All operand pairs go through netlist and C model while there are few enough. Beyond, a sample does,
and ABC proves that the netlist, as an and-inverter graph, is its RTL, of which `axdse verify` asks
the same.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from axdse.flows.evidence.stimulus import Stimulus, core_stimulus, unit_stimulus
from axdse.flows.formal.aig import FALSE, TRUE, Aig, Builder
from axdse.flows.formal.bitslice import sweep
from axdse.flows.formal.gates import WORDS, read_gates
from axdse.flows.formal.proof import ALWAYS_BITS, same_function
from axdse.flows.liberty.cells import Gate
from axdse.flows.netlist.flat import Instance
from axdse.flows.netlist.netlist import MOST_STAGES, Netlist
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.designs.family import Multiplier
from axdse.multipliers.designs.rtl_text import Rtl, core_rtl, unit_rtl
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import FloatFormat
from axdse.multipliers.model.cmodel import products, table_of
from axdse.multipliers.model.unit_oracle import unit_products

Literals = dict[int, int]  # by net
SEED = 0
# ABC takes 0.1 to 0.3 s for the cores and units of the catalogue, or many minutes.
CEC_LIMIT_S = 20.0
SWEEP_LIMIT_S = 300.0
# It takes as long to find the pairs as to compare them, and a search tries many units of a format.
_unit_stimulus = functools.lru_cache(maxsize=2)(unit_stimulus)


def netlist_gates(netlist: Netlist) -> Aig:
    """Return the function of a netlist, cell by cell, as the library states it.

    That of a pipeline is what it gives in the end if its operands stay.

    Raises:
        AxdseError: a pipeline has feedback.
    """
    a, b, product = netlist.a.nets, netlist.b.nets, netlist.product.nets
    graph = Builder(len(a) + len(b))
    still = {0: FALSE, 1: TRUE} | {net: 2 * n for n, net in enumerate((*a, *b), 1)}
    still |= {net: held.level for held in netlist.held for net in held.port.nets}
    shown = {net: int(flip) for reg in netlist.registers for net, flip in reg.outputs}
    for _ in range(MOST_STAGES + 1):
        literals = _settled(graph, netlist, still | shown)
        after = _shown(netlist, literals)
        if after == shown:
            return graph.finish(len(a), len(b), [literals[net] for net in product])
        shown = after
    raise AxdseError(
        f"{netlist.top} must be a pipeline without feedback",
        f"its registers do not come to rest within {MOST_STAGES} cycles",
        "accumulators and sequential multipliers have no cost",
    )


def _shown(netlist: Netlist, literals: Mapping[int, int]) -> Literals:
    """The outputs of the registers, one cycle later."""
    return {
        net: literals[register.data] ^ flip
        for register in netlist.registers
        for net, flip in register.outputs
    }


def _settled(graph: Builder, netlist: Netlist, literals: Literals) -> Literals:
    for instance in netlist.instances:
        literals.update(_outputs(graph, instance, literals))
    return literals


def _outputs(graph: Builder, instance: Instance, literals: Mapping[int, int]) -> Literals:
    """Literals of the nets that a cell drives."""
    cell, pins = instance.cell, dict(instance.pins)
    inner = {0: FALSE, 1: TRUE} | {net: literals[pins[pin]] for pin, net in cell.inputs}
    for gate in cell.gates:
        inner[gate.output] = _literal(graph, gate, [inner[net] for net in gate.inputs])
    return {pins[pin]: inner[net] for pin, net in cell.outputs if pin in pins}


def _literal(graph: Builder, gate: Gate, pins: list[int]) -> int:
    if gate.kind == "$_AND_":
        return graph.both(*pins)
    if gate.kind == "$_OR_":
        return graph.both(pins[0] ^ 1, pins[1] ^ 1) ^ 1
    return graph.differ(*pins) if gate.kind == "$_XOR_" else pins[0] ^ 1


class NetlistError(AxdseError):
    """A netlist computes something else than it should."""


@dataclass(frozen=True)
class NetlistProof:
    """How a mapped netlist was compared.

    Attributes:
        method: "exhaustive": with the C model on all operand pairs; "cec": with the RTL, by ABC,
            and with the C model on a sample; "sampled": with the C model on a sample alone.
        vectors: operand pairs on which it equals the C model.
    """

    method: Literal["exhaustive", "cec", "sampled"]
    vectors: int

    @property
    def proven(self) -> bool:
        """Whether no operand pair can differ from what it was compared with."""
        return self.method != "sampled"

    @property
    def text(self) -> str:
        """What was done, for people."""
        if self.method == "exhaustive":
            return f"equal to the C model on all {self.vectors:,} operand pairs"
        sample = f"equal to the C model on {self.vectors:,} operand pairs"
        return f"{sample}, {'and proven' if self.proven else 'not proven'} equal to its RTL"


def check_design(
    netlist: Netlist, design: Multiplier | Candidate, limit_s: float = CEC_LIMIT_S
) -> NetlistProof:
    """`check_core` or `check_unit`.

    Raises:
        AxdseError: as they do.
    """
    if isinstance(design, Candidate):
        return check_unit(netlist, design, limit_s)
    return check_core(netlist, design, limit_s)


def check_core(
    netlist: Netlist, multiplier: Multiplier, limit_s: float = CEC_LIMIT_S
) -> NetlistProof:
    """Compare a mapped core with its model, on all pairs up to 12 x 12 bits, or with its RTL.

    A pipeline meets a new pair in each cycle of the sample, and stays with each of the others; a
    wider one is sampled alone, and what a pair gives after every other is never proven.

    Args:
        netlist: the core.
        multiplier: what it was mapped from.
        limit_s: CPU time for ABC, in seconds; 0: it is not asked.

    Raises:
        AxdseError: they differ, operands are shown; or a tool or the model fails.
    """
    stimulus = core_stimulus(multiplier.a_bits, multiplier.b_bits, SEED)
    if stimulus.exhaustive:
        expected = table_of(multiplier)[stimulus.a, stimulus.b]
    else:
        expected = products(multiplier, stimulus.a, stimulus.b)
    _compare(netlist, multiplier.spec, stimulus, expected)
    few = multiplier.a_bits + multiplier.b_bits <= ALWAYS_BITS
    if few and not stimulus.exhaustive and not multiplier.family.takes_floats:
        proof = _exhaust(netlist, multiplier)
    else:
        proof = _proof(netlist, stimulus, core_rtl(multiplier), limit_s)
    # All pairs are not all pasts.
    return replace(proof, method="sampled") if multiplier.family.pipeline else proof


def check_unit(
    netlist: Netlist, candidate: Candidate, limit_s: float = CEC_LIMIT_S
) -> NetlistProof:
    """Compare a mapped unit with its oracle, on all pairs up to 9 bits, or with its RTL.

    Args:
        netlist: the unit.
        candidate: what it was mapped from.
        limit_s: CPU time for ABC, in seconds; 0: it is not asked.

    Raises:
        AxdseError: they differ, operands are shown; or a tool or the model fails.
    """
    number_format = candidate.format
    if isinstance(number_format, FloatFormat):
        stimulus = _unit_stimulus(number_format, SEED)
    else:
        first, second = number_format.operands
        stimulus = core_stimulus(first.bits, second.bits, SEED)
    expected = unit_products(candidate, stimulus.a, stimulus.b)
    _compare(netlist, candidate.name, stimulus, expected)
    return _proof(netlist, stimulus, unit_rtl(candidate), limit_s)


def is_mapped(netlist: Netlist, rtl: Rtl, limit_s: float = CEC_LIMIT_S) -> bool:
    """Whether ABC proves that a netlist is what it was mapped from; False: not in that time.

    Raises:
        AxdseError: they differ, operands are shown; an x of the RTL reaches the product; or a tool
            fails.
    """
    gates, own = read_gates(rtl, WORDS), netlist_gates(netlist)
    answer = same_function(own, gates, limit_s)
    if answer.counter_example:
        a, b = answer.counter_example
        pair = np.array([a], dtype=np.uint64), np.array([b], dtype=np.uint64)
        sure, maybe = (int(graph.simulate(*pair)[0]) for graph in gates.bounds())
        if sure != maybe:
            rule = f"no x or z of {rtl.top} may reach its product"
            value = f"a={a:#x}, b={b:#x} leaves bits {sure ^ maybe:#x} open"
            raise AxdseError(rule, value, "assign every bit for every operand")
        raise _differ(rtl.top, "RTL", (a, b), (int(own.simulate(*pair)[0]), sure))
    return answer.verdict == "equal"


def _exhaust(netlist: Netlist, multiplier: Multiplier) -> NetlistProof:
    found = sweep(multiplier, netlist_gates(netlist), limit_s=SWEEP_LIMIT_S)
    if found.mismatches:
        first = found.examples[0]
        values = int(first.got, 16), first.expected
        raise _differ(multiplier.spec, "C model", (first.a, first.b), values)
    return NetlistProof("exhaustive", found.pairs)


def _proof(netlist: Netlist, stimulus: Stimulus, rtl: Rtl, limit_s: float) -> NetlistProof:
    if stimulus.exhaustive:
        return NetlistProof("exhaustive", stimulus.vectors)
    proven = limit_s and not rtl.pipeline and is_mapped(netlist, rtl, limit_s)
    return NetlistProof("cec" if proven else "sampled", stimulus.vectors)


def first_difference(
    netlist: Netlist, a: np.ndarray, b: np.ndarray, expected: np.ndarray
) -> tuple[int, int, int, int] | None:
    """Simulate operands, and return the first pair whose product is another.

    Args:
        netlist: what is simulated.
        a: uint64 codes of first operands.
        b: likewise of second ones.
        expected: likewise of products.

    Returns:
        a, b, what the netlist gives and what was expected; None: nothing differs.
    """
    got = netlist.simulate(a, b)
    wrong = np.flatnonzero(got != expected)
    if not wrong.size:
        return None
    operand, other, product, right = (int(v[wrong[0]]) for v in (a, b, got, expected))
    return operand, other, product, right


def _compare(netlist: Netlist, design: str, stimulus: Stimulus, expected: np.ndarray) -> None:
    found = first_difference(netlist, stimulus.a, stimulus.b, expected)
    if found:
        raise _differ(design, "C model", found[:2], found[2:])


def _differ(
    design: str, other: str, operands: tuple[int, int], products: tuple[int, int]
) -> NetlistError:
    a, b, got, expected = (*operands, *products)
    return NetlistError(
        f"the mapped netlist of {design} must compute what the {other} does",
        f"a={a:#x}, b={b:#x} gives {got:#x}, not {expected:#x}",
        "run axdse verify: if the RTL passes, the synthesis is at fault",
    )
