"""Who is on the front? Retrained with fresh seeds, units certified, tested."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from axdse.dse.jobs.workers import Workers
from axdse.dse.run.config import REFERENCE, SearchConfig
from axdse.dse.run.evaluation import Baseline, Evaluation, FrontPoint, Stopped
from axdse.dse.run.objectives import ACCURACY, Losses, Measured, dominates, losses
from axdse.dse.run.run_dir import RunDir
from axdse.dse.search.evaluate import costs_of, score_of
from axdse.dse.search.on_array import OnArray
from axdse.dse.search.progress import Progress
from axdse.dse.search.race import Stop, race
from axdse.dse.search.replicates import Replicates, floor, replicate_seeds, train_vetoes
from axdse.flows.accelerator.network import AcceleratorCost
from axdse.flows.evidence.report import RtlReport
from axdse.flows.verify.check import check_unit
from axdse.flows.verify.sum_check import check_sum
from axdse.multipliers.designs.design_point import DesignPoint, Mac

Certificates = dict[Mac, RtlReport]
MARGIN = 0.5  # of a resolution; a whole one takes a fifth more trainings, benchmarks/race.py


@dataclass(frozen=True)
class Certification:
    """The job of checking a whole unit against its model, or a step of its sum, with the cores."""

    mac: Mac

    def run(self) -> RtlReport:
        """Simulate in a worker."""
        return check_sum(self.mac) if self.mac.recipe else check_unit(self.mac.candidate)


def finish(
    run: RunDir,
    evaluations: Sequence[Evaluation],
    baselines: Sequence[Baseline],
    workers: Workers,
    progress: Progress,
) -> tuple[FrontPoint, ...]:
    """Make the front, and exact cores, into points; what was trained before is kept.

    Whose unit is not its model, or who is refused by a veto, is out of the race, which begins
    again without it: whom it had beaten may be on the front.

    Raises:
        AxdseError: a training or a simulation fails.
    """
    config, least = run.config, floor(run.config, baselines)
    entered = contenders(config, evaluations, least)
    trainer = _Trainer(run, entered, workers, progress)
    found: dict[str, FrontPoint] = {}
    while True:
        allowed = [e for e in entered if e.design not in found or found[e.design].sound]
        racing = [e for e in allowed if competes(config, e)]
        costs = {e.design: costs_of(config.objectives, e.cost) for e in racing}
        raced = race(costs, config.finalist_seeds, trainer.scores, least)
        chosen = [e for e in entered if e.design in raced.front or is_reference(e)]
        new = [e for e in chosen if e.design not in found]
        if not new:
            break
        found |= _points(run, new, trainer.replicates, workers, progress)
    front = tuple(
        replace(found[e.design], on_front=e.design in raced.front)
        for e in entered
        if e.design in found
    )
    stopped = tuple(
        _stopped(run, evaluation, stop, least)
        for stop in raced.stops
        for evaluation in entered
        if evaluation.design == stop.name and stop.name not in found
    )
    run.save_front(front, stopped)
    return front


def contenders(
    config: SearchConfig, evaluations: Sequence[Evaluation], least: float
) -> tuple[Evaluation, ...]:
    """Who may be on the front.

    A trial has one seed, which may have been lucky: it rules out none that costs more and is
    behind by less than a part of the resolution.

    Args:
        config: of the search.
        evaluations: its trials.
        least: score that a design must have.

    Returns:
        Those that no other rules out, and every exact core, the least of the first cost first, or
        the best score if there are no costs.
    """
    useful = [
        (e, _losses(config, e, e.validation_score))
        for e in evaluations
        if e.status == "complete" and e.validation_score is not None
        if e.validation_score >= least and competes(config, e)
    ]
    margin = MARGIN * config.resolution

    def rules_out(rival: tuple[Evaluation, Losses], other: tuple[Evaluation, Losses]) -> bool:
        (one, ours), (two, theirs) = rival, other
        if _training(one) == _training(two):
            return dominates(ours, theirs)
        place = config.objectives.index(ACCURACY)
        handicap = (*ours[:place], ours[place] + margin, *ours[place + 1 :])
        return dominates(handicap, theirs)

    chosen = [each for each, own in useful if not any(rules_out(o, (each, own)) for o in useful)]
    references = [e for e in evaluations if is_reference(e) and e not in chosen]
    first = (*config.costs, ACCURACY)[0]

    def rank(evaluation: Evaluation) -> float:
        return first.loss(Measured(score_of(evaluation), evaluation.cost))

    return tuple(sorted(chosen + references, key=rank))


def _training(evaluation: Evaluation) -> int:
    """What those share that computed alike: the number of the trial that was trained."""
    return evaluation.number if evaluation.equal is None else evaluation.equal


def is_reference(evaluation: Evaluation) -> bool:
    """Whether it is one exact core everywhere: what answers are compared with has all seeds."""
    judged = evaluation.status not in ("failed", "infeasible")
    mac = evaluation.point.uniform_mac
    return judged and mac is not None and mac.multiplier.family.name == REFERENCE


def competes(config: SearchConfig, evaluation: Evaluation) -> bool:
    """Whether it may be on the front: an exact core that costs nothing would beat all others."""
    return config.costed or not is_reference(evaluation)


def _macs(chosen: Sequence[Evaluation]) -> tuple[Mac, ...]:
    """Those whose units finalists hold, each once."""
    return tuple(dict.fromkeys(mac for e in chosen for mac in _costed(e)))


def _costed(evaluation: Evaluation) -> tuple[Mac, ...]:
    """Those that make a product, in the order of the cost."""
    units = evaluation.cost.units if evaluation.cost else ()
    named = {unit.design for unit in units}
    return tuple(mac for mac in evaluation.point.macs if mac.candidate.name in named)


def _certify(workers: Workers, macs: Sequence[Mac], progress: Progress) -> Certificates:
    jobs = [Certification(mac) for mac in macs]
    rule, certificates = "the unit of a finalist must simulate", {}
    for outcome in workers.results(jobs, rule, lambda job: job.mac.name):
        certificates[outcome.job.mac] = outcome.result
        progress.advance(f"{outcome.job.mac.name}: unit {outcome.result.verdict}")
    return certificates


def _on_arrays(
    run: RunDir, workers: Workers, points: Sequence[DesignPoint], progress: Progress
) -> list[AcceleratorCost | None]:
    jobs = [OnArray(point, run.config, run.operands) for point in points]
    rule, arrays = "an array of a finalist must have a cost", {}
    for outcome in workers.results(jobs, rule, lambda job: job.point.name):
        arrays[outcome.job.point] = outcome.result
        progress.advance(f"{outcome.job.point.name}: energy on an array")
    return [arrays[point] for point in points]


def _points(
    run: RunDir,
    chosen: Sequence[Evaluation],
    replicates: Replicates,
    workers: Workers,
    progress: Progress,
) -> dict[str, FrontPoint]:
    """Certified, put on an array, and trained for the veto, by name."""
    macs, points = _macs(chosen), [evaluation.point for evaluation in chosen]
    vetoed = len(points) + 1 if run.config.veto else 0
    built = len(macs) + len(points) if run.config.costed else 0
    progress.begin("finalists verified", built + vetoed, 0)
    certificates = _certify(workers, macs, progress)
    costed = points if run.config.costed else []
    arrays = _on_arrays(run, workers, costed, progress) or [None] * len(points)
    vetoes = train_vetoes(run, points, workers, progress)
    return {
        evaluation.design: FrontPoint(
            evaluation=evaluation,
            unit_certificates=tuple(certificates[mac] for mac in _costed(evaluation)),
            on_front=False,
            seeds=replicate_seeds(run.config),
            validation=tuple(r.validation for r in replicates.of(evaluation.point)),
            test=tuple(r.test for r in replicates.of(evaluation.point)),
            histories=tuple(r.history for r in replicates.of(evaluation.point)),
            on_array=array,
            veto=vetoes.get(evaluation.point),
        )
        for evaluation, array in zip(chosen, arrays, strict=True)
    }


def _stopped(run: RunDir, evaluation: Evaluation, stop: Stop, least: float) -> Stopped:
    goal, count = run.info.goal, len(stop.scores)
    if stop.defeat:
        lead = f"{stop.defeat.lead.size(goal)} {goal.points}"
        cheaper = "costs no more, and " if run.config.costed else ""
        reason = f"{stop.defeat.winner} {cheaper}is better by {lead}"
    elif any(map(math.isnan, stop.scores)):
        reason = "a training diverged"
    else:
        reason = f"mean of {goal.text(fmean(stop.scores))}, {goal.text(least)} is the limit"
    seeds = replicate_seeds(run.config)[:count]
    return Stopped(evaluation.number, evaluation.point, seeds, stop.scores, reason)


class _Trainer:
    """Trains contenders as a race asks for it; exact cores have all seeds from the first."""

    def __init__(
        self,
        run: RunDir,
        entered: Sequence[Evaluation],
        workers: Workers,
        progress: Progress,
    ) -> None:
        self._seeds = replicate_seeds(run.config)
        self._points = {evaluation.design: evaluation.point for evaluation in entered}
        self._exact = [evaluation.point for evaluation in entered if is_reference(evaluation)]
        self._workers, self._progress = workers, progress
        self.replicates = Replicates(run, self._points.values(), self._seeds)

    def scores(self, names: Sequence[str], count: int) -> list[tuple[float, ...]]:
        """Of points with the first so many seeds."""
        wanted = [(self._points[name], seed) for seed in self._seeds[:count] for name in names]
        wanted += itertools.product(self._exact, self._seeds)
        pairs = tuple(dict.fromkeys(wanted))
        done = sum(pair in self.replicates for pair in pairs)
        if done < len(pairs):
            self._progress.begin(f"finalists, {count} seeds", len(pairs), done)
            self.replicates.train(self._workers, self._progress, pairs=pairs)
        return [
            tuple(each.validation for each in self.replicates.of(self._points[name], count))
            for name in names
        ]


def _losses(config: SearchConfig, evaluation: Evaluation, score: float | None) -> Losses:
    assert score is not None
    return losses(config.objectives, Measured(score, evaluation.cost))
