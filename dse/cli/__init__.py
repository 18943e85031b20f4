"""Which words do users type? One door, where bad input becomes one line and exit code 2.

What takes long to import is imported inside, where a Ctrl-C is expected already.
"""

import sys
from collections.abc import Sequence
from typing import NoReturn

from axdse.dse.ending import tidily

BAD_INPUT = 2


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code: 0, 1 (a check failed), 2 (bad input).

    Raises:
        KeyboardInterrupt: Ctrl-C.
    """
    import click

    from axdse.dse.cli.commands import cli
    from axdse.multipliers.errors import AxdseError
    from axdse.multipliers.machine import machine_failure

    debug = "--debug" in arguments
    try:
        result = cli.main(list(arguments), prog_name="axdse", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except AxdseError as error:
        return _report(str(error), debug)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return BAD_INPUT
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "axdse"
        return _report(f"{error.format_message()} See '{path} --help'.", debug)
    except click.Abort as abort:
        raise abort.__cause__ or abort from None
    except (OSError, MemoryError, RuntimeError) as error:  # no room for the output, or of torch
        if not (failure := machine_failure(error)):
            raise
        return _report(str(failure), debug)


def _report(message: str, debug: bool) -> int:
    from axdse.dse.cli.options import say

    if debug:
        raise
    say(f"axdse: {' '.join(message.split())}", err=True)
    return BAD_INPUT


def main() -> NoReturn:
    """Entry point of the `axdse` command."""
    sys.exit(tidily(lambda: run(sys.argv[1:])))
