"""How far costs can be trusted: toggles against Icarus, figures against those of EvoApproxLib.

usage: python benchmarks/cost_accuracy.py [CATALOGUE ...]
writes benchmarks/results/cost_accuracy.json

Activity: the mapped netlist of every family, VECTORS uniform pairs, against Icarus with the cells'
own Verilog and the delays that OpenSTA writes as SDF. Delay: against OpenSTA. Published figures:
of the 8-bit unsigned designs in those catalogues, made by `axdse import`, mapped with full adders
where these save energy, and where they save area; left out if there are none.
"""

import json
import os
import platform
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

from axdse.flows.cost.batch import costs_of
from axdse.flows.cost.published import compare_published
from axdse.flows.cost.record import Cost
from axdse.flows.liberty.library import read_library
from axdse.flows.netlist.adders import Aim
from axdse.flows.netlist.delays import critical_path_ns, delays_of
from axdse.flows.netlist.synthesis import synthesise
from axdse.flows.power.activity import simulate
from axdse.flows.power.activity_source import Uniform
from axdse.flows.power.gate_simulation import gate_toggles
from axdse.flows.tools import find_tool
from axdse.multipliers.designs.catalog import builtin_catalog, full_catalog
from axdse.multipliers.designs.family import Family, Multiplier
from axdse.multipliers.designs.rtl_text import core_rtl
from axdse.multipliers.errors import AxdseError

RESULTS = Path(__file__).with_name("results") / "cost_accuracy.json"
TARGETS = {"toggles_within": 0.05, "area_spearman": 0.99, "power_spearman": 0.99}
VECTORS = 1024


def main() -> None:
    families = list(builtin_catalog().families.values())
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        activity = list(pool.map(_activity, families))
    result = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "tools": [find_tool(name).version for name in ("yosys", "yosys-abc", "sta", "iverilog")],
        "library": read_library().name,
        "targets": TARGETS,
        "vectors": VECTORS,
        "worst_toggles": max(abs(row["toggles_off"]) for row in activity),
        "worst_delay_ns": max(abs(row["delay_off_ns"]) for row in activity),
        "activity": activity,
        "published": _published(),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(RESULTS.read_text())


def _activity(family: Family) -> dict[str, Any]:
    design = family.bind()
    library = read_library()
    netlist = synthesise(core_rtl(design), library)
    delays = delays_of(netlist)
    transitions = Uniform(VECTORS).transitions(design)
    ours = simulate(netlist, delays, transitions)
    longest = delays.critical_path_ns(netlist)
    theirs = gate_toggles(netlist, library, transitions, 2 * longest + 1)
    nets = list(theirs.nets)
    total, known = int(ours.toggles[nets].sum()), sum(theirs.toggles)
    return {
        "design": design.spec,
        "toggles": round(total / VECTORS, 2),
        "icarus_toggles": round(known / VECTORS, 2),
        "toggles_off": round(total / known - 1, 5),
        "zero_delay_toggles": round(int(ours.steady[nets].sum()) / VECTORS, 2),
        "delay_ns": round(longest, 6),
        "delay_off_ns": round(longest - critical_path_ns(netlist, library), 9),
    }


def _published() -> list[dict[str, Any]]:
    designs = [
        family.bind()
        for name, family in full_catalog(map(Path, sys.argv[1:])).families.items()
        if name.startswith("mul8u_") and family.published and not name.endswith("_pdk45")
    ]
    try:
        return [row for aim in get_args(Aim) for row in _agreement(designs, aim)]
    except AxdseError as error:
        print(f"published figures left out: {error}")
        return []


def _agreement(designs: list[Multiplier], aim: Aim) -> list[dict[str, Any]]:
    costs = costs_of(designs, aim=aim)
    found = [(d, c) for d, c in zip(designs, costs, strict=True) if isinstance(c, Cost)]
    agreements = compare_published([d for d, _ in found], [c for _, c in found])
    return [{"aim": aim, **asdict(agreement)} for agreement in agreements]


if __name__ == "__main__":
    main()
