"""Where is work done that is thrown away, also when the process that made it is killed?

Each holds a lock file that its process keeps locked. The kernel lets go of the lock when the
process ends, however it ends; a folder whose lock is free is a leftover.
"""

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

LOCK = ".axdse-lock"
ATTEMPTS = 10


@contextlib.contextmanager
def owned_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A new folder in `parent`, removed at the end.

    Raises:
        OSError: it cannot be made.
    """
    folder, lock = _locked_folder(parent, prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _locked_folder(parent: Path, prefix: str) -> tuple[Path, int]:
    for _ in range(ATTEMPTS):
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        with contextlib.suppress(FileNotFoundError):
            lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            if _is_ours(lock):
                return folder, lock
            os.close(lock)
    raise FileNotFoundError(f"{folder} is removed by another process")


def _is_ours(lock: int) -> bool:
    """Until it is locked, another process may take a folder for a leftover."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks, where nothing is taken for a leftover
        return True
    return os.fstat(lock).st_nlink > 0


def remove_leftovers(parent: Path, prefix: str) -> None:
    """Remove what killed processes of this user left of `owned_folder(parent, prefix)`."""
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        names = [Path(entry) for entry in entries if entry.name.startswith(prefix)]
        for folder in names:
            with contextlib.suppress(OSError):
                _remove_leftover(folder)


def _remove_leftover(folder: Path) -> None:
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        return
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)
