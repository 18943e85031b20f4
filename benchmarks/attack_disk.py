"""Does a search that runs out of room blame the machine, lose nothing and end with its front?

usage: python benchmarks/attack_disk.py [KIND...]    as root: it mounts small file systems
       writes benchmarks/results/attack_disk.json; with kinds, those rounds are run again in it

A short search runs undisturbed once. Then again, each time with the cache, the temporary folder or
the run folder on a file system with too little room, or under a limit of file sizes. It must exit
with 2 and one line that names what is full, with no trial marked as failed; it gets more room, is
resumed, and so on to its end. Trials and front must be those of the undisturbed run, and those
stored before must be there after. Exit code 1 if not.
"""

import argparse
import contextlib
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from attack_kills import CONFIG, Outline, outline

from axdse.dse.run.run_dir import RunDir

RESULTS = Path(__file__).with_name("results") / "attack_disk.json"
LIMIT_S = 600.0
LACKS = ("No space left on device", "File too large", "cut at", "limited to", "is full")
# Room in KiB, again and again more; the last is enough.
ENOUGH = 1 << 20
STEPS = {
    "cache": (64, 1 << 10, 3 << 10, ENOUGH),
    "temporary": (64, 512, 1 << 10, 2 << 10, 3 << 10, ENOUGH),
    "run": (64, 256, 512, ENOUGH),
    "ulimit": (16, 128, 512, 1 << 10, ENOUGH),
}


@dataclass
class Round:
    """A search with too little room of one kind.

    Attributes:
        what: is full.
        said: by room in KiB, the last line of a search that did not get to its end.
        wrong: what must not happen, in words.
        seconds: wall time.
    """

    what: str
    said: dict[int, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(STEPS)}")
    kinds = parser.parse_args().kinds or list(STEPS)
    rounds = {each["what"]: each for each in _known()} if len(kinds) < len(STEPS) else {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "search.yaml").write_text(CONFIG)
        undisturbed = folder / "undisturbed"
        code, said = _search(folder, undisturbed, {"AXDSE_CACHE": str(folder / "cache")})
        if code:
            raise SystemExit(f"a search ended with exit code {code}: {said}")
        wanted = outline(undisturbed)
        for what in kinds:
            start = time.monotonic()
            found = _starved(folder / f"little_{what}", what, STEPS[what], wanted)
            found.said = {kib: line.replace(name, "") for kib, line in found.said.items()}
            found.seconds = round(time.monotonic() - start, 1)
            rounds[what] = asdict(found)
            print(json.dumps(rounds[what], indent=1), flush=True)
    result = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "versions": [f"{name} {version(name)}" for name in ("axdse", "optuna", "torch")],
        "rounds": list(rounds.values()),
    }
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    return 1 if any(each["wrong"] for each in rounds.values()) else 0


def _known() -> list[dict[str, Any]]:
    return json.loads(RESULTS.read_text())["rounds"] if RESULTS.exists() else []


def _starved(folder: Path, what: str, steps: tuple[int, ...], wanted: Outline) -> Round:
    """Search with more room at every try, until it gets to its end."""
    folder.mkdir()
    (folder / "search.yaml").write_text(CONFIG)
    small, found = folder / "small", Round(what)
    run = small / "run" if what == "run" else folder / "run"
    environment = {"AXDSE_CACHE": str(small if what == "cache" else folder / "cache")}
    if what == "temporary":
        environment["TMPDIR"] = str(small)
    with _file_system(small) as resize:
        for kib in steps:
            kept = {path: path.read_bytes() for path in run.glob("*/*.json")}
            resize(ENOUGH if what == "ulimit" else kib)
            code, said = _search(folder, run, environment, kib if what == "ulimit" else 0)
            found.wrong += [f"{kib} KiB: {text}" for text in _faults(code, said, run, kib)]
            if any(not path.exists() or path.read_bytes() != kept[path] for path in kept):
                found.wrong.append(f"{kib} KiB: a result was lost")
            if not code:
                break
            found.said[kib] = said[-1] if said else ""
        if code or outline(run) != wanted:
            found.wrong.append("it ended otherwise")
        if not found.said:
            found.wrong.append("there was always room")
    return found


def _faults(code: int, said: list[str], run: Path, kib: int) -> Iterator[str]:
    if (run / "run.json").exists():
        failed = [e.reason for e in RunDir(run).results().evaluations if e.status == "failed"]
        yield from (f"a trial failed: {reason}" for reason in failed)
    if any("Traceback" in line for line in said):
        yield "a traceback"
    if code not in (0, 2):
        yield f"exit code {code}"
    # Whoever watches no bars gets lines of notes and warnings too; the last one is the error.
    errors = [line for line in said if line.startswith("axdse: ") and "tried again" not in line]
    if code == 2 and not any(lack in said[-1] for lack in LACKS):
        yield f"it does not say what is full: {said[-1]}"
    if code == 2 and len([line for line in errors if "is not kept in the cache" not in line]) != 1:
        yield f"{len(errors)} errors"
    if kib == ENOUGH and code:
        yield f"there was room: {said[-1]}"


def _search(
    folder: Path, run: Path, environment: dict[str, str], file_kib: int = 0
) -> tuple[int, list[str]]:
    """Exit code and messages of the search, started or resumed."""

    def limit() -> None:
        if file_kib:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_kib << 10, resource.RLIM_INFINITY))

    command = [sys.executable, "-m", "axdse.dse.cli", "search", "search.yaml", "--run", str(run)]
    ended = subprocess.run(
        [*command, "--resume"],
        cwd=folder,
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=LIMIT_S,
        preexec_fn=limit,
        check=False,
    )
    return ended.returncode, ended.stderr.splitlines()


@contextlib.contextmanager
def _file_system(place: Path) -> Iterator[Callable[[int], object]]:
    """Mount a small file system; what is yielded sets its size in KiB."""

    def mount(options: str) -> None:
        call = ["mount", "-t", "tmpfs", "-o", options, "axdse-attack", str(place)]
        subprocess.run(call, check=True)

    place.mkdir()
    mount("size=64k")
    try:
        yield lambda kib: mount(f"remount,size={kib}k")
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


if __name__ == "__main__":
    sys.exit(main())
