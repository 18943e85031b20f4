"""Whether less hardware costs less area: every family with a parameter that takes hardware away.

usage: python benchmarks/cost_monotone.py [SECONDS]    writes benchmarks/results/cost_monotone.json

Areas are those of the full cost, of the grid at n=8 and at m=7 and m=8. Along a line of designs
that differ in one parameter alone, each is compared with all that have more hardware; more than
2% above the smallest of these is a violation. To explain it, the functions of both are compared,
and both are mapped with other recipes too. Costs are cached: with SECONDS it stops in time, and
the next run goes on.
"""

import json
import platform
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from axdse.flows.cost.cost import core_cost
from axdse.flows.cost.record import Cost
from axdse.flows.liberty.library import read_library
from axdse.flows.netlist.synthesis import ABC_SCRIPT, synthesise
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.family import Multiplier
from axdse.multipliers.designs.rtl_text import core_rtl
from axdse.multipliers.model.cmodel import tabulate

RESULTS = Path(__file__).with_name("results") / "cost_monotone.json"
TOLERANCE = 0.02
LESS, MORE = 1, -1
# By family and parameter: whether a greater value leaves less hardware, or makes more. What
# orders nothing is not here: corrections (truncated c), first rows (perforated s), constants
# (lmul l).
ORDER = {
    "truncated": {"t": LESS},
    "broken_array": {"h": LESS, "v": LESS},
    "perforated": {"k": LESS},
    "drum": {"k": MORE},
    "ssm": {"s": MORE},
    "dadda42": {"c": LESS},
    "fixed_width": {"k": MORE},
    "lower_or": {"v": LESS},
    "etm": {"k": LESS},
    "or_rows": {"d": LESS},
    "booth_approx": {"v": LESS, "d": LESS},
    "broken_array_signed": {"h": LESS, "v": LESS},
    "drum_signed": {"k": MORE, "s": LESS},
    "broken_booth": {"v": LESS, "t": LESS},
    "alm_soa": {"t": LESS},
    "alm_loa": {"t": LESS},
    "alm_maa": {"t": LESS},
    "mitch_w": {"w": MORE},
    "cfpu": {"t": MORE},
    "realm": {"s": MORE, "t": LESS},
    "tosam": {"h": MORE, "t": MORE},
    "letam": {"t": MORE},
    "scaletrim": {"h": MORE, "m": MORE},
    "momeni": {"c": LESS},
    "venkatachalam": {"c": LESS},
    "roba_signed": {"s": LESS},
}
RECIPES = (
    ABC_SCRIPT,
    "strash;ifraig;scorr;dc2;dc2;dc2;strash;dch,-f;amap,-m;topo",
    "strash;ifraig;scorr;balance;resub,-K,6;rewrite;resub,-K,8;refactor;rewrite,-z;resub,-K,10;"
    "rewrite,-z;refactor,-z;balance;dch,-f;amap,-m;topo",
    "strash;ifraig;scorr;dc2;strash;dch,-f;map,-a;topo",
    "strash;dch,-f;amap,-m;topo",
)

REASONS = {
    "dadda42(n=8,c=5)": (
        "Column 4 is the first with five dots. Its half adder and its approximate compressor pass "
        "two carries to the exact rows, where c=4 passes one: 474 ands in all, not 464."
    ),
    "tosam(n=8,h=2,t=6)": (
        "At t=6 the product of the segments lies at bit 0 of the sum, so Yosys dissolves it in a "
        "carry-save adder; at t=7 it lies one bit higher and is added as a number. The gates are "
        "in order (370 ands, 388 at t=7), their covers are not."
    ),
    "scaletrim(n=8,h=2,m=1)": (
        "The constants of m=2 (8, 8, 10, 14) leave the lowest bit alone, and their bits are bits "
        "of the sum; those of m=1 (8, 11) are added from bit 0 on. Fewer segments, but not less."
    ),
    "scaletrim(n=8,h=2,m=0)": (
        "The constants of m=2 (8, 8, 10, 14) leave the lowest bit alone, and their bits are bits "
        "of the sum; that of m=0 (9) is added from bit 0 on. Fewer segments, but not less."
    ),
}


@dataclass(frozen=True)
class Violation:
    """A design that is larger than one with more hardware.

    Attributes:
        less: the design with less hardware.
        more: the one with more that it exceeds most.
        parameter: in which they differ.
        less_um2: area of the first.
        more_um2: area of the second.
        excess: how much larger, as a fraction.
        best_excess: the same of the smallest netlists that any recipe finds; None: not asked.
        explanation: why.
    """

    less: str
    more: str
    parameter: str
    less_um2: float
    more_um2: float
    excess: float
    best_excess: float | None = None
    explanation: str = ""


def lines(
    designs: Sequence[Multiplier], order: Mapping[str, Mapping[str, int]]
) -> Iterator[tuple[str, list[Multiplier]]]:
    """Yield each parameter that orders designs, with those that differ in it alone.

    The one with most hardware comes first.
    """
    found: dict[tuple[str, str, tuple[tuple[str, int], ...]], list[Multiplier]] = defaultdict(list)
    for design in designs:
        for parameter in order.get(design.family.name, {}):
            others = tuple(
                item for item in design.bindings.items() if item[0] != parameter.upper()
            )
            found[design.family.name, parameter, others].append(design)
    for (family, parameter, _), line in found.items():
        sign = order[family][parameter]
        values = {design.spec: sign * design.bindings[parameter.upper()] for design in line}
        yield parameter, sorted(line, key=lambda design: values[design.spec])


def violations(
    line: Sequence[Multiplier],
    parameter: str,
    areas: Mapping[str, float],
    tolerance: float = TOLERANCE,
) -> list[Violation]:
    """Return each design of a line that exceeds one before it, with the smallest of these."""
    found = []
    for at, design in enumerate(line[1:], 1):
        smallest = min(line[:at], key=lambda other: areas[other.spec])
        less, more = areas[design.spec], areas[smallest.spec]
        if less > (1 + tolerance) * more:
            excess = round(less / more - 1, 4) if more else float("inf")
            found.append(Violation(design.spec, smallest.spec, parameter, less, more, excess))
    return found


def explained(violation: Violation) -> Violation:
    """Add why: from the functions of both designs, from other recipes, or from `REASONS`."""
    less, more = (builtin_catalog().multiplier(s) for s in (violation.less, violation.more))
    best_less, best_more = (min(_areas(design)) for design in (less, more))
    best = round(best_less / best_more - 1, 4)
    return replace(violation, best_excess=best, explanation=_reason(less, more, best))


def _reason(less: Multiplier, more: Multiplier, best_excess: float) -> str:
    wrong = tabulate(less) ^ tabulate(more)
    if not wrong.any():
        return (
            "The same function: what the parameter takes away was not there any more. The RTL "
            "differs, so synthesis starts elsewhere and ends elsewhere."
        )
    bits = int(np.bitwise_or.reduce(wrong, axis=None))
    if not (tabulate(less) & np.uint64(bits)).any():
        return (
            f"The netlist of {more.spec} with the product bits {bits:#x} tied to 0 has this "
            "function and is smaller; synthesis starts from other rows and does not find it."
        )
    if best_excess <= TOLERANCE:
        return "The search of one recipe: the smallest that all recipes find are in order."
    return REASONS.get(less.spec, "Not explained.")


def _areas(design: Multiplier) -> list[float]:
    """The area that each recipe finds."""
    rtl, library = core_rtl(design), read_library()
    return [synthesise(rtl, library, recipe).area_um2 for recipe in RECIPES]


def main() -> None:
    limit = time.monotonic() + float(sys.argv[1]) if len(sys.argv) > 1 else float("inf")
    designs = [design for design in _grid() if design.family.name in ORDER]
    costs: dict[str, Cost] = {}
    for design in designs:
        if time.monotonic() > limit:
            print(f"{len(costs)} of {len(designs)} costed; run it again to go on")
            return
        costs[design.spec] = core_cost(design, aim="area")
    areas = {spec: cost.area_um2 for spec, cost in costs.items()}
    ordered = list(lines(designs, ORDER))
    found = [v for name, line in ordered for v in violations(line, name, areas)]
    some = next(iter(costs.values()))
    result = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "tools": some.tools,
        "library": some.library,
        "library_digest": some.library_digest,
        "recipes": RECIPES,
        "tolerance": TOLERANCE,
        "order": {
            family: {name: "less" if sign == LESS else "more" for name, sign in order.items()}
            for family, order in ORDER.items()
        },
        "designs": len(designs),
        "lines": len(ordered),
        "comparisons": sum(len(line) - 1 for _, line in ordered),
        "violations": [asdict(explained(violation)) for violation in found],
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(f"{len(found)} violations in {len(ordered)} lines of {len(designs)} designs: {RESULTS}")


def _grid() -> Iterator[Multiplier]:
    """Cores of 8-bit operands, and significands for bf16."""
    for design in builtin_catalog().grid():
        significand = design.family.kind == "significand" and design.a_bits == 7
        if not design.family.pipeline and (design.a_bits == 8 or significand):
            yield design


if __name__ == "__main__":
    main()
