"""How does an export come into its place, whole or not at all, and keep what others added?

An export lists its files with their digests in `SHA256SUMS`, for `sha256sum --check` and for the
next export to the same place: what is listed and unchanged may go, everything else is another's.
"""

import contextlib
import ctypes
import errno
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from axdse.dse.run.run_dir import RUN_NAMES
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.files import InputFile
from axdse.multipliers.scratch import owned_folder, remove_leftovers

SUMS = "SHA256SUMS"
OURS = {"report.html", "trials.csv", "front.csv"}
AT_FDCWD, RENAME_EXCHANGE = -100, 2  # <fcntl.h>, <linux/fs.h>
LONGEST_LIST = 16 << 20
_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


@dataclass(frozen=True)
class _Earlier:
    """An earlier export.

    Attributes:
        folder: of it.
        sums: digests by name of what was written.
    """

    folder: Path
    sums: dict[str, str]

    @property
    def foreign(self) -> list[Path]:
        """What others added or changed, relative; of folders the empty ones."""
        found = sorted(path for path in self.folder.rglob("*") if not self._is_own(path))
        return [path.relative_to(self.folder) for path in found]

    def _is_own(self, path: Path) -> bool:
        name, mode = str(path.relative_to(self.folder)), path.lstat().st_mode
        if stat.S_ISDIR(mode):
            return any(path.iterdir())
        listed = name == SUMS or name in self.sums
        return listed and stat.S_ISREG(mode) and (name == SUMS or _sum(path) == self.sums[name])


@contextlib.contextmanager
def staged(destination: Path, run: Path, *, overwrite: bool) -> Iterator[Path]:
    """A folder that takes the place of `destination` if all goes well, else vanishes.

    Args:
        destination: where the export is to be.
        run: the folder of the run that is exported.
        overwrite: replace an earlier export; what others added to it stays.

    Raises:
        AxdseError: the place is taken, or cannot be written; it is left as it was.
    """
    place = _place(destination)
    try:
        _refuse_run(place, run.resolve())
        earlier = _earlier(place, overwrite)
        place.parent.mkdir(parents=True, exist_ok=True)
        prefix = f".{place.name}.axdse-"
        remove_leftovers(place.parent, prefix)
        with owned_folder(place.parent, prefix) as staging:
            (built := staging / "new").mkdir()
            yield built
            if earlier:
                _keep(earlier, built)
                _exchange(built, place)
            else:
                built.rename(place)
    except OSError as error:
        raise AxdseError(
            "the export must be writable",
            f"{destination} ({error.strerror or error})",
            "free some space or choose another place; nothing was half-written",
        ) from error


def _place(destination: Path) -> Path:
    """The path without `..` and links, but for its own name."""
    if destination.name in ("", ".."):
        return destination.resolve()
    return destination.parent.resolve() / destination.name


def _refuse_run(place: Path, run: Path) -> None:
    own = [run, *(run / name for name in RUN_NAMES)]
    if run.is_relative_to(place) or any(place.is_relative_to(path) for path in own[1:]):
        raise AxdseError(
            "an export leaves the run as it is",
            f"{place} is a part of it, or holds it",
            f"choose another folder, such as {run / 'export'}",
        )


def _earlier(place: Path, overwrite: bool) -> _Earlier | None:
    try:
        status = place.lstat()
    except FileNotFoundError:
        return None
    if not overwrite:
        raise AxdseError(
            "an export needs a new folder",
            f"{place} exists",
            "choose another one, or give --overwrite",
        )
    if not stat.S_ISDIR(status.st_mode):
        raise _foreign(place, "is no folder")
    held, sums = {path.name for path in place.iterdir()}, _read_sums(place / SUMS)
    if held and not held | sums.keys() >= OURS:
        raise _foreign(place, "holds something else")
    return _Earlier(place, sums)


def _foreign(place: Path, what: str) -> AxdseError:
    rule = "--overwrite replaces an earlier export only"
    return AxdseError(rule, f"{place} {what}", "choose another folder")


def _read_sums(path: Path) -> dict[str, str]:
    """Digests by name; empty: there is no such file."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return {}
    except FileNotFoundError:
        return {}
    try:
        lines = InputFile(path, "an export lists its files", LONGEST_LIST).text().splitlines()
    except AxdseError:  # somebody else's
        return {}
    return {found[2]: found[1] for line in lines if (found := _LINE.fullmatch(line))}


def listed(folder: Path) -> dict[str, str]:
    """Digests of the files of an export, by name.

    Raises:
        AxdseError: it is no export.
    """
    rule = f"an export of axdse lists its files in {SUMS}"
    remedy = "name the folder that 'axdse export' wrote"
    if not folder.is_dir():
        raise AxdseError(rule, f"{folder} is no folder", remedy)
    sums = _read_sums(folder / SUMS)
    if not sums.keys() >= OURS:
        raise AxdseError(rule, f"{folder} lists {'others' if sums else 'none'}", remedy)
    return sums


def changes(folder: Path, sums: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Names of files, and what became of them: missing, altered, or not listed."""
    for name, known in sums.items():
        path = folder / name
        if Path(name).is_absolute() or ".." in Path(name).parts:
            yield name, "leads out of the export"
        elif not os.path.lexists(path):
            yield name, "missing"
        elif not stat.S_ISREG(path.lstat().st_mode) or _sum(path) != known:
            yield name, "altered"
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if name not in sums and name != SUMS and not stat.S_ISDIR(path.lstat().st_mode):
            yield name, f"not in {SUMS}"


def write_sums(folder: Path) -> tuple[Path, ...]:
    """List the files of an export in it; return them, relative, with the list itself.

    Raises:
        OSError: it cannot be written.
    """
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    (folder / SUMS).write_text("".join(f"{_sum(folder / name)}  {name}\n" for name in files))
    return tuple(sorted([*files, Path(SUMS)]))


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _keep(earlier: _Earlier, built: Path) -> None:
    """Give what is another's a second name in the new export."""
    for name in earlier.foreign:
        old, new = earlier.folder / name, built / name
        if stat.S_ISDIR(old.lstat().st_mode):
            new.mkdir(parents=True, exist_ok=True)
            continue
        if os.path.lexists(new):
            raise AxdseError(
                "--overwrite replaces only what axdse wrote",
                f"{old} was added or changed since",
                "rename that file, or choose another folder",
            )
        new.parent.mkdir(parents=True, exist_ok=True)
        os.link(old, new, follow_symlinks=False)


def _exchange(built: Path, place: Path) -> None:
    """Swap two folders in one step, so that a kill leaves either; two where there is no such."""
    code = _exchanged(built, place)
    if not code:
        return
    if code not in (errno.EINVAL, errno.ENOSYS):
        raise OSError(code, os.strerror(code))
    aside = place.with_name(f".{place.name}.earlier")
    place.rename(aside)
    try:
        built.rename(place)
    except OSError:
        aside.rename(place)
        raise
    shutil.rmtree(aside)


def _exchanged(first: Path, second: Path) -> int:
    """Exchange two names; return the error's number, 0 if there is none."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        return errno.ENOSYS
    names = AT_FDCWD, os.fsencode(first), AT_FDCWD, os.fsencode(second)
    return ctypes.get_errno() if libc.renameat2(*names, RENAME_EXCHANGE) else 0
