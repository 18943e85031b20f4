"""The command verify: is the Verilog the C model?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar, get_args

import click

from axdse.dse.cli.options import (
    PATH,
    candidate_of,
    catalog_in_use,
    format_option,
    json_option,
    mac_of,
    multipliers_of,
    print_json,
    print_table,
    progress_bar,
    say,
    seed_option,
    sum_option,
)
from axdse.dse.cli.own_design import cells_option, pinned_options, values_of
from axdse.dse.cli.verdicts import print_reports
from axdse.flows.evidence.report import Order, RtlReport, Simulator
from axdse.flows.evidence.stimulus import EXHAUSTIVE_BITS
from axdse.flows.verify.bring_your_own import Design, read_design
from axdse.flows.verify.certificate import (
    Finding,
    compare,
    compare_sum_unit,
    compare_unit,
    read_certificate,
    write_certificate,
)
from axdse.flows.verify.check import check, check_all, check_design, check_unit, read_as
from axdse.flows.verify.pairs import MODELS, VERILOG
from axdse.flows.verify.pins import Pins
from axdse.flows.verify.sum_check import check_sum
from axdse.multipliers.cache import temporary_folder
from axdse.multipliers.designs.design_point import parse_mac
from axdse.multipliers.designs.family import Kind, Multiplier
from axdse.multipliers.designs.rtl_text import core_rtl
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.tables.product_tables import Index

T = TypeVar("T")


@dataclass(frozen=True)
class Files:
    """The files of a design of the user's own."""

    model: Path | None = None
    rtl: tuple[Path, ...] = ()
    cells: tuple[Path, ...] = ()

    def __str__(self) -> str:
        named = [("--model", self.model), *(("--rtl", path) for path in self.rtl)]
        return " ".join(f"{option} {path}" for option, path in named if path)


Options = Mapping[str, object]  # by name; what is not given is false


@click.command(short_help="Check C model against Verilog.")
@click.argument("specs", nargs=-1, metavar="SPEC...")
@click.option("--all", "every", is_flag=True, help="Every design of the catalogue up to 8 bits.")
@click.option("--defaults", is_flag=True, help="Every family at its default parameters.")
@click.option("--unit", is_flag=True, help="Check the whole unit of --format, not the bare core.")
@format_option
@sum_option
@click.option("--model", type=PATH, help="Your own C model, or table of products (with --rtl).")
@click.option(
    "--rtl",
    "rtls",
    type=PATH,
    multiple=True,
    help="Your own Verilog: files, lists of files (.f), folders.",
)
@cells_option
@pinned_options
@click.option("--function", default="", help="The C function, if the file has several.")
@click.option("--top", default="", help="The Verilog module, if the file has several.")
@click.option(
    "--order",
    type=click.Choice(["straight", "swapped"]),
    help="Which of the RTL's operands the C function takes first; default: the one that agrees.",
)
@click.option(
    "--argument",
    "arguments",
    multiple=True,
    metavar="NAME=VALUE",
    help="A constant for a parameter of the C function that is no operand.",
)
@click.option("--signed/--unsigned", default=None, help="Two's complement or not; default: found.")
@click.option(
    "--index",
    type=click.Choice(get_args(Index)),
    help="The order of operands if --model is a table; default: found.",
)
@click.option("--clock", default="", help="Clock of a pipeline; default: the input named so.")
@click.option("--latency", type=click.IntRange(0, 64), help="Clock edges to the product.")
@click.option("--reset", default="", help="Reset of a pipeline; active low if named so.")
@click.option("--reset-level", type=click.IntRange(0, 1), help="The level that resets.")
@click.option("--enable", default="", help="Clock enable of a pipeline; active low if named so.")
@click.option("--enable-level", type=click.IntRange(0, 1), help="The level that enables.")
@click.option("--start", default="", help="The input that hands operands over; with --done.")
@click.option("--done", default="", help="The output that says that the product is there.")
@click.option("--ready", default="", help="The output that says that operands are taken.")
@click.option(
    "--kind",
    type=click.Choice(get_args(Kind)),
    help="What your design is; default: an integer product if it has the bits of one.",
)
@click.option(
    "--prove",
    "prove_s",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="Compare gates and model on every pair, within that time; up to 24 operand bits always.",
)
@click.option("--waves", type=PATH, metavar="FILE.vcd", help="Leave a VCD of a counter-example.")
@click.option("--certificate", type=PATH, metavar="FILE.json", help="Write the certificate.")
@click.option(
    "--check",
    "known",
    type=PATH,
    metavar="FILE.json",
    help="Validate a certificate.",
)
@click.option(
    "--simulator",
    type=click.Choice(["icarus", "verilator"]),
    default="icarus",
    show_default=True,
    help="For designs of a catalogue; Verilator has two states and takes no pipelines.",
)
@click.option("--jobs", type=click.IntRange(1), help="Simulations at once; default: all cores.")
@seed_option
@json_option
def verify(
    specs: tuple[str, ...],
    every: bool,
    defaults: bool,
    unit: bool,
    format_text: str | None,
    sum_text: str | None,
    model: Path | None,
    rtls: tuple[Path, ...],
    cells: tuple[Path, ...],
    parameters: tuple[str, ...],
    ties: tuple[str, ...],
    ignored: tuple[str, ...],
    function: str,
    top: str,
    order: Order | None,
    arguments: tuple[str, ...],
    signed: bool | None,
    index: Index | None,
    clock: str,
    latency: int | None,
    reset: str,
    reset_level: int | None,
    enable: str,
    enable_level: int | None,
    start: str,
    done: str,
    ready: str,
    kind: Kind | None,
    prove_s: float | None,
    waves: Path | None,
    certificate: Path | None,
    known: Path | None,
    simulator: Simulator,
    jobs: int | None,
    seed: int,
    as_json: bool,
) -> int:
    """Check that C model and Verilog agree; exit code 1 and a counter-example if they do not.

    Up to 16 operand bits every pair is simulated; up to 24 every pair is proved on gates; beyond
    that corners and random pairs are simulated. Your own
    two files need no more than --model and --rtl: the other options pin what they leave open.
    With --sum, one step of that sum with its cores is checked: all steps up to 24 bits.
    """
    for what, path, end in (("a certificate", certificate, ".json"), ("a VCD", waves, ".vcd")):
        if path and path.suffix != end:
            raise AxdseError(f"{what} is written as {end}", path, "choose that ending")
    signs = None if signed is None else (signed, signed)
    pins = Pins(
        function=function,
        top=top,
        order=order,
        signed=signs,
        index=index,
        arguments=values_of("--argument", arguments),
        parameters=values_of("--parameter", parameters),
        ties=values_of("--tie", ties),
        ignored=ignored,
        clock=clock,
        latency=latency,
        reset=reset,
        reset_level=reset_level,
        enable=enable,
        enable_level=enable_level,
        start=start,
        done=done,
        ready=ready,
        kind=kind or "",
    )
    files = Files(model, rtls, cells)
    own = bool(files != Files() or pins != Pins())
    chosen_by: Options = {"a SPEC": specs, "--all": every, "--defaults": defaults}
    catalogued: Options = {**chosen_by, "--unit": unit, "--format": format_text, "--sum": sum_text}
    simulated: Options = {"--simulator": simulator != "icarus"}
    traced: Options = {"--waves": waves, "--prove": prove_s}
    if known:
        beside: Options = {**catalogued, **simulated, **traced, "--certificate": certificate}
        _refuse_beside("--check", beside)
        return _recheck(known, files, pins)
    guesses: tuple[str, ...] = ()
    if own:
        _refuse_beside("a design of your own", {**catalogued, **simulated})
        with temporary_folder() as folder:
            design = _own(files, pins, folder)
            reports = [check_design(design, order=order, seed=seed, waves=waves, prove_s=prove_s)]
        guesses = design.guesses(pins)
        if design.assumed and not as_json:
            say(f"{reports[0].design}: {design.assumed}")
    else:
        chosen = _chosen(specs, every, defaults)
        if certificate:
            _only_one(chosen, "--certificate")
        if unit:
            _refuse_beside("--unit", {**simulated, **traced, "--sum": sum_text})
        if sum_text:
            _refuse_beside("--sum", {**simulated, **traced})
            macs = [mac_of(m, format_text, sum_text) for m in chosen]
            reports = [check_sum(mac, seed=seed) for mac in macs]
        elif unit:
            candidates = [candidate_of(m, format_text) for m in chosen]
            reports = [check_unit(candidate, seed=seed) for candidate in candidates]
        elif format_text:
            raise AxdseError("--format is of the whole unit", format_text, "add --unit")
        elif waves or prove_s:
            _refuse_beside("--waves or --prove", simulated)
            one = _only_one(chosen, "--waves or --prove")
            reports = [check(one, seed=seed, waves=waves, prove_s=prove_s)]
        else:
            reports = _check_many(chosen, seed, jobs, simulator)
    if waves and all(report.passed for report in reports):
        say(f"no counter-example, so {waves} is not written", err=True)
    passed = all(report.passed for report in reports)
    if certificate and passed:
        write_certificate(_only_one(reports, "--certificate"), certificate)
    elif certificate:
        say(f"only a passed check is certified, so {certificate} is not written", err=True)
    if as_json:
        print_json(tuple(reports), tuple[RtlReport, ...])
    else:
        print_reports(reports)
        for guess in () if passed else guesses:
            say(f"{reports[0].design}: {guess}")
    return 0 if passed else 1


def _refuse_beside(one: str, others: Options) -> None:
    """Refuse options that would do nothing."""
    given = [option for option, value in others.items() if value]
    if given:
        raise AxdseError(f"{one} goes without {given[0]}", "both are given", "leave one out")


def _chosen(specs: tuple[str, ...], every: bool, defaults: bool) -> list[Multiplier]:
    if ((every or defaults) and specs) or (every and defaults):
        given = " ".join(specs) or "--all --defaults"
        raise AxdseError("SPECs, --all or --defaults", given, "leave the others out")
    if not (specs or every or defaults):
        raise AxdseError(
            "verify takes at least one SPEC, --defaults, --all, or --model X.c and --rtl X.v",
            "none given",
            "see 'axdse list' for SPECs",
        )
    if every:
        return [m for m in catalog_in_use().grid() if m.a_bits + m.b_bits <= EXHAUSTIVE_BITS]
    if defaults:
        return [family.bind() for family in catalog_in_use().families.values()]
    return multipliers_of(specs)


def _only_one(given: Sequence[T], option: str) -> T:
    if len(given) > 1:
        raise AxdseError(f"{option} takes one design", f"{len(given)} given", "verify just one")
    return given[0]


def _recheck(known: Path, files: Files, pins: Pins) -> int:
    """Hold a certificate against two files, or against the catalogue."""
    report = read_certificate(known)
    alone = bool(files.rtl) and report.rtl_only
    if not alone and (
        (files.model is None) != (not files.rtl) or (not files.rtl and pins != Pins())
    ):
        raise AxdseError(
            "a certificate is held against two files, or against the catalogue",
            f"only {str(files) or 'pins'}",
            "give both files, or neither",
        )
    family = report.design.partition(" in ")[0].partition("(")[0]
    if not files.rtl and family not in catalog_in_use().families:
        raise AxdseError(
            "a certificate is held against two files, or against the catalogue",
            f"no catalogue has {family}",
            "give --model and --rtl, or the --catalog FOLDER that has it",
        )
    if " sum " in report.design:
        return _print_findings(
            report, compare_sum_unit(report, parse_mac(report.design, catalog_in_use()))
        )
    if " in " in report.design:
        spec, _, format_text = report.design.partition(" in ")
        candidate = candidate_of(catalog_in_use().multiplier(spec), format_text)
        return _print_findings(report, compare_unit(report, candidate))
    if files.rtl:
        signs = (report.unsigned_operand != "a", report.unsigned_operand != "b")
        pinned = replace(pins, signed=signs if report.signed else (False, False))
        with temporary_folder() as folder:
            design = read_design(files.model, files.rtl, pinned, files.cells, folder)
            multiplier = read_as(design.readings, report)
            return _print_findings(report, compare(report, multiplier, design.rtl))
    multiplier = catalog_in_use().multiplier(report.design)
    device = core_rtl(multiplier)
    return _print_findings(report, compare(report, multiplier, device))


def _print_findings(report: RtlReport, findings: tuple[Finding, ...]) -> int:
    rows = [(f.what, f.certified, f.found, "holds" if f.holds else "DIFFERS") for f in findings]
    print_table(
        f"{report.design}, {report.verdict}, {report.date}",
        ("what", "certified", "found", ""),
        rows,
    )
    return 0 if all(finding.holds for finding in findings) else 1


def _own(files: Files, pins: Pins, folder: Path) -> Design:
    if not files.rtl:
        raise AxdseError(
            "your own design is Verilog, and a C file if there is one",
            f"only {str(files) or 'options of one'}",
            "write 'axdse verify --model X.c --rtl X.v'",
        )
    if files.model and files.model.suffix in VERILOG and files.rtl[0].suffix in MODELS:
        raise AxdseError("--model is a C file, --rtl a Verilog one", files, "exchange them")
    said = [name for name in ("function", "order", "arguments", "index") if getattr(pins, name)]
    if not files.model and said:
        rule = f"--{said[0].removesuffix('s')} is of a C model"
        raise AxdseError(rule, "there is none", "leave it out, or give a --model")
    return read_design(files.model, files.rtl, pins, files.cells, folder)


def _check_many(
    multipliers: list[Multiplier], seed: int, jobs: int | None, simulator: Simulator
) -> list[RtlReport]:
    with progress_bar() as progress:
        task = progress.add_task("verify", total=len(multipliers))
        reports = []
        for report in check_all(multipliers, seed=seed, jobs=jobs, simulator=simulator):
            reports.append(report)
            progress.advance(task)
    return reports
