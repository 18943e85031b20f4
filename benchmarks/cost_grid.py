"""The cost of every core of the catalogue up to 8 bits: one command, killed, resumed, replayed.

usage: python benchmarks/cost_grid.py    minutes; writes benchmarks/results/cost_grid.{csv,json}

`axdse cost --all --json` starts with an empty cache, is killed (SIGKILL) after KILL_S seconds and
started again; the wall time is that of both. Then rows drawn at random are costed alone, with
another empty cache: they must give the same figures to the last bit.
"""

import csv
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter

from axdse.flows.cost.record import Cost

RESULTS = Path(__file__).with_name("results")
KILL_S = 60
REPLAYED = 8
COLUMNS = ("area_um2", "gate_equivalents", "delay_ns", "cells", "energy_fj", "zero_delay_fj")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "cache"
        killed_s = _killed(cache)
        kept = len(list((cache / "cost").iterdir()))
        start = time.monotonic()
        costs = _costs(["--all"], cache)
        resumed_s = time.monotonic() - start
        chosen = random.Random(0).sample(costs, REPLAYED)
        same = [_replayed(cost, Path(folder) / "other") == _undated(cost) for cost in chosen]
    first = costs[0]
    result = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": os.cpu_count(),
        "tools": first.tools,
        "library": first.library,
        "library_digest": first.library_digest,
        "activity": first.uniform.activity if first.uniform else None,
        "command": "axdse cost --all",
        "designs": len(costs),
        "kept_by_kill": kept,
        "wall_s": round(killed_s + resumed_s, 1),
        "replayed": {cost.design: equal for cost, equal in zip(chosen, same, strict=True)},
    }
    (RESULTS / "cost_grid.json").write_text(json.dumps(result, indent=2) + "\n")
    _write_csv(costs)
    print((RESULTS / "cost_grid.json").read_text())
    sys.exit(0 if all(same) else 1)


def _command(words: Sequence[str]) -> list[str]:
    return [str(Path(sys.executable).with_name("axdse")), "cost", *words, "--json"]


def _environment(cache: Path) -> dict[str, str]:
    return {**os.environ, "AXDSE_CACHE": str(cache)}


def _killed(cache: Path) -> float:
    """Start the whole grid, kill it, and return the seconds that it had."""
    start = time.monotonic()
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        _command(["--all"]), env=_environment(cache), stdout=quiet, stderr=quiet
    ) as process:
        try:
            process.wait(KILL_S)
        except subprocess.TimeoutExpired:
            process.kill()
    return time.monotonic() - start


def _costs(words: Sequence[str], cache: Path) -> tuple[Cost, ...]:
    done = subprocess.run(
        _command(words), env=_environment(cache), stdout=subprocess.PIPE, check=True
    )
    return TypeAdapter(tuple[Cost, ...]).validate_json(done.stdout)


def _replayed(cost: Cost, cache: Path) -> Cost:
    (again,) = _costs([cost.design, "--core"], cache)
    return _undated(again)


def _undated(cost: Cost) -> Cost:
    return replace(cost, date="")


def _write_csv(costs: Sequence[Cost]) -> None:
    with (RESULTS / "cost_grid.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("design", *COLUMNS))
        for cost in costs:
            sources = (cost, cost.uniform)
            values = [
                next(getattr(source, name) for source in sources if hasattr(source, name))
                for name in COLUMNS
            ]
            writer.writerow((cost.design, *(f"{value:.6g}" for value in values)))


if __name__ == "__main__":
    main()
