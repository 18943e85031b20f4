"""Launch geometry and index arithmetic of the device kernels: pure functions of shapes."""

import itertools

import pytest

from axdse.gpu.cuda.phases import border, phases
from axdse.gpu.cuda.task import (
    INLINED,
    INT8,
    NARROW,
    SUM_BF16,
    SUM_FP32,
    WIDE,
    Digits,
    Program,
    digits,
)
from axdse.gpu.cuda.tiles import (
    BLOCKS_OF_UNIT,
    DOT_TILE,
    ROWS_OF_TABLE_TILE,
    SHORTEST_PART,
    Launch,
    Shape,
    plan,
)

SIDES = (1, 2, 3, 16, 17, 31, 64, 65, 127, 256, 257, 521, 1024, 1031, 5003)
UNITS = 132


def tile_size(launch: Launch) -> tuple[int, int]:
    program = launch.program
    if program.kernel == "inlined_gemm":
        side = 128 if program.threads == 256 else 32
        return side, side
    if program.kernel == "dot_gemm":
        return 1, DOT_TILE
    height = ROWS_OF_TABLE_TILE if program.kernel == "table_gemm" else 1
    return height, program.threads * program.columns_of_thread


@pytest.mark.parametrize("kind", [NARROW, WIDE, INT8, INLINED])
@pytest.mark.parametrize("depth", [0, 1, 7, 1031, 100_003])
def test_tiles_cover_the_result_once_and_parts_all_of_k(kind: int, depth: int) -> None:
    for groups, rows, columns in itertools.product((1, 5), SIDES, SIDES):
        launch = plan(Shape(groups, rows, depth, columns), Program("", kind), UNITS)
        height, width = tile_size(launch)
        assert (launch.row_tiles - 1) * height < rows <= launch.row_tiles * height
        assert (launch.column_tiles - 1) * width < columns <= launch.column_tiles * width
        tiles = groups * launch.row_tiles * launch.column_tiles
        assert launch.blocks == tiles * launch.parts
        assert launch.parts == 1 or depth // launch.parts >= SHORTEST_PART
        assert launch.parts == 1 or launch.blocks <= BLOCKS_OF_UNIT * UNITS
        assert launch.program.shared_bytes <= 48 * 1024


def test_long_sums_of_few_tiles_are_split() -> None:
    shape = Shape(1, 16, 1 << 16, 1024)
    assert plan(shape, Program("", NARROW), UNITS).parts > 1
    assert plan(shape, Program("", NARROW, SUM_BF16), UNITS).parts == 1


def test_parts_may_be_changed() -> None:
    launch = plan(Shape(3, 16, 1 << 16, 1024), Program("", NARROW), UNITS)
    assert launch.with_parts(1).blocks * launch.parts == launch.blocks


@pytest.mark.parametrize(
    ("shape", "total", "kernel"),
    [
        (Shape(512, 1, 9, 12544), SUM_FP32, "thin_gemm"),
        (Shape(512, 1, 12544, 9), SUM_FP32, "dot_gemm"),
        (Shape(512, 1, 12544, 9), SUM_BF16, "thin_gemm"),
        (Shape(1, 3, 5, 7), SUM_FP32, "table_gemm"),
    ],
)
def test_kernel(shape: Shape, total: int, kernel: str) -> None:
    assert plan(shape, Program("", WIDE, total), UNITS).program.kernel == kernel


def offset(index: int, place: Digits) -> int:
    """`offset_of` of device.cuh."""
    rest, low = divmod(index, place.low)
    high, middle = divmod(rest, place.middle)
    return int(high * place.high_stride + middle * place.middle_stride + low * place.low_stride)


@pytest.mark.parametrize(
    "axes",
    [((5, 7),), ((3, 100), (4, -9)), ((2, 1000), (3, 50), (5, 2)), ((0, 3), (0, 2), (0, 1))],
)
def test_digits_count_the_last_axis_fastest(axes: tuple[tuple[int, int], ...]) -> None:
    expected = [
        sum(place * stride for place, (_, stride) in zip(places, axes, strict=True))
        for places in itertools.product(*(range(size) for size, _ in axes))
    ]
    place = digits(*axes)
    assert [offset(index, place) for index in range(len(expected))] == expected


@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.parametrize("padding", [0, 1, 3])
@pytest.mark.parametrize("stride", [1, 2, 3, 5])
def test_phases_are_all_that_reaches_a_pixel(stride: int, padding: int, dilation: int) -> None:
    for pixels, taps in itertools.product((1, 2, 4, 7, 12), (1, 2, 3, 5)):
        axis = phases(pixels, taps, stride, padding, dilation)
        found = {
            (
                phase.pixel + stride * i,
                phase.tap + phase.tap_step * t,
                phase.step + i - phase.back * t,
            )
            for phase in axis
            for i in range(phase.pixels)
            for t in range(phase.taps)
        }
        expected = {
            (pixel, tap, (pixel + padding - dilation * tap) // stride)
            for pixel in range(pixels)
            for tap in range(taps)
            if (pixel + padding - dilation * tap) % stride == 0
        }
        assert found == expected
        steps = (pixels + 2 * padding - dilation * (taps - 1) - 1) // stride + 1
        before, after = border(axis, steps)
        assert all(-before <= step < steps + after for _, _, step in found)
        pixel_count = [phase.pixel + stride * i for phase in axis for i in range(phase.pixels)]
        assert sorted(pixel_count) == list(range(pixels))
