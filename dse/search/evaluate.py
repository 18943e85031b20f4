"""How good is one candidate? Verified, tabulated, costed, trained."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from axdse.dse.run.config import SearchConfig
from axdse.dse.run.evaluation import Evaluation, Status
from axdse.dse.search.hurdle import Hurdle, Standing
from axdse.dse.training.records import History
from axdse.dse.training.train import train
from axdse.dse.training.workloads import Workload, find_workload
from axdse.flows.cost.cost import unit_cost
from axdse.flows.cost.record import Cost
from axdse.flows.evidence.report import RtlReport
from axdse.flows.power.activity_file import Source
from axdse.flows.power.activity_source import Uniform
from axdse.flows.power.recorded_source import Recorded
from axdse.flows.verify.check import check
from axdse.gpu.layers.assignment import Assignment
from axdse.multipliers.designs.candidate import Candidate
from axdse.multipliers.operands.recording import Recording
from axdse.multipliers.operands.recording_file import load_recording


def evaluate(
    number: int,
    candidate: Candidate,
    config: SearchConfig,
    activity: Source,
    hurdle_at: Callable[[Cost], Hurdle],
) -> Evaluation:
    """Learn what a search needs to know of one candidate, and stop as soon as it is known.

    Args:
        number: of the trial.
        candidate: what to evaluate.
        config: of the search.
        activity: the operands that give its energy.
        hurdle_at: what a candidate of that cost must clear.

    Raises:
        AxdseError: a tool fails, or the design cannot serve its format.
    """
    spec, number_format = candidate.multiplier.spec, candidate.format.name
    result = functools.partial(Evaluation, number, spec, number_format)

    certificate = check(candidate.multiplier)
    if not certificate.passed:
        return result("failed", _counter_example(certificate), certificate)
    assignment = Assignment.uniform(candidate)
    cost = unit_cost(candidate, config.library, activity, config.clock_ns)
    if not cost.feasible:
        reason = f"{cost.delay_ns:.3f} ns misses the clock of {cost.clock_ns:g} ns"
        return result("infeasible", reason, certificate, cost)
    hurdle = hurdle_at(cost)
    if hurdle.unreachable:
        return result("dominated", hurdle.reason, certificate, cost)
    history = train(
        workload_of(config),
        assignment,
        config.training,
        config.seed,
        hurdle.in_sight,
    ).history
    status, reason = _verdict(history, hurdle)
    return result(status, reason, certificate, cost, history)


def workload_of(config: SearchConfig) -> Workload:
    """The network and the images of a configuration."""
    return find_workload(config.workload).on(config.dataset)


def _counter_example(certificate: RtlReport) -> str:
    first = certificate.examples[0]
    return (
        f"RTL is not the C model: a={first.a} b={first.b} expected {first.expected}, "
        f"got 0x{first.got} ({certificate.mismatches} of {certificate.vectors} differ)"
    )


def _verdict(history: History, hurdle: Hurdle) -> tuple[Status, str]:
    epochs = len(history.epochs)
    if history.status == "stopped":
        return "dominated", f"stopped after epoch {epochs}: {hurdle.reason}"
    if history.status == "nan":
        return "diverged", f"NaN in epoch {epochs}"
    return "complete", ""


@dataclass(frozen=True)
class Trial:
    """The job of evaluating one candidate."""

    number: int
    candidate: Candidate
    config: SearchConfig
    operands: Path
    standing: Standing

    def run(self) -> Evaluation:
        """Evaluate in a worker."""
        activity = activity_of(self.config, self.operands)
        hurdle_at = self.standing.hurdle_at
        return evaluate(self.number, self.candidate, self.config, activity, hurdle_at)


def activity_of(config: SearchConfig, operands: Path) -> Source:
    """The operands that give the energies of a run, which the recording `operands` holds."""
    if config.activity == "uniform":
        return Uniform()
    return Recorded(recording_of(operands), operands.name, config.dataflow)


@functools.lru_cache(1)
def recording_of(operands: Path) -> Recording:
    """The recording of a run, read once in a process."""
    return load_recording(operands)
