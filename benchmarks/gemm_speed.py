"""Speed of axdse::lut_gemm beside native FP32 and beside the plain loop of the reference op.

usage: python benchmarks/gemm_speed.py [--threads 1] [--rounds 9]

Correctness comes first: a kernel whose result is not the reference's, bit for bit, is not timed.
Candidates and native take turns within a round and the best round counts, so that other work on
the machine disturbs all of them alike. Writes benchmarks/results/gemm_speed.json.
"""

import argparse
import datetime
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from axdse.gpu.host_library import FLAGS, cpu_name
from axdse.gpu.ops_cpu import PORTABLE, VBMI, has_vbmi, run_kernel
from axdse.gpu.ops_reference import lut_gemm_reference
from axdse.multipliers.candidate import Candidate
from axdse.multipliers.catalog import builtin_catalog
from axdse.multipliers.cmodel import compiler
from axdse.multipliers.formats import parse_format
from axdse.multipliers.lut import build_lut

SHAPES = ((512, 1024, 512), (64, 784, 300), (6, 25, 36864), (16, 6400, 150))
FORMATS = ("float(8,7)", "bf16", "float(8,4)", "int8")
RESULTS = Path(__file__).parent / "results" / "gemm_speed.json"


@dataclass(frozen=True)
class Row:
    """One kernel on one shape; rates in 10^9 products a second, all threads together."""

    shape: tuple[int, int, int]
    format: str
    kernel: str
    rate: float
    native_rate: float
    times_native: float
    times_plain_loop: float


def best_seconds(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            best[name] = min(best[name], time.perf_counter() - start)
    return best


def operands(shape: tuple[int, int, int], name: str) -> tuple[Tensor, Tensor]:
    m, k, n = shape
    if name == "int8":
        return tuple(torch.randint(-127, 128, size, dtype=torch.int8) for size in ((m, k), (k, n)))
    return torch.randn(m, k), torch.randn(k, n)


def measure(shape: tuple[int, int, int], name: str, rounds: int) -> list[Row]:
    number_format = parse_format(name)
    core = builtin_catalog().family("exact").bind({"n": number_format.operand_bits})
    entries = torch.from_numpy(build_lut(Candidate(core, number_format)).entries.copy())
    a, b = operands(shape, name)
    arguments = (a, b, entries, number_format.name, False)
    start = time.perf_counter()
    expected = lut_gemm_reference(*arguments)
    plain_loop = time.perf_counter() - start
    kernels = (PORTABLE, VBMI) if has_vbmi() else (PORTABLE,)
    for kernel in kernels:
        if not torch.equal(run_kernel(kernel, *arguments), expected):
            raise SystemExit(f"{kernel} is wrong on {shape} in {name}: not timed")
    native = torch.randn(shape[0], shape[1]), torch.randn(shape[1], shape[2])
    calls = {kernel: lambda kernel=kernel: run_kernel(kernel, *arguments) for kernel in kernels}
    seconds = best_seconds({"native": lambda: native[0] @ native[1], **calls}, rounds)
    giga = shape[0] * shape[1] * shape[2] / 1e9
    return [
        Row(
            shape,
            name,
            kernel,
            rate=giga / seconds[kernel],
            native_rate=giga / seconds["native"],
            times_native=seconds[kernel] / seconds["native"],
            times_plain_loop=seconds[kernel] / plain_loop,
        )
        for kernel in kernels
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    print(
        "shape                 format      kernel              G/s  native  /native  /plain loop"
    )
    rows = []
    for shape in SHAPES:
        for name in FORMATS:
            for row in measure(shape, name, options.rounds):
                rows.append(row)
                print(
                    f"{shape!s:22}{name:12}{row.kernel:19}{row.rate:5.1f}{row.native_rate:8.1f}"
                    f"{row.times_native:9.2f}{row.times_plain_loop:13.5f}"
                )
    record = {
        "date": datetime.date.today().isoformat(),
        "cpu": cpu_name(),
        "threads": options.threads,
        "torch": torch.__version__,
        "compiler": compiler()[1],
        "flags": FLAGS,
        "rows": [asdict(row) for row in rows],
    }
    RESULTS.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
