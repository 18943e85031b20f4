"""Does the RTL check catch wrong RTL? Mutants of every family, each with one small fault.

usage: python benchmarks/mutation_score.py     writes benchmarks/results/mutation_score.json

A mutant has one operator, constant, index or condition of the Verilog text changed, or one gate of
the synthesised netlist. Drawn with a seed: SAMPLES of either kind for each family at 5 bits, and
for a few families at 8 bits, where the check is exhaustive, and at 12, where it is a sample. Edits
that Icarus does not elaborate are drawn again. What the check lets pass must be equivalent to the
original, by `axdse.flows.formal.proof.equivalent`, or it counts as missed. Those that Yosys
refuses, say for a net without a driver that no vector shows, are told apart: they are no hardware.
"""

import itertools
import json
import os
import platform
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from mutants import elaborates, gate_edits, gate_level, mutated, operator_edits

from axdse.flows.formal.proof import equivalent
from axdse.flows.simulation import icarus as rtl_simulation
from axdse.flows.tools import find_tool
from axdse.flows.verify.check import BATCH, check_all
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.family import Family, Multiplier
from axdse.multipliers.designs.rtl_text import core_rtl
from axdse.multipliers.errors import AxdseError

RESULTS = Path(__file__).with_name("results") / "mutation_score.json"
SEED = 2026
NARROW_BITS, SAMPLED_BITS = 5, (8, 12)
SAMPLES = {NARROW_BITS: 10, 8: 6, 12: 2}
SAMPLED_FAMILIES = ("exact", "truncated", "broken_array", "drum", "dadda42", "booth_approx")
EQUIVALENCE_LIMIT_S = 60
# A mutant that oscillates is caught by the time limit of the simulation; five minutes are long.
SIMULATION_LIMIT_S = 20


@dataclass(frozen=True)
class Mutant:
    """A wrong design.

    Attributes:
        kind: "operator" or "gate".
        edit: line of the text, and the change.
    """

    multiplier: Multiplier
    kind: str
    edit: str


@dataclass(frozen=True)
class Score:
    """What became of the mutants of one design.

    Attributes:
        caught: by a mismatch.
        refused: by an error of the check.
        equivalent: passed, and shown to compute what the original does.
        unsynthesisable: passed, but Yosys refuses them; edit and reason.
        missed: passed although they are not, or could not be shown to be.
    """

    design: str
    mutants: int
    caught: int
    refused: int
    equivalent: int
    unsynthesisable: tuple[str, ...]
    missed: tuple[str, ...]


def main() -> None:
    rtl_simulation.TIME_LIMIT_S = SIMULATION_LIMIT_S
    load, start = round(os.getloadavg()[0], 1), time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="axdse-") as folder:
        os.environ["AXDSE_CACHE"] = f"{folder}/cache"
        scores = [_score(design, Path(folder)) for design in _designs()]
    every = Counter[str]()
    for score in scores:
        every.update({k: v for k, v in asdict(score).items() if isinstance(v, int)})
        every["unsynthesisable"] += len(score.unsynthesisable)
        every["missed"] += len(score.missed)
    result = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "load_before": load,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "versions": [
            f"axdse {version('axdse')}",
            f"Python {platform.python_version()}",
            *(find_tool(name).version for name in ("iverilog", "yosys", "yosys-abc")),
        ],
        "sampling": " ".join((__doc__ or "").partition("\n\n")[2].split("\n\n")[1].split()),
        "seed": SEED,
        "samples": {f"{bits} bits": count for bits, count in SAMPLES.items()},
        "seconds": round(time.perf_counter() - start, 1),
        "all": dict(every),
        "score": round(_ratio(every), 6),
        "designs": [asdict(score) for score in scores],
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps({k: v for k, v in result.items() if k != "designs"}, indent=2))


def _ratio(every: Counter[str]) -> float:
    """Caught of those that are hardware, and not equivalent."""
    caught = every["caught"] + every["refused"]
    return caught / (caught + every["missed"])


def _designs() -> Iterator[Multiplier]:
    families = builtin_catalog().families
    for family in families.values():
        yield _bind(family, NARROW_BITS)
    for bits in SAMPLED_BITS:
        yield from (_bind(families[name], bits) for name in SAMPLED_FAMILIES)


def _bind(family: Family, bits: int) -> Multiplier:
    """The family at a width, or the nearest that it has."""
    width = next(iter(family.parameters))
    low, high = family.bounds(width, {})
    return family.bind({width: min(max(bits, low), high)})


def _score(multiplier: Multiplier, folder: Path) -> Score:
    mutants = _mutants(multiplier, folder)
    verdicts = _verdicts([mutant.multiplier for mutant in mutants])
    counts = Counter(verdict for verdict in verdicts if verdict != "passed")
    survivors = [m for m, verdict in zip(mutants, verdicts, strict=True) if verdict == "passed"]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        answers = list(pool.map(lambda m: _compared(multiplier, m), survivors))
    score = Score(
        design=multiplier.spec,
        mutants=len(mutants),
        caught=counts["caught"],
        refused=counts["refused"],
        equivalent=sum(answer == "equal" for answer, _ in answers),
        unsynthesisable=tuple(edit for answer, edit in answers if answer == "refused"),
        missed=tuple(edit for answer, edit in answers if answer in ("different", "unknown")),
    )
    print(score, flush=True)
    return score


def _mutants(multiplier: Multiplier, folder: Path) -> list[Mutant]:
    samples = SAMPLES[max(b for b in SAMPLES if b <= max(multiplier.operand_bits, NARROW_BITS))]
    plain, gates = multiplier.family.rtl.read_text(), gate_level(multiplier)
    texts = {"operator": (plain, operator_edits), "gate": (gates, gate_edits)}
    chosen: list[Mutant] = []
    for kind, (text, edits) in texts.items():
        drawn = list(edits(text))
        random.Random(f"{SEED} {multiplier.spec} {kind}").shuffle(drawn)
        made = (
            Mutant(
                mutated(multiplier, edit.apply(text), len(chosen) * 1_000_000 + number, folder),
                kind,
                edit.describe(text),
            )
            for number, edit in enumerate(drawn)
        )
        chosen += itertools.islice(filter(_runs, made), samples)
    return chosen


def _runs(mutant: Mutant) -> bool:
    return mutant.kind == "gate" or elaborates(core_rtl(mutant.multiplier))


def _verdicts(multipliers: Sequence[Multiplier]) -> list[str]:
    """Processes, not threads: a check that fails kills what its process still runs."""
    groups = [multipliers[at : at + BATCH] for at in range(0, len(multipliers), BATCH)]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        return list(itertools.chain.from_iterable(pool.map(_verdicts_on, groups)))


def _verdicts_on(group: Sequence[Multiplier]) -> list[str]:
    """A check of several designs ends at the first that is an error: then one at a time."""
    try:
        reports = list(check_all(group, jobs=1))
    except AxdseError:
        if len(group) == 1:
            return ["refused"]
        return [verdict for one in group for verdict in _verdicts_on([one])]
    return ["passed" if report.passed else "caught" for report in reports]


def _compared(original: Multiplier, mutant: Mutant) -> tuple[str, str]:
    """The verdict of `equivalent`, or "refused", and the edit."""
    edit = f"{mutant.kind}, {mutant.edit}"
    try:
        rtl, wrong = core_rtl(original), core_rtl(mutant.multiplier)
        return equivalent(rtl, wrong, EQUIVALENCE_LIMIT_S).verdict, edit
    except AxdseError as error:
        return "refused", f"{edit}: {error.value}"


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))


if __name__ == "__main__":
    main()
