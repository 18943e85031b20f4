"""What a search costs beside its work: examples/quick.yaml, from an empty cache.

usage: python benchmarks/search_overhead.py     writes benchmarks/results/search_overhead.json

Work is what happens inside the jobs of the workers: verify, synthesise, tabulate, train, test.
All other worker time is overhead: asking and telling Optuna, storing results, handing out jobs.
Starting the processes, and waiting for the last job where a phase ends, are told apart, as they
come once and not with every trial.
"""

import json
import os
import platform
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from axdse.dse.config import load_config
from axdse.dse.run_dir import RunDir
from axdse.dse.search import run_search
from axdse.dse.workers import Ask, Job, Outcome, Workers, cores

HERE = Path(__file__).parent
CONFIG = HERE.parent / "examples" / "quick.yaml"
RESULTS = HERE / "results" / "search_overhead.json"
TARGET_PERCENT = 2.0


@dataclass
class Phase:
    """One call of `Workers.run`.

    Attributes:
        start: when it began.
        ends: when each outcome was handed over.
        busy: seconds inside each job.
        parent: seconds that this process spent on outcomes and on drawing jobs.
    """

    start: float = field(default_factory=time.perf_counter)
    ends: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    parent: float = 0.0
