import numpy as np
import pytest
import torch
from gemm_contract import FLOATS, GemmContract, candidate, table, values, wild_operands
from torch import Tensor

from axdse.gpu.ops_reference import float_products, lut_gemm_reference
from axdse.gpu.quantise import float_codes, round_float
from axdse.multipliers.formats import FloatFormat, parse_format
from axdse.multipliers.lut import Lut
from axdse.multipliers.unit import unit_products


class TestReference(GemmContract):
    def gemm(self, a: Tensor, b: Tensor, lut: Lut, swap: bool = False) -> Tensor:
        entries = torch.from_numpy(lut.entries.copy())
        return lut_gemm_reference(a, b, entries, lut.format.name, swap)


@pytest.mark.parametrize("name", FLOATS)
def test_products_have_the_bits_of_the_unit_even_zeros_and_nan(name: str) -> None:
    number_format = parse_format(name)
    assert isinstance(number_format, FloatFormat)
    a, b = (round_float(wild_operands(20_000, number_format, s), number_format) for s in (1, 2))
    a[:1000] *= 0
    entries = torch.from_numpy(table("scramble", name).entries.astype(np.int32))
    unit_codes = unit_products(
        candidate("scramble", name),
        float_codes(a, number_format).numpy(),
        float_codes(b, number_format).numpy(),
    )
    actual = float_products(a, b, entries, number_format)
    assert torch.equal(
        actual.view(torch.int32), values(unit_codes, number_format).view(torch.int32)
    )
