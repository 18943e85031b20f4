"""How fast designs are costed: fast, full and from the cache, and the whole 8-bit grid.

usage: python benchmarks/cost_speed.py     writes benchmarks/results/cost_speed.json

Rates are per core: designs over the processor time of all processes, with an empty cache of costs
but compiled C models, as in a search, which verifies before it costs. `abc` is the rate of ABC
alone, from gates to cells.
"""

import json
import os
import platform
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from axdse.flows import fast_cost
from axdse.flows.cost import Cost, core_cost
from axdse.flows.cost_batch import costs_of
from axdse.flows.fast_cost import FastCost, fast_costs
from axdse.flows.published import spearman
from axdse.flows.tools import find_tool
from axdse.multipliers.catalog import Multiplier, builtin_catalog
from axdse.multipliers.cmodel import tabulate

RESULTS = Path(__file__).with_name("results") / "cost_speed.json"
TARGETS = {"fast_per_s": 25, "full_per_s": 3, "warm_per_s": 1000}
SAMPLE = 48


def main() -> None:
    grid = [m for m in builtin_catalog().grid() if m.a_bits == 8 and not m.family.pipeline]
    sample = grid[:: max(1, len(grid) // SAMPLE)][:SAMPLE]
    load = round(os.getloadavg()[0], 1)
    with _empty_cache():
        core_cost(builtin_catalog().multiplier("exact(n=3)"))
        for design in sample:
            tabulate(design)
        mapped: list[float] = []
        fast, fast_s = _timed(lambda: list(_fast(sample, mapped)))
        full, full_s = _timed(lambda: [core_cost(design) for design in sample])
        _, warm_s = _timed(lambda: [core_cost(design) for design in sample * 20])
    with _empty_cache():
        start = time.monotonic()
        whole = [cost for cost in costs_of(grid) if isinstance(cost, Cost)]
        wall = time.monotonic() - start
    ratios = [f.area_um2 / g.area_um2 for f, g in zip(fast, full, strict=True) if g.area_um2]
    result = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "load_before": load,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "tools": [find_tool(name).version for name in ("yosys", "yosys-abc", "sta")],
        "targets": TARGETS,
        "sample": len(sample),
        "fast_per_s": round(len(sample) / fast_s, 1),
        "abc_per_s": round(len(sample) / sum(mapped), 1),
        "full_per_s": round(len(sample) / full_s, 2),
        "warm_per_s": round(20 * len(sample) / warm_s),
        "fast_over_full_area": {
            "median": round(statistics.median(ratios), 4),
            "lowest": round(min(ratios), 4),
            "highest": round(max(ratios), 4),
            "spearman": round(spearman(*map(_areas, (fast, full))), 4),
        },
        "whole_grid": {"designs": len(grid), "costed": len(whole), "wall_s": round(wall, 1)},
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(RESULTS.read_text())


def _fast(designs: Sequence[Multiplier], mapped: list[float]) -> Any:
    original = fast_cost._map

    def timed_map(*arguments: Any) -> None:
        mapped.append(_timed(lambda: original(*arguments))[1])

    fast_cost._map = timed_map
    try:
        yield from fast_costs(designs)
    finally:
        fast_cost._map = original


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = _processor_s()
    result = work()
    return result, _processor_s() - start


def _processor_s() -> float:
    both = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(u.ru_utime + u.ru_stime for u in map(resource.getrusage, both))


def _areas(costs: Sequence[FastCost | Cost]) -> np.ndarray:
    return np.array([cost.area_um2 for cost in costs])


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
