"""What must a candidate clear to be worth its training, and when is it out of reach?"""

import math
from dataclasses import dataclass

from axdse.dse.run.objectives import Losses, Measured, Objective, losses, no_worse
from axdse.dse.training.records import Epoch
from axdse.flows.cost.point import PointCost


@dataclass(frozen=True)
class Hurdle:
    """What a candidate of a known cost must clear to be worth its training.

    Attributes:
        rival: the best scored design so far that costs no more; empty if there is none.
        score: the rival's, higher is better; -inf if there is none.
        ceiling: the best score that can be hoped for, the baselines'.
        floor: score below which a design is of no use at any cost.
        resolution: difference of scores that one training cannot resolve.
        remaining_gains: per epoch, the most that any training of this run still gained after it.
    """

    rival: str
    score: float
    ceiling: float
    floor: float
    resolution: float
    remaining_gains: tuple[float, ...]

    @property
    def unreachable(self) -> bool:
        """Whether even the ceiling would not stand out from the rival."""
        return bool(self.rival) and self.score >= self.ceiling - self.resolution

    @property
    def reason(self) -> str:
        """Why a candidate is not trained, or no further."""
        if self.score >= self.floor:
            return f"{self.rival} costs no more and reaches {self.score:.4f}"
        return f"less than {self.floor:.4f} is of no use"

    def in_sight(self, epoch: Epoch) -> bool:
        """Whether a training may still get over it, with the largest remaining gain.

        One resolution is added, to be conservative: scores in mid-training are noisy.
        """
        gain = self.remaining_gains[epoch.epoch - 1] + self.resolution
        return epoch.validation_score + gain >= max(self.score, self.floor)


@dataclass(frozen=True)
class Rival:
    """A design that was trained to the end.

    Attributes:
        name: for people.
        score: after the last epoch, higher is better.
        cost: its losses but for the score, as `costs_of` gives them.
    """

    name: str
    score: float
    cost: Losses


@dataclass(frozen=True)
class Standing:
    """What a search knew when it drew a trial: all that the trial's hurdle depends on.

    Attributes:
        rivals: by trial number.
        objectives: of the search.
        ceiling: as in `Hurdle`, and the following likewise.
    """

    rivals: tuple[Rival, ...]
    objectives: tuple[Objective, ...]
    ceiling: float
    floor: float
    resolution: float
    remaining_gains: tuple[float, ...]

    def hurdle_at(self, cost: PointCost) -> Hurdle:
        """The best rival that costs no more, and how much a training may still gain."""
        mine = costs_of(self.objectives, cost)
        cheaper = [rival for rival in self.rivals if no_worse(rival.cost, mine)]
        best = max(cheaper, key=lambda rival: rival.score, default=None)
        return Hurdle(
            rival=best.name if best else "",
            score=best.score if best else -math.inf,
            ceiling=self.ceiling,
            floor=self.floor,
            resolution=self.resolution,
            remaining_gains=self.remaining_gains,
        )


def costs_of(objectives: tuple[Objective, ...], cost: PointCost) -> Losses:
    """The losses of a design whose score is not known, as if it were perfect."""
    return losses(objectives, Measured(1.0, cost))
