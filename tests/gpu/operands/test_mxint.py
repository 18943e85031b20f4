"""MXINT8: are operands the nearest of their block, and sums those of its steps, by every way?"""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from axdse.gpu import reference
from axdse.gpu.cpu.kernels import torch_threads
from axdse.gpu.multiplication.handles import handle
from axdse.gpu.ops import schema
from axdse.gpu.ops.encoding import encode
from axdse.gpu.ops.plan import plan
from axdse.gpu.testing.gemm import assert_same_bits, table
from axdse.multipliers.designs.design_point import parse_mac
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import Format, IntFormat, parse_format
from axdse.multipliers.model.sum_unit import sum_steps
from axdse.multipliers.sums.recipe import FloatRegister
from axdse.multipliers.sums.reference import register_values
from axdse.multipliers.sums.text import parse_sum

MXINT8 = parse_format("mxint8")
GEMM = schema.torch.ops.axdse.gemm
SUMS = (
    "float(8,23)",
    "float(8,7,round=rz)",
    "dot(terms=32,align=exact,acc=float(8,23),round=rne)",
    "dot(terms=16,align=13)",
    "dot(terms=4,align=9,acc=float(5,7),cut=down,round=rne)",
    "dot(terms=8,align=20,acc=float(8,10),carry=late,chunk=32)",
)


def parts(codes: Tensor) -> tuple[Tensor, Tensor]:
    """Scales and elements."""
    return codes.int() >> 8 & 0xFF, codes.to(torch.int8).int()


@pytest.mark.parametrize("bits", [8, 4])
def test_each_element_is_the_nearest_of_its_block(bits: int) -> None:
    most, step = (1 << (bits - 1)) - 1, 2.0 ** (bits - 2)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 96, generator=generator)
    x *= torch.exp2(torch.randint(-4, 4, x.shape, generator=generator).float())
    x[0, 0, :32] *= 2.0**-100
    x[1, 2, :32] = torch.linspace(-1.999, 1.999, 32)  # beyond the largest
    x[1, 1, 32:64] = (torch.arange(32) - 16.5) / step  # ties
    x[1, 1, 32] = 1.0
    codes = encode(x, IntFormat(bits, "block32"), along=2).codes
    scales, elements = parts(codes)
    for block, scale, element in zip(
        x.reshape(-1, 32).double().tolist(),
        scales.reshape(-1, 32).tolist(),
        elements.reshape(-1, 32).tolist(),
        strict=True,
    ):
        power = math.frexp(max(map(abs, block)))[1] - 1
        assert scale == [power + 127] * 32
        rounded = [round(v / 2.0**power * step) for v in block]
        assert element == [max(-most, min(most, q)) for q in rounded]
    turned = encode(x.mT, IntFormat(bits, "block32"), along=1).codes
    assert torch.equal(turned.mT, codes)


@pytest.mark.parametrize("odd", [math.inf, -math.inf, math.nan])
def test_an_odd_number_makes_the_scale_of_its_block_nan(odd: float) -> None:
    x = torch.ones(1, 2, 64)
    x[0, 1, 40] = odd
    scales, _ = parts(encode(x, MXINT8, along=2).codes)
    assert (scales[0, 1, 32:] == 255).all()
    assert (scales == 255).sum() == 32


def test_the_ends_of_scales() -> None:
    """The largest numbers saturate; subnormal ones are zero, in blocks of the smallest scale."""
    x = torch.zeros(1, 3, 32)
    x[0, 0], x[0, 1], x[0, 2] = torch.finfo(torch.float32).max, 2.0**-126, 2.0**-127
    x[0, 2, 5] = 2.0**-126
    scales, elements = parts(encode(x, MXINT8, along=2).codes)
    assert scales[0, :, 0].tolist() == [254, 1, 1]
    assert elements[0, 0].tolist() == [127] * 32
    assert elements[0, 1].tolist() == [64] * 32
    assert elements[0, 2].tolist() == [0] * 5 + [64] + [0] * 26


def operands(form: Format, columns: int, *, wild: bool) -> tuple[Tensor, Tensor]:
    """Codes [2, 5, 96] and [2, 96, columns]; with zeros, NaN and scales far apart if wild."""
    generator = torch.Generator().manual_seed(columns)
    a, b = (torch.randn(2, n, 96, generator=generator) for n in (5, columns))
    a *= torch.exp2(torch.randint(-6, 6, a.shape, generator=generator).float())
    if wild:
        a[0, 0, 3], a[1, 2, 70], a[1, 3, :32], a[0, 4] = math.nan, math.inf, 0.0, -1e38
        b[0, :, 4], b[1] = 1e38, b[1] * 1e-38
    return encode(a, form, along=2).codes, encode(b.mT, form, along=1).codes


@pytest.mark.parametrize("text", SUMS)
def test_kernel_has_the_bits_of_the_reference(text: str) -> None:
    """A table without any regularity, in which zeros have products, too."""
    known = handle(table("scramble", "mxint8"), parse_sum(text))
    assert plan(known).choice == "block sums"
    for columns, wild, far in ((19, False, 0), (3, False, 60), (3, True, 0)):
        a, b = operands(MXINT8, columns, wild=wild)
        a, b = (x + (far << 8) for x in (a, b))  # scales of 2^60 more, and products of infinity
        for swap in (False, True):
            expected = reference.gemm_reference(a, b, known, swap)
            for threads in (1, 2):
                with torch_threads(threads):
                    assert_same_bits(GEMM(a, b, known, swap), expected)


@pytest.mark.parametrize("core", ["drum(n=8,k=4) in mxint8", "exact(n=8) in mxint8"])
def test_operators_are_the_unit_of_the_verilog(core: str) -> None:
    """Step after step from codes, by the C model that the Verilog is compared with."""
    mac = parse_mac(f"{core} sum dot(terms=8,align=12,acc=float(8,10))")
    assert mac.recipe
    assert isinstance(mac.recipe.register, FloatRegister)
    a, b = operands(mac.format, 4, wild=True)
    found = GEMM(a, b, handle(mac.candidate, mac.recipe), False)
    for group in range(2):
        left, right = (x.numpy().view(np.uint16).astype(np.uint64) for x in (a[group], b[group].T))
        rows = np.repeat(left, 4, 0), np.tile(right, (5, 1))
        after = sum_steps(mac.candidate, mac.recipe, *rows, np.zeros(20, np.uint64))[:, -1]
        expected = torch.from_numpy(register_values(after, mac.recipe.register)).reshape(5, 4)
        assert_same_bits(found[group], expected)


def test_narrow_elements_have_their_own_point() -> None:
    mac = parse_mac("exact(n=4) in int4(scale=block32)")
    a, b = operands(mac.format, 7, wild=False)
    values = []
    for codes in (a, b):
        scales, elements = parts(codes)
        values.append(elements.double() / 4 * torch.exp2(scales.double() - 127))
    found = GEMM(a, b, handle(mac.candidate), False)
    torch.testing.assert_close(found.double(), values[0] @ values[1], rtol=1e-5, atol=1e-5)


def test_operators_refuse_what_has_no_steps_of_blocks() -> None:
    known = handle(parse_mac("exact(n=8) in mxint8").candidate)
    codes = torch.zeros(1, 32, 4, 4, dtype=torch.int16)
    with pytest.raises(AxdseError, match="multiplied as matrices: mxint8 in conv2d"):
        torch.ops.axdse.conv2d(codes, codes, known, False, [1, 1], [0, 0], [1, 1], 1)
    with pytest.raises(AxdseError, match=r"mxint8 multiplies torch.int16 tensors"):
        GEMM(codes[0].float(), codes[0].float(), known, False)
