"""Which options do commands share that take Verilog of the user's own?"""

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

import click

from axdse.dse.cli.options import PATH
from axdse.multipliers.errors import AxdseError

Command = TypeVar("Command", bound=Callable[..., object])


cells_option = click.option(
    "--cells",
    type=PATH,
    multiple=True,
    metavar="FILE",
    help="The library that netlists are mapped to: Verilog of its cells, or Liberty.",
)


def pinned_options(command: Command) -> Command:
    """The options that give a module values, and leave outputs of it alone."""
    for option in (
        click.option(
            "--parameter",
            "parameters",
            multiple=True,
            metavar="NAME=VALUE",
            help="A value of a parameter of the top module.",
        ),
        click.option(
            "--tie",
            "ties",
            multiple=True,
            metavar="NAME=VALUE",
            help="A value of an input that is no operand.",
        ),
        click.option(
            "--ignore", "ignored", multiple=True, metavar="NAME", help="An output to leave."
        ),
    ):
        command = option(command)
    return command


def values_of(option: str, texts: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """Names and integers of texts such as `tune=3`, each name once."""
    values: dict[str, int] = {}
    for text in texts:
        match = re.fullmatch(r"\s*(\w+)\s*=\s*(-?(?:0[xX][0-9a-fA-F]{1,16}|\d{1,19}))\s*", text)
        if match is None or match[1] in values:
            rule = f"{option} is written NAME=INTEGER, each name once"
            raise AxdseError(rule, text, f"write for example '{option} tune=3'")
        values[match[1]] = int(match[2], 0 if "x" in match[2].lower() else 10)
    return tuple(values.items())
