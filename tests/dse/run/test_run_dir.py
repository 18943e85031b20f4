"""The run folder: round trips, versions, what is not a run, one search at a time."""

import json
import math
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from mac_recordings import recording

from axdse.dse.jobs.workers import Workers
from axdse.dse.run.config import SearchConfig
from axdse.dse.run.evaluation import NATIVE, Baseline, Evaluation, Replicate
from axdse.dse.run.run_dir import FILES, FOLDERS, SCHEMA, Results, RunDir, locked
from axdse.dse.search import replicates as replicates_module
from axdse.dse.search.progress import Unwatched
from axdse.dse.training.records import Epoch, History
from axdse.multipliers.designs.design_point import parse_design_point
from axdse.multipliers.errors import AxdseError

Make = Callable[..., SearchConfig]
HISTORY = History((Epoch(1, 0.5, 0.8, 0.75, 1.0),), "finished", 3)
BF16 = parse_design_point("exact(n=8) in bf16")
POINT = parse_design_point("drum(n=8,k=4) in int8")
EVALUATION = Evaluation(7, POINT, "complete", history=HISTORY)


@pytest.fixture
def run(tiny_config: Make, tmp_path: Path) -> RunDir:
    return RunDir.create(tmp_path / "run", tiny_config())


def test_a_new_run_says_what_made_it(run: RunDir) -> None:
    assert run.info.schema == SCHEMA
    assert run.info.seed == run.config.seed
    assert any(tool.startswith("Yosys") for tool in run.info.tools)
    assert run.results() == Results((), (), ())


def test_results_read_back_equal(run: RunDir) -> None:
    baseline = Baseline("fp32", NATIVE, (1, 2), (0.8, 0.9), (0.7, 0.8), (HISTORY, HISTORY), 0.85)
    replicate = Replicate(NATIVE, 1, 0.8, 0.7, HISTORY)
    later = replace(EVALUATION, number=12)
    run.save_evaluation(later)
    run.save_evaluation(EVALUATION)
    run.save_baselines((baseline,))
    run.save_replicate(replicate)
    again = RunDir(run.path)
    assert again.results().evaluations == (EVALUATION, later)
    assert again.results().baselines == (baseline,)
    assert again.replicate(NATIVE, 1) == replicate
    assert again.replicate(NATIVE, 2) is None
    assert again.config == run.config


def test_a_diverged_training_reads_back(run: RunDir) -> None:
    history = History((Epoch(1, math.nan, 0.1, 0.1, 1.0),), "nan", 0)
    run.save_evaluation(replace(EVALUATION, status="diverged", history=history))
    (read,) = RunDir(run.path).results().evaluations
    assert read.history is not None
    assert math.isnan(read.history.epochs[0].train_loss)


@pytest.mark.parametrize("schema", [SCHEMA - 1, SCHEMA + 1])
def test_another_schema_is_refused(schema: int, run: RunDir) -> None:
    info = json.loads((run.path / "run.json").read_text())
    (run.path / "run.json").write_text(json.dumps(info | {"schema": schema}))
    with pytest.raises(AxdseError, match=f"has schema {schema}; open it with the version"):
        RunDir(run.path)


@pytest.mark.parametrize("content", [None, "", "[]", "{}", "\xff"])
def test_what_is_not_a_run_is_refused(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "run.json").write_text(content, encoding="latin-1")
    with pytest.raises(AxdseError, match="name the folder that 'axdse search' wrote"):
        RunDir(tmp_path)


def test_a_damaged_file_is_named(run: RunDir) -> None:
    run.save_evaluation(EVALUATION)
    (run.path / "trials" / "00007.json").write_text("{")
    with pytest.raises(AxdseError, match=r"00007\.json; delete that file and --resume"):
        _ = run.results().evaluations


@pytest.mark.parametrize("at", range(0, 400, 40))
def test_a_result_with_one_character_changed_is_not_believed(at: int, run: RunDir) -> None:
    run.save_evaluation(EVALUATION)
    path = run.path / "trials" / "00007.json"
    content = bytearray(path.read_bytes())
    content[at % len(content)] ^= 1
    path.write_bytes(content)
    with pytest.raises(AxdseError, match=r"readable as written: .*00007\.json"):
        _ = run.results().evaluations


def test_a_result_of_another_trial_is_not_believed(run: RunDir) -> None:
    run.save_evaluation(EVALUATION)
    (run.path / "trials" / "00007.json").rename(run.path / "trials" / "00008.json")
    with pytest.raises(AxdseError, match=r"readable as written: .*00008\.json"):
        _ = run.results().evaluations


def test_files_of_a_run_are_plain_json(run: RunDir) -> None:
    run.save_baselines(())
    run.save_front(())
    names = ("run.json", "baselines.json", "front.json")
    assert all(json.loads((run.path / name).read_bytes())["seal"] for name in names)


def test_a_folder_with_other_files_is_left_alone(tiny_config: Make, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(AxdseError, match="a folder of its own"):
        RunDir.create(tmp_path, tiny_config())


def test_a_file_is_no_place_for_a_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AxdseError, match="a run is a folder"), locked(tmp_path / "file"):
        pass


def test_one_search_at_a_time(tmp_path: Path) -> None:
    refused = pytest.raises(AxdseError, match="one search at a time")
    with locked(tmp_path), refused, locked(tmp_path):
        pass


def test_a_run_without_its_configuration_is_refused(run: RunDir) -> None:
    (run.path / "config.yaml").unlink()
    with pytest.raises(AxdseError, match="readable YAML file"):
        RunDir(run.path)


def test_diverged_baselines_are_refused(run: RunDir) -> None:
    diverged = History(HISTORY.epochs, "nan", 3)
    for seed in replicates_module.replicate_seeds(run.config):
        run.save_replicate(Replicate(NATIVE, seed, 0.1, 0.1, diverged))
        run.save_replicate(Replicate(BF16, seed, 0.8, 0.8, HISTORY))
    run.save_operands(recording())
    with pytest.raises(AxdseError, match=r"must not diverge: fp32; lower training\.learning_rate"):
        replicates_module.train_baselines(run, Workers(1), Unwatched())
    assert run.results().baselines == ()


# A folder that goes away, and what is in it that does not belong there.


def delete(path: Path) -> None:
    shutil.rmtree(path)


def move(path: Path) -> None:
    path.rename(path.with_name("moved"))


def replace_folder(path: Path) -> None:
    move(path)
    path.mkdir()


@pytest.mark.parametrize("vanish", [delete, move, replace_folder])
@pytest.mark.parametrize(
    "write",
    [
        lambda run: run.save_evaluation(EVALUATION),
        lambda run: run.save_front(()),
        lambda run: run.save_operands(recording()),
        lambda run: run.save_config(run.config),
    ],
)
def test_a_folder_that_is_gone_stays_away(
    write: Callable[[RunDir], None], vanish: Callable[[Path], None], run: RunDir
) -> None:
    vanish(run.path)
    before = sorted(run.path.parent.rglob("*"))
    with pytest.raises(AxdseError, match="run was deleted, moved or replaced; search again"):
        write(run)
    assert sorted(run.path.parent.rglob("*")) == before


@pytest.mark.parametrize("name", [*FILES, "trials/00007.json", *FOLDERS])
@pytest.mark.parametrize("kind", ["link", "pipe", "wrong"])
def test_links_and_devices_in_a_run_are_refused(kind: str, name: str, run: RunDir) -> None:
    path, target = run.path / name, run.path.parent / "target"
    if path.exists():
        path.rename(target)
    match kind:
        case "link":
            path.symlink_to(target)
        case "pipe":
            os.mkfifo(path)
        case "wrong":
            path.touch() if name in FOLDERS else path.mkdir()
    with pytest.raises(AxdseError, match=f"no links and no devices: .*{name}; put"):
        RunDir(run.path)


def test_a_run_may_be_reached_over_a_link(run: RunDir, tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to(run.path)
    RunDir(tmp_path / "latest").save_evaluation(EVALUATION)
    assert run.results().evaluations == (EVALUATION,)


def test_a_folder_without_its_empty_folders_goes_on(run: RunDir) -> None:
    for name in FOLDERS:
        (run.path / name).rmdir()
    again = RunDir(run.path)
    again.save_config(run.config)
    again.save_evaluation(EVALUATION)
    assert again.results().evaluations == (EVALUATION,)


def test_what_kills_left_goes_when_the_run_goes_on(tiny_config: Make, tmp_path: Path) -> None:
    path = tmp_path / "run"
    (path / "trials").mkdir(parents=True)
    for name in (".run.json.abc.axdse-part", "trials/.00007.json.abc.axdse-part", "config.yaml"):
        (path / name).touch()
    with locked(path):
        RunDir.create(path, tiny_config())
    assert sorted(p.name for p in path.rglob("*")) == [
        "config.yaml", "replicates", "run.json", "trials",
    ]  # fmt: skip
