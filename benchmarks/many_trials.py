"""Does a search of thousands of trials slow down, and what does its coordinator take of it?

usage: python benchmarks/many_trials.py [SAMPLER ...]   writes benchmarks/results/many_trials.json

All is real but for the trainings: the coordinator draws, packs jobs, tells the sampler, writes the
trials and the journal, and keeps the front; in place of a worker a score is drawn from the name of
the point. CPU time of the coordinator, without that, of each tenth of the trials; beside it, what
it would be of trainings of one second on two workers.
"""

import dataclasses
import json
import os
import platform
import random
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests" / "contracts"))

from mac_recordings import recording  # noqa: E402  a recording without a training

from axdse.dse.jobs.engines import Engine  # noqa: E402
from axdse.dse.jobs.freight import Unpacker  # noqa: E402
from axdse.dse.jobs.work import Answer, Order  # noqa: E402
from axdse.dse.jobs.workers import Workers  # noqa: E402
from axdse.dse.run.config import parse_config  # noqa: E402
from axdse.dse.run.evaluation import NATIVE, Baseline, Evaluation  # noqa: E402
from axdse.dse.run.run_dir import RunDir  # noqa: E402
from axdse.dse.run.survey import Harm, Surveyed  # noqa: E402
from axdse.dse.search.mirror import Mirror  # noqa: E402
from axdse.dse.search.progress import Unwatched  # noqa: E402
from axdse.dse.search.search import Search  # noqa: E402
from axdse.dse.search.space import space_of  # noqa: E402
from axdse.dse.search.survey import Survey  # noqa: E402
from axdse.dse.training.records import Epoch, History  # noqa: E402
from axdse.flows.cost.cost import unit_cost  # noqa: E402
from axdse.flows.cost.point import Demand, PointCost  # noqa: E402
from axdse.flows.cost.record import Cost  # noqa: E402
from axdse.multipliers.designs.design_point import Mac, parse_mac  # noqa: E402

RESULTS = HERE / "results" / "many_trials.json"
TRIALS = {"random": 5000, "nsga2": 5000, "tpe": 1000, "belief": 200}
CONFIG = """\
workload: lenet-300-100
dataset: fashion-mnist-14k
formats: ["float(8,3)", "float(8,4)", "float(8,5)", "float(8,6)", int8]
training: {{epochs: 1, train_images: 500}}
places: per-pass
objectives: [score, area]
trials: {trials}
trainings: {trials}
sampler: {sampler}
"""


class Played(Executor):
    """In place of workers: a score from the name of a point; it counts its own time."""

    def __init__(self, exact: Cost) -> None:
        self._exact = exact
        self.seconds = 0.0

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Answer at once."""
        start = time.process_time()
        order: Order = args[0]
        trial, _ = Unpacker(order.job, {}).load()
        chance = random.Random(trial.point.name)
        area_um2 = self._exact.area_um2 * chance.uniform(0.3, 1)
        cost = PointCost((dataclasses.replace(self._exact, area_um2=area_um2),), (1.0,))
        trained = _history(chance.uniform(0.5, 0.9))
        future: Future[Any] = Future()
        found = Evaluation(trial.number, trial.point, "complete", "", (), cost, trained)
        future.set_result(Answer(found))
        self.seconds += time.process_time() - start
        return future


class Clock(Unwatched):
    """When each trial was told of, in seconds of the coordinator."""

    def __init__(self, played: Played) -> None:
        self.marks: list[float] = []
        self._played = played

    def advance(self, note: str, steps: int = 1) -> None:
        """Look at the clock."""
        self.marks.append(time.process_time() - self._played.seconds)


def _history(score: float) -> History:
    return History((Epoch(1, 0.5, score, score, 0.1),), "finished", 0)


def _survey(space_macs: list[Mac], formats: list[str], exact: Cost) -> Survey:
    """Of made-up errors; no two MACs compute alike."""
    demand = Demand(recording(), "operands.npz")

    def look(mac: Mac) -> Surveyed:
        chance = random.Random(mac.name)
        harms = tuple(
            Harm(trace.layer, trace.product, chance.uniform(0.001, 0.1), 0.0, 0.0)
            for trace in demand.traces
        )
        return Surveyed(mac.name, mac.name, exact.area_um2 * chance.uniform(0.3, 1), 1.0, harms)

    costs = {name: PointCost((exact,), (1.0,)) for name in formats}
    return Survey({mac: look(mac) for mac in space_macs}, costs, demand)


def measure(sampler: str, trials: int) -> dict[str, Any]:
    """Milliseconds a trial, of each tenth of the trials."""
    config = parse_config(CONFIG.format(trials=trials, sampler=sampler), Path("/many.yaml"))
    exact = unit_cost(parse_mac("exact(n=4) in float(8,3)").candidate)
    played = Played(exact)
    clock = Clock(played)
    histories = (_history(0.87),) * 3
    baseline = Baseline("fp32", NATIVE, (1, 2, 3), (0.87,) * 3, (0.87,) * 3, histories, 0.95)
    with tempfile.TemporaryDirectory(prefix="axdse-") as folder:
        run = RunDir.create(Path(folder) / "run", config)
        space = space_of(config, run.catalog)
        survey = _survey(list(space.macs()), [each.name for each in space.formats], exact)
        mirror = Mirror(run, space)
        engine = Engine("played", played, lambda: 2, lambda: None, local=True)
        search = Search(run, (baseline,), survey, (), clock, mirror)
        clock.marks.append(time.process_time() - played.seconds)
        search.go(Workers(engine))
    tenth = (len(clock.marks) - 1) // 10
    ends = [clock.marks[tenth * number] for number in range(11)]
    ms = [round(1000 * (b - a) / tenth, 2) for a, b in pairwise(ends)]
    mean = 1000 * (clock.marks[-1] - clock.marks[0]) / (len(clock.marks) - 1)
    return {
        "trials": len(clock.marks) - 1,
        "ms_a_trial_by_tenths": ms,
        "ms_a_trial": round(mean, 2),
        "percent_of_1_s_trainings_on_2_workers": round(100 * mean / 500, 2),
    }


def main() -> None:
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for sampler in sys.argv[1:] or TRIALS:
        load = round(os.getloadavg()[0], 1)
        found = measure(sampler, TRIALS[sampler])
        known[sampler] = {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.release()}",
            "versions": [f"{name} {version(name)}" for name in ("axdse", "optuna", "numpy")],
            "load_before": load,
            **found,
        }
        print(sampler, json.dumps(known[sampler], indent=1), flush=True)
        RESULTS.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
