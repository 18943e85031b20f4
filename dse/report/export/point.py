"""What is one design point of a front as files? Its assignment, and what it came to."""

from collections.abc import Mapping
from pathlib import Path

import yaml

from axdse.dse.report.assemble import environment
from axdse.dse.report.export.commands import ASSIGNMENT, point_commands, settings_text
from axdse.dse.report.export.texts import training_csv, write_json
from axdse.dse.report.summary import Finalist
from axdse.dse.run.run_dir import RunDir
from axdse.dse.training.records import History
from axdse.flows.accelerator.network import AcceleratorCost
from axdse.flows.cost.point import PointCost
from axdse.multipliers.designs.design_point import LONGEST, NATIVE, DesignPoint, Mac


def write_point(run: RunDir, finalist: Finalist, macs: Mapping[Mac, str], folder: Path) -> None:
    """Write the assignment of a design point, its cost, energy and trainings.

    Args:
        run: that found it.
        finalist: the point.
        macs: folders of all MACs of the export, relative to it.
        folder: two below the export.

    Raises:
        OSError: a file cannot be written.
    """
    folder.mkdir()
    (folder / ASSIGNMENT).write_text(assignment_yaml(finalist.design))
    write_json(PointCost, finalist.cost, folder / "cost.json")
    if finalist.point.on_array:
        write_json(AcceleratorCost, finalist.point.on_array, folder / "energy.json")
    write_json(tuple[History, ...], finalist.point.histories, folder / "training.json")
    (folder / "training.csv").write_text(training_csv(finalist.point.histories))
    text = (
        environment()
        .get_template("point.md")
        .render(
            goal=run.info.goal,
            f=finalist,
            folders=tuple((f"../../{macs[part.mac]}", part) for part in finalist.parts),
            assignment=ASSIGNMENT,
            config=run.config,
            info=run.info,
            commands=point_commands(run, finalist),
            settings=settings_text(run.config),
        )
    )
    (folder / "README.md").write_text(text)


def assignment_yaml(point: DesignPoint) -> str:
    """A design point as YAML, place by place, which `parse_design_point` reads back."""
    places = {place.name: mac.name if mac else NATIVE for place, mac in point.places}
    return yaml.safe_dump(places, sort_keys=False, width=LONGEST)
