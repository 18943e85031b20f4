"""The command init: what does a file of one's own start from?"""

from pathlib import Path

import click

from axdse.dse.cli.options import PATH, say
from axdse.multipliers.cache import write_output
from axdse.multipliers.errors import AxdseError

TEMPLATE = Path(__file__).parents[1] / "training" / "data" / "workload.py.txt"


@click.group()
def init() -> None:
    """Write a file to start from."""


@init.command(short_help="A task of your own: network, data, loss, metric.")
@click.argument("path", type=PATH, metavar="FILE.py")
def workload(path: Path) -> None:
    """Write a task that runs, to be changed: 'axdse train FILE:task fp32'."""
    if path.suffix != ".py" or not path.stem.isidentifier():
        rule = "a workload is a Python module"
        raise AxdseError(rule, path, "choose a name such as my_task.py")
    if path.exists():
        raise AxdseError("an existing file is not overwritten", path, "choose another name")
    write_output(path, TEMPLATE.read_bytes())
    name = ".".join(path.with_suffix("").parts)
    module = path.stem if path.is_absolute() else name
    say(f"{path}: change it, and try 'axdse train {module}:task fp32 \"exact(n=8) in bf16\"'")
