"""What host kernels must do beyond the contract: other compilers, fewer features, choosing."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from kernel_driver import KernelDriver
from torch import Tensor

from axdse.gpu.cpu import compile as cpu_compile
from axdse.gpu.cpu.kernels import AVX2, NEON, PORTABLE, VBMI, Kernel, available_kernels
from axdse.gpu.cpu.ops import gemm_cpu
from axdse.gpu.multiplication.handles import handle
from axdse.gpu.testing.gemm import (
    GemmContract,
    all_products,
    assert_same_bits,
    assert_sums,
    candidate,
    operands,
    table,
)
from axdse.multipliers.formats import parse_format
from axdse.multipliers.tables.lut import Lut

HASWELL = ("-march=haswell",)  # AVX2 and nothing after it
NO_BF16 = ("-march=native", "-mno-avx512bf16")


@pytest.fixture(scope="class")
def compiled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> KernelDriver:
    case: Programs = request.cls
    missing = sorted(case.kernel.needs - cpu_compile.cpu_flags())
    if missing or not shutil.which(case.compiler):
        pytest.skip(f"this machine has no {', '.join(missing) or case.compiler}")
    folder = tmp_path_factory.mktemp(case.kernel.name)
    return KernelDriver(case.kernel, case.compiler, case.flags, (), folder)


class Programs:
    """The contract for a kernel that is compiled in another way than the library."""

    kernel: Kernel
    flags: tuple[str, ...]
    compiler = "gcc"

    @pytest.fixture(autouse=True)
    def use(self, compiled: KernelDriver) -> None:
        self.driver = compiled

    def gemm(self, a: Tensor, b: Tensor, multiplication: str, swap: bool = False) -> Tensor:
        return self.driver.gemm(a, b, multiplication, swap)


class TestAvx2OnHaswell(Programs, GemmContract):
    kernel, flags = AVX2, HASWELL


@pytest.mark.slow
class TestAvx2ByClang(Programs, GemmContract):
    kernel, flags, compiler = AVX2, HASWELL, "clang"


@pytest.mark.slow
class TestVbmiWithoutBfloat16(Programs, GemmContract):
    kernel, flags = VBMI, NO_BF16


def run(kernel: Kernel, a: Tensor, b: Tensor, lut: Lut) -> Tensor:
    return gemm_cpu(kernel, a[None], b[None], handle(lut), False)[0]


every_kernel = pytest.mark.parametrize("kernel", available_kernels(), ids=lambda k: k.name)


@every_kernel
@pytest.mark.parametrize("product", ["narrow", "wide"])
@pytest.mark.parametrize("fraction_bits", range(1, 8))
def test_every_entry_at_every_width(kernel: Kernel, fraction_bits: int, product: str) -> None:
    """All entries, and zeros between them, from blocks of one column to several."""
    name = f"float(8,{fraction_bits},round=truncate,product={product})"
    every = torch.cat([1 + torch.arange(2.0**fraction_bits) / 2**fraction_bits, torch.zeros(1)])
    many = torch.cat([every, -every.flip(0), 8 * every]).repeat(-(-300 // (3 * len(every))))
    expected = all_products(every[:, None], many[None], candidate("scramble", name))[:, 0] + 0
    for columns in (1, 31, 97, 256, len(many)):
        result = run(kernel, every[:, None], many[None, :columns], table("scramble", name))
        assert_same_bits(result, expected[:, :columns])


@every_kernel
@pytest.mark.parametrize("rows", [1, 8, 9, 33])
@pytest.mark.parametrize("columns", [1, 40, 95, 257])
@pytest.mark.parametrize("name", ["float(8,7,product=narrow)", "float(8,7,product=wide)", "int8"])
def test_rows_and_columns_at_the_edge_of_blocks(
    kernel: Kernel, name: str, rows: int, columns: int
) -> None:
    number_format = parse_format(name)
    a = operands(rows * 37, number_format, 1).reshape(rows, 37)
    b = operands(37 * columns, number_format, 2).reshape(37, columns)
    result = run(kernel, a, b, table("scramble", name))
    assert_sums(result, all_products(a, b, candidate("scramble", name)))


@every_kernel
@pytest.mark.parametrize("columns", [5, 300])
def test_a_row_out_of_range_leaves_its_neighbours_alone(kernel: Kernel, columns: int) -> None:
    name = "float(8,7,product=wide)"
    number_format, lut = parse_format(name), table("scramble", name)
    a = operands(20 * 50, number_format, 3).reshape(20, 50)
    b = operands(50 * columns, number_format, 4).reshape(50, columns)
    expected = run(kernel, a, b, lut)
    a[3, 7], a[11] = torch.inf, 2.0**-120
    result = run(kernel, a, b, lut)
    kept = [row for row in range(20) if row not in (3, 11)]
    assert_sums(result, all_products(a, b, candidate("scramble", name)))
    assert torch.allclose(result[kept], expected[kept], rtol=1e-5, atol=1e-5)


@every_kernel
def test_extreme_int8_products_do_not_overflow_on_the_way(kernel: Kernel) -> None:
    """Sums of 16 bits and of bytes at their limits, over more than one block of k."""
    for entry in (-32768, 32767, -1, 255):
        lut = Lut("", parse_format("int8"), np.full((256, 256), entry, np.int16))
        a, b = torch.zeros(17, 1100, dtype=torch.int8), torch.zeros(1100, 300, dtype=torch.int8)
        expected = torch.full((17, 300), 1100 * entry, dtype=torch.int32)
        assert_same_bits(run(kernel, a, b, lut), expected)


ARM = "processor : 0\nFeatures : fp asimd evtstrm aes pmull\n"
HASWELL_INFO = "model name : one\nflags : fpu sse2 avx avx2 fma bmi2\n"


@pytest.mark.parametrize(
    ("info", "expected"),
    [(ARM, (NEON, PORTABLE)), (HASWELL_INFO, (AVX2, PORTABLE)), ("", (PORTABLE,))],
)
def test_kernels_are_chosen_by_the_features_of_the_cpu(
    info: str, expected: tuple[Kernel, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(info)
    monkeypatch.setattr(cpu_compile, "CPU_INFO", path)
    cpu_compile.cpu_flags.cache_clear()
    chosen = available_kernels()
    cpu_compile.cpu_flags.cache_clear()
    assert chosen == expected
