"""What is a certificate? A report as a sealed JSON file, and its validation."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError

from axdse.flows.evidence.report import RtlReport
from axdse.multipliers.cache import digest, write_output
from axdse.multipliers.designs.design_point import Candidate, Mac
from axdse.multipliers.designs.family import MOST_BITS, Multiplier
from axdse.multipliers.designs.rtl_text import Rtl, unit_rtl
from axdse.multipliers.designs.sum_rtl import sum_rtl
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.files import MIB, InputFile
from axdse.multipliers.model.cmodel import MAX_TABLE_BITS, model_digest, table_of
from axdse.multipliers.model.sum_unit import sum_digest
from axdse.multipliers.model.unit_oracle import unit_digest

SCHEMA = 3
LARGEST = MIB
MOST_SUM_BITS = 1 << 13  # of the operands of a step, and its running sum


@dataclass(frozen=True)
class Certificate:
    """What a file holds.

    Attributes:
        schema: version of its layout.
        report: the verdict.
        seal: SHA-256 (hex) of the rest; it shows damage, not forgery.
    """

    schema: int
    report: RtlReport
    seal: str


@dataclass(frozen=True)
class Finding:
    """One thing that a certificate says, and whether the files still bear it out."""

    what: str
    certified: str
    found: str
    holds: bool


def write_certificate(report: RtlReport, path: Path) -> None:
    """Write a report as a certificate.

    Raises:
        AxdseError: the check failed, or the place is unwritable.
    """
    if not report.passed:
        raise AxdseError(
            "only a passed check is certified", f"{report.design} has mismatches", "correct it"
        )
    certificate = Certificate(SCHEMA, report, _seal(report))
    data = TypeAdapter(Certificate).dump_json(certificate, indent=1)
    write_output(path, data + b"\n")


def read_certificate(path: Path) -> RtlReport:
    """Read a certificate.

    Raises:
        AxdseError: it is no certificate, damaged, or contradicts itself.
    """
    remedy = "run 'axdse verify' again with --certificate"
    file = InputFile(path, "a certificate is a readable JSON", LARGEST, remedy)
    data = file.read()
    try:
        certificate = TypeAdapter(Certificate).validate_json(data)
    except ValidationError as error:
        raise file.refusal("not its schema") from error
    report = certificate.report
    if certificate.schema != SCHEMA:
        rule = f"a certificate has schema {SCHEMA}"
        raise AxdseError(rule, f"{path} has {certificate.schema}", remedy)
    if certificate.seal != _seal(report):
        raise AxdseError("a certificate must match its seal", f"{path} was changed", remedy)
    most = MOST_SUM_BITS if " sum " in report.design else MOST_BITS
    if min(report.a_bits, report.b_bits) < 1 or report.a_bits + report.b_bits > most:
        raise file.refusal(f"it is of {_widths(report)} bits")
    pairs = 1 << (report.a_bits + report.b_bits)
    sound = report.vectors > 0 and not report.mismatches and not report.examples
    read_alike = report.reading is None or not report.reading.mismatches
    proof = report.proof
    proved = proof is not None and proof.verdict == "proved" and proof.pairs == pairs
    whole = (report.verdict == "exhaustive") == report.whole
    if not (sound and read_alike and whole) or (
        report.verdict == "proved" and (report.past or not proved)
    ):
        raise AxdseError(
            "a certificate must agree with itself",
            f"{path}: {report.verdict}, {report.vectors} vectors, {report.mismatches} mismatches",
            remedy,
        )
    return report


def _seal(report: RtlReport) -> str:
    return digest(str(SCHEMA), TypeAdapter(RtlReport).dump_json(report))


def compare(report: RtlReport, multiplier: Multiplier, rtl: Rtl) -> tuple[Finding, ...]:
    """Compare what was certified with the files at hand; `multiplier` is called as `report` says.

    The table decides on the model: another text with the same products is the same multiplier.

    Raises:
        AxdseError: the model does not compile or run.
    """
    findings = [
        _finding("RTL", report.rtl_digest, rtl.digest),
        _finding("widths", _widths(report), f"{rtl.a_bits} x {rtl.b_bits} -> {rtl.product_bits}"),
    ]
    if report.table_digest and multiplier.a_bits + multiplier.b_bits <= MAX_TABLE_BITS:
        products = digest(np.ascontiguousarray(table_of(multiplier)).tobytes())
        findings.append(_finding("products of the model", report.table_digest, products))
    else:
        findings.append(_finding("C model", report.model_digest, model_digest(multiplier)))
    return tuple(findings)


def compare_unit(report: RtlReport, candidate: Candidate) -> tuple[Finding, ...]:
    """Compare what was certified of a unit with the catalogue at hand.

    Raises:
        AxdseError: a file cannot be read.
    """
    return (
        _finding("RTL", report.rtl_digest, unit_rtl(candidate).digest),
        _finding("C model and format", report.model_digest, unit_digest(candidate)),
    )


def compare_sum_unit(report: RtlReport, mac: Mac) -> tuple[Finding, ...]:
    """Compare what was certified of the unit of a sum with the catalogue at hand.

    Raises:
        AxdseError: the MAC has no recipe of a sum, or a file cannot be read.
    """
    if mac.recipe is None:
        raise AxdseError("a certificate of a sum names a recipe", mac.name, "verify it again")
    return (
        _finding("RTL", report.rtl_digest, sum_rtl(mac.candidate, mac.recipe).digest),
        _finding("C models", report.model_digest, sum_digest(mac.candidate, mac.recipe)),
    )


def _widths(report: RtlReport) -> str:
    return f"{report.a_bits} x {report.b_bits} -> {report.product_bits}"


def _finding(what: str, certified: str, found: str) -> Finding:
    return Finding(what, certified, found, certified == found)
