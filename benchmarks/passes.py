"""Which pass of a training step is hurt by a design? Each alone, the others exact bf16.

usage: nice -n 15 python benchmarks/passes.py [--seeds N] [TASK...]
       writes benchmarks/results/passes.json

A design multiplies in the forward pass only, in the gradient of the inputs only, in that of the
weights only, or in all three. Each network is compared with exact bf16 of the same seed; the
difference of the final metric has Student's 95 % interval over the seeds.

One thread; an hour and a half on one core, most of it `charlm`. What the file holds already, with
the same settings, is not trained again; nor is what `tasks.json` holds, if the exact network of
the first seed ends with the very score that stands there.
"""

import argparse
import dataclasses
import json
from pathlib import Path

import torch
from provenance import provenance
from pydantic import TypeAdapter
from tasks import REFERENCE, Training, key, trained
from tasks import RESULTS as KNOWN

from axdse.dse.run.intervals import interval95, paired_difference
from axdse.dse.training.task import make
from axdse.dse.training.workloads import find_workload
from axdse.multipliers.designs.design_point import PRODUCTS

RESULTS = Path(__file__).parent / "results" / "passes.json"
TASKS = ("teacher", "autoenc", "g2p", "lenet-300-100(score=loss)", "charlm")
ALL = "all"
PASSES = (*PRODUCTS, ALL)
SEEDS = 3  # fewer give no interval worth a look: a design is shown once each pass has them
DESIGNS = (
    "exact(n=8) in int8",
    "mbm(m=7) in float(8,7)",
    "exact(n=4) in float(8,3)",
    "exact(n=4) in float(3,3)",
    "exact(n=3) in float(8,2)",
    "drum(n=4,k=3) in float(8,3)",
    "broken_array(n=4,h=2,v=6) in float(8,3)",
    "drum(n=4,k=2) in float(8,3)",
)


def text(design: str, where: str) -> str:
    return design if where == ALL else f"*:{where}={design}; *={REFERENCE}"


def table(task: str, rows: list[Training]) -> dict[str, object]:
    """How much worse than exact bf16 each design is in each pass, with its interval."""
    goal = make(find_workload(task)).task.metric.goal
    scores = {(row.design, row.seed): row.score for row in rows if row.key == key(task)}
    designs: dict[str, dict[str, dict[str, float]]] = {}
    for design in DESIGNS:
        found = {}
        for where in PASSES:
            point = text(design, where)
            seeds = [s for d, s in scores if d == point and (REFERENCE, s) in scores]
            ours, theirs = (tuple(scores[d, s] for s in seeds) for d in (point, REFERENCE))
            if len(seeds) >= SEEDS:
                apart = interval95(paired_difference(ours, theirs))
                found[where] = {
                    "worse_by": round(-goal.score(apart.mean), 4),
                    "interval": round(apart.half, 4),
                    "seeds": len(seeds),
                }
        if len(found) == len(PASSES):
            designs[design] = found
    return {"task": task, "metric": goal.name, "unit": goal.unit, "designs": designs}


def shown(found: dict[str, object]) -> str:
    lines = [
        f"\n{found['task']}: {found['unit']} worse than {REFERENCE}\n",
        "| design | " + " | ".join(PASSES) + " |",
        "|---|" + "---|" * len(PASSES),
    ]
    for design, passes in found["designs"].items():
        cells = (f"{passes[p]['worse_by']:+.3f} ± {passes[p]['interval']:.3f}" for p in PASSES)
        lines.append(f"| `{design}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def read(path: Path) -> list[Training]:
    known = json.loads(path.read_text()) if path.exists() else {}
    return TypeAdapter(list[Training]).validate_python(known.get("trainings", []))


def write(rows: list[Training]) -> None:
    tables = [found for task in TASKS if (found := table(task, rows))["designs"]]
    content = {
        "command": "python benchmarks/passes.py",
        **provenance(),
        "tables": tables,
        "trainings": [dataclasses.asdict(row) for row in rows],
    }
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")


def taken(task: str) -> list[Training]:
    """Of `tasks.json`, if its bits are those of this machine and version."""
    rows = [row for row in read(KNOWN) if row.key == key(task)]
    first = [row for row in rows if (row.design, row.seed) == (REFERENCE, 0)]
    same = bool(first) and trained(task, REFERENCE, 0).score == first[0].score
    return [row for row in rows if row.design in (REFERENCE, *DESIGNS)] if same else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="*", default=TASKS)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = read(RESULTS)
    for task in options.tasks:
        if not any(row.key == key(task) for row in rows):
            rows += [row for row in taken(task) if row.seed < options.seeds]
        wanted = [REFERENCE, *(text(design, where) for design in DESIGNS for where in PASSES)]
        for seed in range(options.seeds):
            done = {(row.design, row.seed) for row in rows if row.key == key(task)}
            for design in wanted:
                if (design, seed) not in done:
                    rows.append(trained(task, design, seed))
                    print(rows[-1].design, seed, rows[-1].score, rows[-1].seconds, flush=True)
                    write(rows)
        print(shown(table(task, rows)), flush=True)


if __name__ == "__main__":
    main()
