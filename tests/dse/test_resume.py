"""Kill -9 and --resume: nothing that was finished is lost, what was running is tried again."""

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from optuna.study import Study
from optuna.trial import TrialState

from axdse.dse.config import SearchConfig, dump_config
from axdse.dse.evaluation import Evaluation
from axdse.dse.run_dir import RunDir
from axdse.dse.search import run_search
from axdse.dse.space import space_of
from axdse.dse.study import open_study, tell

Make = Callable[..., SearchConfig]
BASELINE_TRAININGS = 6
LIMIT_S = 60
SEARCH = """
import signal, sys
from axdse.dse.cli import run
if __name__ == "__main__":
    # A shell that starts this in the background would have Ctrl-C ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(run(["search", "search.yaml", "--run", "run"]))
"""
INTERRUPTED = 130


def test_kill_9_at_a_random_moment_loses_nothing(tiny_config: Make, tmp_path: Path) -> None:
    config, run_path = tiny_config("trials: 5"), tmp_path / "run"
    moment = random.randint(0, BASELINE_TRAININGS + config.trials + 4)
    delay = random.uniform(0.0, 0.3)
    where = f"killed {delay:.2f} s after {moment} results"

    process = start(config, tmp_path)
    wait_for(lambda: process.poll() is not None or results(run_path) >= moment, where)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=LIMIT_S)
    kept = {path: path.read_bytes() for path in run_path.glob("*/*.json")}

    run = run_search(config, run_path, resume=True)
    assert len(run.evaluations) == config.trials, where
    assert {path: path.read_bytes() for path in kept} == kept, where
    assert run.front, where
    assert_nothing_running_was_lost(run)


def test_ctrl_c_ends_the_workers_and_says_so_in_one_line(
    tiny_config: Make, tmp_path: Path
) -> None:
    process = start(tiny_config("trials: 99"), tmp_path)
    wait_for(lambda: results(tmp_path / "run") >= 1, "the first result")
    workers = children(process.pid)
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate(timeout=LIMIT_S)
    assert process.returncode == INTERRUPTED
    assert messages.splitlines()[-1].startswith("axdse: interrupted; ")
    assert "Traceback" not in messages
    assert workers
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), "their end")


def start(config: SearchConfig, folder: Path) -> subprocess.Popen[str]:
    (folder / "search.yaml").write_text(dump_config(config))
    (folder / "search.py").write_text(SEARCH)
    command = [sys.executable, "search.py"]
    return subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)


def children(parent: int) -> list[int]:
    listing = Path(f"/proc/{parent}/task/{parent}/children").read_text()
    return [int(pid) for pid in listing.split()]


def results(run_path: Path) -> int:
    return len(list(run_path.glob("*/*.json")))


def wait_for(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.01)


def assert_nothing_running_was_lost(run: RunDir) -> None:
    study = open_study(run, space_of(run.config))
    trials = study.get_trials()
    assert not [t for t in trials if t.state == TrialState.RUNNING]
    numbers = {evaluation.number for evaluation in run.evaluations}
    finished = [t.params for t in trials if t.number in numbers]
    reaped = [t.params for t in trials if t.state == TrialState.FAIL and t.params]
    assert [params for params in reaped if params not in finished] == []


@pytest.fixture
def run(tiny_config: Make, tmp_path: Path) -> RunDir:
    return RunDir.create(tmp_path / "run", tiny_config())


def reopened(run: RunDir) -> Study:
    return open_study(run, space_of(run.config))


def test_what_was_running_is_tried_again(run: RunDir) -> None:
    study = reopened(run)
    candidates = [space_of(run.config).suggest(study.ask()) for _ in range(3)]
    again = reopened(run)
    assert [trial.state for trial in again.get_trials()[:3]] == [TrialState.FAIL] * 3
    assert [space_of(run.config).suggest(again.ask()) for _ in range(3)] == candidates


def test_a_result_that_was_stored_but_not_told_is_told(run: RunDir) -> None:
    space_of(run.config).suggest(reopened(run).ask())
    run.save_evaluation(Evaluation(0, "exact(n=4)", run.config.formats[0], "failed", "broken"))
    assert reopened(run).get_trials()[0].state == TrialState.PRUNED


def test_references_are_enqueued_once(run: RunDir) -> None:
    first = [trial.system_attrs["fixed_params"] for trial in reopened(run).get_trials()]
    second = [trial.system_attrs["fixed_params"] for trial in reopened(run).get_trials()]
    space = space_of(run.config)
    assert first == second == [space.parameters(candidate) for candidate in space.references()]


def test_a_half_written_line_of_the_journal_is_cut_off(run: RunDir) -> None:
    study = reopened(run)
    tell(study, failed(study.ask().number, run), run.config)
    whole = run.journal.read_bytes()
    run.journal.write_bytes(whole + json.dumps({"op_code": 4}).encode()[:7])
    study = reopened(run)
    assert run.journal.read_bytes().startswith(whole)
    tell(study, failed(study.ask().number, run), run.config)
    assert len(reopened(run).get_trials(states=(TrialState.PRUNED,))) == 2


def failed(number: int, run: RunDir) -> Evaluation:
    return Evaluation(number, "exact(n=4)", run.config.formats[0], "failed", "broken")
