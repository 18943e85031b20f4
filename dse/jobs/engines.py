"""On what does a search run? Any executor: our own processes, a cluster of dask, a user's."""

import importlib
import sys
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axdse.dse.jobs.processes import CrashError, Processes
from axdse.multipliers.errors import AxdseError

LOCAL = "processes"
WAIT_S = 60.0
DASK = {"dask://": "tcp://", "dask+tls://": "tls://"}
MOST_SLOTS = 256  # jobs that an engine is given at a time, which tells no number
REMEDY = f"write {LOCAL}, dask://HOST:PORT or package.module:factory"


@dataclass(frozen=True, eq=False)
class Engine:
    """What runs jobs.

    Attributes:
        name: as the user gave it.
        executor: that takes them.
        slots: how many it can run at a time, now.
        close: lets go of it, or ends it if it is ours; what runs is not waited for.
        local: its workers are processes of this machine and user.
        final: errors after which a job is not sent again.
    """

    name: str
    executor: Executor
    slots: Callable[[], int]
    close: Callable[[], None]
    local: bool = False
    final: tuple[type[BaseException], ...] = ()


def processes(count: int) -> Engine:
    """Spawned processes of this machine."""
    pool = Processes(count)
    return Engine(LOCAL, pool, lambda: count, pool.kill, local=True, final=(CrashError,))


def open_engine(text: str, count: int, wait_s: float = WAIT_S) -> Engine:
    """Find an engine.

    Args:
        text: `processes`, `dask://host:port`, or `package.module:factory` of an executor.
        count: of processes, if it is those.
        wait_s: how long it may take to answer.

    Raises:
        AxdseError: there is none of that name, or it does not answer.
    """
    if text == LOCAL:
        return processes(count)
    for begin, protocol in DASK.items():
        if text.startswith(begin):
            return _dask(text, protocol + text.removeprefix(begin), wait_s)
    return _of_user(text)


def _dask(name: str, address: str, wait_s: float) -> Engine:
    try:
        from axdse.dse.jobs.dask_engine import connect
    except ImportError as error:
        rule = "an engine of dask needs its library"
        raise AxdseError(rule, error, "pip install 'axdse[dask]'") from error
    cluster = connect(name, address, wait_s)
    return Engine(name, cluster.executor, cluster.slots, cluster.close, final=(cluster.killed,))


def _of_user(text: str) -> Engine:
    module, _, name = text.partition(":")
    rule = "an engine is a function that returns a concurrent.futures.Executor"
    if not (name.isidentifier() and all(part.isidentifier() for part in module.split("."))):
        raise AxdseError("unknown engine", text, REMEDY)
    # As `python -m` does: modules of the working folder are found.
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        executor: Any = getattr(importlib.import_module(module), name)()
    except Exception as error:
        what = f"{text}: {type(error).__name__}: {error}"
        raise AxdseError(rule, what, "correct it; --debug shows the traceback") from error
    if not isinstance(executor, Executor):
        raise AxdseError(rule, f"{text} returns a {type(executor).__name__}", "wrap it in one")

    def close() -> None:
        executor.shutdown(wait=False, cancel_futures=True)

    return Engine(text, executor, lambda: MOST_SLOTS, close)
