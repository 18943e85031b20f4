"""Which MACs train as well as exact float(8,3) with an FP32 sum, and how much less do they take?

usage: python benchmarks/mac_scores.py [--seeds N] [--table] [TASK...]
                                    writes benchmarks/results/mac_scores.{json,csv}

Each MAC is trained beside REFERENCE with the same seed, so with the same weights, batches and
order; the difference of the final metric has Student's 95 % interval over the seeds. Costs are
those of `mac_grid.csv`: by which factors REFERENCE takes more area and energy. A MAC is "as good"
where its interval has no loss above RESOLUTION. Trainings that the file holds already, with the
same settings and MAC, are not repeated. --table trains nothing.
"""

import argparse
import csv
import dataclasses
import json
import statistics
from pathlib import Path

import torch
from mac_grid import TRAINED as MACS
from pydantic import TypeAdapter
from tasks import Training, key, trained

from axdse.dse.bench.machine_record import record
from axdse.dse.report.summary import interval95
from axdse.dse.run.evaluation import paired_difference
from axdse.dse.training.task import make
from axdse.dse.training.workloads import find_workload

RESULTS = Path(__file__).parent / "results"
TRAININGS, TABLE = RESULTS / "mac_scores.json", RESULTS / "mac_scores.csv"
REFERENCE = MACS[0]
TASKS = ("teacher", "autoenc")
RESOLUTION = {"decades": 0.04}  # a tenth more error
COLUMNS = (
    *("task", "core", "sum", "seeds", "score", "worse_by", "half_width", "as_good"),
    *("area_times_less", "energy_times_less", "still_times_less"),
)


def text(mac: tuple[str, str]) -> str:
    """A MAC as it is trained; the sum of a format is not written."""
    core, total = mac
    return core if total == "fp32" else f"{core} sum {total}"


def rows_of(task: str, trainings: list[Training]) -> list[dict[str, object]]:
    """The MACs of a task, the better ones first."""
    metric = make(find_workload(task)).task.metric
    scores: dict[str, dict[int, float]] = {}
    for each in trainings:
        if each.key == key(task):
            scores.setdefault(each.design, {})[each.seed] = each.score
    reference, found = scores.get(text(REFERENCE), {}), []
    for mac in MACS:
        own = scores.get(text(mac), {})
        seeds = sorted(own.keys() & reference.keys())
        if len(seeds) < 2:
            continue
        ends = [tuple(side[seed] for seed in seeds) for side in (own, reference)]
        apart = interval95(paired_difference(*ends))
        worse, half = -metric.goal.score(apart.mean), apart.half
        good = worse + half <= RESOLUTION.get(metric.unit, 0.0)
        shown = (f"{each:.4f}" for each in (statistics.fmean(ends[0]), worse, half))
        less = (f"{each:.3g}" for each in times_less(mac))
        values = (task, *mac, len(seeds), *shown, "yes" if good else "no", *less)
        found.append((worse, dict(zip(COLUMNS, values, strict=False))))
    return [row for _, row in sorted(found, key=lambda each: each[0])]


def times_less(mac: tuple[str, str]) -> tuple[float, ...]:
    """By which factors REFERENCE takes more area, and energy with and without glitches."""
    with (RESULTS / "mac_grid.csv").open(newline="") as file:
        costs = {(row["core"], row["sum"]): row for row in csv.DictReader(file)}
    if mac not in costs or REFERENCE not in costs:
        return ()
    names = ("um2", "recorded_element_fj", "recorded_still_element_fj")
    return tuple(float(costs[REFERENCE][name]) / float(costs[mac][name]) for name in names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="*", default=TASKS)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    known = json.loads(TRAININGS.read_text()) if TRAININGS.exists() else {}
    trainings = TypeAdapter(list[Training]).validate_python(known.get("trainings", []))
    done = {(each.key, each.design, each.seed) for each in trainings}
    for task in options.tasks:
        for seed in () if options.table else range(options.seeds):
            for mac in MACS:
                if (key(task), text(mac), seed) in done:
                    continue
                trainings.append(trained(task, text(mac), seed))
                print(trainings[-1], flush=True)
                _write(trainings)
    _write(trainings)


def _write(trainings: list[Training]) -> None:
    about = dataclasses.asdict(record((), 0.0, False))
    kept = {name: about[name] for name in ("date", "cpu", "cores", "system", "versions")}
    made = {"command": "python benchmarks/mac_scores.py", **kept}
    made["trainings"] = [dataclasses.asdict(each) for each in trainings]
    TRAININGS.write_text(json.dumps(made, indent=1) + "\n")
    with TABLE.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for task in TASKS:
            writer.writerows(rows_of(task, trainings))


if __name__ == "__main__":
    main()
