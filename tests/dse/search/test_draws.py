"""A search that is killed and resumed draws and tells the same as one that is not.

Workers are played by a pool that computes what a design would reach from its name alone.
"""

import contextlib
import dataclasses
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
from mac_recordings import recording

from axdse.dse.jobs.workers import Outcome
from axdse.dse.run.config import SearchConfig
from axdse.dse.run.evaluation import NATIVE, Baseline, Evaluation
from axdse.dse.run.survey import Harm, Surveyed
from axdse.dse.search.evaluate import Trial
from axdse.dse.search.progress import Unwatched
from axdse.dse.search.search import Search
from axdse.dse.search.space import space_of
from axdse.dse.search.survey import Survey
from axdse.dse.training.records import Epoch, Goal, History
from axdse.flows.cost.cost import unit_cost
from axdse.flows.cost.point import Demand, PointCost
from axdse.flows.cost.record import Cost
from axdse.multipliers.cache import digest
from axdse.multipliers.designs.catalog import Catalog, builtin_catalog
from axdse.multipliers.designs.design_point import Mac, parse_mac
from axdse.multipliers.errors import AxdseError

Make = Callable[..., SearchConfig]
TRIALS = 18
ALIVE = 1 << 30
Outline = list[tuple[int, str, str, str]]
LINES = (
    "families: [drum, truncated, mitchell, mbm]",
    'formats: ["float(8,3)", "float(8,4)", int8]',
    f"trials: {TRIALS}",
)


class Killed(BaseException):
    """The process is gone: what was not stored is lost."""


@dataclass
class Folder:
    """Plays `RunDir`: what it was given outlives the search."""

    config: SearchConfig
    operands: Path = Path("operands.npz")
    catalog: Catalog = field(default_factory=builtin_catalog)
    info: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(goal=Goal()))
    stored: dict[int, Evaluation] = field(default_factory=dict)

    @property
    def evaluations(self) -> tuple[Evaluation, ...]:
        return tuple(self.stored[number] for number in sorted(self.stored))

    def require_folder(self) -> None:
        """It is never deleted."""

    def save_evaluation(self, evaluation: Evaluation) -> None:
        self.stored[evaluation.number] = evaluation


class Pool:
    """Plays `Workers`: its `count` jobs end in an order of its own, and it dies on demand.

    Args:
        count: jobs at the same time.
        seed: of the order in which they end.
        cost: of an exact core; others are made of it.
        die_after: outcomes before the end.
    """

    running = 0

    def __init__(self, count: int, seed: int, cost: Cost, die_after: int = ALIVE) -> None:
        self._count = count
        self._chance = random.Random(seed)
        self._cost = cost
        self._die_after = die_after
        self.began: list[Trial] = []

    def run(self, jobs: Iterator[Trial | None]) -> Iterator[Outcome[Trial]]:
        running: list[Trial] = []
        while True:
            while len(running) < self._count and (job := next(jobs, None)):
                running.append(job)
                self.began.append(job)
            if not running:
                return
            if not self._die_after:
                raise Killed
            self._die_after -= 1
            job = running.pop(self._chance.randrange(len(running)))
            yield Outcome(job, evaluated(job, self._cost), "", 0.0)


def evaluated(trial: Trial, exact: Cost) -> Evaluation:
    """What a trial would give, from its design and its hurdle alone."""
    number, point = trial.number, trial.point
    chance = random.Random(digest(point.name))
    unit = dataclasses.replace(exact, area_um2=exact.area_um2 * chance.uniform(0.3, 1.0))
    cost = PointCost((unit,), (1.0,))
    reached = chance.uniform(0.5, 0.9)
    hurdle = trial.standing.hurdle_at(cost)
    if chance.random() < 0.1:
        return Evaluation(number, point, "failed", "its model is wrong")
    if hurdle.unreachable:
        return Evaluation(number, point, "dominated", hurdle.reason, (), cost)
    return Evaluation(number, point, "complete", "", (), cost, history(reached))


def history(accuracy: float) -> History:
    return History((Epoch(1, 0.5, accuracy, accuracy, 0.1),), "finished", 0)


@pytest.fixture(scope="module")
def exact_cost() -> Cost:
    return unit_cost(parse_mac("exact(n=4) in float(8,3)").candidate)


def search(
    run: Folder,
    workers: int,
    seed: int,
    cost: Cost,
    die_after: int = ALIVE,
    of_trials: float = 0.86,
) -> Outline:
    """Search, or go on; return what is stored then. `seed`: of the order of outcomes."""
    accuracies, histories = (0.86, 0.87, 0.88), (history(0.87),) * 3
    baseline = Baseline(
        "fp32", NATIVE, (1, 2, 3), accuracies, accuracies, histories, trial=of_trials
    )
    pool = Pool(workers, seed, cost, die_after)
    known = run.evaluations
    known_macs = surveyed(run.config, cost)
    Search(
        run,  # type: ignore[arg-type]
        (baseline,),
        known_macs,
        known,
        Unwatched(),
    ).go(pool)  # type: ignore[arg-type]
    return [(e.number, e.design, e.status, e.reason) for e in run.evaluations]


def surveyed(config: SearchConfig, exact: Cost) -> Survey:
    """What a survey would find, from the names of the MACs alone."""
    demand = Demand(recording(), "operands.npz")

    def look(mac: Mac) -> Surveyed:
        chance = random.Random(f"survey of {mac.name}")
        errors = [chance.uniform(0.001, 0.1) for _ in demand.traces]
        harms = tuple(
            Harm(trace.layer, trace.product, error, 0.0, 0.0)
            for trace, error in zip(demand.traces, errors, strict=True)
        )
        area_um2 = exact.area_um2 * random.Random(digest(mac.name)).uniform(0.3, 1.0)
        return Surveyed(mac.name, mac.name, area_um2, 1.0, harms)

    space = space_of(config)
    costs = {each.name: PointCost((exact,), (1.0,)) for each in space.formats}
    return Survey({mac: look(mac) for mac in space.macs()}, costs, demand)


@pytest.fixture(
    params=[
        *(("belief", "uniform"), ("belief", "per-pass")),
        *(("tpe", "uniform"), ("nsga2", "uniform"), ("tpe", "per-pass")),
    ]
)
def config(request: pytest.FixtureRequest, tiny_config: Make) -> SearchConfig:
    sampler, places = request.param
    return tiny_config(*LINES, f"sampler: {sampler}", f"places: {places}")


@pytest.mark.parametrize(
    ("outcomes", "workers"),
    [
        *((1, 3), (2, 1)),
        # Each number is in one of those.
        *(pytest.param(*both, marks=pytest.mark.slow) for both in ((1, 1), (2, 3))),
    ],
)
def test_kills_all_the_time_change_nothing(
    outcomes: int, workers: int, config: SearchConfig, exact_cost: Cost
) -> None:
    undisturbed = search(Folder(config), workers, 1, exact_cost)
    assert len(undisturbed) == TRIALS
    killed = Folder(config)
    for kill in range(TRIALS):
        # The first time nothing is stored; then it dies after every outcome, or every other.
        with contextlib.suppress(Killed):
            search(killed, workers, kill, exact_cost, die_after=outcomes if kill else 0)
    assert search(killed, workers, 0, exact_cost) == undisturbed


def test_who_is_faster_and_how_many_work_changes_nothing(
    config: SearchConfig, exact_cost: Cost
) -> None:
    counts = (1, 2, 4, 4, 64)
    first, *others = (search(Folder(config), n, seed, exact_cost) for seed, n in enumerate(counts))
    assert others == [first] * 4


def test_what_is_drawn_depends_on_the_lag(config: SearchConfig, exact_cost: Cost) -> None:
    patient = dataclasses.replace(config, lag=1)
    first, second = (search(Folder(each), 2, 0, exact_cost) for each in (config, patient))
    assert first != second
    assert search(Folder(patient), 1, 0, exact_cost) == second


def test_a_lost_trial_is_drawn_again(config: SearchConfig, exact_cost: Cost) -> None:
    run = Folder(config)
    undisturbed = search(run, 1, 0, exact_cost)
    for number in (undisturbed[3][0], undisturbed[-1][0]):
        del run.stored[number]
    assert search(run, 1, 0, exact_cost) == undisturbed


def test_what_is_stored_is_taken_as_it_was_drawn(config: SearchConfig, exact_cost: Cost) -> None:
    """Another version of a sampler may draw otherwise: nothing is evaluated twice for that."""
    run = Folder(config)
    search(run, 1, 0, exact_cost)
    references = {number: run.stored[number] for number in range(3)}
    own = {(number, run.stored[number].design) for number in run.stored}
    foreign = next(e for e in reversed(run.evaluations) if e.status == "complete")
    run.stored = references | {3: dataclasses.replace(foreign, number=3)}
    trials = search(run, 1, 0, exact_cost)
    assert (3, foreign.design) not in own
    assert [(n, status) for n, design, status, _ in trials if design == foreign.design] == [
        (3, "complete")
    ]


def test_bounds_that_no_mac_meets_are_named(tiny_config: Make, exact_cost: Cost) -> None:
    bounds = 'constraints: ["score >= exact", "area <= 9000", "area <= 10", "area <= 9"]'
    config = tiny_config(*LINES, bounds)
    message = (
        r"within its constraints: area <= 10 leaves none: the least is about [\d,]+ um2; raise"
    )
    with pytest.raises(AxdseError, match=message):
        surveyed(config, exact_cost).check_constraints(config.constraints)


def test_another_seed_is_another_search(config: SearchConfig, exact_cost: Cost) -> None:
    other = dataclasses.replace(config, seed=config.seed + 1)
    first, second = (search(Folder(c), 1, 0, exact_cost) for c in (config, other))
    # A belief draws nothing by chance: its seed is that of the trainings, which are played here.
    assert (first != second) is (config.sampler != "belief")


def test_a_design_that_failed_is_not_tried_again(config: SearchConfig, exact_cost: Cost) -> None:
    trials = search(Folder(config), 1, 0, exact_cost)
    failed = [design for _, design, status, _ in trials if status == "failed"]
    assert failed
    assert len(set(failed)) == len(failed)


@pytest.mark.parametrize("workers", [1, 3])
def test_the_budget_is_of_trainings(workers: int, config: SearchConfig, exact_cost: Cost) -> None:
    """What a look at the cost rules out is free; how fast others are changes nothing."""
    budget = dataclasses.replace(config, trainings=7, trials=None)
    first, second = (search(Folder(budget), workers, seed, exact_cost) for seed in range(2))
    spent = [status for _, _, status, _ in first if status in ("complete", "failed")]
    assert len(spent) == 7
    assert first[-1][2] in ("complete", "failed")
    assert first == second


def test_a_space_without_designs_left_ends_the_search(
    tiny_config: Make, config: SearchConfig, exact_cost: Cost
) -> None:
    small = tiny_config(
        "families: [drum, mitchell]", "trainings: 99", f"sampler: {config.sampler}", "trials: 999"
    )
    trials = search(Folder(small), 2, 0, exact_cost)
    designs = [design for _, design, _, _ in trials]
    assert sorted(designs) == sorted(c.name for c in space_of(small).points())


def test_a_lucky_seed_rules_out_nobody(
    config: SearchConfig, exact_cost: Cost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The seed of the trials lifts all by 0.05: a cheap design is then above every other seed."""

    def lifted(trial: Trial, exact: Cost) -> Evaluation:
        unit = dataclasses.replace(exact, area_um2=exact.area_um2 * (1 + trial.number))
        cost = PointCost((unit,), (1.0,))
        hurdle = trial.standing.hurdle_at(cost)
        if hurdle.unreachable:
            return Evaluation(trial.number, trial.point, "dominated", hurdle.reason, (), cost)
        # Each costs more than the one before, and is better: all are on the true front.
        better = 0.06 * trial.number / (trial.number + 20)
        reached = history(0.80 + better + 0.05)
        return Evaluation(trial.number, trial.point, "complete", "", (), cost, reached)

    monkeypatch.setattr(f"{__name__}.evaluated", lifted)
    config = dataclasses.replace(config, lag=1)
    blind = search(Folder(config), 1, 0, exact_cost, of_trials=0.88)
    paired = search(Folder(config), 1, 0, exact_cost, of_trials=0.88 + 0.05)
    assert "dominated" in [status for _, _, status, _ in blind]
    assert [status for _, _, status, _ in paired] == ["complete"] * TRIALS
