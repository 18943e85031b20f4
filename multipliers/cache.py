"""Content-addressed files under one folder, safe for several processes at once."""

import contextlib
import hashlib
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from axdse.multipliers.errors import MachineError
from axdse.multipliers.machine import unwritable

T = TypeVar("T")
log = logging.getLogger(__name__)
_adapters: dict[type, TypeAdapter[Any]] = {}


def cache_dir(kind: str) -> Path:
    """Return the folder for one kind of entry, made if need be.

    The root is `$AXDSE_CACHE`, else `$XDG_CACHE_HOME/axdse`, else `~/.cache/axdse`.
    """
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(os.environ.get("AXDSE_CACHE") or home / "axdse") / kind
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        rule, remedy = "the cache folder must be writable", "set AXDSE_CACHE to another folder"
        raise unwritable(rule, folder, error, remedy) from error
    return folder


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder of its own, removed at the end.

    Raises:
        MachineError: it cannot be made or written: say, the disk is full.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="axdse-") as name:
            yield Path(name)
    except OSError as error:
        rule, place = "the temporary folder must be writable", Path(tempfile.gettempdir())
        raise unwritable(rule, place, error, "set TMPDIR to another folder") from error


def digest(*parts: str | bytes) -> str:
    """SHA-256 (hex) of the parts; each is length-prefixed, so borders cannot shift."""
    state = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        state.update(len(data).to_bytes(8, "little"))
        state.update(data)
    return state.hexdigest()


def write_atomically(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write so that a reader, or a crash half-way, never sees a part of the file.

    Raises:
        MachineError: the place is unwritable or full; it is left as it was.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
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


def _unwritable(path: Path, error: OSError) -> MachineError:
    root = os.environ.get("AXDSE_CACHE")
    place = "set AXDSE_CACHE to" if root and path.is_relative_to(root) else "choose"
    remedy = f"{place} another place; nothing was half-written"
    return unwritable("the output must be writable", path, error, remedy)


def _adapter(result_type: type[T]) -> TypeAdapter[T]:
    """One for each type: to make it takes longer than to read an entry."""
    if result_type not in _adapters:
        _adapters[result_type] = TypeAdapter(result_type)
    return _adapters[result_type]


def load(kind: str, key: str, result_type: type[T]) -> T | None:
    """Return the dataclass that `store` left, or None; a corrupt one is reported in a warning."""
    path = cache_dir(kind) / f"{key}.json"
    if path.exists():
        try:
            return _adapter(result_type).validate_json(path.read_bytes())
        except (ValidationError, OSError):
            log.warning("cache entries must be readable: %s is corrupt; computing it again", path)
    return None


def store(kind: str, key: str, result: object) -> None:
    """Keep a dataclass as JSON."""
    data = _adapter(type(result)).dump_json(result, indent=2)
    write_atomically(cache_dir(kind) / f"{key}.json", data)


def cached(kind: str, key: str, result_type: type[T], compute: Callable[[], T]) -> T:
    """Return the stored dataclass under `key`, or compute and store it as JSON.

    Of processes that compute one entry at the same time the first to store it wins: all then
    return the same date.
    """
    known = load(kind, key, result_type)
    if known is not None:
        return known
    was_there = (cache_dir(kind) / f"{key}.json").exists()  # but corrupt
    result = compute()
    earlier = None if was_there else load(kind, key, result_type)
    if earlier is not None:
        return earlier
    store(kind, key, result)
    return result
