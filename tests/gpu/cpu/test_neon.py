"""The NEON kernels, cross-compiled and emulated: the whole contract without an ARM machine."""

import shutil

import numpy as np
import pytest
import torch
from kernel_driver import KernelDriver
from torch import Tensor

from axdse.gpu import reference
from axdse.gpu.cpu.kernels import NEON, PORTABLE, SUMS, VOID, engine_for
from axdse.gpu.multiplication.handles import handle
from axdse.gpu.testing.gemm import GemmContract, assert_same_bits, operands, table
from axdse.multipliers.formats import parse_format
from axdse.multipliers.sums.text import parse_sum

COMPILER, EMULATOR = "aarch64-linux-gnu-gcc", "qemu-aarch64"
MISSING = [tool for tool in (COMPILER, EMULATOR) if not shutil.which(tool)]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        bool(MISSING),
        reason=f"no {' and no '.join(MISSING)}: "
        "apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user",
    ),
]


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> KernelDriver:
    folder = tmp_path_factory.mktemp("neon")
    return KernelDriver(NEON, COMPILER, ("-static",), (EMULATOR,), folder)


@pytest.fixture(scope="module")
def sums_driver(tmp_path_factory: pytest.TempPathFactory) -> KernelDriver:
    folder = tmp_path_factory.mktemp("neon sums")
    return KernelDriver(SUMS, COMPILER, ("-static",), (EMULATOR,), folder)


@pytest.mark.parametrize("name", ["float(8,3)", "bf16"])
@pytest.mark.parametrize(
    "text",
    [
        "hopper_fp8",
        "dot(terms=8,align=24,cut=down,round=rne)",
        "blackwell_fp8(chunk=32)",
        "float(8,10,round=rz,chunk=16)",
        "float(8,7)",
        "float(8,22)",
        "float(5,10)",
        "dot(terms=4,acc=lazy(10,24))",
        "fixed(40,-30)",
    ],
)
def test_float_sums(sums_driver: KernelDriver, text: str, name: str) -> None:
    number_format = parse_format(name)
    scale = torch.exp2(torch.arange(40 * 37) % 40 - 20.0)[torch.randperm(40 * 37)]
    a = operands(5 * 40, number_format, 1).reshape(5, 40)
    b = (operands(40 * 37, number_format, 2) * scale).reshape(40, 37)
    b[3, 5], b[4, 6], a[2, 7] = 0.0, torch.inf, 0.0
    multiplication = handle(table("scramble", name), parse_sum(text))
    expected = reference.gemm_reference(a[None], b[None], multiplication, False)[0]
    assert_same_bits(sums_driver.gemm(a, b, multiplication), expected)


@pytest.mark.parametrize("text", ["int(24)", "int(20,overflow=saturate)"])
def test_int8_sums(sums_driver: KernelDriver, text: str) -> None:
    a, b = (operands(n, parse_format("int8"), n) for n in (5 * 300, 300 * 37))
    a, b = a.reshape(5, 300), b.reshape(300, 37)
    multiplication = handle(table("exact", "int8"), parse_sum(text))
    expected = reference.gemm_reference(a[None], b[None], multiplication, False)[0]
    assert_same_bits(sums_driver.gemm(a, b, multiplication), expected)


class TestNeon(GemmContract):
    @pytest.fixture(autouse=True)
    def use(self, driver: KernelDriver) -> None:
        self.driver = driver

    def gemm(self, a: Tensor, b: Tensor, multiplication: str, swap: bool = False) -> Tensor:
        return self.driver.gemm(a, b, multiplication, swap)


def test_void_operands_have_no_products(driver: KernelDriver) -> None:
    generator = np.random.default_rng(1)
    a = generator.integers(0, 256, (11, 70), dtype=np.uint16)
    b = generator.integers(0, 256, (70, 300), dtype=np.uint16)
    b[generator.random(b.shape) < 0.1] = VOID
    engine = engine_for(PORTABLE, handle(table("scramble", "int8")), False)
    entries = engine.entries.view(np.int16).astype(np.int32)
    products = entries[a[:, :, None], np.minimum(b, 255)[None]]
    expected = np.where(b[None] == VOID, 0, products).sum(axis=1, dtype=np.int32)
    assert_same_bits(driver.multiply(a, b, engine), torch.from_numpy(expected))
