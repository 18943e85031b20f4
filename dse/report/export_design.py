"""What is one design as files that need nothing of axdse?"""

import csv
import io
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from shlex import quote
from typing import Any

from pydantic import TypeAdapter

from axdse.dse.report.page import environment
from axdse.dse.report.summary import Finalist
from axdse.dse.run.config import SearchConfig
from axdse.dse.run.run_dir import RunDir
from axdse.dse.training.records import Epoch, History
from axdse.flows.accelerator.network import AcceleratorCost
from axdse.flows.cost.record import Cost
from axdse.flows.verify.certificate import write_certificate
from axdse.multipliers.designs.candidate import Candidate
from axdse.multipliers.designs.family import Multiplier
from axdse.multipliers.designs.rtl_text import Rtl, core_rtl, unit_files, unit_rtl
from axdse.multipliers.formats import FloatFormat, Format, IntFormat
from axdse.multipliers.model.unit_model import UNIT_MODEL, unit_macros
from axdse.multipliers.tables.lut import build_lut, save_approxtrain, save_npz

FILE_LIST = "filelist.f"  # the Verilog of a design, in the order that tools should read it


@dataclass(frozen=True)
class Commands:
    """The command lines that make the numbers of a design again."""

    validate: str
    verify_core: str
    verify_unit: str
    cost: str
    energy: str
    lut: str
    train: tuple[str, ...]
    settings: str


def write_design(run: RunDir, finalist: Finalist, folder: Path) -> None:
    """Write RTL, C model, table, certificates, cost, histories and README of one design.

    Raises:
        AxdseError: a table cannot be built or written.
        OSError: a file cannot be written.
    """
    folder.mkdir()
    core, unit = core_rtl(finalist.candidate.multiplier), unit_rtl(finalist.candidate)
    sources = (*unit_files(finalist.candidate), (f"{core.top}.v", core.text))
    for name, text in sources:
        (folder / name).write_text(text)
    (folder / FILE_LIST).write_text("".join(f"{name}\n" for name, _ in sources))
    model = folder / f"{finalist.candidate.multiplier.family.name}.c"
    model.write_text(standalone_model(finalist.candidate.multiplier))
    _write_tables(finalist, core.top, folder)
    if isinstance(finalist.candidate.format, FloatFormat):
        (folder / f"{unit.top}.c").write_text(standalone_unit_model(finalist.candidate))
    write_certificate(finalist.certificate, folder / "certificate_core.json")
    write_certificate(finalist.point.unit_certificate, folder / "certificate_unit.json")
    _write_json(Cost, finalist.cost, folder / "cost.json")
    if finalist.point.on_array:
        _write_json(AcceleratorCost, finalist.point.on_array, folder / "energy.json")
    _write_json(tuple[History, ...], finalist.point.histories, folder / "training.json")
    (folder / "training.csv").write_text(_training_csv(finalist.point.histories))
    files = sorted(path.name for path in folder.iterdir())
    template = environment().get_template("design.md")
    text = template.render(
        f=finalist,
        core=core,
        unit=unit,
        verilog=[name for name, _ in sources],
        file_list=FILE_LIST,
        model=model.name,
        files=files,
        config=run.config,
        info=run.info,
        commands=_commands(finalist, core, run.config),
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


def _write_tables(finalist: Finalist, stem: str, folder: Path) -> None:
    """The table as .npz, and in ApproxTrain's form where its format has one."""
    lut = build_lut(finalist.candidate)
    save_npz(lut, folder / f"{stem}.npz")
    number_format = finalist.candidate.format
    if _has_approxtrain_form(number_format):
        save_approxtrain(lut, folder / f"{stem}_{number_format.operand_bits - 1}.bin")


def _has_approxtrain_form(number_format: Format) -> bool:
    return not isinstance(number_format, IntFormat) and number_format.product == "narrow"


def _training_csv(histories: tuple[History, ...]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["seed", *(field.name for field in fields(Epoch))])
    for history in histories:
        writer.writerows((history.seed, *astuple(epoch)) for epoch in history.epochs)
    return text.getvalue()


def _commands(finalist: Finalist, core: Rtl, config: SearchConfig) -> Commands:
    spec, form = f"'{finalist.spec}'", f"--format '{finalist.format}'"
    library = f" --library {quote(str(config.library))}" if config.library else ""
    training, recipe = config.training, "--config ../config.yaml"
    return Commands(
        validate="axdse verify --check certificate_core.json "
        f"--model {finalist.candidate.multiplier.family.name}.c --rtl {core.top}.v",
        verify_core=f"axdse verify {spec} --seed {finalist.certificate.seed}",
        verify_unit=f"axdse verify {spec} --unit {form} "
        f"--seed {finalist.point.unit_certificate.seed}",
        cost=f"axdse cost {spec} {form}{library}{_activity(config)}",
        energy=f"axdse energy ../operands.npz {spec} {form} --dataflow {config.dataflow}"
        f"{library}{_clock(config)}",
        lut=f"axdse lut {spec} {form} -o table.npz",
        train=tuple(
            f"axdse train {spec} {form} {recipe} --seed {seed}" for seed in finalist.point.seeds
        ),
        settings=", ".join(f"{f.name} {getattr(training, f.name)}" for f in fields(training)),
    )


def _activity(config: SearchConfig) -> str:
    if config.activity == "uniform":
        return _clock(config)
    return f"{_clock(config)} --activity ../operands.npz --dataflow {config.dataflow}"


def _clock(config: SearchConfig) -> str:
    return f" --clock {config.clock_ns:g}" if config.clock_ns else ""


def _write_json(kind: Any, value: Any, path: Path) -> None:
    path.write_bytes(TypeAdapter(kind).dump_json(value, indent=1) + b"\n")
