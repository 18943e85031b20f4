"""What does the whole unit compute on bit patterns? In numpy: the oracle.

The Verilog unit (`rtl/fp_multiply.v`, `rtl/int_multiply.v`), the kernels and the netlists are
checked against this file. Codes are uint64.
"""

from pathlib import Path

import numpy as np

from axdse.multipliers.cache import digest
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.designs.family import Multiplier
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import FloatFormat, Format, IntFormat
from axdse.multipliers.model.cmodel import model_digest, products


def unit_products(candidate: Candidate, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Multiply operand codes as the whole unit does.

    A float(e, m) code has 1 + e + m bits, its product 1 + e + F bits. Subnormal operands are
    zero, and so is a product whose exponent is below 1 (the sign stays); an exponent above the
    largest gives a signed infinity, as does infinity times a finite non-zero number; NaN
    operands and 0 x infinity give the quiet NaN (sign 0, only the fraction's top bit set).
    An int8 code is a two's complement byte, its product 16 bits of two's complement; an unsigned
    core multiplies the magnitudes, a signed one is the whole unit. An unsigned code is as it is:
    of two of them the unsigned core is the whole unit.

    Args:
        candidate: the core and the format around it.
        a: first operands, any integer dtype and shape.
        b: second operands, of the same shape.

    Returns:
        Product codes, uint64, of the operands' shape.

    Raises:
        AxdseError: as `tabulate`, or a product of significands falls below 1.
    """
    a, b = a.astype(np.uint64), b.astype(np.uint64)
    if isinstance(candidate.format, IntFormat):
        return _int_products(candidate.multiplier, candidate.format, a, b)
    return _float_products(candidate.multiplier, candidate.format, a, b)


def unit_digest(candidate: Candidate) -> str:
    """SHA-256 (hex) of the core's model and the unit around it.

    Rounding of operands, accumulator and scale are not the unit's.

    Raises:
        AxdseError: the model cannot be read.
    """
    wrapper = Path(__file__).with_name("fp_multiply.c").read_bytes()
    return digest(model_digest(candidate.multiplier), candidate.format.unit.name, wrapper)


def corner_operands(number_format: Format) -> np.ndarray:
    """Return sorted uint64 operand codes that unit designers get wrong.

    Floats: both signs of every combination of the exponents next to zero, one and infinity
    with the fractions next to 0, 1/2 and 1; they include every special value, and their pairs
    reach both borders of the exponent range with and without carry. Integers: 0, both
    extremes, and every power of two with its neighbours.
    """
    if isinstance(number_format, IntFormat):
        powers = 1 << np.arange(number_format.bits)
        near = powers[:, None] + np.array([-1, 0, 1])
        return np.unique(np.concatenate([near, -near]) % (1 << number_format.bits)).astype(
            np.uint64
        )
    e, m = number_format.exponent_bits, number_format.fraction_bits
    top, half = (1 << e) - 1, 1 << (m - 1)
    exponents = np.array([0, 1, 2, top // 2 - 1, top // 2, top // 2 + 1, top - 1, top])
    fractions = np.array([0, 1, half - 1, half, half + 1, 2 * half - 2, 2 * half - 1]) % (1 << m)
    signs = np.array([0, 1]) << (e + m)
    codes = signs[:, None, None] | (exponents[:, None] << m) | fractions
    return np.unique(codes).astype(np.uint64)


def normalised(
    multiplier: Multiplier,
    number_format: FloatFormat,
    a: np.ndarray,
    b: np.ndarray,
    product: np.ndarray,
) -> np.ndarray:
    """Integer products of significands (2m + 2 bits) -> (carry << F) | fraction, uint64.

    Args:
        multiplier: the integer core, for the message.
        number_format: its m and F.
        a: first significands, hidden one included; broadcasts to `product`.
        b: second significands, likewise.
        product: uint64.

    Raises:
        AxdseError: a product is below 1.0.
    """
    m, kept = number_format.fraction_bits, number_format.product_fraction_bits
    below = np.flatnonzero(product < 1 << (2 * m))
    if below.size:
        x, y = (np.broadcast_to(side, product.shape).flat[below[0]] for side in (a, b))
        raise AxdseError(
            "the product of two normalised significands must be at least 1",
            f"{multiplier.spec} gives {product.flat[below[0]]} for {x} x {y}",
            "remove less of the top partial products, or use it in int8",
        )
    carry = product >> (2 * m + 1)
    wide = (product << (1 - carry)) & ((1 << (2 * m + 1)) - 1)
    return np.asarray((carry << kept) | (wide >> (2 * m + 1 - kept)))


def _float_products(
    multiplier: Multiplier, number_format: FloatFormat, a: np.ndarray, b: np.ndarray
) -> np.ndarray:
    e, m = number_format.exponent_bits, number_format.fraction_bits
    f, top = number_format.product_fraction_bits, (1 << number_format.exponent_bits) - 1
    ones = (1 << m) - 1
    x, y = a & ones, b & ones
    exponent_a, exponent_b = (a >> m) & top, (b >> m) & top
    core = significand_products(multiplier, number_format, x, y)

    zero = (exponent_a == 0) | (exponent_b == 0)
    full_a, full_b = exponent_a == top, exponent_b == top
    nan = (full_a & (x != 0)) | (full_b & (y != 0)) | (zero & (full_a | full_b))
    # The bias is never taken off an unsigned sum that may be below it.
    biased = exponent_a + exponent_b + (core >> f)
    sign = ((a ^ b) >> (e + m) & 1) << (e + f)
    infinity = sign | (top << f)
    normal = sign | ((biased - number_format.bias) << f) | (core & ((1 << f) - 1))
    return np.select(
        [
            nan,
            full_a | full_b,
            zero | (biased <= number_format.bias),
            biased >= number_format.bias + top,
        ],
        [np.uint64((top << f) | (1 << (f - 1))), infinity, sign, infinity],
        normal,
    )


def significand_products(
    multiplier: Multiplier, number_format: FloatFormat, x: np.ndarray, y: np.ndarray
) -> np.ndarray:
    """Products of fractions x and y (uint64 of m bits, of one shape), (carry << F) | fraction.

    Raises:
        AxdseError: as `unit_products`.
    """
    if multiplier.family.kind == "significand":
        return products(multiplier, x, y)
    hidden = 1 << number_format.fraction_bits
    a, b = x | hidden, y | hidden
    return normalised(multiplier, number_format, a, b, products(multiplier, a, b))


def _int_products(
    multiplier: Multiplier, number_format: IntFormat, a: np.ndarray, b: np.ndarray
) -> np.ndarray:
    if multiplier.family.signed or not number_format.signed_product:
        return products(multiplier, a, b)
    operands = tuple(zip((a, b), number_format.operands, strict=True))
    negative = [_is_negative(code, each) for code, each in operands]
    magnitude = products(
        multiplier,
        *(
            _negated(code, minus) & ((1 << each.bits) - 1)
            for (code, each), minus in zip(operands, negative, strict=True)
        ),
    )
    return _negated(magnitude, negative[0] ^ negative[1]) & ((1 << number_format.product_bits) - 1)


def _is_negative(code: np.ndarray, operand: IntFormat) -> np.ndarray:
    """1 where a code stands for less than zero, else 0."""
    return np.asarray(code >> (operand.bits - 1) & operand.signed, dtype=np.uint64)


def _negated(code: np.ndarray, negative: np.ndarray) -> np.ndarray:
    """Two's complement of `code` modulo 2^64 where `negative` is 1."""
    return np.asarray(np.where(negative == 1, ~code + np.uint64(1), code))
