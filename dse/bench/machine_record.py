"""What does `axdse bench` measure on this machine, and which record does it leave?"""

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import partial
from importlib.metadata import version

import torch

from axdse.dse.bench.memory import WORK, memory_row
from axdse.dse.bench.steps import step_entries
from axdse.gpu.bench.contest import Entry, Row, measure
from axdse.gpu.bench.gemm import gemm_entries
from axdse.gpu.bench.timing import Patience
from axdse.gpu.cpu.compile import FLAGS, cpu_flags, cpu_name
from axdse.multipliers.cores import cores
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.sandbox.compiler import compiler

METHOD = (
    "native FP32 torch and ours take turns within a round, in the same process; ratio: median "
    "over the rounds of ours / native, low and high its quartiles; rounds in which another "
    "process took a core away count only where too few others are left; results are compared "
    "with float64 sums of exact products first; memory: growth of the resident set, in fresh "
    "processes"
)
PATIENT, QUICK = Patience(least=7, most=31, seconds=2.0), Patience(2, 3, seconds=0.1)
CPU_FEATURES = ("avx2", "avx512f", "avx512vbmi", "avx512_bf16", "avx512_vnni", "asimd")


@dataclass(frozen=True)
class Record:
    """What was measured, where and how.

    Attributes:
        date: UTC, ISO 8601.
        cpu: its name.
        cores: that this process may use.
        features: of the CPU, those that kernels ask for.
        gpu: its name; empty if there is none.
        load_before: processes that wanted to run, mean of the last minute.
        system: name, release, machine.
        versions: of axdse, Python, torch and the C compiler.
        flags: of the C compiler.
        method: in words.
        quick: in a few rounds: a look, not a measurement.
        rows: the table.
    """

    date: str
    cpu: str
    cores: int
    features: tuple[str, ...]
    gpu: str
    load_before: float
    system: str
    versions: tuple[str, ...]
    flags: tuple[str, ...]
    method: str
    quick: bool
    rows: tuple[Row, ...]

    @property
    def is_right(self) -> bool:
        """No realisation gave a wrong result."""
        return all(row.verdict != "wrong" for row in self.rows)


@dataclass(frozen=True)
class Job:
    """One row to be."""

    work: str
    realisation: str
    run: Callable[[], Row]


def jobs(threads: Sequence[int], quick: bool, only: str | None = None) -> tuple[Job, ...]:
    """All rows of the table, or those whose "work, realisation" has `only` in it.

    Args:
        threads: numbers of host threads to measure with.
        quick: in a few rounds.
        only: text or a shell wildcard; case does not matter.

    Raises:
        AxdseError: no row matches.
    """
    entries = [
        entry
        for entry in (*gemm_entries(), *step_entries())
        if _matches(only, entry.work, entry.realisation)
    ]
    patience = QUICK if quick else PATIENT
    found = [job for entry in _once(entries) for job in _jobs_of(entry, threads, patience)]
    if _matches(only, WORK, ""):
        pairs = 1 if quick else 3
        found += [Job(WORK, "", partial(memory_row, count, pairs)) for count in threads]
    if not found:
        remedy = "try 'GEMM*vbmi' or 'LeNet-5'"
        raise AxdseError("--only selects rows of the table", repr(only), remedy)
    return tuple(found)


def _matches(only: str | None, work: str, realisation: str) -> bool:
    return fnmatchcase(f"{work}, {realisation}".lower(), f"*{only or ''}*".lower())


def _once(entries: Sequence[Entry]) -> list[Entry]:
    """One entry for all the work that a realisation cannot do here."""
    missing = {
        entry.realisation: replace(entry, work="any", target=None)
        for entry in entries
        if entry.missing
    }
    return [*(entry for entry in entries if not entry.missing), *missing.values()]


def _jobs_of(entry: Entry, threads: Sequence[int], patience: Patience) -> list[Job]:
    counts = threads[:1] if entry.on_gpu or entry.missing else threads
    return [
        Job(entry.work, entry.realisation, partial(measure, entry, count, patience))
        for count in counts
    ]


def record(rows: Sequence[Row], load_before: float, quick: bool) -> Record:
    """Rows with their provenance."""
    return Record(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        cpu=cpu_name(),
        cores=cores(),
        features=tuple(name for name in CPU_FEATURES if name in cpu_flags()),
        gpu=torch.cuda.get_device_name() if torch.cuda.is_available() else "",
        load_before=round(load_before, 1),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        versions=(
            f"axdse {version('axdse')}",
            f"Python {platform.python_version()}",
            f"torch {torch.__version__}",
            compiler()[1],
        ),
        flags=FLAGS,
        method=METHOD,
        quick=quick,
        rows=tuple(rows),
    )
