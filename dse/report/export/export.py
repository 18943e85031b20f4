"""What can a hardware team use alone? A folder, written whole or not at all."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from axdse.dse.report.assemble import environment
from axdse.dse.report.export.commands import ASSIGNMENT, point_commands
from axdse.dse.report.export.folder import staged, write_sums
from axdse.dse.report.export.mac import mac_name, write_mac
from axdse.dse.report.export.point import assignment_yaml, write_point
from axdse.dse.report.export.rows import FrontRow, TrialRow, front_row, trial_rows
from axdse.dse.report.export.texts import csv_text, write_json
from axdse.dse.report.material import Material, finalists_of, material_of
from axdse.dse.report.page import front_panels, render
from axdse.dse.report.summary import Finalist, Part
from axdse.dse.run.config import dump_config
from axdse.dse.run.evaluation import Evaluation
from axdse.dse.run.run_dir import CATALOG, WORKLOAD, RunDir
from axdse.multipliers.cache import digest
from axdse.multipliers.designs.design_point import Mac

MACS, POINTS = "macs", "points"


@dataclass(frozen=True)
class Export:
    """What was written.

    Attributes:
        folder: of the export.
        points: one folder per design point, of the front and the answer, the best by the first
            cost first.
        macs: one folder per distinct MAC of them.
        files: all files, relative to `folder`, sorted.
    """

    folder: Path
    points: tuple[Path, ...]
    macs: tuple[Path, ...]
    files: tuple[Path, ...]


def export_run(
    run: RunDir,
    destination: Path,
    material: Material | None = None,
    *,
    overwrite: bool = False,
) -> Export:
    """Write front and answer of a finished run: MACs, design points, tables, picture, report.

    Everything is built beside `destination` and renamed at the end. Two exports of one run hold
    the same bytes.

    Args:
        run: a search that has its front.
        destination: folder to make.
        material: of the run; None: gathered here, without designs of today.
        overwrite: replace an earlier export; what others added to it stays.

    Raises:
        AxdseError: the run has no front yet; `destination` exists (without `overwrite`), is no
            export of axdse, or has a file changed by others that this one would replace; a file
            cannot be written. Nothing is left half-written.
    """
    if material is None:
        results = run.results()
        material = material_of(run, results, finalists_of(run, results), ())
    with staged(destination, run.path, overwrite=overwrite) as folder:
        points, macs = _write(material, folder)
        files = write_sums(folder)
    return Export(
        destination,
        tuple(destination / name for name in points),
        tuple(destination / name for name in macs),
        files,
    )


def _write(material: Material, folder: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    run, finalists = material.run, material.finalists
    exported = [f for f in finalists if f.point.on_front or f is material.answer.chosen]
    names, macs = _folder_names(finalists, exported), _distinct(exported)
    (folder / MACS).mkdir()
    (folder / POINTS).mkdir()
    places = {mac: f"{MACS}/{mac_name(mac)}" for mac in macs}
    for mac, part in macs.items():
        write_mac(run, part, folder / places[mac])
    for finalist, name in zip(finalists, names, strict=True):
        if name:
            write_point(run, finalist, places, folder / name)
    (folder / "config.yaml").write_text(dump_config(run.config))
    if run.operands.exists():
        shutil.copyfile(run.operands, folder / run.operands.name, follow_symlinks=False)
    for copy in (CATALOG, WORKLOAD):
        if (run.path / copy).exists():
            shutil.copytree(run.path / copy, folder / copy)
    _write_tables(material, names, folder)
    (folder / "front.svg").write_text(_picture(material))
    (folder / "report.html").write_text(render(material))
    _write_answer(material, names, folder)
    return tuple(filter(None, names)), tuple(places.values())


def _write_tables(material: Material, names: Sequence[str], folder: Path) -> None:
    trials = material.results.evaluations
    rows = tuple(front_row(f, name) for f, name in zip(material.finalists, names, strict=True))
    (folder / "trials.csv").write_text(csv_text(TrialRow, trial_rows(material.results)))
    write_json(tuple[Evaluation, ...], trials, folder / "trials.json")
    (folder / "front.csv").write_text(csv_text(FrontRow, rows))
    write_json(tuple[FrontRow, ...], rows, folder / "front.json")


def _write_answer(material: Material, names: Sequence[str], folder: Path) -> None:
    """The assignment that the report recommends, and what is where."""
    run, finalists = material.run, material.finalists
    pairs = [(name, f) for name, f in zip(names, finalists, strict=True) if name]
    chosen = material.answer.chosen
    place = next((name for name, f in pairs if f is chosen), "")
    if chosen:
        (folder / ASSIGNMENT).write_text(assignment_yaml(chosen.design))
    text = (
        environment()
        .get_template("export.md")
        .render(
            config=run.config,
            goal=run.info.goal,
            info=run.info,
            points=pairs,
            assignment=ASSIGNMENT if place else "",
            answer=place,
            commands=point_commands(run, chosen, ".") if chosen else (),
        )
    )
    (folder / "README.md").write_text(text)


def _picture(material: Material) -> str:
    """The first chart of the report as a file of its own, links left out, the legend below."""
    chart = front_panels(material)[0].wide
    chart = replace(chart, spots=tuple(replace(spot, href="") for spot in chart.spots))
    keys = [
        (key, 30 + 300 * (i % 3), chart.height + 8 + 20 * (i // 3))
        for i, key in enumerate(chart.keys)
    ]
    height = 20 * -(-len(keys) // 3) + 4
    template = environment().get_template("front.svg")
    return template.render(chart=chart, keys=keys, legend_height=height)


def _distinct(exported: Sequence[Finalist]) -> dict[Mac, Part]:
    """Each MAC once, those of the best designs first."""
    macs: dict[Mac, Part] = {}
    for part in (part for finalist in exported for part in finalist.parts):
        macs.setdefault(part.mac, part)
    return macs


def _folder_names(finalists: Sequence[Finalist], exported: Sequence[Finalist]) -> list[str]:
    """`points/1_drum_n8_k4_in_int8`, ... by rank; empty for what is not exported.

    One of several MACs is `points/2_assignment_0123abcd`, by the digest of its text.
    """
    digits = len(str(len(exported)))
    names = {id(f): f"{POINTS}/{rank:0{digits}}_{_stem(f)}" for rank, f in enumerate(exported, 1)}
    return [names.get(id(f), "") for f in finalists]


def _stem(finalist: Finalist) -> str:
    if finalist.uniform:
        return mac_name(finalist.parts[0].mac)
    return f"assignment_{digest(finalist.design.name)[:8]}"
