"""Which design is better? Pareto dominance of vectors of losses: smaller is better."""

import math
from collections.abc import Sequence

from axdse.dse.run.config import Objective
from axdse.flows.cost.record import Cost

Losses = tuple[float, ...]


def losses(objectives: Sequence[Objective], accuracy: float, cost: Cost) -> Losses:
    """Those of the objectives, in their order: negated accuracy, um2, ns, fJ a multiplication.

    Energy is that of recorded operands if there are any; NaN, which dominates nothing, in a
    library without power.
    """
    energy = cost.recorded or cost.uniform
    known = {
        "accuracy": -accuracy,
        "area": cost.area_um2,
        "delay": cost.delay_ns,
        "energy": energy.energy_fj if energy else math.nan,
    }
    return tuple(known[objective] for objective in objectives)


def dominates(a: Losses, b: Losses) -> bool:
    """Whether `a` is nowhere worse than `b` and somewhere better."""
    return a != b and no_worse(a, b)


def no_worse(a: Losses, b: Losses) -> bool:
    """Whether `a` is nowhere worse than `b`."""
    return all(x <= y for x, y in zip(a, b, strict=True))


def non_dominated(points: Sequence[Losses]) -> list[bool]:
    """For each point whether no other dominates it; equal points stand together."""
    return [not any(dominates(other, point) for other in points) for point in points]
