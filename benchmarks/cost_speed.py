"""How fast 8x8 cores are costed: fast, full and from the cache, in one run.

usage: python benchmarks/cost_speed.py     writes benchmarks/results/cost_speed.json

Rates are per core: designs over the processor time of all processes, one design or batch at a
time, with an empty cache of costs but compiled C models, as in a search, which verifies before it
costs. `fast_ms` says where the time of a fast cost goes: Yosys and the graph, ABC, and the rest:
the C model, the comparison with it, timing, and the cache.
"""

import json
import os
import platform
import resource
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from axdse.flows.cost.cost import core_cost
from axdse.flows.cost.fast import estimate as fast_cost
from axdse.flows.cost.fast.estimate import fast_costs
from axdse.flows.cost.published import spearman
from axdse.flows.cost.record import FastCost
from axdse.flows.tools import find_tool
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.family import Multiplier
from axdse.multipliers.model.cmodel import tabulate

RESULTS = Path(__file__).with_name("results") / "cost_speed.json"
TARGETS = {"fast_per_s": 25, "full_per_s": 3, "warm_per_s": 1000}
SAMPLE = 48
REPEATS = 3  # of the fast cost; the median counts


@dataclass(frozen=True)
class Fast:
    """One pass over the sample.

    Attributes:
        costs: of each design.
        seconds: processor time.
        gates_s: the part from RTL to gates.
        cells_s: the part from gates to cells.
    """

    costs: list[FastCost]
    seconds: float
    gates_s: float
    cells_s: float


def main() -> None:
    grid = [m for m in builtin_catalog().grid() if m.a_bits == 8 and not m.family.pipeline]
    sample = grid[:: max(1, len(grid) // SAMPLE)][:SAMPLE]
    load = round(os.getloadavg()[0], 1)
    with _empty_cache():
        small = builtin_catalog().multiplier("exact(n=3)")
        core_cost(small)
        list(fast_costs([small]))
        for design in sample:
            tabulate(design)
        runs = [_fast(sample) for _ in range(REPEATS)]
        full, full_s = _timed(lambda: [core_cost(design) for design in sample])
        _, warm_s = _timed(lambda: [core_cost(design) for design in sample * 20])
        _, fast_warm_s = _timed(lambda: list(fast_costs(sample * 20, jobs=1)))
    fast = sorted(runs, key=lambda run: run.seconds)[REPEATS // 2]
    areas = np.array([[f.area_um2, g.area_um2] for f, g in zip(fast.costs, full, strict=True)])
    ratios = [f / g for f, g in areas.tolist() if g]
    milliseconds = 1000 / len(sample)
    result = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "load_before": load,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "tools": [find_tool(name).version for name in ("yosys", "yosys-abc", "sta")],
        "library": full[0].library,
        "library_digest": full[0].library_digest,
        "targets": TARGETS,
        "sample": len(sample),
        "fast_per_s": round(len(sample) / fast.seconds, 1),
        "fast_per_s_of_each_run": [round(len(sample) / run.seconds, 1) for run in runs],
        "fast_ms": {
            "rtl_to_gates": round(fast.gates_s * milliseconds, 1),
            "gates_to_cells": round(fast.cells_s * milliseconds, 1),
            "rest": round((fast.seconds - fast.gates_s - fast.cells_s) * milliseconds, 1),
        },
        "full_per_s": round(len(sample) / full_s, 2),
        "fast_over_full": round(full_s / fast.seconds, 1),
        "warm_per_s": round(20 * len(sample) / warm_s),
        "fast_warm_per_s": round(20 * len(sample) / fast_warm_s),
        "fast_over_full_area": {
            "median": round(statistics.median(ratios), 4),
            "lowest": round(min(ratios), 4),
            "highest": round(max(ratios), 4),
            "within_5_percent": round(sum(abs(r - 1) <= 0.05 for r in ratios) / len(ratios), 3),
            "spearman": round(spearman(*areas.T), 4),
        },
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(RESULTS.read_text())


def _fast(designs: Sequence[Multiplier]) -> Fast:
    for entry in Path(os.environ["AXDSE_CACHE"]).glob("fast_cost/*.json"):
        entry.unlink()
    with _stopwatch("write_gates") as gates, _stopwatch("write_netlists") as cells:
        costs, seconds = _timed(lambda: list(fast_costs(designs, jobs=1)))
    return Fast(costs, seconds, sum(gates), sum(cells))


@contextmanager
def _stopwatch(name: str) -> Iterator[list[float]]:
    """The processor times of all calls of a function of `fast_cost`."""
    original, times = getattr(fast_cost, name), []

    def timed(*arguments: Any) -> Any:
        result, seconds = _timed(lambda: original(*arguments))
        times.append(seconds)
        return result

    setattr(fast_cost, name, timed)
    try:
        yield times
    finally:
        setattr(fast_cost, name, original)


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = _processor_s()
    result = work()
    return result, _processor_s() - start


def _processor_s() -> float:
    both = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(u.ru_utime + u.ru_stime for u in map(resource.getrusage, both))


@contextmanager
def _empty_cache() -> Any:
    before = os.environ.get("AXDSE_CACHE")
    with tempfile.TemporaryDirectory(prefix="axdse-") as folder:
        os.environ["AXDSE_CACHE"] = folder
        try:
            yield
        finally:
            os.environ.pop("AXDSE_CACHE")
            if before is not None:
                os.environ["AXDSE_CACHE"] = before


if __name__ == "__main__":
    main()
