"""The unit with the exact core, nearest-even operands and a wide product against IEEE 754.

A product of bf16 or fp16 numbers is exact in FP32, where PyTorch computes it.
"""

import numpy as np
import pytest
import torch

from axdse.gpu.operands.encode import float_codes
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.formats import FloatFormat
from axdse.multipliers.model.unit_oracle import unit_products

BF16, FP16 = FloatFormat(8, 7, product="wide"), FloatFormat(5, 10, product="wide")
RANDOM_PAIRS = 2_000_000


def exact_products(number_format: FloatFormat, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The unit's products as bits of FP32, whose exponent has another bias."""
    core = builtin_catalog().multiplier(f"exact(n={number_format.operand_bits})")
    code = unit_products(Candidate(core, number_format), a, b).astype(np.int64)
    e, f = number_format.exponent_bits, number_format.product_fraction_bits
    exponent, fraction = code >> f & ((1 << e) - 1), code & ((1 << f) - 1)
    moved = exponent + 127 - number_format.bias
    moved = np.where(exponent == 0, 0, np.where(exponent == (1 << e) - 1, 255, moved))
    return (code >> (e + f) << 31) | moved << 23 | fraction << (23 - f)


def ieee_products(number_format: FloatFormat, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """PyTorch's, with the exponents of the format: zero below, infinity above."""
    dtype = torch.bfloat16 if number_format == BF16 else torch.float16
    values = (
        torch.from_numpy(code.astype(np.uint16).view(np.int16)).view(dtype) for code in (a, b)
    )
    first, second = (value.float() for value in values)
    bits = (first * second).view(torch.int32).numpy().astype(np.int64) & 0xFFFF_FFFF
    sign, exponent = bits & 1 << 31, bits >> 23 & 255
    bias = number_format.bias
    bits = np.where(exponent < 127 - bias + 1, sign, bits)
    return np.where(exponent > 127 + bias, sign | 255 << 23, bits)


def signed_fraction_pairs() -> tuple[np.ndarray, np.ndarray]:
    """All 65,536 pairs of bf16 fractions and signs."""
    pairs = np.arange(1 << 16)
    first, second = pairs >> 8, pairs & 255
    return (first & 128) << 8 | first & 127, (second & 128) << 8 | second & 127


@pytest.mark.parametrize("distance", [-1, 0, 1, 63])
def test_every_signed_pair_of_bf16_fractions_multiplies_as_in_torch(distance: int) -> None:
    """Sums of exponents from far below the smallest normal number to far above the largest."""
    a, b = signed_fraction_pairs()
    exponents = np.arange(1, 255, 8)
    second = np.clip(exponents + distance, 1, 254)
    # The borders: sums of 127 (the smallest normal) and of 381 (the largest) with neighbours.
    border = np.array([126, 127, 128, 380, 381, 382])
    first = np.concatenate([exponents, border // 2])[:, None] << 7
    second = np.concatenate([second, border - border // 2])[:, None] << 7
    x, y = (first | a).ravel(), (second | b).ravel()

    np.testing.assert_array_equal(exact_products(BF16, x, y), ieee_products(BF16, x, y))


def test_every_pair_of_normal_bf16_exponents_multiplies_as_in_torch() -> None:
    exponents = np.arange(1, 255) << 7
    a, b = np.repeat(exponents, 254 * 24), np.tile(exponents, 254 * 24)
    signs_and_fractions = np.random.default_rng(1).integers(0, 1 << 16, (2, a.size)) & 0x807F
    a, b = a | signs_and_fractions[0], b | signs_and_fractions[1]

    np.testing.assert_array_equal(exact_products(BF16, a, b), ieee_products(BF16, a, b))


def test_normal_fp16_numbers_multiply_as_in_torch() -> None:
    random = np.random.default_rng(2)
    signs_and_fractions = random.integers(0, 1 << 16, (2, RANDOM_PAIRS)) & 0x83FF
    a, b = random.integers(1, 31, (2, RANDOM_PAIRS)) << 10 | signs_and_fractions

    np.testing.assert_array_equal(exact_products(FP16, a, b), ieee_products(FP16, a, b))


def test_operands_are_rounded_to_bf16_as_in_torch() -> None:
    bits = np.random.default_rng(3).integers(0, 1 << 32, RANDOM_PAIRS)
    bits[::4] = bits[::4] & ~0xFFFF | 0x8000  # halfway between two
    x = torch.from_numpy(bits.astype(np.uint32).view(np.float32))
    x = x[(x.abs() >= torch.finfo(torch.float32).tiny) & x.isfinite()]

    expected = x.bfloat16().view(torch.int16).int() & 0xFFFF
    torch.testing.assert_close(float_codes(x, BF16).int(), expected, rtol=0, atol=0)
