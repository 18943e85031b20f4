"""Does the check of sums catch wrong Verilog? Mutants of generated units, each with one fault.

usage: python benchmarks/mutation_sums.py [COUNT]    writes benchmarks/results/mutation_sums.json

COUNT edits of one operator, constant, index or condition are drawn for each unit, outside its
core. What the check lets pass must be the original's function, by `proof.equivalent`, or it counts
as missed. The record is written after each unit; units in it with that COUNT are not tried again.
"""

import json
import random
import sys
import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from mutants import elaborates, operator_edits

from axdse.flows.evidence.stimulus import MAX_OPERAND_BITS
from axdse.flows.formal.gates import read_gates
from axdse.flows.formal.proof import check_with_abc, equivalent
from axdse.flows.tools import find_tool
from axdse.flows.verify.sum_check import compare_sum
from axdse.multipliers.designs.design_point import parse_mac
from axdse.multipliers.designs.rtl_text import Rtl, read_rtl
from axdse.multipliers.designs.sum_rtl import sum_rtl
from axdse.multipliers.errors import AxdseError

RESULTS = Path(__file__).with_name("results") / "mutation_sums.json"
SEED, COUNT, EQUIVALENCE_LIMIT_S = 2026, 25, 60
MACS = (
    "mitchell(m=1) in float(2,1) sum dot(terms=2,align=3,acc=float(2,1))",
    "mitchell(m=1) in float(2,1) sum dot(terms=2,align=3,acc=float(2,1),cut=down)",
    "exact(n=3) in float(3,2,product=wide) sum float(2,2)",
    "mitchell(m=1) in float(2,1) sum lazy(2,6)",
    "exact(n=4) in float(8,3) sum dot(terms=4,align=13)",
    "exact(n=4) in float(8,3) sum dot(terms=4,align=13,acc=float(5,7),round=rne)",
    "exact(n=8) in bf16 sum dot(terms=2,align=25,acc=float(8,23),carry=late,round=rne)",
    "exact(n=8) in mxint8 sum dot(terms=2,align=9,acc=float(5,7),round=rne)",
    "exact(n=8) in mxint8 sum dot(terms=4,align=13,acc=float(4,7),cut=down)",
)


@dataclass(frozen=True)
class Score:
    """What became of the mutants of one unit.

    Attributes:
        caught: by a mismatch.
        refused: by an error of the check.
        equivalent: passed, and shown to compute what the original does.
        missed: passed although they are not, or could not be shown to be.
        seconds: what it took.
    """

    mac: str
    mutants: int
    caught: int
    refused: int
    equivalent: int
    missed: tuple[str, ...]
    seconds: int


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    tools = [find_tool(name).version for name in ("iverilog", "yosys", "yosys-abc")]
    old = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    same = {"tools": tools, "seed": SEED, "count": count}.items() <= old.items()
    scores = [Score(**score) for score in old["scores"]] if same else []
    for mac in MACS:
        if mac in {score.mac for score in scores}:
            continue
        scores.append(_score(mac, count))
        print(scores[-1], flush=True)
        record = {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "tools": tools,
            "seed": SEED,
            "count": count,
            "scores": [asdict(score) for score in scores],
        }
        RESULTS.write_text(json.dumps(record, indent=1) + "\n")


def _score(text: str, count: int) -> Score:
    start, mac = time.perf_counter(), parse_mac(text)
    assert mac.recipe
    rtl = sum_rtl(mac.candidate, mac.recipe)
    core = rtl.text.index(read_rtl(mac.multiplier.family.rtl).rstrip())
    edits = list(operator_edits(rtl.text[:core]))
    random.Random(SEED).shuffle(edits)
    caught = refused = same = tried = 0
    missed = []
    for edit in edits:
        if tried == count:
            break
        mutant = replace(rtl, text=edit.apply(rtl.text))
        if not elaborates(mutant):
            continue
        tried += 1
        try:
            passed = compare_sum(mac, mac.recipe, mutant).passed
        except AxdseError:
            refused += 1
            continue
        if not passed:
            caught += 1
        elif _is_same(rtl, mutant):
            same += 1
        else:
            missed.append(edit.describe(rtl.text))
    seconds = round(time.perf_counter() - start)
    return Score(text, tried, caught, refused, same, tuple(missed), seconds)


def _is_same(rtl: Rtl, mutant: Rtl) -> bool:
    if rtl.a_bits <= MAX_OPERAND_BITS:
        return equivalent(rtl, mutant, EQUIVALENCE_LIMIT_S).verdict == "equal"
    first, second = read_gates(rtl), read_gates(mutant)
    if first == second:
        return True
    if first.unknowns or second.unknowns:
        return False
    try:
        return check_with_abc(first, second, EQUIVALENCE_LIMIT_S).verdict == "equal"
    except OverflowError:  # its example is wider than a word: they differ
        return False


if __name__ == "__main__":
    main()
