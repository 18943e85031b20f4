"""How many modules does one enter to follow a call? Counted on the three most walked ways.

usage: python benchmarks/modules_entered.py     writes benchmarks/results/modules_entered.json

A module counts if one of its functions is called on the way, or of a class that it defines. All
are imported before, so that decorators and what classes compute of themselves do not. The ways: a
trial of a search in its worker, the forward pass of a linear layer, and `axdse cost` of one
design, each with an empty cache.
"""

import contextlib
import importlib
import inspect
import io
import json
import os
import pkgutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import nn

import axdse.multipliers
from axdse.dse.cli import run
from axdse.dse.run.config import parse_config
from axdse.dse.search.evaluate import Hurdle, evaluate
from axdse.flows.cost.point import Demand
from axdse.gpu.layers.convert import convert
from axdse.multipliers.designs.design_point import parse_design_point

RESULTS = Path(__file__).with_name("results") / "modules_entered.json"
ROOT = Path(axdse.multipliers.__file__).parents[1]
MAC = "drum(n=4,k=3) in float(8,3)"
TRAINING = """\
workload: lenet-300-100
dataset: fashion-mnist-14k
formats: "float(8,3)"
training: {epochs: 1, train_images: 500}
"""


@contextlib.contextmanager
def entered() -> Iterator[set[str]]:
    """The modules of axdse whose functions are called in the block, in any thread."""
    modules: set[str] = set()

    def note(frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        path = Path(code.co_filename)
        is_function = code.co_flags & inspect.CO_OPTIMIZED  # bodies of modules and classes are not
        if event == "call" and is_function and path.is_relative_to(ROOT):
            modules.add(str(path.relative_to(ROOT)))

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        yield modules
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]


def trial() -> Callable[[], object]:
    config = parse_config(TRAINING, Path("search.yaml"))
    hurdle = Hurdle("", 0.0, 1.0, 0.0, 0.01, (1.0,))
    point = parse_design_point(MAC)
    return lambda: evaluate(0, point, config, Demand(), lambda cost: hurdle)


def forward() -> Callable[[], object]:
    layer = convert(nn.Sequential(nn.Linear(784, 300)), MAC).model
    x = torch.randn(64, 784)
    layer(x)  # what is prepared once is not on the way
    return lambda: layer(x)


def cost() -> Callable[[], object]:
    def command() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            run(["cost", "drum(n=4,k=3)", "--format", "float(8,3)"])

    return command


def import_all() -> None:
    for module in pkgutil.walk_packages(axdse.__path__, "axdse."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def main() -> None:
    import_all()
    counts = {}
    for name, prepare in (("trial", trial), ("forward", forward), ("cost", cost)):
        with tempfile.TemporaryDirectory() as cache:
            os.environ["AXDSE_CACHE"] = cache
            work = prepare()
            with entered() as modules:
                work()
        counts[name] = {"modules": len(modules), "entered": sorted(modules)}
        print(f"{name}: {len(modules)} modules")
    before = {"commit": "1882aed", "trial": 86, "forward": 16, "cost": 55}  # by the same count
    result = {
        "before": before,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "ways": counts,
    }
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
