"""Stage 6, cost: a mapped netlist must compute what the C model says, or its cost is void."""

import numpy as np

from axdse.flows.netlist import Netlist
from axdse.multipliers.candidate import Candidate
from axdse.multipliers.catalog import Multiplier
from axdse.multipliers.cmodel import products, tabulate
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.unit import corner_operands, unit_products

EXHAUSTIVE_BITS = 16
RANDOM_VECTORS = 1 << 14
SEED = 0
Pairs = tuple[np.ndarray, np.ndarray]


def check_core(netlist: Netlist, multiplier: Multiplier) -> None:
    """Compare a mapped core with its model: all operands up to 8 x 8 bits, else a sample.

    Raises:
        AxdseError: they differ; the first operands are shown.
    """
    width = multiplier.operand_bits
    if 2 * width <= EXHAUSTIVE_BITS:
        a, b = _all_pairs(width)
        expected = tabulate(multiplier).ravel()
    else:
        powers = [1 << bit for bit in range(width)]
        corners = np.array(sorted({0, *powers, *(2 * p - 1 for p in powers)}), dtype=np.uint64)
        a, b = _sample(corners, width)
        expected = products(multiplier, a, b)
    _compare(netlist, multiplier.spec, a, b, expected)


def check_unit(netlist: Netlist, candidate: Candidate) -> None:
    """Compare a mapped unit with its oracle, as `check_core` does.

    Raises:
        AxdseError: they differ; the first operands are shown.
    """
    width = len(netlist.a.nets)
    corners = corner_operands(candidate.format)
    a, b = _all_pairs(width) if 2 * width <= EXHAUSTIVE_BITS else _sample(corners, width)
    _compare(netlist, candidate.name, a, b, unit_products(candidate, a, b))


def _compare(
    netlist: Netlist, design: str, a: np.ndarray, b: np.ndarray, expected: np.ndarray
) -> None:
    got = netlist.simulate(a, b)
    wrong = np.flatnonzero(got != expected)
    if wrong.size:
        i = wrong[0]
        raise AxdseError(
            f"the mapped netlist of {design} must compute what the C model does",
            f"a={a[i]:#x}, b={b[i]:#x} gives {got[i]:#x}, not {expected[i]:#x}",
            "run axdse verify: if the RTL passes, the synthesis is at fault",
        )


def _all_pairs(width: int) -> Pairs:
    codes = np.arange(1 << width, dtype=np.uint64)
    return np.repeat(codes, codes.size), np.tile(codes, codes.size)


def _sample(corners: np.ndarray, width: int) -> Pairs:
    """All pairs of corners, then random operands."""
    random = np.random.default_rng(SEED).integers(
        0, 1 << width, (2, RANDOM_VECTORS), dtype=np.uint64
    )
    a = np.concatenate([np.repeat(corners, corners.size), random[0]])
    b = np.concatenate([np.tile(corners, corners.size), random[1]])
    return a.astype(np.uint64), b.astype(np.uint64)
