"""Which MACs train as well as exact float(8,3) with an FP32 sum, and how much less do they take?

usage: python benchmarks/mac_scores.py [--seeds N] [--table] [TASK...]
                                    writes benchmarks/results/mac_scores.{json,csv}

Each MAC is trained beside REFERENCE with the same seed, so with the same weights, batches and
order; the difference of the final metric has Student's 95 % interval over the seeds. Costs are
those of `mac_grid.csv`: by which factors REFERENCE takes more area and energy. A MAC is "as good"
where its interval has no loss above RESOLUTION. Trainings that the file holds already, with the
same settings and MAC, are not repeated. --table trains nothing, and prints the tables of
`docs/front.md`, of shares and of scores.
"""

import argparse
import csv
import dataclasses
import itertools
import json
import statistics
from pathlib import Path

import torch
from mac_grid import TRAINED as MACS
from provenance import provenance
from pydantic import TypeAdapter
from tasks import Training, key, trained

from axdse.dse.run.intervals import interval95, paired_difference
from axdse.dse.training.task import make
from axdse.dse.training.workloads import find_workload

RESULTS = Path(__file__).parent / "results"
TRAININGS, TABLE = RESULTS / "mac_scores.json", RESULTS / "mac_scores.csv"
REFERENCE = MACS[0]
NEAR = 6  # so many of them come first: those near the front
TASKS = ("teacher", "autoenc")
# Whose shares are shown; a row for each sum that two of them have.
SHOWN = (
    *("exact(n=4) in float(8,3)", "drum(n=4,k=3) in float(8,3)"),
    *("exact(n=8) in bf16", "drum(n=8,k=4) in bf16"),
)
INTEGERS = ("exact(n=8) in int8", "drum(n=8,k=4) in int8", "baugh_wooley(n=8) in int8")
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
    costs = grid()
    if mac not in costs or REFERENCE not in costs:
        return ()
    names = ("um2", "recorded_element_fj", "recorded_still_element_fj")
    return tuple(float(costs[REFERENCE][name]) / float(costs[mac][name]) for name in names)


def grid() -> dict[tuple[str, str], dict[str, str]]:
    """Rows of `mac_grid.csv` by core and sum."""
    with (RESULTS / "mac_grid.csv").open(newline="") as file:
        return {(row["core"], row["sum"]): row for row in csv.DictReader(file)}


def shares_table(cores: tuple[str, ...]) -> str:
    """Area and energy of each product by sum and core, and the multiplier's part of them."""
    costs = grid()
    sums = dict.fromkeys(total for core, total in costs if core in cores)
    heads = [*(f"`{core}`, 1000 um2" for core in cores), *(f"`{core}`, pJ" for core in cores)]
    lines = [f"| sum | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for total in sums:
        rows = [costs.get((core, total)) for core in cores]
        if sum(row is not None for row in rows) > 1:
            cells = [*map(_area_cell, rows), *map(_energy_cell, rows)]
            lines.append(f"| `{total}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def _area_cell(row: dict[str, str] | None) -> str:
    if row is None:
        return "-"
    area = float(row["um2"])
    return f"{area / 1000:.1f} ({float(row['multiplier_um2']) / area:.0%})"


def _energy_cell(row: dict[str, str] | None) -> str:
    if row is None:
        return "-"
    shown = []
    for kind in ("recorded", "recorded_still"):
        whole = float(row[f"{kind}_element_fj"])
        part = float(row[f"{kind}_core_fj"]) + float(row[f"{kind}_multiplier_fj"])
        shown.append((f"{whole / 1000:.1f}", f"{part / whole:.0%}"))
    (pj, share), (still, still_share) = shown
    return f"{pj} / {still} ({share} / {still_share})"


def scores_table() -> str:
    """The MACs with their paired differences, and by which factors they take less."""
    with TABLE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    found = {(row["task"], row["core"], row["sum"]): row for row in rows}
    heads = ("core", "sum", *(f"{task}, worse by" for task in TASKS))
    less = ("area, times less", "energy, times less", "without glitches")
    lines = [f"| {' | '.join((*heads, *less))} |", "|---" * (len(heads) + len(less)) + "|"]
    for row in (row for row in rows if row["task"] == TASKS[0]):
        mac = row["core"], row["sum"]
        apart = [_apart(found.get((task, *mac))) for task in TASKS]
        cells = [row[f"{what}_times_less"] or "-" for what in ("area", "energy", "still")]
        lines.append(f"| `{mac[0]}` | `{mac[1]}` | {' | '.join((*apart, *cells))} |")
    return "\n".join(lines)


def _apart(row: dict[str, str] | None) -> str:
    if row is None:
        return "-"
    text = f"{float(row['worse_by']):+.3f} ± {float(row['half_width']):.3f}"
    return text if row["as_good"] == "no" else f"**{text}**"


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
    seeds = () if options.table else range(options.seeds)
    for macs, task in itertools.product((MACS[:NEAR], MACS[NEAR:]), options.tasks):
        for seed, mac in itertools.product(seeds, macs):
            if (key(task), text(mac), seed) not in done:
                trainings.append(trained(task, text(mac), seed))
                print(trainings[-1], flush=True)
                _write(trainings)
    _write(trainings)
    if options.table:
        print("\n\n".join((shares_table(SHOWN), shares_table(INTEGERS), scores_table())))


def _write(trainings: list[Training]) -> None:
    made = {"command": "python benchmarks/mac_scores.py", **provenance()}
    made["trainings"] = [dataclasses.asdict(each) for each in trainings]
    TRAININGS.write_text(json.dumps(made, indent=1) + "\n")
    with TABLE.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for task in TASKS:
            writer.writerows(rows_of(task, trainings))


if __name__ == "__main__":
    main()
