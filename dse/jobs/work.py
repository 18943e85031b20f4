"""What does a worker do with a job? It checks that it may, fetches what it lacks, and runs it."""

import atexit
import contextlib
import functools
import importlib
import os
import platform
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from axdse.dse.jobs.freight import Unpacker, unpack
from axdse.dse.jobs.versions import Versions, code_version, versions
from axdse.multipliers.cache import temporary_folder
from axdse.multipliers.errors import AxdseError, MachineError
from axdse.multipliers.machine import machine_failure

R_co = TypeVar("R_co", covariant=True)
# Of one process: torch's generators and its number of threads are of the whole of it.
_ALONE = threading.Lock()
_scratch = contextlib.ExitStack()


class Job(Protocol[R_co]):
    """A picklable piece of work, which depends on nothing but itself: it may run again."""

    def run(self) -> R_co:
        """Do the work in a worker process."""
        ...


@dataclass(frozen=True)
class Order:
    """What a worker is sent.

    Attributes:
        job: packed, with the cell library that costs are of, or None.
        name: SHA-256 (hex) of it, and of the versions.
        versions: that a worker must have.
        threads: of torch and our kernels: they decide bits of native FP32.
        needed: parcels by name.
        sent: those that come along, names and data.
        shared: the folder where the others lie; empty: the worker has them, or asks.
        token: a file there.
        modules: the parcel that Python finds the user's workload in; empty: where it is.
    """

    job: bytes
    name: str
    versions: Versions
    threads: int
    needed: tuple[str, ...] = ()
    sent: tuple[tuple[str, bytes], ...] = ()
    shared: str = ""
    token: str = ""
    modules: str = ""


@dataclass(frozen=True)
class Answer:
    """What a worker sends back.

    Attributes:
        result: of the job; None if there is none.
        failure: why there is none, one line; empty if it did not fail.
        seconds: wall time of the job.
        interruption: what the machine did to it.
        missing: parcels that it asks for.
        refusal: why this worker may not work on this search.
    """

    result: Any = None
    failure: str = ""
    seconds: float = 0.0
    interruption: MachineError | None = None
    missing: tuple[str, ...] = ()
    refusal: AxdseError | None = None


@dataclass(frozen=True)
class Probe:
    """The job of saying who works."""

    def run(self) -> str:
        """Machine and process."""
        return who()


def who() -> str:
    """This process, for people."""
    return f"{platform.node()}, process {os.getpid()}"


def work(order: Order) -> Answer:
    """Do a job; whatever comes of it is an answer."""
    with _ALONE:
        start = time.monotonic()
        try:
            _check_here(order)
            folders, missing = _parcels(order)
            if missing:
                return Answer(missing=missing)
            job = _unpacked(order, folders)
        except AxdseError as error:
            return Answer(refusal=error)
        except Exception as error:  # noqa: BLE001  the boundary: a pickle may raise anything
            return _broken(error, time.monotonic() - start)
        start = time.monotonic()
        try:
            return Answer(job.run(), seconds=time.monotonic() - start)
        except Exception as error:  # noqa: BLE001  the boundary: one broken job is one failed trial
            return _broken(error, time.monotonic() - start)


def _broken(error: Exception, seconds: float) -> Answer:
    interruption = machine_failure(error)
    text = str(error) if isinstance(error, AxdseError) else f"{type(error).__name__}: {error}"
    return Answer(None, " ".join(text.split()), seconds, interruption)


def _check_here(order: Order) -> None:
    """Look whether this process may work on that search, as far as can be told at once."""
    _check(Versions(order.versions.code).mixture(code_version()))
    if order.token and not Path(order.shared, order.token).exists():
        rule = "a shared folder is seen by every worker"
        remedy = "mount it there, or leave --shared out"
        raise AxdseError(rule, f"{who()} has another {order.shared}", remedy)


def _check(mixture: str) -> None:
    if mixture:
        rule = "workers have the coordinator's versions: others may give other bits"
        remedy = "install the same there, and start the workers again"
        raise AxdseError(rule, f"{who()}: {mixture}", remedy)


@functools.cache
def _folder() -> Path:
    """Of this process, for what is unpacked."""
    folder = _scratch.enter_context(temporary_folder())
    atexit.register(_scratch.close)
    return folder


def _parcels(order: Order) -> tuple[dict[str, Path], tuple[str, ...]]:
    """Folders of those needed, and the names of those that are not here."""
    sent, missing, folders = dict(order.sent), [], {}
    for name in order.needed:
        place = folders[name] = _folder() / name
        if place.exists():
            continue
        data = sent.get(name)
        if data is None and order.shared:
            with contextlib.suppress(OSError):
                data = Path(order.shared, name).read_bytes()
        if data is None or not unpack(data, name, place):
            missing.append(name)
    return folders, tuple(missing)


def _unpacked(order: Order, folders: dict[str, Path]) -> Job[Any]:
    import torch

    packed: tuple[Job[Any], Path | None] = Unpacker(order.job, folders).load()
    job, library = packed
    if order.versions.tools:
        _check(order.versions.mixture(versions(library)))
    if order.modules:
        _use_modules(folders[order.modules])
    if torch.get_num_threads() != order.threads:
        torch.set_num_threads(order.threads)
    return job


def _use_modules(folder: Path) -> None:
    """Let Python find the user's workload there, and forget that of an earlier search."""
    # It imports torch, and this module is imported by whoever sends jobs.
    from axdse.dse.training.task import make

    # That of the working folder comes after it.
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)
    if sys.path[0] == str(folder):
        return
    for name, module in tuple(sys.modules.items()):
        if Path(getattr(module, "__file__", None) or "/").is_relative_to(_folder()):
            del sys.modules[name]
    make.cache_clear()
    importlib.invalidate_caches()
    sys.path.insert(0, str(folder))
