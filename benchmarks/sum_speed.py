"""How fast are products behind a sum of its own, beside native FP32?

usage: python benchmarks/sum_speed.py     writes benchmarks/results/sum_speed.json

Products of matrices on one thread, in thread CPU time, native FP32 and each sum by turns: medians.
Each is compared with the model of its sum first, bit for bit, on some rows.
"""

import json
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor

from axdse.gpu.cpu.compile import cpu_name
from axdse.gpu.cpu.kernels import CAREFUL_SUMS, SUMS
from axdse.gpu.cpu.ops import gemm_cpu
from axdse.gpu.multiplication.handles import handle
from axdse.multipliers.designs.design_point import parse_mac
from axdse.multipliers.formats import IntFormat

RESULTS = Path(__file__).with_name("results") / "sum_speed.json"
SHAPES = ((512, 1024, 512), (256, 1152, 256))
TURNS, CHECKED_ROWS = 7, 4
MACS = (
    "exact(n=4) in float(8,3) sum dot(terms=16,align=13)",
    "drum(n=4,k=3) in float(8,3) sum hopper_fp8",
    "exact(n=8) in approxtrain sum dot(terms=16,align=13)",
    "exact(n=8) in approxtrain sum hopper",
    "exact(n=8) in bf16 sum hopper",
    "exact(n=8) in bf16 sum ampere",
    "exact(n=8) in bf16 sum blackwell_fp8",
    "exact(n=4) in float(8,3) sum dot(terms=4,acc=lazy(10,24))",
    "exact(n=4) in float(8,3) sum float(8,10,round=rz)",
    "exact(n=4) in float(8,3) sum float(8,10)",
    "exact(n=8) in bf16 sum float(8,7)",
    "exact(n=8) in bf16 sum float(5,10)",
    "exact(n=8) in int8 sum int(24)",
)


@dataclass(frozen=True)
class Row:
    """One sum at one shape.

    Attributes:
        ratio: median of its time over that of native FP32 beside it.
        ns_a_product: median.
    """

    mac: str
    sum: str
    shape: tuple[int, int, int]
    ratio: float
    ns_a_product: float


def main() -> None:
    torch.set_num_threads(1)
    rows = [_row(mac, shape) for shape in SHAPES for mac in MACS]
    record = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": cpu_name(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "torch": version("torch"),
        "turns": TURNS,
        "rows": [asdict(row) for row in rows],
    }
    RESULTS.write_text(json.dumps(record, indent=1) + "\n")
    for row in rows:
        print(f"{row.ratio:6.2f}x  {row.ns_a_product:6.3f} ns  {row.shape}  {row.mac}")


def _row(mac: str, shape: tuple[int, int, int]) -> Row:
    parsed = parse_mac(mac)
    known, (rows, depth, columns) = handle(parsed.candidate, parsed.recipe), shape
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(1, *s, generator=generator) for s in ((rows, depth), (depth, columns)))
    x, y = a, b
    if isinstance(parsed.format, IntFormat):
        x, y = ((z * 30).round().clamp(-127, 127).to(torch.int8) for z in (a, b))
    some = x[:, :CHECKED_ROWS]
    expected = gemm_cpu(CAREFUL_SUMS, some, y, known, False)
    if not torch.equal(gemm_cpu(SUMS, x, y, known, False)[:, :CHECKED_ROWS], expected):
        raise SystemExit(f"{mac}: bits differ")
    native, summed = [], []
    for _ in range(TURNS):
        native.append(_seconds(lambda: torch.bmm(a, b)))
        summed.append(_seconds(lambda: gemm_cpu(SUMS, x, y, known, False)))
    ratios = [s / n for s, n in zip(summed, native, strict=True)]
    ns = statistics.median(summed) / (rows * depth * columns) * 1e9
    assert parsed.recipe
    name = parsed.recipe.name
    return Row(mac, name, shape, round(statistics.median(ratios), 2), round(ns, 4))


def _seconds(compute: Callable[[], Tensor]) -> float:
    begun = time.thread_time()
    compute()
    return time.thread_time() - begun


if __name__ == "__main__":
    main()
