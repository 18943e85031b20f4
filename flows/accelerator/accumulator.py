"""What adds up a unit's products? An adder as RTL, and as numpy, its oracle."""

from dataclasses import dataclass

import numpy as np

from axdse.multipliers.designs.datapath import Block, Module, Wires, whole
from axdse.multipliers.designs.rtl_text import UNIT_FOLDER
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import FloatFormat, Format

SUMS = {"fp32": (8, 23), "bf16": (8, 7), "fp16": (5, 10)}  # exponent and fraction bits
INTEGER_SUM = 32
NEAR = 4  # exponents of half of the drawn sums differ from the product's by less
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
    def blocks(self) -> tuple[Block, ...]:
        """Product `p` is aligned and added to `c`; then the sum is normalised and rounded."""
        e, r, x = self.sum_exponent, self.sum_fraction, self.product_exponent
        f, inner = self.product_fraction, max(self.sum_fraction, self.product_fraction)
        padding = f"{{c, {inner - r}'b0}}" if inner > r else "c"
        name = f"e{e}_m{r}_product_e{x}_m{f}"
        added = (
            f"  wire [{e + inner}:0] product;\n"
            f"  fp_widen #(.E({x}), .F({f}), .G({e}), .H({inner})) widen (.x(p), .y(product));\n"
            f"  fp_add_align #(.E({e}), .M({inner})) add (.a({padding}), .b(product),\n"
            "      .total(total), .exponent(exponent), .kind(kind));\n"
        )
        rounded = (
            f"  fp_add_round #(.E({e}), .M({inner}), .R({r})) round (\n"
            "      .total(total), .exponent(exponent), .kind(kind), .p(d));\n"
        )
        word = (("total", inner + 5), ("exponent", e), ("kind", 4))
        operands = (("c", self.bits), ("p", 1 + x + f))
        d = (("d", self.bits),)
        return (
            _block(f"accumulate_{name}", operands, word, added, "fp_add_align", "fp_widen"),
            _block(f"round_{name}", word, d, rounded, "fp_add_round"),
        )

    @property
    def stage(self) -> Wires:
        """Where a register before the normaliser stands."""
        return self.blocks[0].module.outputs

    @property
    def module(self) -> Module:
        """Both blocks as one, without a register between them."""
        e, r, x = self.sum_exponent, self.sum_fraction, self.product_exponent
        f, inner = self.product_fraction, max(self.sum_fraction, self.product_fraction)
        padding = f"{{c, {inner - r}'b0}}" if inner > r else "c"
        body = (
            f"  wire [{e + inner}:0] product;\n"
            f"  fp_widen #(.E({x}), .F({f}), .G({e}), .H({inner})) widen (.x(p), .y(product));\n"
            f"  fp_add #(.E({e}), .M({inner}), .R({r})) add (.a({padding}), .b(product), .p(d));\n"
        )
        files = ("fp_widen", "fp_add", "fp_add_align", "fp_add_round")
        return Module(
            f"add_e{e}_m{r}_product_e{x}_m{f}",
            (("c", self.bits), ("p", 1 + x + f)),
            (("d", self.bits),),
            body,
            tuple(UNIT_FOLDER / f"{file}.v" for file in files),
        )

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
    """Adds products of `product_bits` modulo 2^`bits`: two's complement ones if `signed`."""

    bits: int
    product_bits: int
    signed: bool = True

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Product `p` is added to `c`."""
        added = ("p", self.product_bits) if self.signed else ("{1'b0, p}", self.product_bits + 1)
        parameters = f".A({self.bits}), .B({added[1]})"
        body = f"  int_add #({parameters}) add (.a(c), .b({added[0]}), .p(d));\n"
        kind = "int" if self.signed else "uint"
        name = f"accumulate_int{self.bits}_product_{kind}{self.product_bits}"
        operands = (("c", self.bits), ("p", self.product_bits))
        return (_block(name, operands, (("d", self.bits),), body, "int_add"),)

    @property
    def stage(self) -> Wires:
        """There is no normaliser."""
        return ()

    @property
    def module(self) -> Module:
        """Its only block."""
        return self.blocks[0].module

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
        sign = np.uint64(self.signed << (self.product_bits - 1))
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
        form = number_format
        return IntAccumulator(INTEGER_SUM, form.product_bits, form.signed_product)
    e, r = SUMS[number_format.sum]
    if number_format.exponent_bits > e:
        raise AxdseError(
            f"an accumulator in {number_format.sum} takes products of up to {e} exponent bits",
            number_format.name,
            "choose sum=fp32 or sum=bf16",
        )
    return FloatAccumulator(e, r, number_format.exponent_bits, number_format.product_fraction_bits)


def addends(accumulator: Accumulator, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw codes of sums and of products, uint64 [count]; products have no subnormals."""
    random = np.random.default_rng(seed)
    bits = dict(accumulator.blocks[0].module.inputs)["p"]
    products = random.integers(0, 1 << bits, count, dtype=np.uint64)
    if isinstance(accumulator, FloatAccumulator):
        e, f = accumulator.product_exponent, accumulator.product_fraction
        exponent = (products >> np.uint64(f)).astype(np.int64) & ((1 << e) - 1)
        products = np.where(exponent == 0, products & np.uint64(1 << (e + f)), products)
    return sums_beside(accumulator, products, seed + 1), products


def sums_beside(accumulator: Accumulator, products: np.ndarray, seed: int) -> np.ndarray:
    """Draw codes of sums for codes of products, uint64 of one shape.

    Floats: one half uniform; one half with exponents near the products', at which bits cancel, and
    a quarter of these with the leading bits of the fraction alike.
    """
    random, count = np.random.default_rng(seed), products.size
    sums = random.integers(0, 1 << accumulator.bits, count, dtype=np.uint64)
    if not isinstance(accumulator, FloatAccumulator):
        return sums
    e, f = accumulator.product_exponent, accumulator.product_fraction
    width, r = accumulator.sum_exponent, accumulator.sum_fraction
    exponent = (products >> np.uint64(f)).astype(np.int64) & ((1 << e) - 1)
    offset = (1 << (width - 1)) - (1 << (e - 1))
    near = exponent + offset + random.integers(1 - NEAR, NEAR, count)
    near = np.clip(near, 0, (1 << width) - 1).astype(np.uint64) << np.uint64(r)
    fraction = sums & np.uint64((1 << r) - 1)
    alike = (products & np.uint64((1 << f) - 1)) << np.uint64(max(0, r - f))
    alike = alike >> np.uint64(max(0, f - r)) ^ (fraction >> np.uint64(r - min(r, 4)))
    fraction = np.where(np.arange(count) % 4 == 1, alike, fraction)
    close = sums & np.uint64(1 << (width + r)) | near | fraction
    return np.asarray(np.where(np.arange(count) % 2, close, sums))


def _block(name: str, inputs: Wires, outputs: Wires, body: str, *files: str) -> Block:
    paths = tuple(UNIT_FOLDER / f"{file}.v" for file in files)
    pins = tuple((port, whole(port, width)) for port, width in (*inputs, *outputs))
    module = Module(name, inputs, outputs, body, paths, adds=not name.startswith("round"))
    return Block("sum", module, pins)


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
