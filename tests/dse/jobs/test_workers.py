"""Workers: what breaks in one breaks only its job, and none outlives the parent."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import worker_jobs
from worker_jobs import LIMIT_S, wait_until

from axdse.dse.jobs.workers import Job, Workers
from axdse.multipliers.errors import MachineError

ORPHANS = """
import signal, sys
from axdse.dse.jobs.workers import Workers
import worker_jobs
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # not that of a shell's background
    with Workers(2) as workers:
        list(workers.run(iter([worker_jobs.Sleep(sys.argv[1]), worker_jobs.Tool(sys.argv[2])])))
"""


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers(2) as pool:
        yield pool


def results(workers: Workers, *jobs: Job[object]) -> dict[object, tuple[object, str]]:
    outcomes = workers.run(iter(jobs))
    return {outcome.job: (outcome.result, outcome.failure) for outcome in outcomes}


def test_each_outcome_belongs_to_its_job(workers: Workers) -> None:
    said = [worker_jobs.Say(i) for i in range(7)]
    assert results(workers, *said) == {job: (job.value, "") for job in said}


def test_a_killed_job_runs_again(workers: Workers, tmp_path: Path) -> None:
    once = worker_jobs.KilledOnce(str(tmp_path / "killed"))
    assert results(workers, once) == {once: ("done", "")}


@pytest.mark.parametrize(
    ("name", "message"), [("Full", "No space left.*free some space"), ("Die", "died .SIGKILL")]
)
def test_three_failures_of_the_machine_end_it(name: str, message: str) -> None:
    job = getattr(worker_jobs, name)(*([signal.SIGKILL] if name == "Die" else []))
    with Workers(1) as pool, pytest.raises(MachineError, match=message):
        results(pool, job)


@pytest.mark.parametrize(
    ("name", "failure"),
    [
        ("Break", "ValueError: broken in two lines"),
        ("Refuse", "a rule: a value; a remedy"),
        ("Die", "its worker process died (SIGSEGV)"),
    ],
)
def test_what_breaks_breaks_only_its_job(workers: Workers, name: str, failure: str) -> None:
    broken = getattr(worker_jobs, name)()
    outcome = results(workers, worker_jobs.Say(1), broken, worker_jobs.Say(2), worker_jobs.Say(3))
    assert outcome.pop(broken) == (None, failure)
    assert outcome == {worker_jobs.Say(i): (i, "") for i in (1, 2, 3)}


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_nothing_outlives_a_killed_parent(tmp_path: Path, end: signal.Signals) -> None:
    """Neither a worker in its job nor a tool that the job of another has started."""
    files = [tmp_path / "worker", tmp_path / "tool"]
    (tmp_path / "orphans.py").write_text(ORPHANS)
    contracts = str(Path(worker_jobs.__file__).parent)
    path = os.pathsep.join((contracts, os.environ.get("PYTHONPATH", "")))
    parent = subprocess.Popen(
        [sys.executable, str(tmp_path / "orphans.py"), *map(str, files)],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    )
    wait_until(lambda: all(file.exists() and file.read_text() for file in files))
    pids = [int(file.read_text()) for file in files]
    assert all(map(alive, pids))
    parent.send_signal(end)
    _, messages = parent.communicate(timeout=LIMIT_S)  # the workers' too
    wait_until(lambda: not any(map(alive, pids)))
    assert "Process" not in messages  # as the traceback of one begins
    assert "EOF" not in messages
    assert messages.count("Traceback") == (end == signal.SIGINT)  # its own, without `tidily`


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
