"""Are the costs of earlier trials up to date when a run is resumed?

Tools, library or our own estimate may have changed since: a front never mixes costs of two bases.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from axdse.dse.run.config import SearchConfig
from axdse.dse.run.evaluation import Evaluation, candidate_of
from axdse.dse.run.run_dir import RunDir
from axdse.dse.search.evaluate import activity_of
from axdse.dse.search.progress import Progress
from axdse.dse.search.workers import Workers
from axdse.flows.cost.cost import cost_basis, unit_cost
from axdse.flows.cost.record import Cost


@dataclass(frozen=True)
class Recosting:
    """The job of costing a trial's design again."""

    evaluation: Evaluation
    config: SearchConfig
    operands: Path

    def run(self) -> Cost:
        """Cost it in a worker."""
        activity = activity_of(self.config, self.operands)
        candidate = candidate_of(self.evaluation)
        return unit_cost(candidate, self.config.library, activity, self.config.clock_ns)


def recost(run: RunDir, workers: Workers, progress: Progress) -> None:
    """Cost again what was costed on another basis; what then fails has failed."""
    stale = stale_evaluations(run)
    if stale:
        progress.begin("new costs", len(stale), 0)
    jobs = (Recosting(evaluation, run.config, run.operands) for evaluation in stale)
    for outcome in workers.run(jobs):
        evaluation = outcome.job.evaluation
        if outcome.failure:
            run.save_evaluation(replace(evaluation, status="failed", reason=outcome.failure))
        else:
            run.save_evaluation(replace(evaluation, cost=outcome.result))
        progress.advance(f"{evaluation.design}: costed again")


def stale_evaluations(run: RunDir) -> Sequence[Evaluation]:
    """Trials whose cost is of another basis than this run has now."""
    config = run.config
    basis = cost_basis(config.library, activity_of(config, run.operands), config.clock_ns)
    return [e for e in run.evaluations if e.cost and e.cost.basis != basis]
