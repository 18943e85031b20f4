"""C models compiled into the device kernels, run on the host."""

from dataclasses import replace

import pytest
import torch
from cuda_on_host import HostDevice
from torch import Tensor

from axdse.gpu.cuda import gemms
from axdse.gpu.cuda.arithmetic import arithmetic_of
from axdse.gpu.multiplication.inlined import Inlined
from axdse.gpu.operands.convolution import Convolution, Window
from axdse.gpu.testing.gemm import (
    all_products,
    assert_same_bits,
    assert_sums,
    operands,
    wild_operands,
)
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.formats import parse_format

CASES = (
    ("mitchell", {"m": 23}, "float(8,23)"),
    ("mitchell", {"m": 10}, "float(8,10,round=truncate)"),
    ("exact", {"n": 24}, "float(8,23)"),
    ("exact", {"n": 12}, "float(8,11,product=wide)"),
    ("drum", {"n": 8, "k": 4}, "float(8,7,product=wide)"),
    ("perforated", {"n": 11}, "float(8,10)"),
)


def inlined(case: tuple[str, dict[str, int], str]) -> Inlined:
    """The design, at widths that the catalogue does not offer too."""
    name, parameters, format_name = case
    family = builtin_catalog().family(name)
    wider = replace(family.parameters[str(family.width)], max=24)
    family = replace(family, parameters={**family.parameters, str(family.width): wider})
    return Inlined(Candidate(family.bind(parameters), parse_format(format_name)), trusted=True)


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]} {case[2]}")
def unit(request: pytest.FixtureRequest) -> Inlined:
    return inlined(request.param)


@pytest.mark.parametrize("swap", [False, True])
def test_any_bit_patterns(host_device: HostDevice, unit: Inlined, swap: bool) -> None:
    a = wild_operands(150, unit.format, 1)[:, None]
    b = wild_operands(170, unit.format, 2)[None]
    result = gemms.gemm(host_device, a[None], b[None], unit, swap)[0]
    assert_same_bits(result, all_products(a, b, unit.candidate, swap)[:, 0] + 0)


def with_zeros(x: Tensor, zeros: bool) -> Tensor:
    return x * (torch.arange(x.numel()).reshape(x.shape) % 3 > 0) if zeros else x


@pytest.mark.parametrize(("zeros_a", "zeros_b"), [(0, 0), (1, 0), (0, 1), (1, 1)])
@pytest.mark.parametrize("shape", [(5, 37, 7), (130, 19, 131)])
def test_sums_with_and_without_zeros(
    host_device: HostDevice,
    unit: Inlined,
    shape: tuple[int, int, int],
    zeros_a: bool,
    zeros_b: bool,
) -> None:
    rows, depth, columns = shape
    a = with_zeros(operands(rows * depth, unit.format, 3).reshape(rows, depth), zeros_a)
    b = with_zeros(operands(depth * columns, unit.format, 4).reshape(depth, columns), zeros_b)
    result = gemms.gemm(host_device, a[None], b[None], unit, False)[0]
    assert_sums(result, all_products(a, b, unit.candidate))


def test_specials_among_ordinary_operands(host_device: HostDevice) -> None:
    unit = inlined(CASES[0])
    a = operands(67 * 45, unit.format, 5).reshape(67, 45)
    b = operands(45 * 70, unit.format, 6).reshape(45, 70)
    a[3, 5], a[4, 6], a[5, 7], a[6] = torch.inf, torch.nan, 2.0**-100, 0.0
    b[5, 3], b[11, 4], b[12, 5], b[13] = -(2.0**100), torch.inf, 2.0**-120, -0.0
    result = gemms.gemm(host_device, a[None], b[None], unit, False)[0]
    assert_sums(result, all_products(a, b, unit.candidate))


def test_a_split_sum_is_within_the_bound_too(host_device: HostDevice) -> None:
    unit = inlined(CASES[0])
    a = operands(3 * 2000, unit.format, 7).reshape(3, 2000)
    b = operands(2000 * 5, unit.format, 8).reshape(2000, 5)
    wide = replace(host_device, units=8)
    result = gemms.gemm(wide, a[None], b[None], unit, False)[0]
    assert_sums(result, all_products(a, b, unit.candidate))


def test_a_convolution(host_device: HostDevice) -> None:
    """Its images are those of FP32 within the error of the design: exact at 23 bits, cut."""
    unit = inlined(CASES[2])
    shape = Convolution(2, 3, 4, (9, 8), (3, 3), Window((2, 2), (1, 1), (1, 1)))
    image, weight = torch.randn(2, 3, 9, 8), torch.randn(4, 3, 3, 3)
    result = gemms.conv2d(host_device, image, weight, unit, False, shape)
    expected = torch.conv2d(image, weight, stride=2, padding=1)
    torch.testing.assert_close(result, expected)


def test_arithmetic_is_made_once() -> None:
    unit = inlined(CASES[0])
    device = torch.device("cpu")
    assert arithmetic_of(unit, False, device) is arithmetic_of(unit, False, device)
