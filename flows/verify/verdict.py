"""Do the devices answer what the models say, and what may be said of them if they do?

That RTL agreed with its model, unless a synthesiser reads it otherwise; on every pair, if every
pair was simulated and the simulation has no past; for every pair, if its gates were compared with
the model on all.
"""

import functools
import importlib.metadata
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np

from axdse.flows.evidence.report import (
    Covered,
    Mismatch,
    Order,
    Proof,
    Response,
    RtlReport,
    Simulator,
    Tried,
    Verdict,
)
from axdse.flows.evidence.stimulus import Stimulus
from axdse.flows.simulation.icarus import (
    BENCHES,
    LEAPS,
    MAX_LATENCY,
    Trace,
    record_waves,
    simulate,
)
from axdse.flows.simulation.verilator import simulate_verilator
from axdse.flows.simulation.verilator_tool import need_verilator
from axdse.flows.tools import find_tool
from axdse.flows.verify.readings import compare_readings
from axdse.flows.verilog.conditionals import ICARUS, YOSYS, left_for
from axdse.flows.verilog.simulation_past import Past, past_of
from axdse.multipliers.cache import digest, load, store
from axdse.multipliers.designs.rtl_text import Rtl
from axdse.multipliers.errors import AxdseError, MachineError
from axdse.multipliers.provenance import code_digest
from axdse.multipliers.sandbox.compiler import compiler

EXAMPLES = 8
CHECK = "axdse.flows.verify.check"  # makes the tasks that are judged here
Oracle = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Task:
    """A design, its oracle and the vectors to compare them on.

    Attributes:
        other: the oracle with its operands exchanged; None if it has no meaning.
        order: the order of operands in which `oracle` is called.
        arguments: of the function, see `Family.arguments`.
        free: take whichever order agrees.
        leaps: how many vectors are met again in random order.
        reading: what the model's operands are taken for.
        unsigned_operand, unsigned_char, rtl_only: see `RtlReport`.
        others: the same with the model read in other ways; the one that agrees is taken.
        unfit: readings in which the model's products do not fit.
    """

    design: str
    function: str
    model_digest: str
    rtl: Rtl
    signed: bool
    oracle: Oracle
    other: Oracle | None
    order: Order
    free: bool
    stimulus: Stimulus
    coverage: tuple[Covered, ...]
    seed: int
    simulator: Simulator = "icarus"
    leaps: int = LEAPS
    reading: str = ""
    arguments: tuple[str, ...] = ("a", "b")
    unsigned_operand: Literal["", "a", "b"] = ""
    unsigned_char: bool = False
    rtl_only: bool = False
    others: tuple["Task", ...] = ()
    unfit: tuple[str, ...] = ()

    def read_as(self, report: RtlReport) -> "Task":
        """The reading of the model that a report is of."""
        found = [each for each in (self, *self.others) if each._is_of(report)]
        return next((each for each in found if each.order == report.order), found[0])

    def _is_of(self, report: RtlReport) -> bool:
        own = (self.signed, self.unsigned_operand, self.unsigned_char)
        return own == (report.signed, report.unsigned_operand, report.unsigned_char)

    def oracle_in(self, order: Order) -> Oracle:
        """The oracle as it is called in that order of operands."""
        return self.oracle if order == self.order else self.other or self.oracle

    @functools.cached_property
    def expected(self) -> np.ndarray:
        """What the model says."""
        return self.oracle(self.stimulus.a, self.stimulus.b)

    @functools.cached_property
    def exchanged(self) -> np.ndarray | None:
        """What it says with its operands exchanged; None: that has no meaning, or no products."""
        try:
            return self.other(self.stimulus.a, self.stimulus.b) if self.other else None
        except MachineError:
            raise
        except AxdseError:  # they do not fit its parameters, or its products the RTL's
            return None

    @functools.cached_property
    def key(self) -> str:
        """Digest of everything that the verdict depends on."""
        vectors = (self.stimulus.a, self.stimulus.b, self.expected)
        return digest(
            self.design,
            self.function,
            self.model_digest,
            self.rtl.digest,
            repr((self.rtl.ports, self.rtl.pipeline, self.signed, self.order, self.free)),
            repr((self.seed, self.leaps, self.reading, self.arguments, self.unfit)),
            str(self.rtl_only),
            *(other.key for other in self.others),
            *(np.ascontiguousarray(array).tobytes() for array in vectors),
            code_digest(CHECK, *BENCHES),
            *_tools(self.simulator),
        )


def verdict_on(task: Task, waves: Path | None = None) -> RtlReport:
    """Return the stored verdict, or simulate; `waves` is where a VCD of a mismatch goes."""
    report = load("rtl_check", task.key, RtlReport) or judge_all([task])[task.key]
    if waves and not report.passed:
        oracle = task.read_as(report).oracle_in(report.order)
        around = _neighbourhood(report.examples, task.rtl.b_bits)
        record_waves(task.rtl, around, oracle(around.a, around.b), waves)
    return report


def judge_all(tasks: Sequence[Task]) -> dict[str, RtlReport]:
    """Simulate tasks of one stimulus together; their reports by key, which are stored too."""
    start = time.monotonic()
    run = simulate_verilator if tasks[0].simulator == "verilator" else simulate
    traces = run([task.rtl for task in tasks], tasks[0].stimulus, tasks[0].leaps)
    seconds = (time.monotonic() - start) / len(tasks)
    reports = {
        task.key: _judge(task, trace, seconds) for task, trace in zip(tasks, traces, strict=True)
    }
    for key, report in reports.items():
        store("rtl_check", key, report)
    return reports


def _tools(chosen: Simulator) -> tuple[str, ...]:
    if chosen == "verilator":
        simulator = (need_verilator().text, "two states")
    else:
        simulator = (find_tool("iverilog").version, find_tool("vvp").version)
    return (*simulator, f"cocotb {importlib.metadata.version('cocotb')}", compiler()[1])


@dataclass(frozen=True)
class _Comparison:
    """How a response differs from a model, in one order of operands, at one latency."""

    task: Task
    order: Order
    latency: int
    response: Response
    expected: np.ndarray

    @functools.cached_property
    def differs(self) -> np.ndarray:
        unequal = self.response.value != self.expected
        return np.asarray(unequal | (self.response.unknown != 0))

    @functools.cached_property
    def mismatches(self) -> int:
        return int(np.count_nonzero(self.differs))


def _judge(task: Task, trace: Trace, seconds: float) -> RtlReport:
    chosen, other, tried = _choose(task, trace)
    task = chosen.task
    stimulus, rtl = task.stimulus, task.rtl
    passed: Verdict = "exhaustive" if stimulus.exhaustive else "sampled"
    a, b, p = rtl.ports
    first, second = (a, b) if chosen.order == "straight" else (b, a)
    operands = ", ".join(_named(task.arguments, first, second))
    return RtlReport(
        design=task.design,
        verdict="mismatch" if chosen.mismatches else passed,
        call=f"{p} = {task.function}({operands})",
        a_bits=rtl.a_bits,
        b_bits=rtl.b_bits,
        product_bits=rtl.product_bits,
        signed=task.signed,
        latency=chosen.latency,
        vectors=stimulus.vectors,
        coverage=task.coverage,
        mismatches=chosen.mismatches,
        examples=_examples(chosen, stimulus, rtl.product_bits),
        order=chosen.order,
        other_order_mismatches=other.mismatches if other else None,
        model_digest=task.model_digest,
        rtl_digest=rtl.digest,
        table_digest=digest(chosen.expected.tobytes()) if stimulus.exhaustive else "",
        tools=(f"axdse {importlib.metadata.version('axdse')}", *_tools(task.simulator)),
        seed=task.seed,
        seconds=seconds,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        unsigned_operand=task.unsigned_operand,
        unsigned_char=task.unsigned_char,
        rtl_only=task.rtl_only,
        tried=tried if len(tried) > 1 else (),
    )


def _named(arguments: tuple[str, ...], a: str, b: str) -> list[str]:
    """The arguments of a call, with these names of operands."""
    names = {"a": a, "b": b}
    return [names.get(each) or each.rpartition(" ")[2] for each in arguments]


def _choose(task: Task, trace: Trace) -> tuple[_Comparison, _Comparison | None, tuple[Tried, ...]]:
    """The comparison that the verdict rests on, the one with the operands exchanged, and all."""
    best: list[tuple[_Comparison, _Comparison | None]] = []
    for latency in _latencies(task.rtl):
        response = trace.response(latency)
        pairs = [_ordered(each, latency, response) for each in (task, *task.others)]
        if not best or _least(pairs)[0].mismatches < _least(best)[0].mismatches:
            best = pairs
        if not _least(best)[0].mismatches:
            break
    tried = [Tried(chosen.task.reading, chosen.mismatches) for chosen, _ in best]
    unfit = [Tried(reading, None) for reading in task.unfit]
    return *_least(best), (*tried, *unfit)


def _least(
    pairs: Sequence[tuple[_Comparison, _Comparison | None]],
) -> tuple[_Comparison, _Comparison | None]:
    """The pair that differs least, of several the first."""
    return min(pairs, key=lambda pair: pair[0].mismatches)


def _ordered(
    task: Task, latency: int, response: Response
) -> tuple[_Comparison, _Comparison | None]:
    """The comparison in the order that is asked for, or agrees, and the other one."""
    straight = _Comparison(task, task.order, latency, response, task.expected)
    if task.exchanged is None:
        return straight, None
    order: Order = "straight" if task.order == "swapped" else "swapped"
    exchanged = _Comparison(task, order, latency, response, task.exchanged)
    if task.free and exchanged.mismatches < straight.mismatches:
        return exchanged, straight
    return straight, exchanged


def _latencies(rtl: Rtl) -> range:
    if rtl.pipeline is None or rtl.pipeline.start:
        return range(1)
    fixed = rtl.pipeline.latency
    return range(MAX_LATENCY + 1) if fixed is None else range(fixed, fixed + 1)


def _examples(
    comparison: _Comparison, stimulus: Stimulus, product_bits: int
) -> tuple[Mismatch, ...]:
    where = np.flatnonzero(comparison.differs)[:EXAMPLES].tolist()
    return tuple(
        Mismatch(
            int(stimulus.a[i]),
            int(stimulus.b[i]),
            int(comparison.expected[i]),
            comparison.response.text(i, product_bits),
        )
        for i in where
    )


def _neighbourhood(examples: tuple[Mismatch, ...], b_bits: int) -> Stimulus:
    """The counter-examples, each between the pairs next to it."""
    around = dict.fromkeys((e.a, e.b + step) for e in examples for step in (-1, 0, 1))
    pairs = [(a, b) for a, b in around if 0 <= b < 1 << b_bits]
    a, b = np.array(pairs, dtype=np.uint64).T
    return Stimulus(a, b, exhaustive=False)


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
