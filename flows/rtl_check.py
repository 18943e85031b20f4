"""Stage 5, RTL check: is the Verilog the C model? Stimulus, oracle, device, verdict.

After Berkeley TestFloat (Hauser): the vectors (`stimulus`), the right answers (the C model), the
thing under test (`rtl_simulation`) and the comparison know nothing of each other.
"""

import functools
import importlib.metadata
import os
import time
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np

from axdse.flows.bring_your_own import read_design
from axdse.flows.rtl_simulation import BENCH_FILES, Response, record_waves, simulate
from axdse.flows.stimulus import Stimulus, core_stimulus, unit_stimulus
from axdse.flows.tools import find_tool, kill_running
from axdse.multipliers.cache import cached, digest
from axdse.multipliers.candidate import Candidate
from axdse.multipliers.catalog import Multiplier
from axdse.multipliers.cmodel import compiler, products, tabulate
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import IntFormat
from axdse.multipliers.unit import unit_products
from axdse.multipliers.verilog import Rtl, core_rtl, unit_rtl

EXAMPLES = 8
Oracle = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Mismatch:
    """One counter-example.

    Attributes:
        a: first operand (or its code).
        b: second operand.
        expected: what the model says.
        got: what the RTL says, in hex; may hold x or z, and X where bits of a digit are mixed.
    """

    a: int
    b: int
    expected: int
    got: str


@dataclass(frozen=True)
class RtlReport:
    """The verdict on one design.

    Attributes:
        design: spec of the core, name of the candidate whose unit it is, or function's name.
        verdict: "exhaustive" and "sampled" are passes.
        vectors: operand pairs tried, all distinct.
        mismatches: how many of them differ.
        examples: the first of those.
        swapped: the RTL differs, but equals the model with its operands exchanged.
        model_digest: SHA-256 (hex) of the C source, its function and parameters.
        rtl_digest: SHA-256 (hex) of the RTL.
        tools: names and versions.
        seed: of the random vectors.
        seconds: wall time of the check.
        date: ISO 8601, UTC.
    """

    design: str
    verdict: Literal["exhaustive", "sampled", "mismatch"]
    vectors: int
    mismatches: int
    examples: tuple[Mismatch, ...]
    swapped: bool
    model_digest: str
    rtl_digest: str
    tools: tuple[str, ...]
    seed: int
    seconds: float
    date: str

    @property
    def passed(self) -> bool:
        """Whether RTL and model agree on every vector."""
        return self.verdict != "mismatch"


@dataclass(frozen=True)
class _Task:
    """A design, its oracle and the vectors to compare them on."""

    design: str
    model_digest: str
    rtl: Rtl
    oracle: Oracle
    stimulus: Stimulus
    seed: int


def check(multiplier: Multiplier, *, seed: int = 0, waves: Path | None = None) -> RtlReport:
    """Compare the core's RTL with its C model, cached by the content of both.

    Args:
        multiplier: the design.
        seed: of the random vectors, for operands wider than 8 bits.
        waves: where to leave a VCD of the counter-examples, if there are any.

    Raises:
        AxdseError: a tool is missing, or model or RTL do not compile, crash or hang.
    """
    return _verdict(_core_task(multiplier, core_rtl(multiplier), seed), waves)


def check_unit(candidate: Candidate, *, seed: int = 0) -> RtlReport:
    """Compare the whole unit's RTL with `axdse.multipliers.unit.unit_products`.

    Raises:
        AxdseError: as `check`.
    """
    number_format, rtl = candidate.format, unit_rtl(candidate)
    if isinstance(number_format, IntFormat):
        stimulus = core_stimulus(number_format.bits, seed)
    else:
        stimulus = unit_stimulus(number_format, seed)

    model = digest(_model_digest(candidate.multiplier), number_format.name)
    oracle = functools.partial(unit_products, candidate)
    return _verdict(_Task(candidate.name, model, rtl, oracle, stimulus, seed))


def check_all(
    multipliers: Iterable[Multiplier], *, seed: int = 0, jobs: int | None = None
) -> Generator[RtlReport]:
    """Yield the reports of `check` in order; `jobs` simulators (default: cores) run at once.

    Raises:
        AxdseError: as `check`, for the first design that fails to run.
    """
    # Threads only wait here: compilers, models and simulators are processes of their own.
    pool = ThreadPoolExecutor(jobs or os.cpu_count() or 1)
    futures = [pool.submit(check, multiplier, seed=seed) for multiplier in multipliers]
    try:
        for future in futures:
            yield future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        while not all(future.done() for future in futures):
            kill_running()
            time.sleep(0.05)


def check_files(model: Path, rtl: Path, *, seed: int = 0, waves: Path | None = None) -> RtlReport:
    """Compare a Verilog file with a C file, see `axdse.flows.bring_your_own`.

    Raises:
        AxdseError: as `check`, or the files do not fit each other.
    """
    multiplier, design = read_design(model, rtl)
    return _verdict(_core_task(multiplier, design, seed), waves)


def _core_task(multiplier: Multiplier, rtl: Rtl, seed: int) -> _Task:
    stimulus = core_stimulus(multiplier.operand_bits, seed)
    model = _model_digest(multiplier)
    oracle = _table_oracle(multiplier) if stimulus.exhaustive else _model_oracle(multiplier)
    return _Task(multiplier.spec, model, rtl, oracle, stimulus, seed)


def _table_oracle(multiplier: Multiplier) -> Oracle:
    table = tabulate(multiplier)
    return lambda a, b: table[a, b]


def _model_oracle(multiplier: Multiplier) -> Oracle:
    return lambda a, b: products(multiplier, a, b)


def _model_digest(multiplier: Multiplier) -> str:
    family = multiplier.family
    parameters = (f"{name}={value}" for name, value in multiplier.bindings.items())
    try:
        return digest(family.model.read_bytes(), family.name, *parameters)
    except OSError as error:
        raise AxdseError("a C model is a readable file", family.model, "check the path") from error


def _verdict(task: _Task, waves: Path | None = None) -> RtlReport:
    expected = task.oracle(task.stimulus.a, task.stimulus.b)
    report = cached("rtl_check", _key(task, expected), RtlReport, lambda: _judge(task, expected))
    if waves and not report.passed:
        around = _neighbourhood(report.examples, task.rtl.operand_bits)
        record_waves(task.rtl, around, task.oracle(around.a, around.b), waves)
    return report


def _key(task: _Task, expected: np.ndarray) -> str:
    vectors = (task.stimulus.a, task.stimulus.b, expected)
    return digest(
        task.design,
        task.model_digest,
        task.rtl.digest,
        str(task.seed),
        *(np.ascontiguousarray(array).tobytes() for array in vectors),
        *(file.read_bytes() for file in BENCH_FILES),
        *_tools(),
    )


def _tools() -> tuple[str, ...]:
    simulator = (find_tool(name).version for name in ("iverilog", "vvp"))
    return (*simulator, f"cocotb {importlib.metadata.version('cocotb')}", compiler()[1])


def _judge(task: _Task, expected: np.ndarray) -> RtlReport:
    start = time.monotonic()
    stimulus, response = task.stimulus, simulate(task.rtl, task.stimulus)
    differs = _differences(response, expected)
    mismatches = int(np.count_nonzero(differs))
    exchanged = (
        mismatches > 0 and not _differences(response, task.oracle(stimulus.b, stimulus.a)).any()
    )
    passed: Literal["exhaustive", "sampled"] = "exhaustive" if stimulus.exhaustive else "sampled"
    return RtlReport(
        design=task.design,
        verdict="mismatch" if mismatches else passed,
        vectors=stimulus.vectors,
        mismatches=mismatches,
        examples=_examples(task, expected, response, np.flatnonzero(differs)[:EXAMPLES]),
        swapped=exchanged,
        model_digest=task.model_digest,
        rtl_digest=task.rtl.digest,
        tools=_tools(),
        seed=task.seed,
        seconds=time.monotonic() - start,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _differences(response: Response, expected: np.ndarray) -> np.ndarray:
    differs: np.ndarray = (response.unknown != 0) | (response.value != expected)
    return differs


def _examples(
    task: _Task, expected: np.ndarray, response: Response, where: np.ndarray
) -> tuple[Mismatch, ...]:
    a, b, bits = task.stimulus.a, task.stimulus.b, task.rtl.product_bits
    return tuple(
        Mismatch(int(a[i]), int(b[i]), int(expected[i]), response.text(int(i), bits))
        for i in where
    )


def _neighbourhood(examples: tuple[Mismatch, ...], operand_bits: int) -> Stimulus:
    """The counter-examples, each between the pairs next to it."""
    around = dict.fromkeys((e.a, e.b + step) for e in examples for step in (-1, 0, 1))
    pairs = [(a, b) for a, b in around if 0 <= b < 1 << operand_bits]
    a, b = np.array(pairs, dtype=np.uint64).T
    return Stimulus(a, b, exhaustive=False)
