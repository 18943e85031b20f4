"""The commands search, export and compare: what does a run find, what does it give away?"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from axdse.dse.cli.options import PATH, ProgressBars, catalog_in_use, print_table, say
from axdse.dse.ending import going_on
from axdse.dse.jobs.engines import LOCAL, WAIT_S
from axdse.dse.limits import LARGEST_SEED, MOST_TRIALS, MOST_WORKERS
from axdse.dse.run.config import load_config
from axdse.dse.run.run_dir import RunDir
from axdse.multipliers.cache import write_output
from axdse.multipliers.errors import AxdseError

if TYPE_CHECKING:
    from axdse.dse.report.compare import Side
    from axdse.dse.report.export.export import Export
    from axdse.dse.report.pictures.front import Axis


@click.command(short_help="Search for the best trade-offs.")
@click.argument("config_path", metavar="CONFIG.yaml", type=PATH)
@click.option("--run", "run_path", type=PATH, required=True, metavar="DIR", help="The run folder.")
@click.option("--resume", is_flag=True, help="Go on with the run in that folder, if there is one.")
@click.option("--trainings", type=click.IntRange(1, MOST_TRIALS), help="Trained trials in all.")
@click.option("--trials", type=click.IntRange(1, MOST_TRIALS), help="Trials in all.")
@click.option("--timeout", type=click.FloatRange(0), metavar="SECONDS", help="Start none later.")
@click.option(
    "--seed", type=click.IntRange(0, LARGEST_SEED), help="Seed of sampler and trainings."
)
@click.option(
    "--workers", type=click.IntRange(1, MOST_WORKERS), help="Processes; default: one per core."
)
@click.option("--mirror", metavar="URL", help="Show the trials in a database of Optuna's too.")
@click.option(
    "--engine",
    default=LOCAL,
    show_default=True,
    metavar="ENGINE",
    help="Who works: dask://HOST:PORT, or module:factory of an executor.",
)
@click.option("--shared", type=PATH, metavar="DIR", help="A folder that all its workers see.")
@click.option(
    "--engine-wait",
    type=click.FloatRange(0, min_open=True),
    default=WAIT_S,
    show_default=True,
    metavar="SECONDS",
    help="Until its first worker answers.",
)
def search(
    config_path: Path,
    run_path: Path,
    resume: bool,
    trainings: int | None,
    trials: int | None,
    timeout: float | None,
    seed: int | None,
    workers: int | None,
    mirror: str | None,
    engine: str,
    shared: Path | None,
    engine_wait: float,
) -> None:
    """Search for the multipliers that trade accuracy against silicon best.

    CONFIG.yaml needs a workload and formats; SearchConfig in dse/run/config.py has every key,
    examples/quick.yaml is one. Options override the configuration. A first Ctrl-C lets running
    trials finish, a second one stops at once; what runs is all that a kill loses. The same command
    with --resume goes on, with --timeout 0 it makes the front of what there is.
    """
    # torch and optuna take seconds to import.
    from axdse.dse.search.search import run_search

    catalog = catalog_in_use()
    if resume and not catalog.added and (run_path / "run.json").exists():
        catalog = RunDir(run_path).catalog
    config = load_config(config_path, catalog)
    how = f"what is finished is kept in {run_path}: 'axdse search --resume' goes on"
    with going_on(how), ProgressBars() as bars:
        run = run_search(
            config,
            run_path,
            catalog,
            resume=resume,
            trainings=trainings,
            trials=trials,
            timeout_s=timeout,
            seed=seed,
            workers=workers,
            progress=bars,
            mirror=mirror,
            engine=engine,
            shared=shared,
            engine_wait_s=engine_wait,
        )
    results = run.results()
    front = [point for point in results.front if point.on_front]
    say(f"{run_path}: trials: {len(results.evaluations)}, designs on the front: {len(front)}")
    say(f"'axdse export {run_path} -o FOLDER' writes them and a report")


@click.command(short_help="Export the front of a run, or check an export.")
@click.argument("run_path", metavar="[RUN]", type=PATH, required=False)
@click.option("-o", "--output", type=PATH, metavar="DIR", help="A new folder.")
@click.option(
    "--overwrite", is_flag=True, help="Replace an earlier export; what others added stays."
)
@click.option(
    "--practice/--no-practice",
    default=True,
    help="Cost the designs of today for the report, too: minutes, the first time.",
)
@click.option("--check", type=PATH, metavar="DIR", help="Look what differs in an export instead.")
def export(
    run_path: Path | None, output: Path | None, overwrite: bool, practice: bool, check: Path | None
) -> int:
    """Export the front of a run: MACs, assignments, certificates, cost, history, report.

    With --check an export is held against its own digests, every certificate against what it is
    of, and Icarus Verilog and Yosys elaborate every MAC. Exit code 1: something differs.
    """
    if check:
        if run_path or output or overwrite:
            rule = "--check takes an export, and nothing else"
            raise AxdseError(rule, run_path or output or "--overwrite", "leave it out")
        return _check(check)
    if run_path is None or output is None:
        rule = "an export takes a run and a new folder"
        given = run_path or output or "neither"
        raise AxdseError(rule, given, "write 'axdse export RUN -o DIR'")
    run = RunDir(run_path)
    if run.config.costed:
        exported = _export_front(run, output, practice, overwrite)
    else:
        exported = _export_ranking(run, output, overwrite)
    found = f"designs: {len(exported.points)}, MACs: {len(exported.macs)}"
    say(f"{exported.folder}: {found}; see report.html")
    return 0


def _export_front(run: RunDir, output: Path, practice: bool, overwrite: bool) -> "Export":
    # matplotlib takes a second to import.
    from axdse.dse.report.export.export import export_run
    from axdse.dse.report.material import finalists_of, material_of
    from axdse.dse.report.practice import PRACTICES, practices_of

    results = run.results()
    finalists = finalists_of(run, results)
    with ProgressBars() as bars:
        bars.begin("practice", len(PRACTICES), 0)
        today = practices_of(run, results, finalists, costed=practice, told=bars.advance)
    material = material_of(run, results, finalists, today)
    return export_run(run, output, material, overwrite=overwrite)


def _export_ranking(run: RunDir, output: Path, overwrite: bool) -> "Export":
    from axdse.dse.report.export.ranking import export_ranking
    from axdse.dse.report.ranking import ranking_of

    return export_ranking(ranking_of(run, run.results()), output, overwrite=overwrite)


def _check(folder: Path) -> int:
    from axdse.dse.report.export.check import check_export

    checked = check_export(folder)
    for each in checked.differences:
        say(f"{each.where}: {each.what}")
    looked = f"files: {checked.files}, MACs: {checked.macs}"
    say(f"{folder}: {looked}, {len(checked.differences) or 'nothing'} differs")
    return 1 if checked.differences else 0


@click.command(short_help="Compare two runs.")
@click.argument("ours", metavar="RUN", type=PATH)
@click.argument("theirs", metavar="RUN", type=PATH)
@click.option("--html", type=PATH, metavar="FILE.html", help="Write a page with charts, too.")
def compare(ours: Path, theirs: Path, html: Path | None) -> None:
    """Compare the fronts of two finished runs: of one task over each other, else side by side.

    A design dominates another if its mean validation score is as good and no cost is higher.
    """
    from axdse.dse.report.compare import compare_runs, render_comparison

    if html and html.suffix not in (".html", ".htm"):
        raise AxdseError("a page is a file .html", html, "choose that ending")
    comparison = compare_runs(ours, theirs)
    for side in comparison.sides:
        _print_side(side, comparison.axes)
    if comparison.apart:
        say(f"side by side, not over each other: {comparison.apart}")
    else:
        volumes = [f"{side.name} {side.volume:.5g}" for side in comparison.sides]
        say(f"hypervolume at one reference: {', '.join(volumes)}")
    if comparison.keys:
        names = [side.name for side in comparison.sides]
        print_table("what was asked differently", ("key", *names), comparison.keys)
    if html:
        write_output(html, render_comparison(comparison).encode())
        say(f"{html}: the comparison as a page")


def _print_side(side: "Side", axes: "tuple[Axis, ...]") -> None:
    """The front of a run, and who of the other dominates whom."""
    goal = side.material.goal
    columns = ("design", *(axis.label for axis in axes), f"{goal.name}, validation", "test")
    beaten = side.beaten or (None,) * len(side.front)
    rows = [
        (
            finalist.design.name,
            *(axis.text(axis.of(finalist) or 0.0) for axis in axes),
            f"{finalist.validation.text(goal)} {goal.symbol}",
            f"{finalist.test.text(goal)} {goal.symbol}",
            *((better.design.name if better else "",) if axes else ()),
        )
        for finalist, better in zip(side.front, beaten, strict=True)
    ]
    title = f"{side.name}: {side.material.run.config.own_workload.text}"
    print_table(title, (*columns, *(("dominated by",) if axes else ())), rows)


COMMANDS = (search, export, compare)
