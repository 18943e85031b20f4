"""What adds up a unit's products? An adder as RTL, and as numpy, its oracle."""

from dataclasses import dataclass

import numpy as np

from axdse.multipliers.designs.rtl_text import UNIT_FOLDER, Rtl
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import FloatFormat, Format

SUMS = {"fp32": (8, 23), "bf16": (8, 7), "fp16": (5, 10)}  # exponent and fraction bits
INTEGER_SUM = 32
LARGEST = 1 << 12  # beyond every exponent of FP64
ONE = np.uint64(1)


@dataclass(frozen=True)
class FloatAccumulator:
    """Adds products float(e, f) to sums float(E, R), rounded to nearest even after each addition.

    Products keep all their bits until then. Sums have subnormals, infinities and NaN.

    Attributes:
        sum_exponent: E, at least e.
        sum_fraction: R.
        product_exponent: e.
        product_fraction: f.
    """

    sum_exponent: int
    sum_fraction: int
    product_exponent: int
    product_fraction: int

    @property
    def bits(self) -> int:
        """Width of the register."""
        return 1 + self.sum_exponent + self.sum_fraction

    @property
    def rtl(self) -> Rtl:
        """The adder: running sum `a`, product `b`, next sum `p`."""
        e, r = self.sum_exponent, self.sum_fraction
        f, inner = self.product_fraction, max(self.sum_fraction, self.product_fraction)
        padding = f"{{a, {inner - r}'b0}}" if inner > r else "a"
        body = (
            f"  wire [{e + inner}:0] product;\n"
            f"  fp_widen #(.E({self.product_exponent}), .F({f}), .G({e}), .H({inner})) widen"
            " (.x(b), .y(product));\n"
            f"  fp_add #(.E({e}), .M({inner}), .R({r})) add (.a({padding}), .b(product), .p(p));\n"
        )
        top = f"accumulate_e{e}_m{r}_product_e{self.product_exponent}_m{f}"
        return _rtl(top, self.bits, 1 + self.product_exponent + f, body, "fp_add", "fp_widen")

    def encoded(self, sums: np.ndarray) -> np.ndarray:
        """Return float64 sums, of any shape, as uint64 codes, rounded to nearest even."""
        return _encoded(sums.astype(np.float64), self.sum_exponent, self.sum_fraction)

    def on_grid(self, sums: np.ndarray, products: np.ndarray) -> np.ndarray:
        """Round float64 sums [rows, length] to the last place of the row's smallest product.

        Sums of products, uint64 codes [rows, length], have no bits below.
        """
        values = np.abs(_decoded(products, self.product_exponent, self.product_fraction))
        counted = np.isfinite(values) & (values > 0)
        exponents = np.where(counted, np.frexp(np.where(counted, values, 1.0))[1], LARGEST)
        place = exponents.min(axis=1, keepdims=True) - 1 - self.product_fraction
        grid = np.ldexp(1.0, np.where(place < LARGEST // 2, place, 0))
        some = counted.any(axis=1, keepdims=True)
        return np.asarray(np.where(some, np.rint(sums / grid) * grid, sums))

    def added(self, sums: np.ndarray, products: np.ndarray) -> np.ndarray:
        """Add uint64 codes of products, of any shape, to codes of sums of the same shape."""
        e, r = self.sum_exponent, self.sum_fraction
        x = _decoded(sums, e, r)
        y = _decoded(products, self.product_exponent, self.product_fraction)
        with np.errstate(invalid="ignore"):  # infinities
            return _encoded(_rounded_to_odd(x, y), e, r)


@dataclass(frozen=True)
class IntAccumulator:
    """Adds two's complement products of `product_bits` modulo 2^`bits`."""

    bits: int
    product_bits: int

    @property
    def rtl(self) -> Rtl:
        """The adder: running sum `a`, product `b`, next sum `p`."""
        parameters = f".A({self.bits}), .B({self.product_bits})"
        body = f"  int_add #({parameters}) add (.a(a), .b(b), .p(p));\n"
        top = f"accumulate_int{self.bits}_product_int{self.product_bits}"
        return _rtl(top, self.bits, self.product_bits, body, "int_add")

    def encoded(self, sums: np.ndarray) -> np.ndarray:
        """Return sums in products of codes, of any shape, as uint64 codes; NaN is 0."""
        whole = np.rint(np.nan_to_num(sums.astype(np.float64), posinf=0, neginf=0))
        return whole.astype(np.int64).astype(np.uint64) & self._mask

    def on_grid(self, sums: np.ndarray, products: np.ndarray) -> np.ndarray:
        """Sums of integers are integers already."""
        del products
        return sums

    def added(self, sums: np.ndarray, products: np.ndarray) -> np.ndarray:
        """Add uint64 codes of products, of any shape, to codes of sums of the same shape."""
        sign = np.uint64(1 << (self.product_bits - 1))
        return np.asarray((sums + (products ^ sign) - sign) & self._mask)

    @property
    def _mask(self) -> np.uint64:
        return np.uint64((1 << self.bits) - 1)


Accumulator = FloatAccumulator | IntAccumulator


def accumulator_of(number_format: Format) -> Accumulator:
    """The accumulator behind a unit: int32 for integers, the format's `sum` for floats.

    Raises:
        AxdseError: products have more exponent bits than sums.
    """
    if not isinstance(number_format, FloatFormat):
        return IntAccumulator(INTEGER_SUM, 2 * number_format.bits)
    e, r = SUMS[number_format.sum]
    if number_format.exponent_bits > e:
        raise AxdseError(
            f"an accumulator in {number_format.sum} takes products of up to {e} exponent bits",
            number_format.name,
            "choose sum=fp32 or sum=bf16",
        )
    return FloatAccumulator(e, r, number_format.exponent_bits, number_format.product_fraction_bits)


def running_sums(
    accumulator: Accumulator, products: np.ndarray, start: np.ndarray | None = None
) -> np.ndarray:
    """What the accumulator holds before each product of a row is added.

    Args:
        accumulator: its width and rounding.
        products: uint64 codes [rows, length].
        start: uint64 codes [rows] of the first sums; default: zeros.

    Returns:
        uint64 codes [rows, length].
    """
    sums = np.zeros_like(products)
    if start is not None:
        sums[:, 0] = start
    for column in range(products.shape[1] - 1):
        sums[:, column + 1] = accumulator.added(sums[:, column], products[:, column])
    return sums


def _rtl(top: str, sum_bits: int, product_bits: int, body: str, *modules: str) -> Rtl:
    header = (
        f"module {top} (\n"
        f"    input  [{sum_bits - 1}:0] a,\n"
        f"    input  [{product_bits - 1}:0] b,\n"
        f"    output [{sum_bits - 1}:0] p\n);\n"
    )
    texts = ((UNIT_FOLDER / f"{module}.v").read_text() for module in modules)
    text = f"{header}{body}endmodule\n\n" + "\n".join(texts)
    return Rtl(top, text, ("a", "b", "p"), sum_bits, product_bits, sum_bits, modules[0])


def _decoded(codes: np.ndarray, e: int, m: int) -> np.ndarray:
    """Values of float(e, m) codes, subnormals too; FP64 holds them all."""
    bias = (1 << (e - 1)) - 1
    exponent = (codes >> np.uint64(m)).astype(np.int64) & ((1 << e) - 1)
    fraction = (codes & np.uint64((1 << m) - 1)).astype(np.int64)
    significand = np.where(exponent > 0, fraction + (1 << m), fraction)
    size = np.ldexp(significand.astype(np.float64), np.maximum(exponent, 1) - bias - m)
    size = np.where(exponent < (1 << e) - 1, size, np.where(fraction, np.nan, np.inf))
    return np.asarray(np.where(codes >> np.uint64(e + m) & ONE, -size, size))


def _rounded_to_odd(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """FP64 sums that a second rounding, to fewer bits, rounds as the exact sums.

    What FP64 cannot hold makes the last bit odd (Boldo and Melquiond, IEEE TC 57(4), 2008).
    """
    total = x + y
    part = total - x
    error = (x - (total - part)) + (y - part)
    bits = total.view(np.int64)
    inexact = (error != 0) & np.isfinite(total) & (bits & 1 == 0)
    outward = (error > 0) == (total > 0)
    return np.asarray(bits + np.where(inexact, np.where(outward, 1, -1), 0)).view(np.float64)


def _encoded(values: np.ndarray, e: int, m: int) -> np.ndarray:
    """Codes of float(e, m) of FP64 values, rounded to nearest even."""
    bias, top = (1 << (e - 1)) - 1, (1 << e) - 1
    size = np.abs(values)
    sign = np.signbit(values).astype(np.uint64) << np.uint64(e + m)
    finite = np.where(np.isfinite(size), size, 0.0)
    # Of numbers below the smallest normal one, and of zero, the last place stays where it is.
    exponent = np.where(finite > 0, np.frexp(finite)[1], 1 - bias)
    last = np.maximum(exponent - 1, 1 - bias) - m
    places = np.rint(np.ldexp(finite, -last)).astype(np.int64)
    # A significand with its hidden one adds 1 to the exponent, and so does a carry out of it.
    codes = places + ((last + m + bias - 1) << m)
    codes = np.where(np.isinf(size), top << m, np.minimum(codes, top << m)).astype(np.uint64)
    quiet = np.uint64(top << m | 1 << (m - 1))
    return np.asarray(np.where(np.isnan(values), quiet, sign | codes))
