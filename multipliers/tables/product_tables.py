"""What does a table of products say, and in which order? Found by the exact product, and said.

Whoever publishes a table writes it in an order of their own: row 0 is the operand 0, or the
smallest of two's complement, -2^(n-1). The order in which the entries follow the exact product is
the one that was meant; where no order does, or two do alike, nothing is guessed.
"""

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from axdse.multipliers.designs.family import Kind
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.model.cmodel import twos_complement

Index = Literal["unsigned", "twos_complement", "offset"]
INDEX_NAMES = {
    "unsigned": "0 first, unsigned",
    "twos_complement": "0 first, two's complement",
    "offset": "-2^(n-1) first, two's complement",
}
MOST_BITS = 18  # of both operands: the C text of a table stays below 4 MiB
LEAST_CORRELATION, LEAST_MARGIN = 0.5, 0.05
_LINE = 16  # entries of a line of C


@dataclass(frozen=True, eq=False)
class ProductTable:
    """All products of a core.

    Attributes:
        patterns: uint64 of shape (2^a_bits, 2^b_bits): products as bit patterns; rows and columns
            are the bit patterns of the operands, the row that of the first.
        signed: operands and products are two's complement.
        kind: an integer core, or carry and fraction of a significand core.
        told: how it was read.
    """

    patterns: np.ndarray = field(repr=False)
    signed: bool
    kind: Kind
    told: str

    @property
    def a_bits(self) -> int:
        """Width of the first operand."""
        return int(self.patterns.shape[0]).bit_length() - 1

    @property
    def b_bits(self) -> int:
        """Width of the second operand."""
        return int(self.patterns.shape[1]).bit_length() - 1

    def c_source(self, function: str, source: str) -> str:
        """C of a function of two patterns, `uint64_t f(uint64_t a, uint64_t b)`.

        Args:
            function: its name.
            source: what it was made of, for a comment.
        """
        entries = self.patterns.ravel().tolist()
        kind = "uint16_t" if max(entries) < 1 << 16 else "uint32_t"
        rows = "\n".join(
            "    " + " ".join(f"{entry}," for entry in entries[at : at + _LINE])
            for at in range(0, len(entries), _LINE)
        )
        a, b = self.patterns.shape[0] - 1, self.patterns.shape[1] - 1
        return (
            f"/* Made of the table {source}. */\n#include <stdint.h>\n\n"
            f"static const {kind} products[{len(entries)}] = {{\n{rows}\n}};\n\n"
            f"uint64_t {function}(uint64_t a, uint64_t b) {{\n"
            f"    return products[(a & {a}) << {self.b_bits} | (b & {b})];\n}}\n"
        )


def product_table(
    entries: np.ndarray,
    name: str,
    *,
    index: Index | None = None,
    signed: bool | None = None,
    given: bool = False,
) -> ProductTable:
    """Read entries in the order that is pinned, or else found.

    Args:
        entries: int64 of shape (2^a_bits, 2^b_bits), the row is the first operand.
        name: of the file, for errors.
        index: the order; None: the one in which the entries follow the exact product.
        signed: whether operands are two's complement; None: found.
        given: the file says the operands of each entry, and some are negative: the order of
            `entries` is "offset".

    Raises:
        AxdseError: it is not such a shape, no order fits, or two fit alike; a product is wider
            than both operands.
    """
    widths = _widths(entries.shape, name)
    allowed = ("offset",) if given else get_args(Index)
    orders = [
        order
        for order in allowed
        if index in (None, order) and signed in (None, order != "unsigned")
    ]
    if not orders:
        rule = f"{name} says the operands of its entries" if given else "an order has one sign"
        raise AxdseError(rule, f"index {index}, signed {signed}", "leave one of them out")
    readings = [(order, _values(entries, order, sum(widths))) for order in orders]
    fitting = [(order, values) for order, values in readings if values is not None]
    if not fitting:
        low, high = int(entries.min()), int(entries.max())
        rule = f"products of {widths[0]} x {widths[1]} bits fit {sum(widths)} bits"
        raise AxdseError(rule, f"{name} has {low}..{high}", "check its size, or pin another sign")
    found = sorted(
        ((_correlation(values, order), order, values) for order, values in fitting),
        key=lambda each: -each[0],
    )
    pinned = index is not None or (len(orders) == 1 and not given)
    if not pinned:
        _check_clear([(correlation, order) for correlation, order, _ in found], name)
    best, order, values = found[0]
    others = "".join(f"; {o.replace('_', ' ')} {c:.3f}" for c, o, _ in found[1:])
    how = "pinned, correlation" if pinned else "correlation"
    told = (
        f"{widths[0]} x {widths[1]} table, operands {INDEX_NAMES[order]}, the row is the first "
        f"({how} with the exact product {best:.3f}{others})"
    )
    patterns = values.astype(np.uint64) & np.uint64((1 << sum(widths)) - 1)
    return ProductTable(_by_pattern(patterns, order), order != "unsigned", "integer", told)


def _widths(shape: tuple[int, ...], name: str) -> tuple[int, int]:
    powers = all(size > 1 and size & (size - 1) == 0 for size in shape)
    if len(shape) != 2 or not powers:
        raise AxdseError(
            "a table of products is 2^n x 2^k, a row an operand",
            f"{name} is {' x '.join(map(str, shape))}",
            "write all products, and nothing else",
        )
    a, b = (size.bit_length() - 1 for size in shape)
    if a + b > MOST_BITS:
        rule = f"a table of products has up to 2^{MOST_BITS} entries"
        raise AxdseError(rule, f"{name} is 2^{a} x 2^{b}", "write a C model")
    return a, b


def _values(entries: np.ndarray, order: Index, bits: int) -> np.ndarray | None:
    """The products in an order; None: they do not fit. Signed ones may be bit patterns."""
    low, high = int(entries.min()), int(entries.max())
    if order == "unsigned":
        return entries if low >= 0 and high < 1 << bits else None
    half = 1 << (bits - 1)
    if -half <= low and high < half:
        return entries
    return twos_complement(entries, bits) if low >= 0 and high < 2 * half else None


def _operands(size: int, order: Index) -> np.ndarray:
    codes = np.arange(size)
    if order == "unsigned":
        return codes
    if order == "offset":
        return codes - size // 2
    return np.where(codes < size // 2, codes, codes - size)


def _correlation(values: np.ndarray, order: Index) -> float:
    a, b = (_operands(size, order) for size in values.shape)
    exact = np.multiply.outer(a, b).ravel().astype(np.float64)
    own = values.ravel().astype(np.float64)
    exact, own = exact - exact.mean(), own - own.mean()
    size = float(np.sqrt((exact @ exact) * (own @ own)))
    return float(exact @ own) / size if size else 0.0


def _check_clear(found: list[tuple[float, Index]], name: str) -> None:
    best, *others = found
    text = ", ".join(f"{order} {correlation:.3f}" for correlation, order in found)
    if best[0] < LEAST_CORRELATION:
        raise AxdseError(
            f"entries follow the exact product in some order: correlation {LEAST_CORRELATION}",
            f"{name}: {text}",
            "check the file, or pin the order, such as 'index: offset' in X.yaml beside it",
        )
    if others and best[0] - others[0][0] < LEAST_MARGIN:
        raise AxdseError(
            "entries follow the exact product in one order",
            f"{name}: {text}",
            "pin it, such as 'index: offset' in X.yaml beside it",
        )


def _by_pattern(table: np.ndarray, order: Index) -> np.ndarray:
    """Rows and columns by the bit patterns of the operands."""
    if order != "offset":
        return np.ascontiguousarray(table)
    return np.roll(table, (table.shape[0] // 2, table.shape[1] // 2), (0, 1))


def significand_table(codes: np.ndarray, name: str) -> ProductTable:
    """Carry and fraction by the fractions of both operands, as `load_approxtrain` reads them."""
    bits = int(codes.shape[0]).bit_length() - 1
    told = f"{bits} x {bits} table of carries and fractions, as ApproxTrain writes {name}"
    return ProductTable(codes.astype(np.uint64), False, "significand", told)
