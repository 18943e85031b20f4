"""What is one MAC as files that need nothing of axdse?"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from axdse.dse.report.assemble import environment
from axdse.dse.report.export.commands import Commands, mac_commands
from axdse.dse.report.export.texts import write_json
from axdse.dse.report.summary import Part
from axdse.dse.run.run_dir import RunDir
from axdse.flows.accelerator.mac_unit import MacUnit
from axdse.flows.cost.record import Cost
from axdse.flows.verify.certificate import write_certificate
from axdse.multipliers.designs.design_point import Candidate, Mac
from axdse.multipliers.designs.family import Multiplier
from axdse.multipliers.designs.rtl_text import core_rtl, identifier, unit_files, unit_rtl
from axdse.multipliers.formats import FloatFormat, Format, IntFormat
from axdse.multipliers.model.unit_model import UNIT_MODEL, unit_macros
from axdse.multipliers.tables.lut import build_lut, save_approxtrain, save_npz

UNIT_LIST = "filelist_unit.f"
FILE_LIST = "filelist.f"  # the Verilog of a design, in the order that tools should read it
CERTIFICATES = ("certificate_core.json", "certificate_unit.json")


def mac_name(mac: Mac) -> str:
    """Of its folder, such as `drum_n4_k3_float_8_3`."""
    return identifier(mac.name)


@dataclass(frozen=True)
class Verilog:
    """The files of a MAC's RTL.

    Attributes:
        top: the MAC's module: multiplier and sum, the stage register between them.
        top_files: what it needs, its top first, the core last.
        unit: the module of the multiplier alone; empty: behind a recipe of a sum there is none.
        unit_files: what that needs.
        core: the core's module.
        texts: of all, by name.
    """

    top: str
    top_files: tuple[str, ...]
    unit: str
    unit_files: tuple[str, ...]
    core: str
    texts: dict[str, str]


def verilog_of(mac: Mac) -> Verilog:
    """The RTL of a MAC, each module in one file.

    Raises:
        AxdseError: there is none, or a Verilog file cannot be read.
    """
    path, core = MacUnit(mac).path, core_rtl(mac.multiplier)
    last = ((f"{core.top}.v", core.text),)
    whole = (*path.files, *last)
    if mac.recipe:
        return Verilog(path.top, _names(whole), "", (), core.top, dict(whole))
    unit = (*unit_files(mac.candidate), *last)
    texts = dict(whole) | dict(unit)  # the certificate is of the unit as it stands alone
    return Verilog(
        path.top, _names(whole), unit_rtl(mac.candidate).top, _names(unit), core.top, texts
    )


def _names(files: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    return tuple(name for name, _ in files)


def write_mac(run: RunDir, part: Part, folder: Path) -> None:
    """Write RTL with its sum, C model, table, certificates, cost and README of one MAC.

    Raises:
        AxdseError: a table cannot be built or written.
        OSError: a file cannot be written.
    """
    folder.mkdir()
    mac, candidate, verilog = part.mac, part.candidate, verilog_of(part.mac)
    for name, text in verilog.texts.items():
        (folder / name).write_text(text)
    (folder / FILE_LIST).write_text("".join(f"{name}\n" for name in verilog.top_files))
    if verilog.unit:
        (folder / UNIT_LIST).write_text("".join(f"{name}\n" for name in verilog.unit_files))
    model = folder / f"{mac.multiplier.family.name}.c"
    model.write_text(standalone_model(mac.multiplier))
    if isinstance(candidate.format, FloatFormat) and verilog.unit:
        (folder / f"{verilog.unit}.c").write_text(standalone_unit_model(candidate))
    write_tables(candidate, verilog.core, folder)
    for report, name in zip((part.certificate, part.unit_certificate), CERTIFICATES, strict=True):
        write_certificate(report, folder / name)
    # Whose operands it met is a matter of the design points that have it.
    write_json(Cost, dataclasses.replace(part.cost, recorded=None), folder / "cost.json")
    commands: Commands = mac_commands(run, part, verilog.core)
    text = (
        environment()
        .get_template("mac.md")
        .render(
            part=part,
            verilog=verilog,
            rtl=core_rtl(mac.multiplier),
            file_list=FILE_LIST,
            unit_list=UNIT_LIST,
            model=model.name,
            files=sorted(path.name for path in folder.iterdir()),
            info=run.info,
            commands=commands,
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


def write_tables(candidate: Candidate, stem: str, folder: Path) -> None:
    """The table as .npz, and in ApproxTrain's form where its format has one."""
    lut = build_lut(candidate)
    save_npz(lut, folder / f"{stem}.npz")
    if _has_approxtrain_form(candidate.format):
        save_approxtrain(lut, folder / f"{stem}_{candidate.format.operand_bits - 1}.bin")


def _has_approxtrain_form(number_format: Format) -> bool:
    return not isinstance(number_format, IntFormat) and number_format.product == "narrow"
