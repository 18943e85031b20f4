"""The command bench: how fast is this machine?"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click
from pydantic import TypeAdapter

from axdse.dse.cli.options import print_json, print_table, progress_bar, say
from axdse.multipliers.cache import write_output

if TYPE_CHECKING:
    from axdse.dse.bench.machine_record import Record
    from axdse.gpu.bench.contest import Row

COLUMNS = (
    *("work", "realisation", "threads", "G products/s", "native G MAC/s"),
    *("ratio", "quartiles", "at most", "verdict"),
)


@click.command(short_help="Speed of every realisation beside native torch.")
@click.option(
    "--only", metavar="PATTERN", help="Rows with this in 'work, realisation'; * and ? match."
)
@click.option("--quick", is_flag=True, help="Few rounds: a look, not a measurement.")
@click.option(
    "--threads",
    "threads",
    type=click.IntRange(1),
    multiple=True,
    help="Host threads; may be given again. Default: 1, and 2 where there are two cores.",
)
@click.option(
    "--json", "json_path", metavar="FILE|-", help="Write the record as JSON; -: to stdout."
)
def bench(only: str | None, quick: bool, threads: tuple[int, ...], json_path: str | None) -> int:
    """Measure every realisation of approximate products against native torch FP32.

    Each is compared with exact sums first: a wrong one is named, not timed, and the exit code is
    1. Ratios are time / native time (memory / native memory), medians over alternating rounds.
    """
    # torch takes a second to import.
    from axdse.dse.bench.machine_record import jobs, record
    from axdse.multipliers.cores import cores

    load = os.getloadavg()[0]
    chosen = jobs(threads or tuple(range(1, 1 + min(2, cores()))), quick, only)
    rows = []
    with progress_bar() as progress:
        for job in progress.track(chosen, description="bench"):
            rows.append(job.run())
    measured = record(rows, load, quick)
    _write(measured, json_path)
    if disturbed := sum(row.disturbed > 0 for row in rows):
        remedy = "measure them again when this machine has nothing else to do"
        say(f"other processes disturbed {disturbed} of {len(rows)} rows: {remedy}", err=True)
    return 0 if measured.is_right else 1


def _write(measured: "Record", json_path: str | None) -> None:
    if json_path is not None:
        from axdse.dse.bench.machine_record import Record

        if json_path == "-":
            print_json(measured, Record, indent=1)
            return
        text = TypeAdapter(Record).dump_json(measured, indent=1).decode()
        write_output(Path(json_path), f"{text}\n".encode())
    print_table(
        f"{measured.cpu}, {', '.join(measured.versions)}",
        COLUMNS,
        [_cells(r) for r in measured.rows],
    )


def _cells(row: "Row") -> tuple[str, ...]:
    names = row.work, row.realisation, str(row.threads or "")
    target = "" if row.target is None else f"{row.target:.1f}"
    if row.rate is None or row.ratio is None:
        return *names, "", "", "", "", target, f"{row.verdict}: {row.why}"
    unit = "" if row.unit == "G products/s" else f" {row.unit}"
    rates = (f"{rate:.3g}{unit}" for rate in (row.rate, row.native_rate))
    verdict = "" if row.verdict == "measured" else row.verdict
    return *names, *rates, f"{row.ratio:.2f}", f"{row.low:.2f}..{row.high:.2f}", target, verdict
