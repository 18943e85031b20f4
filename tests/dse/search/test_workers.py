"""Workers: what breaks in one breaks only its job, and none outlives the parent."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from axdse.dse.search.workers import Job, Workers
from axdse.multipliers.errors import MachineError

# Jobs live in a module of their own: a spawned process must be able to import them.
JOBS = """
import errno, os, signal, time
from dataclasses import dataclass
from pathlib import Path
from axdse.flows.tools import run_process
from axdse.multipliers.errors import AxdseError

@dataclass(frozen=True)
class Say:
    value: object
    def run(self): return self.value

@dataclass(frozen=True)
class Break:
    def run(self): raise ValueError("broken\\nin two lines")

@dataclass(frozen=True)
class Refuse:
    def run(self): raise AxdseError("a rule", "a value", "a remedy")

@dataclass(frozen=True)
class Die:
    signal: int = signal.SIGSEGV
    def run(self): os.kill(os.getpid(), self.signal)

@dataclass(frozen=True)
class KilledOnce:
    path: str
    def run(self):
        if not os.path.exists(self.path):
            open(self.path, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return "done"

@dataclass(frozen=True)
class Full:
    def run(self): raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

@dataclass(frozen=True)
class Sleep:
    path: str
    def run(self):
        open(self.path, "w").write(str(os.getpid()))
        time.sleep(60)

@dataclass(frozen=True)
class Tool:
    path: str
    def run(self):
        script = f"echo $$ > {self.path}; exec sleep 60"
        log = Path(f"{self.path}.log")
        run_process("sleep", ["sh", "-c", script], log.parent, log, 60, None)
"""
ORPHANS = """
import signal, sys
from axdse.dse.search.workers import Workers
import axdse_test_jobs
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # not that of a shell's background
    job = getattr(axdse_test_jobs, sys.argv[1])
    with Workers(2) as workers:
        list(workers.run(iter([job(path) for path in sys.argv[2:]])))
"""
LIMIT_S = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("jobs")
    (folder / "axdse_test_jobs.py").write_text(JOBS)
    (folder / "orphans.py").write_text(ORPHANS)
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def workers(folder: Path) -> Iterator[Workers]:
    with Workers(2) as pool:
        yield pool


def results(workers: Workers, *jobs: Job[object]) -> dict[object, tuple[object, str]]:
    outcomes = workers.run(iter(jobs))
    return {outcome.job: (outcome.result, outcome.failure) for outcome in outcomes}


def test_each_outcome_belongs_to_its_job(workers: Workers) -> None:
    import axdse_test_jobs as jobs

    said = [jobs.Say(i) for i in range(7)]
    assert results(workers, *said) == {job: (job.value, "") for job in said}


def test_a_killed_job_runs_again(workers: Workers, tmp_path: Path) -> None:
    import axdse_test_jobs as jobs

    once = jobs.KilledOnce(str(tmp_path / "killed"))
    assert results(workers, once) == {once: ("done", "")}


@pytest.mark.parametrize(
    ("name", "message"), [("Full", "No space left.*free some space"), ("Die", "died .SIGKILL")]
)
def test_three_failures_of_the_machine_end_it(folder: Path, name: str, message: str) -> None:
    import axdse_test_jobs as jobs

    job = getattr(jobs, name)(*([signal.SIGKILL] if name == "Die" else []))
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
    import axdse_test_jobs as jobs

    broken = getattr(jobs, name)()
    outcome = results(workers, jobs.Say(1), broken, jobs.Say(2), jobs.Say(3))
    assert outcome.pop(broken) == (None, failure)
    assert outcome == {jobs.Say(i): (i, "") for i in (1, 2, 3)}


@pytest.mark.parametrize("job", ["Sleep", "Tool"])
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_nothing_outlives_a_killed_parent(
    folder: Path, tmp_path: Path, job: str, end: signal.Signals
) -> None:
    files = [tmp_path / "first", tmp_path / "second"]
    command = [sys.executable, str(folder / "orphans.py"), job, *map(str, files)]
    parent = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
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


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)
