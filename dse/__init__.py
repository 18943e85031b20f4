"""Which multiplier is best for a network? Train, evaluate, search, report, export."""

from typing import TYPE_CHECKING

from axdse.multipliers.reexports import lazily

if TYPE_CHECKING:
    from axdse.dse.report.export.export import export_run
    from axdse.dse.run.config import SearchConfig, load_config
    from axdse.dse.run.run_dir import RunDir
    from axdse.dse.search.search import run_search
    from axdse.dse.training.datasets import Splits
    from axdse.dse.training.records import TrainSettings
    from axdse.dse.training.task import Metric, Task

__all__ = [
    "Metric",
    "RunDir",
    "SearchConfig",
    "Splits",
    "Task",
    "TrainSettings",
    "export_run",
    "load_config",
    "run_search",
]
__getattr__, __dir__ = lazily(
    __name__,
    {
        "Metric": "axdse.dse.training.task",
        "RunDir": "axdse.dse.run.run_dir",
        "SearchConfig": "axdse.dse.run.config",
        "Splits": "axdse.dse.training.datasets",
        "Task": "axdse.dse.training.task",
        "TrainSettings": "axdse.dse.training.records",
        "export_run": "axdse.dse.report.export.export",
        "load_config": "axdse.dse.run.config",
        "run_search": "axdse.dse.search.search",
    },
)
