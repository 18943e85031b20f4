"""What is drawn next? It depends on the seed, the number and what was told.

The study lives in memory and is made again from the trials of the run, which are the truth. So a
kill leaves nothing to mend, and what it interrupted is drawn again, the same by the same number.
"""

import importlib
from collections.abc import Sequence

import numpy as np
import optuna
from optuna.samplers import (
    BaseSampler,
    GPSampler,
    NSGAIISampler,
    RandomSampler,
    TPESampler,
)
from optuna.storages import BaseStorage
from optuna.study import Study, StudyDirection
from optuna.trial import TrialState

from axdse.dse.run.config import SearchConfig
from axdse.dse.run.evaluation import Evaluation
from axdse.dse.run.objectives import Measured, losses
from axdse.dse.search.space import Space
from axdse.multipliers.designs.design_point import DesignPoint
from axdse.multipliers.errors import AxdseError

# The default of 50 would be as many as all trials of a usual search: one random generation.
NSGA2_POPULATION = 12


def open_study(
    directions: Sequence[StudyDirection],
    storage: BaseStorage | None = None,
    name: str | None = None,
) -> Study:
    """A study in memory, or in a storage; Optuna's own lines would break those of progress."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(
        directions=directions, storage=storage, study_name=name, load_if_exists=True
    )


def new_study(config: SearchConfig) -> Study:
    """An empty study."""
    return open_study([StudyDirection.MINIMIZE] * len(config.objectives))


def next_number(study: Study) -> int:
    """The number of the trial that is drawn next."""
    return len(study.get_trials(deepcopy=False))


def draw(
    study: Study, space: Space, config: SearchConfig, given: DesignPoint | None = None
) -> DesignPoint:
    """Draw the next trial, with a sampler of its own; `given`: it is known what it was."""
    study.sampler = _sampler(config, next_number(study))
    if given:
        study.enqueue_trial(space.parameters(given))
    return space.suggest(study.ask())


def discard(study: Study, number: int) -> None:
    """Finish a trial that taught nothing new: it counts as bad, so that TPE looks elsewhere."""
    study.tell(number, state=TrialState.PRUNED)


def tell(study: Study, evaluation: Evaluation, config: SearchConfig) -> None:
    """Finish a trial."""
    score = evaluation.validation_score
    if evaluation.trained and score is not None:
        found = losses(config.objectives, Measured(score, evaluation.cost))
        study.tell(evaluation.number, found)
    else:
        discard(study, evaluation.number)


def _sampler(config: SearchConfig, number: int) -> BaseSampler:
    (seed,) = np.random.SeedSequence((config.seed, number)).generate_state(1)
    if config.sampler == "random":
        return RandomSampler(seed=int(seed))
    if config.sampler == "nsga2":
        return NSGAIISampler(population_size=NSGA2_POPULATION, seed=int(seed))
    if config.sampler == "gp":
        return GPSampler(seed=int(seed))
    if ":" in config.sampler:
        return _foreign(config.sampler, int(seed))
    return TPESampler(seed=int(seed))


def _foreign(path: str, seed: int) -> BaseSampler:
    """A sampler of somebody's, made anew for each draw; it learns from the study."""
    rule = "a sampler by its path is a class of Optuna samplers that takes a seed"
    module, _, name = path.partition(":")
    try:
        sampler = getattr(importlib.import_module(module), name)(seed=seed)
    except (ImportError, AttributeError, TypeError) as error:
        remedy = (
            "write for example optunahub_sampler.mine:Sampler, of a module that can be imported"
        )
        raise AxdseError(rule, f"{path}: {error}", remedy) from error
    if not isinstance(sampler, BaseSampler):
        raise AxdseError(
            rule, f"{path} is a {type(sampler).__name__}", "derive it from BaseSampler"
        )
    return sampler
