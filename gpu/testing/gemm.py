"""Does a kernel of `axdse::gemm` compute what it must? Inherit `GemmContract`, define `gemm`."""

import functools
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from axdse.gpu.multiplication.handles import handle
from axdse.gpu.operands.encode import float_codes, float_values
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.designs.family import Family, Parameter
from axdse.multipliers.formats import FloatFormat, Format, IntFormat, parse_format
from axdse.multipliers.model.unit_oracle import corner_operands, unit_products
from axdse.multipliers.tables.lut import Lut, build_lut

SCRAMBLE = Family(
    name="scramble",
    title="a table without any regularity",
    kind="integer",
    width="n",
    model=Path(__file__).with_name("scramble.c"),
    rtl=Path("none.v"),
    parameters={"n": Parameter(min=2, max=8, default=8, meaning="operand width in bits")},
    commutative=False,
)
FLOATS = (
    "float(8,7,round=truncate,product=narrow)",
    "float(8,7,round=nearest,product=wide)",
    "float(8,5,round=truncate,product=wide)",
    "float(8,4,round=nearest,product=narrow)",
    "float(8,3,round=nearest,product=wide)",
    "float(8,2,round=nearest,product=narrow)",
)
FORMATS = (*FLOATS, "int8")
SHAPES = (
    (0, 0, 0),
    (0, 3, 5),
    (3, 0, 5),
    (3, 5, 0),
    (1, 1, 1),
    (1, 7, 257),
    (2, 3, 5),
    (257, 7, 1),
    (67, 31, 3),
    (13, 257, 61),
    (65, 19, 64),
    (5, 300, 523),
)
ROUNDOFF = 2.0**-24


@functools.cache
def candidate(design: str, format_name: str) -> Candidate:
    """The design ("exact" or "scramble") at the width that the format needs."""
    number_format = parse_format(format_name)
    family = SCRAMBLE if design == "scramble" else builtin_catalog().family(design)
    return Candidate(family.bind({"n": number_format.operand_bits}), number_format)


@functools.cache
def table(design: str, format_name: str) -> Lut:
    """The table of such a design."""
    return build_lut(candidate(design, format_name))


def known(design: str, format_name: str) -> str:
    """The handle of such a table, as operators take it."""
    return handle(table(design, format_name))


def codes(x: Tensor, number_format: Format) -> np.ndarray:
    """Operands to codes, as the numpy oracle takes them."""
    if isinstance(number_format, IntFormat):
        return x.numpy().view(np.uint8)
    return float_codes(x, number_format).numpy()


def values(unit_codes: np.ndarray, number_format: Format) -> Tensor:
    """The numbers that unit product codes mean: int32 or FP32."""
    if isinstance(number_format, IntFormat):
        return torch.from_numpy(unit_codes.astype(np.uint16).view(np.int16).astype(np.int32))
    signed = torch.from_numpy(unit_codes.astype(np.int64))
    return float_values(signed, number_format.product_fraction_bits)


def operands(count: int, number_format: Format, seed: int) -> Tensor:
    """Ordinary operands: normal numbers around one, or int8 codes."""
    generator = torch.Generator().manual_seed(seed)
    if isinstance(number_format, IntFormat):
        return torch.randint(-128, 128, (count,), generator=generator, dtype=torch.int8)
    return torch.randn(count, generator=generator)


def wild_operands(count: int, number_format: FloatFormat, seed: int) -> Tensor:
    """Any bit pattern: every exponent is as likely, so specials, over- and underflow are many."""
    generator = torch.Generator().manual_seed(seed)
    bits = torch.randint(-(1 << 31), 1 << 31, (count,), generator=generator)
    return bits.int().view(torch.float32)


def all_products(a: Tensor, b: Tensor, unit: Candidate, swap: bool = False) -> Tensor:
    """p[i, k, n] of a[i, k] and b[k, n], each from the numpy oracle."""
    first, second = np.broadcast_arrays(
        codes(a, unit.format)[:, :, None], codes(b, unit.format)[None]
    )
    if swap:
        first, second = second, first
    return values(unit_products(unit, first, second), unit.format)


def assert_same_bits(actual: Tensor, expected: Tensor) -> None:
    """Equal to the last bit; one NaN is as good as another."""
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    if actual.is_floating_point():
        assert torch.equal(actual.isnan(), expected.isnan())
        actual, expected = (
            torch.where(x.isnan(), 0.0, x).view(torch.int32) for x in (actual, expected)
        )
    assert torch.equal(actual, expected)


def assert_sums(actual: Tensor, products: Tensor) -> None:
    """Within gamma_K * sum|p| of the exact sum (Higham, 2002, (3.5)); int32 sums are exact."""
    exact = products.double().sum(dim=1)
    depth = products.shape[1]
    bound = depth * ROUNDOFF / (1 - depth * ROUNDOFF) * products.double().abs().sum(dim=1)
    if actual.dtype == torch.int32:
        bound = torch.zeros_like(bound)
    finite = exact.isfinite()
    assert actual.shape == exact.shape
    assert_same_bits(
        torch.where(finite, 0.0, actual.float()), torch.where(finite, 0.0, exact.float())
    )
    error = torch.where(finite, (actual.double() - exact).abs(), 0.0)
    assert bool((error[finite] <= bound[finite]).all())


class GemmContract:
    """Inherit as `class TestMyKernel(GemmContract)`."""

    def gemm(self, a: Tensor, b: Tensor, multiplication: str, swap: bool = False) -> Tensor:
        """Multiply by the kernel under test.

        Args:
            a: [M, K], FP32 or int8 as the format of the multiplication has it.
            b: [K, N], likewise.
            multiplication: its handle; `axdse.gpu.multiplication.handles.resolve` gives the table.
            swap: products are T(b, a), not T(a, b).

        Returns:
            [M, N], FP32 or int32.
        """
        raise NotImplementedError

    def assert_products(self, a: Tensor, b: Tensor, unit: Candidate, swap: bool = False) -> None:
        """K = 1: all pairs of a and b, the unit's product added to +0."""
        multiplication = known(unit.multiplier.family.name, unit.format.name)
        expected = all_products(a[:, None], b[None], unit, swap)[:, 0] + 0
        assert_same_bits(self.gemm(a[:, None], b[None], multiplication, swap), expected)

    @pytest.mark.parametrize("swap", [False, True])
    @pytest.mark.parametrize("design", ["exact", "scramble"])
    @pytest.mark.parametrize("name", FORMATS)
    def test_every_entry_of_the_table(self, name: str, design: str, swap: bool) -> None:
        number_format = parse_format(name)
        if isinstance(number_format, IntFormat):
            every = torch.arange(-128, 128, dtype=torch.int8)
        else:
            size = 1 << number_format.fraction_bits
            every = 1 + torch.arange(size) / size
        self.assert_products(every, every, candidate(design, name), swap)

    @pytest.mark.parametrize("swap", [False, True])
    @pytest.mark.parametrize("name", FLOATS)
    def test_corner_operands(self, name: str, swap: bool) -> None:
        number_format = parse_format(name)
        assert isinstance(number_format, FloatFormat)
        corners = torch.from_numpy(corner_operands(number_format).astype(np.int64))
        corner_values = float_values(corners, number_format.fraction_bits)
        self.assert_products(corner_values, corner_values, candidate("scramble", name), swap)

    @pytest.mark.parametrize("name", FLOATS)
    def test_any_bit_patterns(self, name: str) -> None:
        number_format = parse_format(name)
        assert isinstance(number_format, FloatFormat)
        a, b = wild_operands(300, number_format, 1), wild_operands(300, number_format, 2)
        self.assert_products(a, b, candidate("scramble", name))

    @pytest.mark.parametrize("exponent", [-126, -63, 0, 64, 127])
    @pytest.mark.parametrize("name", FLOATS)
    def test_borders_of_the_exponent_range(self, name: str, exponent: int) -> None:
        """Exponent sums around 1 and 254, with and without carry, a whole row at a time."""
        number_format = parse_format(name)
        assert isinstance(number_format, FloatFormat)
        size = 1 << number_format.fraction_bits
        fractions = 1 + torch.arange(0, size, -(-size // 16)) / size
        near = torch.tensor([-126.0, -125, -64, -63, -62, 62, 63, 64, 126, 127])
        many = (fractions * near.exp2()[:, None]).flatten()
        one = (1 + torch.arange(size) / size) * 2.0**exponent
        self.assert_products(many, one, candidate("scramble", name))
        self.assert_products(one, many, candidate("scramble", name))

    @pytest.mark.parametrize("name", FLOATS)
    def test_subnormal_operands_are_zero_before_rounding(self, name: str) -> None:
        tiny = 2.0**-126
        x = torch.tensor([tiny * (1 - 2.0**-23), -tiny * (1 - 2.0**-23), tiny / 2, 1e-45, tiny])
        ordinary = torch.tensor([1.5 * 2.0**20, -1.25, 2.0**100])
        self.assert_products(x, ordinary, candidate("scramble", name))
        self.assert_products(ordinary, x, candidate("scramble", name))

    @pytest.mark.parametrize("columns", [1, 70])
    def test_a_product_that_overflows_stays_infinite(self, columns: int) -> None:
        """-2^127 + 2.25 * 2^127 would come back into range; the second product does not."""
        a = torch.tensor([[-(2.0**63), 1.5 * 2.0**63]])
        b = torch.tensor([[2.0**64], [1.5 * 2.0**64]]).expand(2, columns)
        result = self.gemm(a, b, known("exact", FLOATS[1]))
        assert_same_bits(result, torch.full((1, columns), torch.inf))

    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("name", [FLOATS[0], FLOATS[1], "int8"])
    def test_shapes(self, name: str, shape: tuple[int, int, int]) -> None:
        rows, depth, columns = shape
        unit = candidate("scramble", name)
        a = operands(rows * depth, unit.format, 1).reshape(rows, depth)
        b = operands(depth * columns, unit.format, 2).reshape(depth, columns)
        result = self.gemm(a, b, known("scramble", name))
        assert result.is_contiguous()
        assert_sums(result, all_products(a, b, unit))

    @pytest.mark.parametrize("swap", [False, True])
    @pytest.mark.parametrize("name", FORMATS)
    def test_long_sums(self, name: str, swap: bool) -> None:
        unit = candidate("scramble", name)
        a = operands(3 * 1031, unit.format, 3).reshape(3, 1031)
        b = operands(1031 * 70, unit.format, 4).reshape(1031, 70)
        result = self.gemm(a, b, known("scramble", name), swap)
        assert_sums(result, all_products(a, b, unit, swap))

    @pytest.mark.parametrize("name", FLOATS)
    def test_specials_among_ordinary_operands(self, name: str) -> None:
        unit = candidate("scramble", name)
        a = operands(9 * 601, unit.format, 5).reshape(9, 601)
        b = operands(601 * 130, unit.format, 6).reshape(601, 130)
        a[0, ::7] = 0.0
        a[1, 13] = torch.inf
        a[2, 600] = torch.nan
        a[3, 5], a[3, 400] = 2.0**-100, -(2.0**-126)
        a[4, 20] = 2.0**100
        a[5, 7:30] = 1e-41
        a[6, 0] = 0.0
        a[7] = 0.0
        b[0, 3] = torch.inf
        b[5, 17] = 2.0**-100
        b[20, 40] = -(2.0**100)
        b[300, 50], b[301, 51] = torch.nan, -torch.inf
        b[302, ::3] = -0.0
        b[13, ::5] = 0.0
        result = self.gemm(a, b, known("scramble", name))
        assert_sums(result, all_products(a, b, unit))

    @pytest.mark.parametrize("name", [FLOATS[0], "int8"])
    def test_strided_operands(self, name: str) -> None:
        number_format = parse_format(name)
        a = operands(40 * 22, number_format, 7).reshape(22, 40).t()[::2]
        b = operands(22, number_format, 8)[:, None].expand(22, 67)
        multiplication = known("scramble", name)
        before = a.clone()
        expected = self.gemm(a.contiguous(), b.contiguous(), multiplication)
        assert_same_bits(self.gemm(a, b, multiplication), expected)
        assert_same_bits(a, before)

    @pytest.mark.parametrize("name", [FLOATS[0], "int8"])
    def test_same_bits_every_time(self, name: str) -> None:
        number_format = parse_format(name)
        a = operands(70 * 300, number_format, 9).reshape(70, 300)
        b = operands(300 * 90, number_format, 10).reshape(300, 90)
        multiplication = known("scramble", name)
        assert_same_bits(self.gemm(a, b, multiplication), self.gemm(a, b, multiplication))
