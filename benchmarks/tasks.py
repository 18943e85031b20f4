"""Which tasks tell which designs apart? Trainings with paired seeds, and the tiers they make.

usage: python benchmarks/tasks.py [--seeds N] [TASK...]   writes benchmarks/results/tasks.json

Each design is compared with exact bf16 of the same seed, so with the same weights, batches and
order; the difference of the final metric has Student's 95 % interval over the seeds. Designs in
order of their differences fall into tiers: a design opens the next one where its interval does not
overlap that of the first of its tier. A design fails where its network is ten times worse in MSE,
half a nat in cross entropy, or diverges. Seconds are of the process, one thread.

About twenty minutes on one core; `charlm` takes as long again. Trainings that the file
holds already, with the same version and settings, are not repeated.
"""

import argparse
import dataclasses
import json
import statistics
import time
from pathlib import Path

import torch
from provenance import provenance
from pydantic import TypeAdapter

from axdse.dse.run.intervals import interval95, paired_difference
from axdse.dse.training.task import make
from axdse.dse.training.train import train
from axdse.dse.training.workloads import find_workload
from axdse.multipliers.designs.design_point import parse_design_point

RESULTS = Path(__file__).parent / "results" / "tasks.json"
NATIVE, REFERENCE = "fp32", "exact(n=8) in bf16"
DESIGNS = (
    NATIVE,
    REFERENCE,
    "exact(n=8) in int8",
    "mitchell(m=7) in float(8,7)",
    "mbm(m=7) in float(8,7)",
    "mitchell(m=3) in float(8,3)",
    "exact(n=4) in float(8,3)",
    "exact(n=4) in float(3,3)",
    "exact(n=3) in float(8,2)",
    "drum(n=4,k=3) in float(8,3)",
    "broken_array(n=4,h=2,v=6) in float(8,3)",
    "drum(n=4,k=2) in float(8,3)",
)
TASKS = ("teacher", "autoenc", "g2p", "lenet-300-100(score=loss)")
FAILS = {"decades": 1.0, "nats": 0.5}


@dataclasses.dataclass(frozen=True)
class Training:
    """One of them.

    Attributes:
        key: task, its settings and the version of axdse's arithmetic.
        design: as it is written.
        seed: paired over the designs.
        score: the metric on the validation split after the last epoch.
        status: as in `History`.
        seconds: CPU time.
    """

    key: str
    design: str
    seed: int
    score: float
    status: str
    seconds: float


def trained(task: str, design: str, seed: int) -> Training:
    workload = find_workload(task)
    point = None if design == NATIVE else parse_design_point(design)
    start = time.process_time()
    history = train(workload, point, None, seed).history
    seconds = round(time.process_time() - start, 2)
    goal = make(workload).task.metric.goal
    score = goal.score(history.validation_score)  # the metric
    return Training(key(task), design, seed, score, history.status, seconds)


def key(task: str) -> str:
    return f"{task}, {make(find_workload(task)).task.settings}"


def table(task: str, rows: list[Training]) -> dict[str, object]:
    """The designs of a task in order, with their tiers."""
    metric = make(find_workload(task)).task.metric
    by_design: dict[str, dict[int, Training]] = {}
    for row in rows:
        by_design.setdefault(row.design, {})[row.seed] = row
    reference = by_design[REFERENCE]
    found = []
    for design, ours in by_design.items():
        seeds = sorted(reference.keys() & ours.keys())
        ends = [tuple(each[seed].score for seed in seeds) for each in (ours, reference)]
        apart = interval95(paired_difference(*ends))
        worse = -metric.goal.score(apart.mean)
        failed = not worse < FAILS.get(metric.unit, 0.1)
        failed |= any(ours[seed].status == "nan" for seed in seeds)
        found.append(
            {
                "design": design,
                "score": round(statistics.fmean(ends[0]), 4),
                "worse_by": round(worse, 4),
                "interval": round(apart.half, 4),
                "fails": failed,
                "cpu_seconds": round(statistics.median(ours[s].seconds for s in seeds), 1),
            }
        )
    found.sort(key=lambda row: row["worse_by"])
    tier, first = 0, None
    for row in found:
        low, high = row["worse_by"] - row["interval"], row["worse_by"] + row["interval"]
        # FP32 is no design; its interval does not open a tier.
        if row["design"] != NATIVE and (first is None or low > first):
            tier, first = tier + 1, high
        row["tier"] = max(1, tier)
    return {
        "task": task,
        "metric": metric.name,
        "unit": metric.unit,
        "seeds": len(reference),
        "tiers": tier,
        "designs": found,
    }


def shown(tables: list[dict[str, object]]) -> str:
    lines = []
    for each in tables:
        lines += [
            f"\n{each['task']}: {each['metric']}, {each['seeds']} seeds, {each['tiers']} tiers\n",
            f"| tier | design | {each['metric']} | worse than {REFERENCE} | CPU s |",
            "|---|---|---|---|---|",
        ]
        lines += [
            f"| {row['tier']}{' fails' if row['fails'] else ''} | {row['design']} | "
            f"{row['score']:.3f} | {row['worse_by']:+.4f} ± {row['interval']:.4f} | "
            f"{row['cpu_seconds']} |"
            for row in each["designs"]
        ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="*", default=TASKS)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    rows = TypeAdapter(list[Training]).validate_python(known.get("trainings", []))
    done = {(row.key, row.design, row.seed) for row in rows}
    for task in options.tasks:
        for seed in range(options.seeds):
            for design in DESIGNS:
                if (key(task), design, seed) in done:
                    continue
                rows.append(trained(task, design, seed))
                print(rows[-1], flush=True)
        tasks = list(dict.fromkeys(row.key for row in rows))
        tables = [
            table(one.partition(", TrainSettings")[0], [row for row in rows if row.key == one])
            for one in tasks
        ]
        content = {
            "command": "python benchmarks/tasks.py",
            **provenance(),
            "tables": tables,
            "trainings": [dataclasses.asdict(row) for row in rows],
        }
        RESULTS.write_text(json.dumps(content, indent=1) + "\n")
        print(shown(tables), flush=True)


if __name__ == "__main__":
    main()
