"""`axdse bench`: the record, rows on request, exit codes, and steps that are checked."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from axdse.dse.bench import machine_record as bench
from axdse.dse.bench.memory import peak_mebibytes
from axdse.dse.bench.step_check import StepCheck
from axdse.dse.bench.steps import (
    RESNET_20,
    TRAININGS,
    design,
    step_entries,
    step_entry,
    training_step,
)
from axdse.dse.cli import run
from axdse.dse.training.resnet import resnet
from axdse.gpu.bench.contest import measure
from axdse.gpu.bench.gemm import SHAPES, SUBJECTS, gemm_entry
from axdse.gpu.bench.timing import Patience
from axdse.gpu.cpu.kernels import KERNELS, available_kernels, forced_kernel
from axdse.gpu.layers.assignment import Assignment
from axdse.gpu.layers.convert import convert
from axdse.gpu.multiplication.handles import Form

ROW_KEYS = {
    *("work", "realisation", "threads", "verdict", "target", "why", "unit", "rate"),
    *("native_rate", "ratio", "low", "high", "rounds", "disturbed"),
}
QUICK = Patience(least=2, most=3, seconds=0.0)
RANKED = ("float(8,7)", "int8")
OPERATORS = ("gemm", "conv2d", "conv2d_input_gradient", "conv2d_weight_gradient")


class Broken(TorchDispatchMode):
    """One sum of one operator is wrong: that of the last image, output or row."""

    def __init__(self, operator: str) -> None:
        super().__init__()
        self.operator = operator

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = func(*args, **(kwargs or {}))
        if func.name() == f"axdse::{self.operator}":
            result.view(-1)[-1] += 0.01 * result.abs().max()
        return result


def network() -> nn.Module:
    layers = (
        nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(2, 1), dilation=(1, 2), groups=2),
        nn.ReLU(),
        nn.Conv2d(6, 6, 3, padding=1, groups=6),
        nn.Flatten(),
        nn.Linear(6 * 6 * 8, 10),
    )
    return convert(nn.Sequential(*layers), Assignment.uniform(design())).model


def checked_step() -> StepCheck:
    torch.manual_seed(0)
    model, images = network(), torch.randn(3, 4, 9, 8, requires_grad=True)
    with StepCheck() as check:
        model(images).square().sum().backward()
    return check


def test_a_right_step_has_no_fault() -> None:
    check = checked_step()
    pixels = 3 * 6 * 8
    products = pixels * 6 * (2 * 6) + pixels * 6 * 9 + 3 * (6 * 6 * 8) * 10
    assert (check.fault, check.calls, check.products) == ("", 9, 3 * products)


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_wrong_operator_is_named(operator: str) -> None:
    with Broken(operator):
        check = checked_step()
    assert check.fault.startswith(f"axdse.{operator}.default: ")
    assert check.fault.endswith("sums are out of bounds")


def test_a_wrong_step_is_not_timed() -> None:
    lenet = TRAININGS[0]
    with Broken("gemm"):
        row = measure(step_entry(lenet, available_kernels()[0]), 1, QUICK)
    assert (row.verdict, row.rounds) == ("wrong", 0)


@pytest.mark.parametrize("training", TRAININGS[:2], ids=lambda training: training.name)
def test_steps_are_timed(training: bench.Entry) -> None:
    row = measure(step_entry(training, available_kernels()[0]), 1, QUICK)
    assert row.rounds == 2
    assert row.ratio > 0
    assert forced_kernel() is None


def test_every_training_meets_every_kernel_but_the_slow_one() -> None:
    named = {(entry.work, entry.realisation) for entry in step_entries()}
    kernels = {kernel.name for kernel in KERNELS} - {"portable"}
    assert named >= {
        (f"step {t.name}, batch {t.images[0]}", k) for t in TRAININGS for k in kernels
    }


def test_a_step_trains() -> None:
    step = training_step(TRAININGS[0], design())
    model = step.args[0]
    before = [parameter.clone() for parameter in model.parameters()]
    step()
    changed = [not torch.equal(*pair) for pair in zip(before, model.parameters(), strict=True)]
    assert all(changed)


def of_64_mebibytes() -> float:
    return peak_mebibytes(lambda: torch.ones(64 << 18))


def test_peak_memory_is_that_of_the_call() -> None:
    """In a process of its own, as the benchmark: one that ran long has memory to reuse."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); import test_bench as t; "
    code += "print(t.of_64_mebibytes())"
    command = [sys.executable, "-c", code, str(Path(__file__).parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert 60 < float(done.stdout) < 80


def test_peak_memory_forgets_what_was_before() -> None:
    torch.ones(256 << 18).sum()
    assert peak_mebibytes(lambda: None) < 16


@pytest.mark.parametrize("depth", [8, 20])
def test_resnet_has_so_many_layers(depth: int) -> None:
    model = nn.Sequential(resnet(depth, 3, 10))
    weighted = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(weighted) == depth
    assert model(torch.randn(2, 3, 32, 32)).shape == (2, 10)


def test_resnet_20_is_that_of_the_paper() -> None:
    """0.27 million parameters, He et al., table 6; 40.6 million products an image of 32x32."""
    model = nn.Sequential(RESNET_20.layers())
    assert sum(parameter.numel() for parameter in model.parameters()) == 269_722
    check = StepCheck()
    converted = convert(model.eval(), Assignment.uniform(design())).model
    with check, torch.no_grad():
        converted(torch.randn(1, 3, 32, 32))
    assert (check.fault, check.products) == ("", 40_551_040)


def written(path: Path) -> dict:
    record = json.loads(path.read_text())
    assert record.keys() == {
        *("date", "cpu", "cores", "features", "gpu", "load_before", "system", "versions"),
        *("flags", "method", "quick", "rows"),
    }
    assert all(row.keys() == ROW_KEYS for row in record["rows"])
    return record


def test_quick_run_of_some_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bench.json"
    command = ["bench", "--quick", "--only", "GEMM 128x576x1024, float(8,7) narrow, p?rtable"]
    assert run([*command, "--threads", "1", "--json", str(path)]) == 0
    (row,) = written(path)["rows"]
    assert (row["realisation"], row["threads"], row["unit"]) == ("portable", 1, "G products/s")
    assert row["ratio"] > 0
    assert "portable" in capsys.readouterr().out


def broken_entry() -> bench.Entry:
    def compute(a: Tensor, b: Tensor, multiplication: Form) -> Tensor:
        return torch.zeros(a.shape[0], a.shape[1], b.shape[2])

    return gemm_entry(SUBJECTS[0], (3, 4, 5), "zeros", compute)


def test_a_wrong_realisation_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "gemm_entries", lambda: (broken_entry(),))
    command = ["bench", "--quick", "--only", "zeros", "--threads", "1"]
    assert run([*command, "--json", "-"]) == 1
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert (row["verdict"], row["ratio"]) == ("wrong", None)
    assert run(command) == 1
    assert "wrong: 15 of 15 sums are out of bounds" in capsys.readouterr().out


def test_rows_that_do_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "--only", "GEMM 9x9x9"]) == 2
    assert capsys.readouterr().err.startswith("axdse: --only selects rows")


@pytest.mark.parametrize(
    ("only", "works"),
    [
        (f"lenet-5*{available_kernels()[0].name}", {"step LeNet-5, batch 128"}),
        ("MEMORY", {bench.WORK}),
        ("rank 4", {f"GEMM {m}x{k}x{n}, {t} of rank 4" for m, k, n in SHAPES for t in RANKED}),
    ],
)
def test_rows_are_selected(only: str, works: set[str]) -> None:
    assert {job.work for job in bench.jobs((1,), True, only)} - {"any"} == works


def test_rows_of_each_number_of_threads() -> None:
    best = available_kernels()[0].name
    count = {t: len(bench.jobs(t, True, f"LeNet-5*{best}")) for t in ((1,), (1, 2), (1, 2, 4))}
    assert count == {(1,): 1, (1, 2): 2, (1, 2, 4): 3}


def test_what_cannot_run_here_is_said_once() -> None:
    lacking = {kernel.name for kernel in KERNELS if kernel not in available_kernels()}
    assert lacking, "no CPU has AVX2 and NEON"
    rows = [job.run() for job in bench.jobs((1, 2), True) if job.realisation in lacking]
    assert sorted(row.realisation for row in rows) == sorted(lacking)
    assert {(row.work, row.verdict, row.why[:14]) for row in rows} == {
        ("any", "missing", "this CPU lacks")
    }


@pytest.mark.slow
def test_memory_of_a_step() -> None:
    row = bench.memory_row(1, 1)
    assert row.unit == "MiB"
    assert row.native_rate > 50
    assert row.ratio > 0.5
