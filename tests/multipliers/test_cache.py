import logging
import pickle
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from axdse.multipliers.cache import cache_dir, cached, digest, temporary_folder, write_atomically
from axdse.multipliers.errors import AxdseError, did_you_mean


@dataclass(frozen=True)
class Entry:
    name: str
    values: tuple[float, ...]


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"AXDSE_CACHE": "own"}, "own/kind"),
        ({"AXDSE_CACHE": "", "XDG_CACHE_HOME": "xdg"}, "xdg/axdse/kind"),
        ({"AXDSE_CACHE": "", "XDG_CACHE_HOME": "", "HOME": "home"}, "home/.cache/axdse/kind"),
    ],
)
def test_the_root_is_the_first_that_is_set(environment, folder, tmp_path, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value and str(tmp_path / value))

    assert cache_dir("kind") == tmp_path / folder
    assert (tmp_path / folder).is_dir()


def test_a_cache_that_cannot_be_made_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("AXDSE_CACHE", str(tmp_path / "file"))

    with pytest.raises(AxdseError, match=r"cache folder must be writable: .*set AXDSE_CACHE"):
        cache_dir("kind")


def test_digests_respect_the_borders_of_the_parts():
    assert digest("ab", "c") != digest("a", "bc")
    assert digest("ab") == digest(b"ab")


def test_an_entry_is_computed_once(own_cache):
    entry = Entry("x", (0.1, 2.5e-300))

    assert cached("kind", "key", Entry, lambda: entry) == entry
    assert cached("kind", "key", Entry, lambda: pytest.fail("computed again")) == entry


@pytest.mark.parametrize(
    "damage", [b"", b'{"name": "x"', b'{"name": "x"}', b'{"name": 1, "values": []}', b"\xff\xfe"]
)
def test_a_corrupt_entry_is_computed_again_with_one_warning(own_cache, caplog, damage):
    path = own_cache / "kind" / "key.json"
    write_atomically(path, damage)
    entry = Entry("x", (1.0,))

    with caplog.at_level(logging.WARNING):
        assert cached("kind", "key", Entry, lambda: entry) == entry
    assert [r.message for r in caplog.records] == [
        f"cache entries must be readable: {path} is corrupt; computing it again"
    ]
    assert cached("kind", "key", Entry, lambda: pytest.fail("not stored")) == entry


def test_writing_makes_folders_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "a" / "b" / "file"
    write_atomically(path, b"old")
    write_atomically(path, b"new")

    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("old", [None, b"old"])
def test_a_full_disk_leaves_nothing_half_written(tmp_path, old):
    path = tmp_path / "file"
    if old is not None:
        path.write_bytes(old)
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from axdse.multipliers.cache import write_atomically\n"
        "from axdse.multipliers.errors import AxdseError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    write_atomically(Path(sys.argv[1]), bytes(100_000))\n"
        "except AxdseError as error:\n"
        "    print(error)\n"
    )

    run = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, check=True
    )

    assert run.stdout.startswith(
        f"the output must be writable: {path} (File too large); free some"
    )
    assert [p.read_bytes() for p in tmp_path.iterdir()] == ([] if old is None else [old])


@pytest.mark.parametrize("place", ["file/below", "folder"])
def test_an_unwritable_place_is_one_line(tmp_path, place):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()

    with pytest.raises(AxdseError, match=f"output must be writable: .*{place}"):
        write_atomically(tmp_path / place, b"data")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_an_interrupted_write_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupt)

    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "file", b"data")
    assert not list(tmp_path.iterdir())


def test_errors_are_one_line_and_cross_processes():
    error = AxdseError("a rule", "line one\n  line two", "a remedy")

    assert str(error) == "a rule: line one line two; a remedy"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize(
    ("word", "choices", "remedy"),
    [
        ("durm", ["exact", "drum"], "did you mean 'drum'?"),
        ("xyz", ["exact", "drum"], "choose from drum, exact"),
        ("xyz", [], "leave it out"),
    ],
)
def test_a_misspelt_word_gets_a_suggestion(word, choices, remedy):
    assert did_you_mean(word, choices) == remedy


def test_a_temporary_folder_is_removed_and_its_failures_are_one_line():
    with (
        pytest.raises(AxdseError, match=r"temporary folder must be writable: .*; free some space"),
        temporary_folder() as folder,
    ):
        raise OSError(28, "No space left on device")

    assert not folder.exists()
