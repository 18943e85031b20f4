"""Is the Verilog of a sum its C model?

Its text is simulated by Icarus on a sample of directed and random steps; the gates that Yosys
reads in it meet all of those, and, up to 2^24, every step that exists: then it is proved. A stage
register is a wire to the gates; Icarus clocks it.
"""

import importlib.metadata
import time
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from axdse.flows.evidence.report import Mismatch, Proof, Reading, RtlReport, Verdict
from axdse.flows.evidence.sum_stimulus import SumStimulus, every_step, sum_stimulus
from axdse.flows.formal.aig import Aig, codes_of, lanes_of
from axdse.flows.formal.gates import read_gates
from axdse.flows.formal.proof import ALWAYS_BITS
from axdse.flows.simulation.sum_bench import simulate_sum
from axdse.flows.tools import find_tool
from axdse.multipliers.cache import cached, digest
from axdse.multipliers.designs.datapath import CLOCK
from axdse.multipliers.designs.design_point import Mac
from axdse.multipliers.designs.rtl_text import Rtl
from axdse.multipliers.designs.sum_rtl import sum_rtl
from axdse.multipliers.designs.sum_shape import SumShape
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.model.sum_unit import sum_digest, sum_unit
from axdse.multipliers.provenance import code_digest
from axdse.multipliers.sandbox.compiler import compiler
from axdse.multipliers.sums.recipe import Sum

EXAMPLES = 8
SIMULATED_BITS = 1 << 17  # of operands: Icarus takes about a second for so many
SLICE = 1 << 20


def check_sum(mac: Mac, *, seed: int = 0) -> RtlReport:
    """Compare one step of a sum, with its cores, with the C model; cached by all it depends on.

    Args:
        mac: with a recipe of a sum.
        seed: of the random steps.

    Raises:
        AxdseError: the MAC's sum is its format's, there is no Verilog of it, a tool is missing or
            fails, or the core's C model does.
    """
    total = mac.recipe
    if total is None:
        rule = "a sum that is verified is a recipe, such as dot(terms=4,align=13)"
        raise AxdseError(rule, mac.name, "give --sum")
    rtl = sum_rtl(mac.candidate, total)
    key = digest(
        mac.name,
        rtl.digest,
        sum_digest(mac.candidate, total),
        str(seed),
        code_digest(__name__),
        *_tools(),
    )
    return cached("sum_check", key, RtlReport, lambda: compare_sum(mac, total, rtl, seed))


def compare_sum(mac: Mac, total: Sum, rtl: Rtl, seed: int = 0) -> RtlReport:
    """As `check_sum`, of any Verilog with that unit's ports; not cached."""
    start = time.monotonic()
    shape = SumShape(mac.candidate, total)
    steps = sum_stimulus(shape, seed)
    expected = _expected(shape, steps)
    sample = steps.spread(max(64, SIMULATED_BITS // rtl.a_bits))
    simulated = _simulated(shape, rtl, sample)
    seconds = time.monotonic() - start
    reading, proof = None, None
    if not simulated:
        gates = read_gates(without_stage(rtl))
        found = _evaluated(shape, gates, steps, expected)
        reading = Reading(
            find_tool("yosys").version, False, steps.rows, len(found), tuple(found[:EXAMPLES])
        )
        if not found and rtl.a_bits + rtl.b_bits <= ALWAYS_BITS:
            proof = _proof(mac, shape, rtl, gates)
    verdict: Verdict = "proved" if proof else "sampled"
    if simulated or (reading and reading.mismatches) or (proof and proof.verdict != "proved"):
        verdict = "mismatch"
    return RtlReport(
        design=mac.name,
        verdict=verdict,
        call="d = sum_step(ab, c)",
        a_bits=rtl.a_bits,
        b_bits=rtl.b_bits,
        product_bits=rtl.product_bits,
        signed=False,
        latency=1 if rtl.pipeline else 0,
        vectors=sample.rows,
        coverage=steps.coverage,
        mismatches=len(simulated),
        examples=tuple(simulated[:EXAMPLES]) or (proof.examples if proof else ()),
        order="straight",
        other_order_mismatches=None,
        model_digest=sum_digest(mac.candidate, total),
        rtl_digest=rtl.digest,
        table_digest="",
        tools=(f"axdse {importlib.metadata.version('axdse')}", *_tools()),
        seed=seed,
        seconds=seconds,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        proof=proof,
        reading=reading,
    )


def without_stage(rtl: Rtl) -> Rtl:
    """The unit with wires in place of its stage register."""
    return replace(rtl, text=rtl.text.replace(f"@(posedge {CLOCK})", "@*"))


def _expected(shape: SumShape, steps: SumStimulus) -> np.ndarray:
    return sum_unit(shape.candidate, shape.sum, steps.a, steps.b, steps.c)


def _simulated(shape: SumShape, rtl: Rtl, steps: SumStimulus) -> list[Mismatch]:
    operands = _packed(shape, steps)
    answers = simulate_sum(rtl, operands, steps.c)
    expected = _expected(shape, steps).tolist()
    return [
        Mismatch(operands[row], int(steps.c[row]), right, answer)
        for row, (right, answer) in enumerate(zip(expected, answers, strict=True))
        if answer != f"{right:0{len(answer)}x}"
    ]


def _evaluated(
    shape: SumShape, gates: Aig, steps: SumStimulus, expected: np.ndarray
) -> list[Mismatch]:
    """Where gates differ from the model, or depend on an unknown."""
    values = zip(shape.port, shape.port_values(steps.a, steps.b), strict=True)
    planes = [plane for pin, value in values for plane in lanes_of(value, pin.width)]
    planes += list(lanes_of(steps.c, shape.register_bits))
    differs, got = np.zeros(steps.rows, bool), expected
    for graph in dict.fromkeys(gates.bounds()):
        got = codes_of(graph.planes(planes), steps.rows)
        differs |= got != expected
    wrong = np.flatnonzero(differs)
    operands = _packed(shape, steps.of(wrong))
    return [
        Mismatch(operands[i], int(steps.c[row]), int(expected[row]), f"{got[row]:x}")
        for i, row in enumerate(wrong.tolist())
    ]


def _proof(mac: Mac, shape: SumShape, rtl: Rtl, gates: Aig) -> Proof:
    """Gates and model on every step."""
    begun, total = time.monotonic(), 1 << (rtl.a_bits + rtl.b_bits)
    examples: list[Mismatch] = []
    pairs = 0
    for first in range(0, total, SLICE):
        steps = every_step(shape, first, min(SLICE, total - first))
        examples += _evaluated(shape, gates, steps, _expected(shape, steps))
        pairs += steps.rows
        if examples:
            break
    return Proof(
        design=mac.name,
        verdict="different" if examples else "proved",
        method="exhaustion",
        pairs=pairs,
        total=total,
        gates=len(gates.ands),
        examples=tuple(examples[:EXAMPLES]),
        model_digest=sum_digest(shape.candidate, shape.sum),
        rtl_digest=rtl.digest,
        tools=_tools(),
        seconds=time.monotonic() - begun,
    )


def _packed(shape: SumShape, steps: SumStimulus) -> list[int]:
    """What the port `ab` gets at each step."""
    packed, place = [0] * steps.rows, 0
    for pin, value in zip(shape.port, shape.port_values(steps.a, steps.b), strict=True):
        packed = [x | y << place for x, y in zip(packed, value.tolist(), strict=True)]
        place += pin.width
    return packed


def _tools() -> tuple[str, ...]:
    return (*(find_tool(name).version for name in ("iverilog", "vvp", "yosys")), compiler()[1])
