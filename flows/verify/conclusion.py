"""What may be said of RTL that agreed with its model in simulation?

That it agreed, unless a synthesiser reads it otherwise; on every pair, if every pair was simulated
and the simulation has no past; for every pair, if its gates were compared with the model on all.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from axdse.flows.evidence.report import Proof, RtlReport
from axdse.flows.evidence.stimulus import Stimulus
from axdse.flows.verify.readings import compare_readings
from axdse.flows.verilog.conditionals import ICARUS, YOSYS, left_for
from axdse.flows.verilog.simulation_past import Past, past_of
from axdse.multipliers.cache import digest
from axdse.multipliers.designs.rtl_text import Rtl
from axdse.multipliers.errors import AxdseError, MachineError


def conclude(
    report: RtlReport,
    rtl: Rtl,
    stimulus: Stimulus,
    expected: np.ndarray | None,
    prove: Callable[[Rtl], Proof] | None = None,
    simulator: frozenset[str] = ICARUS,
) -> RtlReport:
    """Return the report of a simulation with its verdict on all readings of the text.

    Args:
        report: of a simulation that agreed.
        rtl: what was simulated.
        stimulus: the vectors that a synthesiser's reading meets, at least those simulated.
        expected: what the model says to them; None: nobody asks for that reading.
        prove: compares the gates with the model on all pairs, if that is wanted.
        simulator: the macros that it defines.

    Raises:
        AxdseError: the simulation surely depends on its past, or Yosys refuses the RTL.
    """
    past = past_of(rtl.text)
    if past and past.certain:
        raise AxdseError(
            f"the simulation of {rtl.top} depends on its operands alone",
            _told(past, rtl),
            "wait for all that it reads (always @*), and assign it before",
        )
    reading = None
    if expected is not None:
        reading = compare_readings(rtl, stimulus, expected, report.latency)
        if reading.mismatches:
            return replace(report, verdict="mismatch", reading=reading)
    report = replace(report, reading=reading)
    if reading and reading.registers:
        # A pipeline has a past by its nature: no verdict on one says more.
        return replace(report, verdict="sampled")
    report = replace(report, past=_told(past, rtl) if past else "")
    report = replace(report, verdict="exhaustive" if report.whole else "sampled")
    if reading and stimulus.exhaustive and expected is not None:
        report = replace(report, table_digest=digest(expected.tobytes()))
    return _proved(report, rtl, prove, simulator) if prove else report


def _told(past: Past, rtl: Rtl) -> str:
    return f"line {rtl.text.count(chr(10), 0, past.start) + 1}: {past.why}"


def _proved(
    report: RtlReport, rtl: Rtl, prove: Callable[[Rtl], Proof], simulator: frozenset[str]
) -> RtlReport:
    proof = prove(rtl)
    simulated = left_for(rtl.text, simulator)
    sampled = report.verdict == "sampled"
    if sampled and proof.verdict == "proved" and simulated != left_for(rtl.text, YOSYS):
        # What was simulated on a sample is another text than that of the gates.
        try:
            other = prove(replace(rtl, text=simulated))
        except MachineError:
            raise
        except AxdseError:
            told = "the simulator is given a text that has no gates"
            return replace(report, past=report.past or told, proof=proof)
        proof = proof if other.verdict == "proved" else replace(other, rtl_digest=rtl.digest)
    if proof.verdict == "different":
        return replace(report, verdict="mismatch", examples=proof.examples, proof=proof)
    proved = proof.verdict == "proved" and sampled and not report.past
    return replace(report, verdict="proved" if proved else report.verdict, proof=proof)
