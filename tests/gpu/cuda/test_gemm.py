"""The GEMM of the device kernels, run on the host."""

import pytest
import torch
from cuda_on_host import HostDevice
from torch import Tensor

from axdse.gpu.cuda import gemms
from axdse.gpu.multiplication.handles import resolve
from axdse.gpu.testing.gemm import FLOATS, GemmContract, assert_same_bits, operands, table


class TestHost(GemmContract):
    """Every kernel that shapes and formats of the contract lead to, for a GPU of two units."""

    @pytest.fixture(autouse=True)
    def device(self, host_device: HostDevice) -> None:
        self.host = host_device

    def gemm(self, a: Tensor, b: Tensor, multiplication: str, swap: bool = False) -> Tensor:
        return gemms.gemm(self.host, a[None], b[None], resolve(multiplication).form, swap)[0]


@pytest.mark.parametrize("rows", [1, 3])
def test_a_subnormal_sum_is_kept(host_device: HostDevice, rows: int) -> None:
    a = torch.tensor([[1.5 * 2.0**-63, -(2.0**-63)]]).expand(1, rows, 2)
    b = torch.full((1, 2, 33), 2.0**-63)
    result = gemms.gemm(host_device, a, b, table("exact", FLOATS[1]), False)
    assert torch.equal(result, torch.full((1, rows, 33), 2.0**-127))


@pytest.mark.parametrize("name", [FLOATS[0], "int8"])
def test_a_batch_is_its_matrices(host_device: HostDevice, name: str) -> None:
    lut = table("scramble", name)
    a = operands(4 * 5 * 9, lut.format, 1).reshape(4, 5, 9)
    b = operands(4 * 9 * 20, lut.format, 2).reshape(4, 20, 9).mT
    result = gemms.gemm(host_device, a, b, lut, False)
    for index in range(4):
        one = gemms.gemm(host_device, a[index, None], b[index, None], lut, False)
        assert_same_bits(result[index], one[0])
