"""Speed of the CUDA kernels beside cuBLAS FP32 with TF32 off, and of a ResNet-18 training step.

usage: python benchmarks/gpu_speed.py [--rounds 20] [--size 4096] [--no-training]

Correctness comes first: a product that is not within the rounding bound of the exact sum of its
multiplier's products, on rows and columns drawn at random, is not timed. Times are medians between
events of the device; native and approximate take turns. Writes benchmarks/results/gpu_speed.json.
"""

import argparse
import datetime
import itertools
import json
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from axdse.gpu.cuda.ops import gemm_cuda
from axdse.gpu.layers.assignment import Assignment
from axdse.gpu.layers.convert import convert
from axdse.gpu.multiplication.handles import handle
from axdse.gpu.multiplication.inlined import Inlined
from axdse.gpu.operands.encode import float_codes, float_values
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.formats import IntFormat, parse_format
from axdse.multipliers.model.unit_oracle import unit_products
from axdse.multipliers.tables.lut import Lut, build_lut

RESULTS = Path(__file__).parent / "results" / "gpu_speed.json"
ROUNDOFF = 2.0**-24
WARM_UP = 3
BATCH, STEP_TARGET = 128, 4.0


@dataclass(frozen=True)
class Case:
    """A multiplication and the most time it may take, in times of native."""

    name: str
    design: str
    parameters: dict[str, int]
    format: str
    target: float
    inlined: bool = False


@dataclass(frozen=True)
class Row:
    """What was measured; milliseconds are medians."""

    work: str
    milliseconds: float
    native_milliseconds: float
    times_native: float
    target: float


CASES = (
    Case("7-bit table, narrow", "mbm", {"m": 7}, "float(8,7,product=narrow)", 4.5),
    Case("7-bit table, wide", "drum", {"n": 8, "k": 4}, "float(8,7,product=wide)", float("inf")),
    Case("int8 table", "drum", {"n": 8, "k": 4}, "int8", 6.0),
    Case("Mitchell inlined", "mitchell", {"m": 23}, "float(8,23)", 3.0, inlined=True),
)


def candidate(case: Case) -> Candidate:
    """The design, with widths that its C model has beyond the catalogue's range."""
    family = builtin_catalog().family(case.design)
    width = family.parameters[str(family.width)]
    wider = {**family.parameters, str(family.width): replace(width, max=24)}
    family = replace(family, parameters=wider) if case.inlined else family
    return Candidate(family.bind(case.parameters), parse_format(case.format))


def multiplication(case: Case) -> Lut | Inlined:
    unit = candidate(case)
    return Inlined(unit, trusted=True) if case.inlined else build_lut(unit)


def milliseconds(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median time of each between two events of the device; they take turns."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + WARM_UP):
        for name, call in calls.items():
            start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            call()
            stop.record()
            stop.synchronize()
            if turn >= WARM_UP:
                found[name].append(start.elapsed_time(stop))
    return {name: statistics.median(times) for name, times in found.items()}


def check(result: Tensor, a: Tensor, b: Tensor, unit: Candidate) -> None:
    """Compare 8 x 8 sums with the exact ones of the unit's products."""
    rows, columns = torch.randint(a.shape[0], (8,)), torch.randint(b.shape[1], (8,))
    first, second = a[rows.to(a.device)].cpu(), b[:, columns.to(b.device)].cpu()
    products = exact_products(first[:, :, None], second[None], unit)
    exact, depth = products.sum(1), a.shape[1]
    is_int = isinstance(unit.format, IntFormat)
    bound = 0 * exact if is_int else depth * ROUNDOFF * products.abs().sum(1)
    found = result[rows.to(a.device)][:, columns.to(a.device)].cpu().double()
    if bool(((found - exact).abs() > bound).any()):
        raise SystemExit(f"{unit.name} is wrong on the GPU: not timed")


def exact_products(a: Tensor, b: Tensor, unit: Candidate) -> Tensor:
    number_format = unit.format
    if isinstance(number_format, IntFormat):
        first, second = np.broadcast_arrays(a.numpy().view(np.uint8), b.numpy().view(np.uint8))
        codes = unit_products(unit, first, second).astype(np.uint16).view(np.int16)
        return torch.from_numpy(codes.astype(np.float64))
    first, second = np.broadcast_arrays(
        float_codes(a, number_format).numpy(), float_codes(b, number_format).numpy()
    )
    codes = torch.from_numpy(unit_products(unit, first, second).astype(np.int64))
    return float_values(codes, number_format.product_fraction_bits).double()


def measure_gemm(case: Case, size: int, rounds: int) -> Row:
    a, b = torch.randn(2, size, size, device="cuda")
    known, unit = multiplication(case), candidate(case)
    first, second = a, b
    if isinstance(known.format, IntFormat):
        first, second = torch.randint(-127, 128, (2, size, size), device="cuda").char()
    name = handle(known)

    def call() -> Tensor:
        return gemm_cuda(first[None], second[None], name, False)[0]

    check(call(), first, second, unit)
    return row(
        f"{case.name}, {size}^3", {"native": lambda: a @ b, "ours": call}, rounds, case.target
    )


def row(work: str, calls: dict[str, Callable[[], object]], rounds: int, target: float) -> Row:
    times = milliseconds(calls, rounds)
    return Row(work, times["ours"], times["native"], times["ours"] / times["native"], target)


class Block(nn.Module):
    """Basic block of ResNet-18."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(outputs) for _ in range(2))
        same = inputs == outputs and stride == 1
        short = (nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        self.short = nn.Identity() if same else nn.Sequential(*short)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, inputs, H, W] to [B, outputs, H / stride, W / stride]."""
        y = F.relu(self.norms[0](self.first(x)))
        return F.relu(self.norms[1](self.second(y)) + self.short(x))


def resnet18() -> nn.Module:
    widths = (64, 64, 128, 256, 512)
    blocks = [
        Block(before if first else after, after, 2 if first and after > 64 else 1)
        for before, after in itertools.pairwise(widths)
        for first in (True, False)
    ]
    stem = (nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU())
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000))
    return nn.Sequential(*stem, nn.MaxPool2d(3, 2, 1), *blocks, *head)


def step(model: nn.Module, images: Tensor, labels: Tensor) -> Callable[[], object]:
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def call() -> None:
        optimiser.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimiser.step()

    return call


def measure_step(rounds: int) -> Row:
    native = resnet18().cuda()
    approximate = convert(native, Assignment.uniform(build_lut(candidate(CASES[0])))).model
    images = torch.randn(BATCH, 3, 224, 224, device="cuda")
    labels = torch.randint(1000, (BATCH,), device="cuda")
    calls = {"native": step(native, images, labels), "ours": step(approximate, images, labels)}
    return row(f"ResNet-18 step, batch {BATCH}, {CASES[0].name}", calls, rounds, STEP_TARGET)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--no-training", action="store_true")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("gpu_speed: no GPU that torch can use, so nothing was measured")
    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    rows = [measure_gemm(case, options.size, options.rounds) for case in CASES]
    if not options.no_training:
        rows.append(measure_step(options.rounds))
    print("work                                                  ms   native  /native   at most")
    for one in rows:
        times = f"{one.milliseconds:8.2f}{one.native_milliseconds:9.2f}{one.times_native:9.2f}"
        print(f"{one.work:48}{times}{one.target:10.1f}")
    record = {
        "date": datetime.date.today().isoformat(),
        "gpu": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "rows": [asdict(one) for one in rows],
    }
    RESULTS.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
