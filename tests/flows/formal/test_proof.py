import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from axdse.flows.formal.gates import read_gates
from axdse.flows.formal.proof import Equivalence, check_with_abc, equivalent, prove
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.family import Multiplier
from axdse.multipliers.designs.rtl_text import Rtl, core_rtl
from axdse.multipliers.errors import AxdseError


def rtl_of(spec: str) -> Rtl:
    return core_rtl(builtin_catalog().multiplier(spec))


def test_a_proof_says_what_was_compared(fresh_cache: Path) -> None:
    multiplier = builtin_catalog().multiplier("drum(n=10,k=4)")
    proof = prove(multiplier, core_rtl(multiplier))
    assert (proof.verdict, proof.method) == ("proved", "exhaustion")
    assert proof.pairs == proof.total == 1 << 20
    assert proof.examples == ()
    assert proof.gates > 100
    assert any(tool.startswith("Yosys") for tool in proof.tools)
    assert prove(multiplier, core_rtl(multiplier)) == proof  # from the cache, to the microsecond


def test_sixteen_million_pairs_take_seconds(fresh_cache: Path) -> None:
    multiplier = builtin_catalog().multiplier("broken_array(n=12)")
    proof = prove(multiplier, core_rtl(multiplier))
    assert (proof.verdict, proof.pairs) == ("proved", 1 << 24)
    assert proof.seconds < 10


def test_a_difference_comes_with_examples() -> None:
    proof = prove(builtin_catalog().multiplier("exact(n=6)"), rtl_of("udm(n=6)"))
    assert proof.verdict == "different"
    assert (proof.examples[0].a, proof.examples[0].b) == (3, 3)
    assert (proof.examples[0].expected, proof.examples[0].got) == (9, "007")


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        ("assign p = a == 3 && b == 2 ? 8'b0000_0x1x : a * b;", "different"),
        ("wire x = 1'bx; assign p = a * b | {7'b0, x & 1'b0};", "proved"),
    ],
)
def test_an_x_that_reaches_the_product_is_a_difference(
    with_rtl: Callable[..., Multiplier], body: str, verdict: str
) -> None:
    multiplier = with_rtl(body)
    proof = prove(multiplier, core_rtl(multiplier))
    assert proof.verdict == verdict
    assert [example.got for example in proof.examples] == ["0X"] * (verdict == "different")


def test_more_pairs_than_time_are_unknown(fresh_cache: Path) -> None:
    family = builtin_catalog().family("exact")
    wide = Multiplier(family, (("n", 16),))
    start = time.monotonic()
    proof = prove(wide, core_rtl(wide), limit_s=2)
    assert time.monotonic() - start < 10
    assert proof.verdict == "unknown"
    assert proof.pairs < proof.total == 1 << 32
    assert prove(wide, core_rtl(wide), limit_s=2).seconds != proof.seconds  # tried again


@pytest.mark.slow
def test_four_billion_pairs_take_minutes() -> None:
    wide = Multiplier(builtin_catalog().family("exact"), (("n", 16),))
    assert prove(wide, core_rtl(wide), limit_s=600).verdict == "proved"


@pytest.mark.parametrize(
    ("first", "second", "answer"),
    [
        ("exact(n=6)", "dadda(n=6)", Equivalence("equal", "exhaustion")),
        ("exact(n=6)", "udm(n=6)", Equivalence("different", "exhaustion", (3, 3))),
        ("truncated(n=11,t=0,c=0)", "truncated(n=11,t=0,c=1)", Equivalence("equal", "structure")),
        ("exact(n=9)", "wallace(n=9)", Equivalence("equal", "cec")),
        ("exact(n=11)", "truncated(n=11)", Equivalence("different", "simulation", (0, 0))),
    ],
)
def test_designs_are_compared(first: str, second: str, answer: Equivalence) -> None:
    assert equivalent(rtl_of(first), rtl_of(second), 30) == answer


def test_abc_pairs_operands_by_position() -> None:
    graph = read_gates(rtl_of("broken_array(n=6)"))
    text = core_rtl(builtin_catalog().multiplier("broken_array(n=6)")).text
    renamed = dataclasses.replace(
        rtl_of("broken_array(n=6)"),
        top="renamed",
        ports=("z", "y", "x"),
        text="module renamed (output [11:0] x, input [5:0] y, z);\n"
        f"broken_array #(.N(6), .H(1), .V(4)) core (z, y, x);\nendmodule\n{text}",
    )
    assert check_with_abc(graph, read_gates(renamed), 30) == Equivalence("equal", "cec")
    swapped = dataclasses.replace(renamed, ports=("y", "z", "x"))
    answer = check_with_abc(graph, read_gates(swapped), 30)
    assert (answer.verdict, answer.method) == ("different", "cec")
    assert answer.counter_example is not None


def test_a_proof_that_takes_too_long_is_unknown() -> None:
    first, second = (read_gates(rtl_of(f"{name}(n=12)")) for name in ("exact", "dadda"))
    start = time.monotonic()
    answer = check_with_abc(first, second, 1)
    assert answer == Equivalence("unknown", "cec")
    assert time.monotonic() - start < 5


def test_an_x_is_equal_to_nothing(with_rtl: Callable[..., Multiplier]) -> None:
    rtl = core_rtl(with_rtl("assign p = a ? a * b : 8'bx;"))
    assert equivalent(rtl, rtl, 10).verdict == "different"


def test_designs_of_different_widths_are_refused() -> None:
    with pytest.raises(AxdseError, match="same widths"):
        equivalent(rtl_of("exact(n=4)"), rtl_of("exact(n=5)"), 1)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo Networks are NOT EQUIVALENT.", "must show operands"),
        ("kill -SEGV $$", "must not crash"),
    ],
)
def test_abc_is_not_believed(
    fake_tool: Callable[[str, str], Path],
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    message: str,
) -> None:
    graph = read_gates(rtl_of("exact(n=4)"))
    monkeypatch.setenv("AXDSE_YOSYS_ABC", str(fake_tool("yosys-abc", script)))
    with pytest.raises(AxdseError, match=message):
        check_with_abc(graph, graph, 5)
