"""The NEON kernels, cross-compiled and emulated: the whole contract without an ARM machine."""

import shutil

import numpy as np
import pytest
import torch
from kernel_driver import KernelDriver
from torch import Tensor

from axdse.gpu.cpu.kernels import NEON, PORTABLE, VOID, engine_for
from axdse.gpu.multiplication.handles import handle
from axdse.gpu.testing.gemm import GemmContract, assert_same_bits, table

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
