import json
import logging
import os
import pickle
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from axdse.multipliers.cache import (
    DamagedError,
    cache_dir,
    cached,
    cached_bytes,
    cached_file,
    digest,
    load,
    remove_parts,
    seal,
    store,
    temporary_folder,
    unseal,
    write_atomically,
    write_output,
)
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
@pytest.mark.usefixtures("own_cache")
def test_a_corrupt_entry_is_computed_again_with_one_warning(caplog, damage):
    path = cache_dir("kind") / "key.json"
    path.write_bytes(damage)
    entry = Entry("x", (1.0,))

    with caplog.at_level(logging.WARNING):
        assert cached("kind", "key", Entry, lambda: entry) == entry
    assert [r.message for r in caplog.records] == [
        f"cache entries must be readable: {path} is corrupt; computing it again"
    ]
    assert cached("kind", "key", Entry, lambda: pytest.fail("not stored")) == entry


def damaged_by(damage, path):
    """Do to an entry what a bad disk, a full one, or a careless person does."""
    whole = path.read_bytes()
    match damage:
        case "truncated":
            path.write_bytes(whole[: len(whole) // 2])
        case "empty":
            path.write_bytes(b"")
        case "one bit":
            path.write_bytes(whole[:20] + bytes([whole[20] ^ 1]) + whole[21:])
        case "longer":
            path.write_bytes(whole + b"\n")
        case "unsealed":
            path.write_bytes(b'{"name":' + whole.partition(b'"name":')[2])
        case _:
            path.unlink()
    match damage:
        case "folder":
            path.mkdir()
            (path / "file").touch()
        case "pipe":
            os.mkfifo(path)
        case "link":
            path.symlink_to("/dev/zero")


DAMAGES = ["truncated", "empty", "one bit", "longer", "unsealed", "folder", "pipe", "link"]
ENTRY = Entry("x", (1.25, 3.5))
KINDS = {
    "key.json": lambda make: cached("kind", "key", Entry, make),
    "key.so": lambda make: cached_file("kind", "key.so", lambda: repr(make()).encode()),
    "key": lambda make: cached_bytes("kind", "key", lambda: repr(make()).encode()),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", KINDS)
@pytest.mark.usefixtures("own_cache")
def test_a_damaged_entry_is_made_again_with_one_warning(name, damage, caplog):
    path = cache_dir("kind") / name
    first = KINDS[name](lambda: ENTRY)
    whole = path.read_bytes()
    damaged_by(damage, path)

    with caplog.at_level(logging.WARNING):
        assert KINDS[name](lambda: ENTRY) == first
    assert [record.message for record in caplog.records] == [
        f"cache entries must be readable: {path} is corrupt; computing it again"
    ]
    assert path.read_bytes() == whole
    assert KINDS[name](lambda: pytest.fail("not stored")) == first


@pytest.mark.parametrize("place", ["kind/other.json", "other/key.json"])
def test_an_entry_is_not_believed_at_another_place(place, own_cache):
    store("kind", "key", ENTRY)
    moved = own_cache / place
    moved.parent.mkdir(exist_ok=True)
    (own_cache / "kind" / "key.json").rename(moved)

    assert load(moved.parent.name, moved.stem, Entry) is None


@pytest.mark.usefixtures("own_cache")
def test_one_changed_digit_is_not_believed():
    store("kind", "key", ENTRY)
    path = cache_dir("kind") / "key.json"
    path.write_bytes(path.read_bytes().replace(b"1.25", b"1.26"))

    assert load("kind", "key", Entry) is None


@pytest.mark.usefixtures("own_cache")
def test_an_entry_remains_json():
    store("kind", "key", ENTRY)

    assert json.loads((cache_dir("kind") / "key.json").read_bytes())["values"] == [1.25, 3.5]


@pytest.mark.usefixtures("own_cache")
def test_a_program_runs_from_the_cache_and_may_be_run_again():
    def make():
        return Path("/bin/true").read_bytes()

    path = cached_file("kind", "program", make, executable=True)
    path.chmod(0o600)
    again = cached_file("kind", "program", make, executable=True)

    assert subprocess.run([again], check=False).returncode == 0


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"{", b"{}", b'{"a": 1}', bytes(1000)])
def test_a_seal_holds_for_its_content_and_context_alone(content):
    sealed = seal(content, "a/b")

    assert unseal(sealed, "a/b") == content
    for wrong, context in ((sealed, "a/c"), (sealed[1:], "a/b"), (content, "a/b")):
        with pytest.raises(DamagedError):
            unseal(wrong, context)


@pytest.mark.usefixtures("own_cache")
def test_a_result_that_cannot_be_kept_is_returned(monkeypatch, caplog):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.mkstemp", full)

    assert cached("kind", "key", Entry, lambda: ENTRY) == ENTRY
    assert "not kept in the cache" in caplog.text
    with pytest.raises(AxdseError, match="No space left"):
        cached_file("kind", "key.so", lambda: b"library")


@pytest.mark.parametrize(("age_s", "is_touched"), [(30, False), (3600, True)])
@pytest.mark.usefixtures("own_cache")
def test_reading_notes_the_time_of_use(age_s, is_touched):
    store("kind", "key", ENTRY)
    path = cache_dir("kind") / "key.json"
    before = time.time() - age_s
    os.utime(path, (before, before))
    load("kind", "key", Entry)

    assert (path.stat().st_mtime > before + 1) is is_touched


def test_parts_of_killed_writes_are_removed(tmp_path):
    killed = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from axdse.multipliers.cache import write_atomically\n"
        "Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_atomically(Path(sys.argv[1]) / 'file', b'data')\n"
    )
    subprocess.run([sys.executable, "-c", killed, tmp_path], check=False)
    (tmp_path / ".file.other").touch()
    assert len(list(tmp_path.iterdir())) == 2
    remove_parts(tmp_path, older_than_s=60)
    assert len(list(tmp_path.iterdir())) == 2
    remove_parts(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == [".file.other"]


def test_writing_makes_folders_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "a" / "b" / "file"
    write_output(path, b"old")
    write_output(path, b"new")

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
        f"the output must be writable: {path} (File too large); raise the limit"
    )
    assert [p.read_bytes() for p in tmp_path.iterdir()] == ([] if old is None else [old])


@pytest.mark.parametrize(
    ("write", "place"),
    [
        (write_atomically, "file/below"),
        (write_atomically, "folder"),
        (write_atomically, "gone/file"),
        (write_output, "file/below"),
    ],
)
def test_an_unwritable_place_is_one_line(tmp_path, write, place):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()

    with pytest.raises(AxdseError, match=f"output must be writable: .*{place}"):
        write(tmp_path / place, b"data")
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
