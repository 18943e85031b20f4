"""What would untrained points reach? A Gaussian process over what their products look like."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cholesky, solve_triangular

# Hyperparameters are the likeliest of a grid: an optimiser's last bits differ among machines.
LEVELS = (1e-4, 3e-3, 1e-2, 3e-2, 0.1, 0.3)  # errors that a network's own loss hides
REACHES = (1.0, 2.5)  # lengths, in standard deviations of a feature
BENDS = (0.3, 1.0)  # how far from a plane, in standard deviations of the scores
NOISES = (0.03, 0.1, 0.3)  # of a training and of what features do not tell, likewise
SLOPE = 3.0  # prior deviation of the plane's slopes, likewise
MORE = 4  # hyperparameters are chosen anew when there is a fourth more to choose by


@dataclass(frozen=True, eq=False)
class Belief:
    """What is thought of some points.

    Attributes:
        mean: float64 [n], scores.
        deviation: float64 [n], how sure that is; of a training with the seed of the others.
    """

    mean: np.ndarray
    deviation: np.ndarray


@dataclass(frozen=True)
class _Prior:
    """Of LEVELS, REACHES, BENDS and NOISES one each."""

    hidden: float
    reach: float
    bend: float
    noise: float


class Learner:
    """Learns from trainings in the order in which they are told.

    The prior is a plane in the logarithms of errors, below some level of which none is seen, and
    a smooth deviation from it (Matern 5/2), after Rasmussen and Williams, "Gaussian Processes for
    Machine Learning", 2006, chapter 2.7.

    Args:
        weights: of the d errors of a point, what is thought of their effects beforehand.
    """

    def __init__(self, weights: Sequence[float]) -> None:
        self._weights = np.array(weights)
        self._priors: dict[int, _Prior] = {}  # by the number of scores that they are chosen by

    def believe(
        self,
        errors: np.ndarray,
        scores: np.ndarray,
        asked: np.ndarray,
        pending: np.ndarray | None = None,
    ) -> Belief:
        """What points would score, after those that did.

        Args:
            errors: float64 [m, d], relative, of points that were trained; from call to call those
                of before come first, with their scores.
            scores: float64 [m], what they reached.
            asked: float64 [n, d], errors of the others.
            pending: float64 [p, d], errors of points that are being trained: they will tell
                something of their neighbours, nobody knows what.
        """
        level, size = _spread(scores)
        y = (scores - level) / size
        prior = self._prior(errors, scores)
        scale = _scale(errors, prior.hidden, self._weights)
        x, z = (_features(each, prior.hidden, scale) for each in (errors, asked))
        told = x if pending is None else np.vstack([x, _features(pending, prior.hidden, scale)])
        factor = _factor(_covariance(told, told, prior), prior.noise)
        seen = _solve(factor, _covariance(told, z, prior))
        # What is expected of pending points moves no mean, so theirs are not in it.
        mean = _solve(factor[: len(x), : len(x)], y) @ seen[: len(x)]
        variance = 1.0 + SLOPE**2 * (z**2).sum(1) + prior.bend**2 - (seen**2).sum(0)
        variance = np.maximum(variance, 0.0) + prior.noise**2
        return Belief(level + size * mean, size * np.sqrt(variance))

    def _prior(self, errors: np.ndarray, scores: np.ndarray) -> _Prior:
        """The likeliest by the first scores alone, as if there were no others yet."""
        count = _last_choice(len(scores))
        if count not in self._priors:
            self._priors[count] = _likeliest(errors[:count], scores[:count], self._weights)
        return self._priors[count]


def _last_choice(count: int) -> int:
    """The last of 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, ... up to a number."""
    chosen = min(2, count)
    while (more := chosen + max(1, chosen // MORE)) <= count:
        chosen = more
    return chosen


def _spread(scores: np.ndarray) -> tuple[float, float]:
    return float(scores.mean()), max(float(scores.std()), 1e-9)


def _likeliest(errors: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> _Prior:
    level, size = _spread(scores)
    y, best, most = (scores - level) / size, None, -np.inf
    for hidden, reach in itertools.product(LEVELS, REACHES):
        x = _features(errors, hidden, _scale(errors, hidden, weights))
        plane, smooth = _plane(x, x), _smooth(x, x, reach)
        for bend, noise in itertools.product(BENDS, NOISES):
            factor = _factor(plane + bend**2 * smooth, noise)
            likelihood = -0.5 * float((_solve(factor, y) ** 2).sum())
            likelihood -= float(np.log(np.diag(factor)).sum())
            if likelihood > most:
                best, most = _Prior(hidden, reach, bend, noise), likelihood
    assert best is not None
    return best


def _logarithms(errors: np.ndarray, hidden: float) -> np.ndarray:
    return np.asarray(0.5 * np.log10(errors**2 + hidden**2))


def _scale(
    errors: np.ndarray, hidden: float, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where features of points that were trained are 0, and the inverse of a unit of theirs."""
    known = _logarithms(errors, hidden)
    spread = known.std(0)
    return known.mean(0), weights / np.where(spread > 0, spread, 1.0)


def _features(
    errors: np.ndarray, hidden: float, scale: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Logarithms in standard deviations of those that were trained."""
    return np.asarray((_logarithms(errors, hidden) - scale[0]) * scale[1])


def _factor(covariance: np.ndarray, noise: float) -> np.ndarray:
    covariance = covariance + noise**2 * np.eye(len(covariance))
    return np.asarray(cholesky(covariance, lower=True, check_finite=False))


def _solve(factor: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.asarray(solve_triangular(factor, right, lower=True, check_finite=False))


def _covariance(a: np.ndarray, b: np.ndarray, prior: _Prior) -> np.ndarray:
    return np.asarray(_plane(a, b) + prior.bend**2 * _smooth(a, b, prior.reach))


def _plane(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(1.0 + SLOPE**2 * (a @ b.T))


def _smooth(a: np.ndarray, b: np.ndarray, reach: float) -> np.ndarray:
    squares = sum(np.subtract.outer(x, y) ** 2 for x, y in zip(a.T, b.T, strict=True))
    apart = np.sqrt(squares) * (5**0.5 / reach)
    return np.asarray((1 + apart + apart**2 / 3) * np.exp(-apart))
