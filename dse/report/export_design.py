"""What is one design as files that need nothing of axdse?"""

import csv
import io
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from shlex import quote
from typing import Any

import yaml
from pydantic import TypeAdapter

from axdse.dse.report.page import environment
from axdse.dse.report.summary import Finalist, Part
from axdse.dse.run.config import SearchConfig
from axdse.dse.run.run_dir import CATALOG, WORKLOAD, RunDir
from axdse.dse.training.records import Epoch, History
from axdse.flows.accelerator.network import AcceleratorCost
from axdse.flows.cost.point import PointCost
from axdse.flows.cost.record import Cost
from axdse.flows.verify.certificate import write_certificate
from axdse.multipliers.designs.design_point import LONGEST, NATIVE, Candidate, DesignPoint
from axdse.multipliers.designs.family import Multiplier
from axdse.multipliers.designs.rtl_text import Rtl, core_rtl, unit_files, unit_rtl
from axdse.multipliers.formats import FloatFormat, Format, IntFormat
from axdse.multipliers.model.unit_model import UNIT_MODEL, unit_macros
from axdse.multipliers.tables.lut import build_lut, save_approxtrain, save_npz

ASSIGNMENT = "assignment.yaml"
FILE_LIST = "filelist.f"  # the Verilog of a design, in the order that tools should read it


@dataclass(frozen=True)
class Commands:
    """The command lines that make the numbers of a MAC again; empty: they are of the point."""

    validate: str
    verify_core: str
    verify_unit: str
    cost: str
    energy: str
    lut: str
    train: tuple[str, ...]


def write_design(run: RunDir, finalist: Finalist, folder: Path) -> None:
    """Write all there is of one design of the front.

    One MAC everywhere is one folder: RTL, C model, table, certificates, cost, histories, README.
    Several have a folder each below that of their assignment, which `axdse train` reads.

    Raises:
        AxdseError: a table cannot be built or written.
        OSError: a file cannot be written.
    """
    folder.mkdir()
    if finalist.uniform:
        _write_results(finalist, folder)
        _write_mac(run, finalist, finalist.parts[0], folder)
        return
    (folder / ASSIGNMENT).write_text(assignment_yaml(finalist.design))
    _write_json(PointCost, finalist.cost, folder / "cost.json")
    _write_results(finalist, folder)
    names = tuple(f"{i}_{name}" for i, name in enumerate(part_names(finalist.parts), 1))
    for part, name in zip(finalist.parts, names, strict=True):
        (folder / name).mkdir()
        _write_mac(run, finalist, part, folder / name)
    text = (
        environment()
        .get_template("assignment.md")
        .render(
            goal=run.info.goal,
            f=finalist,
            folders=tuple(zip(names, finalist.parts, strict=True)),
            assignment=ASSIGNMENT,
            config=run.config,
            info=run.info,
            commands=_point_commands(finalist, run),
            settings=_settings(run.config),
        )
    )
    (folder / "README.md").write_text(text)


def part_names(parts: Sequence[Part]) -> tuple[str, ...]:
    """Names for the folders of MACs, such as `drum_n8_k4_int8`."""
    return tuple(unit_rtl(part.candidate).top.removeprefix("unit_") for part in parts)


def assignment_yaml(point: DesignPoint) -> str:
    """A design point as YAML, place by place, which `parse_design_point` reads back."""
    places = {place.name: mac.name if mac else NATIVE for place, mac in point.places}
    return yaml.safe_dump(places, sort_keys=False, width=LONGEST)


def _write_results(finalist: Finalist, folder: Path) -> None:
    """What the network became, and takes."""
    if finalist.point.on_array:
        _write_json(AcceleratorCost, finalist.point.on_array, folder / "energy.json")
    _write_json(tuple[History, ...], finalist.point.histories, folder / "training.json")
    (folder / "training.csv").write_text(_training_csv(finalist.point.histories))


def _write_mac(run: RunDir, finalist: Finalist, part: Part, folder: Path) -> None:
    """RTL, C model, table, certificates, cost and README of one MAC."""
    multiplier = part.candidate.multiplier
    core, unit = core_rtl(multiplier), unit_rtl(part.candidate)
    sources = (*unit_files(part.candidate), (f"{core.top}.v", core.text))
    for name, text in sources:
        (folder / name).write_text(text)
    (folder / FILE_LIST).write_text("".join(f"{name}\n" for name, _ in sources))
    model = folder / f"{multiplier.family.name}.c"
    model.write_text(standalone_model(multiplier))
    _write_tables(part.candidate, core.top, folder)
    if isinstance(part.candidate.format, FloatFormat):
        (folder / f"{unit.top}.c").write_text(standalone_unit_model(part.candidate))
    write_certificate(part.certificate, folder / "certificate_core.json")
    write_certificate(part.unit_certificate, folder / "certificate_unit.json")
    _write_json(Cost, part.cost, folder / "cost.json")
    files = sorted(path.name for path in folder.iterdir())
    text = (
        environment()
        .get_template("design.md")
        .render(
            goal=run.info.goal,
            f=finalist,
            part=part,
            core=core,
            unit=unit,
            verilog=[name for name, _ in sources],
            file_list=FILE_LIST,
            model=model.name,
            files=files,
            config=run.config,
            info=run.info,
            commands=_commands(finalist, part, core, run),
            settings=_settings(run.config),
        )
    )
    (folder / "README.md").write_text(text)


def standalone_model(multiplier: Multiplier) -> str:
    """The C model with its parameters defined at the top, so that `cc -c` compiles it."""
    defines = [f"#define {name} {value}" for name, value in multiplier.bindings.items()]
    header = f"/* {multiplier.spec}, with its parameters bound. */"
    return "\n".join([header, *defines, "", multiplier.family.model.read_text()])


def standalone_unit_model(candidate: Candidate) -> str:
    """The C model of the whole float unit: definitions, the core, `fp_multiply`."""
    macros = (macro.partition("=") for macro in unit_macros(candidate))
    defines = [f"#define {name} {value}" for name, _, value in macros if name != "FP_CORE_FILE"]
    header = f"/* {candidate.name}: uint64_t fp_multiply(uint64_t a, uint64_t b) on codes. */"
    core = candidate.multiplier.family.model.read_text()
    return "\n".join([header, *defines, "", core, UNIT_MODEL.read_text()])


def _write_tables(candidate: Candidate, stem: str, folder: Path) -> None:
    """The table as .npz, and in ApproxTrain's form where its format has one."""
    lut = build_lut(candidate)
    save_npz(lut, folder / f"{stem}.npz")
    if _has_approxtrain_form(candidate.format):
        save_approxtrain(lut, folder / f"{stem}_{candidate.format.operand_bits - 1}.bin")


def _has_approxtrain_form(number_format: Format) -> bool:
    return not isinstance(number_format, IntFormat) and number_format.product == "narrow"


def _training_csv(histories: tuple[History, ...]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["seed", *(field.name for field in fields(Epoch))])
    for history in histories:
        writer.writerows((history.seed, *astuple(epoch)) for epoch in history.epochs)
    return text.getvalue()


def _commands(finalist: Finalist, part: Part, core: Rtl, run: RunDir) -> Commands:
    config, alone = run.config, finalist.uniform
    up = ".." if alone else "../.."
    axdse, spec, form = _axdse(run, up), f"'{part.spec}'", f"--format '{part.format}'"
    # The operands of one MAC among several are those of its products: the point tells its energy.
    met = _activity(config, up) if alone else _clock(config)
    train = tuple(
        f"{axdse} train {spec} {form} --config {up}/config.yaml --seed {seed}"
        for seed in finalist.point.seeds
    )
    return Commands(
        validate="axdse verify --check certificate_core.json "
        f"--model {part.candidate.multiplier.family.name}.c --rtl {core.top}.v",
        verify_core=f"{axdse} verify {spec} --seed {part.certificate.seed}",
        verify_unit=f"{axdse} verify {spec} --unit {form} --seed {part.unit_certificate.seed}",
        cost=f"{axdse} cost {spec} {form} --aim {config.aim}{_library(config)}{met}",
        energy=f"{axdse} energy {up}/operands.npz {spec} {form}{_array(config)}" if alone else "",
        lut=f"{axdse} lut {spec} {form} -o table.npz",
        train=train if alone else (),
    )


def _point_commands(finalist: Finalist, run: RunDir) -> tuple[str, ...]:
    config, axdse = run.config, _axdse(run, "..")
    met = f" --activity ../operands.npz --dataflow {config.dataflow}"
    basis = f" --aim {config.aim}{_library(config)}{_clock(config)}"
    cost = f"{axdse} cost {ASSIGNMENT}{basis}{met}"
    energy = f"{axdse} energy ../operands.npz {ASSIGNMENT}{_array(config)}"
    train = f"{axdse} train {ASSIGNMENT} --config ../config.yaml --seed"
    trainings = (f"{train} {seed}" for seed in finalist.point.seeds)
    return (cost, *((energy,) if finalist.point.on_array else ()), *trainings)


def _axdse(run: RunDir, up: str) -> str:
    """The command, with the catalogues and the workload that the export has copies of."""
    copies = sorted(path.name for path in (run.path / CATALOG).glob("*"))
    own = (f"PYTHONPATH={up}/{WORKLOAD}",) if (run.path / WORKLOAD).exists() else ()
    return " ".join((*own, "axdse", *(f"--catalog {up}/{CATALOG}/{name}" for name in copies)))


def _settings(config: SearchConfig) -> str:
    said = ((f.name, getattr(config.training, f.name)) for f in fields(config.training))
    return ", ".join(f"{name} {value}" for name, value in said if value is not None)


def _library(config: SearchConfig) -> str:
    return f" --library {quote(str(config.library))}" if config.library else ""


def _array(config: SearchConfig) -> str:
    return f" --dataflow {config.dataflow}{_library(config)}{_clock(config)}"


def _activity(config: SearchConfig, up: str) -> str:
    if config.activity == "uniform":
        return _clock(config)
    return f"{_clock(config)} --activity {up}/operands.npz --dataflow {config.dataflow}"


def _clock(config: SearchConfig) -> str:
    return f" --clock {config.clock_ns:g}" if config.clock_ns else ""


def _write_json(kind: Any, value: Any, path: Path) -> None:
    path.write_bytes(TypeAdapter(kind).dump_json(value, indent=1) + b"\n")
