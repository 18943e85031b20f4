"""What is a device kernel called with? As `device.cuh` and the .cu files lay it out.

Addresses are additive: element (outer, inner) of an operand lies at `group + outer + inner`,
where an offset is the sum of up to three digits of an index, each times its stride. The kernels
compute offsets from these few numbers, so nothing but the tensors themselves is in device memory,
nothing is uploaded, and a CUDA graph may capture every launch.
"""

import ctypes
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from axdse.multipliers.model.sum_model import SUM_MODEL, SUM_STEPS

FOLDER = Path(__file__).parent / "csrc"
# What kernels include, in the order in which it is put in.
_INCLUDED = {
    "device.cuh": FOLDER,
    SUM_STEPS.name: SUM_STEPS.parent,
    SUM_MODEL.name: SUM_MODEL.parent,
}
# NVRTC has no headers, and its own names.
_STRING_H = "#include <string.h>\n", ""
_STDINT_H = (
    "#include <stdint.h>\n",
    """#ifdef __CUDACC_RTC__
typedef int int32_t;
typedef unsigned short uint16_t;
typedef unsigned int uint32_t;
typedef long long int64_t;
typedef unsigned long long uint64_t;
#define __builtin_clzll __clzll
#else
#include <stdint.h>
#endif
""",
)

NARROW, WIDE, INT8, INLINED, BLOCKS = range(5)
SUM_FP32, SUM_BF16, SUM_FP16 = range(3)
RANK = 4

# For NVRTC: C models carry no __device__, and subnormal sums are sums like others.
CUDA_OPTIONS = ("-default-device", "-ftz=false", "-fmad=false", "-device-int128")

four_words, four_ints, four_longs = (
    kind * RANK for kind in (ctypes.c_uint32, ctypes.c_int32, ctypes.c_int64)
)


class Digits(ctypes.Structure):
    """An index of up to three digits; `struct Digits`."""

    _fields_ = (
        ("middle", ctypes.c_uint32),
        ("low", ctypes.c_uint32),
        ("high_stride", ctypes.c_int64),
        ("middle_stride", ctypes.c_int64),
        ("low_stride", ctypes.c_int64),
    )


def digits(*axes: tuple[int, int]) -> Digits:
    """Up to three axes (size, stride in elements), the last varying fastest."""
    (_, high), (middle, middle_stride), (low, low_stride) = (*axes, *[(1, 0)] * (3 - len(axes)))
    return Digits(max(middle, 1), max(low, 1), high, middle_stride, low_stride)


class Side(ctypes.Structure):
    """One operand of a GEMM; `struct Side`."""

    _fields_ = (
        ("codes", ctypes.c_void_p),
        ("range", ctypes.c_void_p),
        ("group", ctypes.c_int64),
        ("outer", Digits),
        ("inner", Digits),
    )


class Result(ctypes.Structure):
    """Where sums go; `struct Result`."""

    _fields_ = (
        ("sums", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("first", "group", "part")),
        ("rows", Digits),
        ("columns", Digits),
    )


class GemmTask(ctypes.Structure):
    """`struct GemmTask`."""

    _fields_ = (
        ("a", Side),
        ("b", Side),
        ("c", Result),
        ("table", ctypes.c_void_p),
        ("seed", ctypes.c_uint64),
        *(
            (name, ctypes.c_uint32)
            for name in ("rows", "depth", "columns", "row_tiles", "column_tiles")
        ),
        ("parts", ctypes.c_uint32),
        ("depth_of_part", ctypes.c_uint32),
        ("drop", ctypes.c_uint32),
        ("top", ctypes.c_uint32),
    )


class EncodeTask(ctypes.Structure):
    """`struct EncodeTask`."""

    _fields_ = (
        ("input", ctypes.c_void_p),
        ("codes", ctypes.c_void_p),
        ("range", ctypes.c_void_p),
        ("size", four_words),
        ("inside", four_words),
        ("before", four_ints),
        ("stride", four_longs),
        ("count", ctypes.c_int64),
        ("border", ctypes.c_uint32),
        ("fraction_bits", ctypes.c_uint32),
        ("nearest", ctypes.c_uint32),
    )


class PartsTask(ctypes.Structure):
    """`struct PartsTask`."""

    _fields_ = (
        ("parts", ctypes.c_void_p),
        ("sums", ctypes.c_void_p),
        ("count", ctypes.c_int64),
        ("number", ctypes.c_uint32),
    )


Task = GemmTask | EncodeTask | PartsTask


@dataclass(frozen=True)
class Program:
    """One build of a kernel.

    Attributes:
        kernel: its name, and its file's without `.cu`.
        kind: NARROW, WIDE, INT8, INLINED or BLOCKS.
        total: SUM_FP32, SUM_BF16 or SUM_FP16.
        threads: threads of a block.
        columns_of_thread: columns of the result that a thread adds up.
        shared_bytes: dynamic shared memory of a block.
        model: text that defines AXDSE_CORE; INLINED only.
        fraction_bits: m; INLINED only.
        product_bits: F; INLINED only.
        recipe: the fields of `struct sum`, where products are added by one.
    """

    kernel: str
    kind: int
    total: int = SUM_FP32
    threads: int = 256
    columns_of_thread: int = 1
    shared_bytes: int = 0
    model: str = ""
    fraction_bits: int = 0
    product_bits: int = 0
    recipe: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        """The translation unit, whole: caches of compilers do not look into included files."""
        own = (FOLDER / f"{self.kernel}.cu").read_text()
        for name, folder in _INCLUDED.items():
            own = own.replace(f'#include "{name}"\n', (folder / name).read_text())
        return self.model + own.replace(*_STRING_H).replace(*_STDINT_H)

    @property
    def options(self) -> tuple[str, ...]:
        """What any compiler of CUDA C++ is to be told."""
        settings = (
            ("KIND", self.kind),
            ("SUM", self.total),
            ("THREADS", self.threads),
            ("COLUMNS_OF_THREAD", self.columns_of_thread),
            ("SHARED_BYTES", self.shared_bytes),
            ("FRACTION_BITS", self.fraction_bits),
            ("PRODUCT_BITS", self.product_bits),
            *((("RECIPE", ",".join(map(str, self.recipe))),) if self.recipe else ()),
        )
        return ("-std=c++17", *(f"-D{name}={value}" for name, value in settings))


class Device(Protocol):
    """What runs kernels: a GPU, or a test's emulation of one.

    Attributes:
        units: how many blocks of full size run at once, the number of multiprocessors.
    """

    @property
    def units(self) -> int:
        """Number of multiprocessors."""

    def launch(self, program: Program, blocks: int, task: Task) -> None:
        """Start `blocks` blocks, after all that was started before; do not wait for them."""
