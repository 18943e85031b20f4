"""Which commands are there, and what do all of them set up?"""

import logging
from importlib.metadata import version
from pathlib import Path

import click

from axdse.dse.cli import (
    bench,
    designs,
    energy,
    evaluate,
    init,
    machine,
    replay,
    runs,
    show,
    train,
    verify,
)
from axdse.dse.cli.options import PATH, LogFormatter
from axdse.multipliers.cache import remove_temporary_leftovers
from axdse.multipliers.cache_limit import in_use
from axdse.multipliers.designs.catalog import builtin_catalog, full_catalog


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 99})
@click.version_option(version("axdse"), prog_name="axdse")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.option(
    "--catalog",
    "catalogs",
    type=PATH,
    multiple=True,
    envvar="AXDSE_CATALOG",
    metavar="FOLDER",
    help="A catalogue beside the built-in one; may be given again.",
)
@click.pass_context
def cli(context: click.Context, debug: bool, catalogs: tuple[Path, ...]) -> None:
    """Which approximate multiplier should train and run this network, at what cost in silicon?

    A design is written name(parameter=value,...), such as 'drum(n=8,k=4)'; parameters left out
    take their defaults. 'axdse list' shows the families, 'axdse COMMAND --help' the rest.
    """
    context.obj = full_catalog(catalogs) if catalogs else builtin_catalog()
    log = logging.StreamHandler()
    log.setFormatter(LogFormatter("axdse: %(message)s"))
    level = logging.DEBUG if debug else logging.WARNING
    logging.basicConfig(level=level, handlers=[log], force=True)
    remove_temporary_leftovers()
    if context.invoked_subcommand != machine.cache.name:  # that one looks whether others use it
        context.with_resource(in_use())


_DESIGNS = (*designs.COMMANDS, show.show, verify.verify, replay.replay)
_NETWORKS = (init.init, train.train, evaluate.evaluate, *runs.COMMANDS, energy.energy)
_MACHINE = (bench.bench, machine.cache, machine.doctor)
for _command in (*_DESIGNS, *_NETWORKS, *_MACHINE):
    cli.add_command(_command)
