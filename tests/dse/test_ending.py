"""Signals end a command with one line and 128 + N, at any moment and however often they come."""

import subprocess
import sys

import pytest

# What a command does; `kill(n)` is a signal to itself.
COMMAND = """
import os, signal, sys, time, weakref
from axdse.dse import ending
# Not those of nohup, or of a shell's background.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
{before}
def kill(number=signal.SIGINT):
    os.kill(os.getpid(), number)
def work():
{work}
    return 3
sys.exit(ending.tidily(work))
"""
AT_EXIT = "import atexit; atexit.register(lambda: (kill(), kill(signal.SIGTERM)))"
DELETED = """
class Deleted:
    def __del__(self):
        kill()
"""
CLEANS = "try: kill()\nfinally:\n    for _ in range(9): kill()\n    print('clean')"
HANGS = "try: kill()\nfinally:\n    time.sleep(0.2); kill(); print('hangs')"
ASKED = (
    "with ending.first_asks(lambda: print('asked')):\n    kill(); print('on'); kill()\nprint(0)"
)
BACK = "with ending.first_asks(lambda: print('asked')): pass\nkill()"
KEPT = "with ending.going_on('it goes on'): kill()"


def command(work: str, before: str = "") -> tuple[int, str, str]:
    """Exit code, output and messages."""
    indented = "".join(f"    {line}\n" for line in work.splitlines())
    code = COMMAND.format(before=before, work=indented)
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=False
    )
    return ended.returncode, ended.stdout, ended.stderr


@pytest.mark.parametrize(
    ("work", "code", "said", "line"),
    [
        ("print('done')", 3, "done\n", ""),
        ("kill()", 130, "", "interrupted"),
        ("kill(signal.SIGTERM)", 143, "", "ended by SIGTERM"),
        ("kill(signal.SIGHUP)", 129, "", "ended by SIGHUP"),
        (KEPT, 130, "", "interrupted; it goes on"),
        (CLEANS, 130, "clean\n", "interrupted"),
        (ASKED, 130, "asked\non\n", "interrupted"),
        (BACK, 130, "", "interrupted"),
        ("raise KeyboardInterrupt", 130, "", "interrupted"),
        (f"{AT_EXIT}", 3, "", ""),
        (f"{AT_EXIT}\nkill()", 130, "", "interrupted"),
    ],
    ids=[
        "none",
        "int",
        "term",
        "hup",
        "kept",
        "impatient",
        "asked",
        "back",
        "raised",
        "late_after_all",
        "late_after_int",
    ],
)
def test_a_command_ends(work: str, code: int, said: str, line: str) -> None:
    assert command(work) == (code, said, f"axdse: {line}\n" if line else "")


def test_one_that_strikes_a_destructor_still_ends_it() -> None:
    work = f"{DELETED}\nthing = Deleted()\ndel thing\ntime.sleep(10)\nprint('not seen')"
    assert command(work) == (130, "", "axdse: interrupted\n")


def test_what_hangs_is_ended_by_the_next_one() -> None:
    code, said, messages = command(HANGS, "ending.PATIENCE_S = 0.1")
    assert (code, said, messages) == (130, "", "")


def test_signals_that_were_ignored_stay_so() -> None:
    before = "signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    assert command("kill(signal.SIGHUP); print('on')", before) == (3, "on\n", "")


def test_an_exception_in_a_destructor_is_shown() -> None:
    work = "class Broken:\n    def __del__(self): raise ValueError('broken')\nBroken()"
    code, _, messages = command(work)
    assert code == 3
    assert "ValueError: broken" in messages
