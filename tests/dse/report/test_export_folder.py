"""Where an export goes: the old one or the new one, and what others put there stays."""

import ctypes
import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from axdse.dse.report.export import folder as export_folder
from axdse.dse.report.export.folder import SUMS, staged, write_sums
from axdse.multipliers.errors import AxdseError

OLD = {"report.html": "old", "trials.csv": "", "front.csv": "", "1_a/a.v": "old", "1_b/b.v": "old"}
NEW = {"report.html": "new", "trials.csv": "", "front.csv": "", "1_a/a.v": "new", "2_c/c.v": "new"}


def put(files: dict[str, str], place: Path, *, overwrite: bool = False) -> None:
    with staged(place, place.parent / "run", overwrite=overwrite) as folder:
        for name, text in files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)
        write_sums(folder)


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != SUMS)
    return {str(path.relative_to(folder)): path.read_text() for path in files}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    put(OLD, tmp_path / "out")
    return tmp_path / "out"


@pytest.fixture
def no_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_folder, "_exchanged", lambda first, second: errno.EINVAL)


@pytest.mark.parametrize("supported", [True, False])
def test_what_axdse_wrote_goes(supported: bool, out: Path, request: pytest.FixtureRequest) -> None:
    if not supported:
        request.getfixturevalue("no_exchange")
    put(NEW, out, overwrite=True)
    assert contents(out) == NEW
    assert not (out / "1_b").exists()
    assert [path.name for path in out.parent.iterdir()] == ["out"]


@pytest.mark.parametrize("name", ["notes.txt", "1_a/notes.txt", "1_b/notes.txt", "own/a/b.txt"])
def test_what_others_added_stays(name: str, out: Path) -> None:
    (out / name).parent.mkdir(parents=True, exist_ok=True)
    (out / name).write_text("mine")
    put(NEW, out, overwrite=True)
    put(NEW, out, overwrite=True)
    assert contents(out) == {**NEW, name: "mine"}


def test_links_pipes_and_empty_folders_of_others_stay(out: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").write_text("untouched")
    (out / "link").symlink_to(tmp_path / "elsewhere")
    (out / "1_b" / "dangling").symlink_to("nowhere")
    (out / "empty").mkdir()
    os.mkfifo(out / "pipe")
    put(NEW, out, overwrite=True)
    assert (out / "link").is_symlink()
    assert (out / "1_b" / "dangling").is_symlink()
    assert (out / "empty").is_dir()
    assert (out / "pipe").is_fifo()
    assert (tmp_path / "elsewhere" / "file").read_text() == "untouched"


@pytest.mark.parametrize("size", [1 << 40, 0], ids=["endless", "empty"])
def test_a_list_that_is_no_list_makes_a_folder_another_s(size: int, out: Path) -> None:
    (out / "report.html").unlink()
    os.truncate(out / SUMS, size)
    with pytest.raises(AxdseError, match="holds something else; choose another folder"):
        put(NEW, out, overwrite=True)


@pytest.mark.parametrize("name", ["report.html", "1_a/a.v", "2_c/c.v"])
def test_what_others_changed_is_named(name: str, out: Path) -> None:
    (out / name).parent.mkdir(exist_ok=True)
    (out / name).write_text("mine")
    before = contents(out)
    with pytest.raises(AxdseError, match=f"{name} was added or changed since; rename"):
        put(NEW, out, overwrite=True)
    assert contents(out) == before
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_a_changed_file_that_the_new_export_lacks_stays(out: Path) -> None:
    (out / "1_b" / "b.v").write_text("mine")
    put(NEW, out, overwrite=True)
    assert contents(out) == {**NEW, "1_b/b.v": "mine"}


def file(place: Path) -> None:
    place.write_text("mine")


def link(place: Path) -> None:
    place.with_name("target").mkdir()
    place.symlink_to("target")


def folder(place: Path) -> None:
    place.mkdir()
    (place / "thesis.tex").write_text("mine")


def run(place: Path) -> None:
    folder(place)
    place.with_name("run").symlink_to(place)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("make", [file, link, folder, run])
def test_a_place_of_others_is_refused(
    make: Callable[[Path], None], overwrite: bool, tmp_path: Path
) -> None:
    make(tmp_path / "out")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(AxdseError, match=r"another|choose"):
        put(NEW, tmp_path / "out", overwrite=overwrite)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("place", ["/", "run", "run/trials", "run/trials/export", ".", "run/.."])
def test_the_run_is_left_as_it_is(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run" / "trials").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with (
        pytest.raises(AxdseError, match=r"an export leaves the run as it is"),
        staged(Path(place), Path("run"), overwrite=True),
    ):
        pass
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "run", tmp_path / "run" / "trials"]


def test_an_export_may_lie_in_its_run(tmp_path: Path) -> None:
    with staged(tmp_path / "run" / "export", tmp_path / "run", overwrite=False) as folder:
        (folder / "report.html").write_text("new")
    assert contents(tmp_path / "run" / "export") == {"report.html": "new"}


def test_an_earlier_export_survives_a_failing_rename(
    out: Path, no_exchange: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.rename

    def rename(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError(errno.EIO, "Input/output error")
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(AxdseError, match="must be writable"):
        put(NEW, out, overwrite=True)
    assert contents(out) == OLD


KILLED = """
import os, signal, sys
from pathlib import Path
from axdse.dse.report.export import folder as export_folder
place, moment = Path(sys.argv[1]), sys.argv[2]
def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)
if moment != "writing":
    setattr(export_folder, moment, kill)
with export_folder.staged(place, place.parent / "run", overwrite=True) as folder:
    (folder / "report.html").write_text("new")
    kill() if moment == "writing" else None
"""


@pytest.mark.parametrize("moment", ["writing", "_keep", "_exchange"])
def test_a_kill_leaves_the_earlier_export_and_the_next_one_tidies_up(
    moment: str, out: Path
) -> None:
    call = [sys.executable, "-c", KILLED, str(out), moment]
    assert subprocess.run(call, check=False).returncode == -signal.SIGKILL
    assert contents(out) == OLD
    assert len(list(out.parent.iterdir())) == 2
    put(NEW, out, overwrite=True)
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_this_machine_exchanges_folders_in_one_step(out: Path) -> None:
    assert hasattr(ctypes.CDLL(None), "renameat2")
    (out.parent / "new").mkdir()
    assert export_folder._exchanged(out.parent / "new", out) == 0
    assert contents(out.parent / "new") == OLD
