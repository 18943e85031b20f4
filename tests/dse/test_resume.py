"""Kill -9 and --resume: nothing that was finished is lost, what was running is tried again."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from axdse.dse.run.config import SearchConfig, dump_config
from axdse.dse.search.search import run_search

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
