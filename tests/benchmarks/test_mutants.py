from pathlib import Path

import pytest
from mutants import Edit, elaborates, gate_edits, gate_level, mutated, operator_edits

from axdse.flows.formal.proof import equivalent
from axdse.flows.verify.check import check_all
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.family import Multiplier
from axdse.multipliers.designs.rtl_text import core_rtl

HEAD = "module m #(parameter N = 4) (input [N-1:0] a, b, output reg [2*N-1:0] p);\n"


def bodies(body: str) -> list[str]:
    text = f"{HEAD}{body} endmodule"
    mutants = [edit.apply(text) for edit in operator_edits(text)]
    assert all(mutant.startswith(HEAD) for mutant in mutants)
    return [mutant.removeprefix(HEAD).removesuffix(" endmodule") for mutant in mutants]


@pytest.mark.parametrize(
    ("body", "mutants"),
    [
        ("assign p = a+b;", ["assign p = a-b;"]),
        ("assign p = a <= b;", ["assign p = a < b;"]),
        ("assign p = a<<<1;", ["assign p = a>>>1;", "assign p = a<<<2;", "assign p = a<<<0;"]),
        ("assign p = 4'b01;", ["assign p = 4'b00;"]),
        ("assign p = a[i];", ["assign p = a[i + 1];", "assign p = a[i - 1];"]),
        ("assign p = ~a;", ["assign p = a;"]),
        ("assign p = a ? b : a;", ["assign p = a == 0 ? b : a;"]),
        ("if (a) p = b;", ["if (!(a)) p = b;"]),
        ("parameter K = 3; // a + b", []),
        ("p = i; /* 1 */", []),
        ("for (i = 0; i < N; i = i + 1) p = b;", ["for (i = 1; i < N; i = i + 1) p = b;"]),
    ],
)
def test_an_operator_mutant_has_one_edit(body: str, mutants: list[str]) -> None:
    assert bodies(body) == mutants


def test_an_edit_says_where_it_is() -> None:
    assert Edit(5, 6, "-").describe("one\na+b") == "2: + becomes -"
    assert Edit(0, 1, "").describe("~a") == "1: ~ becomes nothing"


@pytest.mark.parametrize("spec", ["drum(n=5)", "mitchell(m=4)", "baugh_wooley(n=4)"])
def test_gates_pass_the_check_and_their_mutants_do_not(spec: str, tmp_path: Path) -> None:
    multiplier = builtin_catalog().multiplier(spec)
    text = gate_level(multiplier)
    edits = list(gate_edits(text))
    assert len(edits) > 100
    texts = [text, *(edit.apply(text) for edit in edits[:: len(edits) // 5])]
    designs = [mutated(multiplier, each, number, tmp_path) for number, each in enumerate(texts)]
    reports = list(check_all(designs))
    assert reports[0].passed
    original = core_rtl(multiplier)
    for design, report in zip(designs, reports, strict=True):
        answer = equivalent(original, core_rtl(design), 10)
        assert report.passed == (answer.verdict == "equal")
    assert not all(report.passed for report in reports)


def test_mutants_share_neither_names_nor_files(tmp_path: Path) -> None:
    multiplier = builtin_catalog().multiplier("drum(n=5)")
    text = multiplier.family.rtl.read_text()
    first, second = (mutated(multiplier, text, number, tmp_path) for number in (1, 2))
    assert first.family.rtl != second.family.rtl
    assert core_rtl(first).top != core_rtl(second).top
    assert "module drum_segment_mutant1 " in core_rtl(first).text
    assert [report.verdict for report in check_all([first, second])] == ["exhaustive"] * 2


@pytest.mark.parametrize(("body", "expected"), [("assign p = a * b;", True), ("+", False)])
def test_what_icarus_refuses_does_not_elaborate(body: str, expected: bool, tmp_path: Path) -> None:
    text = f"module exact #(parameter N = 4) (input [N-1:0] a, b, output [2*N-1:0] p); {body}\n"
    exact: Multiplier = builtin_catalog().multiplier("exact(n=4)")
    assert elaborates(core_rtl(mutated(exact, f"{text}endmodule", 1, tmp_path))) == expected
