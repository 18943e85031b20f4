"""Whole searches, small but real: what is recorded, what is spared, what is repeatable."""

import errno
import math
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from statistics import fmean

import optuna
import pytest
import torch
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from axdse.dse.report.summary import mac_figures
from axdse.dse.run.config import SearchConfig
from axdse.dse.run.objectives import Measured, losses, no_worse
from axdse.dse.run.run_dir import RunDir
from axdse.dse.search.mirror import JOURNAL
from axdse.dse.search.progress import View
from axdse.dse.search.search import run_search
from axdse.dse.search.space import space_of
from axdse.dse.search.survey import BATCH
from axdse.flows.liberty.library import OSU018
from axdse.flows.power.recorded_source import Recorded
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.operands.recording_file import load_recording, save_recording

Make = Callable[..., SearchConfig]
# A search of two candidates, of which the second is refused: its products do not fit.
OVERSHOOTING = ("families: drum", "ranges: {drum: {k: 2}}", "formats: int8", "trials: 2")


class Watcher:
    """Keeps what it was told."""

    def __init__(self, act: Callable[[str], None] = lambda phase: None) -> None:
        self.phases: list[tuple[str, int, int]] = []
        self.notes: list[str] = []
        self.views: list[View] = []
        self._act = act

    def begin(self, phase: str, total: int, done: int) -> None:
        self.phases.append((phase, total, done))

    def advance(self, note: str, steps: int = 1) -> None:
        self.notes.append(note)
        self._act(self.phases[-1][0])

    def show(self, view: View) -> None:
        self.views.append(view)


def outline(run: RunDir) -> list[tuple[object, ...]]:
    return [(e.design, e.status, e.reason, e.validation_score) for e in run.results().evaluations]


Finished = tuple[RunDir, Watcher]


@pytest.fixture(scope="module")
def finished(tiny_config: Make, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    watcher = Watcher()
    folder = tmp_path_factory.mktemp("search")
    return run_search(tiny_config(), folder, progress=watcher), watcher


def test_every_requested_trial_is_recorded(finished: Finished) -> None:
    run, _ = finished
    assert len(run.results().evaluations) == run.config.trials
    assert {e.status for e in run.results().evaluations} <= {"complete", "dominated"}
    assert [e.design for e in run.results().evaluations[:2]] == [
        c.name for c in space_of(run.config).references()
    ]


def test_a_family_that_serves_no_format_is_refused_before_anything(
    tiny_config: Make, tmp_path: Path
) -> None:
    config = tiny_config("families: mitchell", "formats: int8")
    with pytest.raises(AxdseError, match="able to serve one of the formats: mitchell in int8"):
        run_search(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_only_verified_candidates_are_costed(finished: Finished) -> None:
    run, _ = finished
    assert all(
        e.certificates and all(c.passed for c in e.certificates)
        for e in run.results().evaluations
        if e.cost
    )


def test_baselines_and_finalists_share_their_fresh_seeds(finished: Finished) -> None:
    run, _ = finished
    assert [baseline.name for baseline in run.results().baselines] == ["fp32", "bf16"]
    assert {b.seeds for b in run.results().baselines} | {p.seeds for p in run.results().front} == {
        (1, 2, 3)
    }
    assert all(
        len(p.test) == len(p.validation) == len(p.histories) == 3 for p in run.results().front
    )


def test_no_finalist_on_the_front_is_dominated(finished: Finished) -> None:
    run, _ = finished
    assert all(point.certified for point in run.results().front)
    vectors = {
        losses(
            run.config.objectives, Measured(fmean(point.validation), point.evaluation.cost)
        ): point
        for point in run.results().front
        if point.evaluation.cost
    }
    for vector, point in vectors.items():
        beaten = any(other != vector and no_worse(other, vector) for other in vectors)
        assert point.on_front is not beaten


def test_exact_cores_are_finalists_whatever_happens(finished: Finished) -> None:
    run, _ = finished
    exact = {point.evaluation.point.macs[0].multiplier.spec for point in run.results().front} & {
        "exact(n=3)",
        "exact(n=4)",
    }
    assert exact == {"exact(n=3)", "exact(n=4)"}


def test_progress_knows_the_total_of_each_phase(finished: Finished) -> None:
    run, watcher = finished
    results = run.results()
    macs = len(list(space_of(run.config).macs()))
    assert watcher.phases[:4] == [
        ("baselines", 8, 0),
        ("MACs surveyed", macs, 0),
        ("exact cores costed", 2, 0),
        ("trainings", run.config.trainings, 0),
    ]
    rounds = watcher.phases[4:-1]
    assert [phase for phase, _, _ in rounds] == ["finalists, 2 seeds", "finalists, 3 seeds"]
    assert watcher.phases[-1] == ("finalists verified", 2 * len(results.front), 0)
    retrained = [len(each.seeds) for each in (*results.front, *results.stopped)]
    batches, trials = math.ceil(macs / BATCH), len(results.evaluations)
    trained = 8 + sum(retrained)
    assert len(watcher.notes) == trained + batches + 2 + trials + 2 * len(results.front)


def test_macs_are_surveyed_before_any_is_trained(finished: Finished) -> None:
    run, _ = finished
    survey = run.survey()
    assert survey is not None
    assert [each.mac for each in survey.macs] == [mac.name for mac in space_of(run.config).macs()]
    areas = {each.mac: each.area_um2 for each in survey.macs}
    for evaluation in run.results().evaluations:
        assert evaluation.cost is not None
        assert areas[evaluation.design] == pytest.approx(evaluation.cost.area_um2, rel=0.1)
    exact = {each.mac: each for each in survey.macs if each.mac.startswith("exact")}
    # Whatever else a place does to products, more fraction bits do less.
    wide, narrow = (exact[f"exact(n={n}) in float(8,{n - 1})"].harms for n in (4, 3))
    assert all(0 < a.error < b.error for a, b in zip(wide, narrow, strict=True))


def test_what_computes_alike_is_trained_once(finished: Finished) -> None:
    """mitchell(m=2) is exact(n=3): the products of float(8,2) are few."""
    run, _ = finished
    survey = run.survey()
    assert survey is not None
    tables = {each.mac: each.table for each in survey.macs}
    found = run.results().evaluations
    trained = [tables[e.design] for e in found if e.history and e.equal is None]
    assert len(trained) == len({*trained})
    for evaluation in found:
        if evaluation.equal is not None:
            other = next(e for e in found if e.number == evaluation.equal)
            assert tables[other.design] == tables[evaluation.design]
            assert other.history == evaluation.history


def test_progress_shows_what_is_found_after_each_trial(finished: Finished) -> None:
    run, watcher = finished
    trials = run.results().evaluations
    assert len(watcher.views) == len(trials)
    assert watcher.views[-1].running == 0
    assert all(view.running < 2 for view in watcher.views)
    shares = [view.share for view in watcher.views if not math.isnan(view.share)]
    assert shares == sorted(shares)


def test_a_finished_run_has_nothing_left_to_do(finished: Finished) -> None:
    run, _ = finished
    before, front = outline(run), run.results().front
    run_search(run.config, run.path, resume=True)
    assert (outline(run), run.results().front) == (before, front)
    storage = JournalStorage(JournalFileBackend(str(run.path / JOURNAL)))
    shown = optuna.load_study(study_name=run.path.name, storage=storage).trials
    assert [trial.user_attrs["design"] for trial in shown] == [row[0] for row in before]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("objectives: [accuracy, delay]", "objectives was .* is now"),
        ("seed: 5", "seed was 0, is now 5"),
        ("training: {epochs: 2, train_images: 500}", "training was"),
        ("families: all", "families was"),
    ],
)
def test_resuming_another_search_is_refused(
    finished: Finished, tiny_config: Make, line: str, message: str
) -> None:
    run, _ = finished
    with pytest.raises(AxdseError, match=message):
        run_search(tiny_config(line), run.path, resume=True)


def test_a_run_is_not_overwritten(finished: Finished, tiny_config: Make) -> None:
    run, _ = finished
    with pytest.raises(AxdseError, match="continue a run with --resume"):
        run_search(tiny_config(), run.path)


def test_energy_is_that_of_the_operands_of_the_run(finished: Finished) -> None:
    run, _ = finished
    recording = load_recording(run.operands)
    assert recording.workload == "lenet-300-100(dataset=fashion-mnist-14k)"
    recorded = {
        e.cost.units[0].recorded.activity_digest for e in run.results().evaluations if e.cost
    }  # type: ignore[union-attr]
    assert recorded == {Recorded(recording, "operands.npz").digest}
    for point in run.results().front:
        assert point.on_array is not None
        layers = [(layer.layer, layer.product) for layer in point.on_array.layers]
        assert layers == list(dict.fromkeys((t.layer, t.product) for t in recording.traces))
        figures = mac_figures(point.on_array)
        assert figures is not None
        assert figures.training_fj > 0
        assert figures.uniform_error != 0


def test_recorded_operands_that_vanish_are_recorded_again(
    finished: Finished, tiny_config: Make
) -> None:
    run, _ = finished
    before = load_recording(run.operands).digest
    run.operands.unlink()
    run_search(tiny_config(), run.path, resume=True)
    assert load_recording(run.operands).digest == before


@pytest.mark.parametrize("damage", ["cut", "foreign"])
def test_recorded_operands_that_are_not_the_runs_are_refused(
    damage: str, finished: Finished, tiny_config: Make
) -> None:
    run, _ = finished
    kept = run.operands.read_bytes()
    try:
        if damage == "cut":
            run.operands.write_bytes(kept[:1000])
        else:
            recording = replace(load_recording(run.operands), workload="lenet-5 on images")
            save_recording(recording, run.operands)
        with pytest.raises(AxdseError, match="delete that file and --resume"):
            run_search(tiny_config(), run.path, resume=True)
    finally:
        run.operands.write_bytes(kept)


def test_a_front_never_mixes_costs_of_two_bases(finished: Finished, tiny_config: Make) -> None:
    run, _ = finished
    before = run.results().evaluations
    old = before[1]
    assert old.cost is not None
    units = tuple(replace(unit, basis="another", area_um2=1.0) for unit in old.cost.units)
    run.save_evaluation(replace(old, cost=replace(old.cost, units=units)))
    watcher = Watcher()
    run_search(tiny_config(), run.path, resume=True, progress=watcher)
    assert ("new costs", 1, 0) in watcher.phases
    assert run.results().evaluations == before


@pytest.mark.slow
def test_designs_that_miss_the_clock_are_not_trained(tiny_config: Make, tmp_path: Path) -> None:
    lines = ("clock_ns: 1.7", "activity: uniform", 'formats: ["float(8,2)"]', "trials: 4")
    run = run_search(tiny_config(*lines), tmp_path)
    late = [e for e in run.results().evaluations if e.status == "infeasible"]
    assert late
    assert all(e.history is None and "misses the clock of 1.7 ns" in e.reason for e in late)
    in_time = [e.cost for e in run.results().evaluations if e.status in ("complete", "dominated")]
    assert all(cost and cost.delay_ns <= 1.7 and cost.recorded_fj is None for cost in in_time)


@pytest.mark.slow
def test_energy_as_an_objective_ranks_the_front(tiny_config: Make, tmp_path: Path) -> None:
    objectives = "objectives: [accuracy, energy]"
    run = run_search(tiny_config(objectives, 'formats: ["float(8,2)"]', "trials: 3"), tmp_path)
    front = [point for point in run.results().front if point.on_front]
    energies = [p.evaluation.cost.recorded_fj for p in front]  # type: ignore[union-attr]
    accuracies = [fmean(p.validation) for p in front]
    assert sorted(range(len(front)), key=lambda i: energies[i]) == sorted(
        range(len(front)), key=lambda i: accuracies[i]
    )


def test_energy_takes_a_library_with_power(tiny_config: Make, tmp_path: Path) -> None:
    text = OSU018.read_text().replace("internal_power", "internal_area")
    (tmp_path / "still.lib").write_text(text)
    config = tiny_config("objectives: [accuracy, energy]", "library: still.lib", folder=tmp_path)
    with pytest.raises(AxdseError, match="the objective energy takes a library with power"):
        run_search(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_failures_are_recorded_and_the_search_goes_on(tiny_config: Make, tmp_path: Path) -> None:
    run = run_search(tiny_config(*OVERSHOOTING), tmp_path)
    assert [e.status for e in run.results().evaluations] == ["complete", "failed"]
    assert "int8 products must fit 16 signed bits" in run.results().evaluations[1].reason


@pytest.fixture
def begun(finished: Finished, tmp_path: Path) -> RunDir:
    """A run that has its baselines and nothing else."""
    folder = tmp_path / "begun"
    shutil.copytree(finished[0].path, folder)
    for path in (*folder.glob("trials/*.json"), *folder.glob("front*")):
        path.unlink()
    return RunDir(folder)


def test_killed_workers_lose_no_trial(begun: RunDir) -> None:
    victims: list[BaseProcess] = []

    def kill_once(phase: str) -> None:
        if phase == "trainings" and not victims:
            victims.extend(multiprocessing.active_children())
            for victim in victims:
                victim.kill()

    run = run_search(begun.config, begun.path, resume=True, progress=Watcher(kill_once))
    assert victims
    assert len(run.results().evaluations) == run.config.trials
    assert {e.status for e in run.results().evaluations} <= {"complete", "dominated"}
    assert run.results().front


@pytest.fixture
def one_core() -> Iterator[None]:
    """A worker that owns both cores waits for its own threads when others want them too."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    yield
    os.sched_setaffinity(0, cores)


@pytest.mark.slow
@pytest.mark.usefixtures("one_core")
def test_one_worker_and_a_seed_repeat_exactly(tiny_config: Make, tmp_path: Path) -> None:
    config = tiny_config("workers: 1", "seed: 3", "trials: 3", 'formats: ["float(8,2)"]')
    first, second = (run_search(config, tmp_path / name) for name in "ab")
    assert outline(first) == outline(second)
    assert [p.validation for p in first.results().front] == [
        p.validation for p in second.results().front
    ]


def test_a_passed_deadline_starts_no_trial(begun: RunDir) -> None:
    run = run_search(begun.config, begun.path, resume=True, timeout_s=0.0)
    assert run.results().evaluations == ()
    assert len(run.results().baselines) == 2


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.EACCES, r"writable run folder.*--resume"),
        (
            errno.ENOSPC,
            r"No space left.*free some space there, then continue with --resume; nothing",
        ),
    ],
)
def test_a_run_folder_that_cannot_be_written_is_one_line(
    number: int, message: str, finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = finished

    def refuse(self: RunDir, config: SearchConfig) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(RunDir, "save_config", refuse)
    with pytest.raises(AxdseError, match=message):
        run_search(run.config, run.path, resume=True)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_refused_before_anything_is_made(
    tiny_config: Make, tmp_path: Path
) -> None:
    with pytest.raises(AxdseError, match=r"a CUDA device is there: cuda: torch finds 0; .*cpu"):
        run_search(tiny_config("device: cuda"), tmp_path / "run")
    assert not (tmp_path / "run").exists()
