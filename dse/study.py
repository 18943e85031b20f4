"""The Optuna side of a search: sampler, storage, and putting a killed run back in order."""

from pathlib import Path

import optuna
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.study import Study
from optuna.trial import TrialState

from axdse.dse.config import SearchConfig
from axdse.dse.evaluation import Evaluation
from axdse.dse.pareto import losses
from axdse.dse.run_dir import RunDir
from axdse.dse.space import Space

# The default of 50 would be as many as all trials of a usual search: one random generation.
NSGA2_POPULATION = 12


class _RunFolderLock(JournalFileOpenLock):
    """No lock of its own: one process holds the run folder, and a kill leaves nothing stale.

    Appending makes a journal where there is none: not in a folder that is no longer this run's.
    """

    def __init__(self, run: RunDir) -> None:
        super().__init__(str(run.journal))
        self._run = run

    def acquire(self) -> bool:
        self._run.require_folder()
        return True

    def release(self) -> None:
        return


def open_study(run: RunDir, space: Space) -> Study:
    """Open the run's study: exact cores come first, then what was running when it was killed."""
    run.require_folder()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    _mend(run.journal)
    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(run.journal), _RunFolderLock(run))),
        study_name="search",
        directions=["minimize"] * len(run.config.objectives),
        sampler=_sampler(run.config, len(run.evaluations)),
        load_if_exists=True,
    )
    for candidate in space.references():
        study.enqueue_trial(space.parameters(candidate), skip_if_exists=True)
    _reap(study, run)
    return study


def tell(study: Study, evaluation: Evaluation, config: SearchConfig) -> None:
    """Finish a trial. Whatever taught nothing new counts as bad, so that TPE looks elsewhere."""
    accuracy, cost = evaluation.validation_accuracy, evaluation.cost
    if evaluation.status == "complete" and cost and accuracy is not None:
        study.tell(evaluation.number, losses(config.objectives, accuracy, cost))
    else:
        study.tell(evaluation.number, state=TrialState.PRUNED)


def _sampler(config: SearchConfig, finished: int) -> BaseSampler:
    # A resumed search must not draw again what the same seed drew at the start.
    seed = config.seed + finished
    if config.sampler == "random":
        return RandomSampler(seed=seed)
    if config.sampler == "nsga2":
        return NSGAIISampler(population_size=NSGA2_POPULATION, seed=seed)
    return TPESampler(seed=seed)


def _mend(journal: Path) -> None:
    """Cut off a line that a kill left half-written; the next one would be glued to it."""
    if journal.exists():
        data = journal.read_bytes()
        with journal.open("r+b") as file:
            file.truncate(data.rfind(b"\n") + 1)


def _reap(study: Study, run: RunDir) -> None:
    """Finish trials that a kill left running; one without a stored result is tried again."""
    stored = {evaluation.number: evaluation for evaluation in run.evaluations}
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if trial.number in stored:
            tell(study, stored[trial.number], run.config)
            continue
        if trial.params:
            study.enqueue_trial(trial.params)
        study.tell(trial.number, state=TrialState.FAIL)
