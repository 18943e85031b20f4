"""The command show: what does a design do? It needs no torch."""

import dataclasses
from pathlib import Path
from typing import Any

import click
import numpy as np

from axdse.dse.cli.options import (
    PATH,
    candidate_of,
    format_option,
    json_option,
    multipliers_of,
    print_json,
    print_table,
    say,
)
from axdse.multipliers.cache import write_output
from axdse.multipliers.designs.design_point import ProductName
from axdse.multipliers.designs.family import Family, Multiplier
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.operands.recording import OperandHistogram, Recording, core_weights
from axdse.multipliers.operands.recording_file import load_recording
from axdse.multipliers.tables.error_metrics import ErrorMetrics, error_metrics

Table = tuple[str, tuple[str, ...], list[tuple[str, ...]]]  # title, columns, rows
SYMBOLS = ("ER", "MED", "NMED", "MRED", "WCE", "WCRE", "bias", "relative bias", "variance")


@dataclasses.dataclass(frozen=True)
class OperandError:
    """The error of a design over the operands of one product of one layer.

    Attributes:
        layer: its name.
        product: of its three matrix products.
        format: of the operands.
        products: recorded products that a core makes.
        zero: products with a zero operand, which need none.
        non_finite: products with an infinite or NaN operand, likewise.
        error: None where no product needs a core.
        uniform: where each pair of operands of the format is equally likely.
    """

    layer: str
    product: ProductName
    format: str
    products: int
    zero: int
    non_finite: int
    error: ErrorMetrics | None
    uniform: ErrorMetrics


@dataclasses.dataclass(frozen=True)
class Description:
    """What `axdse show` prints; the error is None for patterns of bits."""

    spec: str
    family: Family
    error: ErrorMetrics | None
    operands: tuple[OperandError, ...] = ()

    def tables(self) -> tuple[Table, ...]:
        """Tables to print below."""
        return ()


@click.command(short_help="Parameters, paper and error of a design.")
@click.argument("specs", nargs=-1, metavar="SPEC...")
@click.option(
    "--operands",
    type=PATH,
    metavar="FILE.npz",
    help="Also the error over the operands that 'axdse train --record' left there.",
)
@click.option(
    "--surface", type=PATH, metavar="FILE.png", help="Draw the error of every operand pair."
)
@click.option("--plan", is_flag=True, help="Also what would compute it in a network, and why.")
@format_option
@json_option
def show(
    specs: tuple[str, ...],
    operands: Path | None,
    surface: Path | None,
    plan: bool,
    format_text: str | None,
    as_json: bool,
) -> None:
    """Show designs: parameters, paper, error over all operand pairs."""
    if format_text and not plan:
        raise AxdseError("--format is that of --plan", format_text, "add --plan")
    multipliers = multipliers_of(specs)
    if surface:
        _check_surface(surface, specs)
    recording = load_recording(operands) if operands else None
    shown_type: Any = Description
    shown = tuple(_describe(multiplier, recording) for multiplier in multipliers)
    if surface:
        _draw(multipliers[0], shown[0].error or error_metrics(multipliers[0]), recording, surface)
    if plan:
        # torch takes a second to import, and only plans need it.
        from axdse.dse.cli.plans import Planned, planned

        candidates = tuple(candidate_of(multiplier, format_text) for multiplier in multipliers)
        shown, shown_type = planned(shown, candidates), Planned
    if as_json:
        print_json(shown, tuple[shown_type, ...])
        return
    for description in shown:
        print_table(description.spec, ("what", "value"), _facts(description))
        if recording:
            _print_operands(description, recording)
        for title, columns, rows in description.tables():
            print_table(title, columns, rows)
    if surface:
        say(f"{surface}: the error surface of {shown[0].spec}")


def _check_surface(path: Path, specs: tuple[str, ...]) -> None:
    if len(specs) > 1:
        raise AxdseError("--surface takes one design", f"{len(specs)} given", "show one at a time")
    if path.suffix.lower() != ".png":
        raise AxdseError("a surface is written as .png", path, "choose that ending")


def _describe(multiplier: Multiplier, recording: Recording | None) -> Description:
    histograms = recording.histograms if recording else ()
    uniform = {h.format: _uniform(multiplier, h) for h in histograms}
    operands = tuple(_operand_error(multiplier, h, uniform[h.format]) for h in histograms)
    error = None if multiplier.family.kind == "bits" else error_metrics(multiplier)
    return Description(multiplier.spec, multiplier.family, error, operands)


def _uniform(multiplier: Multiplier, histogram: OperandHistogram) -> ErrorMetrics:
    """Like with like: an integer core in a float unit meets but a quarter of its domain."""
    alike = dataclasses.replace(histogram, counts=np.ones_like(histogram.counts))
    return error_metrics(multiplier, core_weights(alike, multiplier))


def _operand_error(
    multiplier: Multiplier, histogram: OperandHistogram, uniform: ErrorMetrics
) -> OperandError:
    weights = core_weights(histogram, multiplier)
    return OperandError(
        layer=histogram.layer,
        product=histogram.product,
        format=histogram.format.name,
        products=histogram.total,
        zero=histogram.zero,
        non_finite=histogram.non_finite,
        error=error_metrics(multiplier, weights) if histogram.total else None,
        uniform=uniform,
    )


def _draw(
    multiplier: Multiplier, error: ErrorMetrics, recording: Recording | None, path: Path
) -> None:
    # matplotlib takes a second to import, and only a picture needs it.
    from axdse.dse.report.pictures.error_maps import core_figure, png

    write_output(path, png(core_figure(multiplier, error, recording)))


def _facts(description: Description) -> list[tuple[str, str]]:
    family, paper = description.family, description.family.paper
    rows = [("title", family.title), ("kind", family.kind)]
    if paper:
        source = f"{paper.authors}: {paper.title}, {paper.venue}, {paper.year}, doi {paper.doi}"
        rows.append(("paper", source.strip()))
    rows += [(name, f"{p.meaning}, {p.min}..{p.max}") for name, p in family.parameters.items()]
    if family.rtl_only:
        rows.append(("model", "RTL only: made of the gates of its Verilog"))
    if family.table_only:
        rows.append(("model", "a table alone: without Verilog there is no cost and no verdict"))
    if description.error is None:
        return [*rows, ("error", "none: patterns of bits, not a product of both operands")]
    metrics = dataclasses.asdict(description.error)
    return rows + [(name, f"{value:.6g}") for name, value in metrics.items()]


def _print_operands(description: Description, recording: Recording) -> None:
    title = f"{description.spec} over the operands of {recording.workload}, recorded with "
    title += f"{recording.multiplier}, seed {recording.seed}"
    if recording.every > 1:
        title += f", one call in {recording.every}"
    columns = ("layer", "product", "products", "no core %", *SYMBOLS)
    alike = {f"uniform in {row.format}": row.uniform for row in description.operands}
    rows = [
        (name, "", "", "", *_figures(error))
        for name, error in {"uniform over the core": description.error, **alike}.items()
    ]
    rows += map(_operand_row, description.operands)
    print_table(title, columns, rows)


def _operand_row(row: OperandError) -> tuple[str, ...]:
    without = row.zero + row.non_finite
    share = f"{100 * without / (without + row.products):.1f}" if without else "0"
    product = row.product.replace("_", " ")
    return row.layer, product, f"{row.products:,}", share, *_figures(row.error)


def _figures(error: ErrorMetrics | None) -> tuple[str, ...]:
    if error is None:
        return ("-",) * len(SYMBOLS)
    return tuple(f"{value:.4g}" for value in dataclasses.astuple(error))
