"""What of the coordinator's files does a job take along? Each by its content, never by its place.

Files and folders that a job names are parcels, named by their digest: a worker asks for those that
it has not, once. They come with a job, or lie in a folder that all machines see.
"""

import io
import pickle
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from axdse.dse.jobs.versions import PACKAGES
from axdse.multipliers.cache import digest
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.provenance import ROOT

Content = tuple[tuple[str, bytes], ...]  # relative names and contents, by name


@dataclass(frozen=True)
class Parcel:
    """Files that belong together.

    Attributes:
        name: SHA-256 (hex) of their names and contents.
        root: the folder that holds them.
        data: they themselves.
    """

    name: str
    root: Path
    data: bytes


def parcel(path: Path) -> Parcel:
    """Of a file, or of a folder with all that is in it.

    Raises:
        AxdseError: it cannot be read.
    """
    root = path if path.is_dir() else path.parent
    files = [path] if root == path.parent else sorted(f for f in path.rglob("*") if f.is_file())
    try:
        content = tuple((f.relative_to(root).as_posix(), f.read_bytes()) for f in files)
    except OSError as error:
        raise AxdseError("what a job needs must be readable", error, "put it back") from error
    data = pickle.dumps(content, protocol=5)
    return Parcel(digest(data), root, data)


def unpack(data: bytes, name: str, folder: Path) -> bool:
    """Write the files of a parcel into a folder; False: these are not they."""
    if digest(data) != name:
        return False
    content: Content = pickle.loads(data)
    for relative, text in content:
        place = folder / relative
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text)
    return True


class Freight:
    """Packs jobs for machines that have none of our files.

    Args:
        folders: what is in one of them goes with all of it, as a C model with what it includes.
    """

    def __init__(self, folders: Iterable[Path] = ()) -> None:
        self._folders = [folder.absolute() for folder in folders if folder.is_dir()]
        self._parcels: dict[tuple[Path, int, int], Parcel] = {}

    def pack(self, job: object) -> tuple[bytes, tuple[str, ...]]:
        """A job without our paths, and the parcels that it needs instead."""
        packer = _Packer(self.place_of)
        return packer.packed(job), tuple(packer.needed)

    def data(self, name: str) -> bytes:
        """A parcel, by name."""
        return next(each.data for each in self._parcels.values() if each.name == name)

    def add(self, path: Path) -> Parcel:
        """That of a file or folder, read once, or again when the file is another."""
        status = path.stat()
        key = path, status.st_mtime_ns, status.st_size
        if key not in self._parcels:
            self._parcels[key] = parcel(path)
        return self._parcels[key]

    def place_of(self, path: Path) -> tuple[str, str] | None:
        """What stands for a path in a job; None: the path itself."""
        whole = path.absolute()
        if whole.is_relative_to(ROOT) and whole.relative_to(ROOT).parts[:1] in _OWN:
            return "", whole.relative_to(ROOT).as_posix()
        if not whole.is_file():
            return None
        around = next((f for f in self._folders if whole.is_relative_to(f)), whole)
        found = self.add(around)
        return found.name, whole.relative_to(found.root).as_posix()


_OWN = {(package,) for package in PACKAGES}


def pack(job: object) -> bytes:
    """A job for processes of this machine, with its paths."""
    return _Packer(lambda path: None).packed(job)


class _Packer(pickle.Pickler):
    """`fast`: without references to what came before, so that equal jobs have equal bytes."""

    def __init__(self, place_of: Callable[[Path], tuple[str, str] | None]) -> None:
        self._buffer = io.BytesIO()
        super().__init__(self._buffer, protocol=5)
        self.fast = True
        self._place_of = place_of
        self.needed: dict[str, None] = {}

    def packed(self, value: object) -> bytes:
        self.dump(value)
        return self._buffer.getvalue()

    def persistent_id(self, value: Any) -> tuple[str, str] | None:
        place = self._place_of(value) if isinstance(value, Path) else None
        if place and place[0]:
            self.needed[place[0]] = None
        return place


class Unpacker(pickle.Unpickler):
    """Reads a packed job.

    Args:
        job: of `Freight.pack`.
        folders: of the parcels that it needs, by name.
    """

    def __init__(self, job: bytes, folders: dict[str, Path]) -> None:
        super().__init__(io.BytesIO(job))
        self._folders = folders

    def persistent_load(self, place: Any) -> Path:
        """The path of a file here."""
        name, relative = place
        return (self._folders[name] if name else ROOT) / PurePosixPath(relative)
