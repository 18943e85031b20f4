"""What would a search find that trains everything? Each point of small spaces is trained.

usage: nice -n 10 python benchmarks/truth.py [SPACE...]
       writes benchmarks/results/truth/SPACE.csv and truth.json

`teacher-uniform` has one MAC everywhere: each different table of the families below in the
formats of `make search`. `teacher-places` and `lenet-places` give eight MACs to two groups of
layers in three passes, two different ones at most, and of those 512 assignments that a seeded draw
chose, the uniform ones among them. Each is trained with two seeds, and each epoch's score is kept,
so that `benchmarks/replay.py` replays searches on the table as if they trained.

One thread; an hour or two on a shared core for each space. A row is written as it comes, all
points with the first seed before any with the second, and is not made again; files may go on.
"""

import csv
import dataclasses
import itertools
import json
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from provenance import provenance

from axdse.dse.run.config import SearchConfig
from axdse.dse.search.space import space_of
from axdse.dse.training.records import History, TrainSettings
from axdse.dse.training.task import make
from axdse.dse.training.train import train
from axdse.dse.training.workloads import find_workload
from axdse.multipliers.designs.design_point import DesignPoint, Mac, parse_design_point, parse_mac
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.tables.lut import build_lut

RESULTS = Path(__file__).parent / "results" / "truth"
SEEDS = (0, 1)
ASSIGNMENTS = 512
FAMILIES = (
    *("exact", "drum", "mitchell", "mbm", "mitch_w", "ssm", "etm", "truncated", "lower_or"),
    *("realm", "roba", "ilm", "udm", "letam", "lmul", "or_rows", "drum_signed", "booth_approx"),
    *("alm_soa", "momeni"),
)
FORMATS = ("bf16", "float(8,6)", "float(8,5)", "float(8,4)", "float(8,3)", "float(8,2)", "int8")
MACS = (
    "exact(n=8) in bf16",
    "mitchell(m=7) in float(8,7)",
    "exact(n=8) in int8",
    "exact(n=6) in float(8,5)",
    "exact(n=4) in float(8,3)",
    "mitchell(m=3) in float(8,3)",
    "exact(n=3) in float(8,2)",
    "drum(n=4,k=3) in float(8,3)",
)
PASSES = ("forward", "input_gradient", "weight_gradient")
COLUMNS = ("point", "seed", "status", "seconds", "scores")


@dataclass(frozen=True)
class Truth:
    """A space that is trained as a whole.

    Attributes:
        name: of the file.
        task: workload.
        groups: patterns of layers, the first that fits counts; none: one MAC everywhere.
        settings: None: the workload's own.
    """

    name: str
    task: str
    groups: tuple[str, ...] = ()
    settings: TrainSettings | None = None

    @cached_property
    def training(self) -> TrainSettings:
        """How each is trained."""
        return self.settings or make(find_workload(self.task)).task.settings

    def points(self) -> tuple[DesignPoint, ...]:
        """All of them, in the order in which they are trained: any prefix is a fair sample."""
        points = self._assignments() if self.groups else map(DesignPoint.uniform, uniform())
        first, *others = points
        random.Random(self.name).shuffle(others)
        return (first, *others)

    def _assignments(self) -> list[DesignPoint]:
        macs = [parse_mac(text) for text in MACS]
        places = [f"{group}:{product}" for group in self.groups for product in PASSES]
        mixed = [
            {place: pair[which] for place, which in zip(places, shared, strict=True)}
            for pair in itertools.combinations(macs, 2)
            for shared in itertools.product((0, 1), repeat=len(places))
            if len({*shared}) == 2
        ]
        chosen = random.Random(0).sample(mixed, ASSIGNMENTS - len(macs))
        texts = ("; ".join(f"{p}={mac.name}" for p, mac in each.items()) for each in chosen)
        return [*map(DesignPoint.uniform, macs), *map(parse_design_point, texts)]


TRUTHS = (
    Truth("teacher-uniform", "teacher"),
    Truth(
        "lenet-places",
        "lenet-300-100(score=loss)",
        ("fc1", "*"),
        TrainSettings(epochs=5, train_images=4_000),
    ),
    Truth("teacher-places", "teacher", ("[12].*", "*")),
)


def uniform() -> list[Mac]:
    """One MAC for each different table, the first in the order of the space."""
    found: dict[str, Mac] = {}
    for mac in space_of(SearchConfig("teacher", FORMATS, families=FAMILIES)).macs():
        try:
            found.setdefault(build_lut(mac.candidate).digest, mac)
        except AxdseError:  # products that fit no table: no search trains it
            continue
    return list(found.values())


def missing(truth: Truth) -> Iterator[tuple[DesignPoint, int]]:
    path, done = RESULTS / f"{truth.name}.csv", set()
    if path.exists():
        with path.open() as file:
            done = {(row["point"], int(row["seed"])) for row in csv.DictReader(file)}
    else:
        path.write_text(",".join(COLUMNS) + "\n")
    for seed in SEEDS:
        for point in truth.points():
            if (point.name, seed) not in done:
                yield point, seed


def write(truth: Truth, point: DesignPoint, history: History, seconds: float) -> None:
    scores = " ".join(f"{epoch.validation_score:.5f}" for epoch in history.epochs)
    row = (point.name, history.seed, history.status, f"{seconds:.2f}", scores)
    with (RESULTS / f"{truth.name}.csv").open("a", newline="") as file:
        csv.writer(file, lineterminator="\n").writerow(row)


def write_provenance() -> None:
    spaces = {
        each.name: {
            "task": each.task,
            "groups": each.groups,
            "settings": dataclasses.asdict(each.training),
        }
        for each in TRUTHS
    }
    content = {"command": "python benchmarks/truth.py", **provenance(), "spaces": spaces}
    (RESULTS / "truth.json").write_text(json.dumps(content, indent=1) + "\n")


def main() -> None:
    torch.set_num_threads(1)
    RESULTS.mkdir(parents=True, exist_ok=True)
    write_provenance()
    for truth in TRUTHS:
        if sys.argv[1:] and truth.name not in sys.argv[1:]:
            continue
        todo, start = list(missing(truth)), time.monotonic()
        for number, (point, seed) in enumerate(todo, 1):
            began = time.process_time()
            history = train(find_workload(truth.task), point, truth.training, seed).history
            write(truth, point, history, time.process_time() - began)
            left = (time.monotonic() - start) / number * (len(todo) - number) / 60
            print(
                f"{truth.name} {number}/{len(todo)}: {point.name}, seed {seed}: "
                f"{history.validation_score:.3f}; {left:.0f} min left",
                flush=True,
            )


if __name__ == "__main__":
    main()
