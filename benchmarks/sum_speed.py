"""How fast are products behind a sum of its own, beside native FP32?

usage: python benchmarks/sum_speed.py     writes benchmarks/results/sum_speed.json

Products of matrices on one thread, in thread CPU time, native FP32 and each sum by turns: medians.
Each is compared with the model of its sum first, bit for bit, on some rows. Some sums are timed
once more where columns of one block in a hundred are so small that their lanes take the careful
way, and beside the table kernel without a recipe where kernels are compiled for AVX2.
"""

import ctypes
import json
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor

from axdse.gpu.cpu import compile as cpu_compile
from axdse.gpu.cpu import kernels
from axdse.gpu.cpu.compile import cpu_name
from axdse.gpu.cpu.kernels import AVX2, CAREFUL_SUMS, SUMS, engine_for
from axdse.gpu.cpu.ops import gemm_cpu
from axdse.gpu.multiplication.handles import handle
from axdse.multipliers.designs.design_point import Mac, parse_mac
from axdse.multipliers.formats import IntFormat

RESULTS = Path(__file__).with_name("results") / "sum_speed.json"
SHAPES = ((512, 1024, 512), (256, 1152, 256))
TURNS, CHECKED_ROWS = 9, 4
# What a sum may take at most, in times of native FP32, and what takes it.
MACS = {
    "exact(n=4) in float(8,3) sum dot(terms=16,align=13)": 2.6,
    "drum(n=4,k=3) in float(8,3) sum hopper_fp8": 2.6,
    "exact(n=8) in approxtrain sum dot(terms=16,align=13)": 3.8,
    "exact(n=8) in approxtrain sum hopper": 3.9,
    "exact(n=8) in bf16 sum hopper": 4.4,
    "exact(n=8) in approxtrain sum ampere": 3.9,
    "exact(n=8) in bf16 sum ampere": 4.4,
    "exact(n=8) in bf16 sum blackwell_fp8": None,
    "exact(n=4) in float(8,3) sum dot(terms=4,acc=lazy(10,24))": 3.0,
    "exact(n=8) in approxtrain sum dot(terms=4,acc=lazy(10,24))": 3.0,
    "exact(n=8) in bf16 sum dot(terms=4,acc=lazy(10,24))": 3.0,
    "exact(n=4) in float(8,3) sum float(8,10,round=rz)": 3.0,
    "exact(n=4) in float(8,3) sum float(8,10)": 4.5,
    "exact(n=8) in approxtrain sum float(8,7)": 4.2,
    "exact(n=8) in approxtrain sum float(5,10)": 4.8,
    "exact(n=8) in bf16 sum float(8,7)": None,
    "exact(n=8) in bf16 sum float(5,10)": None,
    "exact(n=4) in float(8,3) sum ibm": None,
    "exact(n=4) in float(8,3) sum fp32(order=k)": None,
    "exact(n=8) in bf16 sum fp32(order=k)": None,
    "exact(n=8) in int8 sum int(16)": 2.2,
    "exact(n=8) in int8 sum int(16,overflow=saturate)": 2.2,
    "exact(n=8) in int8 sum int(24)": 2.2,
    "exact(n=8) in int8 sum int(24,overflow=saturate)": 2.2,
    "exact(n=8) in int8 sum int(32)": 2.2,
}
UNEVEN = (
    "exact(n=4) in float(8,3) sum dot(terms=16,align=13)",
    "exact(n=8) in approxtrain sum hopper",
    "exact(n=8) in bf16 sum ampere",
    "exact(n=4) in float(8,3) sum float(8,10,round=rz)",
    "exact(n=4) in float(8,3) sum float(8,10)",
)
SPAN, SMALL = 64, 2.0**-100
WITHOUT_AVX512 = (
    "exact(n=4) in float(8,3) sum dot(terms=16,align=13)",
    "exact(n=8) in approxtrain sum hopper",
    "exact(n=8) in bf16 sum hopper",
    "exact(n=4) in float(8,3) sum float(8,10,round=rz)",
    "exact(n=4) in float(8,3) sum float(8,10)",
    "exact(n=8) in approxtrain sum float(8,7)",
    "exact(n=8) in bf16 sum float(8,7)",
    "exact(n=8) in int8 sum int(24)",
    "exact(n=8) in int8 sum int(24,overflow=saturate)",
)


@dataclass(frozen=True)
class Row:
    """One sum at one shape.

    Attributes:
        ratio: median of its time over that of native FP32 beside it.
        at_most: what it may be.
        ns_a_product: median.
        careful: the share of blocks (a row, a step or up to 128 k, 64 columns) that took a slower
            way; one that took two counts twice.
        uneven: columns of one block in a hundred are small.
    """

    mac: str
    sum: str
    shape: tuple[int, int, int]
    ratio: float
    at_most: float | None
    ns_a_product: float
    careful: float
    uneven: bool


@dataclass(frozen=True)
class Avx2Row:
    """One sum by kernels that are compiled for AVX2.

    Attributes:
        table_ratio: the same products by the AVX2 table kernel, over native FP32.
        ratio: the sum, over native FP32.
        over_table: the sum, over the table kernel beside it.
    """

    mac: str
    shape: tuple[int, int, int]
    table_ratio: float
    ratio: float
    over_table: float


def main() -> None:
    torch.set_num_threads(1)
    rows = [_row(mac, shape, False) for shape in SHAPES for mac in MACS]
    rows += [_row(mac, SHAPES[0], True) for mac in UNEVEN]
    with _compiled_for_avx2():
        without = [_avx2_row(mac, SHAPES[1]) for mac in WITHOUT_AVX512]
    record = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": cpu_name(),
        "generation": _generation(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "torch": version("torch"),
        "turns": TURNS,
        "rows": [asdict(row) for row in rows],
        "avx2": [asdict(row) for row in without],
    }
    RESULTS.write_text(json.dumps(record, indent=1) + "\n")
    for row in rows:
        limit = f"of {row.at_most}" if row.at_most else ""
        careful = f"  {row.careful:.2%} careful" if row.uneven else ""
        print(f"{row.ratio:6.2f}x {limit:6}  {row.ns_a_product:6.3f} ns  {row.shape}", end="  ")
        print(f"{row.mac}{careful}")
    for slow in without:
        print(f"{slow.ratio:6.2f}x  {slow.over_table:5.2f} of the table kernel  AVX2  {slow.mac}")


def _row(mac: str, shape: tuple[int, int, int], uneven: bool) -> Row:
    parsed, (rows, depth, columns) = parse_mac(mac), shape
    assert parsed.recipe
    known = handle(parsed.candidate, parsed.recipe)
    a, b, x, y = _operands(parsed, shape)
    deep = parsed.recipe.terms if parsed.recipe.terms > 1 else 128
    if uneven:
        _make_uneven(y, deep)
    _check(mac, known, x, y)
    careful = _careful_blocks(known, lambda: gemm_cpu(SUMS, x, y, known, False))
    native, summed = [], []
    for _ in range(TURNS):
        native.append(_seconds(lambda: torch.bmm(a, b)))
        summed.append(_seconds(lambda: gemm_cpu(SUMS, x, y, known, False)))
    blocks = rows * -(-depth // deep) * -(-columns // SPAN)
    return Row(
        mac,
        parsed.recipe.name,
        shape,
        _ratio(summed, native),
        MACS[mac],
        round(statistics.median(summed) / (rows * depth * columns) * 1e9, 4),
        round(careful / blocks, 4),
        uneven,
    )


def _avx2_row(mac: str, shape: tuple[int, int, int]) -> Avx2Row:
    parsed = parse_mac(mac)
    known, plain = handle(parsed.candidate, parsed.recipe), handle(parsed.candidate)
    a, b, x, y = _operands(parsed, shape)
    _check(mac, known, x, y)
    times: dict[str, list[float]] = {"native": [], "table": [], "sum": []}
    gemm_cpu(AVX2, x, y, plain, False)
    for _ in range(TURNS):
        times["native"].append(_seconds(lambda: torch.bmm(a, b)))
        times["table"].append(_seconds(lambda: gemm_cpu(AVX2, x, y, plain, False)))
        times["sum"].append(_seconds(lambda: gemm_cpu(SUMS, x, y, known, False)))
    return Avx2Row(
        mac,
        shape,
        _ratio(times["table"], times["native"]),
        _ratio(times["sum"], times["native"]),
        _ratio(times["sum"], times["table"]),
    )


def _operands(parsed: Mac, shape: tuple[int, int, int]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """In FP32, and as the format has them."""
    rows, depth, columns = shape
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(1, *s, generator=generator) for s in ((rows, depth), (depth, columns)))
    if isinstance(parsed.format, IntFormat):
        x, y = ((z * 30).round().clamp(-127, 127).to(torch.int8) for z in (a, b))
        return a, b, x, y
    return a, b, a, b.clone()


def _make_uneven(b: Tensor, deep: int) -> None:
    """Scale a column of one block of b in a hundred down."""
    generator = torch.Generator().manual_seed(1)
    steps, spans = b.shape[1] // deep, b.shape[2] // SPAN
    for block in torch.randperm(steps * spans, generator=generator)[
        : max(1, steps * spans // 100)
    ]:
        k, n = int(block) // spans * deep, int(block) % spans * SPAN
        b[0, k : k + deep, n + int(block) % SPAN] *= SMALL


def _check(mac: str, known: str, x: Tensor, y: Tensor) -> None:
    expected = gemm_cpu(CAREFUL_SUMS, x[:, :CHECKED_ROWS], y, known, False)
    if not torch.equal(gemm_cpu(SUMS, x, y, known, False)[:, :CHECKED_ROWS], expected):
        raise SystemExit(f"{mac}: bits differ")


def _careful_blocks(known: str, compute: Callable[[], Tensor]) -> int:
    library = engine_for(SUMS, known, False).library
    if not hasattr(library, "careful_blocks"):
        return 0
    count = ctypes.c_int64.in_dll(library, "careful_blocks")
    before = count.value
    compute()
    return count.value - before


@contextmanager
def _compiled_for_avx2() -> Iterator[None]:
    """Kernels of sums as a CPU without AVX-512 has them."""
    flags, known = cpu_compile.FLAGS, kernels.cpu_flags
    cpu_compile.FLAGS, kernels.cpu_flags = (*flags, "-mno-avx512f"), frozenset[str]
    for cached in (cpu_compile.load_kernel, engine_for):
        cached.cache_clear()
    try:
        yield
    finally:
        cpu_compile.FLAGS, kernels.cpu_flags = flags, known
        for cached in (cpu_compile.load_kernel, engine_for):
            cached.cache_clear()


def _generation() -> str:
    """What tells CPUs of one name apart; empty where it is not known."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    fields = {key.strip(): value.strip() for key, _, value in (x.partition(":") for x in lines)}
    return ", ".join(f"{key} {fields[key]}" for key in ("cpu family", "model") if key in fields)


def _ratio(times: list[float], beside: list[float]) -> float:
    return round(statistics.median(t / b for t, b in zip(times, beside, strict=True)), 2)


def _seconds(compute: Callable[[], Tensor]) -> float:
    begun = time.thread_time()
    compute()
    return time.thread_time() - begun


if __name__ == "__main__":
    main()
