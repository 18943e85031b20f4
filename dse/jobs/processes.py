"""Who runs jobs on this machine? Spawned processes, of which one that dies takes no other along.

The pools of concurrent.futures, loky and pebble share pipes and locks among their workers: where
one is killed, jobs of others break with it, or wait for ever for a lock that it held. Here a
process has a pipe of its own, and a thread of ours at the other end.
"""

import contextlib
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from multiprocessing import connection, get_context
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, ParamSpec, TypeVar

from axdse.flows.tools import kill_running
from axdse.multipliers.errors import MachineError
from axdse.multipliers.machine import OUTSIDE, WHO

P = ParamSpec("P")
T = TypeVar("T")
WATCH_S = 0.2
GRACE_S = 2.0


class CrashError(Exception):
    """A process died of what it ran, and would again."""


class Processes(Executor):
    """An executor of spawned processes; they start when they are first needed.

    A future of a process that died raises `CrashError`, or `MachineError` if it was killed from
    outside: then the same may be submitted again.

    Args:
        count: of processes, at most.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._tasks: SimpleQueue[tuple[Future[Any], Any] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._workers: set[_Worker] = set()
        self._idle = 0
        self._lock = threading.Lock()
        self._closed = self._killed = False

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run a function that a process can import, of what can be pickled."""
        with self._lock:
            if self._closed:
                raise RuntimeError("no job is taken after a shutdown")
            future: Future[T] = Future()
            self._tasks.put((future, (function, args, kwargs)))
            if self._idle:
                self._idle -= 1
            elif len(self._threads) < self._count:
                thread = threading.Thread(target=self._serve, daemon=True)
                self._threads.append(thread)
                thread.start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more; the processes end after what was submitted, or what runs."""
        with self._lock:
            self._closed = True
        if cancel_futures:
            self._cancel()
        for _ in self._threads:
            self._tasks.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def kill(self) -> None:
        """End the processes and the tools that they run, now."""
        with self._lock:
            self._closed = self._killed = True
            workers = tuple(self._workers)
        for worker in workers:
            worker.ask_to_end()
        self.shutdown(wait=False, cancel_futures=True)
        end = time.monotonic() + GRACE_S
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        for worker in workers:  # what computes in C hears nothing
            worker.process.kill()
        for thread in self._threads:
            thread.join()

    def _cancel(self) -> None:
        with contextlib.suppress(Empty):
            while True:
                task = self._tasks.get_nowait()
                if task:
                    task[0].cancel()

    def _serve(self) -> None:
        """Run tasks in one process after another: of each a new one takes the place."""
        worker: _Worker | None = None
        while task := self._next():
            future, call = task
            if future.set_running_or_notify_cancel():
                worker = self._run(worker, future, call)
        if worker:
            self._end(worker)

    def _next(self) -> tuple[Future[Any], Any] | None:
        try:
            return self._tasks.get_nowait()
        except Empty:
            with self._lock:
                self._idle += 1
            return self._tasks.get()

    def _run(self, worker: "_Worker | None", future: Future[Any], call: Any) -> "_Worker | None":
        worker = self._living(worker)
        try:
            worker = worker or self._start()
            result, error = worker.answer(call)
        except Exception as found:  # noqa: BLE001  the boundary: no process, or no pickle
            result, error = None, found
        worker = self._living(worker)
        if error:
            future.set_exception(error)
        else:
            future.set_result(result)
        return worker

    def _start(self) -> "_Worker":
        with self._lock:
            if self._killed:
                raise MachineError("a job needs its worker process", "all were ended", WHO)
            worker = _Worker()
            self._workers.add(worker)
            return worker

    def _living(self, worker: "_Worker | None") -> "_Worker | None":
        if worker is None or worker.process.is_alive():
            return worker
        self._end(worker)
        return None

    def _end(self, worker: "_Worker") -> None:
        with self._lock:
            self._workers.discard(worker)
        worker.kill()


class _Worker:
    """One process and the pipe to it. A spawned process shares no lock or thread with us."""

    def __init__(self) -> None:
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, os.getpid()), daemon=True)
        # Until it has a session of its own, a Ctrl-C would reach it too.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        theirs.close()

    def answer(self, call: Any) -> tuple[Any, BaseException | None]:
        """What came of a call: a result, or an error."""
        # If nobody listens any more, the end of the pipe says so.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.pipe.send(call)
        try:
            result, error = self.pipe.recv()
        except (EOFError, OSError):
            return None, self._death()
        return result, error

    def _death(self) -> Exception:
        self.process.join()
        code = self.process.exitcode or 0
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        if code < 0 and -code not in OUTSIDE:
            return CrashError(f"its worker process died ({how})")
        return MachineError("a job needs its worker process", f"it died ({how})", WHO)

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


def _serve(pipe: connection.Connection, parent: int) -> None:
    """Main function of a worker process."""
    # A session of its own: Ctrl-C is the parent's business, and one search finds all our tools.
    os.setsid()
    signal.signal(signal.SIGINT, lambda number, frame: None)  # one that came before
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.signal(signal.SIGTERM, lambda number, frame: _end())
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()
    with contextlib.suppress(EOFError, OSError):
        while True:
            function, args, kwargs = pipe.recv()
            pipe.send_bytes(_attempt(function, args, kwargs))
    _end()


def _attempt(function: Any, args: Any, kwargs: Any) -> bytes:
    """What came of a call, pickled."""
    try:
        return pickle.dumps((function(*args, **kwargs), None))
    except Exception as error:  # noqa: BLE001  the boundary: the future raises it again
        return pickle.dumps((None, error))


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
