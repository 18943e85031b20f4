"""Is an export still what was exported? Digests, certificates, elaboration: what differs."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from axdse.dse.report.export.commands import ASSIGNMENT
from axdse.dse.report.export.export import MACS, POINTS
from axdse.dse.report.export.folder import changes, listed
from axdse.dse.report.export.mac import CERTIFICATES, FILE_LIST, mac_name, verilog_of
from axdse.dse.run.run_dir import CATALOG
from axdse.flows.tools import find_tool
from axdse.flows.verify.bring_your_own import read_design
from axdse.flows.verify.c_source import named_constants
from axdse.flows.verify.certificate import (
    Finding,
    compare,
    compare_sum_unit,
    compare_unit,
    read_certificate,
)
from axdse.flows.verify.check import read_as
from axdse.flows.verify.pins import Pins
from axdse.flows.yosys import run_yosys
from axdse.multipliers.cache import temporary_folder
from axdse.multipliers.designs.catalog import full_catalog
from axdse.multipliers.designs.design_point import Mac, load_design_point
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.files import LARGEST_SOURCE, InputFile

ELABORATION_S = 120


@dataclass(frozen=True)
class Difference:
    """What is no longer as it was exported.

    Attributes:
        where: a file or folder, relative to the export.
        what: in a line.
    """

    where: str
    what: str


@dataclass(frozen=True)
class Checked:
    """What a check of an export looked at.

    Attributes:
        files: with a digest.
        macs: whose certificates were held against their files, and that were elaborated.
        differences: what was found; none: all is as it was.
    """

    files: int
    macs: int
    differences: tuple[Difference, ...]


def check_export(folder: Path) -> Checked:
    """Compare every file with its digest, every certificate with its files, elaborate every MAC.

    Raises:
        AxdseError: it is no export, or a tool is missing.
    """
    sums = listed(folder)
    for tool in ("iverilog", "yosys"):
        find_tool(tool)
    changed = dict(changes(folder, sums))
    found = [Difference(name, what) for name, what in changed.items()]
    macs, wrong = _macs(folder)
    if not any(Path(name).name == FILE_LIST for name in sums):
        macs = {}  # of a search without costs: models and tables, which their digests tell
    found += [each for each in wrong if each.where not in changed]
    for place, mac in macs.items():
        if (folder / place).is_dir():
            found += _differences(folder, place, mac, set(changed))
        else:
            found.append(Difference(place, f"missing: the folder of {mac.name}"))
    return Checked(len(sums), len(macs), tuple(found))


def _macs(folder: Path) -> tuple[dict[str, Mac], list[Difference]]:
    """The MACs that the assignments name, by their folders; and assignments that are none."""
    macs: dict[str, Mac] = {}
    wrong = []
    try:
        catalog = full_catalog(sorted((folder / CATALOG).glob("*")))
    except AxdseError as error:
        return {}, [Difference(CATALOG, str(error))]
    for path in sorted((folder / POINTS).glob(f"*/{ASSIGNMENT}")):
        try:
            point = load_design_point(path, catalog)
        except AxdseError as error:
            wrong.append(Difference(str(path.relative_to(folder)), str(error)))
            continue
        macs |= {f"{MACS}/{mac_name(mac)}": mac for mac in point.macs}
    return macs, wrong


def _differences(folder: Path, place: str, mac: Mac, changed: set[str]) -> Iterator[Difference]:
    """Of one MAC: its RTL, its certificates, its elaboration."""
    own = folder / place
    for name, text in verilog_of(mac).texts.items():
        where = f"{place}/{name}"
        if where not in changed and _text(own / name) != text:
            yield Difference(where, f"is not what this version writes of {mac.name}")
    for name in CERTIFICATES:
        if f"{place}/{name}" in changed:
            continue
        try:
            findings = _findings(own, name, mac)
        except AxdseError as error:
            yield Difference(f"{place}/{name}", str(error))
            continue
        yield from (
            Difference(f"{place}/{name}", f"certifies another {finding.what}")
            for finding in findings
            if not finding.holds
        )
    try:
        _elaborate(own, verilog_of(mac).top)
    except AxdseError as error:
        yield Difference(f"{place}/{FILE_LIST}", str(error))


def _text(path: Path) -> str:
    rule = "the Verilog of an export is readable"
    try:
        return InputFile(path, rule, LARGEST_SOURCE).text()
    except AxdseError:
        return ""


def _findings(own: Path, name: str, mac: Mac) -> tuple[Finding, ...]:
    """The core's certificate against the files beside it, the unit's against the catalogue."""
    report = read_certificate(own / name)
    if name != CERTIFICATES[0]:
        if mac.recipe:
            return compare_sum_unit(report, mac)
        return compare_unit(report, mac.candidate)
    family = mac.multiplier.family
    signs = (report.unsigned_operand != "a", report.unsigned_operand != "b")
    pins = Pins(
        function=family.function or family.name,
        signed=signs if report.signed else (False, False),
        arguments=named_constants(family),
    )
    model, rtl = own / f"{family.name}.c", own / f"{verilog_of(mac).core}.v"
    with temporary_folder() as scratch:
        design = read_design(model, rtl, pins, folder=scratch)
        return compare(report, read_as(design.readings, report), design.rtl)


def _elaborate(own: Path, top: str) -> None:
    """Let Icarus Verilog and Yosys read the listed files, copied to a folder of their own.

    Raises:
        AxdseError: the list names others, or a tool refuses them.
    """
    names = _text(own / FILE_LIST).split()
    there = {path.name for path in own.glob("*.v")}
    if not names or not there.issuperset(names):
        rule = "a file list has names of Verilog files beside it"
        raise AxdseError(rule, ", ".join(set(names) - there) or "none", "export again")
    with temporary_folder() as folder:
        for name in names:
            (folder / name).write_text(_text(own / name))
        arguments = ["-g2005", "-t", "null", "-s", top, *names]
        ended = find_tool("iverilog").run(arguments, folder=folder, limit_s=ELABORATION_S)
        if ended.exit_code:
            said = (ended.log.strip().splitlines() or [f"exit code {ended.exit_code}"])[0]
            raise AxdseError(f"Icarus Verilog must accept {top}", said, "correct what it names")
        script = (
            f"read_verilog {' '.join(names)}\nhierarchy -check -top {top}\nproc\ncheck -assert\n"
        )
        run_yosys(script, folder, top, ELABORATION_S)
