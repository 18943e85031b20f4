"""Does a plan choose what is fastest? Each realisation that is possible here, beside its estimate.

usage: python benchmarks/plan_estimates.py       writes benchmarks/results/plan_estimates.json

Every family of the catalogue at its defaults, in the first of three formats that it fits, and some
of four bits, whose tables take fewer registers: GEMM 256 x 1152 x 256 by each realisation in turn
with native FP32, checked before it is timed, on one thread. `lost` is how much longer the plan's
choice takes than the fastest. What should take more than 30 times native is left out. Ten minutes.
"""

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from provenance import provenance
from torch import Tensor

from axdse.gpu.bench.contest import measure
from axdse.gpu.bench.gemm import Subject, gemm_entry
from axdse.gpu.bench.timing import Patience
from axdse.gpu.multiplication.handles import Form, handle
from axdse.gpu.ops.plan import Plan, explain
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import parse_format

RESULTS = Path(__file__).parent / "results" / "plan_estimates.json"
SHAPE = (256, 1152, 256)
MOST = 30.0
PATIENCE = Patience(least=5, most=9, seconds=1.0)
FORMATS = ("bf16", "float(8,7,product=narrow)", "int8")
SMALL = (
    ("exact(n=4)", "float(8,3)"),
    ("mitchell(m=3)", "float(8,3)"),
    ("mbm(m=3)", "float(8,3)"),
    ("drum(n=4,k=3)", "float(8,3)"),
    ("momeni(n=5,c=4)", "float(8,4)"),
)


@dataclass(frozen=True)
class Estimate:
    """A realisation of a design.

    Attributes:
        name: of the realisation.
        expected: time by the plan, in units of native FP32.
        measured: likewise, median over the rounds; None: not timed, as `why` says.
    """

    name: str
    expected: float
    measured: float | None
    why: str


@dataclass(frozen=True)
class Planned:
    """A design.

    Attributes:
        design: spec and format.
        choice: of the plan.
        lost: how much longer the choice takes than the fastest, as a fraction of that.
        realisations: as the plan orders them.
    """

    design: str
    choice: str
    lost: float
    realisations: tuple[Estimate, ...]


def subjects() -> Iterator[tuple[str, str]]:
    """Spec and format, of each family the first of the formats that it fits."""
    for family in builtin_catalog().families.values():
        multiplier = family.bind()
        for text in FORMATS:
            try:
                Candidate(multiplier, parse_format(text))
            except AxdseError:
                continue
            yield multiplier.spec, text
            break
    yield from SMALL


def planned(design: str, text: str) -> Planned:
    candidate = Candidate(builtin_catalog().multiplier(design), parse_format(text))
    plan, name = explain(candidate), handle(candidate)
    subject = Subject(f"{design} in {text}", design, text, ())
    found = []
    for each in plan.alternatives:
        if each.time is not None and each.time <= MOST:
            alone = dataclasses.replace(plan, choice=each.name, fallback=each.name)
            compute = partial(_by, alone, name)
            row = measure(gemm_entry(subject, SHAPE, each.name, compute), 1, PATIENCE)
            ratio = round(row.ratio, 2) if row.ratio else None
            found.append(Estimate(each.name, round(each.time, 2), ratio, row.why))
    times = {each.name: each.measured for each in found if each.measured}
    lost = times[plan.choice] / min(times.values()) - 1
    return Planned(subject.name, plan.choice, round(lost, 2), tuple(found))


def _by(plan: Plan, name: str, a: Tensor, b: Tensor, _: Form) -> Tensor:
    return plan(a, b, name, False)


def main() -> None:
    rows = []
    for design, text in subjects():
        rows.append(planned(design, text))
        print(rows[-1], flush=True)
    content = {"command": "python benchmarks/plan_estimates.py", **provenance()}
    content["designs"] = [dataclasses.asdict(row) for row in rows]
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
