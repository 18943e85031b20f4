"""How large is the cache, what goes when it is too large, and is all of it whole?"""

import contextlib
import fcntl
import math
import os
import re
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from axdse.multipliers.cache import DamagedError, cache_root, read_entry, remove_parts
from axdse.multipliers.errors import AxdseError

LIMIT_VARIABLE = "AXDSE_CACHE_LIMIT"
DEFAULT_LIMIT = "5GB"
FILL = 0.9  # of the limit is left, or every command at the limit would prune
IN_USE_S = 600  # what another process was handed so long ago it has opened since
PART_S = 3600  # no file takes so long to write
_ENTRY = re.compile(r"[0-9a-f]{64}(\.\w+)?")
_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)


@dataclass(frozen=True)
class CacheEntry:
    """One entry.

    Attributes:
        path: of its file.
        kind: such as "cost".
        size: in bytes.
        used: when it was last read or written, seconds since the epoch, to a minute.
    """

    path: Path
    kind: str
    size: int
    used: float

    def remove(self) -> bool:
        """Delete it, to be made again when it is needed; False: that is not allowed here."""
        try:
            if self.path.is_dir() and not self.path.is_symlink():
                shutil.rmtree(self.path)
            else:
                self.path.unlink(missing_ok=True)
        except OSError:
            return False
        return True


def parse_size(text: str) -> int:
    """Return bytes: "2GB" is 2e9, "2GiB" 2^31, "1.5 k" 1500.

    Raises:
        AxdseError: the text is no size.
    """
    found = _SIZE.fullmatch(text.strip())
    if not found:
        raise AxdseError("a size is a number and a unit", repr(text), "write 500MB or 2GB, say")
    power = " kmgt".index(found[2].lower() or " ")
    return int(float(found[1]) * (1024 if found[3] else 1000) ** power)


def cache_limit() -> int:
    """`$AXDSE_CACHE_LIMIT`, else 5 GB, in bytes.

    Raises:
        AxdseError: it is no size.
    """
    try:
        return parse_size(os.environ.get(LIMIT_VARIABLE) or DEFAULT_LIMIT)
    except AxdseError as error:
        raise AxdseError(f"{LIMIT_VARIABLE} is a size", error.value, error.remedy) from error


def entries() -> list[CacheEntry]:
    """All entries, the least recently used first; files of others are none of them."""
    found = []
    for folder in _kinds():
        with contextlib.suppress(OSError):
            found += [_entry(path) for path in folder.iterdir() if _ENTRY.fullmatch(path.name)]
    return sorted(filter(None, found), key=lambda entry: (entry.used, entry.path))


def _entry(path: Path) -> CacheEntry | None:
    try:
        status = path.lstat()
    except OSError:  # another process has removed it
        return None
    size = status.st_size if stat.S_ISREG(status.st_mode) else 0
    return CacheEntry(path, path.parent.name, size, status.st_mtime)


def _kinds() -> list[Path]:
    with contextlib.suppress(OSError):
        return [path for path in cache_root().iterdir() if path.is_dir() and not path.is_symlink()]
    return []


def damaged() -> Iterator[CacheEntry]:
    """Entries that are not what was stored under their names."""
    for entry in entries():
        try:
            read_entry(entry.path, note_use=False)
        except DamagedError:
            yield entry


def superfluous(size: int) -> list[CacheEntry]:
    """The least recently used entries, without which `size` bytes are left."""
    known = entries()
    left, chosen = sum(entry.size for entry in known), []
    for entry in known:
        if left <= size:
            break
        left -= entry.size
        chosen.append(entry)
    return chosen


def remove(chosen: Iterable[CacheEntry]) -> list[CacheEntry]:
    """Remove entries, but none that another process was handed lately; return those that went.

    What killed processes left half-written goes too.
    """
    with _alone() as alone:
        latest = math.inf if alone else time.time() - IN_USE_S
        gone = [entry for entry in chosen if entry.used <= latest and entry.remove()]
        for folder in _kinds():
            remove_parts(folder, 0 if alone else PART_S)
    return gone


@contextlib.contextmanager
def in_use() -> Iterator[None]:
    """Say to others that this process uses the cache; at the end keep it within its limit.

    Raises:
        AxdseError: the limit is no size.
    """
    limit = cache_limit()
    start = time.time()
    try:
        with _lock(fcntl.LOCK_SH):
            yield
    finally:
        if _written_since(start) and sum(entry.size for entry in entries()) > limit:
            remove(superfluous(int(limit * FILL)))


def _written_since(start: float) -> bool:
    """Folders tell when a name in them came or went; a second is how exact some clocks are."""
    times = []
    for folder in _kinds():
        with contextlib.suppress(OSError):
            times.append(folder.stat().st_mtime)
    return max(times, default=0.0) >= start - 1


@contextlib.contextmanager
def _alone() -> Iterator[bool]:
    """Whether no other process uses the cache; none starts to until the end."""
    with _lock(fcntl.LOCK_EX) as alone:
        yield alone


@contextlib.contextmanager
def _lock(how: int) -> Iterator[bool]:
    """Hold the cache's folder, if it is there and nobody is in the way."""
    with contextlib.ExitStack() as stack:
        try:
            descriptor = os.open(cache_root(), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, descriptor)
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
            held = True
        except OSError:
            held = False
        yield held
