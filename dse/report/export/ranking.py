"""What is there to use of a search without costs? Assignments, tables, C models, the report."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from axdse.dse.report.assemble import environment
from axdse.dse.report.export.commands import ASSIGNMENT, axdse_of
from axdse.dse.report.export.export import MACS, POINTS, Export
from axdse.dse.report.export.folder import staged, write_sums
from axdse.dse.report.export.mac import mac_name, standalone_model, write_tables
from axdse.dse.report.export.point import assignment_yaml
from axdse.dse.report.export.rows import TrialRow, trial_rows
from axdse.dse.report.export.texts import csv_text, training_csv, write_json
from axdse.dse.report.ranking import Entrant, Ranking, macs_of, render_ranking
from axdse.dse.run.config import dump_config
from axdse.dse.run.evaluation import Evaluation
from axdse.dse.run.run_dir import CATALOG, WORKLOAD
from axdse.dse.training.records import History
from axdse.multipliers.cache import digest
from axdse.multipliers.designs.rtl_text import identifier


@dataclass(frozen=True)
class RankRow:
    """A line of front.csv: a finalist. Scores as in trials.csv, `_ci95` is half the interval.

    Attributes:
        folder: of what is exported; empty: an exact core beside the others.
        multiplier: spec of the core; of several MACs the text of the design point.
        format: short; of several MACs empty.
        exact: one exact core everywhere.
    """

    folder: str
    trial: int
    multiplier: str
    format: str
    on_front: bool
    exact: bool
    validation_mean: float
    validation_ci95: float
    test_mean: float
    test_ci95: float
    seeds: int


def export_ranking(ranking: Ranking, destination: Path, *, overwrite: bool = False) -> Export:
    """Write what a finished search without costs found; whole, or not at all.

    Args:
        ranking: of the run.
        destination: folder to make.
        overwrite: replace an earlier export; what others added to it stays.

    Raises:
        AxdseError: as `axdse.dse.report.export.export.export_run`.
    """
    with staged(destination, ranking.run.path, overwrite=overwrite) as folder:
        names, places = _folder_names(ranking), {}
        exported = [entrant for entrant in ranking.entrants if entrant.point.on_front]
        for mac in macs_of(exported):
            places[mac] = f"{MACS}/{mac_name(mac)}"
            own = folder / places[mac]
            own.mkdir(parents=True)
            family = mac.multiplier.family
            (own / f"{family.name}.c").write_text(standalone_model(mac.multiplier))
            write_tables(mac.candidate, identifier(mac.multiplier.spec), own)
        for entrant in exported:
            _write_point(entrant, folder / names[entrant])
        _write_run(ranking, folder)
        rows = tuple(_row(entrant, names.get(entrant, "")) for entrant in ranking.entrants)
        (folder / "front.csv").write_text(csv_text(RankRow, rows))
        write_json(tuple[RankRow, ...], rows, folder / "front.json")
        (folder / "report.html").write_text(render_ranking(ranking))
        _write_readme(ranking, names, folder)
        files = write_sums(folder)
    return Export(
        destination,
        tuple(destination / name for name in names.values()),
        tuple(destination / place for place in places.values()),
        files,
    )


def _folder_names(ranking: Ranking) -> dict[Entrant, str]:
    """Of those on the front, by rank."""
    found: dict[Entrant, str] = {}
    for entrant in ranking.entrants:
        if entrant.point.on_front:
            mac = entrant.design.uniform_mac
            stem = mac_name(mac) if mac else f"assignment_{digest(entrant.design.name)[:8]}"
            found[entrant] = f"{POINTS}/{len(found) + 1}_{stem}"
    return found


def _write_point(entrant: Entrant, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / ASSIGNMENT).write_text(assignment_yaml(entrant.design))
    write_json(tuple[History, ...], entrant.point.histories, folder / "training.json")
    (folder / "training.csv").write_text(training_csv(entrant.point.histories))


def _write_run(ranking: Ranking, folder: Path) -> None:
    """What was asked, met and tried."""
    run, results = ranking.run, ranking.results
    (folder / "config.yaml").write_text(dump_config(run.config))
    shutil.copyfile(run.operands, folder / run.operands.name, follow_symlinks=False)
    for copy in (CATALOG, WORKLOAD):
        if (run.path / copy).exists():
            shutil.copytree(run.path / copy, folder / copy)
    (folder / "trials.csv").write_text(csv_text(TrialRow, trial_rows(results)))
    write_json(tuple[Evaluation, ...], results.evaluations, folder / "trials.json")


def _row(entrant: Entrant, folder: str) -> RankRow:
    return RankRow(
        folder=folder,
        trial=entrant.point.evaluation.number,
        multiplier=entrant.spec,
        format=entrant.format,
        on_front=entrant.point.on_front,
        exact=entrant.is_reference,
        validation_mean=entrant.validation.mean,
        validation_ci95=entrant.validation.half,
        test_mean=entrant.test.mean,
        test_ci95=entrant.test.half,
        seeds=len(entrant.point.seeds),
    )


def _write_readme(ranking: Ranking, names: dict[Entrant, str], folder: Path) -> None:
    """The best assignment once more, beside what the folder holds."""
    run, best = ranking.run, ranking.best
    if best:
        (folder / ASSIGNMENT).write_text(assignment_yaml(best.design))
    text = (
        environment()
        .get_template("ranking.md")
        .render(
            config=run.config,
            goal=run.info.goal,
            info=run.info,
            points=[(name, entrant) for entrant, name in names.items()],
            assignment=ASSIGNMENT if best else "",
            commands=tuple(_trainings(ranking)),
        )
    )
    (folder / "README.md").write_text(text)


def _trainings(ranking: Ranking) -> Iterator[str]:
    for seed in ranking.best.point.seeds if ranking.best else ():
        yield f"{axdse_of(ranking.run, '.')} train {ASSIGNMENT} --config config.yaml --seed {seed}"
