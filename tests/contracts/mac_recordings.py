"""Recordings made by hand, for tests of what a network takes on an array."""

from collections.abc import Sequence

import numpy as np

from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.design_point import PRODUCTS, Candidate, ProductName
from axdse.multipliers.formats import parse_format
from axdse.multipliers.operands.recording import Dataflow, OperandRows, OperandTrace, Recording

STEPS, IMAGES, MULTIPLICATIONS = 10, 320, 64_000


def unit(spec: str, text: str) -> Candidate:
    return Candidate(builtin_catalog().multiplier(spec), parse_format(text))


def trace(
    layer: str = "fc",
    product: ProductName = "forward",
    dataflow: Dataflow = "output-stationary",
    multiplications: int = MULTIPLICATIONS,
    rows: int = 8,
    length: int = 9,
) -> OperandTrace:
    """Rectified activations and small weights, summed from zero."""
    random = np.random.default_rng(len(layer))
    a = np.maximum(random.normal(size=(rows, length)), 0).astype(np.float32)
    b = (random.normal(size=(rows, length)) / 8).astype(np.float32)
    if dataflow == "weight-stationary":
        b[:] = b[:, :1]
    sums = np.cumsum(a * b, axis=1, dtype=np.float32) - a * b
    peaks = np.full(rows, np.abs(a).max()), np.full(rows, np.abs(b).max())
    lengths = np.full(rows, length)
    return OperandTrace(layer, product, dataflow, a, b, sums, *peaks, lengths, multiplications)


def rows(
    layer: str = "fc",
    product: ProductName = "forward",
    count: int = 4,
    depth: int = 12,
    length: int = 12,
) -> OperandRows:
    """Whole sums of such operands, of `depth` products, of which the first `length` are kept."""
    random = np.random.default_rng(len(layer))
    size = (count, min(depth, length))
    a = np.maximum(random.normal(size=size), 0).astype(np.float32)
    b = (random.normal(size=size) / 8).astype(np.float32)
    peaks = np.full(count, np.abs(a).max()), np.full(count, np.abs(b).max())
    return OperandRows(layer, product, a, b, *peaks, np.full(count, depth), MULTIPLICATIONS)


def recording(traces: Sequence[OperandTrace] | None = None) -> Recording:
    """By default one layer with its three products."""
    made = tuple(trace(product=product) for product in PRODUCTS) if traces is None else traces
    return Recording((), "net on digits", "exact(n=8)", 0, 1, tuple(made), STEPS, IMAGES)
