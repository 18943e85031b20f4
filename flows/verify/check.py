"""Is the Verilog the C model? Stimulus, oracle, device, verdict.

After Berkeley TestFloat (Hauser): the vectors (`stimulus`), the right answers (the C model), the
thing under test (`simulation`) and the comparison know nothing of each other.
"""

import contextlib
import functools
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from axdse.flows.evidence.report import Order, RtlReport, Simulator
from axdse.flows.evidence.stimulus import core_coverage, core_stimulus, unit_stimulus
from axdse.flows.formal.proof import ALWAYS_BITS, prove
from axdse.flows.simulation.icarus import LEAPS
from axdse.flows.tools import kill_running
from axdse.flows.verify.bring_your_own import Design
from axdse.flows.verify.controls import control_text
from axdse.flows.verify.core_task import core_task, swapped
from axdse.flows.verify.coverage import unit_coverage
from axdse.flows.verify.verdict import Task, conclude, judge_all, verdict_on
from axdse.flows.verilog.conditionals import ICARUS, VERILATOR
from axdse.flows.verilog.devices import batches
from axdse.multipliers.cache import load
from axdse.multipliers.cores import cores
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.designs.family import Multiplier
from axdse.multipliers.designs.rtl_text import RTL_FOLDER, Rtl, core_rtl, unit_rtl
from axdse.multipliers.errors import AxdseError, MachineError
from axdse.multipliers.formats import IntFormat
from axdse.multipliers.model.unit_model import unit_model_products
from axdse.multipliers.model.unit_oracle import unit_digest, unit_products

BATCH = 12
# Of many designs at once, in place of `simulation.LEAPS`: those would cost a quarter of the time.
LEAPS_OF_MANY = 256
# Icarus evaluates a whole net when one bit of it changes: 2,032 bits are 60 times slower than as
# many wires. Beyond WIDE_BITS a design meets this many bits of its widest net in all.
WIDE_BITS, SIMULATED_NET_BITS = 256, 1 << 24
PROOF_LIMIT_S = 300.0
T = TypeVar("T")


@dataclass(frozen=True)
class _Job:
    """A design to check and, where simulation is a sample, to prove.

    Attributes:
        multiplier: the model.
        rtl: the design.
        free: take whichever order of operands agrees.
        widest_net: bits of the design's widest net.
        leaps: how many vectors are met again in random order.
        others: the same model, read in other ways.
    """

    multiplier: Multiplier
    rtl: Rtl
    seed: int
    free: bool = False
    widest_net: int = 0
    prove_s: float | None = None
    simulator: Simulator = "icarus"
    leaps: int = LEAPS
    others: tuple[Multiplier, ...] = ()

    @property
    def readings(self) -> tuple[Multiplier, ...]:
        """All ways to read the model."""
        return self.multiplier, *self.others

    def task(self) -> Task:
        """What is to be simulated; of the readings, those in which the products fit.

        Raises:
            AxdseError: there is none; or the model does not run.
        """
        fit: list[Task] = []
        unfit: list[tuple[str, AxdseError]] = []
        for model in self.readings:
            task = self._task(model)
            try:
                task.expected.flags  # noqa: B018, computed once, here
                fit.append(task)
            except MachineError:
                raise
            except AxdseError as error:
                unfit.append((task.reading, error))
        if not fit:
            raise unfit[0][1]
        return replace(fit[0], others=tuple(fit[1:]), unfit=tuple(reading for reading, _ in unfit))

    def _task(self, model: Multiplier) -> Task:
        # Signed and unsigned cannot change places.
        free = self.free and not model.family.unsigned_operand
        task = core_task(model, self.rtl, self.seed, free)
        task = replace(task, simulator=self.simulator, leaps=self.leaps)
        if self.widest_net <= WIDE_BITS:
            return task
        some = task.stimulus.some(SIMULATED_NET_BITS // self.widest_net)
        coverage = core_coverage(model.a_bits, model.b_bits, some)
        return replace(task, stimulus=some, coverage=coverage)

    def report(self, task: Task, waves: Path | None = None) -> RtlReport:
        """The verdict: of the simulation, of its gates, and of a proof if asked for or quick."""
        report = verdict_on(task, waves)
        if not report.passed:
            return report
        model = read_as(self.readings, report)
        whole = report.vectors == model.pairs
        quick = model.pairs <= 1 << ALWAYS_BITS and not whole
        every = core_stimulus(model.a_bits, model.b_bits, self.seed)
        # The gates of the built-in catalogue are known from its tests, and `axdse cost` compares
        # those of each design.
        read = self.foreign or not whole or self.simulator != "icarus"
        return conclude(
            report,
            self.rtl,
            every,
            task.read_as(report).oracle_in(report.order)(every.a, every.b) if read else None,
            (lambda rtl: prove(model, rtl, self.prove_s or PROOF_LIMIT_S))
            if quick or self.prove_s
            else None,
            VERILATOR if self.simulator == "verilator" else ICARUS,
        )

    @property
    def foreign(self) -> bool:
        """Whether nobody has seen the RTL: what simulates may not be what is synthesised."""
        return self.multiplier.family.rtl.parent != RTL_FOLDER

    def run(self, waves: Path | None = None) -> RtlReport:
        """Do both."""
        return self.report(self.task(), waves)


def check(
    multiplier: Multiplier,
    *,
    seed: int = 0,
    waves: Path | None = None,
    prove_s: float | None = None,
) -> RtlReport:
    """Compare the core's RTL with its C model, cached by the content of both.

    Up to 2^16 operand pairs are all simulated; beyond, up to 2^24 pairs are proved, see
    `axdse.flows.formal.proof.prove`, and so is RTL that is not of the built-in catalogue.

    Args:
        multiplier: the design.
        seed: of the random vectors, where not all pairs are simulated.
        waves: where to leave a VCD of the counter-examples, if there are any.
        prove_s: prove it whatever its size, within that many seconds.

    Raises:
        AxdseError: a tool is missing, or model or RTL do not compile, crash or hang.
    """
    return _Job(multiplier, core_rtl(multiplier), seed, prove_s=prove_s).run(waves)


def check_unit(candidate: Candidate, *, seed: int = 0) -> RtlReport:
    """Compare the whole unit's RTL with its C model, `axdse.multipliers.model.unit_model`.

    That model is tested against `axdse.multipliers.model.unit_oracle`, which int8 units are
    compared with.

    Raises:
        AxdseError: as `check`.
    """
    number_format, rtl = candidate.format, unit_rtl(candidate)
    oracle = functools.partial(unit_products, candidate)
    if isinstance(number_format, IntFormat):
        first, second = number_format.operands
        stimulus = core_stimulus(first.bits, second.bits, seed)
        coverage = core_coverage(first.bits, second.bits, stimulus)
    else:
        stimulus = unit_stimulus(number_format, seed)
        coverage = unit_coverage(number_format, stimulus)
        if not candidate.multiplier.family.takes_floats:
            oracle = functools.partial(unit_model_products, candidate)
    task = Task(
        design=candidate.name,
        function="unit",
        model_digest=unit_digest(candidate),
        rtl=rtl,
        signed=isinstance(number_format, IntFormat),
        oracle=oracle,
        other=lambda a, b: oracle(b, a),
        order="straight",
        free=False,
        stimulus=stimulus,
        coverage=coverage,
        seed=seed,
    )
    report = verdict_on(task)
    return conclude(report, rtl, stimulus, task.expected) if report.passed else report


def check_all(
    multipliers: Iterable[Multiplier],
    *,
    seed: int = 0,
    jobs: int | None = None,
    simulator: Simulator = "icarus",
) -> Generator[RtlReport]:
    """Yield the reports of `check` in order; `jobs` simulators (default: cores) run at once.

    A simulation holds several designs: its start takes longer than one of them. Verilator is far
    faster once it is built, but knows neither x nor z.

    Raises:
        AxdseError: as `check`, for the first design that fails to run.
    """
    designs = list(multipliers)
    leaps = LEAPS if len(designs) == 1 else LEAPS_OF_MANY
    todo = [
        _Job(multiplier, core_rtl(multiplier), seed, simulator=simulator, leaps=leaps)
        for multiplier in designs
    ]
    verdicts = _in_batches(todo, jobs)
    with contextlib.closing(verdicts):
        for verdict in verdicts:
            if isinstance(verdict, AxdseError):
                raise verdict
            yield verdict


def check_designs(
    designs: Sequence[Design], *, seed: int = 0, jobs: int | None = None
) -> Generator[RtlReport | AxdseError]:
    """Yield the reports of `check_design` in order, or why there is none."""
    first = _in_batches([_own(design, design.order, seed, None) for design in designs], jobs)
    with contextlib.closing(first):
        for design, report in zip(designs, first, strict=True):
            failed = isinstance(report, RtlReport) and not report.passed
            yield check_design(design, seed=seed) if failed and design.levels else report


def read_as(readings: Sequence[Multiplier], report: RtlReport) -> Multiplier:
    """The model as a report found it to agree with the RTL: its signs, and its operands' order."""

    def is_reading(model: Multiplier) -> bool:
        family = model.family
        own = (family.signed, family.unsigned_operand, family.unsigned_char)
        return own == (report.signed, report.unsigned_operand, report.unsigned_char)

    model = next(filter(is_reading, readings))
    return model if model.family.swapped == (report.order == "swapped") else swapped(model)


def _in_batches(todo: Sequence[_Job], jobs: int | None) -> Generator[RtlReport | AxdseError]:
    # Threads only wait here: compilers, models and simulators are processes of their own.
    pool = ThreadPoolExecutor(jobs or cores())
    futures = [
        pool.submit(_check_batch, [todo[index] for index in group])
        for group in batches([job.rtl for job in todo], BATCH)
    ]
    try:
        for future in futures:
            yield from future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        while not all(future.done() for future in futures):
            kill_running()
            time.sleep(0.05)


def _check_batch(batch: Sequence[_Job]) -> list[RtlReport | AxdseError]:
    """One simulation for all that have no verdict yet; if it fails, one each, to see whose.

    Those that meet fewer vectors, see `_Job.task`, have one of their own.
    """
    tasks = [_attempt(job.task) for job in batch]
    fresh: dict[int, list[Task]] = {}
    for task in tasks:
        if isinstance(task, Task) and load("rtl_check", task.key, RtlReport) is None:
            fresh.setdefault(task.stimulus.vectors, []).append(task)
    for alike in fresh.values():
        # A failure comes again below, from the one design that is at fault.
        with contextlib.suppress(AxdseError):
            judge_all(alike)
    return [
        _attempt(functools.partial(job.report, task)) if isinstance(task, Task) else task
        for job, task in zip(batch, tasks, strict=True)
    ]


def _attempt(compute: Callable[[], T]) -> T | AxdseError:
    try:
        return compute()
    except AxdseError as error:
        return error


def check_design(
    design: Design,
    *,
    order: Order | None = None,
    seed: int = 0,
    waves: Path | None = None,
    prove_s: float | None = None,
) -> RtlReport:
    """Compare a design of the user's own, see `axdse.flows.verify.bring_your_own`.

    Args:
        design: the two files.
        order: of the operands; None: the one that is pinned, or agrees.
        seed: of the random vectors.
        waves: as `check`.
        prove_s: as `check`.

    Raises:
        AxdseError: as `check`.
    """
    order = order or design.order
    report = _own(design, order, seed, prove_s).run(waves)
    if report.passed or not design.levels:
        return report
    for pipeline in design.levels:
        rtl = replace(design.rtl, pipeline=pipeline)
        other = _own(replace(design, rtl=rtl), order, seed, prove_s).run(None)
        if other.passed:
            if waves:
                waves.unlink(missing_ok=True)
            return replace(other, levels=control_text(pipeline))
    return report


def _own(design: Design, order: Order | None, seed: int, prove_s: float | None) -> _Job:
    first, *others = _ordered(design, order)
    return _Job(
        first,
        design.rtl,
        seed,
        order is None,
        design.widest_net,
        prove_s,
        others=tuple(others),
    )


def _ordered(design: Design, order: Order | None) -> list[Multiplier]:
    """The readings of a design that fit an order, where signs tell the operands apart."""
    found = []
    for model in design.readings:
        in_order = model.family.swapped == (order == "swapped")
        if not model.family.unsigned_operand:
            found.append(swapped(model) if order == "swapped" else model)
        elif order is None or in_order:
            found.append(model)
    return found
