"""Which point is worth a training? The one that is expected to raise the front the most."""

import numpy as np
from scipy.special import ndtr

from axdse.dse.search.belief import Belief


def expected_gain(
    belief: Belief, costs: np.ndarray, known: np.ndarray, scores: np.ndarray, floor: float
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

    Returns:
        float64 [n], in units of the score.
    """
    rivals = np.full(len(costs), floor)
    for cost, score in zip(known, scores, strict=True):
        cheaper = (cost <= costs).all(1)
        rivals[cheaper] = np.maximum(rivals[cheaper], score)
    above = belief.mean - rivals
    z = above / belief.deviation
    density = np.exp(-0.5 * z**2) / (2 * np.pi) ** 0.5
    return np.asarray(above * ndtr(z) + belief.deviation * density)
