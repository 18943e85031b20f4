"""Stage 5, RTL check: is the Verilog the C model? Stimulus, oracle, device, verdict.

After Berkeley TestFloat (Hauser): the vectors (`stimulus`), the right answers (the C model), the
thing under test (`rtl_simulation`) and the comparison know nothing of each other.
"""

import functools
import os
import time
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from axdse.flows.bring_your_own import Design
from axdse.flows.devices import batches
from axdse.flows.report import Order, RtlReport
from axdse.flows.rtl_simulation import simulate
from axdse.flows.stimulus import Stimulus, core_stimulus, unit_stimulus
from axdse.flows.tools import kill_running
from axdse.flows.verdict import Oracle, Task, judge_all, verdict_on
from axdse.flows.wide_nets import WIDE_BITS, split_wide_nets
from axdse.multipliers.cache import digest, load
from axdse.multipliers.candidate import Candidate
from axdse.multipliers.catalog import Multiplier
from axdse.multipliers.cmodel import model_digest, products, tabulate
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import IntFormat
from axdse.multipliers.unit import unit_products
from axdse.multipliers.verilog import Rtl, core_rtl, unit_rtl

BATCH = 12
CONFIRMED_VECTORS = 256


def check(multiplier: Multiplier, *, seed: int = 0, waves: Path | None = None) -> RtlReport:
    """Compare the core's RTL with its C model, cached by the content of both.

    Args:
        multiplier: the design.
        seed: of the random vectors, for more than 2^16 operand pairs.
        waves: where to leave a VCD of the counter-examples, if there are any.

    Raises:
        AxdseError: a tool is missing, or model or RTL do not compile, crash or hang.
    """
    return verdict_on(_core_task(multiplier, core_rtl(multiplier), seed), waves)


def check_unit(candidate: Candidate, *, seed: int = 0) -> RtlReport:
    """Compare the whole unit's RTL with `axdse.multipliers.unit.unit_products`.

    Raises:
        AxdseError: as `check`.
    """
    number_format, rtl = candidate.format, unit_rtl(candidate)
    if isinstance(number_format, IntFormat):
        stimulus = core_stimulus(number_format.bits, number_format.bits, seed)
    else:
        stimulus = unit_stimulus(number_format, seed)
    oracle = functools.partial(unit_products, candidate)
    return verdict_on(
        Task(
            design=candidate.name,
            function="unit_products",
            model_digest=digest(model_digest(candidate.multiplier), number_format.name),
            rtl=rtl,
            device=rtl,
            signed=isinstance(number_format, IntFormat),
            oracle=oracle,
            other=lambda a, b: oracle(b, a),
            order="straight",
            free=False,
            stimulus=stimulus,
            seed=seed,
        )
    )


def check_all(
    multipliers: Iterable[Multiplier], *, seed: int = 0, jobs: int | None = None
) -> Generator[RtlReport]:
    """Yield the reports of `check` in order; `jobs` simulators (default: cores) run at once.

    A simulation holds several designs: its start takes longer than one of them.

    Raises:
        AxdseError: as `check`, for the first design that fails to run.
    """
    # Threads only wait here: compilers, models and simulators are processes of their own.
    pool = ThreadPoolExecutor(jobs or os.cpu_count() or 1)
    designs = list(multipliers)
    groups = list(batches([core_rtl(design) for design in designs], BATCH))
    futures = [
        pool.submit(_check_batch, [designs[index] for index in group], seed) for group in groups
    ]
    try:
        for future in futures:
            yield from future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        _wait_for(futures)


def _wait_for(futures: Sequence[Future[list[RtlReport]]]) -> None:
    while not all(future.done() for future in futures):
        kill_running()
        time.sleep(0.05)


def _check_batch(designs: Sequence[Multiplier], seed: int) -> list[RtlReport]:
    """One simulation for all that have no verdict yet; if it fails, one each, to see whose."""
    tasks = [_core_task(design, core_rtl(design), seed) for design in designs]
    known = {task.key: load("rtl_check", task.key, RtlReport) for task in tasks}
    fresh = [task for task in tasks if known[task.key] is None]
    if len(fresh) > 1:
        try:
            known |= judge_all(fresh)
        except AxdseError:
            known |= {task.key: verdict_on(task) for task in fresh}
    return [known[task.key] or verdict_on(task) for task in tasks]


def check_design(
    design: Design, *, order: Order | None = None, seed: int = 0, waves: Path | None = None
) -> RtlReport:
    """Compare a design of the user's own, see `axdse.flows.bring_your_own`.

    Args:
        design: the two files.
        order: of the operands; None: the one that agrees.
        seed: of the random vectors.
        waves: as `check`.

    Raises:
        AxdseError: as `check`.
    """
    multiplier = design.multiplier
    if order == "swapped":
        multiplier = swapped(multiplier)
    task = _core_task(multiplier, design.rtl, seed, free=order is None)
    if design.widest_net > WIDE_BITS:
        device = split_wide_nets(design.rtl)
        _confirm(design.rtl, device, task.stimulus)
        task = replace(task, device=device)
    return verdict_on(task, waves)


def _confirm(rtl: Rtl, device: Rtl, stimulus: Stimulus) -> None:
    """What Yosys made of a design must answer as the original does, on a few pairs."""
    few = stimulus.every(max(1, stimulus.vectors // CONFIRMED_VECTORS) | 1)
    original, split = (simulate([design], few)[0] for design in (rtl, device))
    same = np.array_equal(original.value, split.value)
    if not same or not np.array_equal(original.unknown, split.unknown):
        raise AxdseError(
            "wide nets must be split without a change", rtl.top, "declare narrower wires in it"
        )


def swapped(multiplier: Multiplier) -> Multiplier:
    """The same model, called with its operands exchanged."""
    family = replace(multiplier.family, swapped=not multiplier.family.swapped)
    return replace(multiplier, family=family)


def _core_task(multiplier: Multiplier, rtl: Rtl, seed: int, free: bool = False) -> Task:
    family = multiplier.family
    stimulus = core_stimulus(multiplier.a_bits, multiplier.b_bits, seed)
    return Task(
        design=multiplier.spec,
        function=family.function or family.name,
        model_digest=model_digest(multiplier),
        rtl=rtl,
        device=rtl,
        signed=family.signed,
        oracle=_oracle(multiplier, stimulus.exhaustive),
        other=_other_oracle(multiplier, stimulus.exhaustive, free),
        order="swapped" if family.swapped else "straight",
        free=free,
        stimulus=stimulus,
        seed=seed,
    )


def _oracle(multiplier: Multiplier, exhaustive: bool) -> Oracle:
    if not exhaustive:
        return functools.partial(products, multiplier)
    return lambda a, b: tabulate(multiplier)[a, b]


def _other_oracle(multiplier: Multiplier, exhaustive: bool, free: bool) -> Oracle | None:
    """Unequal widths have one only if the order is to be found out."""
    if multiplier.a_bits == multiplier.b_bits:
        straight = _oracle(multiplier, exhaustive)
        return lambda a, b: straight(b, a)
    return _oracle(swapped(multiplier), exhaustive) if free else None
