"""Temporary folders: whose process was killed is removed, and nothing else."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from axdse.multipliers.scratch import LOCK, owned_folder, remove_leftovers

WORK = """
import os, signal, sys
from pathlib import Path
from axdse.multipliers.scratch import owned_folder
with owned_folder(Path(sys.argv[1]), "axdse-") as folder:
    (folder / "work").mkdir()
    (folder / "work" / "file").touch()
    (folder / "link").symlink_to(Path(sys.argv[1]) / "untouched")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def started(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", WORK, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    folder = Path(process.stdout.readline().decode().strip())
    yield process, folder
    process.kill()
    process.communicate()


def test_a_folder_is_removed_at_the_end(tmp_path):
    with owned_folder(tmp_path, "axdse-") as folder:
        (folder / "file").touch()

    assert not list(tmp_path.iterdir())


def test_a_folder_stays_while_its_process_lives_and_goes_after_a_kill(started, tmp_path):
    process, folder = started
    (tmp_path / "untouched").mkdir()
    (tmp_path / "untouched" / "file").touch()
    remove_leftovers(tmp_path, "axdse-")
    assert (folder / "work" / "file").exists()
    process.send_signal(signal.SIGKILL)
    process.wait()
    remove_leftovers(tmp_path, "other-")
    assert folder.exists()
    remove_leftovers(tmp_path, "axdse-")

    assert not folder.exists()
    assert (tmp_path / "untouched" / "file").exists()


def unmarked(tmp_path):
    (tmp_path / "axdse-mine").mkdir()


def linked_mark(tmp_path):
    (tmp_path / "lock").touch()
    unmarked(tmp_path)
    (tmp_path / "axdse-mine" / LOCK).symlink_to(tmp_path / "lock")


def linked_folder(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / LOCK).touch()
    (tmp_path / "axdse-mine").symlink_to(tmp_path / "mine")


def plain_file(tmp_path):
    (tmp_path / "axdse-mine").touch()


@pytest.mark.parametrize("make", [unmarked, linked_mark, linked_folder, plain_file])
def test_what_is_no_leftover_stays(make, tmp_path):
    make(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    remove_leftovers(tmp_path, "axdse-")

    assert sorted(tmp_path.rglob("*")) == before


def test_folders_of_another_user_stay(tmp_path, monkeypatch):
    (tmp_path / "axdse-other").mkdir()
    (tmp_path / "axdse-other" / LOCK).touch()
    monkeypatch.setattr(os, "geteuid", lambda: 12345678)
    remove_leftovers(tmp_path, "axdse-")

    assert (tmp_path / "axdse-other").exists()


def test_a_place_that_is_not_there_is_no_error(tmp_path):
    remove_leftovers(tmp_path / "gone", "axdse-")


def test_a_folder_that_is_taken_for_a_leftover_is_replaced(tmp_path, monkeypatch):
    """Another process looks between the making of the folder and its lock."""
    real, taken = os.open, []

    def open_late(path, *arguments, **keywords):
        descriptor = real(path, *arguments, **keywords)
        if not taken:
            taken.append(path)
            remove_leftovers(tmp_path, "axdse-")
        return descriptor

    monkeypatch.setattr(os, "open", open_late)
    with owned_folder(tmp_path, "axdse-") as folder:
        assert folder.is_dir()
        assert folder != taken[0].parent
