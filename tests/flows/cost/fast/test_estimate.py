"""Fast cost: the same meaning as the full one, in batches that one bad design does not spoil."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from axdse.flows import yosys
from axdse.flows.cost.cost import core_cost, unit_cost
from axdse.flows.cost.fast import abc_map as fast_map
from axdse.flows.cost.fast import elaborate
from axdse.flows.cost.fast import estimate as fast_cost
from axdse.flows.cost.fast.estimate import fast_costs
from axdse.flows.cost.record import FastCost
from axdse.flows.liberty.library import read_library
from axdse.flows.netlist import check
from axdse.flows.netlist.delays import delays_of
from axdse.flows.netlist.synthesis import synthesise
from axdse.flows.tools import find_tool
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.designs.family import Multiplier, Pipeline
from axdse.multipliers.designs.rtl_text import core_rtl
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import parse_format


def core(spec: str) -> Multiplier:
    return builtin_catalog().multiplier(spec)


def only(designs: list[Multiplier | Candidate]) -> list[FastCost]:
    costs = list(fast_costs(designs))
    assert all(isinstance(cost, FastCost) for cost in costs), costs
    return [cost for cost in costs if isinstance(cost, FastCost)]


SPECS = ["exact(n=6)", "truncated(n=6,t=3,c=0)", "drum(n=6,k=3)", "mitchell(m=5)", "roba(n=6)"]
BATCH = [*SPECS, "booth(n=4)", "realm(m=5,s=2,t=0)", "tosam(n=5,h=1,t=3)", "etm(n=6,k=3)"]


@pytest.mark.parametrize("spec", SPECS)
def test_area_and_delay_are_close_to_the_full_cost(spec: str) -> None:
    """Without full adders, which the fast one has not."""
    full, (fast,) = core_cost(core(spec), aim="area"), only([core(spec)])
    alone = synthesise(core_rtl(core(spec)), read_library())
    delay_ns = delays_of(alone).critical_path_ns(alone)
    assert fast.area_um2 == pytest.approx(alone.area_um2, rel=0.1)
    assert fast.delay_ns == pytest.approx(delay_ns, rel=0.25)
    assert (fast.library_digest, fast.rtl_digest) == (full.library_digest, full.rtl_digest)
    assert fast.proof == full.proof
    assert fast.basis != full.basis


def test_a_unit_is_costed_whole() -> None:
    unit = Candidate(core("exact(n=4)"), parse_format("fp8_e4m3"))
    (fast,) = only([unit])
    assert fast.design == unit.name
    assert fast.area_um2 == pytest.approx(unit_cost(unit, aim="area").area_um2, rel=0.1)


def test_a_survey_of_units_asks_for_a_sample_alone(
    fresh_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which is said, is the same cost otherwise, and no answer to who asks for the proof."""
    unit = Candidate(core("mitchell(m=2)"), parse_format("float(8,2)"))
    (proven,) = fast_costs([unit])
    with monkeypatch.context() as patch:
        patch.delattr(check, "is_mapped")
        (sampled,) = fast_costs([unit], prove=False)
    assert isinstance(proven, FastCost)
    assert isinstance(sampled, FastCost)
    assert (proven.proof.method, sampled.proof.method) == ("cec", "sampled")
    assert sampled.proof.vectors == proven.proof.vectors > 100_000
    assert replace(sampled, proof=proven.proof, basis=proven.basis, date=proven.date) == proven
    assert only([unit]) == [proven]


def test_a_sample_finds_a_unit_that_is_not_its_model(tmp_path: Path, fresh_cache: Path) -> None:
    wrong = with_text(
        tmp_path, "other", EXACT.replace("a * b", "a * b + 8 * (a == 5)"), "exact(n=3)"
    )
    (error,) = fast_costs([Candidate(wrong, parse_format("float(8,2)"))], prove=False)
    assert isinstance(error, AxdseError)
    assert "must compute what the C model does" in str(error)


def computed(designs: list[Multiplier], cache: Path) -> dict[str, FastCost]:
    """By design, without dates, and not from the cache."""
    for entry in cache.glob("fast_cost/*.json"):
        entry.unlink()
    return {cost.design: replace(cost, date="") for cost in only(list(designs))}


@pytest.fixture(scope="module")
def alone(
    tmp_path_factory: pytest.TempPathFactory, tools_only: Callable[[Path], Path]
) -> dict[str, FastCost]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tools_only(tmp_path_factory.mktemp("alone") / "cache")
        patch.setenv("AXDSE_CACHE", str(folder))
        results = [computed([core(spec)], folder) for spec in BATCH]
    return {design: cost for each in results for design, cost in each.items()}


@pytest.mark.parametrize("seed", range(4))
def test_a_batch_gives_what_each_gives_alone(
    seed: int, alone: dict[str, FastCost], fresh_cache: Path
) -> None:
    designs = [core(spec) for spec in BATCH]
    Random(seed).shuffle(designs)
    some = designs[: len(designs) - 2 * seed]
    assert computed(some, fresh_cache) == {design.spec: alone[design.spec] for design in some}


def test_a_hit_needs_no_tool(fresh_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = only([core("exact(n=3)")])
    monkeypatch.delattr(fast_cost, "write_gates")
    assert only([core("exact(n=3)")]) == first


def with_text(tmp_path: Path, name: str, text: str, spec: str = "exact(n=4)") -> Multiplier:
    design, rtl = core(spec), tmp_path / f"{name}.v"
    rtl.write_text(text)
    return replace(design, family=replace(design.family, rtl=rtl))


EXACT = builtin_catalog().family("exact").rtl.read_text()


def test_one_bad_design_does_not_spoil_its_batch(tmp_path: Path, fresh_cache: Path) -> None:
    broken = with_text(tmp_path, "broken", EXACT.replace("a * b", "a *** b"))
    wrong = with_text(tmp_path, "other", EXACT.replace("a * b", "a * b + (a == 3)"))
    good = core("exact(n=3)")
    first, second, third, last = fast_costs([good, broken, wrong, core("exact(n=5)")], jobs=1)
    assert isinstance(first, FastCost)
    assert isinstance(second, AxdseError)
    assert "syntax error" in str(second)
    assert isinstance(third, AxdseError)
    assert "a=0x3, b=0x0 gives 0x1, not 0x0" in str(third)
    assert isinstance(last, FastCost)
    assert list(fast_costs([good])) == [first]


LEAKS = {
    "define": "`define STOLEN\n" + EXACT,
    "nettype": "`default_nettype none\n" + EXACT,
    "module": EXACT + "module helper (output x); assign x = 1'b1; endmodule\n",
}


@pytest.mark.parametrize("leak", LEAKS)
def test_nothing_leaks_into_the_next_design(leak: str, tmp_path: Path, fresh_cache: Path) -> None:
    body = "module helper (output x); assign x = 1'b0; endmodule\n" if leak != "module" else ""
    victim = EXACT.replace("endmodule", "helper h (.x(implicit)); endmodule").replace(
        "a * b", "(a * b) ^ implicit"
    )
    guarded = f"`ifdef STOLEN\nsyntax error here\n`endif\n{victim}{body}"
    thief = with_text(tmp_path, "thief", LEAKS[leak], "exact(n=3)")
    first, second = fast_costs([thief, with_text(tmp_path, "victim", guarded)], jobs=1)
    assert isinstance(first, FastCost), first
    if leak == "module":
        assert "helper" in str(second)
    else:
        assert isinstance(second, FastCost), second


def test_modules_of_one_name_are_kept_apart(tmp_path: Path, fresh_cache: Path) -> None:
    other = EXACT.replace("a * b", "b * a") + "module unused; endmodule\n"
    designs = [core("exact(n=4)"), with_text(tmp_path, "exact", other)]
    first, second = only(designs)
    assert first.rtl_digest != second.rtl_digest


def test_what_words_cannot_tell_yosys_does(tmp_path: Path, fresh_cache: Path) -> None:
    divider = with_text(tmp_path, "divider", EXACT.replace("a * b", "a * b / 1"), "exact(n=3)")
    (cost,) = only([divider])
    assert cost.area_um2 == pytest.approx(only([core("exact(n=3)")])[0].area_um2, rel=0.1)


def test_registers_have_no_fast_cost(tmp_path: Path, fresh_cache: Path) -> None:
    design = core("exact(n=4)")
    pipeline = Pipeline(clock="clk", latency=1)
    (error,) = fast_costs([replace(design, family=replace(design.family, pipeline=pipeline))])
    assert "no registers" in str(error)


# A tool that hangs or dies on one design is killed; the others have their cost.

ONLY_EXACT_5 = 'case "$(cat script.ys 2>/dev/null)" in *exact_n5*) {fate};; esac'


@pytest.mark.parametrize(("fate", "message"), [("sleep 60", "within 2 s"), ("kill -SEGV $$", "")])
def test_yosys_that_fails_on_one_design(
    fate: str,
    message: str,
    fake_tool: Callable[[str, str], Path],
    fresh_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = f'{ONLY_EXACT_5.format(fate=fate)}\nexec {find_tool("yosys").path} "$@"'
    monkeypatch.setenv("AXDSE_YOSYS", str(fake_tool("yosys", script)))
    monkeypatch.setattr(elaborate, "TOGETHER_LIMIT_S", 2)
    monkeypatch.setattr(yosys, "TIME_LIMIT_S", 2)
    designs = [core(f"exact(n={n})") for n in (3, 5, 4)]
    first, second, third = fast_costs(designs, jobs=1)
    assert isinstance(first, FastCost)
    assert isinstance(second, AxdseError)
    assert message in str(second)
    assert isinstance(third, FastCost)


@pytest.mark.parametrize(("fate", "message"), [("sleep 60", "within 2 s"), ("kill -SEGV $$", "")])
def test_abc_that_fails_on_one_design(
    fate: str,
    message: str,
    fake_tool: Callable[[str, str], Path],
    fresh_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = f'case "$(cat map.abc 2>/dev/null)" in *"read_aiger 1/"*) {fate};; esac\n'
    script += f'exec {find_tool("yosys-abc").path} "$@"'
    monkeypatch.setenv("AXDSE_YOSYS_ABC", str(fake_tool("yosys-abc", script)))
    monkeypatch.setattr(fast_map, "TOGETHER_LIMIT_S", 2)
    monkeypatch.setattr(fast_map, "ALONE_LIMIT_S", 2)
    first, second, third = fast_costs([core(f"exact(n={n})") for n in (3, 5, 4)], jobs=1)
    assert isinstance(first, FastCost)
    assert isinstance(second, AxdseError)
    assert message in str(second)
    assert isinstance(third, FastCost)


@pytest.mark.parametrize("name", ["yosys", "yosys-abc"])
@pytest.mark.parametrize("body", ["exit 3", "echo nonsense"])
def test_a_broken_tool_is_an_error_for_each_design(
    name: str,
    body: str,
    fake_tool: Callable[[str, str], Path],
    fresh_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read_library()
    version = f'case "$*" in -V|"-q version") echo {name} 1.0; exit 0;; esac'
    variable = f"AXDSE_{name.upper().replace('-', '_')}"
    monkeypatch.setenv(variable, str(fake_tool(name, f"{version}\n{body}")))
    costs = list(fast_costs([core("exact(n=3)"), core("exact(n=4)")], jobs=1))
    assert [type(cost) for cost in costs] == [AxdseError, AxdseError]
    assert not list(fresh_cache.glob("fast_cost/*.json"))
