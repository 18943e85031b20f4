"""Pareto dominance: every vector holds losses, smaller is better in each place."""

from collections.abc import Sequence

from axdse.dse.config import Objective
from axdse.flows.cost import Cost

Losses = tuple[float, ...]


def losses(objectives: Sequence[Objective], accuracy: float, cost: Cost) -> Losses:
    """Accuracy (negated), area in um2 and delay in ns, those of the objectives in their order."""
    known = {"accuracy": -accuracy, "area": cost.area_um2, "delay": cost.delay_ns}
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
