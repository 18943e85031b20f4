"""The command init: which file does one start from? A task, a search."""

import keyword
import os
import re
import sys
from pathlib import Path

import click

from axdse.dse.cli.options import PATH, say
from axdse.multipliers.cache import write_output
from axdse.multipliers.errors import AxdseError

_MODULE = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", re.ASCII)
LONGEST_NAME = 200  # characters of a file
TAKEN = ("axdse", "numpy", "torch")  # what the template imports
DSE = Path(__file__).parents[1]
WORKLOAD = DSE / "training" / "data" / "workload.py.txt"
SEARCH = DSE / "run" / "search.yaml"


@click.group()
def init() -> None:
    """Write a file to start from."""


@init.command(short_help="A task of your own: network, data, loss, metric.")
@click.argument("path", type=PATH, metavar="FILE.py")
def workload(path: Path) -> None:
    """Write a task that runs, to be changed: 'axdse train FILE:task fp32'."""
    # What 'axdse train' could not find, or would find elsewhere, is of no use.
    below = () if path.is_absolute() or ".." in path.parts else path.parts[:-1]
    module = ".".join((*below, path.stem))
    name = module.split(".")[0]
    if path.suffix != ".py" or not _MODULE.fullmatch(module) or len(path.name) > LONGEST_NAME:
        rule = "a workload is a Python module, its name of letters, digits and _"
        raise AxdseError(rule, path, "choose a name such as my_task.py")
    if keyword.iskeyword(path.stem) or name in {*sys.stdlib_module_names, *TAKEN}:
        rule = "a workload has a name that Python does not use"
        raise AxdseError(rule, path, "choose a name such as my_task.py")
    _write(WORKLOAD, path)
    where = "" if module.count(".") == len(path.parts) - 1 else f" in {path.parent}"
    command = f'axdse train {module}:task fp32 "exact(n=8) in bf16"'
    say(f"{path}: change it, and try '{command}'{where}")


@init.command(short_help="A search: what is tried, and by what it is judged.")
@click.argument("path", type=PATH, metavar="FILE.yaml")
def search(path: Path) -> None:
    """Write a search that runs, to be changed: 'axdse search FILE.yaml --run DIR'."""
    if path.suffix not in (".yaml", ".yml") or len(path.name) > LONGEST_NAME:
        raise AxdseError("a search is a YAML file", path, "choose a name such as my_search.yaml")
    _write(SEARCH, path)
    say(f"{path}: change it, and try 'axdse search {path} --run my_run'")


def _write(template: Path, path: Path) -> None:
    if os.path.lexists(path):
        raise AxdseError("an existing file is not overwritten", path, "choose another name")
    write_output(path, template.read_bytes())
