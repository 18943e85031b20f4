"""A search that others watch: what Optuna, and so optuna-dashboard, reads of it."""

import dataclasses
import logging
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import Study, StudyDirection
from optuna.trial import TrialState
from postgres import MISSING, PROGRAMS, Server, postgres

from axdse.dse.run.config import SearchConfig
from axdse.dse.run.evaluation import Evaluation
from axdse.dse.run.run_dir import RunDir
from axdse.dse.search.mirror import JOURNAL, Mirror, open_database
from axdse.dse.search.search import run_search
from axdse.dse.search.space import space_of
from axdse.dse.training.records import Goal
from axdse.multipliers.designs.design_point import parse_design_point
from axdse.multipliers.errors import AxdseError

Make = Callable[..., SearchConfig]
LOW, HIGH = StudyDirection.MINIMIZE, StudyDirection.MAXIMIZE


@pytest.fixture
def run(finished_run: RunDir, tmp_path: Path) -> RunDir:
    """A run without trials, of the finished run's configuration."""
    return RunDir.create(tmp_path / "shown", finished_run.config)


@pytest.fixture
def evaluations(finished_run: RunDir) -> tuple[Evaluation, ...]:
    return finished_run.results().evaluations


def mirror(run: RunDir, url: str | None = None) -> Mirror:
    return Mirror(run, space_of(run.config), open_database(url) if url else None)


def journal(run: RunDir) -> Study:
    storage = JournalStorage(JournalFileBackend(str(run.path / JOURNAL)))
    return optuna.load_study(study_name="shown", storage=storage)


def test_the_journal_says_what_was_tried(run: RunDir, evaluations: tuple[Evaluation, ...]) -> None:
    mirror(run).show(evaluations)
    study = journal(run)
    assert study.metric_names == ["accuracy", "area (um2)"]
    assert study.directions == [HIGH, LOW]
    first, *_ = trials = study.trials
    assert [trial.user_attrs["design"] for trial in trials] == [e.design for e in evaluations]
    assert [trial.user_attrs["status"] for trial in trials] == [e.status for e in evaluations]
    assert first.params == {"format": "float(8,3)", "family": "mitchell"}
    assert trials[1].params == {"format": "float(8,3)", "family": "drum", "drum.k": 3}
    assert evaluations[0].cost
    assert first.values == [evaluations[0].validation_score, evaluations[0].cost.area_um2]
    states = {e.status: trial.state for e, trial in zip(evaluations, trials, strict=True)}
    assert states["complete"] is TrialState.COMPLETE
    assert states["dominated"] is TrialState.PRUNED
    assert states["failed"] is states["diverged"] is states["useless"] is TrialState.FAIL


def test_a_loss_is_shown_as_it_falls(run: RunDir, evaluations: tuple[Evaluation, ...]) -> None:
    run.info = dataclasses.replace(run.info, goal=Goal("log10 MSE", "decades", "lower", 0.04))
    mirror(run).show(evaluations[:1])
    study = journal(run)
    assert study.metric_names == ["log10 MSE (decades)", "area (um2)"]
    assert study.directions == [LOW, LOW]
    score = evaluations[0].validation_score
    assert score is not None
    assert study.trials[0].values[0] == -score


def test_a_database_is_written_once(
    run: RunDir, evaluations: tuple[Evaluation, ...], tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    mirror(run, url).show(evaluations[:3])
    again = mirror(run, url)  # the search goes on
    again.show(evaluations[:4])
    again.show(evaluations)
    study = optuna.load_study(study_name="shown", storage=url)
    numbers = [trial.user_attrs["number"] for trial in study.trials]
    assert numbers == [e.number for e in evaluations]
    assert len(journal(run).trials) == len(evaluations)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    if not PROGRAMS:
        pytest.skip(MISSING)
    pytest.importorskip("psycopg")
    with postgres() as running:
        yield running


def test_postgresql_is_written_by_several_searches_and_survives_a_restart(
    run: RunDir, evaluations: tuple[Evaluation, ...], server: Server, tmp_path: Path
) -> None:
    other = RunDir.create(tmp_path / "other", run.config)
    both = [mirror(each, server.url) for each in (run, other)]
    for evaluation in evaluations[:4]:
        for each in both:
            each.show([evaluation])
    server.stop()
    server.start()
    for each in both:
        each.show(evaluations)
    mirror(run, server.url).show(evaluations)  # a search that goes on, with nothing left to do
    for name in ("shown", "other"):
        study = optuna.load_study(study_name=name, storage=server.url)
        assert study.metric_names == ["accuracy", "area (um2)"]
        assert [t.user_attrs["number"] for t in study.trials] == [e.number for e in evaluations]
        assert [t.params for t in study.trials] == [t.params for t in journal(run).trials]


def test_a_server_that_is_gone_stops_nothing(
    run: RunDir,
    evaluations: tuple[Evaluation, ...],
    server: Server,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    gone = RunDir.create(tmp_path / "gone", run.config)
    shown = mirror(gone, server.url)
    server.stop()
    with caplog.at_level(logging.WARNING):
        shown.show(evaluations)
    with pytest.raises(AxdseError, match="a mirror is a database that Optuna can write") as error:
        open_database(server.url)
    server.start()
    assert caplog.text.count("not mirrored any more") == 1
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("places", "text", "shown"),
    [
        (
            "per-pass",
            "*:forward=exact(n=8) in int8; *=drum(n=4,k=3) in float(8,3)",
            {
                "*:forward: format": "int8",
                "*:forward: family": "exact",
                "*:input_gradient: format": "float(8,3)",
                "*:input_gradient: family": "drum",
                "*:input_gradient: drum.k": 3,
                "*:weight_gradient: format": "float(8,3)",
                "*:weight_gradient: family": "drum",
                "*:weight_gradient: drum.k": 3,
            },
        ),
        (
            '["1", "*"]',
            "1=mitchell(m=3) in float(8,3); *=exact(n=4) in float(8,3)",
            {
                "1: format": "float(8,3)",
                "1: family": "mitchell",
                "*: format": "float(8,3)",
                "*: family": "exact",
            },
        ),
        (
            '["1", "*"]',
            "exact(n=4) in float(8,3)",
            {
                "1: format": "float(8,3)",
                "1: family": "exact",
                "*: format": "float(8,3)",
                "*: family": "exact",
            },
        ),
    ],
)
def test_each_place_has_its_parameters(
    places: str,
    text: str,
    shown: dict[str, object],
    run: RunDir,
    evaluations: tuple[Evaluation, ...],
    tiny_config: Make,
) -> None:
    lines = ('formats: ["float(8,3)", int8]', "families: [drum, mitchell]", f"places: {places}")
    run.config = tiny_config(*lines)
    mirror(run).show([dataclasses.replace(evaluations[0], point=parse_design_point(text))])
    assert journal(run).trials[0].params == shown


def test_a_study_of_another_run_is_left_alone(
    run: RunDir, finished_run: RunDir, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    mirror(run, url)
    other = RunDir.create(tmp_path / "elsewhere" / "shown", finished_run.config)
    other.info = dataclasses.replace(other.info, date="2000-01-01T00:00:00+00:00")
    with pytest.raises(AxdseError, match="a study of a mirror is of one run: shown in sqlite"):
        mirror(other, url)


@pytest.mark.parametrize(
    "url", ["nonsense", "sqlite:////no/such/folder/x.db", "postgresql://me:secret@127.0.0.1:1/x"]
)
def test_what_is_no_database_is_refused_before_anything_is_made(
    url: str, tiny_config: Make, tmp_path: Path
) -> None:
    with pytest.raises(AxdseError, match="a mirror is a database that Optuna can write") as error:
        run_search(tiny_config(), tmp_path / "run", mirror=url)
    assert not (tmp_path / "run").exists()
    assert "\n" not in str(error.value)
    assert "secret" not in str(error.value)


def test_a_database_that_cannot_be_written_is_one_line(run: RunDir, tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/study.db")
    with sqlite3.connect(tmp_path / "study.db") as opened:
        opened.execute("DROP TABLE studies")
    with pytest.raises(AxdseError, match="a mirror is a database that Optuna can write") as error:
        Mirror(run, space_of(run.config), database)
    assert "\n" not in str(error.value)


def test_a_database_that_goes_away_stops_nothing(
    run: RunDir,
    evaluations: tuple[Evaluation, ...],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    shown = mirror(run, f"sqlite:///{tmp_path}/study.db")
    shown.show(evaluations[:1])
    with sqlite3.connect(tmp_path / "study.db") as database:
        database.execute("DROP TABLE trials")
    with caplog.at_level(logging.WARNING):
        for evaluation in evaluations[1:]:
            shown.show([evaluation])
    assert caplog.text.count("not mirrored any more") == 1
    assert len(journal(run).trials) == len(evaluations)
