"""The commands search and export: what does a run find, and what does it give away?"""

from pathlib import Path

import click

from axdse.dse.cli.options import PATH, ProgressBars, catalog_in_use, say
from axdse.dse.ending import going_on
from axdse.dse.jobs.engines import LOCAL, WAIT_S
from axdse.dse.limits import LARGEST_SEED, MOST_TRIALS, MOST_WORKERS
from axdse.dse.run.config import load_config
from axdse.dse.run.run_dir import RunDir


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
    say(f"{exported.folder}: designs: {len(exported.designs)}; see report.html")


COMMANDS = (search, export)
