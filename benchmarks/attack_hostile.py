"""Does a hostile C model or Verilog file get anything but its verdict?

usage: python benchmarks/attack_hostile.py [NAME...]
       without names writes benchmarks/results/attack_hostile.json

Every attack of hostile_files.py is verified by the command, with an empty cache. It must end with
the exit code that it must get and, where it is refused, one line; within its time and 1 GB of
memory in every process; without a change outside, a file or a process that stays, a connection,
or a word of the secret in what is said or kept. Exit code 1 if not.
"""

import argparse
import json
import os
import platform
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from hostile_files import ATTACKS, REFUSED, Hostile

from axdse.flows.tools import find_tool

RESULTS = Path(__file__).with_name("results") / "attack_hostile.json"
SECRET = "Nine-Owls-Sing-7f3a"
MEMORY_KIB = 1 << 20
LONGEST = 500
CODES = ("equal", "different", "refused")
# A process of its own: what is measured of a child begins with the memory of its parent.
MEASURED = """
import os, signal, subprocess, sys
child = subprocess.Popen(sys.argv[2:])
signal.signal(signal.SIGTERM, lambda *_: child.terminate())
_, status, used = os.wait4(child.pid, 0)
with open(sys.argv[1], "w") as file:
    file.write(str(used.ru_maxrss))
code = os.waitstatus_to_exitcode(status)
os._exit(code if code >= 0 else 128 - code)
"""


@dataclass(frozen=True)
class Answer:
    """What came of one attack.

    Attributes:
        code: the exit code; negative: a signal.
        seconds: wall time.
        mebibytes: peak of the largest process.
        said: the last line.
        faults: what must not happen, in words.
    """

    name: str
    code: int
    seconds: float
    mebibytes: int
    said: str
    faults: tuple[str, ...]


def attack(hostile: Hostile, folder: Path, port: int = 0) -> Answer:
    """Verify one pair in a new folder."""
    out, work, scratch = (folder / name for name in ("out", "work", "scratch"))
    for each in (folder, out, work, scratch, folder / "home"):
        each.mkdir(exist_ok=True)
    (out / "secret").write_text(f"{SECRET}\n")

    def filled(text: str) -> str:
        return text.replace("OUT", str(out)).replace("PORT", str(port))

    for name, text in {"m.c": hostile.model, "m.v": hostile.rtl, **hostile.files}.items():
        _make(work / name, filled(text))
    before = {**_state(out), **_state(work)}
    environment = os.environ | {
        "AXDSE_CACHE": str(folder / "cache"),
        "OWLS": SECRET,
        "TMPDIR": str(scratch),
        "HOME": str(folder / "home"),
        **{name: filled(value) for name, value in hostile.environment.items()},
    }
    call = [sys.executable, "-m", "axdse.dse.cli", "verify", "--model", "m.c", "--rtl", "m.v"]
    start = time.monotonic()
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-ISc", MEASURED, str(folder / "memory"), *call],
            cwd=work,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        # It ends its tools, if it is asked.
        timer = threading.Timer(hostile.limit_s + 10, process.terminate)
        timer.start()
        process.wait()
        timer.cancel()
    largest_kib = int((folder / "memory").read_text())
    seconds = time.monotonic() - start
    text = (folder / "said").read_bytes().decode(errors="replace")
    lines = text.splitlines()
    faults = [
        *_wrong_words(hostile, process.returncode, text),
        *([f"took {seconds:.0f} s"] if seconds > hostile.limit_s else []),
        *([f"took {largest_kib >> 10} MiB"] if largest_kib > MEMORY_KIB else []),
        *(["something outside changed"] if {**_state(out), **_state(work)} != before else []),
        *(f"{path.relative_to(folder)} is left" for path in scratch.iterdir()),
        *(f"{path.relative_to(folder)} is left" for path in (folder / "home").iterdir()),
        *(f"process {pid} is left" for pid in _processes(str(folder))),
        *(f"{path.name} keeps the secret" for path in _holding(folder / "cache")),
    ]
    last = lines[-1].strip()[:LONGEST] if lines else ""
    code, mebibytes = process.returncode, largest_kib >> 10
    return Answer(hostile.name, code, round(seconds, 1), mebibytes, last, tuple(faults))


def _make(path: Path, text: str) -> None:
    if text.startswith("-> "):
        path.symlink_to(text[3:])
    elif text == "fifo":
        os.mkfifo(path)
    elif text == "folder":
        path.mkdir()
    else:
        path.write_bytes(text.encode("latin-1"))


def _wrong_words(hostile: Hostile, code: int, text: str) -> Iterator[str]:
    if code != hostile.wanted:
        yield f"exit code {code}, not {hostile.wanted}"
    if "Traceback" in text:
        yield "a traceback"
    if SECRET in text or "root:x:" in text:
        yield "the secret is told"
    if any(not (char.isprintable() or char == "\n") for char in text):
        yield "control characters"
    lines = text.splitlines()
    if hostile.wanted == REFUSED and (len(lines) != 1 or len(text) > LONGEST):
        yield f"{len(lines)} lines, {len(text)} characters"
    if not re.search(hostile.says, text):
        yield f"it does not say {hostile.says}"


def _state(folder: Path) -> dict[Path, tuple[object, ...]]:
    return {
        path: (status.st_mode, status.st_size, status.st_mtime_ns, status.st_nlink)
        for path in (folder, *folder.rglob("*"))
        for status in (path.lstat(),)
    }


def _holding(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.is_file() and SECRET.encode() in path.read_bytes():
            yield path


def _processes(text: str) -> Iterator[int]:
    """Processes, other than zombies, whose command or environment names a path."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            named = (
                text.encode()
                in (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            )
        except OSError:
            continue
        if named and int(entry.name) != os.getpid():
            yield int(entry.name)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all, and a result")
    names = parser.parse_args().names
    answers = list[Answer]()
    # Nobody accepts: whoever connects waits in the queue, where we look at the end.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        for hostile in ATTACKS:
            if names and hostile.name not in names:
                continue
            with tempfile.TemporaryDirectory(prefix="axdse-hostile-") as folder:
                answers.append(attack(hostile, Path(folder), listener.getsockname()[1]))
            last = answers[-1]
            sign = "WRONG" if last.faults else "ok   "
            told = "; ".join(last.faults) or last.said
            print(
                f"{sign} {last.code:3} {last.seconds:5.1f} s {last.mebibytes:5} MiB "
                f" {last.name}: {told[:300]}",
                *([f"\n      {last.said[:300]}"] if last.faults else []),
                flush=True,
            )
        try:
            listener.accept()
            connected = True
        except TimeoutError:
            connected = False
    wrong = [asdict(answer) for answer in answers if answer.faults]
    print(f"{len(answers) - len(wrong)} of {len(answers)} attacks get what they must")
    if not names:
        _write(answers, wrong, connected)
    return 1 if wrong or connected else 0


def _write(answers: list[Answer], wrong: list[dict[str, object]], connected: bool) -> None:
    codes = [answer.code for answer in answers]
    result = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "versions": [
            f"axdse {version('axdse')}",
            *(find_tool(name).version for name in ("iverilog", "yosys", "cc")),
        ],
        "attacks": len(answers),
        "ended": {name: codes.count(code) for code, name in enumerate(CODES)},
        "connected": connected,
        "wrong": wrong,
        "longest": sorted(((a.seconds, a.name) for a in answers), reverse=True)[:5],
        "largest_mebibytes": sorted(((a.mebibytes, a.name) for a in answers), reverse=True)[:5],
        "seconds": round(sum(answer.seconds for answer in answers), 1),
    }
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
