"""Where is kept what was computed? Sealed entries named by content, safe for many processes.

An entry is `KIND/NAME`: a JSON document, a compiled program or library, a cell library, a table.
Its name starts with a digest of all that it depends on; its content carries a seal, and one that
is damaged, or was moved to another name, is reported and made again.
"""

import contextlib
import hashlib
import logging
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from axdse.multipliers.errors import AxdseError, MachineError
from axdse.multipliers.machine import unwritable
from axdse.multipliers.scratch import owned_folder, remove_leftovers

T = TypeVar("T")
log = logging.getLogger(__name__)
ENTRY_BYTES = 1 << 30  # no entry is larger
TOUCH_S = 60  # an entry's time of use is that exact
TEMPORARY = "axdse-"
PART = ".axdse-part"  # the end of the name of a file that is being written
# ELF files, and Liberty files as a comment, take something behind their end.
_TRAILER = b"\n/* axdse seal %s */\n"
_TRAILER_BYTES = len(_TRAILER % bytes(64))
_MEMBER = re.compile(rb'\{"seal": "([0-9a-f]{64})",')
_adapters: dict[type, TypeAdapter[Any]] = {}


class DamagedError(Exception):
    """An entry is not what was stored under its name."""


def cache_root() -> Path:
    """`$AXDSE_CACHE`, else `$XDG_CACHE_HOME/axdse`, else `~/.cache/axdse`."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("AXDSE_CACHE") or home / "axdse")


def cache_dir(kind: str) -> Path:
    """Return the folder for one kind of entry, made if need be.

    Raises:
        AxdseError: it cannot be made.
    """
    folder = cache_root() / kind
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        rule, remedy = "the cache folder must be writable", "set AXDSE_CACHE to another folder"
        raise unwritable(rule, folder, error, remedy) from error
    return folder


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder of its own, removed at the end, or by a later process if this one is killed.

    Raises:
        MachineError: it cannot be made or written: say, the disk is full.
    """
    try:
        with owned_folder(Path(tempfile.gettempdir()), TEMPORARY) as folder:
            yield folder
    except OSError as error:
        rule, place = "the temporary folder must be writable", Path(tempfile.gettempdir())
        raise unwritable(rule, place, error, "set TMPDIR to another folder") from error


def remove_temporary_leftovers() -> None:
    """Remove the temporary folders of killed processes of this user."""
    with contextlib.suppress(OSError):  # there is no place for temporary files
        remove_leftovers(Path(tempfile.gettempdir()), TEMPORARY)


def digest(*parts: str | bytes) -> str:
    """SHA-256 (hex) of the parts; each is length-prefixed, so borders cannot shift."""
    state = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        state.update(len(data).to_bytes(8, "little"))
        state.update(data)
    return state.hexdigest()


def seal(content: bytes, context: str) -> bytes:
    """Return the content with a digest of itself and its context, which shows damage.

    A JSON object gets the seal as its first member, everything else as a last line.

    Args:
        content: any bytes.
        context: what the content is, such as its kind and key; elsewhere the seal does not hold.
    """
    mark = digest(context, content).encode()
    if content.startswith(b"{"):
        return b'{"seal": "%s",' % mark + content[1:]
    return content + _TRAILER % mark


def unseal(sealed: bytes, context: str) -> bytes:
    """Return what was sealed in this context.

    Raises:
        DamagedError: something else was, or nothing.
    """
    member = _MEMBER.match(sealed)
    if member:
        content, mark = b"{" + sealed[member.end() :], member[1]
    else:
        content, mark = sealed[:-_TRAILER_BYTES], sealed[-_TRAILER_BYTES:]
    expected = digest(context, content).encode()
    if mark != (expected if member else _TRAILER % expected):
        raise DamagedError(context)
    return content


def write_atomically(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write so that a reader, or a crash half-way, never sees a part of the file.

    Raises:
        MachineError: the place is unwritable or full, or its folder is gone; it is left as it was.
    """
    try:
        handle, name = tempfile.mkstemp(PART, f".{path.name}.", path.parent)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).chmod(mode)
        Path(name).replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        Path(name).unlink(missing_ok=True)


def remove_parts(folder: Path, older_than_s: float = 0.0) -> None:
    """Remove what killed processes left of `write_atomically`; none that lives may write there."""
    for part in folder.glob(f".*{PART}"):
        with contextlib.suppress(OSError):
            if time.time() - part.lstat().st_mtime >= older_than_s:
                part.unlink()


def write_output(path: Path, data: bytes) -> None:
    """As `write_atomically`, for a file that a user named: its folder is made if need be.

    Raises:
        MachineError: as `write_atomically`.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error
    write_atomically(path, data)


def _unwritable(path: Path, error: OSError) -> MachineError:
    place = "set AXDSE_CACHE to" if path.is_relative_to(cache_root()) else "choose"
    remedy = f"{place} another place; nothing was half-written"
    return unwritable("the output must be writable", path, error, remedy)


def read_entry(path: Path, *, note_use: bool = True) -> bytes | None:
    """Return the content of an entry; None: there is none.

    Args:
        path: of the entry.
        note_use: let its file say that it was used now.

    Raises:
        DamagedError: it is not what was stored there, or cannot be read.
    """
    try:
        # What is no regular file may have no end, or make us wait for one.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_size > ENTRY_BYTES:
                raise DamagedError(path)
            sealed = os.read(descriptor, status.st_size)
            if note_use and time.time() - status.st_mtime > TOUCH_S:
                with contextlib.suppress(OSError):  # the cache may be another user's
                    os.utime(descriptor)
        finally:
            os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DamagedError(path) from error
    return unseal(sealed, _context(path))


def _context(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _write_entry(path: Path, content: bytes, mode: int = 0o644) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    write_atomically(path, seal(content, _context(path)), mode)


def _corrupt(path: Path) -> None:
    log.warning("cache entries must be readable: %s is corrupt; computing it again", path)


def cached_bytes(kind: str, name: str, make: Callable[[], bytes]) -> bytes:
    """Return the content of an entry, made if need be.

    Raises:
        AxdseError: it cannot be stored.
    """
    path = cache_root() / kind / name
    try:
        content = read_entry(path)
    except DamagedError:
        _corrupt(path)
        content = None
    if content is None:
        cache_dir(kind)  # before the work, if it cannot be made
        content = make()
        _write_entry(path, content)
    return content


def cached_file(
    kind: str, name: str, make: Callable[[], bytes], *, executable: bool = False
) -> Path:
    """Return the file of an entry, made if need be, for a program that reads or runs it.

    The file has the seal behind its content, which ELF and Liberty allow.

    Raises:
        AxdseError: it cannot be stored.
    """
    path = cache_root() / kind / name
    try:
        known = read_entry(path) is not None
        if known and executable and not os.access(path, os.X_OK):
            raise DamagedError(path)
    except DamagedError:
        _corrupt(path)
        known = False
    if not known:
        cache_dir(kind)
        _write_entry(path, make(), 0o755 if executable else 0o644)
    return path


def _adapter(result_type: type[T]) -> TypeAdapter[T]:
    """One for each type: to make it takes longer than to read an entry."""
    if result_type not in _adapters:
        _adapters[result_type] = TypeAdapter(result_type)
    return _adapters[result_type]


def _load(path: Path, result_type: type[T]) -> T | None:
    content = read_entry(path)
    try:
        return None if content is None else _adapter(result_type).validate_json(content)
    except ValidationError as error:
        raise DamagedError(path) from error


def load(kind: str, key: str, result_type: type[T]) -> T | None:
    """Return the dataclass that `store` left, or None; a corrupt one is reported in a warning."""
    path = cache_root() / kind / f"{key}.json"
    try:
        return _load(path, result_type)
    except DamagedError:
        _corrupt(path)
        return None


def store(kind: str, key: str, result: object) -> None:
    """Keep a dataclass as JSON; where that fails a warning says so, for the result is there."""
    data = _adapter(type(result)).dump_json(result, indent=2)
    path = cache_dir(kind) / f"{key}.json"
    try:
        _write_entry(path, data)
    except AxdseError as error:
        log.warning("a result is not kept in the cache: %s", error)


def cached(kind: str, key: str, result_type: type[T], compute: Callable[[], T]) -> T:
    """Return the stored dataclass under `key`, or compute and store it as JSON.

    Of processes that compute one entry at the same time the first to store it wins: all then
    return the same date.
    """
    known = load(kind, key, result_type)
    if known is not None:
        return known
    cache_dir(kind)
    result = compute()
    with contextlib.suppress(DamagedError):
        earlier = _load(cache_root() / kind / f"{key}.json", result_type)
        if earlier is not None:
            return earlier
    store(kind, key, result)
    return result
