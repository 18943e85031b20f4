"""The commands list, lut and import: which designs are there, what are their tables? No torch."""

from contextlib import closing
from pathlib import Path
from typing import get_args

import click

from axdse.dse.cli.cost import cost
from axdse.dse.cli.options import (
    PATH,
    ProgressBars,
    candidate_of,
    catalog_in_use,
    format_option,
    json_option,
    multipliers_of,
    print_json,
    print_table,
    say,
    seed_option,
)
from axdse.dse.cli.own_design import cells_option, pinned_options, values_of
from axdse.dse.cli.verdicts import print_reports, reading_notes
from axdse.dse.ending import going_on
from axdse.flows.verify.bring_your_own import read_design
from axdse.flows.verify.check import check_design
from axdse.flows.verify.import_folder import (
    Imported,
    count_designs,
    import_pairs,
    own_name,
    write_catalog,
)
from axdse.flows.verify.netlist_files import as_verilog
from axdse.flows.verify.pairs import Found, find_pairs
from axdse.flows.verify.pins import Pins
from axdse.multipliers.cache import temporary_folder, write_output
from axdse.multipliers.designs.family import Family, Kind
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import FloatFormat, parse_format
from axdse.multipliers.tables.lut import (
    Lut,
    build_lut,
    lut_from_float_model,
    save_approxtrain,
    save_npz,
)
from axdse.multipliers.tables.product_files import TARGETS, Target, plain_name, write_table

FEW_NAMES = 3  # of designs of which the same is said


@click.command("list")
@json_option
def list_families(as_json: bool) -> None:
    """List the multiplier families of the catalogue."""
    families = tuple(catalog_in_use().families.values())
    if as_json:
        print_json(families, tuple[Family, ...])
        return
    rows = [(f.bind().spec, f.kind, _ranges(f), f.title) for f in families]
    print_table("", ("default design", "kind", "parameters", "title"), rows)


def _ranges(family: Family) -> str:
    return ", ".join(f"{name} {p.min}..{p.max}" for name, p in family.parameters.items())


@click.command(short_help="Write the look-up table of a design.")
@click.argument("spec", required=False)
@click.option("--model", type=PATH, help="A C file with float f(float, float), instead of SPEC.")
@click.option("--function", help="Its function; default: the file's stem.")
@format_option
@click.option("--to", "target", type=click.Choice(TARGETS), help="Another tool's file of a core.")
@click.option("-o", "--output", type=PATH, required=True, metavar="FILE", help=".npz or _m.bin")
def lut(
    spec: str | None,
    model: Path | None,
    function: str | None,
    format_text: str | None,
    target: Target | None,
    output: Path,
) -> None:
    """Write the look-up table of a design: .npz, or ApproxTrain's .bin such as MBM_7.bin.

    With --to, all products of its core as another tool reads them; 'axdse import' reads all.
    """
    if target:
        if format_text or model or not spec:
            rule = "--to writes the core of one SPEC, in no number format"
            raise AxdseError(rule, "a --model, a --format, or no SPEC", "leave the others out")
        multiplier = multipliers_of((spec,))[0]
        say(f"{output}: {multiplier.spec} for {target}, {write_table(multiplier, target, output)}")
        return
    save = _writer_of(output)
    if (spec is None) == (model is None):
        raise AxdseError("lut takes one SPEC or one --model", f"{spec}, {model}", "give one")
    table = _float_table(model, function, format_text) if model else None
    if table is None:
        table = build_lut(candidate_of(multipliers_of((str(spec),))[0], format_text))
    save(table, output)
    say(f"{output}: {table.multiplier} in {table.format.name}, digest {table.digest}")


def _float_table(model: Path, function: str | None, format_text: str | None) -> Lut:
    number_format = parse_format(format_text or "approxtrain")
    m = number_format.operand_bits - 1
    if number_format != FloatFormat(fraction_bits=m, rounding="truncate"):
        raise AxdseError(
            "a float model gives narrow products of truncated operands",
            format_text,
            f"write --format 'float(8,{m},round=truncate)'",
        )
    return lut_from_float_model(model, function, m)


def _writer_of(path: Path):  # type: ignore[no-untyped-def]
    writers = {".npz": save_npz, ".bin": save_approxtrain}
    if path.suffix not in writers:
        raise AxdseError("a table is written as .npz or .bin", path, "choose that ending")
    return writers[path.suffix]


@click.command(short_help="Write a C model of a Verilog design.")
@click.argument("rtl", nargs=-1, type=PATH, required=True, metavar="FILE...")
@click.option("--top", default="", help="The Verilog module, if there are several.")
@cells_option
@pinned_options
@click.option("-o", "--output", type=PATH, required=True, metavar="FILE.c")
@seed_option
def model(
    rtl: tuple[Path, ...],
    top: str,
    cells: tuple[Path, ...],
    parameters: tuple[str, ...],
    ties: tuple[str, ...],
    ignored: tuple[str, ...],
    output: Path,
    seed: int,
) -> int:
    """Write a C model of Verilog, of its gates, once simulator and synthesiser read it alike.

    FILEs are Verilog, lists of files, folders, or netlists (BLIF, JSON of Yosys). The function is
    called as the module, and takes and gives patterns of bits: 'axdse verify' finds it equal.
    """
    if output.suffix != ".c":
        raise AxdseError("a model is written as .c", output, "choose that ending")
    pins = Pins(
        top=top,
        parameters=values_of("--parameter", parameters),
        ties=values_of("--tie", ties),
        ignored=ignored,
    )
    with temporary_folder() as folder:
        design = read_design(None, rtl, pins, cells, folder)
        report = check_design(design, seed=seed)
        if report.passed:
            write_output(output, design.multiplier.family.model.read_bytes())
    print_reports([report])
    if report.passed:
        say(f"{output}: uint64_t {design.multiplier.family.name}(uint64_t, uint64_t)")
    return 0 if report.passed else 1


@click.command("import", short_help="Verify a folder of designs and make a catalogue of it.")
@click.argument("folder", type=PATH)
@click.option(
    "-o", "--output", type=PATH, required=True, metavar="FOLDER", help="A new catalogue."
)
@click.option(
    "--kind",
    type=click.Choice(get_args(Kind)),
    help="What the designs are; default: integer products if they have the bits of one.",
)
@cells_option
@click.option("--jobs", type=click.IntRange(1), help="Simulations at once; default: all cores.")
@seed_option
def import_designs(
    folder: Path,
    output: Path,
    kind: Kind | None,
    cells: tuple[Path, ...],
    jobs: int | None,
    seed: int,
) -> int:
    """Verify the designs below FOLDER and write those that pass as a catalogue.

    A design is a pair X.c, X.v, or Verilog alone: then its C model is made of its gates, and the
    certificate says so. A table of products stands for X.c, or is compared with it; one alone can
    be trained with, but has no cost and no certificate. EvoApproxLib's folders fit unchanged: its
    netlists of a library's cells are left out unless --cells has them. Use the catalogue with
    'axdse --catalog FOLDER ...'. Exit code 1: some design is no candidate, or a table beside it
    differs; the others are written all the same.
    """
    if (output / "catalog.yaml").exists():
        raise AxdseError("a catalogue is not overwritten", output, "choose a new folder")
    with temporary_folder() as scratch:
        found = find_pairs(folder, [as_verilog(path, scratch) for path in cells])
        imported = _all_imported(found, kind, seed, jobs)
    columns = ("design", "verdict", "call", "vectors", "published error")
    print_table("", columns, [_row(item) for item in imported])
    remarks: dict[str, list[str]] = {}
    for item in imported:
        for remark in _remarks(item):
            remarks.setdefault(remark, []).append(item.name)
    for remark, names in remarks.items():
        say(f"{_names(names)}: {remark}")
    for path in found.parts:
        say(f"{path.name}: no design by itself: another file uses it, or it is a bench", err=True)
    for why, files in found.unread:
        say(f"{_names([path.name for path in files])}: {why}", err=True)
    if found.copies:
        say(f"copies of designs that count once: {found.copies:,}")
    count = write_catalog(imported, output)
    say(f"{output}: {count} of {len(imported)} designs")
    return 0 if all(item.is_sound for item in imported) else 1


def _names(names: list[str]) -> str:
    others = f" and {len(names) - FEW_NAMES} others" if len(names) > FEW_NAMES else ""
    return f"{', '.join(names[:FEW_NAMES])}{others}"


def _remarks(item: Imported) -> list[str]:
    """What is to be said of a design besides its verdict."""
    found = [item.reason or item.needs or item.assumed]
    if item.multiplier and not item.reason:
        found += item.tables
        found += reading_notes(item.report) if item.report else []
        if item.report and item.report.past:
            found.append(f"its simulation may depend on what came before: {item.report.past}")
        plain = plain_name(item.pair.name)
        if item.name == own_name(plain) != plain:
            found.append(f"{item.pair} is called {item.name}, as a built-in family has its name")
        elif item.name == plain != item.pair.name:
            found.append(f"{item.pair} is called {item.name}, as that is a plain name")
        elif item.name != plain:
            found.append("called after its folder too, as another one has the name of its file")
    return list(filter(None, found))


def _all_imported(found: Found, kind: Kind | None, seed: int, jobs: int | None) -> list[Imported]:
    """What came of each design, by name, with its progress shown."""
    kept = "verdicts reached are in the cache: the same command goes on from there"
    with (
        going_on(kept),
        ProgressBars() as bars,
        closing(import_pairs(found, kind=kind or "", seed=seed, jobs=jobs)) as items,
    ):
        bars.begin("import", count_designs(found), 0)
        return sorted((_told(item, bars) for item in items), key=lambda item: item.name)


def _told(item: Imported, bars: ProgressBars) -> Imported:
    bars.advance(f"{item.name}: {_verdict(item)}")
    return item


def _verdict(item: Imported) -> str:
    report = item.report
    if report is None:
        alone = "left out" if item.needs else "table alone"
        return "no verdict" if item.reason else alone
    passed = f"{'RTL only' if report.rtl_only else 'equal'}, {report.verdict}"
    return passed if report.passed else "MISMATCH"


def _row(item: Imported) -> tuple[str, ...]:
    report, verdict = item.report, _verdict(item)
    if report is None:
        return item.name, verdict, "", "", ""
    differs = ", ".join(f"{name} {is_:.4g} not {said:.4g}" for name, said, is_ in item.figures)
    known = bool(item.multiplier and item.multiplier.family.published)
    figures = differs or ("agrees" if known and report.passed else "")
    return item.name, verdict, report.call, f"{report.vectors:,}", figures


COMMANDS = (list_families, lut, cost, import_designs, model)
