"""Who is on the front? Retrained with fresh seeds, units certified, tested."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from axdse.dse.jobs.workers import Workers
from axdse.dse.run.config import REFERENCE, SearchConfig
from axdse.dse.run.evaluation import Baseline, Evaluation, FrontPoint
from axdse.dse.run.objectives import Losses, Measured, losses, non_dominated
from axdse.dse.run.run_dir import RunDir
from axdse.dse.search.on_array import OnArray
from axdse.dse.search.progress import Progress
from axdse.dse.search.replicates import Replicates, floor, replicate_seeds, train_vetoes
from axdse.flows.accelerator.network import AcceleratorCost
from axdse.flows.evidence.report import RtlReport
from axdse.flows.verify.check import check_unit
from axdse.flows.verify.sum_check import check_sum
from axdse.multipliers.designs.design_point import DesignPoint, Mac

Certificates = dict[Mac, RtlReport]


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
    """Make finalists into points; what was trained before an interruption is kept.

    Raises:
        AxdseError: a training or a simulation fails.
    """
    config = run.config
    chosen = finalists(config, evaluations, floor(config, baselines))
    points = [evaluation.point for evaluation in chosen]
    replicates, macs = Replicates(run, points, replicate_seeds(config)), _macs(chosen)
    vetoed = len(chosen) + 1 if config.veto else 0
    total = len(chosen) * (config.finalist_seeds + 1) + len(macs) + vetoed
    progress.begin("finalists", total, len(replicates))
    certificates = _certify(workers, macs, progress)
    arrays = _on_arrays(run, workers, points, progress)
    vetoes = train_vetoes(run, points, workers, progress)
    replicates.train(workers, progress)
    found = [
        replace(
            _point(config, evaluation, certificates, array, replicates),
            veto=vetoes.get(evaluation.point),
        )
        for evaluation, array in zip(chosen, arrays, strict=True)
    ]
    front = _judge(config, found)
    run.save_front(front)
    return front


def finalists(
    config: SearchConfig, evaluations: Sequence[Evaluation], least: float
) -> tuple[Evaluation, ...]:
    """Who is retrained.

    Args:
        config: of the search.
        evaluations: its trials.
        least: score that a design must have.

    Returns:
        The non-dominated complete evaluations and every exact core, the least of the first cost
        first.
    """
    complete = [e for e in evaluations if e.status == "complete"]
    useful = [
        e for e in complete if e.validation_score is not None and e.validation_score >= least
    ]
    best = non_dominated([_losses(config, e, e.validation_score) for e in useful])
    chosen = [e for e, keep in zip(useful, best, strict=True) if keep]
    references = [e for e in evaluations if _is_reference(e) and e not in chosen]
    first = config.costs[0]

    def rank(evaluation: Evaluation) -> float:
        return first.loss(Measured(0.0, evaluation.cost)) if evaluation.cost else 0.0

    return tuple(sorted(chosen + references, key=rank))


def _is_reference(evaluation: Evaluation) -> bool:
    judged = evaluation.status not in ("failed", "infeasible")
    mac = evaluation.point.uniform_mac
    return judged and mac is not None and mac.multiplier.family.name == REFERENCE


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


def _point(
    config: SearchConfig,
    evaluation: Evaluation,
    certificates: Certificates,
    on_array: AcceleratorCost | None,
    replicates: Replicates,
) -> FrontPoint:
    trained = replicates.of(evaluation.point)
    return FrontPoint(
        evaluation=evaluation,
        unit_certificates=tuple(certificates[mac] for mac in _costed(evaluation)),
        on_front=False,
        seeds=replicate_seeds(config),
        validation=tuple(replicate.validation for replicate in trained),
        test=tuple(replicate.test for replicate in trained),
        histories=tuple(replicate.history for replicate in trained),
        on_array=on_array,
    )


def _judge(config: SearchConfig, points: Sequence[FrontPoint]) -> tuple[FrontPoint, ...]:
    """The final front: certified designs that no veto refuses, by mean score over the seeds."""
    allowed = [point for point in points if not point.veto or point.veto.passed]
    certified = [point for point in allowed if point.certified]
    best = non_dominated([_losses(config, p.evaluation, fmean(p.validation)) for p in certified])
    front = [point for point, keep in zip(certified, best, strict=True) if keep]
    return tuple(replace(point, on_front=point in front) for point in points)


def _losses(config: SearchConfig, evaluation: Evaluation, score: float | None) -> Losses:
    assert evaluation.cost is not None
    assert score is not None
    return losses(config.objectives, Measured(score, evaluation.cost))
