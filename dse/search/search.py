"""How does a search run? Optuna proposes, workers evaluate, only this process writes."""

import dataclasses
import math
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from random import Random

from optuna.study import Study

from axdse.dse.ending import first_asks
from axdse.dse.jobs.engines import LOCAL, WAIT_S, open_engine
from axdse.dse.jobs.workers import Outcome, Workers
from axdse.dse.limits import MOST_TRIALS
from axdse.dse.run.config import SearchConfig
from axdse.dse.run.evaluation import Baseline, Evaluation
from axdse.dse.run.objectives import Measured, Objective
from axdse.dse.run.run_dir import RunDir, locked
from axdse.dse.search.evaluate import Rival, Standing, Trial, costs_of
from axdse.dse.search.finalists import finish
from axdse.dse.search.found import Found
from axdse.dse.search.mirror import Database, Mirror, open_database
from axdse.dse.search.progress import Progress, Unwatched
from axdse.dse.search.recost import recost
from axdse.dse.search.replicates import ceiling, floor, train_baselines
from axdse.dse.search.space import Space, space_of
from axdse.dse.search.study import discard, draw, new_study, next_number, tell
from axdse.dse.training.device import device_of
from axdse.dse.training.records import Goal, History
from axdse.dse.training.task import make
from axdse.flows.cost.point import PointCost
from axdse.flows.liberty.library import read_library
from axdse.gpu.layers.convert import convert
from axdse.multipliers.cores import cores
from axdse.multipliers.designs.catalog import Catalog
from axdse.multipliers.designs.design_point import DesignPoint, Place
from axdse.multipliers.errors import AxdseError, MachineError
from axdse.multipliers.machine import machine_failure
from axdse.multipliers.operands.recording_file import load_recording

# What may differ when a run is resumed: it changes how much is done, not what.
RESUMABLE = ("trainings", "trials", "workers")
PATIENCE = 20
MOST_OTHERS = 10_000  # of a space of pairs of MACs there are millions


def run_search(
    config: SearchConfig,
    run_path: Path,
    catalog: Catalog | None = None,
    *,
    resume: bool = False,
    trainings: int | None = None,
    trials: int | None = None,
    timeout_s: float | None = None,
    seed: int | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    mirror: str | None = None,
    engine: str = LOCAL,
    shared: Path | None = None,
    engine_wait_s: float = WAIT_S,
) -> RunDir:
    """Train baselines, search, retrain the front; leave everything in the run folder.

    The first Ctrl-C lets running jobs finish, the second ends them; then KeyboardInterrupt is
    raised. That, or kill -9, loses nothing but running jobs, which run again when the search is
    resumed. The result depends on the
    configuration alone, however often the search was interrupted and however many workers it has.

    Args:
        config: what to search.
        run_path: the run folder.
        catalog: that has the families; what is not built in is copied into the run, which needs
            it no more.
        resume: go on with the run in that folder, if there is one.
        trainings: trained trials in all, instead of the configuration's.
        trials: trials in all, likewise.
        timeout_s: start no trial later than this; the front is retrained all the same.
        seed: instead of the configuration's.
        workers: processes, instead of the configuration's.
        progress: is told of every step.
        mirror: URL of a database where Optuna's tools may watch too, beside the run's journal.
        engine: that runs the jobs, as `axdse.dse.jobs.engines.open_engine` reads it.
        shared: folder that its workers see, for files that jobs take along; None: they are sent.
        engine_wait_s: how long it may take until a first worker answers.

    Raises:
        AxdseError: a family serves no format; there is no such device, mirror or engine, or it has
            other versions; the folder is in use, not writable or of another search; a baseline or
            a finalist cannot be trained, or every trial failed.
        MachineError: the machine has no room, or kills what runs; nothing is lost.
    """
    deadline = time.monotonic() + timeout_s if timeout_s is not None else float("inf")
    config = dataclasses.replace(
        config,
        trainings=trainings or config.trainings,
        trials=trials or config.trials,
        seed=config.seed if seed is None else seed,
        workers=workers or config.workers,
    )
    watcher = progress or Unwatched()
    _check_power(config)
    device_of(config.device)
    _check_places(config)
    database = open_database(mirror) if mirror else None
    if catalog or not resume:  # a run that is resumed has its own
        space_of(config, catalog)  # what is wrong with it, before anything is made
    try:
        count = config.workers or cores()
        with Workers(open_engine(engine, count, engine_wait_s), config.threads) as pool:
            # Before the folder is made: an engine that cannot do it leaves nothing behind.
            pool.greet(config.library, shared, engine_wait_s)
            with locked(run_path), first_asks(pool.finish):
                run = open_run(run_path, config, catalog, resume=resume)
                pool.carry(run.catalog.added, run.modules)
                _go(run, pool, watcher, database, deadline)
    except (OSError, MemoryError, MachineError) as error:
        raise _interrupted(error) from error
    return run


def _go(
    run: RunDir,
    pool: Workers,
    watcher: Progress,
    database: Database | None,
    deadline: float,
) -> None:
    shown = Mirror(run, space_of(run.config, run.catalog), database)
    shown.show(run.results().evaluations)
    baselines = train_baselines(run, pool, watcher)
    _check_operands(run)
    known = recost(run, run.results().evaluations, pool, watcher)
    found = Search(run, baselines, known, watcher, shown).go(pool, deadline)
    finish(run, found, baselines, pool, watcher)


def _interrupted(error: Exception) -> AxdseError:
    failure = machine_failure(error)
    if failure:
        remedy = f"{failure.remedy}, then continue with --resume; nothing is lost"
        return MachineError(failure.rule, failure.value, remedy)
    rule = "a search needs a writable run folder and room in it"
    return AxdseError(rule, error, "put that right, then continue with --resume")


def _check_power(config: SearchConfig) -> None:
    lacks = read_library(config.library).lacks
    needing = [objective.name for objective in config.objectives if objective.needs_power]
    if needing and lacks:
        raise AxdseError(
            f"the objective {needing[0]} takes a library with power tables",
            f"{config.library} lacks {lacks}",
            "choose another library, or other objectives",
        )


def _check_places(config: SearchConfig) -> None:
    """Find out before any training that a place fits no layer."""
    if config.own_places != (Place(),):
        model = make(config.own_workload).build(config.seed)
        convert(model, DesignPoint(tuple((place, None) for place in config.own_places)))


def _check_operands(run: RunDir) -> None:
    config = run.config
    remedy = "delete that file and --resume"
    try:
        found = load_recording(run.operands).workload
    except AxdseError as error:
        rule = "files of a run must be readable as written"
        raise AxdseError(rule, run.operands, remedy) from error
    if found != config.own_workload.text:
        rule = "the recorded operands of a run are of its own training"
        raise AxdseError(rule, f"{run.operands} is of {found}", remedy)


def open_run(
    path: Path, config: SearchConfig, catalog: Catalog | None = None, *, resume: bool
) -> RunDir:
    """Create the run, or open it to go on; then it has its catalogue.

    Raises:
        AxdseError: the folder holds a run and `resume` is not set, or a run of another search.
    """
    if not resume or not (path / "run.json").exists():
        return RunDir.create(path, config, catalog)
    run = RunDir(path)
    made = make(config.own_workload)
    if not made.workload.ships and made.digest != run.info.factory:
        rule = "a resumed search keeps its workload"
        raise AxdseError(rule, f"{made.file} was changed", "put it back, or start another run")
    if catalog and catalog.added and catalog.digest != run.info.catalog:
        rule = "a resumed search keeps its catalogue, which is part of the run"
        given = ", ".join(map(str, catalog.added))
        raise AxdseError(rule, f"{given} differs", "leave --catalog out, or start another run")
    for field in dataclasses.fields(SearchConfig):
        before, now = getattr(run.config, field.name), getattr(config, field.name)
        if before != now and field.name not in RESUMABLE:
            raise AxdseError(
                f"a resumed search keeps its configuration ({path / 'config.yaml'})",
                f"{field.name} was {before}, is now {now}",
                "give the same configuration and --seed, or start another run",
            )
    run.save_config(config)
    return run


class Search:
    """The trials of one run.

    Trials are told in the order of their numbers, and each is drawn when all but the latest
    of those before it, fewer than the configuration's `lag`, are told: what is drawn depends
    neither on who was faster, nor on the number of workers.

    Args:
        run: the folder that keeps what is found.
        baselines: their best validation score is the ceiling.
        known: the run's finished trials, which are taken into account.
        progress: is told of every trial.
        mirror: is shown every trial.
    """

    def __init__(
        self,
        run: RunDir,
        baselines: tuple[Baseline, ...],
        known: Sequence[Evaluation],
        progress: Progress,
        mirror: Mirror | None = None,
    ) -> None:
        self._run, self._mirror = run, mirror
        self._config = run.config
        self._progress = progress
        self._space: Space = space_of(run.config, run.catalog)
        self._references = self._space.references()
        self._study: Study = new_study(run.config)
        self._finished = {e.number: e for e in known}
        self._drawn: list[int] = []
        self._told: list[Evaluation] = []
        self._seen: set[str] = set()
        self._baselines = baselines

    def go(self, workers: Workers, deadline: float = float("inf")) -> tuple[Evaluation, ...]:
        """Evaluate until the budget is spent, no design is left, or the deadline is past.

        Returns:
            All finished trials, by number.

        Raises:
            AxdseError: all of them failed.
            MachineError: three in a row were interrupted.
        """
        done = sum(map(_spends, self._finished.values()))
        self._progress.begin("trainings", max(self._config.trainings, done), done)
        names = [point.name for point in self._references]
        seen = Found(self._config, ceiling(self._baselines), names)
        for known in self._finished.values():
            seen.add(known)
        for outcome in workers.run(self._draw(deadline)):
            evaluation = _evaluation(outcome)
            self._run.save_evaluation(evaluation)
            self._finished[evaluation.number] = evaluation
            if self._mirror:
                self._mirror.show([evaluation])
            note = _note(evaluation, self._config.costs[0], self._run.info.goal)
            self._progress.advance(note, int(_spends(evaluation)))
            seen.add(evaluation)
            self._progress.show(seen.view(workers.running))
        self._check_some_succeeded()
        return tuple(self._finished[number] for number in sorted(self._finished))

    def _draw(self, deadline: float) -> Iterator[Trial | None]:
        """Points to evaluate, in the order of their numbers; those known are not yielded."""
        while len(self._drawn) < (self._config.trials or MOST_TRIALS):
            if time.monotonic() >= deadline:
                return
            spent = self._spent()
            if spent is None or not self._tell():
                yield None
                continue
            drawn = None if spent else self._fresh()
            if drawn is None:
                return
            number, point = drawn
            self._drawn.append(number)
            self._seen.add(point.name)
            if number not in self._finished:
                standing = self._standing()
                yield Trial(number, point, self._config, self._run.operands, standing)

    def _spent(self) -> bool | None:
        """Whether the trials drawn spend the budget; None: that depends on those that run."""
        done = [self._finished[n] for n in self._drawn if n in self._finished]
        spent = sum(map(_spends, done))
        if spent >= self._config.trainings:
            return True
        running = len(self._drawn) - len(done)
        return None if spent + running >= self._config.trainings else False

    def _tell(self) -> bool:
        """Tell what the next draw takes into account; False: some of it is not finished."""
        while len(self._told) <= len(self._drawn) - self._config.lag:
            evaluation = self._finished.get(self._drawn[len(self._told)])
            if evaluation is None:
                return False
            tell(self._study, evaluation, self._config)
            self._told.append(evaluation)
        return True

    def _fresh(self) -> tuple[int, DesignPoint] | None:
        """Draw what was not drawn before; None: nothing is left.

        A sampler that repeats itself is asked again, a few times; then any of the others is taken.
        """
        self._run.require_folder()
        for _ in range(PATIENCE):
            number, point = self._next()
            if point.name not in self._seen or number in self._finished:
                return number, point
            discard(self._study, number)
        unseen = (each for each in self._space.points() if each.name not in self._seen)
        others = list(islice(unseen, MOST_OTHERS))
        if not others:
            return None
        return self._next(Random(f"{self._config.seed} {number}").choice(others))

    def _next(self, given: DesignPoint | None = None) -> tuple[int, DesignPoint]:
        """The exact cores come first; what is finished is drawn as it was."""
        number = next_number(self._study)
        if number < len(self._references):
            given = self._references[number]
        if known := self._finished.get(number):
            given = known.point
        return number, draw(self._study, self._space, self._config, given)

    def _standing(self) -> Standing:
        complete = [e for e in self._told if e.status == "complete"]
        histories = [history for b in self._baselines for history in b.histories]
        histories += [e.history for e in complete if e.history]
        return Standing(
            rivals=tuple(self._rival(e, e.cost) for e in complete if e.cost),
            objectives=self._config.objectives,
            ceiling=ceiling(self._baselines),
            floor=floor(self._config, self._baselines),
            resolution=self._config.resolution,
            remaining_gains=_remaining_gains(histories, self._config.training.epochs),
        )

    def _rival(self, evaluation: Evaluation, cost: PointCost) -> Rival:
        name = f"trial {evaluation.number} ({evaluation.design})"
        return Rival(name, _score(evaluation), costs_of(self._config.objectives, cost))

    def _check_some_succeeded(self) -> None:
        failed = [e for e in self._finished.values() if e.status == "failed"]
        if failed and len(failed) == len(self._finished):
            raise AxdseError(
                "a search needs a trial that does not fail",
                f"all {len(failed)} failed, {failed[0].design} as {failed[0].reason}",
                "remove the cause and start another run",
            )


def _score(evaluation: Evaluation) -> float:
    score = evaluation.validation_score
    return -math.inf if score is None or math.isnan(score) else score


def _evaluation(outcome: Outcome[Trial]) -> Evaluation:
    if isinstance(outcome.result, Evaluation):
        return dataclasses.replace(outcome.result, seconds=outcome.seconds)
    trial = outcome.job
    return Evaluation(
        trial.number, trial.point, "failed", outcome.failure, seconds=outcome.seconds
    )


def _spends(evaluation: Evaluation) -> bool:
    """Whether a trial counts against the budget: it was trained, or is a design that fails."""
    return evaluation.history is not None or evaluation.status == "failed"


def _remaining_gains(histories: list[History], epochs: int) -> tuple[float, ...]:
    """Per epoch, the most that a finished training gained from there to its end."""
    finished = [h for h in histories if len(h.epochs) == epochs]
    return tuple(
        max(
            (h.validation_score - h.epochs[epoch].validation_score for h in finished),
            default=math.inf,
        )
        for epoch in range(epochs)
    )


def _note(evaluation: Evaluation, objective: Objective, goal: Goal) -> str:
    """A few words such as `drum(n=8,k=4) in int8: 84.3 %, 1,780 um2`."""
    if evaluation.status == "complete" and evaluation.cost:
        score = _score(evaluation)
        figure = objective.text(objective.of(Measured(score, evaluation.cost)))
        return f"{evaluation.design}: {goal.text(score)}, {figure}"
    return f"{evaluation.design}: {evaluation.status}"
