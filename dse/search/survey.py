"""What is known of all MACs of a space before any training: which are one, what do they take?

Of thousands of MACs the areas and delays of units come from `fast_costs`, some per cent off; the
exact core of each format is costed in full, and what else a search asks for is scaled from that.
So a survey tells where to look: what stands in a front is costed in full.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from axdse.dse.jobs.workers import Workers
from axdse.dse.run.config import SearchConfig
from axdse.dse.run.constraints import Constraint
from axdse.dse.run.objectives import ACCURACY, Measured
from axdse.dse.run.run_dir import RunDir
from axdse.dse.run.survey import ExactCost, Surveyed, SurveyRecord
from axdse.dse.search.evaluate import cost_of, demand_of
from axdse.dse.search.predict import harms
from axdse.dse.search.progress import Progress
from axdse.dse.search.space import Space, Summed
from axdse.flows.cost.fast.estimate import fast_costs
from axdse.flows.cost.point import Demand, PointCost, WholeMacs, point_bases
from axdse.flows.cost.record import Cost, Energy, FastCost
from axdse.multipliers.cache import digest
from axdse.multipliers.designs.design_point import DesignPoint, Mac
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.provenance import code_digest
from axdse.multipliers.tables.lut import build_lut

MARGIN = 1.25  # of what is estimated over its bound
BATCH = 32  # MACs of one job: Yosys and ABC start once for them


@dataclass(frozen=True)
class Look:
    """The job of surveying some MACs."""

    macs: tuple[Mac, ...]
    config: SearchConfig
    operands: Path

    def run(self) -> tuple[Surveyed, ...]:
        """Look at them in a worker; what has no table, netlist or recorded codes is left out."""
        traces = demand_of(self.config, self.operands).traces
        found = []
        for mac, cost in zip(self.macs, self._costs(), strict=True):
            if isinstance(cost, AxdseError):
                continue
            try:
                lut = build_lut(mac.candidate)
                harm = harms(lut, traces)
            except AxdseError:
                continue
            table = digest(lut.digest, Summed.of(mac).name)
            area_um2, delay_ns = (cost.area_um2, cost.delay_ns) if cost else (None, None)
            found.append(Surveyed(mac.name, table, area_um2, delay_ns, harm))
        return tuple(found)

    def _costs(self) -> Iterable[FastCost | AxdseError | None]:
        """Of each unit, about; None: no objective is a cost."""
        if not self.config.costed:
            return [None] * len(self.macs)
        units = [mac.candidate for mac in self.macs]
        return fast_costs(units, self.config.library, jobs=1, prove=False)


@dataclass(frozen=True)
class Reference:
    """The job of costing the exact core of a format in full."""

    point: DesignPoint
    config: SearchConfig
    operands: Path

    def run(self) -> PointCost:
        """Cost it in a worker."""
        return cost_of(self.point, self.config, demand_of(self.config, self.operands))


@dataclass(frozen=True, eq=False)
class Survey:
    """What is known of all MACs.

    Attributes:
        found: of each, in the order of the space.
        exact: the cost of the exact core of each format, by what follows `in` in a MAC's text;
            empty if no objective is a cost.
        demand: what the network asks for.
    """

    found: Mapping[Mac, Surveyed]
    exact: Mapping[str, PointCost]
    demand: Demand

    def table(self, mac: Mac) -> str:
        """What MACs share that compute alike."""
        known = self.found.get(mac)
        return known.table if known else mac.name

    def identity(self, point: DesignPoint) -> tuple[tuple[str, str], ...]:
        """What points share that train alike."""
        return tuple((place.name, self.table(mac) if mac else "") for place, mac in point.places)

    def estimate(self, point: DesignPoint) -> PointCost | None:
        """What a point costs, about; None: it is not known."""
        parts = [self._uniform(mac) for mac in point.macs]
        if None in parts:
            return None
        costs = [cost for cost in parts if cost]
        return costs[0] if len(costs) == 1 else _joined(costs, self._shares(point))

    def check_constraints(self, constraints: Sequence[Constraint]) -> None:
        """Look whether any MAC is within the bounds on costs.

        Raises:
            AxdseError: none is, not even about; the first bound that leaves none is named.
        """
        known = [self._uniform(mac) for mac in self.found]
        left = [Measured(1.0, cost) for cost in known if cost]
        for constraint in constraints:
            if constraint.objective == ACCURACY or not left:
                continue
            within = [each for each in left if not constraint.excess(each) > MARGIN]
            if not within:
                objective = constraint.objective
                least = min(objective.of(each) for each in left)
                rule = "some MAC of a space is within its constraints"
                what = f"{constraint.text} leaves none: the least is about {objective.text(least)}"
                raise AxdseError(rule, what, "raise it, or widen the space")
            left = within

    def about_within(self, constraints: Sequence[Constraint], point: DesignPoint) -> bool:
        """Whether a point may be within bounds, as far as a survey tells."""
        costs = [each for each in constraints if each.objective != ACCURACY]
        cost = self.estimate(point) if costs else None
        return not cost or not any(c.excess(Measured(1.0, cost)) > MARGIN for c in costs)

    def _shares(self, point: DesignPoint) -> tuple[float, ...]:
        made = dict.fromkeys(point.macs, 0)
        for trace in self.demand.traces:
            mac = point.mac(trace.layer, trace.product)
            if mac:
                made[mac] += trace.multiplications
        total = max(1, sum(made.values()))
        return tuple(count / total for count in made.values())

    @functools.cache  # noqa: B019  as long as the survey
    def _uniform(self, mac: Mac) -> PointCost | None:
        known, exact = self.found.get(mac), self.exact.get(Summed.of(mac).name)
        if not known or not exact or known.area_um2 is None or known.delay_ns is None:
            return None
        (unit,) = exact.units
        ours = _scaled(unit, known.area_um2, known.delay_ns)
        return PointCost((ours,), (1.0,), _whole(exact, unit, ours))


def survey_space(run: RunDir, space: Space, workers: Workers, progress: Progress) -> Survey:
    """Survey a space, or read what the run knows of it.

    Raises:
        AxdseError: a tool or the library is missing.
        MachineError: as `Workers.run`.
    """
    config, references = run.config, space.references() if run.config.costed else ()
    demand, mapped = demand_of(config, run.operands), (config.library, config.clock_ns, config.aim)
    bases = [base for point in references[:1] for base in point_bases(point, demand, *mapped)]
    basis = digest(*bases, code_digest(__name__))
    known = run.survey()
    if known is None or known.basis != basis:
        looks = _looks(run, space, workers, progress)
        known = SurveyRecord(basis, looks, _exact(run, references, workers, progress))
        run.save_survey(known)
    by_name = {each.mac: each for each in known.macs}
    found = {mac: by_name[mac.name] for mac in space.macs() if mac.name in by_name}
    return Survey(found, {each.summed: each.cost for each in known.exact}, demand)


def _looks(
    run: RunDir, space: Space, workers: Workers, progress: Progress
) -> tuple[Surveyed, ...]:
    macs = tuple(space.macs())
    batches = [macs[at : at + BATCH] for at in range(0, len(macs), BATCH)]
    jobs = [Look(batch, run.config, run.operands) for batch in batches]
    progress.begin("MACs surveyed", len(macs), 0)
    found: dict[Mac, tuple[Surveyed, ...]] = {}
    rule = "the MACs of a space must be surveyed"
    for outcome in workers.results(jobs, rule, lambda job: f"{len(job.macs)} MACs"):
        batch = outcome.job.macs
        found[batch[0]] = outcome.result
        progress.advance(f"{batch[0].name} and {len(batch) - 1} more", len(batch))
    return tuple(each for batch in batches for each in found[batch[0]])


def _exact(
    run: RunDir, references: Sequence[DesignPoint], workers: Workers, progress: Progress
) -> tuple[ExactCost, ...]:
    """What cannot be costed is missing here, and fails as a trial."""
    jobs = (Reference(point, run.config, run.operands) for point in references)
    progress.begin("exact cores costed", len(references), 0)
    found: dict[DesignPoint, PointCost] = {}
    for outcome in workers.run(jobs):
        if not outcome.failure:
            found[outcome.job.point] = outcome.result
        progress.advance(outcome.job.point.name)
    return tuple(
        ExactCost(Summed.of(point.macs[0]).name, found[point])
        for point in references
        if point in found
    )


def _scaled(unit: Cost, area_um2: float, delay_ns: float) -> Cost:
    """A unit of another area; energies go with it."""
    ratio = area_um2 / unit.area_um2

    def energy(known: Energy | None) -> Energy | None:
        return known and replace(known, energy_fj=known.energy_fj * ratio)

    return replace(
        unit,
        area_um2=area_um2,
        delay_ns=delay_ns,
        uniform=energy(unit.uniform),
        recorded=energy(unit.recorded),
    )


def _whole(exact: PointCost, unit: Cost, ours: Cost) -> WholeMacs | None:
    """The exact MAC with another unit in it."""
    whole = exact.whole
    if whole is None:
        return None
    energies = [each.recorded or each.uniform for each in (unit, ours)]
    step_uj, energy_fj = whole.step_uj, whole.energy_fj
    if energy_fj is not None and energies[0] and energies[1]:
        changed = energy_fj + energies[1].energy_fj - energies[0].energy_fj
        step_uj = step_uj and step_uj * changed / energy_fj
        energy_fj = changed
    return replace(
        whole,
        area_um2=whole.area_um2 + ours.area_um2 - unit.area_um2,
        delay_ns=max(ours.delay_ns, whole.delay_ns + ours.delay_ns - unit.delay_ns),
        energy_fj=energy_fj,
        step_uj=step_uj,
    )


def _joined(costs: Sequence[PointCost], shares: tuple[float, ...]) -> PointCost:
    """Several MACs on a chip."""
    units = tuple(unit for cost in costs for unit in cost.units)
    wholes = [cost.whole for cost in costs if cost.whole]
    if len(wholes) < len(costs):
        return PointCost(units, shares)
    whole = WholeMacs(
        area_um2=sum(each.area_um2 for each in wholes),
        energy_fj=_mean([each.energy_fj for each in wholes], shares),
        delay_ns=max(each.delay_ns for each in wholes),
        basis=wholes[0].basis,
        step_uj=_mean([each.step_uj for each in wholes], shares),
    )
    return PointCost(units, shares, whole)


def _mean(values: Sequence[float | None], shares: Sequence[float]) -> float | None:
    known = [
        share * value for share, value in zip(shares, values, strict=True) if value is not None
    ]
    return sum(known) if len(known) == len(values) else None
