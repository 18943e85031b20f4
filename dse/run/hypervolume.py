"""How good is a front? The volume that it dominates, up to a reference."""

from collections.abc import Sequence

from axdse.dse.run.objectives import Losses


def hypervolume(points: Sequence[Losses], reference: Losses) -> float:
    """Volume, exact, that points of any number of losses dominate; beyond the reference none.

    By slices along the last loss, within which the volume is one of fewer losses: Zitzler, 1999.
    A front of n points takes O(n^d) with d losses, as the few of a search do in no time.
    """
    inside = [p for p in points if all(x < r for x, r in zip(p, reference, strict=True))]
    if not inside:
        return 0.0
    if len(reference) == 1:
        return reference[0] - min(point[0] for point in inside)
    inside.sort(key=lambda point: point[-1])
    volume = 0.0
    for i, point in enumerate(inside):
        end = inside[i + 1][-1] if i + 1 < len(inside) else reference[-1]
        if end > point[-1]:
            slice_ = hypervolume([p[:-1] for p in inside[: i + 1]], reference[:-1])
            volume += slice_ * (end - point[-1])
    return volume
