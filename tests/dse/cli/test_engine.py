"""An engine that cannot do a search is one line and exit code 2, and nothing is written."""

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from axdse.dse.cli import run
from axdse.dse.run.config import SearchConfig, dump_config
from axdse.dse.run.run_dir import RunDir

Make = Callable[..., SearchConfig]


@pytest.fixture
def config(tiny_config: Make, tmp_path: Path) -> Path:
    path = tmp_path / "search.yaml"
    path.write_text(dump_config(tiny_config()))
    return path


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("nonsense",), "unknown engine: nonsense; write processes, dask://HOST:PORT or"),
        (("dask://127.0.0.1:1",), "an engine answers within 1 s: dask://127.0.0.1:1: OSError"),
        (("worker_jobs:nothing",), "AttributeError"),
        (("worker_jobs:of_another_version",), "the coordinator's versions: .*python: .*, not 2.7"),
        (
            ("worker_jobs:elsewhere", "--shared", "shared"),
            "is seen by every worker: .* has another /elsewhere; mount it there, or leave",
        ),
        (("worker_jobs:elsewhere", "--shared", "search.yaml"), "the output must be writable"),
    ],
)
def test_an_engine_is_refused(
    options: tuple[str, ...],
    message: str,
    config: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    call = ["search", config.name, "--run", "run", "--engine-wait", "1", "--engine", *options]
    assert run(call) == 2
    found = capsys.readouterr()
    (line,) = found.err.splitlines()
    assert found.out == ""
    assert re.search(message, line), line
    assert not (tmp_path / "run").exists()
    assert not list(tmp_path.glob("shared/*"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--engine", "dask://127.0.0.1:1", "--engine-wait", "1"), "an engine answers within 1 s"),
        (
            (),
            r"keeps its configuration .*families was \['.*'\], is now \['exact', 'drum'\]",
        ),
    ],
)
def test_a_run_that_does_not_go_on_stays_as_it_was(
    options: tuple[str, ...],
    message: str,
    finished_run: RunDir,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Another space, or an engine that is not there."""
    path, other = tmp_path / "run", tmp_path / "search.yaml"
    shutil.copytree(finished_run.path, path)
    other.write_text(dump_config(replace(finished_run.config, families=("exact", "drum"))))
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    assert run(["search", str(other), "--run", str(path), "--resume", *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(message, line), line
    assert {file: file.read_bytes() for file in path.rglob("*") if file.is_file()} == before
