"""Jobs that tests give to workers, in a module that those can import."""

import errno
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from axdse.dse.jobs.work import Order
from axdse.flows.tools import run_process
from axdse.multipliers.errors import AxdseError

LIMIT_S = 60


@dataclass(frozen=True)
class Say:
    value: object

    def run(self) -> object:
        return self.value


@dataclass(frozen=True)
class FileOf:
    path: Path
    number: int = 1

    def run(self) -> tuple[Path, str]:
        return self.path, self.path.read_text()


@dataclass(frozen=True)
class Break:
    def run(self) -> None:
        raise ValueError("broken\nin two lines")


@dataclass(frozen=True)
class Refuse:
    def run(self) -> None:
        raise AxdseError("a rule", "a value", "a remedy")


@dataclass(frozen=True)
class Die:
    signal: int = signal.SIGSEGV

    def run(self) -> None:
        os.kill(os.getpid(), self.signal)


@dataclass(frozen=True)
class KilledOnce:
    path: str

    def run(self) -> str:
        if not os.path.exists(self.path):  # noqa: PTH110
            Path(self.path).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return "done"


@dataclass(frozen=True)
class Full:
    def run(self) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@dataclass(frozen=True)
class Sleep:
    path: str

    def run(self) -> None:
        Path(self.path).write_text(str(os.getpid()))
        time.sleep(60)


@dataclass(frozen=True)
class Tool:
    path: str

    def run(self) -> None:
        script = f"echo $$ > {self.path}; exec sleep 60"
        log = Path(f"{self.path}.log")
        run_process("sleep", ["sh", "-c", script], log.parent, log, 60, None)


class Inline(Executor):
    """Runs a job at once, in this process; `change` looks at what it is sent."""

    def __init__(self, change: Callable[[Order], Order] = lambda order: order) -> None:
        self.orders: list[Order] = []
        self._change = change

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.orders += args
        future.set_result(function(*map(self._change, args)))
        return future


def of_another_version() -> Executor:
    """As if the coordinator had another Python than its workers."""
    return Inline(lambda order: replace(order, versions=replace(order.versions, python="2.7")))


def elsewhere() -> Executor:
    """As if its workers did not see the coordinator's folders."""
    return Inline(lambda order: replace(order, shared="/elsewhere"))


def pool() -> Executor:
    return ProcessPoolExecutor(1, get_context("spawn"))


def wait() -> None:
    """No engine."""


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)
