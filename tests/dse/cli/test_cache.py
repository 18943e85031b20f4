"""`axdse cache`, and what every command does for the cache and for temporary folders."""

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from axdse.dse.cli import run
from axdse.dse.cli.commands import cli
from axdse.multipliers.cache import cached_bytes, digest
from axdse.multipliers.cache_limit import in_use
from axdse.multipliers.scratch import LOCK

SIZE = 1000
Held = list[Path]


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Held:
    """Entries of two kinds, unused for 3, 2 and 1 days."""
    monkeypatch.setenv("AXDSE_CACHE", str(tmp_path / "cache"))
    paths = []
    for days, kind in ((3, "cost"), (2, "kernel"), (1, "cost")):
        name = digest(str(days))
        cached_bytes(kind, name, lambda: bytes(SIZE))
        paths.append(tmp_path / "cache" / kind / name)
        used = time.time() - 86_400 * days
        os.utime(paths[-1], (used, used))
    return paths


def output(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(cli, list(arguments), standalone_mode=False)
    assert result.exception is None, result.exception
    assert (result.return_value or 0) == code
    return result.output


@pytest.mark.usefixtures("held")
def test_show_counts_by_kind() -> None:
    report = json.loads(output("cache", "show", "--json"))
    assert report["limit"] == 5 * 10**9
    assert [(k["kind"], k["entries"]) for k in report["kinds"]] == [("cost", 2), ("kernel", 1)]
    assert report["size"] == sum(k["size"] for k in report["kinds"]) >= 3 * SIZE
    assert [round(k["oldest_days"]) for k in report["kinds"]] == [3, 2]
    assert "kernel" in output("cache", "show")


@pytest.mark.parametrize(
    ("options", "gone"),
    [
        ((), 0),
        (("--to", "2.5 kB"), 1),
        (("--older-than", "2"), 2),
        (("--older-than", "4"), 0),
        (("--all",), 3),
    ],
)
def test_prune_removes_the_least_recently_used(
    options: tuple[str, ...], gone: int, held: Held
) -> None:
    assert f"{gone} entries removed" in output("cache", "prune", *options)
    assert [path.exists() for path in held] == [False] * gone + [True] * (3 - gone)


def test_prune_says_what_had_to_stay(held: Held, capsys: pytest.CaptureFixture[str]) -> None:
    os.utime(held[0])
    with in_use():
        assert run(["cache", "prune", "--all"]) == 1
    captured = capsys.readouterr()
    assert "2 entries removed" in captured.out
    assert "1 more are in use, or may not be removed" in captured.err
    assert [path.exists() for path in held] == [True, False, False]


def shortened(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def swapped(path: Path) -> None:
    shutil.copyfile(path.parent.parent / "kernel" / digest("2"), path)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def made_a_folder(path: Path) -> None:
    path.unlink()
    (path / "sub").mkdir(parents=True)


@pytest.mark.parametrize("damage", [shortened, swapped, emptied, made_a_folder])
def test_verify_names_and_removes_what_is_damaged(
    damage: Callable[[Path], None], held: Held
) -> None:
    assert "3 entries are whole, 0 were damaged" in output("cache", "verify")
    damage(held[0])
    assert f"damaged, removed: {held[0]}" in output("cache", "verify", code=1)
    assert [path.exists() for path in held] == [False, True, True]
    assert "2 entries are whole, 0 were damaged" in output("cache", "verify")


@pytest.mark.parametrize(
    "command",
    [
        ["cache", "prune", "--to", "much"],
        ["cache", "prune", "--to", "1GB", "--all"],
        ["cache", "prune", "--older-than", "-1"],
        ["cache", "prune", "--older-than", "9" * 99],
        ["cache", "nothing"],
    ],
)
def test_bad_input_is_one_line(
    command: list[str], held: Held, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert all(path.exists() for path in held)


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize("command", [["list"], ["cache", "show"]])
def test_a_limit_that_is_none_is_one_line(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AXDSE_CACHE_LIMIT", "much")
    assert run(command) == 2
    assert "AXDSE_CACHE_LIMIT is a size: 'much'; write" in capsys.readouterr().err


def test_a_command_removes_what_killed_ones_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name, mark in (("axdse-left", LOCK), ("axdse-mine", "notes")):
        (tmp_path / name).mkdir()
        (tmp_path / name / mark).touch()
    assert run(["list"]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["axdse-mine"]
