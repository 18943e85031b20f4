"""Which points need another seed? Those that may be on the front; who is beaten stops.

Seeds come one after the other, the same for all points. After each, a point is beaten by one that
costs no more in any objective, and whose score is better by all of the 95 % interval of their
difference, paired seed by seed. The scatter of so few differences may be small by chance: that of
all points together, less what points and seeds have in common, counts where it is larger.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

import numpy as np

from axdse.dse.run.intervals import Interval, quantile
from axdse.dse.run.objectives import Losses, dominates, no_worse

FIRST = 2  # seeds that all have: one says nothing of its own luck


@dataclass(frozen=True)
class Racer:
    """A point in the race.

    Attributes:
        name: its text.
        costs: its losses but for the score.
        scores: one a seed, higher is better; all racers have the same seeds, two at least.
    """

    name: str
    costs: Losses
    scores: tuple[float, ...]

    @property
    def losses(self) -> Losses:
        """With that of the mean score first."""
        return (-fmean(self.scores), *self.costs)


@dataclass(frozen=True)
class Defeat:
    """Why a point is not on the front.

    Attributes:
        loser: name of the point.
        winner: of one that costs no more.
        lead: by how much that scores more.
    """

    loser: str
    winner: str
    lead: Interval


def beaten(racers: Sequence[Racer]) -> tuple[Defeat, ...]:
    """Who is beaten, each by the one that is so the most surely."""
    scatter, found = _scatter(racers), []
    for racer in racers:
        cheaper = [r for r in racers if r is not racer and no_worse(r.costs, racer.costs)]
        leads = {rival.name: _lead(rival, racer, scatter) for rival in cheaper}
        sure = {name: lead.mean - lead.half for name, lead in leads.items()}
        winner = max(sure, key=lambda name: sure[name], default="")
        if winner and sure[winner] > 0:
            found.append(Defeat(racer.name, winner, leads[winner]))
    return tuple(found)


def dominated(racers: Sequence[Racer]) -> tuple[Defeat, ...]:
    """Who has no better mean than one that costs no more, each by the best such."""
    scatter, found = _scatter(racers), []
    for racer in racers:
        rivals = [rival for rival in racers if dominates(rival.losses, racer.losses)]
        best = min(rivals, key=lambda rival: rival.losses, default=None)
        if best:
            found.append(Defeat(racer.name, best.name, _lead(best, racer, scatter)))
    return tuple(found)


@dataclass(frozen=True)
class Stop:
    """Where the race ended for a point that is not on the front.

    Attributes:
        name: of the point.
        scores: one for each seed that it had; NaN: a training that diverged.
        defeat: by whom; None: it is of no use.
    """

    name: str
    scores: tuple[float, ...]
    defeat: Defeat | None


@dataclass(frozen=True)
class Raced:
    """What came of a race; `front` has all seeds, `stops` are in the order in which they came."""

    front: tuple[str, ...]
    stops: tuple[Stop, ...]


def race(
    costs: Mapping[str, Losses],
    seeds: int,
    train: Callable[[Sequence[str], int], Sequence[tuple[float, ...]]],
    least: float,
) -> Raced:
    """Find the front of means over all seeds.

    Args:
        costs: of each point, by name.
        seeds: that the front has, `FIRST` at least.
        train: gives the scores of points, each with the first so many seeds.
        least: mean score below which a point is of no use.
    """
    left, stops = list(costs), list[Stop]()
    for count in range(FIRST, seeds + 1):
        scores = dict(zip(left, train(left, count), strict=True))
        last = count == seeds

        def is_of_use(own: tuple[float, ...], last: bool = last) -> bool:
            return not any(map(math.isnan, own)) and (not last or fmean(own) >= least)

        racers = [Racer(n, costs[n], own) for n, own in scores.items() if is_of_use(own)]
        defeats = {each.loser: each for each in (dominated if last else beaten)(racers)}
        kept = [racer.name for racer in racers if racer.name not in defeats]
        stops += [Stop(n, scores[n], defeats.get(n)) for n in left if n not in kept]
        left = kept
    return Raced(tuple(left), tuple(stops))


@dataclass(frozen=True)
class _Scatter:
    """Standard deviation of what two points differ by from seed to seed, and its freedom."""

    deviation: float
    freedom: int


def _scatter(racers: Sequence[Racer]) -> _Scatter:
    """Of all points, as in a layout of points by seeds without interaction."""
    if len(racers) < 2:
        return _Scatter(0.0, 1)
    scores = np.array([racer.scores for racer in racers])
    count, seeds = scores.shape
    left = scores - scores.mean(1, keepdims=True) - scores.mean(0) + scores.mean()
    freedom = (count - 1) * (seeds - 1)
    return _Scatter(math.sqrt(2 * float((left**2).sum()) / freedom), freedom)


def _lead(ours: Racer, theirs: Racer, scatter: _Scatter) -> Interval:
    differences = [a - b for a, b in zip(ours.scores, theirs.scores, strict=True)]
    deviation = max(stdev(differences), scatter.deviation)
    half = quantile(scatter.freedom) * deviation / math.sqrt(len(differences))
    return Interval(fmean(differences), half)
