"""What does a MAC of its own for the gradients save? Energy of a training step at equal score.

usage: nice -n 15 python benchmarks/per_pass.py    writes benchmarks/results/per_pass.json

Each of FORWARD is trained on `teacher` with itself in all three products, and with each of
GRADIENTS in both gradients, beside exact bf16 of the same seed; who loses more than half of the
metric's resolution with the first seed is not trained again. A point is as good where all of
Student's 95 % interval of the paired difference loses less than the resolution. Energy is
that of a training step on 16 x 16 elements, output-stationary, under the operands of exact bf16 in
its last epoch; products of a pass take what the MAC takes in that pass where it makes all three,
and the winner is costed as it is.

One thread. Trainings and costs that the file holds already are not made again.
"""

import dataclasses
import json
from pathlib import Path

import torch
from pydantic import TypeAdapter
from tasks import REFERENCE, Training, key, trained

from axdse.dse.bench.machine_record import record
from axdse.dse.run.intervals import interval95, paired_difference
from axdse.dse.training.task import make
from axdse.dse.training.train import train
from axdse.dse.training.workloads import find_workload
from axdse.flows.accelerator.network import accelerator_cost
from axdse.multipliers.designs.design_point import PRODUCTS, parse_design_point
from axdse.multipliers.operands.recording import Recording

RESULTS = Path(__file__).parent / "results" / "per_pass.json"
TASK = "teacher"
SEEDS = 5
RECORD_EVERY = 6
FORWARD = (
    REFERENCE,
    "truncated(n=8,t=7,c=0) in bf16",
    "exact(n=7) in float(8,6)",
    "truncated(n=7,t=6,c=0) in float(8,6)",
)
GRADIENTS = (
    "exact(n=4) in float(8,3)",
    "mitchell(m=3) in float(8,3)",
    "drum(n=4,k=3) in float(8,3)",
    "exact(n=3) in float(8,2)",
)
Energies = dict[str, float]  # uJ of a training step, by pass


def text(forward: str, gradients: str) -> str:
    return forward if forward == gradients else f"*:forward={forward}; *={gradients}"


def recording() -> Recording:
    exact = parse_design_point(REFERENCE)
    made = train(find_workload(TASK), exact, None, 1, record_every=RECORD_EVERY).recording
    assert made is not None
    return made


def step_uj(point: str, met: Recording) -> Energies:
    cost = accelerator_cost(met, parse_design_point(point))
    return {p: sum(x.step_uj for x in cost.layers if x.product == p) for p in PRODUCTS}


def rows(trainings: list[Training], costs: dict[str, Energies]) -> list[dict[str, object]]:
    """Each point, by energy."""
    metric = make(find_workload(TASK)).task.metric
    scores = {(row.design, row.seed): row.score for row in trainings}
    found: list[dict[str, object]] = []
    for forward in FORWARD:
        for gradients in (forward, *GRADIENTS):
            point = text(forward, gradients)
            seeds = [s for s in range(SEEDS) if {(point, s), (REFERENCE, s)} <= scores.keys()]
            ours, theirs = (tuple(scores[d, s] for s in seeds) for d in (point, REFERENCE))
            if len(seeds) < 2 or not {forward, gradients} <= costs.keys():
                continue
            apart = interval95(paired_difference(ours, theirs))
            worse = -metric.goal.score(apart.mean)
            parts = (costs[forward if p == "forward" else gradients][p] for p in PRODUCTS)
            found.append(
                {
                    "point": point,
                    "step_uj": round(sum(parts), 4),
                    "worse_by": round(worse, 4),
                    "interval": round(apart.half, 4),
                    "seeds": len(seeds),
                    "as_good": worse + apart.half <= metric.resolution,
                    "uniform": forward == gradients,
                }
            )
    return sorted(found, key=lambda row: float(str(row["step_uj"])))


def points(trainings: list[Training], costs: dict[str, Energies]) -> list[str]:
    """The reference, then those of energy least first that the first seed has not ruled out."""
    metric = make(find_workload(TASK)).task.metric
    first = {row.design: metric.goal.score(row.score) for row in trainings if row.seed == 0}

    def energy(pair: tuple[str, str]) -> float:
        return sum(costs[pair[p != "forward"]][p] for p in PRODUCTS)

    pairs = sorted(((f, g) for f in FORWARD for g in (f, *GRADIENTS)), key=energy)
    near = (
        text(*pair)
        for pair in pairs
        if not first or first[text(*pair)] >= first[REFERENCE] - metric.resolution / 2
    )
    return list(dict.fromkeys((REFERENCE, *near)))


def write(trainings: list[Training], costs: dict[str, Energies]) -> None:
    about = dataclasses.asdict(record((), 0.0, False))
    kept = {name: about[name] for name in ("date", "cpu", "cores", "system", "versions")}
    content = {
        "command": "python benchmarks/per_pass.py",
        **kept,
        "points": rows(trainings, costs),
        "costs": costs,
        "trainings": [dataclasses.asdict(row) for row in trainings],
    }
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")


def main() -> None:
    torch.set_num_threads(1)
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    trainings = TypeAdapter(list[Training]).validate_python(known.get("trainings", []))
    costs: dict[str, Energies] = known.get("costs", {})
    missing = [mac for mac in (*FORWARD, *GRADIENTS) if mac not in costs]
    met = recording() if missing else None
    for mac in missing:
        assert met
        costs[mac] = step_uj(mac, met)
        print(mac, costs[mac], flush=True)
        write(trainings, costs)
    done = {(row.design, row.seed) for row in trainings if row.key == key(TASK)}
    for seed in range(SEEDS):
        for point in points(trainings, costs) if seed else points([], costs):
            if (point, seed) not in done:
                trainings.append(trained(TASK, point, seed))
                print(trainings[-1].design, seed, trainings[-1].score, flush=True)
                write(trainings, costs)
    found = rows(trainings, costs)
    best = str(next(row["point"] for row in found if row["as_good"]))
    if best not in costs:
        costs[best] = step_uj(best, met or recording())
        write(trainings, costs)
    for row in found:
        print(row, flush=True)
    print(best, sum(costs[best].values()), flush=True)


if __name__ == "__main__":
    main()
