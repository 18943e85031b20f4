"""Who does the work? Each does one job at a time, dies alone; the machine's faults run again."""

import contextlib
import logging
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing import connection, get_context
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

from axdse.dse.ending import held
from axdse.flows.tools import kill_running
from axdse.multipliers.cores import cores
from axdse.multipliers.errors import AxdseError, MachineError
from axdse.multipliers.machine import OUTSIDE, WHO, machine_failure

R_co = TypeVar("R_co", covariant=True)
J = TypeVar("J", bound="Job[Any]")
WATCH_S = 0.2
GRACE_S = 2.0
# Interruptions of one job, or one after another, that end a search.
STRIKES = 3
PAUSE_S = 0.5
log = logging.getLogger(__name__)


class Job(Protocol[R_co]):
    """A picklable piece of work, which depends on nothing but itself: it may run again."""

    def run(self) -> R_co:
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
class _Answer:
    """What a worker sends: a result, why there is none, or what the machine did."""

    result: Any
    failure: str
    seconds: float
    interruption: MachineError | None = None


class _Worker:
    """One process and the pipe to it. A spawned process shares no lock or thread with us."""

    def __init__(self, threads: int) -> None:
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(
            target=_serve, args=(theirs, os.getpid(), threads), daemon=True
        )
        # A process that is half started would have no parent to tell it what to do. Until it has a
        # session of its own, a Ctrl-C would reach it too.
        with held():
            blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                self.process.start()
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        theirs.close()
        self.job: Any = None
        self.started = 0.0

    @property
    def busy(self) -> bool:
        return self.job is not None

    def give(self, job: Any) -> None:
        self.job, self.started = job, time.monotonic()
        # If nobody listens any more, the end of the pipe says so at the next wait.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.pipe.send(job)

    def take(self) -> tuple[Any, _Answer]:
        """The job and what came of it; a worker that died is named."""
        job, self.job = self.job, None
        try:
            return job, self.pipe.recv()
        except (EOFError, OSError):
            return job, self._death()

    def _death(self) -> _Answer:
        self.process.join()
        code = self.process.exitcode or 0
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        seconds = time.monotonic() - self.started
        if code < 0 and -code not in OUTSIDE:  # a crash of its own, which would come again
            return _Answer(None, f"its worker process died ({how})", seconds)
        interruption = MachineError("a job needs its worker process", f"it died ({how})", WHO)
        return _Answer(None, "", seconds, interruption)

    def ask_to_end(self) -> None:
        self.process.terminate()

    def kill(self) -> None:
        """End the process; it is asked first, as only it knows the tools that it started."""
        pid = self.process.pid
        assert pid is not None
        self.ask_to_end()
        self.process.join(GRACE_S)
        self.process.kill()
        _kill_session(pid)
        self.process.join()
        self.pipe.close()


class Workers:
    """A pool in which a dying process breaks only its own job.

    A job that meets a failure of the machine is interrupted: it runs again after a pause.

    Args:
        count: number of processes; the cores are shared out among them.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._threads = max(1, cores() // count)
        self._workers: list[_Worker] = []
        self._again: deque[Any] = deque()
        self._strikes: dict[int, int] = {}
        self._in_a_row = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in self._workers:
            worker.ask_to_end()
        for worker in self._workers:
            worker.kill()

    def run(self, jobs: Iterator[J | None]) -> Iterator[Outcome[J]]:
        """Yield outcomes as they come; a job is drawn only once a worker is free for it.

        Args:
            jobs: where the work comes from; it may depend on earlier outcomes. None: there is
                none before the next outcome.

        Raises:
            MachineError: three interruptions of one job, or with no outcome between them.
        """
        while True:
            self._hand_out(jobs)
            busy = [worker for worker in self._workers if worker.busy]
            if not busy:
                return
            ready = connection.wait([worker.pipe for worker in busy])
            for worker in [worker for worker in busy if worker.pipe in ready]:
                yield from self._receive(worker)

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
            MachineError: as `run`.
        """
        for outcome in self.run(iter(jobs)):
            if outcome.failure:
                what = f"{name(outcome.job)}: {outcome.failure}"
                raise AxdseError(rule, what, "remove the cause, then --resume")
            yield outcome

    def _hand_out(self, jobs: Iterator[J | None]) -> None:
        while sum(worker.busy for worker in self._workers) < self._count:
            job = self._again.popleft() if self._again else next(jobs, None)
            if job is None:
                return
            self._free_worker().give(job)

    def _free_worker(self) -> _Worker:
        """An idle process; processes start when they are first needed."""
        for worker in self._workers:
            if not worker.busy and worker.process.is_alive():
                return worker
        self._workers = [worker for worker in self._workers if worker.busy]
        self._workers.append(_Worker(self._threads))
        return self._workers[-1]

    def _receive(self, worker: _Worker) -> Iterator[Outcome[Any]]:
        job, answer = worker.take()
        if not worker.process.is_alive():
            worker.kill()
            self._workers.remove(worker)
        if answer.interruption:
            self._interrupt(job, answer.interruption)
            return
        self._in_a_row = 0
        self._strikes.pop(id(job), None)
        yield Outcome(job, answer.result, answer.failure, answer.seconds)

    def _interrupt(self, job: Any, failure: MachineError) -> None:
        """Put a job back, unless the machine shows no sign of getting well."""
        self._in_a_row += 1
        self._strikes[id(job)] = self._strikes.get(id(job), 0) + 1
        if STRIKES in (self._in_a_row, self._strikes[id(job)]):
            raise failure
        log.warning("interrupted, tried again: %s", failure)
        self._again.append(job)
        time.sleep(PAUSE_S)


def _serve(pipe: connection.Connection, parent: int, threads: int) -> None:
    """Main function of a worker process."""
    # A session of its own: Ctrl-C is the parent's business, and one search finds all our tools.
    os.setsid()
    signal.signal(signal.SIGINT, lambda number, frame: None)  # one that came before
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.signal(signal.SIGTERM, lambda number, frame: _end())
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()
    import torch

    # Not more than torch takes by itself: OMP_NUM_THREADS, or the cores that are no hyperthreads.
    torch.set_num_threads(min(threads, torch.get_num_threads()))
    with contextlib.suppress(EOFError, OSError):
        while True:
            pipe.send(_attempt(pipe.recv()))
    _end()


def _attempt(job: Job[Any]) -> _Answer:
    start = time.monotonic()
    result, failure, interruption = None, "", None
    try:
        result = job.run()
    except Exception as error:  # noqa: BLE001  the boundary: one broken job is one failed trial
        interruption = machine_failure(error)
        text = str(error) if isinstance(error, AxdseError) else f"{type(error).__name__}: {error}"
        failure = " ".join(text.split())
    return _Answer(result, failure, time.monotonic() - start, interruption)


def _die_with(parent: int) -> None:
    """End this process group as soon as the parent is gone, however it went."""
    while os.getppid() == parent:
        time.sleep(WATCH_S)
    _end()


def _end() -> None:
    """End this process group and our tools, which have process groups of their own."""
    kill_running()
    os.killpg(0, signal.SIGKILL)


def _kill_session(leader: int) -> None:
    """Kill what is left of a worker: a process that was killed could not end its tools."""
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # pid (name) state parent group session ...; see proc(5).
            if int(entry.read_text().rpartition(")")[2].split()[3]) == leader:
                os.kill(int(entry.parent.name), signal.SIGKILL)
