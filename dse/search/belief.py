"""What would untrained points reach? A Gaussian process over what their products look like."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve, cholesky, solve_triangular

# Hyperparameters are the likeliest of a grid: an optimiser's last bits differ among machines.
LEVELS = (1e-4, 3e-3, 1e-2, 3e-2, 0.1, 0.3)  # errors that a network's own loss hides
REACHES = (1.0, 2.5)  # lengths, in standard deviations of a feature
BENDS = (0.3, 1.0)  # how far from a plane, in standard deviations of the scores
NOISES = (0.03, 0.1, 0.3)  # of a training and of what features do not tell, likewise
SLOPE = 3.0  # prior deviation of the plane's slopes, likewise


@dataclass(frozen=True, eq=False)
class Belief:
    """What is thought of some points.

    Attributes:
        mean: float64 [n], scores.
        deviation: float64 [n], how sure that is; of a training with the seed of the others.
    """

    mean: np.ndarray
    deviation: np.ndarray


def believe(
    errors: np.ndarray, scores: np.ndarray, asked: np.ndarray, weights: Sequence[float]
) -> Belief:
    """What points would score, after those that did.

    The prior is a plane in the logarithms of errors, below some level of which none is seen, and
    a smooth deviation from it (Matern 5/2), after Rasmussen and Williams, "Gaussian Processes for
    Machine Learning", 2006, chapter 2.7.

    Args:
        errors: float64 [m, d], relative, of points that were trained.
        scores: float64 [m], what they reached.
        asked: float64 [n, d], errors of the others.
        weights: of the d errors, what is thought of their effects beforehand.
    """
    level, size = scores.mean(), max(float(scores.std()), 1e-9)
    y = (scores - level) / size
    best, there = None, asked
    for hidden in LEVELS:
        x, z = _features(errors, asked, hidden, np.array(weights))
        for given in itertools.product(REACHES, BENDS, NOISES):
            fit = _fit(x, y, *given)
            if best is None or fit.likelihood > best.likelihood:
                best, there = fit, z
    assert best is not None
    mean, variance = best.at(there)
    return Belief(level + size * mean, size * np.sqrt(variance))


def _features(
    errors: np.ndarray, asked: np.ndarray, hidden: float, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms in standard deviations of those that were trained."""
    known, others = (0.5 * np.log10(each**2 + hidden**2) for each in (errors, asked))
    spread = known.std(0)
    scale = weights / np.where(spread > 0, spread, 1.0)
    return (known - known.mean(0)) * scale, (others - known.mean(0)) * scale


@dataclass(frozen=True, eq=False)
class _Fit:
    x: np.ndarray
    reach: float
    bend: float
    noise: float
    factor: np.ndarray
    weights: np.ndarray
    likelihood: float

    def at(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of scores there."""
        cross = _kernel(z, self.x, self.reach, self.bend)
        own = 1.0 + SLOPE**2 * (z**2).sum(1) + self.bend**2
        told = solve_triangular(self.factor, cross.T, lower=True)
        variance = own - (told**2).sum(0) + self.noise**2
        return cross @ self.weights, np.maximum(variance, self.noise**2)


def _fit(x: np.ndarray, y: np.ndarray, reach: float, bend: float, noise: float) -> _Fit:
    covariance = _kernel(x, x, reach, bend) + noise**2 * np.eye(len(x))
    factor = cholesky(covariance, lower=True)
    weights = cho_solve((factor, True), y)
    likelihood = -0.5 * float(y @ weights) - float(np.log(np.diag(factor)).sum())
    return _Fit(x, reach, bend, noise, factor, weights, likelihood)


def _kernel(a: np.ndarray, b: np.ndarray, reach: float, bend: float) -> np.ndarray:
    apart = np.sqrt(((a[:, None] - b[None]) ** 2).sum(2)) * (5**0.5 / reach)
    smooth = (1 + apart + apart**2 / 3) * np.exp(-apart)
    return np.asarray(1.0 + SLOPE**2 * (a @ b.T) + bend**2 * smooth)
