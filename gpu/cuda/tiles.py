"""Which device kernel computes a GEMM, in tiles of what size and in how many parts?

Pure functions of shapes and of the number of multiprocessors, so that the order of a sum is
fixed by them too.
"""

from dataclasses import dataclass, replace

from axdse.gpu.cuda.task import BLOCKS, INLINED, INT8, SUM_FP32, Program

KB = 1024
ROWS_OF_TABLE_TILE = 16
ROWS_OF_SUM_TILE = 8
SHORTEST_PART = 256
BLOCKS_OF_UNIT = 2
MAX_PARTS = 64
THIN_ROWS = 2
DOT_ROWS, DOT_COLUMNS, DOT_DEPTH, DOT_TILE = 2, 64, 1024, 9


@dataclass(frozen=True)
class Shape:
    """c[g, m, n] = sum over k: `groups` products of [rows, depth] and [depth, columns]."""

    groups: int
    rows: int
    depth: int
    columns: int


@dataclass(frozen=True)
class Launch:
    """How a GEMM is computed.

    Attributes:
        program: kernel and block.
        row_tiles: tiles of the result, down.
        column_tiles: tiles of the result, across.
        parts: equal parts of k, whose sums a second pass adds in their order.
        blocks: of the grid.
    """

    program: Program
    row_tiles: int
    column_tiles: int
    parts: int
    blocks: int

    def with_parts(self, parts: int) -> "Launch":
        """The same in another number of parts."""
        return replace(self, parts=parts, blocks=self.blocks // self.parts * parts)

    @property
    def wants_turned_table(self) -> bool:
        """Whether the kernel builds its own tables, from one laid out for that."""
        return self.program.kernel == "table_gemm"


def ceil_divide(x: int, y: int) -> int:
    """The quotient, rounded up."""
    return -(-x // y)


def plan(shape: Shape, base: Program, units: int) -> Launch:
    """Choose kernel, tiles and parts.

    Args:
        shape: the GEMM; no side but `depth` is zero.
        base: kind, total and model; the rest is chosen here.
        units: multiprocessors of the device.
    """
    program, height, width = _tile(shape, base)
    row_tiles, column_tiles = ceil_divide(shape.rows, height), ceil_divide(shape.columns, width)
    tiles = shape.groups * row_tiles * column_tiles
    # Sums with an order, that of k, have one.
    is_free = program.total == SUM_FP32 and not program.recipe
    parts = _parts(shape.depth, tiles, units) if is_free else 1
    return Launch(program, row_tiles, column_tiles, parts, tiles * parts)


def _tile(shape: Shape, base: Program) -> tuple[Program, int, int]:
    """Program, and the height and width of its tiles."""
    if base.recipe:
        is_int = base.kind in (INT8, BLOCKS)
        kernel, shared = ("int_sum_gemm", 4 * KB) if is_int else ("sum_gemm", 44 * KB)
        return _sized(replace(base, kernel=kernel), 128, 1, shared), ROWS_OF_SUM_TILE, 128
    if base.kind == INLINED:
        small = shape.rows <= 64 or shape.columns <= 64
        side, threads = (32, 64) if small else (128, 256)
        shared = 2 * 2 * 8 * side * 4
        program = replace(base, kernel="inlined_gemm", threads=threads, shared_bytes=shared)
        return program, side, side
    if _is_dot(shape, base):
        return _sized(replace(base, kernel="dot_gemm"), 256, DOT_TILE, 42 * KB), 1, DOT_TILE
    if shape.rows <= THIN_ROWS:
        columns = 4 if shape.columns > 1024 else 1
        return _sized(replace(base, kernel="thin_gemm"), 128, columns, 17 * KB), 1, 128 * columns
    threads, columns = _table_columns(shape.columns)
    if base.total != SUM_FP32:  # rounding takes registers
        columns = min(columns, 2)
    program = _sized(replace(base, kernel="table_gemm"), threads, columns, 37 * KB)
    return program, ROWS_OF_TABLE_TILE, threads * columns


def _is_dot(shape: Shape, base: Program) -> bool:
    """Few sums, all of them long; their order is free only in FP32 and int32."""
    few = shape.rows <= DOT_ROWS and shape.columns <= DOT_COLUMNS
    return few and shape.depth >= DOT_DEPTH and base.total == SUM_FP32


def _sized(program: Program, threads: int, columns: int, shared_bytes: int) -> Program:
    return replace(program, threads=threads, columns_of_thread=columns, shared_bytes=shared_bytes)


def _table_columns(columns: int) -> tuple[int, int]:
    """Threads, and columns of each: wide tiles share the table that a block builds."""
    if columns <= 64:
        return 64, 1
    if columns <= 256:
        return 256, 1
    return (256, 2) if columns <= 512 else (256, 4)


def _parts(depth: int, tiles: int, units: int) -> int:
    """Enough parts to occupy the device, none of them short."""
    wanted = BLOCKS_OF_UNIT * units // tiles
    return max(1, min(wanted, depth // SHORTEST_PART, MAX_PARTS))
