"""What does one multiplier of a systolic array see, in its order? Sampled.

An array of ROWS x COLUMNS multipliers makes c[i, n] = sum over k of T(a[i, k], b[k, n]):

- output-stationary: multiplier (r, s) holds the sums of i = r, r + ROWS, ... and n = s,
  s + COLUMNS, ...; it walks along k for one of them, then for the next n, then the next i.
- weight-stationary: it holds b[k, n] of k = r, r + ROWS, ... and n = s, s + COLUMNS, ...;
  for one of them all i stream by, then comes the next k, then the next n.

Every multiplication is as likely as every other to begin a sampled row: each has an exponential
key, and the SEGMENTS smallest keys stay (reservoir sampling; Vitter, ACM TOMS 11(1), 1985; keys
as in Efraimidis and Spirakis, IPL 97(5), 2006). Only the keys that can win are drawn, by Rényi's
representation of order statistics.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from axdse.gpu.recording.probes import Operands
from axdse.multipliers.designs.design_point import ProductName
from axdse.multipliers.operands.recording import (
    LONGEST_ROW,
    Dataflow,
    OperandRows,
    OperandTrace,
)

ROWS, COLUMNS = 16, 16  # of the array
SEGMENTS = 128  # rows of a trace
LENGTH = 33  # pairs of a row
WHOLE_ROWS = 16  # sums that are kept from their first product on
BLOCK_ELEMENTS = 1 << 22


@dataclass(frozen=True, eq=False)
class _Row:
    """One sampled row; the columns of `values` are a, b and the sum before."""

    key: float
    values: np.ndarray
    a_peak: float
    b_peak: float


@dataclass(frozen=True, eq=False)
class _Places:
    """Where operands stand, int64 [rows, LENGTH] each; `valid` is where a row has not ended."""

    group: np.ndarray
    i: np.ndarray
    n: np.ndarray
    k: np.ndarray
    valid: np.ndarray


class Reservoir:
    """The sampled rows of one product of one layer, in bounded memory.

    Args:
        seed: of the draws.
    """

    def __init__(self, seed: int = 0) -> None:
        self._rows: list[_Row] = []
        self._multiplications = 0
        self._random = np.random.default_rng(seed)

    def add(self, operands: Operands, dataflow: Dataflow) -> None:
        """Let the multiplications of one call compete for the rows."""
        groups, m, depth = operands.a.shape
        count = groups * m * depth * operands.b.shape[2]
        self._multiplications += count
        if not count:
            return
        full = len(self._rows) == SEGMENTS
        keys = _smallest_keys(count, self._random)
        keys = keys[keys < self._rows[-1].key] if full else keys
        if keys.size:
            starts = self._random.choice(count, keys.size, replace=False)
            rows = _sampled(operands, _places(starts, operands, dataflow), keys)
            self._rows = sorted([*self._rows, *rows], key=lambda row: row.key)[:SEGMENTS]

    def trace(self, layer: str, product: ProductName, dataflow: Dataflow) -> OperandTrace:
        """What stayed until now."""
        values = np.zeros((len(self._rows), 3, LENGTH), dtype=np.float32)
        for place, row in zip(values, self._rows, strict=True):
            place[:, : row.values.shape[1]] = row.values
        a, b, sums = (np.ascontiguousarray(values[:, side]) for side in range(3))
        return OperandTrace(
            layer=layer,
            product=product,
            dataflow=dataflow,
            a=a,
            b=b,
            sums=sums,
            a_peak=np.array([row.a_peak for row in self._rows], dtype=np.float32),
            b_peak=np.array([row.b_peak for row in self._rows], dtype=np.float32),
            lengths=np.array([row.values.shape[1] for row in self._rows], dtype=np.int64),
            multiplications=self._multiplications,
        )


class RowReservoir:
    """The sampled whole sums of one product of one layer, in bounded memory.

    Every output is as likely as every other, by keys as above; of its sum the first `LONGEST_ROW`
    products are kept.

    Args:
        seed: of the draws.
    """

    def __init__(self, seed: int = 0) -> None:
        self._rows: list[_Whole] = []
        self._multiplications = 0
        self._random = np.random.default_rng(seed)

    def add(self, operands: Operands) -> None:
        """Let the outputs of one call compete for the rows."""
        groups, m, depth = operands.a.shape
        width = operands.b.shape[2]
        count = groups * m * width * (depth > 0)
        self._multiplications += count * depth
        if not count:
            return
        keys = _smallest_keys(count, self._random, WHOLE_ROWS)
        if len(self._rows) == WHOLE_ROWS:
            keys = keys[keys < self._rows[-1].key]
        if not keys.size:
            return
        places = self._random.choice(count, keys.size, replace=False)
        group, i, n = (torch.from_numpy(at) for at in np.unravel_index(places, (groups, m, width)))
        first = operands.a[group, i, :LONGEST_ROW].float().cpu().numpy()
        second = operands.b.mT[group, n, :LONGEST_ROW].float().cpu().numpy()
        peaks = float(operands.a_peak), float(operands.b_peak)
        if operands.swap:
            first, second, peaks = second, first, peaks[::-1]
        rows = (
            _Whole(float(key), a.copy(), b.copy(), *peaks, depth)
            for key, a, b in zip(keys, first, second, strict=True)
        )
        self._rows = sorted([*self._rows, *rows], key=lambda row: row.key)[:WHOLE_ROWS]

    def rows(self, layer: str, product: ProductName) -> OperandRows | None:
        """What stayed until now; None: nothing was there."""
        if not self._rows:
            return None
        longest = max(row.a.size for row in self._rows)
        a, b = (
            np.stack([np.pad(side, (0, longest - side.size)) for side in sides])
            for sides in ([row.a for row in self._rows], [row.b for row in self._rows])
        )
        return OperandRows(
            layer=layer,
            product=product,
            a=a,
            b=b,
            a_peak=np.array([row.a_peak for row in self._rows], dtype=np.float32),
            b_peak=np.array([row.b_peak for row in self._rows], dtype=np.float32),
            depths=np.array([row.depth for row in self._rows], dtype=np.int64),
            multiplications=self._multiplications,
        )


@dataclass(frozen=True, eq=False)
class _Whole:
    """The operands of one sum, of `depth` products."""

    key: float
    a: np.ndarray
    b: np.ndarray
    a_peak: float
    b_peak: float
    depth: int


def _smallest_keys(count: int, random: np.random.Generator, kept: int = SEGMENTS) -> np.ndarray:
    """The `kept` smallest of `count` independent exponential keys, ascending."""
    left = count - np.arange(min(kept, count))
    return np.cumsum(random.standard_exponential(left.size) / left)


def _places(starts: np.ndarray, operands: Operands, dataflow: Dataflow) -> _Places:
    """Follow the multiplier that makes each of the multiplications `starts`, from there on."""
    groups, m, depth = operands.a.shape
    width = operands.b.shape[2]
    group, i, n, k = np.unravel_index(starts[:, None], (groups, m, width, depth))
    s, across = n % COLUMNS, _tiles(width, n, COLUMNS)
    if dataflow == "output-stationary":
        r, down = i % ROWS, _tiles(m, i, ROWS)
        loops = ((group, groups), (i // ROWS, down), (n // COLUMNS, across), (k, depth))
        (group, i, n, k), valid = _onwards(loops)
        return _Places(group, r + ROWS * i, s + COLUMNS * n, k, valid)
    r, down = k % ROWS, _tiles(depth, k, ROWS)
    loops = ((group, groups), (n // COLUMNS, across), (k // ROWS, down), (i, m))
    (group, n, k, i), valid = _onwards(loops)
    return _Places(group, i, s + COLUMNS * n, r + ROWS * k, valid)


def _tiles(size: int, index: np.ndarray, side: int) -> np.ndarray:
    """How many of `size` fall to the row or column of the array to which `index` falls."""
    return -(-(size - index % side) // side)


def _onwards(
    loops: Sequence[tuple[np.ndarray, np.ndarray | int]],
) -> tuple[list[np.ndarray], np.ndarray]:
    """The next LENGTH iterations of nested loops.

    Args:
        loops: (index, size) of each, [rows, 1], outermost first.

    Returns:
        Indices [rows, LENGTH] of each loop, and where the outermost has not ended.
    """
    position: np.ndarray = np.zeros(1, dtype=np.int64)
    for index, size in loops:
        position = position * size + index
    position = position + np.arange(LENGTH)
    indices = []
    for _, size in reversed(loops[1:]):
        position, index = np.divmod(position, size)
        indices.append(index)
    valid = position < loops[0][1]
    return [np.minimum(position, loops[0][1] - 1), *reversed(indices)], valid


def _sampled(operands: Operands, places: _Places, keys: np.ndarray) -> list[_Row]:
    device = operands.a.device
    group, i, n, k = (
        torch.from_numpy(index).to(device)
        for index in (places.group, places.i, places.n, places.k)
    )
    first, second = operands.a[group, i, k].float(), operands.b[group, k, n].float()
    sums = torch.cat([_sums(operands, *at) for at in _blocks(operands, (group, i, n, k))])
    a, b, a_peak, b_peak = first, second, operands.a_peak, operands.b_peak
    if operands.swap:
        a, b, a_peak, b_peak = second, first, b_peak, a_peak
    values = torch.stack([a, b, sums], dim=1).cpu().numpy()
    peaks = float(a_peak), float(b_peak)
    lengths = places.valid.sum(axis=1)
    return [
        _Row(float(key), row[:, :length].copy(), *peaks)
        for key, row, length in zip(keys, values, lengths, strict=True)
    ]


def _blocks(operands: Operands, indices: tuple[Tensor, ...]) -> Iterator[tuple[Tensor, ...]]:
    """Rows at a time, so that what a sum takes stays in bounds."""
    step = max(1, BLOCK_ELEMENTS // (LENGTH * operands.a.shape[2]))
    yield from zip(*(torch.split(index, step) for index in indices), strict=True)


def _sums(operands: Operands, group: Tensor, i: Tensor, n: Tensor, k: Tensor) -> Tensor:
    """Float [rows, LENGTH]: the sum of a[i, :k] b[:k, n], exact products."""
    before = torch.arange(operands.a.shape[2], device=k.device) < k[..., None]
    rows, columns = operands.a[group, i].float(), operands.b.mT[group, n].float()
    return (rows * columns * before).sum(dim=-1)
