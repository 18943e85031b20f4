"""Does a synthesiser read in the RTL what the simulator answered?

The gates that Yosys reads meet every vector of the simulation again. An x or z, and what only a
simulator takes for one, is an unknown of which the product must not depend. A pipeline, as gates
and flip-flops, goes through the same bench as its text did, stalls and reset included.
"""

import numpy as np

from axdse.flows.evidence.report import Mismatch, Reading, Response
from axdse.flows.evidence.stimulus import Stimulus
from axdse.flows.formal.aig import Aig
from axdse.flows.formal.gates import BEYOND, REGISTERS, SCRIPT, read_synthesised
from axdse.flows.simulation.icarus import BENCHES, simulate
from axdse.flows.tools import find_tool
from axdse.multipliers.cache import digest, load, store
from axdse.multipliers.designs.rtl_text import Rtl
from axdse.multipliers.provenance import code_digest

EXAMPLES = 8


def compare_readings(
    rtl: Rtl, stimulus: Stimulus, simulated: np.ndarray, latency: int = 0
) -> Reading:
    """Compare what Yosys reads with the answers of a simulation.

    Args:
        rtl: what was simulated.
        stimulus: the vectors.
        simulated: the answers, or those of the model that they equal, uint64 [vectors].
        latency: of a pipeline, clock edges from operands to product.

    Raises:
        AxdseError: Yosys refuses the RTL, or it is neither combinational nor a pipeline.
    """
    key = _key(rtl, stimulus, simulated, latency)
    known = load("reading", key, Reading)
    if known is None:
        known = _compare(rtl, stimulus, simulated, latency)
        store("reading", key, known)
    return known


def _compare(rtl: Rtl, stimulus: Stimulus, simulated: np.ndarray, latency: int) -> Reading:
    synthesised = read_synthesised(rtl)
    is_gates = isinstance(synthesised, Aig)
    answers = (
        _evaluate(synthesised, stimulus)
        if isinstance(synthesised, Aig)
        else simulate([synthesised], stimulus)[0].response(latency)
    )
    differs = np.flatnonzero((answers.value != simulated) | (answers.unknown != 0))
    examples = tuple(
        Mismatch(
            int(stimulus.a[i]),
            int(stimulus.b[i]),
            int(simulated[i]),
            answers.text(i, rtl.product_bits),
        )
        for i in differs[:EXAMPLES].tolist()
    )
    return Reading(
        tool=find_tool("yosys").version,
        registers=not is_gates,
        vectors=stimulus.vectors,
        mismatches=int(differs.size),
        examples=examples,
    )


def _evaluate(gates: Aig, stimulus: Stimulus) -> Response:
    sure, maybe = (graph.simulate(stimulus.a, stimulus.b) for graph in gates.bounds())
    return Response(maybe, sure ^ maybe)


def _key(rtl: Rtl, stimulus: Stimulus, simulated: np.ndarray, latency: int) -> str:
    """Digest of everything that the comparison depends on."""
    arrays = (stimulus.a, stimulus.b, simulated)
    return digest(
        rtl.digest,
        repr((rtl.ports, rtl.a_bits, rtl.b_bits, rtl.product_bits, rtl.pipeline, latency)),
        SCRIPT,
        BEYOND,
        REGISTERS,
        code_digest(__name__, *BENCHES),
        *(np.ascontiguousarray(array).tobytes() for array in arrays),
        *(find_tool(name).version for name in ("yosys", "iverilog", "vvp")),
    )
