"""Which point is trained next? The one that is expected to raise the front the most.

Costs are known, and what a MAC does to products is; what that does to a score is learned from the
points that were trained. So few trainings are spent on what is no surprise.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from axdse.dse.run.config import SearchConfig
from axdse.dse.run.evaluation import Evaluation
from axdse.dse.run.objectives import non_dominated
from axdse.dse.search.acquire import expected_gain
from axdse.dse.search.belief import Belief, Learner
from axdse.dse.search.candidates import Candidates
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
        ceiling: the best score that can be hoped for.
    """

    def __init__(
        self, space: Space, survey: Survey, config: SearchConfig, floor: float, ceiling: float
    ) -> None:
        self._config, self._floor = config, floor
        # As hurdles have it: who costs no less than one that reaches this is not trained.
        self._enough = ceiling - config.resolution if config.costed else np.inf
        self._table = Candidates(space, survey, config)
        self._learner = Learner(WEIGHTS)
        self._told = 0
        self._seen: list[int] = []  # rows of what is told
        self._known: list[int] = []  # of what was trained, and what that is worth
        self._scores: list[float] = []

    def next(self, told: Sequence[Evaluation], pending: Iterable[DesignPoint]) -> Proposal | None:
        """The point to train next; None: there is none, or nothing to tell it by.

        Args:
            told: what was found so far; from call to call there is only more.
            pending: what is being trained: it is taken to reach what is expected.
        """
        table = self._table
        self._take(told)
        if len(self._known) < LEAST_TOLD:
            return None
        known, scores = np.array(self._known), np.array(self._scores)
        waiting = table.rows(pending)
        asked = self._asked(known, scores, waiting)
        if not asked.size:
            return None
        of = table.errors
        every, more = np.append(asked, waiting), of[waiting]
        belief = self._learner.believe(of[known], scores, of[every], more)
        reached = np.append(scores, belief.mean[len(asked) :])
        belief = self._told_by_equals(belief, asked, known, scores)
        paid = table.costs[np.append(known, waiting)]
        bounds = self._floor, self._enough
        gains = expected_gain(belief, table.costs[asked], paid, reached, *bounds)
        best = _first_best(gains)
        return Proposal(table.point(asked[best]), round(float(belief.mean[best]), DIGITS))

    def _take(self, told: Sequence[Evaluation]) -> None:
        for evaluation in told[self._told :]:
            row = self._table.row(evaluation.point)
            if row is not None:
                self._seen.append(row)
            if evaluation.history and row is not None:
                self._known.append(row)
                self._scores.append(self._worth(evaluation))
        self._told = len(told)

    def _worth(self, evaluation: Evaluation) -> float:
        """What it reached; what is far below the floor teaches no more than that."""
        least, score = self._floor - FAR * self._config.largest_loss, evaluation.validation_score
        if score is None or not np.isfinite(score):
            return least
        return max(score, least)

    def _asked(self, known: np.ndarray, scores: np.ndarray, waiting: np.ndarray) -> np.ndarray:
        """Rows of candidates, in an order that depends on nothing else.

        Those best at some price, and neighbours of the front; none that is told, or computes as
        one that is being trained.
        """
        table = self._table
        front = non_dominated(np.column_stack([-scores, table.costs[known]]))
        near = [table.around(row) for row in known[front]]
        pool = np.array([*dict.fromkeys(np.concatenate([table.swept, *near]).tolist())], dtype=int)
        fresh = table.allowed[pool] & ~np.isin(pool, self._seen)
        fresh &= ~np.isin(table.alike[pool], table.alike[waiting])
        return np.asarray(pool[fresh])

    def _told_by_equals(
        self, belief: Belief, asked: np.ndarray, known: np.ndarray, scores: np.ndarray
    ) -> Belief:
        """Of what is asked; what trains alike reaches the same."""
        alike = self._table.alike
        shown = dict(zip(alike[known].tolist(), scores.tolist(), strict=True))
        told = np.array([shown.get(each, np.nan) for each in alike[asked].tolist()])
        equal, count = np.isfinite(told), len(asked)
        mean = np.where(equal, told, belief.mean[:count])
        return Belief(mean, np.where(equal, SURE, belief.deviation[:count]))


def _first_best(gains: np.ndarray) -> int:
    """The first of the largest, their last digits aside."""
    most = gains.max()
    near = np.flatnonzero(gains >= most - abs(most) * 10.0 ** (1 - DIGITS))
    rounded = [float(f"{gains[each]:.{DIGITS}g}") for each in near]
    return int(near[np.argmax(rounded)])
