"""Who is on the front? Retrained with fresh seeds, units certified, tested."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from axdse.dse.run.config import REFERENCE, SearchConfig
from axdse.dse.run.evaluation import Evaluation, FrontPoint, candidate_of
from axdse.dse.run.objectives import Losses, losses, non_dominated
from axdse.dse.run.run_dir import RunDir
from axdse.dse.search.on_array import OnArray
from axdse.dse.search.progress import Progress
from axdse.dse.search.replicates import floor, replicate_seeds, replicates, train_replicates
from axdse.dse.search.workers import Workers
from axdse.flows.accelerator.network import AcceleratorCost
from axdse.flows.evidence.report import RtlReport
from axdse.flows.verify.check import check_unit
from axdse.multipliers.designs.candidate import Candidate


@dataclass(frozen=True)
class Certification:
    """The job of checking a whole unit against its model."""

    candidate: Candidate

    def run(self) -> RtlReport:
        """Simulate in a worker."""
        return check_unit(self.candidate)


def finish(run: RunDir, workers: Workers, progress: Progress) -> tuple[FrontPoint, ...]:
    """Make finalists into points; what was trained before an interruption is kept.

    Raises:
        AxdseError: a training or a simulation fails.
    """
    chosen = finalists(run.config, run.evaluations, floor(run.config, run.baselines))
    candidates = [candidate_of(evaluation) for evaluation in chosen]
    total = len(chosen) * (run.config.finalist_seeds + 2)
    progress.begin("finalists", total, sum(len(replicates(run, c)) for c in candidates))
    certificates = _certify(workers, candidates, progress)
    arrays = _on_arrays(run, workers, candidates, progress)
    train_replicates(run, workers, candidates, progress)
    points = _judge(run, chosen, certificates, arrays)
    run.save_front(points)
    return points


def finalists(
    config: SearchConfig, evaluations: Sequence[Evaluation], least: float
) -> tuple[Evaluation, ...]:
    """Who is retrained.

    Args:
        config: of the search.
        evaluations: its trials.
        least: accuracy, 0..1, that a design must have.

    Returns:
        The non-dominated complete evaluations and every exact core, smallest first.
    """
    complete = [e for e in evaluations if e.status == "complete"]
    useful = [e for e in complete if (e.validation_accuracy or 0.0) >= least]
    best = non_dominated([_losses(config, e, e.validation_accuracy) for e in useful])
    chosen = [e for e, keep in zip(useful, best, strict=True) if keep]
    references = [e for e in evaluations if _is_reference(e) and e not in chosen]
    return tuple(sorted(chosen + references, key=lambda e: e.cost.area_um2 if e.cost else 0.0))


def _is_reference(evaluation: Evaluation) -> bool:
    judged = evaluation.status not in ("failed", "infeasible")
    return judged and candidate_of(evaluation).multiplier.family.name == REFERENCE


def _certify(
    workers: Workers, candidates: Sequence[Candidate], progress: Progress
) -> dict[str, RtlReport]:
    jobs = [Certification(candidate) for candidate in candidates]
    rule, certificates = "the unit of a finalist must simulate", {}
    for outcome in workers.results(jobs, rule, lambda job: job.candidate.name):
        certificates[outcome.job.candidate.name] = outcome.result
        progress.advance(f"{outcome.job.candidate.name}: unit {outcome.result.verdict}")
    return certificates


def _on_arrays(
    run: RunDir, workers: Workers, candidates: Sequence[Candidate], progress: Progress
) -> dict[str, AcceleratorCost | None]:
    jobs = [OnArray(candidate, run.config, run.operands) for candidate in candidates]
    rule, arrays = "an array of a finalist must have a cost", {}
    for outcome in workers.results(jobs, rule, lambda job: job.candidate.name):
        arrays[outcome.job.candidate.name] = outcome.result
        progress.advance(f"{outcome.job.candidate.name}: energy on an array")
    return arrays


def _judge(
    run: RunDir,
    chosen: Sequence[Evaluation],
    certificates: dict[str, RtlReport],
    arrays: dict[str, AcceleratorCost | None],
) -> tuple[FrontPoint, ...]:
    """The final front: certified designs, by mean validation accuracy over the seeds."""
    names = [candidate_of(evaluation).name for evaluation in chosen]
    points = [
        _point(run, e, certificates[name], arrays[name])
        for e, name in zip(chosen, names, strict=True)
    ]
    certified = [point for point in points if point.unit_certificate.passed]
    best = non_dominated(
        [_losses(run.config, p.evaluation, fmean(p.validation)) for p in certified]
    )
    front = [point for point, keep in zip(certified, best, strict=True) if keep]
    return tuple(replace(point, on_front=point in front) for point in points)


def _point(
    run: RunDir,
    evaluation: Evaluation,
    certificate: RtlReport,
    on_array: AcceleratorCost | None,
) -> FrontPoint:
    trained = replicates(run, candidate_of(evaluation))
    return FrontPoint(
        evaluation=evaluation,
        unit_certificate=certificate,
        on_front=False,
        seeds=replicate_seeds(run.config),
        validation=tuple(replicate.validation for replicate in trained),
        test=tuple(replicate.test for replicate in trained),
        histories=tuple(replicate.history for replicate in trained),
        on_array=on_array,
    )


def _losses(config: SearchConfig, evaluation: Evaluation, accuracy: float | None) -> Losses:
    assert evaluation.cost is not None
    assert accuracy is not None
    return losses(config.objectives, accuracy, evaluation.cost)
