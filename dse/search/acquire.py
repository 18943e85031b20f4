"""Which point is worth a training? The one that is expected to raise the front the most."""

import numpy as np
from scipy.special import ndtr

from axdse.dse.search.belief import Belief


def expected_gain(
    belief: Belief,
    costs: np.ndarray,
    known: np.ndarray,
    scores: np.ndarray,
    floor: float,
    ceiling: float = np.inf,
) -> np.ndarray:
    """By how much each point is expected to beat the best that costs no more.

    After the expected improvement of Mockus, 1975, with a rival for each point: costs are known,
    so that only those that cost no more, in every respect, count.

    Args:
        belief: of n points.
        costs: float64 [n, k], theirs.
        known: float64 [m, k], of the points that were trained.
        scores: float64 [m], what those reached.
        floor: less than that is of no use, however cheap.
        ceiling: nothing is gained over who reaches that: no training would show it.

    Returns:
        float64 [n], in units of the score.
    """
    cheaper = (known[:, None] <= costs).all(2)  # [m, n]
    rivals = np.where(cheaper, scores[:, None], floor).max(0, initial=floor)
    above = belief.mean - rivals
    z = above / belief.deviation
    density = np.exp(-0.5 * z**2) / (2 * np.pi) ** 0.5
    return np.where(rivals < ceiling, above * ndtr(z) + belief.deviation * density, 0.0)
