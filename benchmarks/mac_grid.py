"""What do MACs take? Sums by cores, under the operands of a training: one command, resumable.

usage: python benchmarks/mac_grid.py RECORDING.npz    writes benchmarks/results/mac_grid.{csv,json}

RECORDING.npz is made by TRAINING if it is not there. Every MAC is cached as soon as it is costed:
a run that was killed goes on where it ended, with the same file. One process, one MAC at a time.
"""

import csv
import json
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from axdse.flows.accelerator.mac import mac_cost
from axdse.flows.accelerator.network import recorded_sums
from axdse.flows.accelerator.record import MacCost, Shares
from axdse.gpu.cpu.compile import cpu_name
from axdse.multipliers.designs.design_point import parse_mac
from axdse.multipliers.operands.recording import Recording
from axdse.multipliers.operands.recording_file import load_recording

RESULTS = Path(__file__).with_name("results")
TRAINING = ("lenet-300-100", "exact(n=8)", "--format", "bf16", "--epochs", "2")
FLOATS = (
    *("exact(n=4) in float(8,3)", "drum(n=4,k=3) in float(8,3)"),
    *("exact(n=8) in bf16", "drum(n=8,k=4) in bf16"),
    *("drum(n=4,k=2) in float(8,3)", "perforated(n=4,s=0,k=1) in float(8,3)"),
    *("udm(n=4) in float(8,3)", "mitchell(m=3) in float(8,3)"),
    *("exact(n=4) in fp8_e4m3", "drum(n=4,k=3) in fp8_e4m3"),
)
SUMS = (
    *("fp32", "dot(terms=4,acc=lazy(10,24))", "dot(terms=4,align=13)", "hopper_fp8"),
    *("dot(terms=16,align=13)", "float(8,7)", "dot(terms=8,acc=lazy(10,24))", "float(8,13)"),
    *("dot(terms=4,acc=lazy(8,24))", "bf16", "float(8,10)", "deepseek", "hopper"),
    *("float(8,7,round=rz)", "float(8,10,round=rz)", "float(8,13,round=rz)", "ibm"),
    *("dot(terms=2,align=13)", "dot(terms=8,align=13)", "lazy(10,24)"),
    *(f"dot(terms={n},align=13,cut=down)" for n in (4, 8, 16)),
    *(f"dot(terms=4,align={f})" for f in (10, 8)),
    *("volta", "ampere", "blackwell_fp8", "dot(terms=4,acc=lazy(13,24))"),
    *("dot(terms=16,acc=lazy(10,24))", "dot(terms=4,acc=fixed(48,-30))"),
)
INTEGERS = ("exact(n=8) in int8", "drum(n=8,k=4) in int8", "baugh_wooley(n=8) in int8")
INTEGER_SUMS = (
    *("int32", "int(24)", "int(20,overflow=saturate)"),
    *(f"dot(terms={n},acc=int(24))" for n in (4, 16)),
    "int8",
)
AREAS = ("um2", "multiplier_um2", "sum_um2", "registers_um2", "conversion_um2", "period_ns")
PARTS = ("element", "core", "multiplier", "sum", "stage", "accumulator", "operands", "conversion")


def main() -> None:
    path = Path(sys.argv[1])
    if not path.exists():
        command = (sys.executable, "-m", "axdse.dse.cli", "train", *TRAINING, "--record", path)
        subprocess.run(command, check=True)
    recording = load_recording(path)
    met = recorded_sums(recording, "output-stationary")
    pairs = _pairs()
    costs: dict[tuple[str, str], MacCost] = {}
    for number, (core, total) in enumerate(pairs, 1):
        begun = time.monotonic()
        costs[core, total] = cost = mac_cost(parse_mac(f"{core} sum {total}"), recorded=met)
        print(f"{number}/{len(pairs)} {cost.design}: {time.monotonic() - begun:.1f} s", flush=True)
        _write(costs, pairs, recording)


def _pairs() -> list[tuple[str, str]]:
    """Cores and sums, those that tell most first."""
    groups = ((FLOATS[:4], SUMS), (INTEGERS, INTEGER_SUMS), (FLOATS[4:], SUMS))
    return [(core, total) for cores, sums in groups for total in sums for core in cores]


def _write(
    costs: dict[tuple[str, str], MacCost], pairs: list[tuple[str, str]], recording: Recording
) -> None:
    first = next(iter(costs.values()))
    record = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": cpu_name(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "tools": first.tools,
        "library": first.library,
        "library_digest": first.library_digest,
        "recording": f"axdse train {' '.join(TRAINING)}",
        "recording_digest": recording.digest,
        "uniform": first.uniform.activity if first.uniform else None,
        "aim": first.aim,
        "macs": len(costs),
        "of": len(pairs),
    }
    (RESULTS / "mac_grid.json").write_text(json.dumps(record, indent=1) + "\n")
    _write_table(costs)


def _write_table(costs: dict[tuple[str, str], MacCost]) -> None:
    kinds = ("uniform", "uniform_still", "recorded", "recorded_still")
    energies = [f"{kind}_{part}_fj" for kind in kinds for part in PARTS]
    with (RESULTS / "mac_grid.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("core", "sum", "terms", *AREAS, *energies, "netlist"))
        for (core, total), cost in costs.items():
            values = (*_areas(cost), *_energies(cost))
            shown = (f"{value:.5g}" for value in values)
            writer.writerow((core, total, cost.terms, *shown, cost.proof.method))


def _areas(cost: MacCost) -> tuple[float, ...]:
    multiplier, added = cost.role_um2("core", "multiplier"), cost.role_um2("sum")
    registers, conversion = cost.registers_um2, cost.conversion_um2
    return cost.element_um2, multiplier, added, registers, conversion, cost.delay_ns


def _energies(cost: MacCost) -> Iterator[float]:
    assert cost.uniform
    assert cost.recorded
    for shares in (
        *(cost.uniform.timed, cost.uniform.still),
        *(cost.recorded.timed, cost.recorded.still),
    ):
        yield from _parts(shares)


def _parts(shares: Shares) -> tuple[float, ...]:
    return tuple(getattr(shares, f"{part}_fj" if part == "element" else part) for part in PARTS)


if __name__ == "__main__":
    main()
