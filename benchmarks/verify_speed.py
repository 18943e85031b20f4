"""How long it takes to verify RTL: every family at its defaults, and one 8x8 check.

usage: python benchmarks/verify_speed.py     writes benchmarks/results/verify_speed.json
"""

import json
import os
import platform
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from axdse.flows.report import RtlReport
from axdse.flows.rtl_check import check_all
from axdse.multipliers.catalog import Multiplier, builtin_catalog

RESULTS = Path(__file__).with_name("results") / "verify_speed.json"
TARGET_S = 120
REPEATS = 3


def main() -> None:
    load = round(os.getloadavg()[0], 1)
    designs = [family.bind() for family in builtin_catalog().families.values()]
    single = builtin_catalog().multiplier("exact(n=8)")
    reports, _ = _timed_from_nothing(designs)
    _assert_correct(reports, designs)
    every = [_timed_from_nothing(designs)[1] for _ in range(REPEATS)]
    alone = [_timed_from_nothing([single])[1] for _ in range(REPEATS)]
    result = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "load_before": load,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "versions": [
            f"axdse {version('axdse')}",
            f"Python {platform.python_version()}",
            *reports[0].tools,
        ],
        "verify_all": {
            "vectors": sum(report.vectors for report in reports),
            "jobs": os.cpu_count(),
            "seconds": [round(seconds, 2) for seconds in every],
            "target_seconds": TARGET_S,
        },
        "verify_one": {
            "design": single.spec,
            "vectors": single.pairs,
            "seconds": [round(seconds, 2) for seconds in alone],
            "vectors_per_second": round(single.pairs / min(alone)),
        },
        "designs": [
            {"design": r.design, "vectors": r.vectors, "seconds": round(r.seconds, 2)}
            for r in reports
        ],
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(RESULTS.read_text())


def _timed_from_nothing(designs: list[Multiplier]) -> tuple[list[RtlReport], float]:
    """With an empty cache: C models are compiled and every vector is simulated."""
    with tempfile.TemporaryDirectory(prefix="axdse-") as cache:
        os.environ["AXDSE_CACHE"] = cache
        start = time.perf_counter()
        reports = list(check_all(designs))
        return reports, time.perf_counter() - start


def _assert_correct(reports: list[RtlReport], designs: list[Multiplier]) -> None:
    """A time is worth nothing if the check passes what it should not."""
    assert [report.design for report in reports] == [design.spec for design in designs]
    for report, design in zip(reports, designs, strict=True):
        wanted = design.pairs if design.operand_bits <= 8 else 20_000
        assert report.passed, report
        assert report.vectors >= wanted, report


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))


if __name__ == "__main__":
    main()
