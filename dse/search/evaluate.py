"""How good is one design point? Verified, costed, trained."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from axdse.dse.run.config import SearchConfig
from axdse.dse.run.evaluation import Evaluation, Status
from axdse.dse.search.hurdle import Hurdle, Standing
from axdse.dse.training.records import History
from axdse.dse.training.train import train
from axdse.flows.accelerator.point_macs import whole_macs
from axdse.flows.cost.point import Demand, PointCost, point_cost
from axdse.flows.evidence.report import RtlReport
from axdse.flows.verify.check import check
from axdse.gpu.multiplication.handles import handle
from axdse.multipliers.designs.design_point import DesignPoint
from axdse.multipliers.operands.recording import Recording
from axdse.multipliers.operands.recording_file import load_recording


def evaluate(
    number: int,
    point: DesignPoint,
    config: SearchConfig,
    demand: Demand,
    hurdle_at: Callable[[PointCost], Hurdle],
) -> Evaluation:
    """Learn what a search needs to know of one design point, and stop as soon as it is known.

    Args:
        number: of the trial.
        point: what to evaluate.
        config: of the search.
        demand: the products of the network, whose operands give the energy.
        hurdle_at: what a point of that cost must clear.

    Raises:
        AxdseError: a tool fails, a core cannot serve its format, or the point does not fit the
            network.
    """
    result = functools.partial(Evaluation, number, point)
    certificates: tuple[RtlReport, ...] = ()
    for portion in demand.portions(point):
        certificates += (check(portion.mac.multiplier),)
        if not certificates[-1].passed:
            return result("failed", _counter_example(certificates[-1]), certificates)
        handle(portion.mac.candidate)  # refuses at once what cannot serve its format
    cost = cost_of(point, config, demand)
    if not cost.feasible:
        reason = f"{cost.delay_ns:.3f} ns misses the clock of {cost.clock_ns:g} ns"
        return result("infeasible", reason, certificates, cost)
    hurdle = hurdle_at(cost)
    if hurdle.unreachable:
        return result("dominated", hurdle.reason, certificates, cost)
    history = train(
        config.own_workload,
        point,
        config.training,
        config.seed,
        hurdle.in_sight,
        device=torch.device(config.device),
    ).history
    status, reason = _verdict(history, hurdle)
    return result(status, reason, certificates, cost, history)


def cost_of(point: DesignPoint, config: SearchConfig, demand: Demand) -> PointCost:
    """The cost of a point's units, and of its whole MACs if an objective is of them.

    Raises:
        AxdseError: as `point_cost` and `whole_macs`.
    """
    cost = point_cost(point, demand, config.library, config.clock_ns)
    if not needs_macs(config):
        return cost
    return replace(cost, whole=whole_macs(point, demand, config.library, config.clock_ns))


def needs_macs(config: SearchConfig) -> bool:
    """Whether an objective is of whole MACs."""
    return any(objective.level == "mac" for objective in config.objectives)


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
    """The job of evaluating one design point."""

    number: int
    point: DesignPoint
    config: SearchConfig
    operands: Path
    standing: Standing

    def run(self) -> Evaluation:
        """Evaluate in a worker."""
        demand = demand_of(self.config, self.operands)
        return evaluate(self.number, self.point, self.config, demand, self.standing.hurdle_at)


def demand_of(config: SearchConfig, operands: Path) -> Demand:
    """The products of a run's network, which the recording `operands` holds."""
    recorded = config.activity == "recorded"
    return Demand(recording_of(operands), operands.name, config.dataflow, recorded)


@functools.lru_cache(1)
def recording_of(operands: Path) -> Recording:
    """The recording of a run, read once in a process."""
    return load_recording(operands)
