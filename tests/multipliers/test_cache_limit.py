"""The size of the cache: what goes first, what stays, what is damaged."""

import os
import subprocess
import sys
import time

import pytest

from axdse.multipliers.cache import cache_dir, cached_bytes, digest
from axdse.multipliers.cache_limit import (
    cache_limit,
    damaged,
    entries,
    in_use,
    parse_size,
    remove,
    superfluous,
)
from axdse.multipliers.errors import AxdseError

SIZE = 1000
HOLD = """
import sys
from axdse.multipliers.cache_limit import in_use
with in_use():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def three(own_cache):
    """Paths of three entries, unused for 3, 2 and 1 hours, and a file that is none."""
    paths = []
    for hours in (3, 2, 1):
        name = digest(str(hours))
        cached_bytes("kind", name, lambda: bytes(SIZE))
        paths.append(own_cache / "kind" / name)
        used = time.time() - 3600 * hours
        os.utime(paths[-1], (used, used))
    (own_cache / "kind" / "notes.txt").write_text("mine")
    return paths


@pytest.fixture
def other_process(own_cache):
    """Another process that uses the cache."""
    cache_dir("kind")
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    process.stdout.readline()
    yield
    process.communicate()


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("17", 17), ("2GB", 2 * 10**9), ("1.5 k", 1500), ("1MiB", 1 << 20), ("3tb", 3e12)],
)
def test_sizes_are_read(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "x", "-1", "2 PB", "1e9", "nan", "9" * 400, "\u0663", "1GB1"]
)
def test_what_is_no_size_is_refused(text, monkeypatch):
    with pytest.raises(AxdseError, match="a size is a number and a unit"):
        parse_size(text)
    monkeypatch.setenv("AXDSE_CACHE_LIMIT", text or "?")
    with pytest.raises(AxdseError, match="AXDSE_CACHE_LIMIT is a size"):
        cache_limit()


@pytest.mark.parametrize(("left", "gone"), [(10_000, 0), (2500, 1), (1500, 2), (0, 3)])
def test_the_least_recently_used_go_first(left, gone, three, own_cache):
    assert [entry.path for entry in remove(superfluous(left))] == three[:gone]
    assert [path.exists() for path in three] == [False] * gone + [True] * (3 - gone)
    assert (own_cache / "kind" / "notes.txt").exists()


@pytest.mark.usefixtures("other_process")
def test_what_another_process_may_hold_stays(three):
    os.utime(three[0])
    remove(entries())
    assert [path.exists() for path in three] == [True, False, False]


@pytest.mark.parametrize("limit", ["2500", "1GB"])
def test_a_command_leaves_the_cache_within_its_limit(limit, three, monkeypatch):
    monkeypatch.setenv("AXDSE_CACHE_LIMIT", limit)
    with in_use():
        cached_bytes("kind", digest("new"), lambda: bytes(SIZE))
    assert sum(entry.size for entry in entries()) <= parse_size(limit)
    assert three[0].exists() is (limit == "1GB")
    assert (three[0].parent / digest("new")).exists()


@pytest.mark.usefixtures("three")
def test_a_command_that_fails_prunes_too(monkeypatch):
    monkeypatch.setenv("AXDSE_CACHE_LIMIT", "1500")
    with pytest.raises(ZeroDivisionError), in_use():
        raise ZeroDivisionError
    assert len(entries()) == 1


def test_damaged_entries_are_found_and_none_is_touched(three, own_cache):
    three[1].write_bytes(three[1].read_bytes()[1:])
    folder = own_cache / "other" / digest("folder")
    folder.mkdir(parents=True)
    used = three[0].stat().st_mtime
    assert {entry.path for entry in damaged()} == {three[1], folder}
    assert three[0].stat().st_mtime == used


def test_parts_of_killed_writes_go_with_a_pruning(three):
    part = three[0].with_name(f".{three[0].name}.abc.axdse-part")
    part.touch()
    remove([])
    assert not part.exists()


def test_no_cache_is_an_empty_one(tmp_path, monkeypatch):
    monkeypatch.setenv("AXDSE_CACHE", str(tmp_path / "none"))
    with in_use():
        assert entries() == []
    assert remove(superfluous(0)) == []
    assert not (tmp_path / "none").exists()
