"""Which gradients retrain a network best for a core that errs: its own, exact ones or its slopes?

usage: nice -n 10 python benchmarks/slopes.py    writes results/slopes.json, three CPU minutes

LeNet-300-100 is trained natively for two epochs, with three seeds. With each core it is then
measured as it is, and after an epoch at a tenth of the learning rate with each kind of gradient:

    own     the core makes both gradients, as `axdse evaluate --finetune 1`
    exact   both are exact, straight through the core: `*:forward=CORE; *=fp32`
    slopes  finite differences of its table over a window, `--slopes 16`

Loss and accuracy are of the validation examples, as means of the seeds with 95 % intervals of the
differences to `exact`, which are paired.
"""

import json
import math
import os
import statistics
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from provenance import provenance

from axdse.dse.run.intervals import interval95, paired_difference
from axdse.dse.training.inference import Pretrained, infer
from axdse.dse.training.task import make
from axdse.dse.training.train import train
from axdse.dse.training.workloads import find_workload
from axdse.multipliers.designs.design_point import parse_design_point

RESULTS = Path(__file__).parent / "results" / "slopes.json"
TASK, EPOCHS, SEEDS, HALF_WINDOW = "lenet-300-100", 2, (0, 1, 2), 16
CORES = (
    "truncated(n=8,t=8,c=0) in uint8",
    "broken_array(n=8,h=4,v=11) in int8",
)
KINDS = {"none": "{}", "own": "{}", "exact": "*:forward={}; *=fp32", "slopes": "{}"}


@dataclass(frozen=True)
class Retrained:
    """A network after retraining, or as it was.

    Attributes:
        core: in its format.
        gradients: a key of KINDS.
        seed: of network and retraining.
        accuracy_percent: of the validation examples.
        loss: likewise; None: it is NaN, as the network diverged.
        cpu_s: of the process, the evaluation included.
    """

    core: str
    gradients: str
    seed: int
    accuracy_percent: float
    loss: float | None
    cpu_s: float


def retrained(network: Pretrained, seed: int) -> Iterator[Retrained]:
    """Every core with every kind of gradient."""
    for core in CORES:
        for kind, text in KINDS.items():
            begun = time.process_time()
            epochs, window = int(kind != "none"), HALF_WINDOW if kind == "slopes" else None
            point = parse_design_point(text.format(core))
            _, found = infer(network, (point,), finetune=epochs, seed=seed, slopes=window)
            spent = time.process_time() - begun
            loss = None if math.isnan(found.loss) else round(found.loss, 4)
            percent = round(100 * found.metric, 2)
            row = Retrained(core, kind, seed, percent, loss, round(spent, 1))
            print(row, flush=True)
            yield row


def summary(rows: list[Retrained]) -> Iterator[dict[str, object]]:
    """Means over the seeds, and how far each is from exact gradients."""
    for core in CORES:
        for kind in KINDS:
            mine, exact = (
                [row for row in rows if (row.core, row.gradients) == (core, each)]
                for each in (kind, "exact")
            )
            losses, others = (
                tuple(row.loss for row in each if row.loss is not None) for each in (mine, exact)
            )
            whole = len(losses) == len(others) == len(SEEDS)
            apart = interval95(paired_difference(losses, others)) if whole else None
            yield {
                "core": core,
                "gradients": kind,
                "accuracy_percent": round(statistics.mean(r.accuracy_percent for r in mine), 2),
                "loss": round(statistics.mean(losses), 4) if whole else None,
                "loss_to_exact": [round(apart.mean, 4), round(apart.half, 4)] if apart else None,
                "cpu_s": round(statistics.mean(row.cpu_s for row in mine), 1),
            }


def main() -> None:
    """Write the record."""
    torch.set_num_threads(1)
    about, rows, workload = provenance(os.getloadavg()[0]), [], find_workload(TASK)
    settings = replace(make(workload).task.settings, epochs=EPOCHS)
    for seed in SEEDS:
        network = train(workload, None, settings, seed).model
        rows += retrained(Pretrained(make(workload), network), seed)
    content = {
        "command": "python benchmarks/slopes.py",
        **about,
        "task": TASK,
        "native_epochs": EPOCHS,
        "half_window": HALF_WINDOW,
        "summary": list(summary(rows)),
        "rows": [asdict(row) for row in rows],
    }
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
