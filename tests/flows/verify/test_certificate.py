import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from axdse.flows.evidence.report import Mismatch, Proof, Reading, RtlReport
from axdse.flows.verify.certificate import (
    compare,
    compare_unit,
    read_certificate,
    write_certificate,
)
from axdse.flows.verify.check import check
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.designs.family import Multiplier
from axdse.multipliers.designs.rtl_text import core_rtl, unit_rtl
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import parse_format

Write = Callable[[str, str], Path]
WithRtl = Callable[..., Multiplier]


@pytest.fixture
def drum() -> Multiplier:
    return builtin_catalog().multiplier("drum(n=4,k=3)")


@pytest.fixture
def certificate(drum: Multiplier, tmp_path: Path) -> Path:
    path = tmp_path / "certificate.json"
    write_certificate(check(drum), path)
    return path


def _held(report: RtlReport, multiplier: Multiplier) -> dict[str, bool]:
    return {f.what: f.holds for f in compare(report, multiplier, core_rtl(multiplier))}


def test_a_certificate_says_what_was_checked_and_how(certificate: Path) -> None:
    report = json.loads(certificate.read_text())["report"]
    assert (report["verdict"], report["vectors"], report["mismatches"]) == ("exhaustive", 256, 0)
    assert report["coverage"][0] == {"name": "operand pairs", "covered": 256, "total": 256}
    assert all(len(report[f"{what}_digest"]) == 64 for what in ("model", "rtl", "table"))
    assert any("Icarus" in tool for tool in report["tools"])
    assert report["tools"][0].startswith("axdse ")


def test_an_unchanged_design_holds(certificate: Path, drum: Multiplier) -> None:
    assert set(_held(read_certificate(certificate), drum).values()) == {True}


def test_changed_rtl_does_not(certificate: Path, drum: Multiplier, write: Write) -> None:
    text = drum.family.rtl.read_text() + "// one more word\n"
    changed = dataclasses.replace(
        drum, family=dataclasses.replace(drum.family, rtl=write("drum.v", text))
    )
    assert _held(read_certificate(certificate), changed)["RTL"] is False


@pytest.mark.parametrize(
    ("before", "after", "holds"),
    [("int cut = 0", "int cut = 0 * 1", True), ("cut | 1)", "cut | 0)", False)],
    ids=["other text", "other products"],
)
def test_the_products_decide_on_the_model(
    before: str, after: str, holds: bool, certificate: Path, drum: Multiplier, write: Write
) -> None:
    text = drum.family.model.read_text()
    assert before in text
    model = write("drum.c", text.replace(before, after))
    changed = dataclasses.replace(drum, family=dataclasses.replace(drum.family, model=model))
    assert _held(read_certificate(certificate), changed)["products of the model"] is holds


@pytest.mark.parametrize(
    ("key", "value"), [("vectors", 255), ("mismatches", 1), ("design", "other"), ("seed", 9)]
)
def test_a_changed_certificate_is_refused(key: str, value: object, certificate: Path) -> None:
    content = json.loads(certificate.read_text())
    content["report"][key] = value
    certificate.write_text(json.dumps(content))
    with pytest.raises(AxdseError, match="must match its seal"):
        read_certificate(certificate)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"schema": 1, "report": {}, "seal": ""}'])
def test_what_is_no_certificate_is_one_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "no.json"
    path.write_text(text)
    with pytest.raises(AxdseError, match="a certificate is a readable JSON"):
        read_certificate(path)


@pytest.mark.parametrize("schema", [2, 4])
def test_another_schema_is_named(schema: int, certificate: Path) -> None:
    content = json.loads(certificate.read_text())
    certificate.write_text(json.dumps({**content, "schema": schema}))
    with pytest.raises(AxdseError, match=f"a certificate has schema 3: .* has {schema}; run"):
        read_certificate(certificate)


@pytest.mark.parametrize("bits", [{"a_bits": 0}, {"b_bits": -1}, {"a_bits": 10**9}], ids=str)
def test_widths_that_no_design_has_are_refused(
    bits: dict[str, int], drum: Multiplier, tmp_path: Path
) -> None:
    path = tmp_path / "wide.json"
    write_certificate(dataclasses.replace(check(drum), **bits), path)  # type: ignore[arg-type]
    with pytest.raises(AxdseError, match=r"it is of .* bits"):
        read_certificate(path)


READING = Reading("yosys", False, 256, 0, ())
PROVED = {"verdict": "proved", "vectors": 9}
PROOF = Proof("drum", "proved", "exhaustion", 256, 256, 9, (), "", "", (), 0.1)


@pytest.mark.parametrize(
    ("change", "agrees"),
    [
        ({"reading": READING}, True),
        ({"reading": dataclasses.replace(READING, mismatches=1)}, False),
        ({"reading": dataclasses.replace(READING, registers=True)}, False),
        ({"reading": dataclasses.replace(READING, registers=True), "verdict": "sampled"}, True),
        ({"past": "line 1: it loads on an edge"}, False),
        ({"past": "line 1: it loads on an edge", "verdict": "sampled"}, True),
        ({"latency": 1}, False),
        ({**PROVED, "proof": PROOF}, True),
        (PROVED, False),
        (
            {**PROVED, "proof": dataclasses.replace(PROOF, pairs=255)},
            False,
        ),
        (
            {**PROVED, "proof": dataclasses.replace(PROOF, verdict="unknown")},
            False,
        ),
        ({**PROVED, "proof": PROOF, "past": "line 1"}, False),
        ({"examples": (Mismatch(1, 1, 1, "0"),)}, False),
    ],
)
def test_readings_proofs_and_pasts_agree_with_the_verdict(
    change: dict[str, object], agrees: bool, drum: Multiplier, tmp_path: Path
) -> None:
    report, path = dataclasses.replace(check(drum), **change), tmp_path / "c.json"  # type: ignore[arg-type]
    write_certificate(report, path)
    if agrees:
        assert read_certificate(path) == report
        return
    with pytest.raises(AxdseError, match="agree with itself"):
        read_certificate(path)


def test_without_a_table_the_text_of_the_model_decides(drum: Multiplier) -> None:
    report = dataclasses.replace(check(drum), table_digest="")
    assert _held(report, drum)["C model"] is True
    assert _held(dataclasses.replace(report, model_digest="0"), drum)["C model"] is False


def test_a_unit_is_compared_by_its_files() -> None:
    unit = Candidate(builtin_catalog().multiplier("exact(n=4)"), parse_format("float(8,3)"))
    report = dataclasses.replace(
        check(unit.multiplier), rtl_digest=unit_rtl(unit).digest, model_digest="0"
    )
    assert [f.holds for f in compare_unit(report, unit)] == [True, False]


@pytest.mark.parametrize(
    "change",
    [{"vectors": 255}, {"vectors": 0}, {"verdict": "sampled"}, {"mismatches": 2}],
    ids=str,
)
def test_a_certificate_agrees_with_itself(
    change: dict[str, int | str], drum: Multiplier, tmp_path: Path
) -> None:
    path = tmp_path / "contradiction.json"
    write_certificate(dataclasses.replace(check(drum), **change), path)  # type: ignore[arg-type]
    with pytest.raises(AxdseError, match="agree with itself"):
        read_certificate(path)


def test_a_mismatch_is_not_certified(with_rtl: WithRtl, tmp_path: Path) -> None:
    with pytest.raises(AxdseError, match="only a passed check is certified"):
        write_certificate(check(with_rtl("assign p = a + b;")), tmp_path / "no.json")
    assert not (tmp_path / "no.json").exists()
