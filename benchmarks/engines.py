"""What do engines add to a search, and does one that is killed all the time find the same?

usage: python benchmarks/engines.py jobs      200 short jobs on 4 workers of dask, and 4 processes
       python benchmarks/engines.py kills [--count 30] [--seed N]
                                              a search on dask whose workers, scheduler and
                                              coordinator are killed (SIGKILL) at random
       each writes its part of benchmarks/results/engines.json; exit code 1 if a target is missed

Scheduler and workers run on this machine, as commands of dask; what dies is started again, as a
service would be.
"""

import argparse
import json
import os
import platform
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from axdse.dse.jobs.engines import open_engine
from axdse.dse.jobs.workers import Workers
from axdse.dse.run.run_dir import RunDir

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "engines.json"
DASK = [sys.executable, "-c", "import sys; from dask.__main__ import main; main()"]
AXDSE = [sys.executable, "-m", "axdse.dse.cli"]
WORKERS, JOBS, ROUNDS = 4, 200, 3
NAPS_S = (0.3, 0.0)
MOST_OVERHEAD_PERCENT = 10.0
WAIT_S = 300.0
LIMIT_S = 1800.0
CONFIG = """\
workload: lenet-300-100
dataset: fashion-mnist-14k
formats: ["float(8,3)", "float(8,2)"]
families: [truncated, mitchell]
objectives: [accuracy, area]
training: {epochs: 1, train_images: 500}
largest_loss: 1.0
trials: 6
"""
PASSING = {"seal", "seconds", "date"}


@dataclass(frozen=True)
class Nap:
    """A job that does nothing for a while, and notes that it ran."""

    number: int
    seconds: float
    notes: str

    def run(self) -> int:
        """Write the number in one piece."""
        time.sleep(self.seconds)
        with Path(self.notes).open("a") as file:
            file.write(f"{self.number}\n")
        return self.number


class Cluster:
    """A scheduler and workers, each started again when it is gone."""

    def __init__(self, folder: Path, workers: int) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"
        self._folder, self._running = folder, dict[str, subprocess.Popen[bytes]]()
        port = self.address.partition(":")[2]
        self._commands = {
            "scheduler": ["scheduler", "--host", "127.0.0.1", "--port", port],
            **{
                f"worker {number}": ["worker", f"tcp://{self.address}", "--nthreads", "1"]
                for number in range(workers)
            },
        }

    def tend(self) -> None:
        """Start what does not run."""
        for name, arguments in self._commands.items():
            process = self._running.get(name)
            if process is None or process.poll() is not None:
                with (self._folder / f"{name}.log").open("a") as log:
                    self._running[name] = subprocess.Popen(
                        [*DASK, *arguments, "--no-dashboard"],
                        cwd=self._folder,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        env=os.environ | {"PYTHONPATH": _python_path()},
                        start_new_session=True,
                    )

    def kill_worker(self, chance: random.Random) -> None:
        """The process that does the jobs, not the one that looks after it."""
        names = [name for name in self._commands if name != "scheduler"]
        nanny = self._running[chance.choice(names)].pid
        for pid in [pid for pid in _below(nanny) if "spawn_main" in _command(pid)]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def kill_scheduler(self) -> None:
        """The scheduler; its workers end by themselves."""
        self._running["scheduler"].kill()

    def end(self) -> None:
        """Kill all of it."""
        for process in self._running.values():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _python_path() -> str:
    return os.pathsep.join((str(HERE), os.environ.get("PYTHONPATH", "")))


def _below(parent: int) -> Iterator[int]:
    for listing in Path(f"/proc/{parent}/task").glob("*/children"):
        with suppress(OSError):
            for pid in map(int, listing.read_text().split()):
                yield pid
                yield from _below(pid)


def _command(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode()
    return ""


@contextmanager
def cluster(workers: int) -> Iterator[Cluster]:
    """One that runs, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="axdse-") as folder:
        running = Cluster(Path(folder), workers)
        try:
            running.tend()
            yield running
        finally:
            running.end()


def measure_jobs() -> dict[str, Any]:
    """Seconds of both engines, in turn, and who ran what how often."""
    found: dict[str, Any] = {"workers": WORKERS, "jobs": JOBS, "naps": []}
    with cluster(WORKERS) as running:
        engines = {"dask": f"dask://{running.address}", "processes": "processes"}
        pools = {
            name: Workers(open_engine(text, WORKERS, WAIT_S)) for name, text in engines.items()
        }
        pools["dask"].greet(None, None, WAIT_S)
        for pool in pools.values():  # all of them started
            _seconds(pool, 0.5, 2 * WORKERS)
        for nap in NAPS_S:
            taken: dict[str, list[float]] = {name: [] for name in pools}
            for _ in range(ROUNDS):
                for name, pool in pools.items():
                    taken[name].append(_seconds(pool, nap, JOBS))
            found["naps"].append(_of_nap(nap, taken))
        for pool in pools.values():
            pool.engine.close()
    return found


def _of_nap(nap: float, taken: dict[str, list[float]]) -> dict[str, Any]:
    dask, own = (statistics.median(taken[name]) for name in ("dask", "processes"))
    return {
        "nap_s": nap,
        "seconds": {name: [round(s, 3) for s in each] for name, each in taken.items()},
        "ms_a_job": {"dask": _ms(dask), "processes": _ms(own)},
        "dask_over_processes_percent": round(100 * (dask / own - 1), 2),
        "dask_over_naps_percent": round(100 * (dask / (nap * JOBS / WORKERS) - 1), 2)
        if nap
        else None,
    }


def _ms(seconds: float) -> float:
    return round(1000 * seconds / JOBS, 2)


def _seconds(pool: Workers, nap: float, count: int) -> float:
    """Of so many jobs; none may be lost, and none run twice."""
    # By the name that workers import it by.
    import engines

    with tempfile.NamedTemporaryFile("r") as notes:
        jobs = [engines.Nap(number, nap, notes.name) for number in range(count)]
        start = time.perf_counter()
        told = sorted(outcome.result for outcome in pool.run(iter(jobs)))
        seconds = time.perf_counter() - start
        ran = sorted(map(int, notes.read().split()))
    if not told == ran == list(range(count)):
        raise SystemExit(f"lost or twice: {Counter(ran) - Counter(range(count))}, {told}")
    return seconds


@dataclass
class Course:
    """What was killed, and what came of it."""

    kills: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    searches: int = 0
    wrong: list[str] = field(default_factory=list)


def measure_kills(count: int, seed: int) -> dict[str, Any]:
    """Whether searches that are killed so often find what one that is not finds."""
    chance, course, start = random.Random(seed), Course(), time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="axdse-") as name:
        folder = Path(name)
        (folder / "search.yaml").write_text(CONFIG)
        undisturbed = [*AXDSE, "search", "search.yaml", "--run", "undisturbed", "--workers", "2"]
        subprocess.run(undisturbed, cwd=folder, check=True, stderr=subprocess.DEVNULL)
        expected = _told(folder / "undisturbed")
        with cluster(2) as running:
            while course.kills.total() < count:
                course.searches += 1
                run = f"run{course.searches}"
                _killed_search(folder, run, running, chance, course, count)
                found = _told(folder / run)
                course.wrong += [
                    f"{run}: {file}"
                    for file in sorted({*found, *expected})
                    if found.get(file) != expected.get(file)
                ]
                print(course, flush=True)
    return {
        "seed": seed,
        "kills": dict(course.kills),
        "searches": course.searches,
        "coordinator_ends": dict(course.ends),
        "files_compared": len(expected),
        "wrong": course.wrong,
        "seconds": round(time.perf_counter() - start),
    }


def _killed_search(
    folder: Path,
    run: str,
    running: Cluster,
    chance: random.Random,
    course: Course,
    count: int,
) -> None:
    """Run a search to its end, whatever is killed."""
    end = time.monotonic() + LIMIT_S
    command = [*AXDSE, "search", "search.yaml", "--run", run, "--resume"]
    command += ["--engine", f"dask://{running.address}", "--engine-wait", str(WAIT_S)]
    search: subprocess.Popen[bytes] | None = None
    due = time.monotonic() + chance.uniform(5, 30)
    while search is None or search.poll() != 0:
        running.tend()
        if search is None or search.poll() is not None:
            if search:
                course.ends[str(search.returncode)] += 1
            with (folder / f"{run}.log").open("a") as log:
                search = subprocess.Popen(command, cwd=folder, stderr=log, stdout=log)
        if time.monotonic() > due and course.kills.total() < count:
            due = time.monotonic() + chance.uniform(5, 30)
            victim = chance.choice(("worker", "worker", "scheduler", "coordinator"))
            course.kills[victim] += 1
            if victim == "worker":
                running.kill_worker(chance)
            elif victim == "scheduler":
                running.kill_scheduler()
            else:
                search.kill()
                search.wait()
        if time.monotonic() > end:
            raise SystemExit(f"{run} does not end: {(folder / f'{run}.log').read_text()[-2000:]}")
        time.sleep(0.2)


def _told(path: Path) -> dict[str, Any]:
    """What a run says, but for when it was, and how long it took."""
    files = [file for file in path.rglob("*.json") if file.name != "run.json"]
    told = {str(f.relative_to(path)): _lasting(json.loads(f.read_text())) for f in files}
    assert RunDir(path).results().front
    return told | {"operands": (path / "operands.npz").read_bytes().hex()}


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lasting(each) for key, each in value.items() if key not in PASSING}
    return [_lasting(each) for each in value] if isinstance(value, list) else value


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("part", choices=("jobs", "kills"))
    parser.add_argument("--count", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    load = round(os.getloadavg()[0], 1)
    if given.part == "jobs":
        found = measure_jobs()
        missed = found["naps"][0]["dask_over_processes_percent"] > MOST_OVERHEAD_PERCENT
    else:
        found = measure_kills(given.count, given.seed)
        missed = bool(found["wrong"])
    record = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.release()}",
        "versions": [f"{name} {version(name)}" for name in ("axdse", "distributed", "torch")],
        "load_before": load,
        **found,
    }
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    RESULTS.write_text(json.dumps(known | {given.part: record}, indent=2, sort_keys=True) + "\n")
    print(json.dumps(record, indent=2))
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
