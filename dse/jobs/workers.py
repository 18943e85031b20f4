"""How do jobs get done? Handed to an engine, sent again if it loses them, each told of once.

A job is a function of itself alone: it has no callback, and running it twice gives the same. So
one that is lost with its worker is sent again, and only the answer to the latest of them counts.
What fails by itself would fail again, and is not repeated.
"""

import logging
import signal
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar
from uuid import uuid4

from axdse.dse.ending import Ended
from axdse.dse.jobs.engines import WAIT_S, Engine, processes
from axdse.dse.jobs.freight import Freight, pack
from axdse.dse.jobs.processes import CrashError
from axdse.dse.jobs.versions import code_version, versions
from axdse.dse.jobs.work import Answer, Job, Order, Probe, work
from axdse.multipliers.cache import digest, write_output
from axdse.multipliers.errors import AxdseError, MachineError

J = TypeVar("J", bound="Job[Any]")
# Interruptions of a job, while no other had an outcome, that end a search; and how often one that
# is lost is sent again.
STRIKES = 3
PAUSE_S = 0.5
LOOK_S = 0.2  # after which it is looked whether to finish
log = logging.getLogger(__name__)


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


@dataclass(frozen=True, eq=False)
class _Sent:
    """A job, what it is sent as, and how often it was lost."""

    job: Any
    order: Order
    losses: int = 0


class Workers:
    """Those of an engine. A worker that dies breaks only its own job, and that runs again.

    Args:
        engine: where jobs run; a number: so many processes of this machine.
        threads: of each: the bits of native FP32 depend on them.
    """

    def __init__(self, engine: Engine | int, threads: int = 1) -> None:
        self.engine = processes(engine) if isinstance(engine, int) else engine
        self._threads = threads
        self._versions = code_version()
        self._library: Path | None = None
        self._freight = Freight()
        self._shared = self._token = self._modules = ""
        self._running: dict[Future[Answer], _Sent] = {}
        self._again: deque[_Sent] = deque()
        self._strikes = Counter[str]()
        self._finishing = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.engine.close()
        if self._token:
            Path(self._shared, self._token).unlink(missing_ok=True)

    @property
    def running(self) -> int:
        """How many jobs the engine has."""
        return len(self._running)

    def greet(self, library: Path | None, shared: Path | None, wait_s: float = WAIT_S) -> None:
        """Find out, before any work, whether an engine elsewhere can do it.

        Args:
            library: that costs are of.
            shared: a folder that all its workers see, for files that jobs take along; None: they
                come with the jobs.
            wait_s: how long the first worker may take to answer.

        Raises:
            AxdseError: none does, it has other versions, or the folder is not shared.
        """
        if self.engine.local:
            return
        self._versions, self._library = versions(library), library
        if shared:
            self._shared, self._token = _token(shared)
        probe = self._sent(Probe())
        end = time.monotonic() + wait_s
        while True:
            future = self.engine.executor.submit(work, probe.order)
            try:
                answer = future.result(max(0.0, end - time.monotonic()))
            except Exception as error:
                rule = f"a worker of an engine answers within {wait_s:g} s"
                what = f"{self.engine.name}: {' '.join(f'{type(error).__name__} {error}'.split())}"
                remedy = "start its workers, with axdse installed, or give --engine-wait"
                raise AxdseError(rule, what, remedy) from error
            if answer.refusal:
                raise answer.refusal
            if not answer.missing:
                return
            probe = self._with(probe, answer.missing)

    def carry(self, folders: Iterable[Path], modules: Path | None = None) -> None:
        """Let workers elsewhere have files of a run.

        Args:
            folders: that belong together, such as catalogues.
            modules: folder where Python finds the user's workload.
        """
        if self.engine.local:
            return
        self._freight = Freight(folders)
        if modules and modules.is_dir():
            self._modules = self._freight.add(modules).name

    def finish(self) -> None:
        """Hand out no more; `run` ends when all that runs has ended. A signal may call it."""
        self._finishing = True

    def run(self, jobs: Iterator[J | None]) -> Iterator[Outcome[J]]:
        """Yield outcomes as they come; a job is drawn only once a worker is free for it.

        Args:
            jobs: where the work comes from; it may depend on earlier outcomes. None: there is
                none before the next outcome.

        Raises:
            Ended: all that ran is told of, after `finish`.
            MachineError: three interruptions of one job with no outcome between them.
            AxdseError: a worker has other versions.
        """
        said = False
        while True:
            if not self._finishing:
                self._hand_out(jobs)
            elif not said:
                said = True
                log.warning("%d running jobs finish; Ctrl-C again stops at once", self.running)
            if not self._running:
                break
            done, _ = wait(self._running, LOOK_S, FIRST_COMPLETED)
            # As they were sent: what is written then does not depend on the order of a set.
            for future in [each for each in self._running if each in done]:
                yield from self._receive(future)
        if self._finishing:
            raise Ended(signal.SIGINT)

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
        while len(self._running) < self.engine.slots():
            if self._again:
                sent = self._again.popleft()
            elif (job := next(jobs, None)) is not None:
                sent = self._sent(job)
            else:
                return
            try:
                future = self.engine.executor.submit(work, sent.order)
            except Exception as error:
                raise _machine_error(error) from error
            self._running[future] = sent

    def _sent(self, job: Any) -> _Sent:
        """A job as it is sent, named by all that its result depends on."""
        content = (job, self._library)
        packed, needed = (pack(content), ()) if self.engine.local else self._freight.pack(content)
        modules = (self._modules,) if self._modules else ()
        order = Order(
            job=packed,
            name=digest(packed, repr(self._versions), str(self._threads), *modules),
            versions=self._versions,
            threads=self._threads,
            needed=tuple(dict.fromkeys((*needed, *modules))),
            shared=self._shared,
            token=self._token,
            modules=self._modules,
        )
        for name in order.needed if self._shared else ():
            self._share(name)
        return _Sent(job, order)

    def _share(self, name: str) -> None:
        place = Path(self._shared, name)
        if not place.exists():
            write_output(place, self._freight.data(name))

    def _with(self, sent: _Sent, missing: Iterable[str]) -> _Sent:
        """The same with parcels that a worker lacks."""
        along = tuple((name, self._freight.data(name)) for name in missing)
        return replace(sent, order=replace(sent.order, sent=along))

    def _receive(self, future: Future[Answer]) -> Iterator[Outcome[Any]]:
        sent = self._running.pop(future)
        try:
            answer = future.result()
        except self.engine.final as error:
            answer = Answer(failure=_line(error))
        except Exception as error:  # noqa: BLE001  the boundary: engines have errors of their own
            lost = replace(sent, losses=sent.losses + 1)
            failure = _machine_error(error)
            if lost.losses <= STRIKES:
                self._interrupt(lost, failure)
                return
            answer = Answer(failure=f"it was lost {lost.losses} times: {failure.value}")
        if answer.refusal:
            raise answer.refusal
        if answer.missing:
            self._again.append(self._with(sent, answer.missing))
        elif answer.interruption:
            self._interrupt(sent, answer.interruption)
        else:
            self._strikes.clear()
            yield Outcome(sent.job, answer.result, answer.failure, answer.seconds)

    def _interrupt(self, sent: _Sent, failure: MachineError) -> None:
        """Put a job back, unless the machine shows no sign of getting well."""
        self._strikes[sent.order.name] += 1
        if self._strikes[sent.order.name] == STRIKES:
            raise failure
        log.warning("interrupted, tried again: %s", failure)
        self._again.append(sent)
        time.sleep(PAUSE_S)


def _machine_error(error: Exception) -> MachineError:
    if isinstance(error, MachineError):
        return error
    remedy = "see the logs of the engine and of its workers"
    return MachineError("a job needs its worker", _line(error), remedy)


def _line(error: BaseException) -> str:
    text = f"{error}" if isinstance(error, CrashError) else f"{type(error).__name__} {error}"
    return " ".join(text.split())


def _token(shared: Path) -> tuple[str, str]:
    """The folder, and the name of a file in it that only it has."""
    name = f"axdse-{uuid4().hex}"
    write_output(shared / name, b"")
    return str(shared.absolute()), name
