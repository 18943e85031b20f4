"""The command import: how does a folder of designs become candidates?"""

from pathlib import Path

import click

from axdse.dse.cli.options import PATH, print_table, progress_bar, say, seed_option
from axdse.flows.verify.import_folder import Imported, find_pairs, import_pairs, write_catalog
from axdse.multipliers.errors import AxdseError


@click.command("import", short_help="Verify a folder of designs and make a catalogue of it.")
@click.argument("folder", type=PATH)
@click.option(
    "-o", "--output", type=PATH, required=True, metavar="FOLDER", help="A new catalogue."
)
@click.option("--jobs", type=click.IntRange(1), help="Simulations at once; default: all cores.")
@seed_option
def import_designs(folder: Path, output: Path, jobs: int | None, seed: int) -> int:
    """Verify every pair X.c, X.v below FOLDER and write those that pass as a catalogue.

    EvoApproxLib's folders fit unchanged. Use the catalogue with 'axdse --catalog FOLDER ...'.
    Exit code 1: some pair is no candidate; the others are written all the same.
    """
    if (output / "catalog.yaml").exists():
        raise AxdseError("a catalogue is not overwritten", output, "choose a new folder")
    found = find_pairs(folder)
    pairs = found.pairs
    imported = []
    with progress_bar() as progress:
        for item in progress.track(
            import_pairs(pairs, seed=seed, jobs=jobs), total=len(pairs), description="import"
        ):
            imported.append(item)
    columns = ("design", "verdict", "call", "vectors", "published error")
    print_table("", columns, [_row(item) for item in imported])
    for item in imported:
        if item.reason:
            say(f"{item.pair.name}: {item.reason}")
    for path in found.alone:
        say(f"{path.name}: no C file beside it", err=True)
    count = write_catalog(imported, output)
    say(f"{output}: {count} of {len(pairs)} designs")
    return 0 if count == len(pairs) else 1


def _row(item: Imported) -> tuple[str, ...]:
    report = item.report
    if report is None:
        return item.pair.name, "no verdict", "", "", ""
    verdict = f"equal, {report.verdict}" if report.passed else "MISMATCH"
    differs = ", ".join(f"{name} {is_:.4g} not {said:.4g}" for name, said, is_ in item.figures)
    known = bool(item.multiplier and item.multiplier.family.published)
    figures = differs or ("agrees" if known and report.passed else "")
    return item.pair.name, verdict, report.call, f"{report.vectors:,}", figures
