"""Fast cost: the same meaning as the full one, in batches that one bad design does not spoil."""

from dataclasses import replace
from pathlib import Path

import pytest

from axdse.flows import fast_cost
from axdse.flows.cost import core_cost, unit_cost
from axdse.flows.fast_cost import FastCost, fast_costs, read_blif
from axdse.flows.liberty import read_library
from axdse.multipliers.candidate import Candidate
from axdse.multipliers.catalog import Multiplier, builtin_catalog
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import parse_format
from axdse.multipliers.verilog import core_rtl


def core(spec: str) -> Multiplier:
    return builtin_catalog().multiplier(spec)


def only(designs: list[Multiplier | Candidate]) -> list[FastCost]:
    costs = list(fast_costs(designs))
    assert all(isinstance(cost, FastCost) for cost in costs), costs
    return [cost for cost in costs if isinstance(cost, FastCost)]


SPECS = ["exact(n=6)", "truncated(n=6,t=3,c=0)", "drum(n=6,k=3)", "mitchell(m=5)", "roba(n=6)"]


@pytest.mark.parametrize("spec", SPECS)
def test_area_and_delay_are_close_to_the_full_cost(spec: str) -> None:
    full, (fast,) = core_cost(core(spec)), only([core(spec)])
    assert fast.area_um2 == pytest.approx(full.area_um2, rel=0.1)
    assert fast.delay_ns == pytest.approx(full.delay_ns, rel=0.25)
    assert (fast.library_digest, fast.rtl_digest) == (full.library_digest, full.rtl_digest)


def test_a_unit_is_costed_whole() -> None:
    unit = Candidate(core("exact(n=4)"), parse_format("fp8_e4m3"))
    (fast,) = only([unit])
    assert fast.design == unit.name
    assert fast.area_um2 == pytest.approx(unit_cost(unit).area_um2, rel=0.1)


def test_a_batch_gives_what_each_gives_alone(fresh_cache: Path) -> None:
    designs = [core(spec) for spec in SPECS]
    together = only(list(designs))
    for kind in fresh_cache.glob("fast_cost/*.json"):
        kind.unlink()
    alone = [only([design])[0] for design in designs]
    assert [replace(c, date="") for c in together] == [replace(c, date="") for c in alone]


def test_a_hit_needs_no_tool(fresh_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = only([core("exact(n=3)")])
    monkeypatch.delattr(fast_cost, "run_yosys")
    assert only([core("exact(n=3)")]) == first


def test_one_bad_design_does_not_spoil_its_batch(tmp_path: Path, fresh_cache: Path) -> None:
    good, exact = core("exact(n=3)"), core("exact(n=4)")
    text = exact.family.rtl.read_text()
    designs: list[Multiplier] = [good]
    for name, wrong in (("broken", "a *** b"), ("other", "a * b + (a == 3)")):
        rtl = tmp_path / f"{name}.v"
        rtl.write_text(text.replace("a * b", wrong))
        designs.append(replace(exact, family=replace(exact.family, rtl=rtl)))
    first, broken, other = fast_costs(designs)
    assert isinstance(first, FastCost)
    assert isinstance(broken, AxdseError)
    assert "syntax error" in str(broken)
    assert isinstance(other, AxdseError)
    assert "a=0x3, b=0x0 gives 0x1, not 0x0" in str(other)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (".gate MAGIC A=a[0] Y=p[0]", "MAGIC"),
        (".names a[0] b[0] p[0]\n11 1", r"all logic.*a\[0\] b\[0\]"),
        (".gate INVX1 A=x Y=y\n.gate INVX1 A=y Y=x", "loop of 2 cells"),
    ],
)
def test_a_netlist_of_anything_else_is_refused(lines: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "x.blif").write_text(f".model x\n{lines}\n.end\n")
    with pytest.raises(AxdseError, match=message):
        read_blif(tmp_path / "x.blif", core_rtl(core("exact(n=3)")), read_library())


def test_constants_and_wires_are_read(tmp_path: Path) -> None:
    text = ".names a[0] p[0]\n1 1\n.names p[1]\n.names p[2]\n1\n.gate INVX1 A=p[2] Y=p[3]\n"
    (tmp_path / "x.blif").write_text(text)
    netlist = read_blif(tmp_path / "x.blif", core_rtl(core("exact(n=3)")), read_library())
    a = netlist.a.nets[0]
    assert netlist.product.nets[:3] == (a, 0, 1)
    assert len(netlist.instances) == 1
