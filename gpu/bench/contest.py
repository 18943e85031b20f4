"""How fast is a realisation beside native torch FP32 in the same run? Checked, then timed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch

from axdse.gpu.bench.timing import (
    Call,
    Clock,
    Patience,
    Timing,
    device_clock,
    host_clock,
    side_by_side,
)
from axdse.gpu.cpu.kernels import torch_threads
from axdse.multipliers.errors import AxdseError

Verdict = Literal["ok", "over", "measured", "wrong", "missing"]


@dataclass(frozen=True)
class Contest:
    """Two computations of the same work.

    Attributes:
        ours: computes with approximate products.
        native: with FP32 ones.
        fault: says what is wrong with ours; empty if nothing.
        products: how many each of them makes.
        clock: reads seconds.
    """

    ours: Call
    native: Call
    fault: Callable[[], str]
    products: int
    clock: Clock = host_clock


@dataclass(frozen=True)
class Entry:
    """A realisation of some work that may be measured here.

    Attributes:
        work: what is computed.
        realisation: by what.
        target: times native that it may take at most; None: not specified.
        prepare: makes tables, kernels and tensors; an AxdseError says what is missing.
        missing: why it cannot run here; empty if it can.
        on_gpu: host threads do not matter.
    """

    work: str
    realisation: str
    target: float | None
    prepare: Callable[[], Contest]
    missing: str = ""
    on_gpu: bool = False


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        work: of the entry.
        realisation: of the entry.
        threads: of the host; 0 on a GPU.
        verdict: "measured" if there is no target; a "wrong" realisation is not timed.
        target: of the entry.
        why: it is wrong or missing.
        unit: of the rates.
        rate: of ours: 10^9 products a second, or MiB of memory; None if not measured.
        native_rate: of native, likewise.
        ratio: ours / native, of time or memory: medians, see `Timing`.
        low: lower quartile of the ratio.
        high: upper quartile.
        rounds: behind these figures.
        disturbed: of these, another process took a core away; see `Timing`.
    """

    work: str
    realisation: str
    threads: int
    verdict: Verdict
    target: float | None = None
    why: str = ""
    unit: Literal["G products/s", "MiB"] = "G products/s"
    rate: float | None = None
    native_rate: float | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    rounds: int = 0
    disturbed: int = 0


def measure(entry: Entry, threads: int, patience: Patience) -> Row:
    """Check a realisation, and time it if it is right; the number of threads is set for that."""
    names = entry.work, entry.realisation, 0 if entry.on_gpu else threads
    if entry.missing:
        return Row(*names, "missing", entry.target, entry.missing)
    with torch_threads(threads):
        try:
            contest = entry.prepare()
            fault = contest.fault()
        except AxdseError as error:
            return Row(*names, "missing", entry.target, str(error))
        if fault:
            return Row(*names, "wrong", entry.target, fault)
        timing = side_by_side(contest.ours, contest.native, patience, contest.clock)
    return _row(names, entry.target, contest.products / 1e9, timing)


def _row(names: tuple[str, str, int], target: float | None, giga: float, timing: Timing) -> Row:
    return Row(
        *names,
        verdict_on(timing.ratio, target),
        target,
        rate=giga / timing.seconds,
        native_rate=giga / timing.native_seconds,
        ratio=timing.ratio,
        low=timing.low,
        high=timing.high,
        rounds=timing.rounds,
        disturbed=timing.disturbed,
    )


def verdict_on(ratio: float, target: float | None) -> Verdict:
    """Hold a ratio against its target."""
    if target is None:
        return "measured"
    return "ok" if ratio <= target else "over"


def clock_of(device: torch.device) -> Clock:
    """The clock of a device."""
    return device_clock if device.type == "cuda" else host_clock
