"""Which training steps are measured? Forward, both backward products, optimiser."""

import functools
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from axdse.dse.bench.step_check import StepCheck
from axdse.dse.training.networks import CLASSES, LAYERS
from axdse.dse.training.resnet import resnet
from axdse.gpu.bench.contest import Contest, Entry
from axdse.gpu.bench.gemm import lacks
from axdse.gpu.cpu.kernels import KERNELS, PORTABLE, Kernel, available_kernels, use_kernel
from axdse.gpu.layers.assignment import Assignment
from axdse.gpu.layers.convert import convert
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.formats import parse_format

DESIGN, FORMAT = "mbm(m=7)", "float(8,7,product=narrow)"
WITHOUT_VBMI = 6.0
Step = Callable[[], object]


@dataclass(frozen=True)
class Training:
    """A network and its batch.

    Attributes:
        name: as the table prints it.
        layers: makes its named layers.
        images: shape of a batch.
        target: times native that a step may take at most.
    """

    name: str
    layers: Callable[[], OrderedDict[str, nn.Module]]
    images: tuple[int, int, int, int]
    target: float


RESNET_20 = Training(
    "ResNet-20", functools.partial(resnet, 20, 3, CLASSES), (64, 3, 32, 32), target=2.0
)
TRAININGS = (
    Training("LeNet-300-100", LAYERS["lenet-300-100"], (128, 1, 28, 28), target=1.8),
    Training("LeNet-5", LAYERS["lenet-5"], (128, 1, 28, 28), target=2.5),
    RESNET_20,
)


def step_entries() -> tuple[Entry, ...]:
    """Every training by every kernel that is meant for it."""
    best = available_kernels()[0]
    kernels = [kernel for kernel in KERNELS if kernel is not PORTABLE or kernel is best]
    return tuple(step_entry(training, kernel) for training in TRAININGS for kernel in kernels)


def step_entry(training: Training, kernel: Kernel) -> Entry:
    """A training step with one kernel."""
    targets = {"vbmi": training.target, "avx2": WITHOUT_VBMI}
    return Entry(
        work=f"step {training.name}, batch {training.images[0]}",
        realisation=kernel.name,
        target=targets.get(kernel.name),
        prepare=lambda: _contest(training, kernel),
        missing=lacks(kernel),
    )


def _contest(training: Training, kernel: Kernel) -> Contest:
    native = training_step(training, None)
    approximate = training_step(training, design())
    check = StepCheck()

    def ours() -> None:
        with use_kernel(kernel):
            approximate()

    with check:
        ours()
    return Contest(ours, native, lambda: check.fault, check.products)


def training_step(training: Training, multiplies: Candidate | None) -> Step:
    """Make a network and return its step; native FP32 without a design.

    The images are noise: no kernel is faster or slower on real ones.
    """
    draw = torch.Generator().manual_seed(0)
    images = torch.randn(training.images, generator=draw)
    labels = torch.randint(CLASSES, training.images[:1], generator=draw)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model: nn.Module = nn.Sequential(training.layers())
    if multiplies:
        model = convert(model, Assignment.uniform(multiplies)).model
    return functools.partial(_step, model, _optimiser(model), images, labels)


def _optimiser(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(
        model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4, nesterov=True
    )


def _step(
    model: nn.Module, optimiser: torch.optim.Optimizer, images: Tensor, labels: Tensor
) -> None:
    optimiser.zero_grad()
    loss = F.cross_entropy(model(images), labels)
    torch.autograd.backward(loss)
    optimiser.step()


def design() -> Candidate:
    """One whose table has no small rank and is looked up."""
    return Candidate(builtin_catalog().multiplier(DESIGN), parse_format(FORMAT))
