"""What does `axdse show --plan` add? The realisations of a design in a network, by torch."""

import dataclasses

import torch

from axdse.dse.cli.show import Description, Table
from axdse.gpu.ops.plan import Plan, Realisation, explain
from axdse.multipliers.designs.design_point import Candidate

COLUMNS = ("realisation", "time / FP32", "why, or what is missing")


@dataclasses.dataclass(frozen=True)
class Planned(Description):
    """A description with a plan for each device at hand."""

    plans: tuple[Plan, ...] = ()

    def tables(self) -> tuple[Table, ...]:
        """One table a plan."""
        return tuple(_table(plan) for plan in self.plans)


def planned(
    descriptions: tuple[Description, ...], candidates: tuple[Candidate, ...]
) -> tuple[Planned, ...]:
    """Add the plans of candidates, on the CPU and, if torch finds one, on the GPU.

    Raises:
        AxdseError: a candidate can be neither tabulated nor inlined.
    """
    return tuple(
        Planned(d.spec, d.family, d.error, d.operands, _plans(candidate))
        for d, candidate in zip(descriptions, candidates, strict=True)
    )


def _plans(candidate: Candidate) -> tuple[Plan, ...]:
    cpu = explain(candidate, "cpu")
    return (cpu, explain(candidate, "cuda")) if torch.cuda.is_available() else (cpu,)


def _table(plan: Plan) -> Table:
    device = {"cpu": "CPU", "cuda": "GPU"}[plan.device]
    title = f"{plan.multiplication} in {plan.format} on the {device}: {plan.why}"
    return title, COLUMNS, [_row(plan, realisation) for realisation in plan.alternatives]


def _row(plan: Plan, realisation: Realisation) -> tuple[str, ...]:
    mark = " *" if realisation.name == plan.choice else ""
    time = "-" if realisation.time is None else f"{realisation.time:.1f}"
    return realisation.name + mark, time, realisation.why
