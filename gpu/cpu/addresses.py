"""Where do the operands of a GEMM lie in tensors of codes?

Element (outer, inner) of an operand is at `base + outer[..] + inner[..]`, in elements. That holds
for matrices, and for the three products of a convolution over a padded image, so no kernel needs
an unfolded image. Rows share look-ups of table rows, columns are looked up side by side: those
should be many and adjacent in memory.
"""

import functools
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import ParamSpec, TypeVar

import numpy as np

from axdse.gpu.operands.convolution import Convolution, Pair


@dataclass(frozen=True, eq=False)
class Offsets:
    """One GEMM, or several of the same shape with a base each; int64 arrays, in elements."""

    a_outer: np.ndarray
    a_inner: np.ndarray
    b_outer: np.ndarray
    b_inner: np.ndarray
    c_row: np.ndarray
    c_column: np.ndarray
    a_base: np.ndarray
    b_base: np.ndarray
    c_base: np.ndarray

    @functools.cached_property
    def sizes(self) -> tuple[int, int, int, int]:
        """Problems, rows, depth, columns."""
        return len(self.a_base), len(self.a_outer), len(self.a_inner), len(self.b_outer)

    @functools.cached_property
    def size_bytes(self) -> int:
        """Memory of the arrays."""
        return sum(getattr(self, field.name).nbytes for field in fields(self))

    @functools.cached_property
    def addresses(self) -> tuple[int, ...]:
        """Where the arrays lie in memory, in the order above; numpy takes its time to tell."""
        arrays = (getattr(self, field.name) for field in fields(self))
        return tuple(array.ctypes.data for array in arrays)


@dataclass(frozen=True, eq=False)
class InputGradient:
    """The phases of an input gradient, and the border that the output gradient must be given.

    With stride s, output gradient y reaches image row s y - padding + dilation t by tap t, so all
    rows of one residue modulo s see the same taps, and the gradient at every step.

    Attributes:
        before: rows and columns of border above and left.
        padded: height and width of the output gradient with its border.
        phases: one GEMM for each residue that has taps and pixels.
    """

    before: Pair
    padded: Pair
    phases: tuple[Offsets, ...]

    @property
    def size_bytes(self) -> int:
        """Memory of all phases."""
        return sum(phase.size_bytes for phase in self.phases)


CACHE_BYTES = 1 << 26
Shape = ParamSpec("Shape")
Found = TypeVar("Found", Offsets, InputGradient)


def remembered(compute: Callable[Shape, Found]) -> Callable[Shape, Found]:
    """Keep the latest results, up to so many bytes: a large image has megabytes of offsets."""
    kept: OrderedDict[tuple[object, ...], Found] = OrderedDict()
    lock = threading.Lock()

    @functools.wraps(compute)
    def look_up(*arguments: Shape.args, **named: Shape.kwargs) -> Found:
        key = arguments, *named.items()
        with lock:
            if key in kept:
                kept.move_to_end(key)
                return kept[key]
        result = compute(*arguments, **named)
        with lock:
            kept[key] = result
            while len(kept) > 1 and sum(value.size_bytes for value in kept.values()) > CACHE_BYTES:
                kept.popitem(last=False)
        return result

    return look_up


def grid(*axes: np.ndarray) -> np.ndarray:
    """All sums of one element of each array, the last varying fastest."""
    return np.ascontiguousarray(functools.reduce(np.add.outer, axes), dtype=np.int64).ravel()


def steps(count: int, stride: int = 1) -> np.ndarray:
    """0, stride, 2 stride, ..."""
    return np.arange(count, dtype=np.int64) * stride


@remembered
def matrices(count: int, rows: int, depth: int, columns: int) -> Offsets:
    """Multiply [count, rows, depth] and [count, depth, columns] into [count, rows, columns]."""
    return Offsets(
        a_outer=steps(rows, depth),
        a_inner=steps(depth),
        b_outer=steps(columns),
        b_inner=steps(depth, columns),
        c_row=steps(rows, columns),
        c_column=steps(columns),
        a_base=steps(count, rows * depth),
        b_base=steps(count, depth * columns),
        c_base=steps(count, rows * columns),
    )


@remembered
def forward(shape: Convolution) -> Offsets:
    """Weights [O, I, Kh, Kw] times image [B, C, Sh, Sw, Qh, Qw] into [B, O, H', W'].

    Pixel (y, x) of the padded image is at [y % Sh, x % Sw, y // Sh, x // Sw] for a stride of
    (Sh, Sw): what a tap sees is adjacent whatever the stride.
    """
    (high, wide), (out_high, out_wide) = shape.phase, shape.output
    plane, out_plane = high * wide, out_high * out_wide
    pixels = plane * shape.window.stride[0] * shape.window.stride[1]
    channels, out_channels = shape.groups * shape.inputs, shape.groups * shape.outputs
    size = shape.kernel[0] * shape.kernel[1]
    return Offsets(
        a_outer=steps(shape.outputs, shape.inputs * size),
        a_inner=steps(shape.inputs * size),
        b_outer=grid(
            steps(shape.batch, channels * pixels), steps(out_high, wide), steps(out_wide)
        ),
        b_inner=grid(
            steps(shape.inputs, pixels),
            _phased(shape, 0, shape.window.stride[1] * plane, wide),
            _phased(shape, 1, plane, 1),
        ),
        c_row=steps(shape.outputs, out_plane),
        c_column=grid(steps(shape.batch, out_channels * out_plane), steps(out_plane)),
        a_base=steps(shape.groups, shape.outputs * shape.inputs * size),
        b_base=steps(shape.groups, shape.inputs * pixels),
        c_base=steps(shape.groups, shape.outputs * out_plane),
    )


def _phased(shape: Convolution, axis: int, phase: int, step: int) -> np.ndarray:
    """Offsets of the taps of an axis in an image split by the residues of the stride."""
    reach = steps(shape.kernel[axis], shape.window.dilation[axis])
    stride = shape.window.stride[axis]
    return np.asarray(reach % stride * phase + reach // stride * step)


@remembered
def weight_gradient(shape: Convolution) -> Offsets:
    """Gradient [B, O, H', W'] times image [B, Hp, Wp, C] into [O, I, Kh, Kw].

    Channels come last in the image, so that the columns of a tap are adjacent.
    """
    (high, wide), (out_high, out_wide) = shape.window.padded(shape.image), shape.output
    (down, right), (taps_high, taps_wide) = shape.window.stride, shape.kernel
    out_plane, size = out_high * out_wide, taps_high * taps_wide
    channels, out_channels = shape.groups * shape.inputs, shape.groups * shape.outputs
    pixels = (steps(out_high, down * wide * channels), steps(out_wide, right * channels))
    return Offsets(
        a_outer=steps(shape.outputs, out_plane),
        a_inner=grid(steps(shape.batch, out_channels * out_plane), steps(out_plane)),
        b_outer=grid(*_taps(shape, wide, channels), steps(shape.inputs)),
        b_inner=grid(steps(shape.batch, high * wide * channels), *pixels),
        c_row=steps(shape.outputs, shape.inputs * size),
        c_column=grid(steps(taps_high, taps_wide), steps(taps_wide), steps(shape.inputs, size)),
        a_base=steps(shape.groups, shape.outputs * out_plane),
        b_base=steps(shape.groups, shape.inputs),
        c_base=steps(shape.groups, shape.outputs * shape.inputs * size),
    )


@remembered
def deep_weight_gradient(shape: Convolution) -> Offsets:
    """`weight_gradient` over the image of `forward`, where the pixels of a tap are adjacent."""
    image, size = forward(shape), shape.inputs * shape.kernel[0] * shape.kernel[1]
    return replace(
        weight_gradient(shape),
        b_outer=image.b_inner,
        b_inner=image.b_outer,
        b_base=image.b_base,
        c_column=steps(size),
    )


def _taps(shape: Convolution, row: int, column: int) -> tuple[np.ndarray, np.ndarray]:
    """Steps from tap to tap of the kernel in an image with so many pixels a row."""
    down, right = shape.window.dilation
    return (
        steps(shape.kernel[0], down * row * column),
        steps(shape.kernel[1], right * column),
    )


@dataclass(frozen=True, eq=False)
class _Residue:
    """One residue of one axis: taps, the pixels they reach and where in the gradient those look.

    Attributes:
        taps: indices of the kernel.
        back: for each tap, how far before the pixel's own step its gradient lies.
        pixels: indices of the image.
        steps: for each pixel, its own step in the gradient.
    """

    taps: np.ndarray
    back: np.ndarray
    pixels: np.ndarray
    steps: np.ndarray


def _residues(shape: Convolution, axis: int) -> list[_Residue]:
    stride, padding = shape.window.stride[axis], shape.window.padding[axis]
    reach = steps(shape.kernel[axis], shape.window.dilation[axis])
    place = steps(shape.image[axis]) + padding
    found = []
    for residue in range(stride):
        taps = np.flatnonzero(reach % stride == residue)
        pixels = np.flatnonzero(place % stride == residue)
        if len(taps) and len(pixels):
            found.append(_Residue(taps, reach[taps] // stride, pixels, place[pixels] // stride))
    return found


@remembered
def input_gradient(shape: Convolution) -> InputGradient:
    """Weights [O, I, Kh, Kw] times gradient [B, O, H', W'] with a border into [B, C, H, W]."""
    rows, columns = (_residues(shape, axis) for axis in (0, 1))
    before = _border(rows), _border(columns)
    padded = tuple(
        start + max([size, *(int(r.steps.max() - r.back.min()) + 1 for r in residues)])
        for start, size, residues in zip(before, shape.output, (rows, columns), strict=True)
    )
    phases = tuple(
        _phase(shape, row, column, before, (padded[0], padded[1]))
        for row in rows
        for column in columns
    )
    return InputGradient(before, (padded[0], padded[1]), phases)


def _border(residues: list[_Residue]) -> int:
    return max([0, *(int(r.back.max() - r.steps.min()) for r in residues)])


def _phase(
    shape: Convolution, rows: _Residue, columns: _Residue, before: Pair, padded: Pair
) -> Offsets:
    plane, (high, wide), size = padded[0] * padded[1], shape.image, int(np.prod(shape.kernel))
    channels, out_channels = shape.groups * shape.inputs, shape.groups * shape.outputs
    inner = ((before[0] - rows.back) * padded[1], before[1] - columns.back)
    return Offsets(
        a_outer=steps(shape.inputs, size),
        a_inner=grid(
            steps(shape.outputs, shape.inputs * size),
            rows.taps * shape.kernel[1],
            columns.taps,
        ),
        b_outer=grid(
            steps(shape.batch, out_channels * plane), rows.steps * padded[1], columns.steps
        ),
        b_inner=grid(steps(shape.outputs, plane), *inner),
        c_row=steps(shape.inputs, high * wide),
        c_column=grid(
            steps(shape.batch, channels * high * wide), rows.pixels * wide, columns.pixels
        ),
        a_base=steps(shape.groups, shape.outputs * shape.inputs * size),
        b_base=steps(shape.groups, shape.outputs * plane),
        c_base=steps(shape.groups, shape.inputs * high * wide),
    )
