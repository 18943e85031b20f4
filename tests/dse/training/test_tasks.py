"""The tasks that ship: each is a workload, learns, and is what its documentation says."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from axdse.dse.testing.workload import WorkloadContract
from axdse.dse.training.datasets import load
from axdse.dse.training.networks import NETWORKS
from axdse.dse.training.task import make
from axdse.dse.training.tasks.images import shifted
from axdse.dse.training.tasks.text import NONE, nats
from axdse.dse.training.train import train
from axdse.dse.training.workloads import WORKLOADS, find_workload
from axdse.gpu.cpu.kernels import torch_threads
from axdse.multipliers.designs.design_point import parse_design_point


@pytest.mark.parametrize("workload", ["teacher", "autoenc", "g2p", "charlm", "lenet-300-100"])
def test_a_small_task_has_the_same_bits_with_any_number_of_threads(workload: str) -> None:
    made = make(find_workload(workload))
    whole = made.task.settings
    short = dataclasses.replace(whole, epochs=1, train_images=4 * whole.batch_size)
    point = parse_design_point("drum(n=4,k=3) in float(8,3)")
    ends = []
    for count in (1, 3):
        with torch_threads(count):
            model = train(made.workload, point, short, seed=1).model
            assert torch.get_num_threads() == count
        ends.append(torch.cat([parameter.detach().flatten() for parameter in model.parameters()]))
    assert torch.equal(*ends)


class TestTeacher(WorkloadContract):
    workload = "teacher"


class TestAutoenc(WorkloadContract):
    workload = "autoenc"


class TestG2p(WorkloadContract):
    workload = "g2p"


class TestCharlm(WorkloadContract):
    workload = "charlm"


class TestLenet300100(WorkloadContract):
    workload = "lenet-300-100(score=loss)"


class TestLenet5(WorkloadContract):
    workload = "lenet-5"


@pytest.fixture(scope="module", autouse=True)
def few_images(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Two hundred of the images that ship, for networks whose validation takes seconds."""
    images = load("fashion-mnist-14k").train
    path = tmp_path_factory.mktemp("few") / "images.npz"
    np.savez(path, train_images=images.images[:200], train_labels=images.labels[:200])
    for each, options in (
        (TestResnet8, ",augment=True,label_smoothing=0.1"),
        (TestVit, ""),
        (TestDepthwiseCnn, ",score=loss"),
    ):
        each.workload = f"{each.network}(dataset='{path}'{options})"


class TestResnet8(WorkloadContract):
    network = "resnet-8"


class TestVit(WorkloadContract):
    network = "vit"


class TestDepthwiseCnn(WorkloadContract):
    network = "depthwise-cnn"


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_name_has_its_factory(name: str) -> None:
    assert make(find_workload(name)).task.metric.name


def parameters(name: str, channels: int, size: int, classes: int) -> int:
    layers = NETWORKS[name](channels, size, classes)
    return sum(p.numel() for layer in layers.values() for p in layer.parameters())


@pytest.mark.parametrize(
    ("name", "channels", "size", "classes", "expected"),
    [
        # He et al., 2016, table 6: 0.27 M; option A has no parameters in shortcuts.
        ("resnet-20", 3, 32, 10, 269_722),
        # As torchvision publishes them: 11,689,512 and 25,557,032.
        ("resnet-18", 3, 224, 1_000, 11_689_512),
        ("resnet-50", 3, 224, 1_000, 25_557_032),
        # LeCun et al., 1998: 784-300-100-10 and, with full connections, LeNet-5.
        ("lenet-300-100", 1, 28, 10, 266_610),
        ("lenet-5", 1, 28, 10, 61_706),
    ],
)
def test_networks_have_the_size_that_is_published(
    name: str, channels: int, size: int, classes: int, expected: int
) -> None:
    assert parameters(name, channels, size, classes) == expected


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("channels", "size", "classes"), [(1, 28, 10), (3, 32, 7)])
def test_networks_follow_their_images(name: str, channels: int, size: int, classes: int) -> None:
    model = torch.nn.Sequential(NETWORKS[name](channels, size, classes)).eval()
    with torch.no_grad():
        assert model(torch.zeros(2, channels, size, size)).shape == (2, classes)


def short(name: str, **changes: int) -> float:
    workload = find_workload(name)
    settings = dataclasses.replace(make(workload).task.settings, **changes)
    history = train(workload, None, settings, 0).history
    assert history.status == "finished"
    return make(workload).task.metric.goal.score(history.validation_score)


def test_teacher_has_a_low_floor() -> None:
    assert short("teacher") < -2.5


def test_autoenc_keeps_most_of_the_variance() -> None:
    assert short("autoenc") < -0.7


def test_g2p_learns_to_spell() -> None:
    """Guessing by frequency alone takes 3.2 nats."""
    assert short("g2p") < 1.9


def test_charlm_learns_letters() -> None:
    """By frequency alone 3.1 nats; here after a quarter of the training."""
    assert short("charlm", epochs=2) < 2.8


@pytest.mark.slow
def test_teacher_tells_designs_apart_and_spelling_sees_range() -> None:
    """What the tasks are for; see benchmarks/tasks.py for the tiers."""
    teacher, g2p = find_workload("teacher"), find_workload("g2p")

    def score(workload: str, design: str) -> float:
        task = make(find_workload(workload)).task
        trained = train(find_workload(workload), parse_design_point(design), task.settings, 0)
        return task.metric.goal.score(trained.history.validation_score)

    assert score(teacher.text, "exact(n=8) in bf16") + 0.2 < score(
        teacher.text, "exact(n=4) in float(8,3)"
    )
    lost = score(g2p.text, "exact(n=4) in float(3,3)") - score(g2p.text, "exact(n=8) in bf16")
    assert lost > 0.5


def test_tokens_that_are_not_there_do_not_count() -> None:
    outputs = torch.zeros(2, 5, 3)
    targets = torch.tensor([[1, 2, NONE], [0, NONE, NONE]])
    assert nats(outputs, targets).tolist() == pytest.approx([math.log(5)] * 3)


def test_augmentation_moves_and_mirrors_pixels_only() -> None:
    images = torch.zeros(64, 28, 28, dtype=torch.uint8)
    images[:, 14, 10] = 7
    moved = shifted(images, torch.Generator().manual_seed(0))
    assert (moved.flatten(1).sum(1) == 7).all()
    places = {tuple(place[1:].tolist()) for place in moved.nonzero()}
    rows, columns = zip(*places, strict=True)
    assert set(rows) == set(range(12, 17))
    assert set(columns) <= set(range(8, 13)) | set(range(15, 20))
    assert len(set(columns)) > 5
