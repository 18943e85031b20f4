"""Which commands are there, and what do all of them set up?"""

import contextlib
import logging
import os
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import click

from axdse.dse.cli import (
    bench,
    designs,
    doctor,
    energy,
    replay,
    runs,
    show,
    train,
    verify,
)
from axdse.dse.cli import cache as caches
from axdse.dse.cli.options import LogFormatter
from axdse.multipliers.cache import remove_temporary_leftovers
from axdse.multipliers.cache_limit import in_use
from axdse.multipliers.designs.catalog import CATALOG_VARIABLE
from axdse.multipliers.errors import AxdseError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 99})
@click.version_option(version("axdse"), prog_name="axdse")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.option(
    "--catalog",
    "catalogs",
    type=click.Path(),
    multiple=True,
    metavar="FOLDER",
    help="A catalogue beside the built-in one; may be given again.",
)
@click.pass_context
def cli(context: click.Context, debug: bool, catalogs: tuple[str, ...]) -> None:
    """Which approximate multiplier should train and run this network, at what cost in silicon?

    A design is written name(parameter=value,...), such as 'drum(n=8,k=4)'; parameters left out
    take their defaults. 'axdse list' shows the families, 'axdse COMMAND --help' the rest.
    """
    if catalogs:
        context.with_resource(_beside(catalogs))
    log = logging.StreamHandler()
    log.setFormatter(LogFormatter("axdse: %(message)s"))
    level = logging.DEBUG if debug else logging.WARNING
    logging.basicConfig(level=level, handlers=[log], force=True)
    remove_temporary_leftovers()
    if context.invoked_subcommand != caches.cache.name:  # that one looks whether others use it
        context.with_resource(in_use())


@contextlib.contextmanager
def _beside(catalogs: tuple[str, ...]) -> Iterator[None]:
    """Name the catalogues to this process and to the workers that it starts."""
    before = os.environ.get(CATALOG_VARIABLE)
    folders = [str(Path(folder).absolute()) for folder in catalogs]
    for folder in folders:
        if os.pathsep in folder:
            rule = f"a catalogue has a path without {os.pathsep!r}"
            raise AxdseError(rule, folder, f"rename it: ${CATALOG_VARIABLE} is a list of paths")
    os.environ[CATALOG_VARIABLE] = os.pathsep.join(folders)
    try:
        yield
    finally:
        del os.environ[CATALOG_VARIABLE]
        if before is not None:
            os.environ[CATALOG_VARIABLE] = before


_DESIGNS = (*designs.COMMANDS, show.show, verify.verify, replay.replay)
_MACHINE = (bench.bench, caches.cache, doctor.doctor)
for _command in (*_DESIGNS, train.train, *runs.COMMANDS, energy.energy, *_MACHINE):
    cli.add_command(_command)
