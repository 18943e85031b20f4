"""How does a search run? Cost, predict, propose, verify, finish; only this process writes."""

import dataclasses
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
from axdse.dse.run.config import BELIEF, EXHAUSTIVE, SearchConfig
from axdse.dse.run.evaluation import Baseline, Evaluation
from axdse.dse.run.objectives import Measured
from axdse.dse.run.run_dir import RunDir, locked
from axdse.dse.search.evaluate import Standings, Trial, score_of
from axdse.dse.search.finalists import finish
from axdse.dse.search.found import Found
from axdse.dse.search.mirror import Database, Mirror, open_database
from axdse.dse.search.opening import check_config, check_operands, open_run
from axdse.dse.search.progress import Progress, Unwatched
from axdse.dse.search.propose import LEAST_TOLD, Proposal, Proposer
from axdse.dse.search.recost import recost
from axdse.dse.search.replicates import ceiling, floor, train_baselines
from axdse.dse.search.space import Space, space_of
from axdse.dse.search.study import discard, draw, new_study, next_number, tell
from axdse.dse.search.survey import Survey, survey_space
from axdse.dse.training.records import Goal
from axdse.multipliers.cores import cores
from axdse.multipliers.designs.catalog import Catalog
from axdse.multipliers.designs.design_point import DesignPoint
from axdse.multipliers.errors import AxdseError, MachineError
from axdse.multipliers.machine import machine_failure

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
    check_config(config)
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
    space, done = space_of(run.config, run.catalog), run.results().evaluations
    shown = Mirror(run, space, database)
    shown.show(done)
    baselines = train_baselines(run, pool, watcher)
    check_operands(run)
    known = recost(run, done, pool, watcher)
    survey = survey_space(run, space, pool, watcher)
    survey.check_constraints(run.config.constraints)
    found = Search(run, baselines, survey, known, watcher, shown).go(pool, deadline)
    finish(run, found, baselines, pool, watcher)


def _interrupted(error: Exception) -> AxdseError:
    failure = machine_failure(error)
    if failure:
        remedy = f"{failure.remedy}, then continue with --resume; nothing is lost"
        return MachineError(failure.rule, failure.value, remedy)
    rule = "a search needs a writable run folder and room in it"
    return AxdseError(rule, error, "put that right, then continue with --resume")


class Search:
    """The trials of one run.

    Trials are told in the order of their numbers, and each is drawn when all but the latest
    of those before it, fewer than the configuration's `lag`, are told: what is drawn depends
    neither on who was faster, nor on the number of workers.

    Args:
        run: the folder that keeps what is found.
        baselines: their best validation score is the ceiling.
        survey: what is known of the MACs of its space.
        known: the run's finished trials, which are taken into account.
        progress: is told of every trial.
        mirror: is shown every trial.
    """

    def __init__(
        self,
        run: RunDir,
        baselines: tuple[Baseline, ...],
        survey: Survey,
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
        self._survey = survey
        bounds = floor(run.config, baselines), ceiling(baselines)
        self._proposer = Proposer(self._space, survey, run.config, *bounds)
        self._drawn: list[int] = []
        self._points: list[DesignPoint] = []
        self._told: list[Evaluation] = []
        self._seen: set[str] = set()
        self._baselines = baselines
        # Of what is told: a trial takes as long after thousands of others as at first.
        self._spent_by_told = 0
        self._standings = Standings(run.config, baselines)
        self._trained: dict[tuple[tuple[str, str], ...], Evaluation] = {}

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
            note = _note(evaluation, self._config, self._run.info.goal)
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
            number, point, expected = drawn
            self._drawn.append(number)
            self._points.append(point)
            self._seen.add(point.name)
            if number not in self._finished:
                standing, equal = self._standings.now(), self._equal(point)
                operands = self._run.operands
                yield Trial(number, point, self._config, operands, standing, expected, equal)

    def _spent(self) -> bool | None:
        """Whether the trials drawn spend the budget; None: that depends on those that run."""
        pending = self._drawn[len(self._told) :]
        done = [self._finished[n] for n in pending if n in self._finished]
        spent = self._spent_by_told + sum(map(_spends, done))
        if spent >= self._config.trainings:
            return True
        running = len(pending) - len(done)
        return None if spent + running >= self._config.trainings else False

    def _tell(self) -> bool:
        """Tell what the next draw takes into account; False: some of it is not finished."""
        while len(self._told) < self._needed:
            evaluation = self._finished.get(self._drawn[len(self._told)])
            if evaluation is None:
                return False
            tell(self._study, evaluation, self._config)
            self._told.append(evaluation)
            self._spent_by_told += _spends(evaluation)
            self._standings.add(evaluation)
            if evaluation.trained and evaluation.equal is None:
                self._trained.setdefault(self._survey.identity(evaluation.point), evaluation)
        return True

    @property
    def _needed(self) -> int:
        """How many are told before the next draw: a belief begins with the exact cores."""
        drawn, first = len(self._drawn), max(len(self._references), LEAST_TOLD)
        begun = min(drawn, first) if drawn >= len(self._references) else 0
        return max(drawn - self._config.lag + 1, begun if self._config.sampler == BELIEF else 0)

    def _waits(self, point: DesignPoint) -> bool:
        """Whether one that computes alike is being trained: what it reaches will be known."""
        own, pending = self._survey.identity(point), self._points[len(self._told) :]
        return any(self._survey.identity(each) == own for each in pending)

    def _equal(self, point: DesignPoint) -> Evaluation | None:
        """The first trial that was trained and computes alike."""
        return self._trained.get(self._survey.identity(point))

    def _fresh(self) -> tuple[int, DesignPoint, float | None] | None:
        """Draw what was not drawn before, and what it is expected to reach; None: nothing is left.

        What a belief proposes comes first, if it is asked for and knows anything. A sampler that
        repeats itself is asked again, a few times; then any of the others is taken.
        """
        self._run.require_folder()
        if proposal := self._proposal():
            return (*self._next(proposal.point), proposal.expected)
        exhaustive = self._config.sampler == EXHAUSTIVE
        for _ in range(0 if exhaustive else PATIENCE):
            number, point = self._next()
            if number in self._finished or not (point.name in self._seen or self._waits(point)):
                return number, point, None
            discard(self._study, number)
        unseen = (each for each in self._space.points() if each.name not in self._seen)
        others = list(islice(unseen, 1 if exhaustive else MOST_OTHERS))
        others = [each for each in others if not self._waits(each)] or others
        if not others:
            return None
        chance = Random(f"{self._config.seed} {next_number(self._study) - 1}")
        return (*self._next(chance.choice(others)), None)

    def _proposal(self) -> Proposal | None:
        number = next_number(self._study)
        if self._config.sampler != BELIEF or number < len(self._references):
            return None
        if number in self._finished:
            return None
        return self._proposer.next(self._told, self._points[len(self._told) :])

    def _next(self, given: DesignPoint | None = None) -> tuple[int, DesignPoint]:
        """The exact cores come first; what is finished is drawn as it was."""
        number = next_number(self._study)
        if number < len(self._references):
            given = self._references[number]
        if known := self._finished.get(number):
            given = known.point
        return number, draw(self._study, self._space, self._config, given)

    def _check_some_succeeded(self) -> None:
        failed = [e for e in self._finished.values() if e.status == "failed"]
        if failed and len(failed) == len(self._finished):
            raise AxdseError(
                "a search needs a trial that does not fail",
                f"all {len(failed)} failed, {failed[0].design} as {failed[0].reason}",
                "remove the cause and start another run",
            )


def _evaluation(outcome: Outcome[Trial]) -> Evaluation:
    trial = outcome.job
    if isinstance(outcome.result, Evaluation):
        # A worker elsewhere has families of its own copy of a catalogue, which equal none here.
        return dataclasses.replace(outcome.result, point=trial.point, seconds=outcome.seconds)
    return Evaluation(
        trial.number, trial.point, "failed", outcome.failure, seconds=outcome.seconds
    )


def _spends(evaluation: Evaluation) -> bool:
    """Whether a trial counts against the budget: it was trained, or is a design that fails."""
    trained = evaluation.history is not None and evaluation.equal is None
    return trained or evaluation.status == "failed"


def _note(evaluation: Evaluation, config: SearchConfig, goal: Goal) -> str:
    """A few words such as `drum(n=8,k=4) in int8: 84.3 %, 1,780 um2`."""
    if evaluation.status != "complete":
        return f"{evaluation.design}: {evaluation.status}"
    score = score_of(evaluation)
    measured = Measured(score, evaluation.cost)
    figures = [objective.text(objective.of(measured)) for objective in config.costs[:1]]
    return f"{evaluation.design}: {', '.join((goal.text(score), *figures))}"
