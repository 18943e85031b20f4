"""A search finds the same, bit for bit, with any number of workers, and on any engine."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from told_by_runs import told_by

from axdse.dse.jobs.engines import LOCAL
from axdse.dse.run.config import SearchConfig
from axdse.dse.run.run_dir import RunDir
from axdse.dse.search.search import run_search

Make = Callable[..., SearchConfig]
LIMIT_S = 120.0


@pytest.fixture(scope="module")
def config(tiny_config: Make) -> SearchConfig:
    return tiny_config(
        'formats: "float(8,2)"', "trials: 4", "training: {epochs: 2, train_images: 500}"
    )


@pytest.fixture(scope="module")
def alone(config: SearchConfig, tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """A run with one worker."""
    return run_search(config, tmp_path_factory.mktemp("alone") / "run", workers=1)


def begun(run: RunDir, folder: Path) -> Path:
    """A copy of a run that has its first trial and its baselines, but for some trainings."""
    shutil.copytree(run.path, folder)
    spared = folder / "trials" / "00000.json"
    replicates = sorted(folder.glob("replicates/*.json"))
    for path in (*folder.glob("trials/*.json"), *folder.glob("front*"), *replicates[::2]):
        if path != spared:
            path.unlink()
    return folder


def test_on_dask(alone: RunDir, config: SearchConfig, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    from dask_cluster import dask_scheduler, dask_workers

    for name in ("scheduler", "workers"):
        (tmp_path / name).mkdir()
    with (
        dask_scheduler(tmp_path / "scheduler") as address,
        dask_workers(tmp_path / "workers", address, 2),
    ):
        there = run_search(
            config,
            begun(alone, tmp_path / "run"),
            resume=True,
            engine=f"dask://{address}",
            engine_wait_s=LIMIT_S,
        )
    assert told_by(there) == told_by(alone)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [2, 4])
def test_with_several_workers(
    workers: int, alone: RunDir, config: SearchConfig, tmp_path: Path
) -> None:
    several = run_search(config, tmp_path / "run", workers=workers, engine=LOCAL)
    assert told_by(several) == told_by(alone)
