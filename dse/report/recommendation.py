"""Which design, and what does it save at equal score?

Designs are chosen by validation score; the test examples only report, so that the choice does
not flatter itself.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from axdse.dse.report.figures import FIGURES, Figure, figure_of
from axdse.dse.report.practice import Practice
from axdse.dse.report.summary import Finalist
from axdse.dse.run.intervals import Interval, interval95, paired_difference
from axdse.dse.run.objectives import Objective, non_dominated
from axdse.flows.accelerator.network import AcceleratorCost

STEP = 0.05  # of what the offer before takes: one that takes less off is no other offer


@dataclass(frozen=True)
class Answer:
    """The chosen design against exact ones of equal score.

    Attributes:
        best: the best approximate, or heterogeneous, design that is as good as `reference`; None:
            the run found none.
        reference: the best scored uniform exact design, by validation; None: none was retrained.
        rival: the exact design that takes least of those as good as `reference`.
        loss: test score of `best` minus that of `rival`, seed by seed.
        objective: the first cost of the search.
        figure: of the network or the MAC, by which designs are compared; None: the library tells
            none, and they are compared by the objective.
    """

    best: Finalist | None
    reference: Finalist | None
    rival: Finalist | None
    loss: Interval | None
    objective: Objective
    figure: Figure | None

    @property
    def chosen(self) -> Finalist | None:
        """The design that is recommended."""
        return self.best if self.wins else self.rival

    @property
    def less(self) -> str:
        """What a better design needs."""
        return self.figure.less if self.figure else self.objective.less

    @property
    def least(self) -> str:
        """What the best design is called."""
        return self.figure.least if self.figure else self.objective.least

    def loss_of(self, finalist: Finalist) -> float:
        """What designs are ranked by: less is better."""
        if self.figure:
            assert finalist.point.on_array is not None
            return self.figure.of(finalist.point.on_array)
        value = finalist.measured(self.objective)
        return -value if self.objective.direction == "maximise" else value

    @property
    def saving(self) -> float | None:
        """How much less `best` takes than `rival`, in percent."""
        if self.best is None or self.rival is None:
            return None
        return saving(self.loss_of(self.best), self.loss_of(self.rival))

    @property
    def wins(self) -> bool:
        """Whether `best` takes less than every exact design of its score."""
        return (self.saving or 0.0) > 0


@dataclass(frozen=True)
class Versus:
    """The answer against one other design.

    Attributes:
        name: of the other, for people.
        savings: percent, one for each of `FIGURES`; None: not known.
        difference: test score of the answer minus that of the other, seed by seed; None: the
            other was not trained in this run.
        why: why figures are not known; empty: they are.
    """

    name: str
    savings: tuple[float | None, ...]
    difference: Interval | None
    why: str = ""


def find_answer(finalists: Sequence[Finalist], resolution: float, objective: Objective) -> Answer:
    """Compare the finalists, which all have the same seeds.

    Args:
        finalists: those whose unit failed its RTL check, or that a veto refused, are no answer.
        resolution: loss of score below which two designs are called equal.
        objective: the first cost of the search.
    """
    certified = [f for f in finalists if f.sound]
    known = all(finalist.point.on_array for finalist in certified)
    answer = Answer(None, None, None, None, objective, figure_of(objective) if known else None)
    exact = [f for f in certified if f.is_reference]
    if not exact:
        return answer
    reference = max(exact, key=lambda f: f.validation.mean)
    equal = [f for f in certified if equally_good(f, reference, resolution)]
    rival = min((f for f in equal if f.is_reference), key=answer.loss_of)
    others = [f for f in equal if not f.is_reference]
    best = min(others, key=answer.loss_of, default=None)
    paired = paired_difference(best.point.test, rival.point.test) if best else None
    loss = interval95(paired) if paired else None
    return Answer(best, reference, rival, loss, objective, answer.figure)


@dataclass(frozen=True)
class Trade:
    """A design that takes less than the answer, and scores less.

    Attributes:
        design: the finalist.
        saving: against the exact design of the answer, percent.
        loss: test score against it, seed by seed.
    """

    design: Finalist
    saving: float
    loss: Interval


def trades(answer: Answer, finalists: Sequence[Finalist]) -> tuple[Trade, ...]:
    """What else is on offer below the answer, the least loss first.

    Of those that none beats in both, by the figure of the answer: the front of a search is by the
    costs that it made small. Each takes a good deal less than the one before: neighbours are one
    offer.
    """
    chosen, rival = answer.chosen, answer.rival
    if chosen is None or rival is None:
        return ()
    certified = [f for f in finalists if f.sound]
    best = non_dominated([(answer.loss_of(f), -f.validation.mean) for f in certified])
    front = (f for f, keep in zip(certified, best, strict=True) if keep)
    cheaper = [f for f in front if answer.loss_of(f) < answer.loss_of(chosen)]
    found = (
        Trade(
            f,
            saving(answer.loss_of(f), answer.loss_of(rival)),
            interval95(paired_difference(f.point.test, rival.point.test)),
        )
        for f in cheaper
    )
    offers: list[Trade] = []
    least = answer.loss_of(chosen)
    for trade in sorted(found, key=lambda trade: -trade.loss.mean):
        if answer.loss_of(trade.design) <= least - STEP * abs(least):
            offers.append(trade)
            least = answer.loss_of(trade.design)
    return tuple(offers)


def equally_good(design: Finalist, reference: Finalist, resolution: float) -> bool:
    """Whether `design` loses less than `resolution`, by all of the interval of its loss.

    So the seeds decide nothing by their noise: few of them, or a noisy metric, prove less.
    """
    if design is reference:
        return True
    ours, theirs = design.point.validation, reference.point.validation
    difference = interval95(paired_difference(ours, theirs))
    doubt = 0.0 if math.isnan(difference.half) else difference.half
    return doubt - difference.mean <= resolution


def versus(
    answer: Answer, finalists: Sequence[Finalist], practices: Sequence[Practice]
) -> tuple[Versus, ...]:
    """The answer, or the exact design where there is no better one, against others.

    Exact cores first: the one that takes least at equal score, and that in the same format; then
    the designs of today.
    """
    ours = answer.best or answer.rival
    if ours is None:
        return ()
    exact = [f for f in finalists if f.is_reference and f is not ours]
    twins = [f for f in exact if f is answer.rival or f.formats == ours.formats]
    rows = [_versus(ours, _exact_name(f, answer), f.point.on_array, f.point.test) for f in twins]
    named = {f.design for f in twins} | {ours.design}
    today = (p for p in practices if p.point not in named or p.cost is None)
    rows += [_versus(ours, f"{p.name}", p.cost, p.test, p.why) for p in today]
    return tuple(rows)


def _exact_name(finalist: Finalist, answer: Answer) -> str:
    what = "exact, least of equal score" if finalist is answer.rival else "exact, same format"
    return f"{what}: {finalist.spec} in {finalist.format}"


def _versus(
    ours: Finalist,
    name: str,
    cost: AcceleratorCost | None,
    test: tuple[float, ...],
    why: str = "",
) -> Versus:
    own = ours.point.on_array
    known = own is not None and cost is not None
    return Versus(
        name,
        tuple(saving(f.of(own), f.of(cost)) if own and cost else None for f in FIGURES),
        interval95(paired_difference(ours.point.test, test)) if test else None,
        "" if known else why or "the library has no power tables",
    )


def saving(ours: float, theirs: float) -> float:
    """How much less ours is, in percent of theirs."""
    return 100 * (1 - ours / theirs)
