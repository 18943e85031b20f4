"""The search: Optuna proposes, workers evaluate, and only this process writes."""

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path

from optuna.study import Study
from optuna.trial import TrialState

from axdse.dse.config import SearchConfig
from axdse.dse.evaluate import Hurdle, Trial
from axdse.dse.evaluation import Baseline, Evaluation
from axdse.dse.finalists import finish
from axdse.dse.pareto import losses, no_worse
from axdse.dse.progress import Progress, Unwatched
from axdse.dse.recost import recost
from axdse.dse.replicates import ceiling, floor, train_baselines
from axdse.dse.run_dir import RunDir, locked
from axdse.dse.space import Space, space_of
from axdse.dse.study import open_study, tell
from axdse.dse.train import History
from axdse.dse.workers import Outcome, Workers, cores
from axdse.flows.cost.record import Cost
from axdse.flows.liberty.library import read_library
from axdse.multipliers.candidate import Candidate
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.recording_file import load_recording

# What may differ when a run is resumed: it changes how much is done, not what.
RESUMABLE = ("trials", "workers")
PATIENCE = 20


def run_search(
    config: SearchConfig,
    run_path: Path,
    *,
    resume: bool = False,
    trials: int | None = None,
    timeout_s: float | None = None,
    seed: int | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> RunDir:
    """Train baselines, search, retrain the front; leave everything in the run folder.

    Ctrl-C raises KeyboardInterrupt after ending the workers; that, or kill -9, loses nothing
    but running trainings. With one worker the result depends on the configuration alone.

    Args:
        config: what to search.
        run_path: the run folder.
        resume: go on with the run in that folder, if there is one.
        trials: finished trials in all, instead of the configuration's.
        timeout_s: start no trial later than this; the front is retrained all the same.
        seed: instead of the configuration's.
        workers: processes, instead of the configuration's.
        progress: is told of every step.

    Raises:
        AxdseError: the folder is in use, not writable or of another search, or a baseline or a
            finalist cannot be trained.
    """
    deadline = time.monotonic() + timeout_s if timeout_s is not None else float("inf")
    config = dataclasses.replace(
        config,
        trials=trials or config.trials,
        seed=config.seed if seed is None else seed,
        workers=workers or config.workers,
    )
    watcher = progress or Unwatched()
    _check_power(config)
    try:
        with locked(run_path), Workers(config.workers or cores()) as pool:
            run = open_run(run_path, config, resume=resume)
            baselines = train_baselines(run, pool, watcher)
            _check_operands(run)
            recost(run, pool, watcher)
            Search(run, baselines, watcher).go(pool, deadline)
            finish(run, pool, watcher)
    except OSError as error:
        raise AxdseError(
            "a search needs a writable run folder and room in it",
            error,
            "put that right, then continue with --resume",
        ) from error
    return run


def _check_power(config: SearchConfig) -> None:
    lacks = read_library(config.library).lacks
    if "energy" in config.objectives and lacks:
        raise AxdseError(
            "the objective energy takes a library with power tables",
            f"{config.library} lacks {lacks}",
            "choose another library, or area and delay as objectives",
        )


def _check_operands(run: RunDir) -> None:
    config = run.config
    remedy = "delete that file and --resume"
    try:
        found = load_recording(run.operands).workload
    except AxdseError as error:
        rule = "files of a run must be readable as written"
        raise AxdseError(rule, run.operands, remedy) from error
    if found != f"{config.workload} on {config.dataset}":
        rule = "the recorded operands of a run are of its own training"
        raise AxdseError(rule, f"{run.operands} is of {found}", remedy)


def open_run(path: Path, config: SearchConfig, *, resume: bool) -> RunDir:
    """Create the run, or open it to go on.

    Raises:
        AxdseError: the folder holds a run and `resume` is not set, or a run of another search.
    """
    if not resume or not (path / "run.json").exists():
        return RunDir.create(path, config)
    run = RunDir(path)
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

    Args:
        run: the folder; its finished trials are taken into account.
        baselines: their best validation accuracy is the ceiling.
        progress: is told of every trial.
    """

    def __init__(self, run: RunDir, baselines: tuple[Baseline, ...], progress: Progress) -> None:
        self._run = run
        self._config = run.config
        self._progress = progress
        self._space: Space = space_of(run.config)
        self._study: Study = open_study(run, self._space)
        self._evaluations = list(run.evaluations)
        self._waiting: dict[str, list[int]] = {}
        self._baselines = baselines

    def go(self, workers: Workers, deadline: float = float("inf")) -> None:
        """Evaluate until the requested number of trials is finished, or the deadline is past."""
        done = len(self._evaluations)
        self._progress.begin("trials", max(self._config.trials, done), done)
        for outcome in workers.run(self._draw(deadline), self._hurdle_at):
            self._record(_evaluation(outcome))

    def _draw(self, deadline: float) -> Iterator[Trial]:
        """Candidates to evaluate; those known already, or being evaluated, are not yielded."""
        while self._finished_or_running < self._config.trials and time.monotonic() < deadline:
            number, candidate = self._fresh()
            earlier = self._earlier(candidate)
            if earlier:
                self._record(_repeat(number, earlier))
            elif candidate.name in self._waiting:
                self._waiting[candidate.name].append(number)
            else:
                self._waiting[candidate.name] = []
                yield Trial(number, candidate, self._config, self._run.operands)

    def _fresh(self) -> tuple[int, Candidate]:
        """Ask for a candidate; a sampler that repeats itself is asked again, a few times."""
        self._run.require_folder()
        trial, attempts = self._study.ask(), 1
        candidate = self._space.suggest(trial)
        while attempts < PATIENCE and self._known(candidate):
            self._study.tell(trial, state=TrialState.PRUNED)
            trial, attempts = self._study.ask(), attempts + 1
            candidate = self._space.suggest(trial)
        return trial.number, candidate

    def _known(self, candidate: Candidate) -> bool:
        return candidate.name in self._waiting or self._earlier(candidate) is not None

    @property
    def _finished_or_running(self) -> int:
        running = sum(1 + len(numbers) for numbers in self._waiting.values())
        return len(self._evaluations) + running

    def _earlier(self, candidate: Candidate) -> Evaluation | None:
        """What is known of a candidate; a failure may have been the machine's, so try again."""
        known = (e for e in self._evaluations if e.status not in ("failed", "repeated"))
        return next((e for e in known if e.design == candidate.name), None)

    def _record(self, evaluation: Evaluation) -> None:
        """File first, journal second: a trial that is told is never without its result."""
        self._run.save_evaluation(evaluation)
        tell(self._study, evaluation, self._config)
        self._evaluations.append(evaluation)
        self._progress.advance(_note(evaluation))
        for number in self._waiting.pop(evaluation.design, []):
            self._record(_repeat(number, evaluation))

    def _hurdle_at(self, cost: Cost) -> Hurdle:
        """The best rival that costs no more, and how much a training may still gain."""
        complete = [e for e in self._evaluations if e.status == "complete"]
        mine = losses(self._config.objectives, 1.0, cost)
        rivals = [e for e in complete if e.cost and no_worse(self._cost_only(e.cost), mine)]
        best = max(rivals, key=_accuracy, default=None)
        histories = [history for b in self._baselines for history in b.histories]
        histories += [e.history for e in complete if e.history]
        return Hurdle(
            rival=f"trial {best.number} ({best.design})" if best else "",
            accuracy=_accuracy(best) if best else 0.0,
            ceiling=ceiling(self._baselines),
            floor=floor(self._config, self._baselines),
            resolution=self._config.resolution,
            remaining_gains=_remaining_gains(histories, self._config.training.epochs),
        )

    def _cost_only(self, cost: Cost) -> tuple[float, ...]:
        return losses(self._config.objectives, 1.0, cost)


def _accuracy(evaluation: Evaluation) -> float:
    return evaluation.validation_accuracy or 0.0


def _evaluation(outcome: Outcome[Trial]) -> Evaluation:
    if isinstance(outcome.result, Evaluation):
        return dataclasses.replace(outcome.result, seconds=outcome.seconds)
    trial = outcome.job
    spec, number_format = trial.candidate.multiplier.spec, trial.candidate.format.name
    return Evaluation(
        trial.number, spec, number_format, "failed", outcome.failure, seconds=outcome.seconds
    )


def _repeat(number: int, earlier: Evaluation) -> Evaluation:
    reason = f"trial {earlier.number} was the same ({earlier.status})"
    return dataclasses.replace(
        earlier, number=number, status="repeated", reason=reason, seconds=0.0
    )


def _remaining_gains(histories: list[History], epochs: int) -> tuple[float, ...]:
    """Per epoch, the most that a finished training gained from there to its end."""
    finished = [h for h in histories if len(h.epochs) == epochs]
    return tuple(
        max(
            (h.validation_accuracy - h.epochs[epoch].validation_accuracy for h in finished),
            default=1.0,
        )
        for epoch in range(epochs)
    )


def _note(evaluation: Evaluation) -> str:
    """A few words such as `drum(n=8,k=4) in int8: 84.3 %, 1780 um2`."""
    if evaluation.status == "complete" and evaluation.cost:
        area = evaluation.cost.area_um2
        return f"{evaluation.design}: {100 * _accuracy(evaluation):.1f} %, {area:.0f} um2"
    return f"{evaluation.design}: {evaluation.status}"
