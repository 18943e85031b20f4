"""What does the training loop take beside its step, and a step beside native FP32?

usage: nice -n 10 python benchmarks/loop_overhead.py         writes results/loop_overhead.json
       nice -n 10 python benchmarks/loop_overhead.py TASK...  a look: writes nothing

A step is forward and loss, backward with what it frees, and the optimiser with zeroed and clipped
gradients. All else of an epoch is overhead of the loop: batches, rates, the metric on the way,
checks. There is no validation. Each shipped task is trained natively and with a table of narrow
products, an epoch of either in turns; who is first alternates. Figures are medians over the
rounds, with quartiles; rounds in which another process took the core away, and with it the
caches, are left out where enough others remain.

One thread, CPU time of the process; two minutes on a core that is free.
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

from axdse.dse.bench.machine_record import record
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
LEAST, MOST, WARM_UP = 5, 9, 1  # rounds: calm ones, in all, and before that count for nothing
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
    """

    step: float
    loop: float

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
        self.step, self.spent = self.run.step, 0.0
        self.run.step = self.timed_step  # type: ignore[method-assign]
        self.number = 0

    def timed_step(self, *batch: Any) -> Any:
        """The step of the run, its CPU time added up."""
        start = time.process_time()
        result = self.step(*batch)
        self.spent += time.process_time() - start
        return result

    def epoch(self) -> EpochTime:
        """Train once more."""
        self.number, self.spent = self.number + 1, 0.0
        with mock.patch.object(training, "measure", return_value=NOT_VALIDATED):
            start = time.process_time()
            self.run.epoch(self.number)
            whole = time.process_time() - start
        return EpochTime(self.spent, whole - self.spent)


def shortened(task: str, settings: TrainSettings) -> TrainSettings:
    """A schedule as long as what is measured; a few images where it matters."""
    images = STEPS[task] * settings.batch_size if task in STEPS else None
    return dataclasses.replace(settings, epochs=MOST + WARM_UP, train_images=images)


def measured(task: str) -> dict[str, object]:
    sides = (Side(task, None), Side(task, DESIGN))
    calm, disturbed = [], []
    for number in range(MOST + WARM_UP):
        before, order = preemptions(), (0, 1) if number % 2 else (1, 0)
        times = {which: sides[which].epoch() for which in order}
        if number >= WARM_UP:
            (calm if preemptions() == before else disturbed).append((times[0], times[1]))
        if len(calm) == LEAST:
            break
    rounds = calm if len(calm) == LEAST else calm + disturbed
    native, ours = zip(*rounds, strict=True)
    steps = len(sides[0].run.batch_sizes)
    overheads = [quartiles([each.overhead_percent for each in side]) for side in (native, ours)]
    ratio = quartiles([b.step / a.step for a, b in zip(native, ours, strict=True)])
    return {
        "task": task,
        "steps": steps,
        "rounds": len(rounds),
        "disturbed": 0 if rounds is calm else len(disturbed),
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
    about = dataclasses.asdict(record((), load, False))
    names = ("date", "cpu", "cores", "load_before", "system", "versions")
    kept = {name: about[name] for name in names}
    content = {
        "command": "python benchmarks/loop_overhead.py",
        **kept,
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
