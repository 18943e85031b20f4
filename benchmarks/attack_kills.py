"""Does a search that is killed again and again lose anything, or end with another front?

usage: python benchmarks/attack_kills.py [--seed N] [--count KILLS]
       writes benchmarks/results/attack_kills.json: one campaign for each seed

A short search runs undisturbed once. Then it is run again, killed (SIGKILL) a few times on its
way, among the trials or anywhere, as a whole or one worker of it, and resumed to its end. What was
stored before a kill must be there after it, byte for byte; the trials and the front must be those
of the undisturbed run, and no process may be left. Exit code 1 if not.
"""

import argparse
import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from axdse.dse.run.run_dir import RunDir

RESULTS = Path(__file__).with_name("results") / "attack_kills.json"
CONFIG = """\
workload: lenet-300-100
dataset: fashion-mnist-14k
formats: ["float(8,3)", int8]
families: [drum, truncated, mitchell]
objectives: [accuracy, area]
training: {epochs: 1, train_images: 512}
trials: 6
finalist_seeds: 3
workers: 1
"""
TRIALS = 6
KILLS_A_ROUND = 6
LIMIT_S = 300.0
Victim = Literal["search", "worker"]
Outline = tuple[object, ...]


@dataclass
class Findings:
    """What went wrong, and how many kills there were, by what they hit."""

    kills: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=100, metavar="KILLS")
    arguments = parser.parse_args()
    chance, found, begun = random.Random(arguments.seed), Findings(), time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "search.yaml").write_text(CONFIG)
        undisturbed = folder / "undisturbed"
        _finish(_start(folder, undisturbed))
        wanted = outline(undisturbed)
        rounds = 0
        while found.kills.total() < arguments.count:
            rounds += 1
            run = folder / f"run{rounds}"
            for _ in range(min(KILLS_A_ROUND, arguments.count - found.kills.total())):
                _attack(folder, run, chance, found)
            _finish(_start(folder, run))
            if outline(run) != wanted:
                found.wrong.append(f"round {rounds} ended otherwise")
            print(f"{found.kills.total()} kills, {len(found.wrong)} wrong", flush=True)
        if left := list(_processes(str(folder))):
            found.wrong.append(f"{len(left)} processes are left")
    result = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "versions": [f"{name} {version(name)}" for name in ("axdse", "optuna", "torch")],
        "seed": arguments.seed,
        "kills": dict(sorted(found.kills.items())),
        "rounds": rounds,
        "wrong": found.wrong,
        "seconds": round(time.monotonic() - begun, 1),
    }
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    others = [each for each in known if each["seed"] != arguments.seed]
    RESULTS.write_text(json.dumps([*others, result], indent=2) + "\n")
    return 1 if found.wrong else 0


def outline(path: Path) -> Outline:
    """What must not depend on kills: the trials by number, and the front with its figures."""
    run = RunDir(path)
    trials = [
        (e.number, e.design, e.status, e.validation_score) for e in run.results().evaluations
    ]
    front = [(p.evaluation.design, p.on_front, p.validation, p.test) for p in run.results().front]
    return tuple(trials), tuple(front)


def _start(folder: Path, run: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "axdse.dse.cli", "search", "search.yaml", "--run", str(run)]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen([*command, "--resume"], cwd=folder, stdout=log, stderr=log)


def _finish(process: subprocess.Popen[bytes]) -> None:
    if code := process.wait(LIMIT_S):
        raise SystemExit(f"a search ended with exit code {code}")


def _attack(folder: Path, run: Path, chance: random.Random, found: Findings) -> None:
    """Start or resume the search, kill it or its worker at a random moment, look for losses."""
    among = chance.random() < 0.75
    victim: Victim = "worker" if chance.random() < 0.25 else "search"
    process = _start(folder, run)
    done = len(list(run.glob("trials/*.json")))
    wait_for = min(TRIALS - 1, done + chance.randrange(2)) if among else 0
    end = time.monotonic() + LIMIT_S
    while process.poll() is None and time.monotonic() < end:
        if not among or (
            (run / "baselines.json").exists() and len(list(run.glob("trials/*.json"))) >= wait_for
        ):
            break
        time.sleep(0.01)
    time.sleep(chance.uniform(0.0, 1.5 if among else 12.0))
    kept = {path: path.read_bytes() for path in run.glob("*/*.json")}
    trials = len(list(run.glob("trials/*.json")))
    where = "among trials" if (kept and 0 < trials < TRIALS) or among else "elsewhere"
    workers = list(_children(process.pid)) if victim == "worker" else []
    if process.poll() is not None:
        return
    for pid in workers or [process.pid]:
        os.kill(pid, signal.SIGKILL)
        found.kills[f"{'worker' if workers else 'search'} {where}"] += 1
        break
    if workers:
        time.sleep(0.5)
        process.kill()
    process.wait(LIMIT_S)
    lost = [path for path, data in kept.items() if not path.exists() or path.read_bytes() != data]
    found.wrong += [f"{path.relative_to(folder)} was lost" for path in lost]


def _children(parent: int) -> Iterator[int]:
    """The workers: processes that a search started, tools aside."""
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
            command = (entry.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if int(fields[1]) == parent and b"spawn_main" in command:
            yield int(entry.parent.name)


def _processes(text: str) -> Iterator[int]:
    """Processes whose command names a path."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text.encode() in entry.read_bytes() and int(entry.parent.name) != os.getpid():
                yield int(entry.parent.name)
        except OSError:
            continue


if __name__ == "__main__":
    sys.exit(main())
