"""What does the training loop take beside its step, and a step beside native FP32?

usage: nice -n 10 python benchmarks/loop_overhead.py         writes results/loop_overhead.json
       nice -n 10 python benchmarks/loop_overhead.py TASK...  a look: writes nothing

A step is forward and loss, backward with what it frees, and the optimiser with zeroed and clipped
gradients. All else of an epoch is overhead of the loop: batches, rates, the metric on the way,
checks. There is no validation. Each shipped task is trained natively and with a table of narrow
products, an epoch of either in turns; who is first alternates. Figures are medians over the
rounds, with quartiles.

Every step is timed, and what is between two of them. An epoch is as long as if all of them had
taken the mean of those before which, and in which, no other process took the core away, and with
it the caches: the loop's code is short, and after another process it is not in them. Where too
few are undisturbed, it is the median of all.

One thread, its CPU time; two minutes on a core that is free.
"""

import argparse
import dataclasses
import json
import os
import statistics
import time
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from provenance import provenance

from axdse.dse.training import train as training
from axdse.dse.training.records import TrainSettings
from axdse.dse.training.task import make
from axdse.dse.training.workloads import WORKLOADS, find_workload
from axdse.gpu.bench.timing import preemptions
from axdse.gpu.layers.convert import convert
from axdse.multipliers.designs.design_point import parse_design_point

RESULTS = Path(__file__).parent / "results" / "loop_overhead.json"
DESIGN = "mbm(m=7) in float(8,7,product=narrow)"
MOST_OVERHEAD_PERCENT = 5.0
MOST_TIMES_NATIVE = 2.5
ROUNDS, WARM_UP = 7, 1  # that count, and before that count for nothing
LEAST = 5  # undisturbed times, of which a mean is taken
NOT_VALIDATED = training.Score(0.0, 0.0, torch.zeros(1))
# Of an epoch, where all would take too long. Other tasks: all their examples.
STEPS = {"g2p": 20, "charlm": 15, "lenet-300-100": 50, "lenet-5": 20, "vit": 8, "depthwise-cnn": 4}
STEPS |= {"resnet-8": 3, "resnet-20": 2, "resnet-18": 1, "resnet-50": 1}


@dataclasses.dataclass(frozen=True)
class EpochTime:
    """CPU seconds of an epoch.

    Attributes:
        step: forward and loss, backward, optimiser.
        loop: all else.
        calm: the part 0..1 of the steps that nothing disturbed.
    """

    step: float
    loop: float
    calm: float

    @property
    def overhead_percent(self) -> float:
        """Of the whole."""
        return 100 * self.loop / (self.step + self.loop)


class Side:
    """A network in training, of which epochs are measured."""

    def __init__(self, task: str, design: str | None) -> None:
        made = make(find_workload(task))
        model = made.build(0)
        if design:
            model = convert(model, parse_design_point(design)).model
        self.run = training.Run(made, model, shortened(task, made.task.settings), 0, training.CPU)
        self.step = self.run.step
        self.run.step = self.timed_step  # type: ignore[method-assign]
        self.number = 0
        self.times: list[tuple[float, bool]] = []  # loop, step, loop, ..., loop; undisturbed?
        self.since, self.away = 0.0, (0, 0)

    def mark(self) -> None:
        """One part ends here, and the next one begins."""
        now, away = time.thread_time(), preemptions()
        self.times.append((now - self.since, away == self.away[0]))
        self.away = self.away[1], away
        self.since = time.thread_time()

    def timed_step(self, *batch: Any) -> Any:
        """The step of the run."""
        self.mark()
        result = self.step(*batch)
        self.mark()
        return result

    def epoch(self) -> EpochTime:
        """Train once more."""
        self.number += 1
        self.times.clear()
        with mock.patch.object(training, "measure", return_value=NOT_VALIDATED):
            self.away = preemptions(), preemptions()
            self.since = time.thread_time()
            self.run.epoch(self.number)
            self.mark()
        (before, _), *between, (after, _) = self.times[::2]
        steps = self.times[1::2]
        calm = sum(undisturbed for _, undisturbed in steps) / len(steps)
        return EpochTime(typical(steps), before + after + typical(between), calm)


def typical(times: list[tuple[float, bool]]) -> float:
    """The sum of times, as if nothing had disturbed any of them."""
    calm = [seconds for seconds, undisturbed in times if undisturbed]
    if not times:
        return 0.0
    each = statistics.fmean(calm) if len(calm) >= LEAST else statistics.median(t for t, _ in times)
    return each * len(times)


def shortened(task: str, settings: TrainSettings) -> TrainSettings:
    """A schedule as long as what is measured; a few images where it matters."""
    images = STEPS[task] * settings.batch_size if task in STEPS else None
    return dataclasses.replace(settings, epochs=ROUNDS + WARM_UP, train_images=images)


def measured(task: str) -> dict[str, object]:
    sides = (Side(task, None), Side(task, DESIGN))
    rounds = []
    for number in range(ROUNDS + WARM_UP):
        order = (0, 1) if number % 2 else (1, 0)
        times = {which: sides[which].epoch() for which in order}
        rounds.append((times[0], times[1]))
    native, ours = zip(*rounds[WARM_UP:], strict=True)
    steps = len(sides[0].run.batch_sizes)
    overheads = [quartiles([each.overhead_percent for each in side]) for side in (native, ours)]
    ratio = quartiles([b.step / a.step for a, b in zip(native, ours, strict=True)])
    return {
        "task": task,
        "steps": steps,
        "rounds": ROUNDS,
        "undisturbed_steps_percent": round(
            100 * statistics.fmean(each.calm for each in (*native, *ours))
        ),
        "native_step_ms": round(1e3 * statistics.median(e.step for e in native) / steps, 3),
        "native_overhead_percent": overheads[0],
        "table_overhead_percent": overheads[1],
        "overhead_verdict": "over" if overheads[0][1] > MOST_OVERHEAD_PERCENT else "ok",
        "times_native": ratio,
        "step_verdict": "over" if ratio[1] > MOST_TIMES_NATIVE else "ok",
    }


def quartiles(values: list[float]) -> tuple[float, float, float]:
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return round(low, 2), round(median, 2), round(high, 2)


def shown(rows: list[dict[str, Any]]) -> str:
    lines = [
        f"| task | native step, ms | overhead, native (target {MOST_OVERHEAD_PERCENT:.0f} %) | "
        f"overhead, table | step, times native (target {MOST_TIMES_NATIVE}) |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [
            "{1:.2f} ({0:.2f}..{2:.2f})".format(*row[name])
            for name in ("native_overhead_percent", "table_overhead_percent", "times_native")
        ]
        cells[0] += f" {row['overhead_verdict']}"
        cells[2] += f" {row['step_verdict']}"
        lines.append(f"| `{row['task']}` | {row['native_step_ms']:.2f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="*")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows, load = [], os.getloadavg()[0]
    for task in options.tasks or WORKLOADS:
        rows.append(measured(task))
        print(rows[-1], flush=True)
        if not options.tasks:
            write(rows, load)
    print(shown(rows))


def write(rows: list[dict[str, object]], load: float) -> None:
    content = {
        "command": "python benchmarks/loop_overhead.py",
        **provenance(load),
        "design": DESIGN,
        "targets": {
            "overhead_percent": MOST_OVERHEAD_PERCENT,
            "times_native": MOST_TIMES_NATIVE,
        },
        "rows": rows,
    }
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
