"""What does a cluster of dask do for a search? Its scheduler hands out jobs; TLS is its own."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from distributed import Client, KilledWorker

from axdse.multipliers.errors import AxdseError

LOOK_S = 1.0  # how old the number of workers may be
A_WORKER = 2  # jobs that are sent to one: it need not wait for the next


@dataclass(frozen=True, eq=False)
class Cluster:
    """A scheduler that answered; the attributes are those of `axdse.dse.jobs.engines.Engine`."""

    executor: Executor
    slots: Callable[[], int]
    close: Callable[[], None]
    killed: type[BaseException] = KilledWorker


def connect(name: str, address: str, wait_s: float) -> Cluster:
    """Ask a scheduler to take our jobs.

    Args:
        name: for people.
        address: such as `tcp://127.0.0.1:8786`.
        wait_s: how long it may take to answer.

    Raises:
        AxdseError: it does not answer, or a worker would do several jobs at a time.
    """
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what is wrong, we say
    try:
        client = Client(address, timeout=wait_s, set_as_default=False)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        rule = f"an engine answers within {wait_s:g} s"
        what = f"{name}: {type(error).__name__} {error}"
        raise AxdseError(rule, what, "start its scheduler, or correct the address") from error
    for worker, threads in client.nthreads().items():
        if threads != 1:
            client.close()
            rule = "a worker of an engine does one job at a time"
            raise AxdseError(rule, f"{worker} has {threads} threads", "start it with --nthreads 1")
    return Cluster(client.get_executor(pure=False, retries=0), _Slots(client), client.close)


class _Slots:
    """Two jobs a worker, of which one waits there while the other runs; workers come and go."""

    def __init__(self, client: Client) -> None:
        self._client, self._count, self._asked = client, A_WORKER, float("-inf")

    def __call__(self) -> int:
        if time.monotonic() - self._asked > LOOK_S:
            self._asked = time.monotonic()
            try:
                self._count = A_WORKER * max(1, len(self._client.nthreads()))
            except (OSError, RuntimeError, ValueError):  # what was sent there says it too
                self._count = A_WORKER
        return self._count
