"""A search small enough for a test, and a finished run in miniature (histories by hand)."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from mac_recordings import recording

from axdse.dse.run.config import SearchConfig, parse_config
from axdse.dse.run.evaluation import Baseline, Evaluation, FrontPoint
from axdse.dse.run.run_dir import RunDir
from axdse.dse.training.records import Epoch, History
from axdse.flows.accelerator.network import accelerator_cost
from axdse.flows.cost.point import Demand, point_cost
from axdse.flows.verify.check import check, check_unit
from axdse.multipliers.designs.design_point import parse_design_point
from axdse.multipliers.operands.recording_file import save_recording

CONFIG = """\
workload: lenet-300-100
dataset: fashion-mnist-14k
formats: ["float(8,3)", int8]
objectives: [score, area]
training: {epochs: 2}
trials: 8
"""
# Real tools and real images, 500 of them, one epoch. Units are costed in a moment, whole MACs in a
# second or two.
TINY = """\
workload: lenet-300-100
dataset: fashion-mnist-14k
formats: ["float(8,3)", "float(8,2)"]
families: [truncated, perforated, mitchell]
objectives: [score, area]
training: {epochs: 1, train_images: 500}
largest_loss: 1.0
trials: 6
workers: 2
"""
SEEDS = (1, 2, 3)
# Design, format, validation and test accuracy of the three seeds, on the front.
FINALISTS = (
    ("mitchell(m=3)", "float(8,3)", (0.861, 0.866, 0.864), (0.858, 0.862, 0.861), True),
    ("drum(n=4,k=3)", "float(8,3)", (0.879, 0.876, 0.883), (0.873, 0.872, 0.879), True),
    ("exact(n=4)", "float(8,3)", (0.881, 0.878, 0.882), (0.875, 0.871, 0.880), True),
    ("exact(n=8)", "int8", (0.879, 0.875, 0.881), (0.874, 0.870, 0.877), False),
)


def history(seed: int, accuracy: float, *, loss: float = 0.5) -> History:
    epochs = tuple(
        Epoch(i, loss / i, accuracy - 0.02, accuracy - 0.01 * (2 - i), 0.8) for i in (1, 2)
    )
    return History(epochs=epochs, status="finished", seed=seed)


def evaluation(number: int, text: str, accuracy: float) -> Evaluation:
    point = parse_design_point(text)
    return Evaluation(
        number=number,
        point=point,
        status="complete",
        certificates=tuple(check(mac.multiplier) for mac in point.macs),
        cost=point_cost(point, Demand(recording(), "operands.npz")),
        history=history(0, accuracy),
    )


def point(
    number: int, row: tuple[str, str, tuple[float, ...], tuple[float, ...], bool]
) -> FrontPoint:
    spec, form, validation, test, on_front = row
    found = evaluation(number, f"{spec} in {form}", validation[0])
    return FrontPoint(
        evaluation=found,
        unit_certificates=tuple(check_unit(mac.candidate) for mac in found.point.macs),
        on_front=on_front,
        seeds=SEEDS,
        validation=validation,
        test=test,
        histories=tuple(history(s, v) for s, v in zip(SEEDS, validation, strict=True)),
        on_array=accelerator_cost(recording(), found.point),
    )


def baseline(name: str, accuracies: tuple[float, ...]) -> Baseline:
    histories = tuple(history(s, a) for s, a in zip(SEEDS, accuracies, strict=True))
    point = parse_design_point("exact(n=8) in bf16" if name == "bf16" else name)
    return Baseline(name, point, SEEDS, accuracies, accuracies, histories, accuracies[0])


def unfinished(first: Evaluation) -> tuple[Evaluation, ...]:
    """A trial for each status that is not "complete", one whose text is hostile among them."""
    return (
        dataclasses.replace(first, number=4, status="dominated", reason="trial 0 costs no more"),
        dataclasses.replace(
            first,
            number=5,
            point=parse_design_point("exact(n=4) in float(8,3)"),
            status="dominated",
            history=None,
            reason="drum(n=4,k=3) costs no more and reaches 0.8790",
        ),
        dataclasses.replace(
            first,
            number=6,
            point=parse_design_point("drum(n=4,k=2) in float(8,3)"),
            status="diverged",
            reason="NaN in epoch 1",
            history=history(0, float("nan"), loss=float("nan")),
        ),
        dataclasses.replace(
            first,
            number=8,
            point=parse_design_point("truncated(n=4,t=2) in float(8,3)"),
            status="useless",
            reason="0.7500: less than 0.7840 is of no use",
            history=history(0, 0.75),
        ),
        dataclasses.replace(
            first,
            number=7,
            status="failed",
            certificates=(),
            cost=None,
            history=None,
            reason="<script src='https://example.org/x.js'></script> & a \"quoted\", reason",
        ),
    )


@pytest.fixture(scope="session")
def tiny_config() -> Callable[..., SearchConfig]:
    """Make the tiny configuration, with further lines of YAML that replace its own."""

    def make(*lines: str, folder: Path = Path("/")) -> SearchConfig:
        replaced = {line.partition(":")[0] for line in lines}
        kept = [line for line in TINY.splitlines() if line.partition(":")[0] not in replaced]
        # Joined as they are: a line may bring a second one, to test duplicates.
        return parse_config("\n".join([*kept, *lines]), folder / "search.yaml")

    return make


@pytest.fixture(scope="session")
def unfinished_run(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """A run with trials and baselines that has no front yet."""
    folder = tmp_path_factory.mktemp("unfinished")
    run = RunDir.create(folder / "run", parse_config(CONFIG, folder / "config.yaml"))
    save_recording(recording(), run.operands)
    run.save_baselines(
        (baseline("fp32", (0.88, 0.879, 0.884)), baseline("bf16", (0.88, 0.878, 0.883)))
    )
    return run


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """A run with its front."""
    folder = tmp_path_factory.mktemp("finished")
    run = RunDir.create(folder / "run", parse_config(CONFIG, folder / "config.yaml"))
    points = tuple(point(i, row) for i, row in enumerate(FINALISTS))
    for trial in (*(p.evaluation for p in points), *unfinished(points[0].evaluation)):
        run.save_evaluation(trial)
    run.save_baselines(
        (baseline("fp32", (0.88, 0.879, 0.884)), baseline("bf16", (0.88, 0.878, 0.883)))
    )
    run.save_front(points)
    return run


@pytest.fixture(scope="session")
def finished_path(finished_run: RunDir) -> Path:
    return finished_run.path
