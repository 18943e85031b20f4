"""Which point is trained next? The one that is expected to raise the front the most.

Costs are known, and what a MAC does to products is; what that does to a score is learned from the
points that were trained. So few trainings are spent on what is no surprise.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from axdse.dse.run.config import SearchConfig
from axdse.dse.run.evaluation import Evaluation
from axdse.dse.run.objectives import Losses, Measured, losses, non_dominated
from axdse.dse.search.acquire import expected_gain
from axdse.dse.search.assign import Choice, Places, neighbours, sweep
from axdse.dse.search.belief import Belief, believe
from axdse.dse.search.space import Space
from axdse.dse.search.survey import Survey
from axdse.multipliers.designs.design_point import DesignPoint

LEAST_TOLD = 2  # trainings before which there is nothing to learn from
WEIGHTS = (1.0, 0.3)  # of errors in forward products and in gradients, which hurt less
FAR = 0.3  # of the largest loss: what is further below the floor teaches no more
SURE = 1e-9  # deviation of what an equal point has shown
DIGITS = 6  # of a gain that count: the last ones differ among machines


@dataclass(frozen=True)
class Proposal:
    """A point that is worth a training.

    Attributes:
        point: where to train.
        expected: the score that it is thought to reach.
    """

    point: DesignPoint
    expected: float


class Proposer:
    """Proposes points of a space.

    Args:
        space: of the search.
        survey: of its MACs.
        config: of the search.
        floor: score below which a point is of no use.
    """

    def __init__(self, space: Space, survey: Survey, config: SearchConfig, floor: float) -> None:
        self._space, self._survey, self._config, self._floor = space, survey, config, floor
        self._macs = [mac for mac in survey.found if survey.estimate(DesignPoint.uniform(mac))]
        self._allowed: dict[Choice, bool] = {}
        self._number = {mac: number for number, mac in enumerate(self._macs)}
        self._costs: dict[Choice, Losses] = {}
        traces = survey.demand.traces
        own = [_place_of(space, trace.layer, trace.product) for trace in traces]
        self._place = np.array(own, dtype=int)
        self._forward = np.array([trace.product == "forward" for trace in traces])
        found = [survey.found[mac].harms for mac in self._macs]
        self._errors = np.array([[harm.error for harm in each] for each in found])

    def next(
        self,
        told: Sequence[Evaluation],
        pending: Iterable[DesignPoint],
        seen: Collection[str],
    ) -> Proposal | None:
        """The point to train next; None: there is none, or nothing to tell it by.

        Args:
            told: what was found so far.
            pending: what is being trained: it is taken to reach what is expected.
            seen: names of points that are not proposed any more.
        """
        known = [e for e in told if e.history and self._choice(e.point)]
        if len(known) < LEAST_TOLD:
            return None
        choices = [choice for e in known if (choice := self._choice(e.point))]
        scores = np.array([self._worth(e) for e in known])
        x = self.errors(choices)
        waiting = [choice for point in pending if (choice := self._choice(point))]
        if waiting:
            more = self.errors(waiting)
            scores = np.append(scores, believe(x, scores, more, WEIGHTS).mean)
            x, choices = np.vstack([x, more]), choices + waiting
        asked = self._asked(choices, scores, seen)
        alike = {self._tables(choice) for choice in waiting}
        asked = [choice for choice in asked if self._tables(choice) not in alike]
        if not asked:
            return None
        expected = believe(x, scores, self.errors(asked), WEIGHTS)
        belief = self._told_by_equals(expected, asked, known)
        costs, paid = (np.array([self.cost(c) for c in each]) for each in (asked, choices))
        gains = expected_gain(belief, costs, paid, scores, self._floor)
        best = _first_best(gains)
        return Proposal(self._point(asked[best]), round(float(belief.mean[best]), DIGITS))

    def errors(self, choices: Sequence[Choice]) -> np.ndarray:
        """What a belief goes by: float64 [n, 2], relative.

        The largest error of any layer in forward products, and the root mean square in gradients.
        """
        chosen = np.array(choices)[:, self._place]  # [n, traces]
        errors = self._errors[chosen, np.arange(len(self._place))]
        forward, backward = errors[:, self._forward], errors[:, ~self._forward]
        gradients = np.sqrt((backward**2).sum(1) / max(1, backward.shape[1]))
        return np.stack([forward.max(1), gradients], 1)

    def cost(self, choice: Choice) -> Losses:
        """Of a point, about: its losses but for the score."""
        if choice not in self._costs:
            cost = self._survey.estimate(self._point(choice))
            assert cost is not None
            self._costs[choice] = losses(self._config.costs, Measured(1.0, cost))
        return self._costs[choice]

    def _worth(self, evaluation: Evaluation) -> float:
        """What it reached; what is far below the floor teaches no more than that."""
        least, score = self._floor - FAR * self._config.largest_loss, evaluation.validation_score
        if score is None or not np.isfinite(score):
            return least
        return max(score, least)

    def _asked(
        self, choices: Sequence[Choice], scores: np.ndarray, seen: Collection[str]
    ) -> list[Choice]:
        """Candidates, in an order that depends on nothing else."""
        pool = dict.fromkeys(self._swept)
        if len(self._space.places) > 1:
            points = [(-score, *self.cost(c)) for c, score in zip(choices, scores, strict=True)]
            for choice, best in zip(choices, non_dominated(points), strict=True):
                if best:
                    pool |= dict.fromkeys(
                        neighbours(choice, self._promising, self._space.distinct)
                    )
        return [
            choice
            for choice in pool
            if self._point(choice).name not in seen and self._may_be(choice)
        ]

    def _may_be(self, choice: Choice) -> bool:
        """Whether it is within the constraints, about."""
        if choice not in self._allowed:
            point, constraints = self._point(choice), self._config.constraints
            self._allowed[choice] = self._survey.about_within(constraints, point)
        return self._allowed[choice]

    @cached_property
    def _swept(self) -> tuple[Choice, ...]:
        if len(self._space.places) == 1:
            return tuple((number,) for number in range(len(self._macs)))
        return sweep(self._places, self._space.distinct)

    @cached_property
    def _promising(self) -> np.ndarray:
        return self._places.promising()

    @cached_property
    def _places(self) -> Places:
        count, first = len(self._space.places), self._config.costs[0]
        shape = (len(self._macs), count)
        forward, backward, shares = np.zeros(shape), np.zeros(shape), np.zeros(count)
        for number, trace in enumerate(self._survey.demand.traces):
            harm = forward if self._forward[number] else backward
            harm[:, self._place[number]] += self._errors[:, number] ** 2
            shares[self._place[number]] += trace.multiplications
        own = np.array([self.cost((number,) * count)[0] for number in range(len(self._macs))])
        prices = np.outer(own / own.max(), shares / shares.sum())
        return Places(forward, backward, prices, whole="energy" not in first.name)

    def _told_by_equals(
        self, belief: Belief, asked: Sequence[Choice], known: Sequence[Evaluation]
    ) -> Belief:
        """What trains alike reaches the same."""
        shown = {self._tables(self._choice(e.point)): self._worth(e) for e in known}
        mean, deviation = belief.mean.copy(), belief.deviation.copy()
        for number, choice in enumerate(asked):
            score = shown.get(self._tables(choice))
            if score is not None:
                mean[number], deviation[number] = score, SURE
        return Belief(mean, deviation)

    def _tables(self, choice: Choice | None) -> tuple[str, ...]:
        return tuple(self._survey.table(self._macs[number]) for number in choice or ())

    def _choice(self, point: DesignPoint) -> Choice | None:
        """Its MACs by place; None: one is not in the survey."""
        macs = self._space.macs_of(point)
        if any(mac not in self._number for mac in macs):
            return None
        return tuple(self._number[mac] for mac in macs if mac)

    def _point(self, choice: Choice) -> DesignPoint:
        return self._space.point([self._macs[number] for number in choice])


def _place_of(space: Space, layer: str, product: str) -> int:
    fitting = (n for n, place in enumerate(space.places) if place.fits(layer, product))  # type: ignore[arg-type]
    return next(fitting)


def _first_best(gains: np.ndarray) -> int:
    """The first of the largest, their last digits aside."""
    rounded = [float(f"{gain:.{DIGITS}g}") for gain in gains]
    return int(np.argmax(rounded))
