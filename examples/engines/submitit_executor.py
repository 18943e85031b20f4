"""Jobs of a search as jobs of SLURM, without dask: `--engine submitit_executor:slurm`.

Each job of the search waits in the queue for itself, which pays where trainings take minutes.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import submitit

FOLDER = "/shared/axdse/submitit"  # scripts, pickles and logs, where all nodes see them
MOST = 64  # jobs that wait or run at a time


class Queued(ThreadPoolExecutor):
    """A `concurrent.futures.Executor`, which submitit has none of: a thread waits for each job."""

    def __init__(self, queue: submitit.Executor) -> None:
        super().__init__(MOST)
        self._queue = queue

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Put a call into the queue."""
        return super().submit(lambda: self._queue.submit(function, *args, **kwargs).result())


def slurm() -> Queued:
    """SLURM, or processes of this machine where there is none."""
    queue = submitit.AutoExecutor(FOLDER)
    queue.update_parameters(timeout_min=240, cpus_per_task=1, mem_gb=4, slurm_partition="batch")
    return Queued(queue)
