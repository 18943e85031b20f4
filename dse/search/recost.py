"""Are the costs of earlier trials up to date when a run is resumed?

Tools, library or our own estimate may have changed since: a front never mixes costs of two bases.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from axdse.dse.jobs.workers import Workers
from axdse.dse.run.config import SearchConfig
from axdse.dse.run.evaluation import Evaluation
from axdse.dse.run.run_dir import RunDir
from axdse.dse.search.evaluate import cost_of, demand_of, needs_macs
from axdse.dse.search.progress import Progress
from axdse.flows.accelerator.mac import mac_basis
from axdse.flows.cost.point import PointCost, point_bases


@dataclass(frozen=True)
class Recosting:
    """The job of costing a trial's design point again."""

    evaluation: Evaluation
    config: SearchConfig
    operands: Path

    def run(self) -> PointCost:
        """Cost it in a worker."""
        config, demand = self.config, demand_of(self.config, self.operands)
        return cost_of(self.evaluation.point, config, demand)


def recost(
    run: RunDir, evaluations: Sequence[Evaluation], workers: Workers, progress: Progress
) -> tuple[Evaluation, ...]:
    """Cost again what was costed on another basis; what then fails has failed."""
    stale = stale_evaluations(run, evaluations)
    found = {evaluation.number: evaluation for evaluation in evaluations}
    if stale:
        progress.begin("new costs", len(stale), 0)
    jobs = (Recosting(evaluation, run.config, run.operands) for evaluation in stale)
    for outcome in workers.run(jobs):
        evaluation = outcome.job.evaluation
        if outcome.failure:
            now = replace(evaluation, status="failed", reason=outcome.failure)
        else:
            now = replace(evaluation, cost=outcome.result)
        run.save_evaluation(now)
        found[now.number] = now
        progress.advance(f"{evaluation.design}: costed again")
    return tuple(found.values())


def stale_evaluations(run: RunDir, evaluations: Sequence[Evaluation]) -> Sequence[Evaluation]:
    """Trials whose cost is of another basis than this run has now."""
    config, demand = run.config, demand_of(run.config, run.operands)

    def is_stale(evaluation: Evaluation) -> bool:
        if evaluation.cost is None:
            return False
        library, clock_ns, aim = config.library, config.clock_ns, config.aim
        now = point_bases(evaluation.point, demand, library, clock_ns, aim)
        whole = (mac_basis(library, clock_ns, aim=aim),) if needs_macs(config) else ()
        return evaluation.cost.bases != (*now, *whole)

    return [evaluation for evaluation in evaluations if is_stale(evaluation)]
