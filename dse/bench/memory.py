"""How much memory does a training step take beside native? Each in a fresh process.

What counts is the peak of the resident set during a few steps, less the resident set before the
first: activations, gradients, state of the optimiser, codes, panels and compiled kernels, but not
torch, images and weights. The peak is the kernel's own count (VmHWM), set back before the steps,
so that nothing which imports needed for a moment is in it.
"""

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from axdse.dse.bench.steps import RESNET_20, design, training_step
from axdse.dse.jobs.workers import Workers
from axdse.gpu.bench.contest import Row, verdict_on
from axdse.gpu.cpu.kernels import torch_threads
from axdse.gpu.ops.plan import plan

TARGET = 1.3
STEPS = 3
WORK = f"memory of a {RESNET_20.name} step, batch {RESNET_20.images[0]}"
_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_MEBI = 1 << 10  # kB


def memory_row(threads: int, processes: int) -> Row:
    """Measure ResNet-20 in so many pairs of processes.

    Args:
        threads: of torch, in each of them.
        processes: pairs; the medians count.
    """
    realisation = plan(design()).choice
    if not _RESET.exists():
        return Row(WORK, realisation, threads, "missing", TARGET, "peak memory needs Linux")
    pairs = [(_fresh(threads, True), _fresh(threads, False)) for _ in range(processes)]
    ratios = sorted(ours / native for ours, native in pairs)
    ratio = statistics.median(ratios)
    ours, native = (statistics.median(side) for side in zip(*pairs, strict=True))
    return Row(
        *(WORK, realisation, threads, verdict_on(ratio, TARGET), TARGET),
        unit="MiB",
        rate=ours,
        native_rate=native,
        ratio=ratio,
        low=ratios[0],
        high=ratios[-1],
        rounds=processes,
    )


@dataclass(frozen=True)
class _Steps:
    """The job of one process."""

    threads: int
    approximate: bool

    def run(self) -> float:
        return step_memory(self.threads, self.approximate)


def _fresh(threads: int, approximate: bool) -> float:
    rule = "a training step must run"
    with Workers(1) as pool:
        outcomes = pool.results([_Steps(threads, approximate)], rule, lambda job: WORK)
        return float(next(outcomes).result)


def step_memory(threads: int, approximate: bool) -> float:
    """MiB that steps of ResNet-20 need beyond what this process holds."""
    with torch_threads(threads):
        step = training_step(RESNET_20, design() if approximate else None)
        return peak_mebibytes(lambda: [step() for _ in range(STEPS)])


def peak_mebibytes(call: Callable[[], object]) -> float:
    """MiB by which the resident set of this process grows at most during a call."""
    _RESET.write_text("5")
    before = _kilobytes("VmRSS")
    call()
    return (_kilobytes("VmHWM") - before) / _MEBI


def _kilobytes(name: str) -> int:
    lines = (line.partition(":") for line in _STATUS.read_text().splitlines())
    return next(int(value.split()[0]) for key, _, value in lines if key == name)
