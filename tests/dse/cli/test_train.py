"""axdse train, evaluate and init, with tasks of a user's own."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from axdse.dse.cli import run
from axdse.dse.testing.workload import WorkloadContract
from axdse.dse.training.task import make
from axdse.dse.training.workloads import find_workload

MBM = "mbm(m=7) in float(8,7)"
BF16 = "exact(n=8) in bf16"
INT8 = "exact(n=8) in int8"
TASKS = '''
"""Two tasks: colour images with BatchNorm and Adam, and a regression from a stream."""

import numpy as np
import torch
from torch import nn

from axdse.dse import Metric, Splits, Task, TrainSettings
from axdse.dse.training.task import ACCURACY, log10_mse


class Squares(torch.utils.data.Dataset):
    """Images [3, 12, 12] whose brightest channel is the class."""

    def __init__(self, count, seed):
        draw = np.random.default_rng(seed)
        self.labels = draw.integers(0, 3, count)
        self.images = draw.normal(size=(count, 3, 12, 12)).astype("f4")
        self.images[np.arange(count), self.labels] += 0.5

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self.images[index], self.labels[index]


def colours(width=8):
    def network(seed):
        return nn.Sequential(
            nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.ReLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 3),
        )

    return Task(
        network,
        lambda: Splits(Squares(300, 1), Squares(100, 2), Squares(100, 3)),
        nn.functional.cross_entropy,
        ACCURACY,
        TrainSettings(epochs=4, batch_size=20, optimiser="adam", learning_rate=1e-2),
        classes=3,
    )


class Sums:
    """(x, x0 - 2 x1), one after the other."""

    def __init__(self, count, seed):
        self.count, self.seed = count, seed

    def __len__(self):
        return self.count

    def __iter__(self):
        draw = np.random.default_rng(self.seed)
        for _ in range(self.count):
            x = draw.normal(size=2).astype("f4")
            yield x, x[:1] - 2 * x[1:]


def sums():
    return Task(
        lambda seed: nn.Linear(2, 1),
        lambda: Splits(Sums(400, 1), Sums(100, 2), Sums(100, 3)),
        nn.functional.mse_loss,
        log10_mse(0.1),
        TrainSettings(epochs=3, batch_size=10, optimiser="adamw", learning_rate=0.05),
        optimiser=lambda model: torch.optim.Adam(model.parameters(), lr=0.05),
    )
'''


@pytest.fixture(autouse=True, scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("user")
    (folder / "own").mkdir()
    (folder / "own" / "tasks.py").write_text(TASKS)
    (folder / "own" / "__init__.py").write_text("")
    sys.path.insert(0, str(folder))
    return folder


class TestColours(WorkloadContract):
    workload = "own.tasks:colours(width=4)"


class TestSums(WorkloadContract):
    workload = "own.tasks:sums"


def trained(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, object]]:
    assert run(["train", *arguments, "--json"]) == 0
    return list(json.loads(capsys.readouterr().out))


def test_a_task_of_colour_images_is_trained(
    tasks: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tasks)
    native, ours = trained(capsys, "own.tasks:colours(width=6)", "fp32", BF16, "--seeds", "2")
    assert native["workload"] == "own.tasks:colours(width=6)"
    assert len(str(native["factory"])) == 64
    assert native["goal"]["name"] == "accuracy"
    for course in (native, ours):
        last = [history["epochs"][-1] for history in course["histories"]]
        assert [history["seed"] for history in course["histories"]] == [0, 1]
        assert all(epoch["validation_score"] > 0.8 for epoch in last)


def test_a_regression_from_a_stream_is_trained(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "own.tasks:sums", "fp32", BF16, MBM, "--seeds", "3"]) == 0
    shown = capsys.readouterr().out
    assert "log10 MSE, lower is better" in shown
    rows = re.findall(r"│ (.*?) +│ +(-\d\.\d+) decades +│ (.*?) +│ (.*?) +│ finished", shown)
    assert rows[0][0] == "fp32"
    assert len(rows) == 3
    assert float(rows[0][1]) < float(rows[2][1]) - 0.5  # far below what MBM can
    assert "±" in rows[2][3]


def test_a_long_design_heads_no_column(capsys: pytest.CaptureFixture[str]) -> None:
    designs = (BF16, "fp32")
    assert run(["train", "own.tasks:sums", *designs, "--epochs", "1"]) == 0
    shown, told = capsys.readouterr()
    assert "to the first" in shown
    assert "-0.0000" not in shown
    assert "fp32, seed 0, epoch 1: validation" in told


def test_places_of_a_design_are_trained(capsys: pytest.CaptureFixture[str]) -> None:
    (course,) = trained(capsys, "own.tasks:colours", f"0=fp32; *:forward={BF16}; *=fp32")
    assert str(course["design"]).startswith("0=fp32; *:forward=exact(n=8)")


def test_a_recording_knows_its_task(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from axdse.multipliers.operands.recording_file import load_recording

    path = tmp_path / "r.npz"
    arguments = ["own.tasks:sums", "exact(n=4) in float(8,3)", "--record", str(path)]
    assert run(["train", *arguments]) == 0
    recording = load_recording(path)
    assert recording.workload == "own.tasks:sums"
    assert recording.images == 400
    assert recording.histograms[0].total + recording.histograms[0].zero == 400 * 2


def test_the_template_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert run(["init", "workload", "my_first_task.py"]) == 0
    assert "axdse train my_first_task:task" in capsys.readouterr().out
    (course,) = trained(capsys, "my_first_task:task(width=16)", BF16)
    assert course["histories"][0]["epochs"][-1]["validation_score"] > 0.9
    assert run(["init", "workload", "my_first_task.py"]) == 2
    assert "not overwritten" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name",
    [
        "class.py",
        "\u00fcber.py",
        "json.py",
        "torch.py",
        "a-b/task.py",
        "x" * 300 + ".py",
    ],
)
def test_a_name_that_no_command_would_find_is_not_written(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["init", "workload", name]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", ["below/my_task.py", "../my_task.py"])
def test_the_command_for_a_new_task_says_where(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert run(["init", "workload", place]) == 0
    module = "below.my_task:task" if place.startswith("below") else "my_task:task"
    said = capsys.readouterr().out
    assert f"train {module} fp32" in said
    assert said.rstrip().endswith(" in ..") == place.startswith("..")


@pytest.fixture(scope="module")
def checkpoint(tasks: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trained") / "colours.ckpt"
    assert run(["train", "own.tasks:colours", "fp32", "--checkpoint", str(path)]) == 0
    return path


def evaluated(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, float]]:
    capsys.readouterr()
    assert run(["evaluate", *arguments, "--json"]) == 0
    return list(json.loads(capsys.readouterr().out))


def test_a_checkpoint_is_evaluated(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rough = "broken_array(n=4,h=2,v=6) in float(8,3)"
    native, near, far = evaluated(capsys, str(checkpoint), BF16, rough)
    assert native["metric"] > 0.85
    assert abs(near["difference"]) <= 0.05
    assert far["loss"] > 1.05 * native["loss"]
    assert near["half"] >= abs(near["difference"])
    assert run(["evaluate", str(checkpoint), INT8, "--split", "test"]) == 0
    assert "own.tasks:colours, test: accuracy" in capsys.readouterr().out


def test_tuning_wins_back_what_a_design_lost(
    checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rough = "broken_array(n=4,h=2,v=6) in float(8,3)"
    before = evaluated(capsys, str(checkpoint), rough)[1]
    after = evaluated(capsys, str(checkpoint), rough, "--finetune", "3")[1]
    assert after["loss"] < before["loss"]


def test_tuning_follows_the_slopes_of_a_design(
    checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rough = "broken_array(n=8,h=4,v=10) in int8"
    before = evaluated(capsys, str(checkpoint), rough)[1]
    after = evaluated(capsys, str(checkpoint), rough, "--finetune", "1", "--slopes", "8")[1]
    assert after["loss"] < before["loss"]
    for design, options, words in (
        (rough, ("4",), "add --finetune"),
        (BF16, ("4", "--finetune", "1"), "tables of integers"),
        ("exact(n=4) in int4", ("7", "--finetune", "1"), "0 to 6 of 16 operands"),
    ):
        assert run(["evaluate", str(checkpoint), design, "--slopes", *options]) == 2
        assert words in capsys.readouterr().err.splitlines()[-1]


def test_a_state_dict_is_evaluated(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from axdse.dse.training.inference import pretrained

    model = pretrained(str(checkpoint)).model
    file = tmp_path / "weights.pt"
    torch.save({"state_dict": model.state_dict()}, file)
    options = ["--workload", "own.tasks:colours", "--calibrate", "0"]
    ours = evaluated(capsys, str(file), INT8, *options)
    assert ours == evaluated(capsys, str(checkpoint), INT8, "--calibrate", "0")
    assert run(["evaluate", str(file), INT8]) == 2
    assert "give --workload" in capsys.readouterr().err


def test_a_factory_of_a_trained_model_is_evaluated(capsys: pytest.CaptureFixture[str]) -> None:
    native, ours = evaluated(capsys, "own.tasks:sums", BF16)
    assert ours["half"] is None or ours["half"] != ours["half"]  # of a logarithm there is none
    assert native["metric"] == pytest.approx(ours["metric"], abs=0.1)


@pytest.mark.parametrize(
    ("content", "options", "expected"),
    [
        (b"", (), "give --workload"),
        (b"", ("--workload", "own.tasks:sums"), "no dict of tensors"),
        (b"PK\3\4 no archive", ("--workload", "own.tasks:sums"), "no dict of tensors"),
        (None, ("--workload", "own.tasks:sums"), "has the weights of its network"),
        (None, ("--workload", "own.tasks:colours(width=9)"), "has the weights of its network"),
    ],
)
def test_another_checkpoint_is_one_line(
    content: bytes | None,
    options: tuple[str, ...],
    expected: str,
    checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = checkpoint
    if content is not None:
        file = tmp_path / "weights.pt"
        file.write_bytes(content)
    capsys.readouterr()
    assert run(["evaluate", str(file), BF16, *options]) == 2
    error = capsys.readouterr().err
    assert expected in error
    assert file.name in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (lambda weight: weight.to_sparse(), "sparse, not (2, 4)"),
        (lambda weight: weight.to("meta"), "meta, not (2, 4)"),
        (lambda weight: weight * 1j, "complex, not (2, 4)"),
        (lambda weight: b"no tensor", "bytes, not (2, 4)"),
        (lambda weight: torch.ones(()), "is (), not (2, 4)"),
    ],
)
def test_weights_of_another_kind_are_one_line(
    changed: Callable[[torch.Tensor], object],
    expected: str,
    tasks: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "weights.pt"
    weights = make(find_workload("own.tasks:sums")).build(0).state_dict()
    name, weight = next((n, w) for n, w in weights.items() if w.ndim == 2)
    torch.save(weights | {name: changed(weight)}, file)
    assert run(["evaluate", str(file), BF16, "--workload", "own.tasks:sums"]) == 2
    error = capsys.readouterr().err
    assert expected.replace("(2, 4)", str(tuple(weight.shape))) in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_diverged_are_one_line(
    value: float, tasks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "weights.pt"
    weights = make(find_workload("own.tasks:sums")).build(0).state_dict()
    weights["weight"][0, 1] = value
    torch.save(weights, file)
    assert run(["evaluate", str(file), BF16, "--workload", "own.tasks:sums"]) == 2
    error = capsys.readouterr().err
    assert f"weights of a trained network are finite: {file}: weight is not" in error
    assert error.count("\n") == 1


def test_statistics_that_diverged_are_one_line(
    tasks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "weights.pt"
    weights = make(find_workload("own.tasks:colours")).build(0).state_dict()
    weights["1.running_mean"][:] = float("nan")
    torch.save(weights, file)
    assert run(["evaluate", str(file), BF16, "--workload", "own.tasks:colours"]) == 2
    assert "1.running_mean is not" in capsys.readouterr().err


@pytest.mark.parametrize(("position", "changed"), [(18, b""), (28, b""), (240, b"#")])
def test_a_damaged_state_dict_is_one_line(
    position: int,
    changed: bytes,
    tasks: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Cut in a number of two bytes, or of four; the key of a storage that is none."""
    file = tmp_path / "weights.pt"
    torch.save({"weight": torch.ones(3)}, file, _use_new_zipfile_serialization=False)
    data = file.read_bytes()
    file.write_bytes(data[:position] + changed + (data[position + 1 :] if changed else b""))
    assert run(["evaluate", str(file), BF16, "--workload", "own.tasks:sums"]) == 2
    error = capsys.readouterr().err
    assert "no dict of tensors" in error
    assert error.count("\n") == 1


def test_a_checkpoint_that_would_run_code_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "ran",)  # type: ignore[return-value]

    file = tmp_path / "weights.pt"
    torch.save({"state_dict": Hostile()}, file)
    assert run(["evaluate", str(file), BF16, "--workload", "own.tasks:sums"]) == 2
    assert "no dict of tensors" in capsys.readouterr().err
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["exact(n=8)", "--format", "bf16", "--workload", "autoenc"],
        ["exact(n=8) in bf16", "--workload", "autoenc"],
        ["autoenc", "exact(n=8)", "--format", "bf16"],
    ],
    ids=["option", "mac", "first"],
)
def test_a_task_is_named_first_or_by_an_option(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["train", *words, "--epochs", "1", "--json"]) == 0
    (course,) = json.loads(capsys.readouterr().out)
    assert (course["workload"], course["design"]) == (
        "autoenc",
        "exact(n=8) in bf16",
    )


def test_a_configuration_trains_without_its_library(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "search.yaml"
    file.write_text(
        "workload: own.tasks:sums\nformats: [bf16]\ntraining: {epochs: 1}\nlibrary: none.lib\n"
    )
    native, _ = trained(capsys, "fp32", BF16, "--config", str(file))
    assert native["workload"] == "own.tasks:sums"
    assert len(native["histories"][0]["epochs"]) == 1


def test_a_design_alone_trains_the_default_network(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "fp32", "--epochs", "1", "--json"]) == 0
    (course,) = json.loads(capsys.readouterr().out)
    assert course["workload"].startswith("lenet-300-100")
