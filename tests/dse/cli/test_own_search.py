"""Search, export and report on tasks of a user's own: colour images, and a regression."""

import csv
import json
import sys
from pathlib import Path

import pytest

from axdse.dse.cli import run
from axdse.dse.run.config import load_config
from axdse.dse.run.run_dir import RunDir

HEAD = """
import torch
from torch import nn
from axdse.dse import Metric, Splits, Task, TrainSettings
from axdse.dse.training.task import ACCURACY, log10_mse


def examples(count, seed, colours):
    draw = torch.Generator().manual_seed(seed)
    if colours:
        labels = torch.randint(3, (count,), generator=draw)
        images = torch.randn(count, 3, 6, 6, generator=draw)
        images[torch.arange(count), labels] += 0.7
        return images, labels
    x = torch.randn(count, 8, generator=draw)
    return x, x[:, :1] - 2 * x[:, 1:2]


def splits(colours):
    return Splits(*(examples(count, seed, colours) for seed, count in enumerate((300, 100, 100))))
"""
COLOURS = (
    HEAD
    + """

def task(width=4):
    def network(seed):
        return nn.Sequential(
            nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.ReLU(), nn.Flatten(),
            nn.Linear(16 * width, 3),
        )

    settings = TrainSettings(epochs=2, batch_size=20, optimiser="adam", learning_rate=1e-2)
    return Task(network, lambda: splits(True), nn.functional.cross_entropy, ACCURACY, settings)
"""
)
LINE = (
    HEAD
    + """

def task():
    settings = TrainSettings(epochs=2, batch_size=20, optimiser="adamw", learning_rate=0.05)
    network = lambda seed: nn.Linear(8, 1)
    return Task(
        network, lambda: splits(False), nn.functional.mse_loss, log10_mse(0.05), settings
    )
"""
)
CONFIG = """\
workload: {module}:task
formats: ["float(8,3)"]
families: [exact, drum]
objectives: [score, area]
trainings: 4
workers: 1
activity: uniform
"""


@pytest.mark.parametrize(("name", "text"), [("colours", COLOURS), ("line", LINE)])
def test_a_task_of_ones_own_is_searched(
    name: str,
    text: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    # A spawned worker finds modules of the working folder too.
    module = f"searched_{name}"
    Path(f"{module}.py").write_text(text)
    Path("search.yaml").write_text(CONFIG.format(module=module))
    assert run(["search", "search.yaml", "--run", "run"]) == 0, capsys.readouterr().err
    assert run(["export", "run", "-o", "out"]) == 0

    folder = RunDir(Path("run"))
    assert folder.info.goal.unit == ("" if name == "colours" else "decades")
    assert len(folder.info.factory) == 64
    assert (Path("out/workload") / f"{module}.py").read_text() == text
    report = Path("out/report.html").read_text()
    assert f"{module}:task" in report
    if name == "line":
        assert "log10 MSE" in report
        assert "accuracy" not in report.replace("[accuracy, area]", "")
        rows = list(csv.DictReader(Path("out/front.csv").read_text().splitlines()))
        assert all(float(row["test_mean"]) > 0 for row in rows)  # a score: -log10 MSE
    readme = next(Path("out").glob("points/1_*/README.md")).read_text()
    assert "PYTHONPATH=../../workload axdse train" in readme
    trials = json.loads(Path("out/trials.json").read_text())
    assert any(trial["history"] for trial in trials)

    # What the workload said is in the run: its file is not asked again.
    config = load_config(Path("run/config.yaml"))
    assert config.training.optimiser == ("adam" if name == "colours" else "adamw")
    assert config.resolution == (0.01 if name == "colours" else 0.05)


def test_another_file_does_not_go_on_with_a_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    Path("searched_again.py").write_text(COLOURS)
    Path("search.yaml").write_text(CONFIG.format(module="searched_again"))
    RunDir.create(Path("run"), load_config(Path("search.yaml")))
    Path("searched_again.py").write_text(COLOURS + "\n# changed\n")
    from axdse.dse.training.task import make

    make.cache_clear()  # as another process would find it
    assert run(["search", "search.yaml", "--run", "run", "--resume"]) == 2
    assert "keeps its workload" in capsys.readouterr().err


def test_a_workload_that_fails_ends_a_search_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    Path("searched_wrong.py").write_text("def task():\n    raise ValueError('no data')\n")
    Path("search.yaml").write_text(CONFIG.format(module="searched_wrong"))
    assert run(["search", "search.yaml", "--run", "run"]) == 2
    error = capsys.readouterr().err
    assert "searched_wrong.py, line 2, in task: ValueError: no data" in error
    assert error.count("\n") == 1
    assert not Path("run").exists()
