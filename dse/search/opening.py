"""May this search begin, or go on? What is wrong with it is said before any work is done."""

import dataclasses
from pathlib import Path

from axdse.dse.run.config import SearchConfig, as_written
from axdse.dse.run.run_dir import RunDir
from axdse.dse.training.device import device_of
from axdse.dse.training.task import make
from axdse.flows.liberty.library import read_library
from axdse.gpu.layers.convert import convert
from axdse.multipliers.designs.catalog import Catalog
from axdse.multipliers.designs.design_point import DesignPoint, Place
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.operands.recording_file import load_recording

# What may differ when a run is resumed: it changes how much is done, not what.
RESUMABLE = ("trainings", "trials", "workers")


def check_config(config: SearchConfig) -> None:
    """Look for what the library, the device or the network cannot give.

    Raises:
        AxdseError: an objective takes power tables that are not there; there is no such device;
            a place fits no layer.
    """
    if config.costed:
        _check_power(config)
    device_of(config.device)
    _check_places(config)


def _check_power(config: SearchConfig) -> None:
    lacks = read_library(config.library).lacks
    needing = [objective.name for objective in config.figures if objective.needs_power]
    if needing and lacks:
        raise AxdseError(
            f"the objective {needing[0]} takes a library with power tables",
            f"{config.library} lacks {lacks}",
            "choose another library, or other objectives",
        )


def _check_places(config: SearchConfig) -> None:
    """Find out before any training that a place fits no layer."""
    if config.own_places != (Place(),):
        model = make(config.own_workload).build(config.seed)
        convert(model, DesignPoint(tuple((place, None) for place in config.own_places)))


def check_operands(run: RunDir) -> None:
    """Look whether recorded operands are those of the run.

    Raises:
        AxdseError: they are not, or cannot be read.
    """
    config = run.config
    remedy = "delete that file and --resume"
    try:
        found = load_recording(run.operands).workload
    except AxdseError as error:
        rule = "files of a run must be readable as written"
        raise AxdseError(rule, run.operands, remedy) from error
    if found != config.own_workload.text:
        rule = "the recorded operands of a run are of its own training"
        raise AxdseError(rule, f"{run.operands} is of {found}", remedy)


def open_run(
    path: Path, config: SearchConfig, catalog: Catalog | None = None, *, resume: bool
) -> RunDir:
    """Create the run, or open it to go on; then it has its catalogue.

    Raises:
        AxdseError: the folder holds a run and `resume` is not set, or a run of another search.
    """
    if not resume or not (path / "run.json").exists():
        return RunDir.create(path, config, catalog)
    run = RunDir(path)
    made = make(config.own_workload)
    if not made.workload.ships and made.digest != run.info.factory:
        rule = "a resumed search keeps its workload"
        raise AxdseError(rule, f"{made.file} was changed", "put it back, or start another run")
    if catalog and catalog.added and catalog.digest != run.info.catalog:
        rule = "a resumed search keeps its catalogue, which is part of the run"
        given = ", ".join(map(str, catalog.added))
        raise AxdseError(rule, f"{given} differs", "leave --catalog out, or start another run")
    for field in dataclasses.fields(SearchConfig):
        before, now = getattr(run.config, field.name), getattr(config, field.name)
        if before != now and field.name not in RESUMABLE:
            texts = (as_written(each).get(field.name) for each in (run.config, config))
            raise AxdseError(
                f"a resumed search keeps its configuration ({path / 'config.yaml'})",
                "{} was {}, is now {}".format(field.name, *texts),
                "give the same configuration and --seed, or start another run",
            )
    run.save_config(config)
    return run
