"""Every verdict of `conclude`, with readings and proofs made by hand."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from axdse.flows.evidence.report import Mismatch, Proof, Reading, RtlReport, Verdict
from axdse.flows.evidence.stimulus import Stimulus, every_pair
from axdse.flows.verify import verdict as conclusion
from axdse.flows.verify.verdict import conclude
from axdse.multipliers.cache import digest
from axdse.multipliers.designs.rtl_text import Rtl
from axdse.multipliers.errors import AxdseError, MachineError

EVERY = every_pair(2, 2)
SOME = EVERY.some(7)
WRONG = (Mismatch(1, 2, 2, "x"),)
COMPUTES = "assign p = a * b;"
MAY_REMEMBER = "wire [3:0] #3 q = a * b; assign p = q;"
REMEMBERS = "reg l; always @(a or b) begin p = l; l = a; end"


def rtl(body: str) -> Rtl:
    head = "module m(input [1:0] a, b, output reg [3:0] p);\n"
    return Rtl("m", f"{head}{body}\nendmodule\n", ("a", "b", "p"), 2, 2, 4, "m")


def report(stimulus: Stimulus) -> RtlReport:
    """Of a simulation that agreed."""
    return RtlReport(
        *("m", "sampled", "m(a, b)", 2, 2, 4, False, 0, stimulus.vectors, (), 0, (), "straight"),
        *(None, "model", "rtl", "", ("tool",), 0, 0.1, "today"),
    )


def reading(mismatches: int = 0, registers: bool = False) -> Reading:
    return Reading("yosys", registers, 16, mismatches, WRONG if mismatches else ())


def proof(verdict: str) -> Proof:
    examples = WRONG if verdict == "different" else ()
    return Proof(
        *("m", verdict, "exhaustion", 16, 16, 9, examples, "model", "rtl", ("yosys",), 0.1)  # type: ignore[arg-type]
    )


@pytest.fixture
def read_as(monkeypatch: pytest.MonkeyPatch) -> Callable[[Reading], None]:
    """Let the synthesiser's reading be this one."""

    def set_reading(found: Reading) -> None:
        monkeypatch.setattr(conclusion, "compare_readings", lambda *arguments: found)

    return set_reading


def expected(stimulus: Stimulus) -> np.ndarray:
    return stimulus.a * stimulus.b


def test_what_surely_remembers_is_refused_with_its_line() -> None:
    with pytest.raises(AxdseError, match=r"m depends on its operands alone: line 2: .*l before"):
        conclude(report(EVERY), rtl(REMEMBERS), EVERY, None)


@pytest.mark.parametrize(
    ("stimulus", "body", "verdict"),
    [
        (EVERY, COMPUTES, "exhaustive"),
        (SOME, COMPUTES, "sampled"),
        (EVERY, MAY_REMEMBER, "sampled"),
    ],
)
@pytest.mark.parametrize("read", [False, True])
def test_a_simulation_that_agrees(
    stimulus: Stimulus, body: str, verdict: Verdict, read: bool, read_as: Callable[[Reading], None]
) -> None:
    read_as(reading())
    found = conclude(report(stimulus), rtl(body), stimulus, expected(stimulus) if read else None)
    assert found.verdict == verdict
    assert found.passed
    assert found.reading == (reading() if read else None)
    assert found.past == ("line 2: a delay makes its answers depend on time" * (body != COMPUTES))
    table = digest(expected(stimulus).tobytes()) if read and stimulus.exhaustive else ""
    assert found.table_digest == table


def test_another_reading_is_a_mismatch(read_as: Callable[[Reading], None]) -> None:
    read_as(reading(mismatches=3))

    def prove(_: Rtl) -> Proof:
        raise AssertionError("nothing is left to prove")

    found = conclude(report(EVERY), rtl(COMPUTES), EVERY, expected(EVERY), prove)
    assert (found.verdict, found.reading) == ("mismatch", reading(mismatches=3))
    assert not found.passed


def test_registers_are_sampled_whatever_the_text_says(
    read_as: Callable[[Reading], None],
) -> None:
    read_as(reading(registers=True))
    found = conclude(report(EVERY), rtl(MAY_REMEMBER), EVERY, expected(EVERY))
    assert (found.verdict, found.past, found.table_digest) == ("sampled", "", "")


@pytest.mark.parametrize(
    ("stimulus", "body", "proved", "verdict"),
    [
        (SOME, COMPUTES, "proved", "proved"),
        (EVERY, COMPUTES, "proved", "exhaustive"),
        (SOME, MAY_REMEMBER, "proved", "sampled"),
        (EVERY, MAY_REMEMBER, "proved", "sampled"),
        (SOME, COMPUTES, "unknown", "sampled"),
        (EVERY, COMPUTES, "unknown", "exhaustive"),
        (SOME, COMPUTES, "different", "mismatch"),
        (EVERY, COMPUTES, "different", "mismatch"),
        (SOME, MAY_REMEMBER, "different", "mismatch"),
    ],
)
def test_a_proof_says_more_or_otherwise(
    stimulus: Stimulus,
    body: str,
    proved: str,
    verdict: Verdict,
    read_as: Callable[[Reading], None],
) -> None:
    read_as(reading())
    before = report(stimulus)
    found = conclude(before, rtl(body), stimulus, expected(stimulus), lambda _: proof(proved))
    assert (found.verdict, found.proof) == (verdict, proof(proved))
    assert found.examples == (WRONG if proved == "different" else ())
    assert (
        dataclasses.replace(
            found,
            verdict="sampled",
            proof=None,
            reading=None,
            past="",
            table_digest="",
            examples=(),
        )
        == before
    )


TWO_TEXTS = "\n`ifdef SYNTHESIS\nassign p = a * b;\n`else\nassign p = b * a;\n`endif"


@pytest.mark.parametrize(
    ("second", "verdict"),
    [("proved", "proved"), ("unknown", "sampled"), ("different", "mismatch"), ("", "sampled")],
)
def test_the_text_of_the_simulator_is_proved_too(
    second: str, verdict: Verdict, read_as: Callable[[Reading], None]
) -> None:
    read_as(reading())
    design = rtl(TWO_TEXTS)

    def prove(given: Rtl) -> Proof:
        if given.text == design.text:
            return dataclasses.replace(proof("proved"), rtl_digest=design.digest)
        assert "b * a" in given.text
        assert "a * b" not in given.text
        if not second:
            raise AxdseError("Yosys must accept m", "a word", "correct it")
        return proof(second)

    found = conclude(report(SOME), design, SOME, expected(SOME), prove)
    assert found.verdict == verdict
    assert found.proof
    assert found.proof.rtl_digest == design.digest
    assert ("no gates" in found.past) == (not second)


def test_what_was_simulated_as_a_whole_needs_no_second_proof(
    read_as: Callable[[Reading], None],
) -> None:
    read_as(reading())
    given = list[str]()

    def prove(design: Rtl) -> Proof:
        given.append(design.text)
        return proof("proved")

    design = rtl(TWO_TEXTS)
    assert conclude(report(EVERY), design, EVERY, expected(EVERY), prove).verdict == "exhaustive"
    assert given == [design.text]


def test_a_full_disk_is_no_text_without_gates(read_as: Callable[[Reading], None]) -> None:
    read_as(reading())
    design = rtl(TWO_TEXTS)

    def prove(given: Rtl) -> Proof:
        if given.text == design.text:
            return proof("proved")
        raise MachineError("the temporary folder must be writable", "full", "make room")

    with pytest.raises(MachineError):
        conclude(report(SOME), design, SOME, expected(SOME), prove)
