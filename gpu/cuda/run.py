"""How are tensors rounded into codes on a device, and GEMMs run over them?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from axdse.gpu.cuda.arithmetic import Arithmetic
from axdse.gpu.cuda.task import (
    RANK,
    SUM_FP32,
    Device,
    Digits,
    EncodeTask,
    GemmTask,
    PartsTask,
    Program,
    Result,
    Side,
    four_ints,
    four_longs,
    four_words,
)
from axdse.gpu.cuda.tiles import Launch, Shape, ceil_divide, plan
from axdse.multipliers.errors import AxdseError

BLOCK = 256
ENCODE_BLOCKS_OF_UNIT = 16
TOP = 0x40


@dataclass(frozen=True)
class Border:
    """What surrounds the dimensions of a tensor: `before` and `after` each, filled with `code`."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    code: int = 0


@dataclass(frozen=True, eq=False)
class Codes:
    """A rounded tensor, contiguous in the order and with the border that was asked for.

    Attributes:
        tensor: the codes.
        range: what `encode` found about the exponents, on the device.
        size: of the tensor, border included.
    """

    tensor: Tensor
    range: Tensor
    size: tuple[int, ...]

    def side(self, outer: Digits, inner: Digits, group: int = 0, start: int = 0) -> Side:
        """An operand whose first element is element `start` of the codes."""
        address = self.tensor.data_ptr() + start * self.tensor.element_size()
        return Side(address, self.range.data_ptr(), group, outer, inner)


@dataclass(frozen=True, eq=False)
class Gemm:
    """One GEMM: its operands, and where its sums go, in elements of the result.

    Attributes:
        shape: sizes.
        rows: operand whose table rows are shared.
        columns: operand that is looked up side by side.
        group: from a group of the result to the next.
        row_digits: from the index of a row to its place.
        column_digits: from the index of a column to its place.
        start: place of the first sum.
    """

    shape: Shape
    rows: Side
    columns: Side
    group: int
    row_digits: Digits
    column_digits: Digits
    start: int = 0


def encode(
    device: Device, arithmetic: Arithmetic, x: Tensor, border: Border | None = None
) -> Codes:
    """Round `x`, of at most four dimensions and any strides, into codes in their order."""
    extra, none = RANK - x.ndim, (0,) * x.ndim
    border = border or Border(none, none)
    size = tuple(map(sum, zip(border.before, x.shape, border.after, strict=True)))
    codes = torch.empty(size, dtype=arithmetic.code_type, device=x.device)
    limits = torch.zeros(3, dtype=torch.int32, device=x.device)
    task = EncodeTask(
        x.data_ptr(),
        codes.data_ptr(),
        limits.data_ptr(),
        four_words(*(1,) * extra, *size),
        four_words(*(1,) * extra, *x.shape),
        four_ints(*(0,) * extra, *border.before),
        four_longs(*(0,) * extra, *x.stride()),
        codes.numel(),
        border.code,
        arithmetic.fraction_bits,
        arithmetic.nearest,
    )
    _check_reach(size)
    blocks = min(ceil_divide(codes.numel(), BLOCK), ENCODE_BLOCKS_OF_UNIT * device.units)
    if blocks:
        program = Program("encode", arithmetic.base.kind, threads=BLOCK, shared_bytes=16)
        device.launch(program, blocks, task)
    return Codes(codes, limits, size)


def run(
    device: Device,
    arithmetic: Arithmetic,
    result: Tensor,
    products: Sequence[Gemm],
    seed: int | None,
) -> Tensor:
    """Write `products`, which cover `result` together, into it.

    Args:
        device: that computes them.
        arithmetic: what multiplies and adds.
        result: contiguous.
        products: GEMMs.
        seed: of a sum that is rounded by chance; None of others.

    Raises:
        AxdseError: one has more tiles or a longer side than a launch can have.
    """
    if not result.numel():
        return result
    launches = [plan(product.shape, arithmetic.base, device.units) for product in products]
    parts = min(launch.parts for launch in launches)
    sums = result if parts == 1 else result.new_empty((parts, result.numel()))
    for product, launch in zip(products, launches, strict=True):
        launch = launch.with_parts(parts)
        _check(product.shape, launch)
        task = _task(arithmetic, sums, product, launch, result.numel(), seed or 0)
        device.launch(launch.program, launch.blocks, task)
    if parts > 1:
        _add_parts(device, arithmetic, sums, result)
    return result


def _add_parts(device: Device, arithmetic: Arithmetic, sums: Tensor, result: Tensor) -> None:
    task = PartsTask(sums.data_ptr(), result.data_ptr(), result.numel(), sums.shape[0])
    program = Program("add_parts", arithmetic.base.kind, SUM_FP32, BLOCK)
    device.launch(program, ceil_divide(result.numel(), BLOCK), task)


def _task(
    arithmetic: Arithmetic, sums: Tensor, product: Gemm, launch: Launch, part: int, seed: int
) -> GemmTask:
    table = arithmetic.turned_table if launch.wants_turned_table else arithmetic.table
    address = sums.data_ptr() + product.start * sums.element_size()
    return GemmTask(
        product.rows,
        product.columns,
        Result(
            *(address, product.start, product.group, part),
            *(product.row_digits, product.column_digits),
        ),
        None if table is None else table.data_ptr(),
        seed,
        product.shape.rows,
        product.shape.depth,
        product.shape.columns,
        launch.row_tiles,
        launch.column_tiles,
        launch.parts,
        ceil_divide(product.shape.depth, launch.parts),
        arithmetic.drop,
        TOP,
    )


def _check_reach(size: tuple[int, ...]) -> None:
    """Kernels keep offsets within a matrix, or within all images of a batch, in 32 bits."""
    matrix = size[-2:] if len(size) == 3 else size
    if math.prod(matrix) >= 1 << 31:
        raise AxdseError(
            "a matrix or a batch of images on a GPU has fewer than 2^31 elements",
            " x ".join(map(str, matrix)),
            "split it",
        )


def _check(shape: Shape, launch: Launch) -> None:
    if launch.blocks >= 1 << 31 or max(shape.rows, shape.depth, shape.columns) >= 1 << 31:
        raise AxdseError(
            "a product on a GPU has sides and numbers of tiles below 2^31",
            f"{shape.groups} x [{shape.rows}, {shape.depth}] x [{shape.depth}, {shape.columns}]",
            "split the batch",
        )
