"""What is a report of a finished search made of?"""

from collections.abc import Sequence
from dataclasses import dataclass

from axdse.dse.report.practice import Practice
from axdse.dse.report.recommendation import Answer, find_answer
from axdse.dse.report.summary import Finalist, gather
from axdse.dse.run.run_dir import Results, RunDir
from axdse.dse.training.records import Goal
from axdse.flows.cost.record import Cost
from axdse.multipliers.errors import AxdseError


@dataclass(frozen=True)
class Material:
    """What the page is made of."""

    run: RunDir
    results: Results
    finalists: tuple[Finalist, ...]
    practices: tuple[Practice, ...]
    answer: Answer

    @property
    def goal(self) -> Goal:
        """What networks were scored by."""
        return self.run.info.goal

    @property
    def cost(self) -> Cost:
        """Of the first unit: they share library, tools and activity."""
        return self.finalists[0].parts[0].cost

    @property
    def activity(self) -> str:
        """Whose operands the energies are of."""
        energy = self.cost.recorded or self.cost.uniform
        return energy.activity if energy else self.cost.no_power


def finalists_of(run: RunDir, results: Results) -> tuple[Finalist, ...]:
    """The finalists of a finished run, the best by its first cost first.

    Raises:
        AxdseError: the run has no front yet.
    """
    points = results.front
    if not any(point.on_front for point in points):
        raise AxdseError(
            "an export needs a finished search",
            f"{run.path} has no front yet",
            f"run 'axdse search CONFIG.yaml --run {run.path} --resume'",
        )
    return gather(points, run.config.costs[0])


def material_of(
    run: RunDir, results: Results, finalists: Sequence[Finalist], practices: Sequence[Practice]
) -> Material:
    """What a page of a run is made of."""
    answer = find_answer(finalists, run.config.resolution, run.config.costs[0])
    return Material(run, results, tuple(finalists), tuple(practices), answer)
