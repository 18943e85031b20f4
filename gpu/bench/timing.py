"""How long does a computation take beside native torch, on a machine that others use?"""

import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

Call = Callable[[], object]
Clock = Callable[[Call, int], float]  # seconds of one of so many calls
SHORTEST_S = 0.01  # a turn is this long, or one call


@dataclass(frozen=True)
class Patience:
    """When to stop.

    Attributes:
        least: rounds in any case; two or more.
        most: undisturbed rounds at most.
        seconds: after these, no round begins beyond the least.
    """

    least: int
    most: int
    seconds: float


@dataclass(frozen=True)
class Timing:
    """What was measured.

    Attributes:
        rounds: behind the figures; in each, both sides had their turn.
        disturbed: of these, another process took a core away; such rounds count only where too
            few others are left.
        seconds: of one call, median over the rounds.
        native_seconds: of one native call, likewise.
        ratio: median of the ratios within each round, so that what disturbs a whole round
            disturbs no ratio.
        low: lower quartile of those ratios.
        high: upper quartile.
    """

    rounds: int
    disturbed: int
    seconds: float
    native_seconds: float
    ratio: float
    low: float
    high: float


def side_by_side(ours: Call, native: Call, patience: Patience, clock: Clock) -> Timing:
    """Time two computations in turns; who is first alternates. Both are warmed up."""
    sides = [(call, _repeats(call, clock)) for call in (ours, native)]
    calm: list[tuple[float, float]] = []
    disturbed: list[tuple[float, float]] = []
    start = time.monotonic()
    while len(calm) < patience.most:
        count = len(calm) + len(disturbed)
        if count >= patience.least and time.monotonic() - start > patience.seconds:
            break
        before = preemptions()
        order = (0, 1) if count % 2 else (1, 0)
        times = {index: clock(*sides[index]) for index in order}
        (calm if preemptions() == before else disturbed).append((times[0], times[1]))
    if len(calm) >= patience.least:
        return _timing(calm, 0)
    return _timing(calm + disturbed, len(disturbed))


def preemptions() -> int:
    """How often another process took a core away from a thread of this one."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def _repeats(call: Call, clock: Clock) -> int:
    clock(call, 1)
    return max(1, round(SHORTEST_S / clock(call, 1)))


def _timing(rounds: list[tuple[float, float]], disturbed: int) -> Timing:
    ratios = [ours / native for ours, native in rounds]
    low, median, high = statistics.quantiles(ratios, n=4, method="inclusive")
    ours, native = (statistics.median(side) for side in zip(*rounds, strict=True))
    return Timing(len(rounds), disturbed, ours, native, median, low, high)


def host_clock(call: Call, repeats: int) -> float:
    """Seconds of wall time of one of `repeats` calls."""
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


def device_clock(call: Call, repeats: int) -> float:
    """Seconds of one of `repeats` calls between two events of the GPU."""
    start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    start.record()
    for _ in range(repeats):
        call()
    stop.record()
    stop.synchronize()
    return float(start.elapsed_time(stop)) / 1e3 / repeats
