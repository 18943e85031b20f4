"""Training: determinism, stopping, divergence, checkpoints, and that it learns."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from axdse.dse.training.datasets import load
from axdse.dse.training.networks import LAYERS, Normalise
from axdse.dse.training.records import Epoch, TrainSettings
from axdse.dse.training.task import make
from axdse.dse.training.train import measure, train
from axdse.dse.training.workloads import find_workload
from axdse.gpu.layers.assignment import Assignment
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import parse_format
from axdse.multipliers.tables.lut import build_lut

LENET = find_workload("lenet-300-100")
SHORT = TrainSettings(epochs=3, train_images=500)
BF16 = Assignment.uniform(
    build_lut(Candidate(builtin_catalog().multiplier("exact(n=8)"), parse_format("bf16")))
)


def weights(model: nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


STOCHASTIC = Assignment.uniform(
    build_lut(
        Candidate(
            builtin_catalog().multiplier("exact(n=8)"), parse_format("bf16(round=stochastic)")
        )
    )
)


FIRST = ("lenet-300-100", "lenet-5", "resnet-8", "resnet-20")
LONG = {"resnet-8", "resnet-20"}
NETWORKS = [pytest.param(w, marks=[pytest.mark.slow] if w in LONG else []) for w in FIRST]


def plain_training(name: str, settings: TrainSettings, seed: int) -> tuple[torch.Tensor, float]:
    """The loop in its shortest form: what a training of images must give, bit by bit."""
    split = load("fashion-mnist-14k").train
    images = torch.from_numpy(split.images[: settings.train_images])
    labels = torch.from_numpy(split.labels[: settings.train_images]).long()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = nn.Sequential(LAYERS[name]())
    mean, deviation = float(split.images.mean()), float(split.images.std())
    model = nn.Sequential(Normalise((mean,), (deviation,)), layers).train()
    optimiser = torch.optim.SGD(
        model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4, nesterov=True
    )
    steps = math.ceil(len(labels) / settings.batch_size) * settings.epochs
    step = 0
    for epoch in range(1, settings.epochs + 1):
        total = 0.0
        order = torch.from_numpy(np.random.default_rng((seed, epoch)).permutation(len(labels)))
        for indices in torch.split(order, settings.batch_size):
            factor = min(1.0, (steps - step) / (steps // 3 + 1))
            optimiser.param_groups[0]["lr"] = 0.05 * factor
            loss = nn.functional.cross_entropy(model(images[indices]), labels[indices])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.item() * len(indices)
            step += 1
    return weights(model), total / len(labels)


@pytest.mark.parametrize("workload", NETWORKS)
def test_a_training_is_the_loop_in_its_shortest_form(workload: str) -> None:
    settings = TrainSettings(epochs=2, train_images=200)
    expected, loss = plain_training(workload, settings, 3)
    trained = train(find_workload(workload), None, settings, 3)
    assert torch.equal(weights(trained.model), expected)
    assert trained.history.epochs[-1].train_loss == loss


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (TrainSettings(), [1, 1, 1, 1, 1, 1, 1, 3 / 4, 2 / 4, 1 / 4]),
        (TrainSettings(schedule="constant", warmup=0.2), [1 / 3, 2 / 3, *[1] * 8]),
        (
            TrainSettings(schedule="cosine"),
            [(1 + math.cos(math.pi * i / 10)) / 2 for i in range(10)],
        ),
    ],
    ids=["linear", "warmup", "cosine"],
)
def test_rates(settings: TrainSettings, expected: list[float]) -> None:
    assert [settings.rate(step, 10) for step in range(10)] == pytest.approx(expected)


@pytest.mark.parametrize("optimiser", ["sgd", "adam", "adamw"])
def test_each_optimiser_learns(optimiser: str) -> None:
    rate = 0.05 if optimiser == "sgd" else 1e-3
    settings = TrainSettings(
        epochs=2, train_images=2_000, optimiser=optimiser, learning_rate=rate, clip=5.0
    )
    assert train(LENET, None, settings, 0).history.validation_score > 0.65


@pytest.mark.parametrize("workload", NETWORKS)
@pytest.mark.parametrize(
    "assignment", [None, BF16, STOCHASTIC], ids=["fp32", "bf16", "stochastic"]
)
def test_same_seed_same_bits(workload: str, assignment: Assignment | None) -> None:
    settings = dataclasses.replace(SHORT, epochs=1)
    runs = [train(find_workload(workload), assignment, settings, seed=3) for _ in range(2)]
    assert torch.equal(weights(runs[0].model), weights(runs[1].model))


def test_seeds_differ() -> None:
    runs = [train(LENET, None, SHORT, seed) for seed in (1, 2)]
    assert not torch.equal(weights(runs[0].model), weights(runs[1].model))


def test_training_leaves_the_global_generator_alone() -> None:
    before = torch.random.get_rng_state()
    train(LENET, STOCHASTIC, dataclasses.replace(SHORT, epochs=1), seed=0)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("workload", NETWORKS)
def test_it_learns(workload: str) -> None:
    history = train(find_workload(workload), None, TrainSettings(epochs=2), seed=0).history
    assert history.status == "finished"
    assert history.validation_score > 0.75


def test_exact_bf16_follows_fp32() -> None:
    settings = TrainSettings(epochs=1)
    fp32, bf16 = (train(LENET, assignment, settings, seed=0) for assignment in (None, BF16))
    difference = fp32.history.validation_score - bf16.history.validation_score
    assert abs(difference) < 0.03
    assert not torch.equal(weights(fp32.model), weights(bf16.model))


def test_watcher_stops_the_training() -> None:
    seen: list[Epoch] = []

    def watch(epoch: Epoch) -> bool:
        seen.append(epoch)
        return epoch.epoch < 2

    history = train(LENET, None, SHORT, 0, watch).history
    assert (history.status, len(history.epochs)) == ("stopped", 2)
    assert tuple(seen) == history.epochs


def test_divergence_is_a_result() -> None:
    settings = dataclasses.replace(SHORT, learning_rate=1e30)
    history = train(LENET, None, settings, seed=0).history
    assert (history.status, len(history.epochs)) == ("nan", 1)
    assert history.validation_score == 0.0


def test_a_last_step_to_infinity_is_divergence() -> None:
    one_step = TrainSettings(epochs=1, train_images=64, learning_rate=1e30, weight_decay=1e30)
    history = train(LENET, None, one_step, seed=0).history
    assert math.isfinite(history.epochs[0].train_loss)
    assert history.status == "nan"


def test_settings_are_finite() -> None:
    with pytest.raises(ValidationError, match="finite number"):
        TrainSettings(learning_rate=math.inf)


def measured(model: nn.Module) -> float:
    made = make(LENET)
    return measure(made, model, made.splits.validation).metric


def test_nan_logits_are_no_guess() -> None:
    class Nothing(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.full((len(images), 10), torch.nan)

    assert measured(Nothing()) == 0.0


@pytest.mark.parametrize("assignment", [None, STOCHASTIC], ids=["fp32", "stochastic"])
def test_a_resumed_training_gives_the_same_bits(
    tmp_path: Path, assignment: Assignment | None
) -> None:
    whole = train(LENET, assignment, SHORT, seed=5)
    file = tmp_path / "training.pt"
    train(LENET, assignment, SHORT, 5, lambda epoch: epoch.epoch < 2, file)
    resumed = train(LENET, assignment, SHORT, 5, None, file)
    assert torch.equal(weights(whole.model), weights(resumed.model))
    assert [e.train_loss for e in resumed.history.epochs] == [
        e.train_loss for e in whole.history.epochs
    ]


@pytest.mark.parametrize(("assignment", "seed"), [(None, 6), (BF16, 5)], ids=["seed", "design"])
def test_a_checkpoint_of_another_training_is_refused(
    tmp_path: Path, assignment: Assignment | None, seed: int
) -> None:
    file = tmp_path / "training.pt"
    train(LENET, None, SHORT, 5, lambda epoch: False, file)
    with pytest.raises(AxdseError, match="continues the training that wrote it"):
        train(LENET, assignment, SHORT, seed, None, file)


@pytest.mark.parametrize("keep", [0, 100, -100])
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, keep: int) -> None:
    file = tmp_path / "training.pt"
    train(LENET, None, SHORT, 5, lambda epoch: False, file)
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(AxdseError, match="a file that a training wrote"):
        train(LENET, None, SHORT, 5, None, file)


def test_a_checkpoint_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("a file")
    with pytest.raises(AxdseError, match="must be writable"):
        train(LENET, None, SHORT, 5, None, tmp_path / "folder" / "training.pt")


def test_accuracy_counts_right_answers() -> None:
    class Always(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return nn.functional.one_hot(torch.full((len(images),), 3), 10).float()

    assert measured(Always()) == pytest.approx(0.1)


def test_unknown_workload() -> None:
    with pytest.raises(AxdseError, match="did you mean 'lenet-5'"):
        find_workload("lenet-6")


def test_recording_changes_no_bit_and_leaves_validation_out() -> None:
    settings = dataclasses.replace(SHORT, epochs=2)
    plain, recorded = (train(LENET, BF16, settings, 5, record_every=n) for n in (None, 1))
    assert torch.equal(weights(plain.model), weights(recorded.model))
    assert plain.recording is None
    assert recorded.recording is not None
    assert recorded.recording.images == 500
    first = recorded.recording.histograms[0]
    assert (first.name, first.total + first.zero) == ("fc1 forward", 500 * 784 * 300)


def test_a_training_that_ends_early_has_no_last_epoch() -> None:
    settings = dataclasses.replace(SHORT, learning_rate=1e30)
    assert train(LENET, BF16, settings, seed=0, record_every=1).recording is None


def test_a_training_that_diverges_while_it_is_recorded_tells_nothing_per_step() -> None:
    settings = dataclasses.replace(SHORT, epochs=1, learning_rate=1e30)
    trained = train(LENET, BF16, settings, seed=0, record_every=1)
    assert trained.history.status == "nan"
    assert trained.recording is None
