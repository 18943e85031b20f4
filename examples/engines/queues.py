"""Dask workers as jobs of a queue: `--engine queues:slurm`, `queues:pbs` or `queues:lsf`.

Each function returns the executor of a cluster that grows to what is asked for, and shrinks when
nothing is left to do. A worker does one job of a search at a time: one process of one core.
"""

from concurrent.futures import Executor
from typing import Any

from dask_jobqueue import LSFCluster, PBSCluster, SLURMCluster

WORKERS = 64
JOB: dict[str, Any] = {
    "cores": 1,  # more are of no use: a worker has one process of one thread
    "processes": 1,
    "memory": "4GB",
    "walltime": "04:00:00",
    # What a node needs before it finds axdse and its tools.
    "job_script_prologue": ["source /shared/axdse/.venv/bin/activate"],
    # A worker ends before the queue ends it, and another takes its place.
    "worker_extra_args": ["--lifetime", "3h", "--lifetime-stagger", "10m"],
}


def slurm() -> Executor:
    """SLURM."""
    return _executor(SLURMCluster(queue="batch", account="me", **JOB))


def pbs() -> Executor:
    """PBS and its relatives."""
    return _executor(PBSCluster(queue="batch", resource_spec="select=1:ncpus=1:mem=4gb", **JOB))


def lsf() -> Executor:
    """LSF, whose wall times have no seconds."""
    return _executor(LSFCluster(queue="normal", **{**JOB, "walltime": "04:00"}))


def _executor(cluster: Any) -> Executor:
    cluster.adapt(minimum=1, maximum=WORKERS)
    executor: Executor = cluster.get_client().get_executor(pure=False)
    return executor
