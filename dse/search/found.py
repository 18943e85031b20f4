"""What has a search found so far? Its front, as trials come in."""

import math
from collections.abc import Sequence

from axdse.dse.run.config import SearchConfig
from axdse.dse.run.evaluation import Evaluation
from axdse.dse.run.hypervolume import hypervolume
from axdse.dse.run.objectives import ACCURACY, Losses, Measured, dominates, losses
from axdse.dse.search.progress import View


class Found:
    """Keeps the front of the trials that it was told; a trial takes as long as the front is large.

    Args:
        config: whose objectives are traded.
        ceiling: score of the best baseline; what is within a resolution of it is equal.
        exact: names of the points of exact cores, which costs are measured by.
    """

    def __init__(self, config: SearchConfig, ceiling: float, exact: Sequence[str]) -> None:
        self._config, self._ceiling, self._exact = config, ceiling, frozenset(exact)
        self._ranking = (*config.costs, ACCURACY)[0]
        self._front: list[tuple[Losses, Evaluation]] = []
        self._reference: Losses | None = None
        self._best: tuple[float, Evaluation] | None = None
        self._failed = 0
        self._share = math.nan

    def add(self, evaluation: Evaluation) -> None:
        """Take a finished trial into account."""
        self._failed += evaluation.status == "failed"
        score = evaluation.validation_score
        if evaluation.status != "complete" or score is None:
            return
        found = losses(self._config.objectives, Measured(score, evaluation.cost))
        if any(map(math.isnan, found)):
            return
        first = found[self._config.objectives.index(self._ranking)]
        equal = score >= self._ceiling - self._config.resolution
        if equal and (self._best is None or first < self._best[0]):
            self._best = first, evaluation
        grows = not any(dominates(other, found) for other, _ in self._front)
        if grows:
            kept = [each for each in self._front if not dominates(found, each[0])]
            self._front = [*kept, (found, evaluation)]
        if evaluation.design in self._exact and self._config.costed:
            self._reference = self._worse(found)
        if grows or evaluation.design in self._exact:
            self._share = self._volume()

    def view(self, running: int) -> View:
        """All that is found."""
        return View(len(self._front), self._share, self._text(), self._failed, running)

    def _worse(self, found: Losses) -> Losses:
        """The dearest exact core in each cost, at the lowest score that is of use."""
        lowest = -(self._ceiling - self._config.largest_loss)
        worst = tuple(map(max, zip(found, self._reference or found, strict=True)))
        kinds = self._config.objectives
        return tuple(
            lowest if kind == ACCURACY else at for kind, at in zip(kinds, worst, strict=True)
        )

    def _volume(self) -> float:
        if self._reference is None:
            return math.nan
        ideal = [-self._ceiling if o == ACCURACY else 0.0 for o in self._config.objectives]
        whole = math.prod(a - b for a, b in zip(self._reference, ideal, strict=True))
        return hypervolume([found for found, _ in self._front], self._reference) / whole

    def _text(self) -> str:
        if self._best is None:
            return ""
        _, evaluation = self._best
        measured = Measured(self._ceiling, evaluation.cost)
        costs = [each.text(each.of(measured)) for each in self._config.costs[:1]]
        return ": ".join((evaluation.design, *costs))
