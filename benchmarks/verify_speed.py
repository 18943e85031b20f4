"""How fast RTL is verified: one 8x8 design, many, the whole catalogue, and Icarus inside.

usage: python benchmarks/verify_speed.py     writes benchmarks/results/verify_speed.json

Every check starts with an empty cache: C models are compiled and every vector is simulated.
"""

import json
import os
import platform
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from axdse.flows.evidence.report import RtlReport
from axdse.flows.evidence.stimulus import core_stimulus
from axdse.flows.simulation.icarus import simulate
from axdse.flows.verify.check import check_all
from axdse.flows.yosys import run_yosys
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.family import Multiplier
from axdse.multipliers.designs.rtl_text import Rtl, core_rtl
from axdse.multipliers.model.cmodel import tabulate

RESULTS = Path(__file__).with_name("results") / "verify_speed.json"
TARGETS = {"one_seconds": 1.3, "bulk_designs_per_second": 6, "icarus_vectors_per_second": 150_000}
REPEATS = 3
# Approximate gates, the density of a hand-mapped array multiplier.
GATES = "synth -flatten -noabc -top {top}\nabc -g AND,XOR,OR,NAND,NOR,XNOR\nopt_clean -purge\n"


def main() -> None:
    load = round(os.getloadavg()[0], 1)
    single = builtin_catalog().multiplier("exact(n=8)")
    bulk = [design for family in _families() for design in family.grid(n=8)][::8]
    whole = [design for design in builtin_catalog().grid() if design.pairs <= 1 << 16]
    alone = min(_timed([single])[1] for _ in range(REPEATS))
    together = min(_timed(bulk)[1] for _ in range(REPEATS))
    reports, seconds = _timed(whole)
    gates, count = _gate_level(single)
    result = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "load_before": load,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "versions": [f"Python {platform.python_version()}", *reports[0].tools],
        "targets": TARGETS,
        "one": {"design": single.spec, "vectors": single.pairs, "seconds": round(alone, 2)},
        "bulk": {
            "designs": len(bulk),
            "vectors_each": single.pairs,
            "seconds": round(together, 2),
            "designs_per_second": round(len(bulk) / together, 1),
        },
        "whole_catalogue": {
            "families": len(builtin_catalog().families),
            "designs": len(whole),
            "vectors": sum(report.vectors for report in reports),
            "seconds": round(seconds, 1),
        },
        "icarus": {
            "design": f"{single.spec} as {count} gates",
            "vectors_per_second": round(_icarus_rate(gates, single)),
        },
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(RESULTS.read_text())


def _families():
    return [f for f in builtin_catalog().families.values() if f.kind == "integer"]


def _timed(designs: Sequence[Multiplier]) -> tuple[list[RtlReport], float]:
    with tempfile.TemporaryDirectory(prefix="axdse-") as cache:
        os.environ["AXDSE_CACHE"] = cache
        start = time.perf_counter()
        reports = list(check_all(designs))
        seconds = time.perf_counter() - start
    for report, design in zip(reports, designs, strict=True):
        # A time is worth nothing if the check passes what it should not.
        assert report.verdict == "exhaustive", report
        assert report.vectors == design.pairs, report
    return reports, seconds


def _gate_level(design: Multiplier) -> tuple[Rtl, int]:
    """The same design as a netlist of two-input gates, and how many they are."""
    rtl = core_rtl(design)
    with tempfile.TemporaryDirectory(prefix="axdse-") as name:
        folder = Path(name)
        (folder / "rtl.v").write_text(rtl.text)
        script = f"read_verilog rtl.v\n{GATES.format(top=rtl.top)}splitnets\n"
        run_yosys(f"{script}write_verilog -noattr gates.v\n", folder, rtl.top)
        text = (folder / "gates.v").read_text()
    gates = Rtl(rtl.top, text, rtl.ports, rtl.a_bits, rtl.b_bits, rtl.product_bits, rtl.top)
    return gates, text.count("assign ")


def _icarus_rate(gates: Rtl, design: Multiplier) -> float:
    """Vectors per second inside the simulator: its start is measured with few, and taken off."""
    every = core_stimulus(design.a_bits, design.b_bits, seed=0)
    few = every.some(64)
    times = []
    for stimulus in (every, few):
        runs = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            (trace,) = simulate([gates], stimulus)
            runs.append(time.perf_counter() - start)
            answers = trace.response().value
            assert np.array_equal(answers, tabulate(design)[stimulus.a, stimulus.b])
        times.append((min(runs), len(trace.order)))
    (long, steps), (short, few_steps) = times
    return (steps - few_steps) / (long - short)


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))


if __name__ == "__main__":
    main()
