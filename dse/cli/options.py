"""What do several commands share? Options and outputs, so that they read alike.

Titles, file names and messages of tools come from strangers: what is printed goes through here, or
through `AxdseError`, and a terminal shows it as it is and obeys nothing of it.
"""

import logging
import time
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import click
from pydantic import TypeAdapter
from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from axdse.dse.limits import LARGEST_SEED
from axdse.dse.search.progress import View
from axdse.dse.training.records import Goal
from axdse.multipliers.designs.catalog import Catalog, builtin_catalog
from axdse.multipliers.designs.design_point import (
    NATIVE,
    Candidate,
    DesignPoint,
    Mac,
    load_design_point,
    parse_design_point,
    parse_sum_name,
)
from axdse.multipliers.designs.family import Multiplier
from axdse.multipliers.errors import (
    AxdseError,
    printable,
    printable_json,
    printable_lines,
)
from axdse.multipliers.formats import FloatFormat, Format, parse_format

VIEW_S = 10.0  # between two lines of what is found
SPEED_S = 3600.0  # of the past that tells how long it still takes
PATH = click.Path(path_type=Path)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
seed_option = click.option(
    "--seed",
    type=click.IntRange(0, LARGEST_SEED),
    default=0,
    show_default=True,
    help="Seed of all randomness.",
)
format_option = click.option(
    "--format",
    "format_text",
    metavar="FORMAT",
    help="int8, int4 to int7, uint4 to uint8, int8xint4 and other pairs of these, bf16, "
    "approxtrain, fp16, fp8_e4m3, fp8_e5m2, those of OCP MX, such as mxfp8_e4m3 and mxint8, or "
    "float(e,m), with options such as "
    "bf16(round=stochastic,sum=bf16): round=nearest|truncate|stochastic, product=narrow|wide, "
    "sum=fp32|bf16|fp16; int8(scale=channel). "
    "Default: the narrow float(8,m) that fits the design.",
)


sum_option = click.option(
    "--sum",
    "sum_text",
    metavar="SUM",
    help="What adds the products: float(E,R), dot(terms=N,align=F), lazy(F,V), int(W), or hopper "
    "and other presets of docs/sums.md. Default: the sum of the format.",
)


def catalog_in_use() -> Catalog:
    """The catalogue of this command line: the built-in one, with those of `--catalog`."""
    context = click.get_current_context(silent=True)
    found = context.find_object(Catalog) if context else None
    return found or builtin_catalog()


def multipliers_of(specs: tuple[str, ...]) -> list[Multiplier]:
    """Read specs; a command without any has nothing to do, which is an error."""
    if not specs:
        raise AxdseError("a command needs at least one SPEC", "none given", "see 'axdse list'")
    return [catalog_in_use().multiplier(spec) for spec in specs]


def candidate_of(multiplier: Multiplier, format_text: str | None) -> Candidate:
    """Put a multiplier into the format of `--format`, or the narrow float that fits it."""
    return Candidate(multiplier, _format_of(multiplier, format_text))


def is_point(text: str) -> bool:
    """Whether a text is of a design point, in a file or not, and no SPEC."""
    before = text.partition("(")[0]
    return " in " in text or ";" in text or "=" in before or text.endswith((".yaml", ".yml"))


def mac_of(multiplier: Multiplier, format_text: str | None, sum_text: str | None) -> Mac:
    """A multiplier in the format of `--format` with the sum of `--sum`."""
    candidate = candidate_of(multiplier, format_text)
    return Mac(multiplier, candidate.format, parse_sum_name(sum_text or NATIVE))


def point_of(text: str, format_text: str | None, sum_text: str | None = None) -> DesignPoint:
    """Read a SPEC in the format and sum of the options, a design point, or a file of one.

    Raises:
        AxdseError: it is none of them; or a design point has a format beside its own.
    """
    if not is_point(text) and text != NATIVE:
        return DesignPoint.uniform(mac_of(multipliers_of((text,))[0], format_text, sum_text))
    if format_text or sum_text:
        rule = "--format and --sum are of a SPEC: a design point names its own"
        raise AxdseError(rule, format_text or sum_text, "leave --format and --sum out")
    if text.endswith((".yaml", ".yml")):
        return load_design_point(Path(text), catalog_in_use())
    return parse_design_point(text, catalog_in_use())


def _format_of(multiplier: Multiplier, text: str | None) -> Format:
    if text:
        return parse_format(text)
    hidden = 1 if multiplier.family.kind == "integer" else 0
    return FloatFormat(fraction_bits=multiplier.operand_bits - hidden)


def say(line: str, *, err: bool = False) -> None:
    """Print one line, on stderr if `err`."""
    click.echo(printable(line), err=err)


def print_json(value: Any, value_type: Any, indent: int = 2) -> None:
    """Print a dataclass, or a tuple of them, as JSON."""
    click.echo(printable_json(TypeAdapter(value_type).dump_json(value, indent=indent).decode()))


def print_table(title: str, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Print a table; when the output is no terminal, lines are never cut."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    # A str would be read as markup: [red], [link=...].
    table = Table(title=shown_text(title) if title else None, title_justify="left")
    for column in columns:
        table.add_column(shown_text(column))
    for row in rows:
        table.add_row(*map(shown_text, row))
    console.print(table)


def shown_text(text: str) -> Text:
    """The text for rich, as it is."""
    return Text(printable(text))


class _Bars(Progress):
    """Bars with a line beneath them."""

    beneath = Text()

    def get_renderables(self) -> Iterable[RenderableType]:
        """What is drawn."""
        yield from super().get_renderables()
        if self.beneath:
            yield self.beneath


def progress_bar() -> Progress:
    """A progress bar on stderr, as stdout may be JSON; none where there is no terminal."""
    return _bars()


def _bars() -> _Bars:
    console = Console(stderr=True)
    return _Bars(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        speed_estimate_period=SPEED_S,
    )


class ProgressBars:
    """Draws `axdse.dse.search.progress.Progress`: a bar a phase, the latest note beside it.

    Where there is no terminal each step is a line, and what is found is one now and then.
    """

    def __init__(self) -> None:
        self._bars = _bars()
        self._phase: TaskID | None = None
        self._name = ""
        self._began = self._before = 0.0
        self._viewed = float("-inf")

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def begin(self, phase: str, total: int, done: int) -> None:
        """Start a bar; `done` of its `total` steps were there already."""
        self._name = phase
        self._phase = self._bars.add_task(phase, total=total, completed=done)
        self._began, self._before = time.monotonic(), done

    def advance(self, note: str, steps: int = 1) -> None:
        """Move the bar on; where nobody sees bars, the note becomes a line of the log."""
        assert self._phase is not None
        shown = printable(note)
        self._bars.update(self._phase, advance=steps, description=f"{self._name:9} {shown}")
        self._say(note)

    def show(self, view: View) -> None:
        """Draw what is found beneath the bars."""
        self._bars.beneath = shown_text(view.text)
        if time.monotonic() - self._viewed > VIEW_S:
            self._viewed = time.monotonic()
            self._say(view.text)

    def _say(self, text: str) -> None:
        if not self._bars.console.is_terminal:
            self._bars.console.print(shown_text(f"{self._standing}: {text}"), soft_wrap=True)

    @property
    def _standing(self) -> str:
        """Such as `trainings 7/50, 0:12:00 left`."""
        task = next(task for task in self._bars.tasks if task.id == self._phase)
        done, total = task.completed, task.total or 0
        text = f"{self._name} {done:.0f}/{total:.0f}"
        if not self._before < done < total:
            return text
        left = (total - done) * (time.monotonic() - self._began) / (done - self._before)
        return f"{text}, {timedelta(seconds=round(left))} left"


class LogFormatter(logging.Formatter):
    """The log of a command, shown line by line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        return printable_lines(super().format(record))


def off_by(value: float, reference: float) -> str:
    """How far a value is off, in percent of the reference; `-` if that is 0."""
    return f"{value / reference - 1:+.0%}" if reference else "-"


device_option = click.option(
    "--device", default="cpu", show_default=True, metavar="cpu|cuda", help="Where it computes."
)


def figure(goal: Goal, score: float, *, signed: bool = False) -> str:
    """The metric of a score, or the difference of two, for people."""
    sign = "+z" if signed else "z"  # z: no negative zero, as 0 negated is
    return f"{goal.shown(score):{sign}.{4 if goal.unit else 2}f} {goal.symbol}"
