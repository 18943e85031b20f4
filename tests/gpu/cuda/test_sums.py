"""Sums narrower than FP32 are rounded after each addition, in the order of k."""

from dataclasses import replace

import pytest
import torch
from cuda_on_host import HostDevice
from torch import Tensor

from axdse.gpu.cuda import arithmetic, gemms
from axdse.gpu.cuda.arithmetic import Arithmetic
from axdse.gpu.cuda.task import SUM_BF16, SUM_FP16
from axdse.gpu.testing.gemm import (
    FLOATS,
    all_products,
    assert_same_bits,
    candidate,
    operands,
    table,
)
from axdse.multipliers.tables.lut import Lut

TYPES = {SUM_BF16: torch.bfloat16, SUM_FP16: torch.float16}


def rounded_sum(products: Tensor, dtype: torch.dtype) -> Tensor:
    sums = torch.zeros(products.shape[0], products.shape[2])
    for k in range(products.shape[1]):
        sums = (sums + products[:, k]).to(dtype).float()
    return sums


@pytest.mark.parametrize("scale", [1.0, 2.0**-11, 300.0])
@pytest.mark.parametrize("shape", [(17, 40, 66), (1, 50, 200), (2, 1100, 5)])
@pytest.mark.parametrize("total", TYPES)
@pytest.mark.parametrize("name", FLOATS[:2])
def test_rounded_sums(
    host_device: HostDevice,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    total: int,
    shape: tuple[int, int, int],
    scale: float,
) -> None:
    rows, depth, columns = shape
    unit = candidate("scramble", name)
    a = scale * operands(rows * depth, unit.format, 1).reshape(rows, depth)
    b = scale * operands(depth * columns, unit.format, 2).reshape(depth, columns)
    whole = arithmetic.table_arithmetic

    def narrow(lut: Lut, exchanged: bool, device: torch.device) -> Arithmetic:
        known = whole(lut, exchanged, device)
        return replace(known, base=replace(known.base, total=total))

    monkeypatch.setattr(arithmetic, "table_arithmetic", narrow)
    result = gemms.gemm(host_device, a[None], b[None], table("scramble", name), False)[0]
    assert_same_bits(result, rounded_sum(all_products(a, b, unit), TYPES[total]))
