import numpy as np
import pytest
import torch
from gemm_contract import assert_same_bits, operands, table
from torch import Tensor

from axdse.gpu.ops import lut_gemm
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import FloatFormat, parse_format
from axdse.multipliers.lut import Lut

NARROW, BF16 = "float(8,4,round=nearest,product=narrow)", "float(8,7,round=nearest,product=wide)"


def pair(name: str) -> tuple[Tensor, Tensor]:
    number_format = parse_format(name)
    a = operands(6 * 5, number_format, 1).reshape(6, 5)
    return a, operands(5 * 7, number_format, 2).reshape(5, 7)


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("name", [NARROW, BF16, "int8"])
def test_torch_accepts_the_operator(name: str, swap: bool) -> None:
    entries = torch.from_numpy(table("scramble", name).entries.copy())
    torch.library.opcheck(torch.ops.axdse.lut_gemm.default, (*pair(name), entries, name, swap))


@pytest.mark.parametrize("name", [NARROW, "int8"])
def test_meta_tensors_give_shape_and_type(name: str) -> None:
    a, b = pair(name)
    result = lut_gemm(a.to("meta"), b.to("meta"), table("exact", name))
    real = lut_gemm(a, b, table("exact", name))
    assert (result.shape, result.dtype) == (real.shape, real.dtype)


@pytest.mark.parametrize("name", [NARROW, "int8"])
def test_swap_exchanges_the_operands(name: str) -> None:
    a, b = pair(name)
    lut = table("scramble", name)
    straight = lut_gemm(a, b, lut)
    assert_same_bits(lut_gemm(b.t(), a.t(), lut, swap=True).t(), straight)
    assert not torch.equal(lut_gemm(a, b, lut, swap=True), straight)


def test_bf16_core_follows_torch_bf16_operands() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(65, 200, generator=generator), torch.randn(200, 90, generator=generator)
    rounded_a, rounded_b = a.bfloat16().float(), b.bfloat16().float()
    exact = rounded_a.double() @ rounded_b.double()
    bound = 200 * 2.0**-24 * (rounded_a.abs().double() @ rounded_b.abs().double())
    actual = lut_gemm(a, b, table("exact", BF16)).double()
    assert bool(((actual - exact).abs() <= 1.001 * bound).all())


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (torch.zeros(2, 3), torch.zeros(4, 5), r"\[M, K\] and \[K, N\]: \(2, 3\) and \(4, 5\)"),
        (torch.zeros(3), torch.zeros(3, 5), r"\[M, K\] and \[K, N\]: \(3,\) and"),
        (torch.zeros(2, 3).double(), torch.zeros(3, 5), "float32 tensors: torch.float64"),
        (torch.zeros(2, 3).to(torch.int8), torch.zeros(3, 5), "float32 tensors: torch.int8"),
        (torch.zeros(2, 3, device="meta"), torch.zeros(3, 5), "one device: meta and cpu"),
    ],
)
def test_bad_operands_are_refused(a: Tensor, b: Tensor, message: str) -> None:
    with pytest.raises(AxdseError, match=message):
        lut_gemm(a, b, table("exact", NARROW))


def test_tables_of_another_exponent_than_that_of_fp32_are_refused() -> None:
    def multiply() -> None:
        lut = Lut("of a test", FloatFormat(5, 2), np.zeros((4, 4), dtype=np.uint8))
        lut_gemm(torch.zeros(2, 3), torch.zeros(3, 5), lut)

    with pytest.raises(AxdseError, match="exponent of FP32, e=8"):
        multiply()
