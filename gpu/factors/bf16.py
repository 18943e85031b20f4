"""What does `kernel_factors.c` work with? Factors as bfloat16 numbers.

`axdse.gpu.cpu.ops` runs it as one of its kernels, so it takes every operand: what might leave the
normal numbers is looked up.
"""

import functools

import numpy as np

from axdse.gpu.cpu.compile import cpu_flags, load_kernel
from axdse.gpu.cpu.kernels import Engine, Kernel
from axdse.gpu.factors.maps import factors_of
from axdse.gpu.multiplication.handles import Multiplication, resolve
from axdse.multipliers.formats import FloatFormat
from axdse.multipliers.tables.factors import BF16_BITS, Factors, factorise
from axdse.multipliers.tables.lut import Lut

PAIRS, FRACTIONS, ALIGNMENT = 8, 128, 64
LOWEST, HIGHEST, HEADROOM = 25, 230, 6  # kernel_factors.c
FP32_BITS = 24


@functools.lru_cache(maxsize=64)
def has_bf16(multiplication: str) -> bool:
    """Whether `FACTORS` takes a multiplication on this CPU."""
    return cpu_flags() >= FACTORS.needs and _fits(multiplication)


def _fits(multiplication: str) -> bool:
    factors, number_format = factors_of(multiplication), resolve(multiplication).format
    if factors is None or not isinstance(number_format, FloatFormat):
        return False
    unit, rest = _units(factors, number_format)
    lengths = (int(abs(side).max()).bit_length() for side in (factors.left, factors.right))
    largest = max(length - u for length, u in zip(lengths, (unit, rest), strict=True))
    return (
        factors.bits <= BF16_BITS
        and factors.rank <= 2 * PAIRS
        and factors.largest_sum < 1 << FP32_BITS
        and factors.largest_sum.bit_length() - unit - rest <= HEADROOM
        and max(unit, rest) < LOWEST
        and largest < 255 - HIGHEST
    )


def _units(factors: Factors, number_format: FloatFormat) -> tuple[int, int]:
    """Left factors are integers times 2^-(the first), right ones times 2^-(the second)."""
    unit = int(abs(factors.left).max()).bit_length() - 1
    return unit, number_format.product_fraction_bits - factors.shift - unit


def _factor_engine(kernel: Kernel, known: Multiplication, columns_first: bool) -> Engine:
    """The kernel with the factors of a multiplication that `has_bf16`."""
    lut = known.table
    assert isinstance(lut, Lut)
    assert isinstance(lut.format, FloatFormat)
    factors = factorise(lut)
    assert factors is not None
    units = _units(factors, lut.format)
    sides = [
        _bf16(side, unit)
        for side, unit in zip((factors.left.T, factors.right), units, strict=True)
    ]
    entries = lut.entries.T if columns_first else lut.entries
    entries = entries.astype(np.uint16) << (15 - lut.format.product_fraction_bits)
    return Engine(
        load_kernel(kernel.float_source),
        _table(factors.rank, *(sides[::-1] if columns_first else sides)),
        np.ascontiguousarray(entries, dtype=np.uint16),
        is_float=True,
        is_inlined=False,
        fraction_bits=lut.format.fraction_bits,
        entry_bytes=2,
        nearest=lut.format.rounding == "nearest",
    )


def _bf16(values: np.ndarray, unit: int) -> np.ndarray:
    """uint16 [2 PAIRS, FRACTIONS], zeros behind."""
    words = np.ldexp(values.astype(np.float32), -unit).astype(np.float32).view(np.uint32)
    padded = np.zeros((2 * PAIRS, FRACTIONS), np.uint16)
    padded[: words.shape[0], : words.shape[1]] = words >> 16
    return padded


def _table(rank: int, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """`struct factors` of the kernel, as bytes on a cache line."""
    head = np.zeros(16, np.int32)
    head[0] = rank
    pairs = np.ascontiguousarray(a.T).view(np.uint32)
    parts = [np.frombuffer(part.tobytes(), np.uint8) for part in (head, a, b, pairs)]
    size = sum(part.size for part in parts)
    memory = np.zeros(size + ALIGNMENT, np.uint8)
    table = memory[-memory.ctypes.data % ALIGNMENT :][:size]
    table[:] = np.concatenate(parts)
    return table


FACTORS = Kernel(
    "factors",
    "kernel_factors.c",
    "",
    frozenset({"avx512f", "avx512bw", "avx512vl", "avx512_bf16"}),
    build=_factor_engine,
)
