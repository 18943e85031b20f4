"""What does a MAC of its own for the gradients save? Energy of a training step at equal score.

usage: nice -n 15 python benchmarks/per_pass.py [TASK...]
       writes benchmarks/results/per_pass.json

Each of FORWARD is trained on a task with itself in all three products, and with each of GRADIENTS
in both gradients; those of GRADIENTS in all three too; beside exact bf16 of the same seed. Who
loses more than half of the metric's resolution with the first seed is not trained again. A point
is as good where all of Student's 95 % interval of the paired difference loses less than the
resolution. Energy is that of a training step on 16 x 16 elements, output-stationary, under the
operands of exact bf16 in its last epoch; products of a pass take what the MAC takes in that pass
where it makes all three, and the winner is costed as it is.

One thread. Trainings and costs that the file holds already are not made again.
"""

import argparse
import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
from provenance import provenance
from pydantic import TypeAdapter
from tasks import REFERENCE, Training, key, trained

from axdse.dse.run.intervals import interval95, paired_difference
from axdse.dse.training.task import make
from axdse.dse.training.train import train
from axdse.dse.training.workloads import find_workload
from axdse.flows.accelerator.network import accelerator_cost
from axdse.multipliers.designs.design_point import PRODUCTS, parse_design_point
from axdse.multipliers.operands.recording import Recording

RESULTS = Path(__file__).parent / "results" / "per_pass.json"
TASKS = ("teacher", "g2p", "lenet-300-100(score=loss)")
SEEDS = 5
RECORD_EVERY = 6
FORWARD = (
    REFERENCE,
    "truncated(n=8,t=7,c=0) in bf16",
    "exact(n=7) in float(8,6)",
    "truncated(n=7,t=6,c=0) in float(8,6)",
    "exact(n=8) in int8",
)
GRADIENTS = (
    "exact(n=4) in float(8,3)",
    "mitchell(m=3) in float(8,3)",
    "drum(n=4,k=3) in float(8,3)",
    "exact(n=3) in float(8,2)",
)
PAIRS = (*((f, g) for f in FORWARD for g in (f, *GRADIENTS)), *((g, g) for g in GRADIENTS))
Energies = dict[str, float]  # uJ of a training step, by pass


@dataclass(frozen=True)
class Point:
    """A MAC in the forward pass and one in both gradients, against exact bf16."""

    point: str
    uniform: bool
    step_uj: float
    worse_by: float
    interval: float
    seeds: int
    as_good: bool


@dataclass
class Study:
    """What is known of a task: energies of MACs, and of the winner; trainings of points."""

    task: str
    costs: dict[str, Energies] = field(default_factory=dict)
    trainings: list[Training] = field(default_factory=list)

    def recording(self) -> Recording:
        """Operands of exact bf16 in its last epoch."""
        exact = parse_design_point(REFERENCE)
        made = train(find_workload(self.task), exact, None, 1, record_every=RECORD_EVERY)
        assert made.recording is not None
        return made.recording

    def energy(self, pair: tuple[str, str]) -> float:
        """Of a training step, uJ."""
        return sum(self.costs[pair[product != "forward"]][product] for product in PRODUCTS)

    def wanted(self, seed: int) -> list[str]:
        """The reference, then by energy those that the first seed has not ruled out."""
        metric = make(find_workload(self.task)).task.metric
        first = {
            row.design: metric.goal.score(row.score) for row in self.trainings if not row.seed
        }
        near = (
            text(*pair)
            for pair in sorted(PAIRS, key=self.energy)
            if not seed or first[text(*pair)] >= first[REFERENCE] - metric.resolution / 2
        )
        return list(dict.fromkeys((REFERENCE, *near)))

    def points(self) -> list[Point]:
        """Those with two seeds or more, by energy."""
        metric = make(find_workload(self.task)).task.metric
        scores = {(row.design, row.seed): row.score for row in self.trainings}
        found = []
        for pair in PAIRS:
            point = text(*pair)
            seeds = [s for s in range(SEEDS) if {(point, s), (REFERENCE, s)} <= scores.keys()]
            if len(seeds) < 2 or not {*pair} <= self.costs.keys():
                continue
            ours, theirs = (tuple(scores[d, s] for s in seeds) for d in (point, REFERENCE))
            apart = interval95(paired_difference(ours, theirs))
            worse = -metric.goal.score(apart.mean)
            found.append(
                Point(
                    point=point,
                    uniform=len({*pair}) == 1,
                    step_uj=round(self.energy(pair), 4),
                    worse_by=round(worse, 4),
                    interval=round(apart.half, 4),
                    seeds=len(seeds),
                    as_good=worse + apart.half <= metric.resolution,
                )
            )
        return sorted(found, key=lambda each: each.step_uj)


def text(forward: str, gradients: str) -> str:
    return forward if forward == gradients else f"*:forward={forward}; *={gradients}"


def step_uj(point: str, met: Recording) -> Energies:
    cost = accelerator_cost(met, parse_design_point(point))
    return {p: sum(x.step_uj for x in cost.layers if x.product == p) for p in PRODUCTS}


def read() -> list[Study]:
    known = json.loads(RESULTS.read_text())["tasks"] if RESULTS.exists() else []
    for study in known:
        del study["points"]
    return TypeAdapter(list[Study]).validate_python(known)


def write(studies: list[Study]) -> None:
    tasks = [
        {"task": each.task, "points": [dataclasses.asdict(point) for point in each.points()]}
        | dataclasses.asdict(each)
        for each in studies
    ]
    content = {"command": "python benchmarks/per_pass.py", **provenance(), "tasks": tasks}
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")


def run(study: Study, studies: list[Study]) -> None:
    missing = [mac for mac in (*FORWARD, *GRADIENTS) if mac not in study.costs]
    met = study.recording() if missing else None
    for mac in missing:
        assert met
        study.costs[mac] = step_uj(mac, met)
        print(mac, study.costs[mac], flush=True)
        write(studies)
    done = {(row.design, row.seed) for row in study.trainings if row.key == key(study.task)}
    for seed in range(SEEDS):
        for point in study.wanted(seed):
            if (point, seed) not in done:
                study.trainings.append(trained(study.task, point, seed))
                print(point, seed, study.trainings[-1].score, flush=True)
                write(studies)
    found = study.points()
    print(*found, sep="\n", flush=True)
    best = next(each.point for each in found if each.as_good)
    if best not in study.costs:
        study.costs[best] = step_uj(best, met or study.recording())
        write(studies)
    print(best, sum(study.costs[best].values()), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="*", default=TASKS)
    torch.set_num_threads(1)
    studies = read()
    for task in parser.parse_args().tasks:
        if task not in {study.task for study in studies}:
            studies.append(Study(task))
        run(next(study for study in studies if study.task == task), studies)


if __name__ == "__main__":
    main()
