"""What do MACs take? Sums by cores, under the operands of a training: one command, resumable.

usage: python benchmarks/mac_grid.py RECORDING.npz    writes benchmarks/results/mac_grid.{csv,json}

RECORDING.npz is made by TRAINING if it is not there; it is the same to the bit on every machine.
The table is written after every MAC, and a run goes on where the last one ended, on this machine
or another: rows stay if tools, library, recording and aim are those of today, and so is the code.
Of rows that older code made REPLAYED are drawn and costed again, and all stay if these come out
the same to the last digit. One process, one MAC at a time.
"""

import csv
import json
import platform
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from axdse.flows.accelerator.mac import mac_basis, mac_cost
from axdse.flows.accelerator.network import recorded_sums
from axdse.flows.accelerator.record import MacCost, Shares
from axdse.flows.cost.cost import tools_in_use
from axdse.flows.liberty.library import read_library
from axdse.gpu.cpu.compile import cpu_name
from axdse.multipliers.designs.design_point import parse_mac
from axdse.multipliers.operands.recording import OperandRows, OperandTrace
from axdse.multipliers.operands.recording_file import load_recording

Pair = tuple[str, str]
RESULTS = Path(__file__).with_name("results")
TABLE, PROVENANCE = RESULTS / "mac_grid.csv", RESULTS / "mac_grid.json"
TRAINING = ("lenet-300-100", "exact(n=8)", "--format", "bf16", "--epochs", "2")
REPLAYED = 2  # of the rows of each older code
MAIN = (
    *("exact(n=4) in float(8,3)", "drum(n=4,k=3) in float(8,3)"),
    *("exact(n=8) in bf16", "drum(n=8,k=4) in bf16"),
    "mitchell(m=3) in float(8,3)",
)
OTHERS = (
    *("alm_soa(m=6,t=2) in float(8,6)", "alm_loa(m=5,t=2) in float(8,5)"),
    *("udm(n=4) in float(8,3)", "exact(n=4) in fp8_e4m3", "drum(n=4,k=3) in fp8_e4m3"),
)
SUMS = (
    *("fp32", "dot(terms=4,acc=lazy(10,24))", "dot(terms=4,align=13)", "float(8,7)"),
    *("float(8,13)", "bf16", "float(8,10)", "ibm", "dot(terms=2,align=13)"),
    *("float(8,7,round=rz)", "float(8,10,round=rz)", "float(8,13,round=rz)"),
    *("dot(terms=4,acc=lazy(8,24))", "dot(terms=8,acc=lazy(10,24))", "dot(terms=16,align=13)"),
    *("lazy(10,24)", "dot(terms=8,align=13)", "hopper_fp8", "hopper", "volta"),
    *("dot(terms=4,align=10)", "dot(terms=4,align=8)", "ampere", "dot(terms=4,acc=lazy(13,24))"),
    *(f"dot(terms={n},align=13,cut=down)" for n in (4, 8, 16)),
    *("dot(terms=16,acc=lazy(10,24))", "dot(terms=4,acc=fixed(48,-30))"),
    *("deepseek", "blackwell_fp8"),
)
INTEGERS = ("exact(n=8) in int8", "drum(n=8,k=4) in int8", "baugh_wooley(n=8) in int8")
INTEGER_SUMS = (
    *("int32", "int(24)", "int(20,overflow=saturate)"),
    *(f"dot(terms={n},acc=int(24))" for n in (4, 16)),
    "int8",
)
LAZY, FUSED = "dot(terms=4,acc=lazy(10,24))", "dot(terms=4,align=13)"
# Those that `mac_scores.py` trains; the first one is its reference.
TRAINED: tuple[Pair, ...] = (
    ("exact(n=4) in float(8,3)", "fp32"),
    ("exact(n=4) in float(8,3)", LAZY),
    ("mitchell(m=3) in float(8,3)", LAZY),
    ("exact(n=8) in int8", "dot(terms=4,acc=int(24))"),
    ("alm_soa(m=6,t=2) in float(8,6)", LAZY),
    ("exact(n=4) in float(8,3)", "dot(terms=4,acc=lazy(8,24))"),
    ("exact(n=4) in float(8,3)", FUSED),
    ("drum(n=4,k=3) in float(8,3)", LAZY),
    ("exact(n=8) in bf16", LAZY),
    ("mitchell(m=3) in float(8,3)", "fp32"),
    ("alm_loa(m=5,t=2) in float(8,5)", LAZY),
    ("exact(n=4) in float(8,3)", "dot(terms=4,align=8)"),
    ("exact(n=4) in fp8_e4m3", LAZY),
    ("exact(n=4) in float(8,3)", "float(8,7)"),
    ("exact(n=8) in int8", "dot(terms=16,acc=int(24))"),
)
AREAS = ("um2", "multiplier_um2", "sum_um2", "registers_um2", "conversion_um2", "period_ns")
PARTS = ("element", "core", "multiplier", "sum", "stage", "accumulator", "operands", "conversion")
KINDS = ("uniform", "uniform_still", "recorded", "recorded_still")
ENERGIES = tuple(f"{kind}_{part}_fj" for kind in KINDS for part in PARTS)
COLUMNS = ("core", "sum", "terms", *AREAS, *ENERGIES, "netlist", "code")
Row = dict[str, str]
Met = tuple[OperandRows | OperandTrace, ...]


def main() -> None:
    path = Path(sys.argv[1])
    if not path.exists():
        command = (sys.executable, "-m", "axdse.dse.cli", "train", *TRAINING, "--record", path)
        subprocess.run(command, check=True)
    recording = load_recording(path)
    met = recorded_sums(recording, "output-stationary")
    origin = _origin(recording.digest)
    rows, replayed = _kept(origin, met)
    pairs = _pairs()
    for number, pair in enumerate(pairs, 1):
        if pair in rows:
            continue
        begun = time.process_time(), time.monotonic()
        rows[pair] = _costed(pair, met)
        cpu_s, wall_s = time.process_time() - begun[0], time.monotonic() - begun[1]
        print(
            f"{number}/{len(pairs)} {' sum '.join(pair)}: {wall_s:.1f} s, {cpu_s:.1f} of our own"
        )
        sys.stdout.flush()
        _write(rows, pairs, origin, replayed)


def _pairs() -> list[Pair]:
    """Cores and sums, those that tell most first."""
    groups = ((MAIN, SUMS[:9]), (INTEGERS, INTEGER_SUMS), (MAIN, SUMS[9:]), (OTHERS, SUMS))
    every = [(core, total) for cores, sums in groups for total in sums for core in cores]
    return list(dict.fromkeys((*TRAINED, *every)))


def _origin(recording_digest: str) -> dict[str, Any]:
    """What rows of one table have in common."""
    library = read_library()
    return {
        "tools": list(tools_in_use()),
        "library": library.name,
        "library_digest": library.digest,
        "recording": f"axdse train {' '.join(TRAINING)}",
        "recording_digest": recording_digest,
        "aim": "energy",
    }


def _code() -> str:
    return mac_basis()[:12]


def _costed(pair: Pair, met: Met) -> Row:
    core, total = pair
    cost = mac_cost(parse_mac(f"{core} sum {total}"), recorded=met)
    shown = (f"{value:.5g}" for value in (*_areas(cost), *_energies(cost)))
    values = (core, total, str(cost.terms), *shown, cost.proof.method, _code())
    return dict(zip(COLUMNS, values, strict=True))


def _kept(origin: dict[str, Any], met: Met) -> tuple[dict[Pair, Row], dict[str, list[str]]]:
    """Rows of the table that are still true, and which were replayed, by their code and ours."""
    if not TABLE.exists() or not PROVENANCE.exists():
        return {}, {}
    earlier = json.loads(PROVENANCE.read_text())
    if any(earlier.get(name) != value for name, value in origin.items()):
        print("the table is of other tools, library or operands: it is made anew")
        return {}, {}
    with TABLE.open(newline="") as file:
        rows = [{"code": "", **row} for row in csv.DictReader(file)]
    kept: dict[Pair, Row] = {}
    replayed: dict[str, list[str]] = dict(earlier.get("replayed", {}))
    for code in dict.fromkeys(row["code"] for row in rows):
        own = {(row["core"], row["sum"]): row for row in rows if row["code"] == code}
        known = f"{code or 'unknown'} by {_code()}"
        if code != _code() and known not in replayed:
            drawn = random.Random(0).sample(sorted(own), min(REPLAYED, len(own)))
            if any(_figures(_costed(pair, met)) != _figures(own[pair]) for pair in drawn):
                print(f"{len(own)} rows of code {code or 'unknown'} are not what they are today")
                continue
            replayed[known] = [" sum ".join(pair) for pair in drawn]
        kept |= own
    return kept, replayed


def _figures(row: Row) -> Row:
    return {name: value for name, value in row.items() if name != "code"}


def _write(
    rows: dict[Pair, Row],
    pairs: list[Pair],
    origin: dict[str, Any],
    replayed: dict[str, list[str]],
) -> None:
    ordered = [rows[pair] for pair in pairs if pair in rows]
    ordered += [row for pair, row in rows.items() if pair not in set(pairs)]
    record = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": cpu_name(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        **origin,
        "macs": len(ordered),
        "of": len(pairs),
        "rows_by_code": Counter(row["code"] for row in ordered),
        "replayed": replayed,
    }
    PROVENANCE.write_text(json.dumps(record, indent=1) + "\n")
    with TABLE.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(ordered)


def _areas(cost: MacCost) -> tuple[float, ...]:
    multiplier, added = cost.role_um2("core", "multiplier"), cost.role_um2("sum")
    registers, conversion = cost.registers_um2, cost.conversion_um2
    return cost.element_um2, multiplier, added, registers, conversion, cost.delay_ns


def _energies(cost: MacCost) -> Iterator[float]:
    assert cost.uniform
    assert cost.recorded
    for energy in (cost.uniform, cost.recorded):
        yield from _parts(energy.timed)
        yield from _parts(energy.still)


def _parts(shares: Shares) -> tuple[float, ...]:
    return tuple(getattr(shares, f"{part}_fj" if part == "element" else part) for part in PARTS)


if __name__ == "__main__":
    main()
