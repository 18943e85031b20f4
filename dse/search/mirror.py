"""Where can others watch a search? In an Optuna study, made of the trials as they end.

The run folder is the truth and nothing is read back, so that a study may be opened, changed or
deleted by anybody: `study.journal` in the run folder is made again when the search goes on, and of
a database only what it lacks is written. optuna-dashboard opens both.
"""

import logging
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.exceptions import ExperimentalWarning, OptunaError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage, get_storage
from optuna.storages.journal import JournalFileBackend
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from axdse.dse.run.evaluation import Evaluation
from axdse.dse.run.objectives import Measured, Objective
from axdse.dse.run.run_dir import RunDir
from axdse.dse.search.space import Space, Summed
from axdse.dse.search.study import open_study
from axdse.dse.training.records import Goal
from axdse.multipliers.designs.design_point import DesignPoint
from axdse.multipliers.errors import AxdseError

JOURNAL = "study.journal"
MAXIMIZE, MINIMIZE = StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE
STATES = {
    "complete": TrialState.COMPLETE,
    "dominated": TrialState.PRUNED,
    "useless": TrialState.FAIL,
    "infeasible": TrialState.PRUNED,
    "diverged": TrialState.FAIL,
    "failed": TrialState.FAIL,
}
# What a storage raises that is not there, not reachable any more, or no database at all.
FAILURES = (OptunaError, SQLAlchemyError, ImportError, OSError, ValueError)
log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Database:
    """A storage of Optuna's, opened.

    Attributes:
        storage: where studies are written.
        url: of it, without its password.
    """

    storage: BaseStorage
    url: str


def open_database(url: str) -> Database:
    """Open a database by a URL such as `postgresql://host/name`.

    Raises:
        AxdseError: it is not there, or no database, or its driver is missing.
    """
    with _refused():
        # A connection that a restart of the server cut is made again.
        storage = RDBStorage(url, engine_kwargs={"pool_pre_ping": True})
        shown = make_url(url).render_as_string(hide_password=True)
        return Database(get_storage(storage), shown)


@contextmanager
def _refused() -> Iterator[None]:
    try:
        yield
    except FAILURES as error:
        rule = "a mirror is a database that Optuna can write"
        reason = " ".join(str(error).split())[:200]
        remedy = "give a URL such as sqlite:///study.db, and install its driver"
        raise AxdseError(rule, reason, remedy) from error


class Mirror:
    """The studies of one run that others may watch.

    Args:
        run: whose trials they show.
        space: that the trials are drawn from.
        database: to show them in, beside the run's own journal.

    Raises:
        AxdseError: the database cannot be written, or holds another run's study of that name.
    """

    def __init__(self, run: RunDir, space: Space, database: Database | None = None) -> None:
        self._objectives, self._goal = run.config.objectives, run.info.goal
        self._space, self._distributions = space, _distributions(space)
        journal = run.path / JOURNAL
        journal.unlink(missing_ok=True)
        # Each with the numbers of the trials in it.
        own = self._study(run, JournalStorage(JournalFileBackend(str(journal))))
        self._studies: dict[Study, set[int]] = {own: set()}
        if database:
            with _refused():
                study = self._study(run, database.storage)
                made = study.user_attrs.get("created")
                trials = study.get_trials(deepcopy=False)
            if made != run.info.date:
                rule = "a study of a mirror is of one run"
                what = f"{study.study_name} in {database.url} is of another"
                raise AxdseError(rule, what, "rename the run folder, or give another database")
            # Others may have added some of their own, which have none.
            self._studies[study] = {trial.user_attrs.get("number", -1) for trial in trials}

    def show(self, evaluations: Iterable[Evaluation]) -> None:
        """Write trials that are not there yet; a storage that fails is left alone from then on."""
        told = tuple(evaluations)
        for study, shown in tuple(self._studies.items()):
            new = [each for each in told if each.number not in shown]
            try:
                study.add_trials([self._trial(each) for each in new])
            except FAILURES as error:
                log.warning("not mirrored any more: %s", " ".join(str(error).split()))
                del self._studies[study]
            shown |= {each.number for each in new}

    def _study(self, run: RunDir, storage: BaseStorage) -> Study:
        directions = [_direction(each, self._goal) for each in self._objectives]
        study = open_study(directions, storage, run.path.resolve().name)
        if not study.user_attrs:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)  # since 3.2
                study.set_metric_names([_name(each, self._goal) for each in self._objectives])
            study.set_user_attr("created", run.info.date)
            study.set_user_attr("axdse", run.info.axdse)
            study.set_user_attr("workload", run.config.own_workload.text)
        return study

    def _trial(self, evaluation: Evaluation) -> FrozenTrial:
        state, cost = STATES[evaluation.status], evaluation.cost
        score, values = evaluation.validation_score, None
        if state is TrialState.COMPLETE and score is not None:
            measured = Measured(score, cost)
            values = [_value(each, measured, self._goal) for each in self._objectives]
        known = {
            "number": evaluation.number,
            "design": evaluation.design,
            "status": evaluation.status,
            "reason": evaluation.reason,
            "seconds": round(evaluation.seconds, 3),
        }
        if cost:
            known |= {"area_um2": cost.area_um2, "delay_ns": cost.delay_ns}
            known |= {} if cost.energy_fj is None else {"energy_fj": cost.energy_fj}
        if score is not None:
            known[self._goal.name] = self._goal.score(score)
        drawn = _parameters(self._space, evaluation.point)
        trial = create_trial(
            state=state,
            values=values,
            params=drawn,
            distributions={name: self._distributions[name] for name in drawn},
            user_attrs=known,
        )
        trial.datetime_complete = datetime.now()
        trial.datetime_start = trial.datetime_complete - timedelta(seconds=evaluation.seconds)
        return trial


def _is_score(objective: Objective) -> bool:
    return objective.level == "network"


def _name(objective: Objective, goal: Goal) -> str:
    named = goal if _is_score(objective) else objective
    name, unit = named.name, named.unit
    return f"{name} ({unit})" if unit else name


def _direction(objective: Objective, goal: Goal) -> StudyDirection:
    """Its natural one: a loss falls, whatever a score does."""
    if _is_score(objective):
        return MAXIMIZE if goal.direction == "higher" else MINIMIZE
    return MAXIMIZE if objective.direction == "maximise" else MINIMIZE


def _value(objective: Objective, measured: Measured, goal: Goal) -> float:
    value = objective.of(measured)
    return goal.score(value) if _is_score(objective) else value


def _prefixes(space: Space) -> list[str]:
    """What the names of parameters begin with: their place, if there is more than one."""
    return [f"{place.name}: " if len(space.places) > 1 else "" for place in space.places]


def _parameters(space: Space, point: DesignPoint) -> dict[str, str | int]:
    """Of the MAC of each place."""
    drawn: dict[str, str | int] = {}
    for prefix, mac in zip(_prefixes(space), space.macs_of(point), strict=True):
        if mac is None:
            continue
        family = mac.multiplier.family
        drawn |= {f"{prefix}format": Summed.of(mac).name, f"{prefix}family": family.name}
        for name, value in mac.multiplier.values:
            if name != family.width:
                drawn[f"{prefix}{family.name}.{name}"] = value
    return drawn


def _distributions(space: Space) -> dict[str, BaseDistribution]:
    """Of each parameter the widest: those of a name must agree among trials."""
    ranges: dict[str, tuple[int, int]] = {}
    for mac in space.macs():
        for name, value in mac.multiplier.values:
            key = f"{mac.multiplier.family.name}.{name}"
            low, high = ranges.get(key, (value, value))
            ranges[key] = min(low, value), max(high, value)
    of_a_mac: dict[str, BaseDistribution] = {
        "format": CategoricalDistribution([each.name for each in space.formats]),
        "family": CategoricalDistribution([each.name for each in space.families]),
        **{key: IntDistribution(low, high) for key, (low, high) in ranges.items()},
    }
    return {p + name: each for p in _prefixes(space) for name, each in of_a_mac.items()}
