"""Worker processes: each runs one job at a time, may ask the parent, and dies alone."""

import contextlib
import itertools
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing import connection, get_context
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

from axdse.flows.tools import kill_running
from axdse.multipliers.errors import AxdseError

Ask = Callable[[Any], Any]
R_co = TypeVar("R_co", covariant=True)
J = TypeVar("J", bound="Job[Any]")
WATCH_S = 0.2
GRACE_S = 2.0


class Job(Protocol[R_co]):
    """A picklable piece of work; `ask` puts a question to the parent and waits for the answer."""

    def run(self, ask: Ask) -> R_co:
        """Do the work in a worker process."""
        ...


@dataclass(frozen=True)
class Outcome(Generic[J]):
    """How a job ended.

    Attributes:
        job: the job.
        result: what it returned; None if it failed.
        failure: why it failed, one line; empty if it did not.
        seconds: wall time inside the worker.
    """

    job: J
    result: Any
    failure: str
    seconds: float


@dataclass(frozen=True)
class _Question:
    content: Any


class _Worker:
    """One process and the pipe to it. A spawned process shares no lock or thread with us."""

    def __init__(self, threads: int) -> None:
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(
            target=_serve, args=(theirs, os.getpid(), threads), daemon=True
        )
        self.process.start()
        theirs.close()
        self.job: Any = None
        self.started = 0.0

    @property
    def busy(self) -> bool:
        return self.job is not None

    def give(self, job: Any) -> None:
        self.job, self.started = job, time.monotonic()
        self.tell(job)

    def tell(self, message: Any) -> None:
        # If nobody listens any more, the end of the pipe says so at the next wait.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.pipe.send(message)

    def kill(self) -> None:
        """End the process; it is asked first, as only it knows the tools that it started."""
        pid = self.process.pid
        assert pid is not None
        self.process.terminate()
        self.process.join(GRACE_S)
        for end in (os.killpg, os.kill):
            with contextlib.suppress(ProcessLookupError):
                end(pid, signal.SIGKILL)
        self.process.join()
        self.pipe.close()

    def epitaph(self) -> str:
        self.process.join()
        code = self.process.exitcode or 0
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return f"its worker process died ({how})"


class Workers:
    """A pool in which a dying process breaks only its own job.

    Args:
        count: number of processes; the cores are shared out among them.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._threads = max(1, cores() // count)
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in self._workers:
            worker.kill()

    def run(self, jobs: Iterator[J], answer: Ask | None = None) -> Iterator[Outcome[J]]:
        """Yield outcomes as they come; a job is drawn only once a worker is free for it.

        Args:
            jobs: where the work comes from; it may depend on earlier outcomes.
            answer: replies to the questions of running jobs, in this process.
        """
        while True:
            self._hand_out(jobs)
            busy = [worker for worker in self._workers if worker.busy]
            if not busy:
                return
            ready = connection.wait([worker.pipe for worker in busy])
            for worker in [worker for worker in busy if worker.pipe in ready]:
                yield from self._receive(worker, answer)

    def results(
        self, jobs: Iterable[J], rule: str, name: Callable[[J], str]
    ) -> Iterator[Outcome[J]]:
        """Run jobs of which none may fail.

        Args:
            jobs: where the work comes from.
            rule: that one which fails breaks.
            name: of a job, for people.

        Raises:
            AxdseError: a job failed.
        """
        for outcome in self.run(iter(jobs)):
            if outcome.failure:
                what = f"{name(outcome.job)}: {outcome.failure}"
                raise AxdseError(rule, what, "remove the cause, then --resume")
            yield outcome

    def _hand_out(self, jobs: Iterator[J]) -> None:
        busy = sum(worker.busy for worker in self._workers)
        for job in itertools.islice(jobs, self._count - busy):
            self._free_worker().give(job)

    def _free_worker(self) -> _Worker:
        """An idle process; processes start when they are first needed."""
        for worker in self._workers:
            if not worker.busy and worker.process.is_alive():
                return worker
        self._workers = [worker for worker in self._workers if worker.busy]
        self._workers.append(_Worker(self._threads))
        return self._workers[-1]

    def _receive(self, worker: _Worker, answer: Ask | None) -> Iterator[Outcome[Any]]:
        try:
            message = worker.pipe.recv()
        except (EOFError, OSError):
            seconds = time.monotonic() - worker.started
            job, reason = worker.job, worker.epitaph()
            worker.kill()
            self._workers.remove(worker)
            yield Outcome(job, None, reason, seconds)
            return
        if isinstance(message, _Question):
            assert answer is not None
            worker.tell(answer(message.content))
            return
        job, worker.job = worker.job, None
        yield Outcome(job, *message)


def cores() -> int:
    """Number of cores this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def _serve(pipe: connection.Connection, parent: int, threads: int) -> None:
    """Main function of a worker process."""
    # A group of its own: Ctrl-C is the parent's business, and one kill also ends our tools.
    os.setsid()
    signal.signal(signal.SIGTERM, lambda number, frame: _end())
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()
    import torch

    torch.set_num_threads(threads)
    while True:
        try:
            job = pipe.recv()
        except EOFError:
            return
        start = time.monotonic()
        result, failure = _attempt(job, pipe)
        pipe.send((result, failure, time.monotonic() - start))


def _attempt(job: Job[Any], pipe: connection.Connection) -> tuple[Any, str]:
    def ask(question: Any) -> Any:
        pipe.send(_Question(question))
        return pipe.recv()

    try:
        return job.run(ask), ""
    except AxdseError as error:
        return None, str(error)
    except Exception as error:  # noqa: BLE001  the boundary: one broken job is one failed trial
        return None, " ".join(f"{type(error).__name__}: {error}".split())


def _die_with(parent: int) -> None:
    """End this process group as soon as the parent is gone, however it went."""
    while os.getppid() == parent:
        time.sleep(WATCH_S)
    _end()


def _end() -> None:
    """End this process group and our tools, which have process groups of their own."""
    kill_running()
    os.killpg(0, signal.SIGKILL)
