"""axdse show: error over recorded operands, and its picture; axdse train --record."""

import json
from pathlib import Path

import numpy as np
import pytest

from axdse.dse.cli import run
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.formats import parse_format
from axdse.multipliers.operands.recording import OperandHistogram, Recording, core_weights
from axdse.multipliers.operands.recording_file import load_recording, save_recording
from axdse.multipliers.tables.error_metrics import error_metrics

SHORT = """\
workload: lenet-5
dataset: fashion-mnist-14k
formats: [int8]
training: {epochs: 2, train_images: 300}
trials: 1
"""
LAYERS = ("conv1", "conv2", "fc1", "fc2", "fc3")
CONV1_IMAGES = 100  # few: each of its products is recorded
CONV1_MACS = CONV1_IMAGES * 6 * 28 * 28 * 25
FC1_MACS_PER_IMAGE = 784 * 300
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("config") / "short.yaml"
    path.write_text(SHORT.replace("300", str(CONV1_IMAGES)))
    return str(path)


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("config") / "dense.yaml"
    path.write_text(SHORT.replace("lenet-5", "lenet-300-100"))
    return str(path)


@pytest.fixture(scope="module")
def recorded(config: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """LeNet-5 in float(8,3) with DRUM."""
    path = tmp_path_factory.mktemp("recorded") / "operands.npz"
    arguments = ["--config", config, "--format", "float(8,3)", "--seed", "4"]
    assert run(["train", "drum(n=4,k=3)", *arguments, "--record", str(path)]) == 0
    return path


def written(path: Path, *histograms: OperandHistogram) -> str:
    save_recording(Recording(histograms, "a network", "exact(n=8)", seed=0), path)
    return str(path)


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    capsys.readouterr()
    assert run(["show", *arguments, "--json"]) == 0
    (description,) = json.loads(capsys.readouterr().out)
    return dict(description)


def test_train_records_the_last_epoch_of_every_layer(recorded: Path) -> None:
    recording = load_recording(recorded)
    assert (recording.workload, recording.multiplier, recording.seed, recording.every) == (
        "lenet-5(dataset=fashion-mnist-14k)",
        "drum(n=4,k=3)",
        4,
        1,
    )
    products = [(h.layer, h.product) for h in recording.histograms]
    first = [("conv1", "forward"), ("conv1", "weight_gradient")]  # images need no gradient
    rest = [(n, p) for n in LAYERS[1:] for p in ("forward", "input_gradient", "weight_gradient")]
    assert products == first + rest
    for histogram in recording.histograms[:2]:
        assert histogram.total + histogram.zero + histogram.non_finite == CONV1_MACS


def test_train_records_one_step_in_so_many(dense: str, tmp_path: Path) -> None:
    path = tmp_path / "r.npz"
    options = ["--config", dense, "--epochs", "1", "--record", str(path), "--record-every", "2"]
    assert run(["train", "exact(n=8)", "--format", "int8", *options]) == 0
    recording = load_recording(path)
    steps = 64 + 64 + (300 - 4 * 64)  # images of batches 0, 2 and 4
    assert recording.every == 2
    assert recording.histograms[0].total == FC1_MACS_PER_IMAGE * steps


def test_train_json_is_only_json(
    dense: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--config", dense, "--epochs", "1", "--record", str(tmp_path / "r.npz")]
    assert run(["train", "exact(n=8)", "--format", "int8", *options, "--json"]) == 0
    captured = capsys.readouterr()
    assert len(json.loads(captured.out)) == 1
    assert "products" in captured.err


@pytest.mark.parametrize("spec", ["drum(n=4,k=2)", "mitchell(m=3)", "exact(n=4)"])
def test_show_measures_any_design_over_the_recording(
    spec: str, recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    description = shown(capsys, spec, "--operands", str(recorded))
    multiplier = builtin_catalog().multiplier(spec)
    histograms = load_recording(recorded).histograms
    assert len(description["operands"]) == len(histograms)
    for row, histogram in zip(description["operands"], histograms, strict=True):
        metrics = error_metrics(multiplier, core_weights(histogram, multiplier))
        assert row["error"]["med"] == metrics.med
        assert (row["layer"], row["product"]) == (histogram.layer, histogram.product)
        assert (row["products"], row["zero"]) == (histogram.total, histogram.zero)


def test_show_prints_a_row_for_each_product_beside_the_uniform_ones(
    recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["show", "drum(n=4,k=2)", "--operands", str(recorded)]) == 0
    output = capsys.readouterr().out
    for text in (*LAYERS, "uniform over the core", "weight gradient", "MRED", "seed 4"):
        assert text in output
    assert "uniform in float(8,3)" in output


def test_uniform_operands_are_those_of_the_unit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each fraction as often: the error of significands, not that of the core's whole domain."""
    ones = np.ones((8, 8), dtype=np.int64)
    path = written(
        tmp_path / "r.npz", OperandHistogram("fc", "forward", parse_format("float(8,3)"), ones)
    )
    description = shown(capsys, "drum(n=4,k=2)", "--operands", path)
    (row,) = description["operands"]
    assert row["error"] == row["uniform"] != description["error"]


def test_a_layer_without_products_has_no_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    none = np.zeros((8, 8), dtype=np.int64)
    histogram = OperandHistogram("fc", "forward", parse_format("float(8,3)"), none, zero=9)
    path = written(tmp_path / "r.npz", histogram)
    (row,) = shown(capsys, "exact(n=4)", "--operands", path)["operands"]
    assert row["error"] is None
    picture = tmp_path / "s.png"
    assert run(["show", "exact(n=4)", "--operands", path, "--surface", str(picture)]) == 0
    assert "100.0" in capsys.readouterr().out


@pytest.mark.parametrize("spec", ["drum(n=8,k=4)", "mbm(m=7)", "exact(n=3)", "truncated(n=10)"])
def test_surface_is_a_picture(spec: str, tmp_path: Path) -> None:
    path = tmp_path / "surface.png"
    assert run(["show", spec, "--surface", str(path)]) == 0
    assert path.read_bytes().startswith(PNG)


BAD_INPUT = {
    "no recording": (["show", "exact", "--operands", "no.npz"], "no.npz"),
    "no such recording": (["show", "exact", "--operands", "text.npz"], "text.npz"),
    "another width": (["show", "exact(n=5)", "--operands", "good.npz"], "4 bits"),
    "no design": (["show", "--operands", "good.npz"], "at least one SPEC"),
    "surface ending": (["show", "exact", "--surface", "s.pdf"], ".png"),
    "surfaces of two": (["show", "exact", "mbm", "--surface", "s.png"], "one design"),
    "surface in a file": (["show", "exact", "--surface", "text.npz/s.png"], "writable"),
    "recording of fp32": (["train", "teacher", "fp32", "--record", "r.npz"], "fp32"),
    "recording of two": (
        ["train", "teacher", "exact", "--seeds", "2", "--record", "r.npz"],
        "--seeds 2",
    ),
    "recording ending": (["train", "teacher", "exact", "--record", "r.txt"], ".npz"),
    "rate of nothing": (["train", "teacher", "exact", "--record-every", "2"], "--record"),
    "rate of zero": (["train", "exact", "--record-every", "0", "--record", "r.npz"], "range"),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_one_line_and_exit_code_2(
    case: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.npz").write_text("no zip")
    counts = np.ones((8, 8), dtype=np.int64)
    written(
        tmp_path / "good.npz",
        OperandHistogram("fc", "forward", parse_format("float(8,3)"), counts),
    )
    arguments, expected = BAD_INPUT[case]
    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("axdse: ")
    assert captured.err.count("\n") == 1
    assert expected in captured.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["good.npz", "text.npz"]


def test_a_finished_checkpoint_leaves_nothing_to_record(
    config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--config", config, "--epochs", "1", "--checkpoint", str(tmp_path / "c.pt")]
    assert run(["train", "exact(n=8)", "--format", "int8", *options]) == 0
    record = ["--record", str(tmp_path / "r.npz")]
    assert run(["train", "exact(n=8)", "--format", "int8", *options, *record]) == 2
    assert "while it is trained" in capsys.readouterr().err
    assert not (tmp_path / "r.npz").exists()


def test_a_sum_trains_by_options_as_by_its_text(
    dense: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    losses = []
    for words in (
        ["drum(n=4,k=3)", "--format", "float(8,3)", "--sum", "lazy(6,16)"],
        ["drum(n=4,k=3) in float(8,3) sum lazy(6,16)"],
        ["drum(n=4,k=3) in float(8,3)"],
    ):
        assert run(["train", *words, "--config", dense, "--json"]) == 0
        (course,) = json.loads(capsys.readouterr().out)
        (history,) = course["histories"]
        losses.append([epoch["train_loss"] for epoch in history["epochs"]])
    assert losses[0] == losses[1] != losses[2]
