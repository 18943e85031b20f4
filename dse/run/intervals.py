"""How sure is a mean over seeds, or the difference of two?"""

import math
import statistics
from dataclasses import dataclass

from axdse.dse.training.records import ACCURACY, Goal


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds.

    Attributes:
        mean: arithmetic mean.
        standard_error: sample standard deviation / sqrt(seeds); NaN for a single seed.
        seeds: number of values.
    """

    mean: float
    standard_error: float
    seeds: int


def estimate(values: tuple[float, ...]) -> Estimate:
    """Mean and standard error of one value per seed."""
    spread = statistics.stdev(values) if len(values) > 1 else math.nan
    return Estimate(statistics.fmean(values), spread / math.sqrt(len(values)), len(values))


def paired_difference(ours: tuple[float, ...], theirs: tuple[float, ...]) -> Estimate:
    """Estimate of (ours - theirs), seed by seed: what the seeds share cancels."""
    return estimate(tuple(a - b for a, b in zip(ours, theirs, strict=True)))


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % confidence interval over seeds.

    Attributes:
        mean: of scores, or of differences of two.
        half: half width of the interval; NaN for a single seed.
    """

    mean: float
    half: float

    def text(self, goal: Goal = ACCURACY) -> str:
        """Text such as `87.9 ± 0.4`, in the unit of the metric; without ± for a single seed."""
        mean = f"{goal.shown(self.mean):.{goal.digits}f}"
        if math.isnan(self.half):
            return mean
        return f"{mean} ± {abs(goal.shown(self.half)):.{goal.digits}f}"

    def size(self, goal: Goal) -> str:
        """Text of a difference whose direction words tell."""
        return Interval(math.copysign(self.mean, goal.score(1.0)), self.half).text(goal)

    def signed(self, goal: Goal = ACCURACY) -> str:
        """As `text`, with a sign: for differences of the metric, in its points."""
        shown = goal.shown(self.mean)
        if not float(f"{shown:.{goal.digits}f}"):
            return self.size(goal)
        return ("\N{MINUS SIGN}" if shown < 0 else "+") + self.size(goal)


def interval95(estimate: Estimate) -> Interval:
    """Student's interval: few seeds make it wide, as they should."""
    freedom = estimate.seeds - 1
    if freedom < 1:
        return Interval(estimate.mean, math.nan)
    return Interval(estimate.mean, quantile(freedom) * estimate.standard_error)


def quantile(freedom: int) -> float:
    """Of Student's t, that leaves 2.5 % on either side."""
    from scipy.special import stdtrit  # commands that print no interval start without it

    return float(stdtrit(freedom, 0.975))
