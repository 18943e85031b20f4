"""Kill -9 and --resume: nothing that was finished is lost, what was running is tried again."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from axdse.dse.run.config import SearchConfig, dump_config
from axdse.dse.search.search import run_search

Make = Callable[..., SearchConfig]
BASELINE_TRAININGS = 8
LIMIT_S = 60
SEARCH = """
import signal
from axdse.dse.cli import main
if __name__ == "__main__":
    # A shell that starts this in the background would have Ctrl-C ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main()
"""


@pytest.mark.slow
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
    assert len(run.results().evaluations) == config.trials, where
    assert {path: path.read_bytes() for path in kept} == kept, where
    assert run.results().front, where


@pytest.mark.parametrize(
    ("workers", "ends"),
    [(1, [(signal.SIGINT, 1)]), (2, [(signal.SIGINT, 2), (signal.SIGTERM, 1)])],
)
def test_signals_end_it_in_one_line_and_it_goes_on(
    workers: int, ends: list[tuple[signal.Signals, int]], tiny_config: Make, tmp_path: Path
) -> None:
    config, run_path = tiny_config("trials: 99", f"workers: {workers}"), tmp_path / "run"
    kept: dict[Path, bytes] = {}
    for number, times in ends:
        process, before = start(config, tmp_path), len(kept)
        wait_for(lambda before=before: results(run_path) > before, "another result")
        started = children(process.pid)
        for _ in range(times):  # as a terminal does, to all that it started
            os.killpg(process.pid, number)
            time.sleep(0.1)
        _, messages = process.communicate(timeout=LIMIT_S)
        assert process.returncode == 128 + number
        assert messages.splitlines()[-1].endswith("kept in run: 'axdse search --resume' goes on")
        finishes = "Ctrl-C again stops at once" in messages
        assert finishes or (number, times) != (signal.SIGINT, 1)
        assert "Traceback" not in messages
        assert started
        wait_for(lambda p=started: not any(Path(f"/proc/{pid}").exists() for pid in p), "an end")
        assert {path: path.read_bytes() for path in kept} == kept
        kept = {path: path.read_bytes() for path in run_path.glob("*/*.json")}


def start(config: SearchConfig, folder: Path) -> subprocess.Popen[str]:
    (folder / "search.yaml").write_text(dump_config(config))
    (folder / "search.py").write_text(SEARCH)
    command = [sys.executable, "search.py", "search", "search.yaml", "--run", "run", "--resume"]
    return subprocess.Popen(
        command, cwd=folder, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def children(parent: int) -> list[int]:
    """Of any of its threads."""
    listings = Path(f"/proc/{parent}/task").glob("*/children")
    return [int(pid) for listing in listings for pid in listing.read_text().split()]


def results(run_path: Path) -> int:
    return len(list(run_path.glob("*/*.json")))


def wait_for(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.01)
