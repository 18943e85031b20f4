"""Which design, and what does it save at equal accuracy?

Designs are chosen by validation accuracy; the test images only report, so that the choice
does not flatter itself.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from axdse.dse.report.summary import Finalist, Interval, interval95
from axdse.dse.run.evaluation import paired_difference
from axdse.dse.run.objectives import AREA, Objective


@dataclass(frozen=True)
class Answer:
    """The chosen design against exact ones of equal accuracy.

    Attributes:
        best: the best approximate design that is as accurate as `reference`; None if the run
            found none.
        reference: the most accurate exact design, by validation; None if none was retrained.
        rival: the best exact design that is as accurate as `reference`.
        twin: the exact design in the format of `best`, if it was retrained.
        loss: test accuracy of `best` minus that of `rival`, seed by seed.
        objective: by which designs are ranked: the first cost of the search.
    """

    best: Finalist | None
    reference: Finalist | None
    rival: Finalist | None
    twin: Finalist | None
    loss: Interval | None
    objective: Objective = AREA

    @property
    def wins(self) -> bool:
        """Whether the approximate design is better than every exact one of its accuracy."""
        if self.best is None or self.rival is None:
            return False
        return _loss(self.best, self.objective) < _loss(self.rival, self.objective)


def _loss(finalist: Finalist, objective: Objective) -> float:
    value = finalist.measured(objective)
    return -value if objective.direction == "maximise" else value


def find_answer(
    finalists: Sequence[Finalist], resolution: float, objective: Objective = AREA
) -> Answer:
    """Compare the finalists, which all have the same seeds.

    Args:
        finalists: those whose unit failed its RTL check are no answer.
        resolution: loss of score below which two designs are called equal.
        objective: by which designs are ranked.
    """
    certified = [f for f in finalists if f.point.certified]
    exact = [f for f in certified if f.exact]
    if not exact:
        return Answer(None, None, None, None, None, objective)
    reference = max(exact, key=lambda f: f.validation.mean)
    equal = [f for f in certified if equally_accurate(f, reference, resolution)]
    rival = min((f for f in equal if f.exact), key=lambda f: _loss(f, objective))
    approximate = [f for f in equal if not f.exact]
    if not approximate:
        return Answer(None, reference, rival, None, None, objective)
    best = min(approximate, key=lambda f: _loss(f, objective))
    twins = (f for f in exact if f.formats == best.formats)
    loss = interval95(paired_difference(best.point.test, rival.point.test))
    return Answer(best, reference, rival, next(twins, None), loss, objective)


def equally_accurate(design: Finalist, reference: Finalist, resolution: float) -> bool:
    """Whether `design` loses less than `resolution`, by all of the interval of its loss.

    So the seeds decide nothing by their noise: few of them, or a noisy metric, prove less.
    """
    if design is reference:
        return True
    ours, theirs = design.point.validation, reference.point.validation
    difference = interval95(paired_difference(ours, theirs))
    doubt = 0.0 if math.isnan(difference.half) else difference.half
    return doubt - difference.mean <= resolution


def saving(ours: float, theirs: float) -> float:
    """How much less ours is, in percent of theirs."""
    return 100 * (1 - ours / theirs)
