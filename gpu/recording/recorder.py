"""How often does each operand pair meet while a network runs? Counted, and some traced.

In c[i, n] = sum over k of T(a[i, k], b[k, n]), code x meets code y HA[k, x] HB[k, y] times for
each k, where HA[k, x] counts x in column k of a, and HB[k, y] counts y in row k of b; so the
joint histogram is HA^T HB, exact in FP64 below 2^53, and no product is enumerated. Only where
M N is far below the square of the number of codes, as for the weight gradient of a convolution
with few channels, does enumeration take less time.
"""

import threading
from collections import Counter, defaultdict
from contextvars import ContextVar, Token
from functools import partial
from types import TracebackType
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from axdse.gpu.operands.encode import round_float
from axdse.gpu.recording.probes import SILENT, LayerProbes, Operands
from axdse.gpu.recording.reservoir import Reservoir, RowReservoir
from axdse.multipliers.designs.design_point import PRODUCTS, ProductName
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import Format, IntFormat
from axdse.multipliers.operands.recording import (
    DATAFLOWS,
    Dataflow,
    OperandHistogram,
    OperandRows,
    OperandTrace,
    code_bits,
)

BLOCK_ELEMENTS = 1 << 18
MOST_CODE_BITS = 8  # of formats that are counted: a joint histogram has the square of the codes
PAIR_COST = 40  # multiply-adds of an FP64 GEMM in the time of counting one pair; measured
_ACTIVE: ContextVar["Recorder | None"] = ContextVar("axdse_recorder", default=None)


class Recorder:
    """A context manager that records the approximate layers of a model, in bounded memory.

    Gradients belong to their forward product: they are recorded if that ran inside the context,
    whichever thread runs the backward pass. Entering it again adds to the same histograms.

    Args:
        model: layers go by their names in it; others are not recorded.
        every: record one call of each layer in so many, from the first, with its gradients.

    Raises:
        AxdseError: `every` is below 1.
    """

    def __init__(self, model: nn.Module, every: int = 1) -> None:
        if every < 1:
            raise AxdseError("one call in N >= 1 is recorded", every, "choose 1 to record all")
        self.every = every
        self._names = {module: name for name, module in model.named_modules()}
        self._calls: Counter[nn.Module] = Counter()
        self._joint: dict[tuple[str, ProductName, Format], np.ndarray] = {}
        self._traces: defaultdict[tuple[str, ProductName, Dataflow], Reservoir] = defaultdict(
            Reservoir
        )
        self._rows: defaultdict[tuple[str, ProductName], RowReservoir] = defaultdict(RowReservoir)
        self._lock = threading.Lock()
        self._tokens: list[Token[Recorder | None]] = []

    def __enter__(self) -> Self:
        self._tokens.append(_ACTIVE.set(self))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _ACTIVE.reset(self._tokens.pop())

    @property
    def histograms(self) -> tuple[OperandHistogram, ...]:
        """What was recorded until now: layers in the model's order, forward product first."""
        with self._lock:
            keys = sorted(self._joint, key=lambda key: self._place(*key[:2]))
            return tuple(_histogram(*key, self._joint[key]) for key in keys)

    @property
    def traces(self) -> tuple[OperandTrace, ...]:
        """What was sampled until now, in the same order."""
        with self._lock:
            keys = sorted(self._traces, key=lambda key: self._place(*key[:2]))
            return tuple(self._traces[key].trace(*key) for key in keys)

    @property
    def rows(self) -> tuple[OperandRows, ...]:
        """Whole sums that were sampled until now, in the same order."""
        with self._lock:
            keys = sorted(self._rows, key=lambda key: self._place(*key))
            found = (self._rows[key].rows(*key) for key in keys)
            return tuple(rows for rows in found if rows)

    def _place(self, layer: str, product: ProductName) -> tuple[int, int]:
        return list(self._names.values()).index(layer), PRODUCTS.index(product)

    def probes(self, layer: nn.Module) -> LayerProbes:
        """The probes of one call of a layer; silent if it is not to be recorded."""
        if layer not in self._names:
            return SILENT
        with self._lock:
            call = self._calls[layer]
            self._calls[layer] += 1
        if call % self.every:
            return SILENT
        name = self._names[layer]
        return LayerProbes(*(partial(self._add, name, product) for product in PRODUCTS))

    def _add(self, layer: str, product: ProductName, operands: Operands) -> None:
        number_format = operands.multiplication.format
        counted = max(code_bits(number_format)) <= MOST_CODE_BITS
        sides = (operands.b.mT, operands.a.mT) if operands.swap else (operands.a, operands.b)
        pairs = zip(*sides, strict=True) if counted else ()
        joints = [joint_counts(a, b, number_format) for a, b in pairs]
        with self._lock:
            if joints:
                key, joint = (layer, product, number_format), np.sum(joints, axis=0)
                self._joint[key] = self._joint.get(key, 0) + joint
            numbers = operands.numbers
            self._rows[layer, product].add(numbers)
            for dataflow in DATAFLOWS:
                self._traces[layer, product, dataflow].add(numbers, dataflow)


def probes_of(layer: nn.Module) -> LayerProbes:
    """The probes of the recorder that is active in this thread or task, if any."""
    if torch.compiler.is_compiling():
        return SILENT  # a compiled graph would record when it is traced, once
    recorder = _ACTIVE.get()
    return recorder.probes(layer) if recorder else SILENT


def joint_counts(a: Tensor, b: Tensor, number_format: Format) -> np.ndarray:
    """Count the operand pairs of the matrix product of a [M, K] and b [K, N].

    Args:
        a: first operands as `axdse.gpu.ops.lut_gemm` takes them; unsigned codes as they are.
        b: second operands, likewise.
        number_format: of the product.

    Returns:
        int64 [2^w + 2, 2^v + 2] for codes of w and v bits; row 2^w and column 2^v count zero
        operands of float formats, the last ones infinities and NaN.
    """
    bits = code_bits(number_format)
    classes = ((1 << bits[0]) + 2, (1 << bits[1]) + 2)
    pairs = max(1, a.shape[0] * b.shape[1])
    enumerate_pairs = PAIR_COST * pairs < classes[0] * classes[1]
    width = pairs if enumerate_pairs else max(*classes, a.shape[0], b.shape[1])
    count = _enumerated if enumerate_pairs else _multiplied
    step = max(1, BLOCK_ELEMENTS // width)
    joint = torch.zeros(classes, dtype=torch.int64, device=a.device)
    for start in range(0, a.shape[1], step):
        columns = _classes(a[:, start : start + step], number_format, bits[0])
        rows = _classes(b[start : start + step].t(), number_format, bits[1])
        joint += count(columns, rows, classes)
    return joint.cpu().numpy()


def _enumerated(left: Tensor, right: Tensor, classes: tuple[int, int]) -> Tensor:
    """Count the pairs of codes [M, K] and [N, K] one by one."""
    cells = left[:, None] * classes[1] + right
    return torch.bincount(cells.flatten(), minlength=classes[0] * classes[1]).view(classes)


def _multiplied(left: Tensor, right: Tensor, classes: tuple[int, int]) -> Tensor:
    """HA^T HB of codes [M, K] and [N, K]."""
    return (_column_counts(left, classes[0]).t() @ _column_counts(right, classes[1])).long()


def _classes(x: Tensor, number_format: Format, bits: int) -> Tensor:
    """Codes, int64; float zeros (subnormals too) and non-finite numbers get two further ones."""
    count = 1 << bits
    if isinstance(number_format, IntFormat):
        return x.long() & (count - 1)
    words = round_float(x, number_format).view(torch.int32)
    fraction = (words >> (23 - number_format.fraction_bits)) & (count - 1)
    exponent = (words >> 23) & 0xFF
    special = torch.where(exponent == 255, count + 1, fraction)
    return torch.where(exponent == 0, count, special).long()


def _column_counts(codes: Tensor, classes: int) -> Tensor:
    """Count the codes in each column of [M, K]: FP64 [K, classes]."""
    columns = codes.shape[1]
    cells = codes + classes * torch.arange(columns, device=codes.device)
    counts = torch.bincount(cells.flatten(), minlength=columns * classes)
    return counts.view(columns, classes).double()


def _histogram(
    layer: str, product: ProductName, number_format: Format, joint: np.ndarray
) -> OperandHistogram:
    non_finite = int(joint[-1].sum() + joint[:-1, -1].sum())
    zero = int(joint[-2, :-1].sum() + joint[:-2, -2].sum())
    counts = np.ascontiguousarray(joint[:-2, :-2])
    return OperandHistogram(layer, product, number_format, counts, zero, non_finite)
