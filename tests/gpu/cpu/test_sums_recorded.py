"""Do kernels and operators give the dot products that tensor cores were recorded with?"""

import numpy as np
import pytest
import torch
from recorded_dots import CASES, RecordedDots, recorded_dots

from axdse.gpu import reference
from axdse.gpu.cpu import ops as cpu_ops
from axdse.gpu.cpu.kernels import CAREFUL_SUMS, INLINED_SUMS, SUMS, Kernel
from axdse.gpu.multiplication.handles import handle
from axdse.gpu.ops import schema
from axdse.gpu.ops.plan import plan
from axdse.gpu.testing.gemm import assert_same_bits
from axdse.multipliers.designs.design_point import parse_mac

# Fractions of 10 bits: their C model is compiled into the kernel.
WITHOUT_TABLE = [case for case in CASES if not case.endswith(("bf16", "E4M3"))]


@pytest.mark.parametrize(
    ("case", "kernel"),
    [
        pytest.param(case, kernel, id=f"{case}-{kernel.name}")
        for case in CASES
        for kernel in ((INLINED_SUMS,) if case in WITHOUT_TABLE else (SUMS, CAREFUL_SUMS))
    ],
)
def test_kernels_give_recorded_dot_products_of_tensor_cores(case: str, kernel: Kernel) -> None:
    dots = recorded_dots(case)
    a, b = (torch.from_numpy(x.view(np.float32)) for x in dots.behind_c)
    found = cpu_ops.gemm_cpu(kernel, a[:, None], b[:, :, None], exact_products(dots), False)
    assert_same_bits(found[:, 0, 0], torch.from_numpy(dots.d.view(np.float32)))


SIDE = 50  # products of so many rows and columns at once, of which the diagonal counts


@pytest.mark.parametrize("rows", [SIDE, pytest.param(None, marks=pytest.mark.slow)])
@pytest.mark.parametrize("case", CASES)
def test_operators_give_recorded_dot_products_of_tensor_cores(case: str, rows: int | None) -> None:
    dots = recorded_dots(case).first(rows)
    multiplication = exact_products(dots)
    assert plan(multiplication).choice == ("inlined sums" if case in WITHOUT_TABLE else "sums")
    a, b = (torch.from_numpy(x.view(np.float32)) for x in dots.behind_c)
    for compute in (schema.torch.ops.axdse.gemm, reference.gemm_reference):
        parts = [
            compute(x[None], y.T[None].contiguous(), multiplication, False)[0].diagonal()
            for x, y in zip(a.split(SIDE), b.split(SIDE), strict=True)
        ]
        assert_same_bits(torch.cat(parts), torch.from_numpy(dots.d.view(np.float32)))


def exact_products(dots: RecordedDots) -> str:
    """The handle of what that GPU computes."""
    m = dots.fraction_bits
    mac = parse_mac(f"exact(n={m + 1}) in float(8,{m},product=wide) sum {dots.sum.name}")
    return handle(mac.candidate, mac.recipe)
