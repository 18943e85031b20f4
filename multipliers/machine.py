"""Whose failure is it, the machine's or the input's? What the machine did is worth another try."""

import errno
import os
import re
import resource
import signal
import tempfile
from pathlib import Path

from axdse.multipliers.errors import MachineError

REMEDIES = {
    errno.ENOSPC: "free some space there",
    errno.EDQUOT: "free some of the quota",
    errno.EFBIG: "raise the limit of file sizes (ulimit -f)",
    errno.ENOMEM: "free some memory",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "close some files",
    errno.EAGAIN: "raise the limit of processes (ulimit -u)",
    errno.EIO: "check the disk",
    errno.EROFS: "make it writable",
    errno.ESTALE: "mount it again",
}
# Signals that come from outside, or tell of a limit, a full file system or a lost disk.
OUTSIDE = frozenset(
    {signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT}
    | {signal.SIGBUS, signal.SIGXCPU}
)
WHO = "see who ended it, or free some memory"
NO_LIMIT = 1 << 62
_LACKS = {os.strerror(number): REMEDIES[number] for number in REMEDIES.keys() - {errno.EFBIG}}
_LACKS["can't start new thread"] = REMEDIES[errno.EAGAIN]
# As gcc, Python, cocotb's runner, Yosys and a shell tell of a child that was killed, or cut off.
_KILLED = re.compile(
    r"Killed signal terminated program|died with <Signals\.SIG(?:KILL|TERM|BUS)"
    r"|(?:return code:?|Simulation failed:) (?:-9|-15|-7|137|143|135)\b|^Killed\b",
    re.MULTILINE,
)
FILE_LIMIT = "File size limit exceeded"
_CUT = re.compile(
    rf"{FILE_LIMIT}|File too large|died with <Signals\.SIGXFSZ"
    r"|(?:return code:?|Simulation failed:) (?:-25|153)\b"
)
_SHORT_WRITE = re.compile(r"\d+ requested and \d+ written")
# More than a page, so that what a full disk cut short leaves no room for it.
ROOM_BYTES = 1 << 16


def unwritable(rule: str, place: Path, error: OSError, remedy: str) -> MachineError:
    """The error for a place that takes no files; `remedy` is the one besides making room."""
    number = _number(error)
    why, room = os.strerror(number) if number else str(error), REMEDIES.get(number)
    return MachineError(rule, f"{place} ({why})", f"{room} or {remedy}" if room else remedy)


def _number(error: OSError) -> int:
    """Of an error; 0: none is known. NumPy tells of a write that was cut short without one."""
    return error.errno or (errno.ENOSPC if _SHORT_WRITE.fullmatch(str(error)) else 0)


def machine_failure(error: BaseException) -> MachineError | None:
    """The machine's failure that an error comes from, along its causes; None: there is none."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MachineError):
            return cause
        if isinstance(cause, MemoryError):
            return MachineError("work needs memory", "there is none left", REMEDIES[errno.ENOMEM])
        if isinstance(cause, OSError) and (remedy := REMEDIES.get(_number(cause))):
            return MachineError("work needs files, memory and processes", cause, remedy)
        if isinstance(cause, RuntimeError) and (found := _lack(str(cause))):
            return MachineError("work needs memory and threads", *found)
        cause = cause.__cause__
    return None


def check_end(subject: str, code: int, log: str) -> None:
    """Look at how a program ended.

    Args:
        subject: what errors call it; it works in a temporary folder.
        code: its exit code; 0: all is well; negative: the number of the signal that ended it.
        log: what it and its children said.

    Raises:
        MachineError: the machine ended it, or let it have no room.
    """
    rule = f"{subject} must run to its end"
    if not code:
        return
    # We limit files too: only where the user does, more than us, is it the machine's failure.
    if file_limit() < NO_LIMIT and (code == -signal.SIGXFSZ or _CUT.search(log)):
        raise MachineError(
            rule, f"files are limited to {file_limit()} bytes", REMEDIES[errno.EFBIG]
        )
    if -code in OUTSIDE:
        raise MachineError(rule, f"it was ended by {signal.Signals(-code).name}", WHO)
    if found := _lack(log):
        place = f"{tempfile.gettempdir()} (TMPDIR)"
        raise MachineError(rule, f"{found[0]}, with its files in {place}", found[1])
    if killed := _KILLED.search(log):
        raise MachineError(rule, killed[0], WHO)


def check_room(folder: Path, subject: str, remedy: str) -> None:
    """Make sure that what was written to a folder can be whole: tools do not always tell.

    Raises:
        MachineError: its disk is full, or a file of it is as long as this process may write.
    """
    rule = f"{subject} needs room for its files"
    probe = folder / ".room"
    try:
        probe.write_bytes(bytes(min(ROOM_BYTES, file_limit())))
        probe.unlink()
    except OSError as error:
        raise unwritable(rule, folder, error, remedy) from error


def file_limit() -> int:
    """The longest file that this process and its children may write, in bytes: `ulimit -f`."""
    soft, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    return soft if soft != resource.RLIM_INFINITY else NO_LIMIT


def _lack(text: str) -> tuple[str, str] | None:
    """What a message says is missing, and the remedy."""
    for line in text.splitlines():
        for lack, remedy in _LACKS.items():
            if lack.lower() in line.lower():
                return " ".join(line.split())[:200], remedy
    return None
