"""What a search costs beside its work: examples/quick.yaml, from an empty cache.

usage: python benchmarks/search_overhead.py     writes benchmarks/results/search_overhead.json

Work is what happens inside the jobs of the workers: verify, synthesise, tabulate, train, test.
All other worker time is overhead: asking and telling Optuna, storing results, handing out jobs.
The trials alone are the target; the whole run adds what comes once: starting the processes, and
the workers that wait for the last job at the end of each phase.
"""

import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from axdse.dse.jobs.workers import Workers
from axdse.dse.run.config import load_config
from axdse.dse.run.run_dir import RunDir
from axdse.dse.search.search import run_search
from axdse.multipliers.cores import cores

HERE = Path(__file__).parent
CONFIG = HERE.parent / "examples" / "quick.yaml"
RESULTS = HERE / "results" / "search_overhead.json"
TARGET_PERCENT = 2.0


@dataclass
class Phase:
    """One call of `Workers.run`: when it began, when each outcome came, seconds of work in it."""

    jobs: str = ""
    start: float = field(default_factory=time.perf_counter)
    ends: list[float] = field(default_factory=list)
    work: float = 0.0


class Meter:
    """Sees every outcome of every phase pass by."""

    def __init__(self) -> None:
        self.phases: list[Phase] = []

    def install(self) -> None:
        """Put this meter between the search and its workers."""
        original = Workers.run

        def run(workers: Workers, *arguments: Any) -> Iterator[Any]:
            phase = Phase()
            self.phases.append(phase)
            for outcome in original(workers, *arguments):
                phase.jobs = type(outcome.job).__name__
                phase.work += outcome.seconds
                phase.ends.append(time.perf_counter())
                yield outcome

        Workers.run = run  # type: ignore[method-assign,assignment]


def main() -> None:
    meter, workers, load = Meter(), cores(), os.getloadavg()[0]
    meter.install()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="axdse-") as folder:
        os.environ["AXDSE_CACHE"] = f"{folder}/cache"
        run = run_search(load_config(CONFIG), Path(folder) / "run", workers=workers)
        wall = time.perf_counter() - start
        result = _result(run, meter, workers, wall) | {"load_before": round(load, 1)}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(RESULTS.read_text())


def _result(run: RunDir, meter: Meter, workers: int, wall: float) -> dict[str, object]:
    trained = [each for each in run.results().evaluations if each.history]
    assert len(trained) >= run.config.trainings
    assert any(point.on_front for point in run.results().front)
    (trials,) = (phase for phase in meter.phases if phase.jobs == "Trial")
    last = trials.ends[-1]
    waiting = sum(last - end for end in trials.ends[-workers:])
    available = workers * (last - trials.start)
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": run.info.machine,
        "versions": [f"axdse {run.info.axdse}", *run.info.tools],
        "config": CONFIG.name,
        "workers": workers,
        "trials": dict(Counter(evaluation.status for evaluation in run.results().evaluations)),
        "trials_seconds": round(last - trials.start, 1),
        "trials_overhead_percent": _percent(available - waiting - trials.work, available),
        "target_percent": TARGET_PERCENT,
        "trials_waiting_at_end_percent": _percent(waiting, available),
        "whole_run_seconds": round(wall, 1),
        "whole_run_overhead_percent": _percent(
            workers * wall - sum(phase.work for phase in meter.phases), workers * wall
        ),
    }


def _percent(part: float, whole: float) -> float:
    return round(100 * part / whole, 2)


if __name__ == "__main__":
    main()
