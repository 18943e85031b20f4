"""Does training behind a sum give the same bits by every kernel, instruction set and thread?"""

import contextlib
import platform
from functools import partial

import pytest
import torch
from compiled_with import AVX2, PORTABLE, compiled_with
from torch import Tensor

import axdse
from axdse.gpu.cpu.kernels import CAREFUL_SUMS, torch_threads, use_kernel
from axdse.gpu.testing.gemm import assert_same_bits
from axdse.multipliers.sums.text import presets


def trained(point: str) -> Tensor:
    """The weights after some steps of a network with convolutions of both strides, and in groups.

    All but the first layer have both backward products.
    """
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3, stride=2),
        torch.nn.ReLU(),
        torch.nn.Conv2d(4, 6, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(6, 4, 3, stride=2, groups=2),
        torch.nn.Flatten(),
        torch.nn.Linear(4 * 2 * 2, 10),
    )
    converted = axdse.convert(model, point).model
    optimiser = torch.optim.SGD(converted.parameters(), lr=0.05)
    for _ in range(3):
        loss = torch.nn.functional.cross_entropy(
            converted(torch.randn(8, 1, 11, 11)), torch.randint(0, 10, (8,))
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return torch.cat([p.detach().reshape(-1) for p in converted.parameters()])


def operands_of(preset: str) -> str:
    """Products that the machine of a preset has."""
    if presets()[preset].sum.is_integer:
        return "exact(n=8) in int8"
    narrow = preset in ("deepseek", "ibm") or "fp8" in preset
    return "exact(n=4) in fp8_e4m3(product=wide)" if narrow else "exact(n=8) in bf16"


INSTRUCTIONS = (
    (2, contextlib.nullcontext),
    (1, partial(compiled_with, AVX2)),
    (2, partial(compiled_with, AVX2)),
    (1, partial(compiled_with, PORTABLE)),
    (2, partial(compiled_with, PORTABLE)),
    (1, partial(use_kernel, CAREFUL_SUMS)),
)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="flags of x86")
@pytest.mark.parametrize(
    "preset",
    [
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("volta", "ampere", "ada_fp8")),
        *("hopper", "hopper_fp8", "blackwell_fp8", "deepseek", "ibm", "int8", "fp32(order=k)"),
    ],
)
def test_training_has_the_same_bits_by_every_kernel_and_thread(preset: str) -> None:
    form = operands_of(preset if preset in presets() else "hopper")
    with torch_threads(1):
        expected = trained(f"{form} sum {preset}")
    for threads, instructions in INSTRUCTIONS:
        with torch_threads(threads), instructions():
            found = trained(f"{form} sum {preset}")
        assert_same_bits(found, expected)
    # Sums of so many bits are exact for products of so few, and those of integers wrap alike.
    if preset not in ("blackwell_fp8", "int8", "fp32(order=k)"):
        assert not torch.equal(expected, trained(form))
