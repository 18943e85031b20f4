"""How are several designs done at a time?"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from axdse.flows.tools import kill_running

T = TypeVar("T")
R = TypeVar("R")


def in_parallel(work: Callable[[T], R], items: Sequence[T], jobs: int) -> Iterator[R]:
    """Yield the results in order; who stops listening, or Ctrl-C, ends the tools that run.

    Threads: the time goes into tools, and into C that needs no interpreter.
    """
    with ThreadPoolExecutor(jobs) as pool:
        try:
            yield from pool.map(work, items)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            kill_running()
            raise
