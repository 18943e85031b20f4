"""The command export: what does a hardware team get of a run?"""

from pathlib import Path

import click

from axdse.dse.cli.options import PATH, say
from axdse.dse.run.run_dir import RunDir


@click.command(short_help="Export the front of a run.")
@click.argument("run_path", metavar="RUN", type=PATH)
@click.option("-o", "--output", type=PATH, required=True, metavar="DIR", help="A new folder.")
@click.option(
    "--overwrite", is_flag=True, help="Replace an earlier export; what others added stays."
)
def export(run_path: Path, output: Path, overwrite: bool) -> None:
    """Export the front of a run: RTL, C model, table, certificates, cost, history, report."""
    # matplotlib takes a second to import.
    from axdse.dse.report.export import export_run

    exported = export_run(RunDir(run_path), output, overwrite=overwrite)
    say(f"{exported.folder}: {len(exported.designs)} designs; see report.html")
