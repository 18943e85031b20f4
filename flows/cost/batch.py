"""What do many designs cost? Several at once; what was computed before is kept."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from axdse.flows.cost.cost import core_cost, unit_cost
from axdse.flows.cost.parallel import in_parallel
from axdse.flows.cost.record import Cost
from axdse.flows.netlist.adders import Aim
from axdse.flows.power.activity_file import Source
from axdse.flows.power.activity_source import Design
from axdse.multipliers.cores import cores
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.errors import AxdseError


def cost_of(
    design: Design,
    library: Path | None = None,
    activity: Source | None = None,
    clock_ns: float | None = None,
    aim: Aim = "energy",
) -> Cost:
    """`core_cost` of a multiplier, `unit_cost` of a candidate.

    Raises:
        AxdseError: as they do.
    """
    if isinstance(design, Candidate):
        return unit_cost(design, library, activity, clock_ns, aim)
    return core_cost(design, library, activity, clock_ns, aim)


def costs_of(
    designs: Sequence[Design],
    library: Path | None = None,
    activity: Source | None = None,
    clock_ns: float | None = None,
    jobs: int | None = None,
    aim: Aim = "energy",
) -> Iterator[Cost | AxdseError]:
    """Yield the cost of each design in order; an error stands for one that has none.

    Each result is cached as soon as it is there: a run that was killed goes on where it ended.
    """

    def one(design: Design) -> Cost | AxdseError:
        try:
            return cost_of(design, library, activity, clock_ns, aim)
        except AxdseError as error:
            return error

    yield from in_parallel(one, designs, jobs or cores())
