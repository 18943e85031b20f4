"""A scheduler and workers of dask on this machine, as a user starts them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from worker_jobs import wait_until

# The command `dask` of this Python.
DASK = [sys.executable, "-c", "import sys; from dask.__main__ import main; main()"]
CONTRACTS = str(Path(__file__).parent)


@contextmanager
def dask(folder: Path, kind: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command of dask in a folder, ended with all that it started; its log is `KIND.log`."""
    path = os.pathsep.join((CONTRACTS, os.environ.get("PYTHONPATH", "")))
    with (folder / f"{kind}.log").open("w") as log:
        process = subprocess.Popen(
            [*DASK, kind, *arguments, "--no-dashboard"],
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONPATH": path},
            start_new_session=True,
        )
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def dask_scheduler(folder: Path) -> Iterator[str]:
    """Its address, without a protocol."""
    with dask(folder, "scheduler", "--port", "0", "--host", "127.0.0.1"):
        log = folder / "scheduler.log"
        wait_until(lambda: "tcp://127.0.0.1:" in log.read_text())
        yield log.read_text().partition("tcp://")[2].split()[0]


@contextmanager
def dask_workers(folder: Path, address: str, count: int) -> Iterator[None]:
    """So many, each of one thread, which come again when they are killed."""
    options = ("--nworkers", str(count), "--nthreads", "1")
    with dask(folder, "worker", f"tcp://{address}", *options):
        yield
